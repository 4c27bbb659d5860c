//! Invoices: made, finalized, paid or not, and what that does to their subscription.

use serde_json::{Value, json};

use super::kind::Kind;
use super::list::list;
use super::payment::{NewIntent, Payment};
use super::{World, number, text};

/// An invoice to be made.
pub(crate) struct NewInvoice<'a> {
    pub(crate) customer: &'a str,
    pub(crate) subscription: Option<&'a str>,
    /// `subscription_create`, `subscription_cycle`, `subscription_update`, `upcoming` or `manual`.
    pub(crate) reason: &'a str,
    pub(crate) currency: &'a str,
    pub(crate) lines: Vec<Line>,
    pub(crate) period: (i64, i64),
    pub(crate) description: Value,
    pub(crate) metadata: Value,
    pub(crate) auto_advance: bool,
}

/// A line of an invoice to be made.
pub(crate) struct Line {
    pub(crate) amount: i64,
    pub(crate) description: Value,
    pub(crate) quantity: Option<i64>,
    pub(crate) period: (i64, i64),
    /// `{price, product}` ids, or null.
    pub(crate) pricing: Value,
    pub(crate) parent: Value,
}

impl World {
    /// Makes a draft.
    pub(crate) fn new_invoice(&mut self, new: NewInvoice<'_>) -> String {
        let id = self.new_id(Kind::Invoice);
        let lines: Vec<Value> = new.lines.iter().map(|line| self.line_object(line, &id, &new)).collect();
        let total: i64 = new.lines.iter().map(|line| line.amount).sum();
        let mut invoice = self.invoice_object(&id, &new, lines, total);
        self.copy_customer(new.customer, &mut invoice);
        NOTHING_YET.iter().for_each(|field| invoice[*field] = Value::Null);
        self.insert(Kind::Invoice, invoice);
        self.emit("invoice.created", Kind::Invoice, &id);
        id
    }

    fn line_object(&mut self, line: &Line, invoice: &str, new: &NewInvoice<'_>) -> Value {
        json!({
            "id": format!("il_1{}", self.random_text(23)),
            "object": "line_item",
            "amount": line.amount,
            "currency": new.currency,
            "description": line.description,
            "discount_amounts": [],
            "discountable": true,
            "discounts": [],
            "invoice": invoice,
            "livemode": self.livemode,
            "metadata": {},
            "parent": line.parent,
            "period": {"start": line.period.0, "end": line.period.1},
            "pretax_credit_amounts": [],
            "pricing": line.pricing,
            "quantity": line.quantity,
            "quantity_decimal": line.quantity.map(|quantity| quantity.to_string()),
            "subscription": new.subscription,
            "subtotal": line.amount,
            "taxes": [],
        })
    }

    fn invoice_object(&self, id: &str, new: &NewInvoice<'_>, lines: Vec<Value>, total: i64) -> Value {
        let subscription = new.subscription.and_then(|id| self.get(Kind::Subscription, id));
        let due = total.max(0);
        json!({
            "id": id,
            "object": "invoice",
            "account_country": "US",
            "account_name": "Tenantry double",
            "amount_due": due,
            "amount_overpaid": 0,
            "amount_paid": 0,
            "amount_remaining": due,
            "amount_shipping": 0,
            "attempt_count": 0,
            "attempted": false,
            "auto_advance": new.auto_advance,
            "automatic_tax": {"disabled_reason": null, "enabled": false, "liability": null, "provider": null, "status": null},
            "billing_reason": new.reason,
            "collection_method": subscription.map_or(json!("charge_automatically"), |row| row["collection_method"].clone()),
            "created": self.now(),
            "currency": new.currency,
            "customer": new.customer,
            "customer_tax_exempt": "none",
            "customer_tax_ids": [],
            "default_tax_rates": [],
            "description": new.description,
            "discounts": [],
            "issuer": {"type": "self"},
            "lines": list(lines, false, &format!("/v1/invoices/{id}/lines")),
            "livemode": self.livemode,
            "metadata": new.metadata,
            "parent": subscription.map(parent),
            "payment_settings": {"default_mandate": null, "payment_method_options": null, "payment_method_types": null},
            "period_start": new.period.0,
            "period_end": new.period.1,
            "post_payment_credit_notes_amount": 0,
            "pre_payment_credit_notes_amount": 0,
            "starting_balance": 0,
            "status": "draft",
            "status_transitions": {"finalized_at": null, "marked_uncollectible_at": null, "paid_at": null, "voided_at": null},
            "subtotal": total,
            "subtotal_excluding_tax": total,
            "total": total,
            "total_discount_amounts": [],
            "total_excluding_tax": total,
            "total_pretax_credit_amounts": [],
            "total_taxes": [],
            "webhooks_delivered_at": self.now(),
        })
    }

    /// An invoice keeps the customer as it was.
    fn copy_customer(&self, customer: &str, invoice: &mut Value) {
        let row = self.get_even_deleted(Kind::Customer, customer).cloned().unwrap_or_default();
        for field in ["address", "email", "name", "phone", "shipping"] {
            invoice[format!("customer_{field}")] = row[field].clone();
        }
    }

    /// Draft → open, with a payment intent for what is due; nothing due is paid at once.
    pub(crate) fn finalize(&mut self, invoice: &str) {
        let row = self.get(Kind::Invoice, invoice).cloned().unwrap_or_default();
        if text(&row, "status") != "draft" {
            return;
        }
        let number_text = format!("{}-{:04}", self.random_text(8).to_uppercase(), 1);
        let mut transitions = row["status_transitions"].clone();
        transitions["finalized_at"] = json!(self.now());
        let opened = json!({
            "status": "open", "number": number_text, "effective_at": self.now(), "status_transitions": transitions,
            "hosted_invoice_url": format!("{}/i/{invoice}", self.cause.base_url),
        });
        self.set(Kind::Invoice, invoice, opened);
        if number(&row, "amount_due") > 0 {
            self.ask_payment(&row);
        }
        self.emit("invoice.finalized", Kind::Invoice, invoice);
        if number(&row, "amount_due") == 0 {
            self.mark_paid(invoice);
        }
    }

    fn ask_payment(&mut self, invoice: &Value) {
        let intent = self.new_intent(NewIntent {
            amount: number(invoice, "amount_due"),
            currency: text(invoice, "currency"),
            customer: invoice["customer"].clone(),
            description: invoice["description"].clone(),
            metadata: json!({}),
            shipping: Value::Null,
        });
        let id = self.new_id(Kind::InvoicePayment);
        let payment = json!({
            "id": id,
            "object": "invoice_payment",
            "amount_paid": null,
            "amount_requested": invoice["amount_due"],
            "created": self.now(),
            "currency": invoice["currency"],
            "invoice": invoice["id"],
            "is_default": true,
            "livemode": self.livemode,
            "payment": {"type": "payment_intent", "payment_intent": intent},
            "status": "open",
            "status_transitions": {"canceled_at": null, "paid_at": null},
        });
        self.insert(Kind::InvoicePayment, payment);
    }

    /// Tries to pay an open invoice.
    pub(crate) fn pay(&mut self, invoice: &str, method: &str) -> Payment {
        let Some(intent) = self.intent_of(invoice) else { return Payment::Succeeded };
        let payment = self.confirm_intent(&intent, method);
        self.note_payment(invoice, &payment);
        payment
    }

    /// Writes down on the invoice how its payment went.
    pub(crate) fn note_payment(&mut self, invoice: &str, payment: &Payment) {
        let attempts = self.get(Kind::Invoice, invoice).map_or(0, |row| number(row, "attempt_count"));
        self.set(Kind::Invoice, invoice, json!({"attempted": true, "attempt_count": attempts + 1}));
        match payment {
            Payment::Succeeded => self.mark_paid(invoice),
            Payment::RequiresAction => {
                self.emit("invoice.payment_action_required", Kind::Invoice, invoice);
                self.emit("invoice.payment_failed", Kind::Invoice, invoice);
            }
            Payment::Declined(_) => self.emit("invoice.payment_failed", Kind::Invoice, invoice),
        }
    }

    fn mark_paid(&mut self, invoice: &str) {
        let row = self.get(Kind::Invoice, invoice).cloned().unwrap_or_default();
        let mut transitions = row["status_transitions"].clone();
        transitions["paid_at"] = json!(self.now());
        let paid = json!({
            "status": "paid", "attempted": true, "amount_paid": row["amount_due"], "amount_remaining": 0,
            "status_transitions": transitions, "next_payment_attempt": null, "ending_balance": 0,
        });
        self.set(Kind::Invoice, invoice, paid);
        self.close_payments(invoice);
        self.emit("invoice.paid", Kind::Invoice, invoice);
        self.emit("invoice.payment_succeeded", Kind::Invoice, invoice);
    }

    fn close_payments(&mut self, invoice: &str) {
        let open = self.rows(Kind::InvoicePayment).find(|row| text(row, "invoice") == invoice);
        let Some(payment) = open.map(|row| text(row, "id").to_owned()) else { return };
        let now = self.now();
        let requested =
            self.get(Kind::InvoicePayment, &payment).map_or(Value::Null, |row| row["amount_requested"].clone());
        let paid = json!({
            "status": "paid", "amount_paid": requested,
            "status_transitions": {"canceled_at": null, "paid_at": now},
        });
        self.set(Kind::InvoicePayment, &payment, paid);
    }

    pub(crate) fn void(&mut self, invoice: &str) {
        let row = self.get(Kind::Invoice, invoice).cloned().unwrap_or_default();
        let mut transitions = row["status_transitions"].clone();
        transitions["voided_at"] = json!(self.now());
        self.set(Kind::Invoice, invoice, json!({"status": "void", "status_transitions": transitions}));
        self.emit("invoice.voided", Kind::Invoice, invoice);
    }
}

/// What an invoice may have and a new one of ours has not.
const NOTHING_YET: &[&str] = &[
    "account_tax_ids",
    "application",
    "automatically_finalizes_at",
    "custom_fields",
    "customer_account",
    "default_payment_method",
    "default_source",
    "due_date",
    "effective_at",
    "ending_balance",
    "footer",
    "from_invoice",
    "hosted_invoice_url",
    "invoice_pdf",
    "last_finalization_error",
    "latest_revision",
    "next_payment_attempt",
    "number",
    "on_behalf_of",
    "receipt_number",
    "rendering",
    "shipping_cost",
    "shipping_details",
    "statement_descriptor",
    "test_clock",
];

fn parent(subscription: &Value) -> Value {
    json!({
        "type": "subscription_details",
        "quote_details": null,
        "subscription_details": {"metadata": subscription["metadata"], "subscription": subscription["id"]},
    })
}
