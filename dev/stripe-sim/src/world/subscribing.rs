//! Subscriptions: opened, billed for a period, ended.

use serde_json::{Value, json};

use super::billing::{Line, NewInvoice};
use super::kind::Kind;
use super::payment::Payment;
use super::time::{DAY, add_intervals};
use super::{World, number, text};

/// A subscription to be opened; everything in it has been checked.
pub(crate) struct NewSubscription {
    pub(crate) customer: String,
    /// When the first period begins: now, or when a schedule says.
    pub(crate) start: i64,
    pub(crate) items: Vec<NewItem>,
    pub(crate) trial_end: Option<i64>,
    pub(crate) default_payment_method: Option<String>,
    /// `charge_automatically` or `send_invoice`.
    pub(crate) collection_method: String,
    pub(crate) metadata: Value,
}

/// An item to be added.
pub(crate) struct NewItem {
    pub(crate) price: String,
    /// None for a metered price.
    pub(crate) quantity: Option<i64>,
    pub(crate) metadata: Value,
}

impl World {
    /// Writes the rows of a subscription that is `incomplete`, or `trialing`. No event yet.
    pub(crate) fn open_subscription(&mut self, new: NewSubscription) -> String {
        let id = self.new_id(Kind::Subscription);
        let end = new.trial_end.unwrap_or_else(|| self.period_end(&new.items, new.start));
        let items: Vec<String> = new.items.iter().map(|item| self.add_item(&id, item, (new.start, end))).collect();
        let row = self.subscription_object(&id, &new, &items);
        self.insert(Kind::Subscription, row);
        id
    }

    fn period_end(&self, items: &[NewItem], start: i64) -> i64 {
        let price = items.first().and_then(|item| self.get(Kind::Price, &item.price));
        price.map_or(start, |price| next_period_end(price, start))
    }

    /// Writes an item's row; the subscription still has to name it.
    pub(crate) fn add_item(&mut self, subscription: &str, item: &NewItem, period: (i64, i64)) -> String {
        let id = self.new_id(Kind::SubscriptionItem);
        let row = json!({
            "id": id,
            "object": "subscription_item",
            "billing_thresholds": null,
            "created": self.now(),
            "current_period_start": period.0,
            "current_period_end": period.1,
            "discounts": [],
            "metadata": item.metadata,
            "price": item.price,
            "quantity": item.quantity,
            "subscription": subscription,
            "tax_rates": [],
        });
        self.insert(Kind::SubscriptionItem, without_null_quantity(row));
        id
    }

    fn subscription_object(&self, id: &str, new: &NewSubscription, items: &[String]) -> Value {
        let now = self.now();
        let price = new.items.first().and_then(|item| self.get(Kind::Price, &item.price));
        json!({
            "id": id,
            "object": "subscription",
            "_items": items,
            "application": null,
            "application_fee_percent": null,
            "automatic_tax": {"disabled_reason": null, "enabled": false, "liability": null},
            "billing_cycle_anchor": new.trial_end.unwrap_or(new.start),
            "billing_cycle_anchor_config": null,
            "billing_mode": {"type": "flexible", "flexible": {"proration_discounts": "included"}, "updated_at": now},
            "billing_schedules": [],
            "billing_thresholds": null,
            "cancel_at": null,
            "cancel_at_period_end": false,
            "canceled_at": null,
            "cancellation_details": {"comment": null, "feedback": null, "reason": null},
            "collection_method": new.collection_method,
            "created": now,
            "currency": price.map_or("usd", |price| text(price, "currency")),
            "customer": new.customer,
            "customer_account": null,
            "days_until_due": null,
            "default_payment_method": new.default_payment_method,
            "default_source": null,
            "default_tax_rates": [],
            "description": null,
            "discounts": [],
            "ended_at": null,
            "invoice_settings": {
                "account_tax_ids": null, "custom_fields": null, "description": null, "footer": null,
                "issuer": {"type": "self"},
            },
            "latest_invoice": null,
            "livemode": self.livemode,
            "managed_payments": {"enabled": false},
            "metadata": new.metadata,
            "next_pending_invoice_item_invoice": null,
            "on_behalf_of": null,
            "pause_collection": null,
            "payment_settings": {
                "payment_method_options": null, "payment_method_types": null, "save_default_payment_method": "off",
            },
            "pending_invoice_item_interval": null,
            "pending_setup_intent": null,
            "pending_update": null,
            "presentment_details": null,
            "schedule": null,
            "start_date": new.start,
            "status": if new.trial_end.is_some() { "trialing" } else { "incomplete" },
            "test_clock": null,
            "transfer_data": null,
            "trial_end": new.trial_end,
            "trial_settings": {"end_behavior": {"missing_payment_method": "create_invoice"}},
            "trial_start": new.trial_end.map(|_| new.start),
        })
    }

    /// Makes and finalizes the invoice for the current period and any prorations that wait.
    pub(crate) fn bill_period(&mut self, subscription: &str, reason: &str) -> String {
        let row = self.get(Kind::Subscription, subscription).cloned().unwrap_or_default();
        let (waiting, lines, period) = self.period_lines(&row);
        let invoice = self.bill(&row, reason, lines, period);
        self.take_up(&waiting, &invoice);
        invoice
    }

    /// What waits for the invoice of the current period, all of its lines, and the period.
    pub(super) fn period_lines(&self, subscription: &Value) -> (Vec<Value>, Vec<Line>, (i64, i64)) {
        let is_trial = text(subscription, "status") == "trialing";
        let items = self.item_rows(subscription);
        let waiting = self.waiting_items(text(subscription, "customer"), subscription["id"].as_str());
        let mut lines: Vec<Line> = waiting.iter().map(pending_line).collect();
        lines.extend(items.iter().map(|item| self.item_line(item, is_trial)));
        let period = items.first().map_or((self.now(), self.now()), |item| period_of(item));
        (waiting, lines, period)
    }

    /// Makes and finalizes an invoice of these lines and makes it the subscription's latest.
    pub(crate) fn bill(&mut self, subscription: &Value, reason: &str, lines: Vec<Line>, period: (i64, i64)) -> String {
        let id = text(subscription, "id");
        let invoice = self.draft(subscription, reason, lines, period);
        self.set(Kind::Subscription, id, json!({"latest_invoice": invoice}));
        let due = subscription["days_until_due"].as_i64().map(|days| self.now() + days * DAY);
        self.set(Kind::Invoice, &invoice, json!({"due_date": due}));
        self.finish_bill(subscription, &invoice);
        invoice
    }

    /// Makes an invoice of these lines, still a draft.
    pub(super) fn draft(&mut self, subscription: &Value, reason: &str, lines: Vec<Line>, period: (i64, i64)) -> String {
        self.new_invoice(NewInvoice {
            customer: text(subscription, "customer"),
            subscription: subscription["id"].as_str(),
            reason,
            currency: text(subscription, "currency"),
            lines,
            period,
            description: Value::Null,
            metadata: json!({}),
            auto_advance: true,
        })
    }

    /// An unpaid subscription's invoices stay drafts; paused collection says what becomes of one
    /// (<https://docs.stripe.com/billing/subscriptions/pause-payment>).
    fn finish_bill(&mut self, subscription: &Value, invoice: &str) {
        let paused = text(&subscription["pause_collection"], "behavior");
        if text(subscription, "status") == "unpaid" || paused == "keep_as_draft" {
            return;
        }
        self.finalize(invoice);
        let is_open = self.get(Kind::Invoice, invoice).is_some_and(|row| text(row, "status") == "open");
        match paused {
            "void" if is_open => self.void(invoice),
            "mark_uncollectible" if is_open => {
                self.set(Kind::Invoice, invoice, json!({"status": "uncollectible"}));
                self.emit("invoice.marked_uncollectible", Kind::Invoice, invoice);
            }
            _paid_or_not_paused => {}
        }
    }

    fn item_line(&self, item: &Value, is_trial: bool) -> Line {
        let price = self.get(Kind::Price, text(item, "price")).cloned().unwrap_or_default();
        let product = self.get(Kind::Product, text(&price, "product")).map_or("", |row| text(row, "name"));
        let quantity = item["quantity"].as_i64();
        let is_metered = text(&price["recurring"], "usage_type") == "metered";
        let amount = if is_trial || is_metered { 0 } else { amount(&price, quantity.unwrap_or(1)) };
        Line {
            amount,
            description: json!(format!("{} × {product}", quantity.unwrap_or(0))),
            quantity,
            period: period_of(item),
            pricing: pricing(&price),
            parent: item_parent(item, false),
        }
    }

    /// Invoice items that wait for the next invoice of the subscription, or of none.
    pub(crate) fn waiting_items(&self, customer: &str, subscription: Option<&str>) -> Vec<Value> {
        let waits = |row: &&Value| {
            row["invoice"].is_null()
                && text(row, "customer") == customer
                && row["parent"]["subscription_details"]["subscription"].as_str() == subscription
        };
        self.rows(Kind::InvoiceItem).filter(waits).cloned().collect()
    }

    /// Notes that the items are on this invoice now.
    pub(crate) fn take_up(&mut self, items: &[Value], invoice: &str) {
        for item in items {
            self.set(Kind::InvoiceItem, text(item, "id"), json!({"invoice": invoice}));
        }
    }

    /// Pays a subscription's invoice with what its customer has.
    pub(crate) fn collect(&mut self, subscription: &str, invoice: &str) -> Option<Payment> {
        let row = self.get(Kind::Subscription, subscription)?;
        let is_open = self.get(Kind::Invoice, invoice).is_some_and(|row| text(row, "status") == "open");
        if !is_open {
            return Some(Payment::Succeeded);
        }
        let method = self.paying_method(row, text(row, "customer"))?;
        Some(self.pay(invoice, &method))
    }

    /// After a later payment of its invoice it is active, whatever it waited in.
    pub(crate) fn revive(&mut self, invoice: &str) {
        let Some(invoice_row) = self.get(Kind::Invoice, invoice) else { return };
        let id = text(&invoice_row["parent"]["subscription_details"], "subscription").to_owned();
        let Some(row) = self.get(Kind::Subscription, &id) else { return };
        let status = text(row, "status").to_owned();
        let waits = matches!(status.as_str(), "incomplete" | "past_due" | "unpaid" | "paused");
        if !waits || row["latest_invoice"] != invoice {
            return;
        }
        self.set_status(&id, "active");
        if status == "paused" {
            self.emit("customer.subscription.resumed", Kind::Subscription, &id);
        }
    }

    /// Changes the status and says so.
    pub(crate) fn set_status(&mut self, subscription: &str, status: &str) {
        let before = self.presented(Kind::Subscription, subscription);
        self.set(Kind::Subscription, subscription, json!({"status": status}));
        self.emit_change("customer.subscription.updated", Kind::Subscription, subscription, &before);
    }

    /// Ends it now, and its schedule with it. Terminal.
    pub(crate) fn end_subscription(&mut self, subscription: &str, reason: &str) {
        let now = self.now();
        if let Some(row) = self.get_mut(Kind::Subscription, subscription) {
            row["status"] = json!("canceled");
            row["ended_at"] = json!(now);
            row["cancellation_details"]["reason"] = json!(reason);
            if row["canceled_at"].is_null() {
                row["canceled_at"] = json!(now);
            }
        }
        self.cancel_schedule_of(subscription);
        self.emit("customer.subscription.deleted", Kind::Subscription, subscription);
    }
}

/// What a quantity of the price costs for one period.
pub(crate) fn amount(price: &Value, quantity: i64) -> i64 {
    number(price, "unit_amount") * units(&price["transform_quantity"], quantity)
}

/// How many units of that many are billed, see
/// <https://docs.stripe.com/products-prices/pricing-models#package-pricing>.
fn units(packages: &Value, quantity: i64) -> i64 {
    let Some(size) = packages["divide_by"].as_i64() else { return quantity };
    let is_broken = quantity % size != 0 && text(packages, "round") == "up";
    quantity / size + i64::from(is_broken)
}

/// Where the period that begins at `start` ends.
pub(crate) fn next_period_end(price: &Value, start: i64) -> i64 {
    let recurring = &price["recurring"];
    add_intervals(start, text(recurring, "interval"), number(recurring, "interval_count"))
}

pub(crate) fn period_of(item: &Value) -> (i64, i64) {
    (number(item, "current_period_start"), number(item, "current_period_end"))
}

pub(super) fn pricing(price: &Value) -> Value {
    json!({
        "type": "price_details",
        "price_details": {"price": price["id"], "product": price["product"]},
        "unit_amount_decimal": price["unit_amount_decimal"],
    })
}

pub(super) fn item_parent(item: &Value, is_proration: bool) -> Value {
    json!({
        "type": "subscription_item_details",
        "invoice_item_details": null,
        "subscription_item_details": {
            "invoice_item": null, "proration": is_proration, "proration_details": {"credited_items": null},
            "subscription": item["subscription"], "subscription_item": item["id"],
        },
    })
}

/// The line of an invoice that takes up a waiting invoice item.
pub(crate) fn pending_line(item: &Value) -> Line {
    Line {
        amount: number(item, "amount"),
        description: item["description"].clone(),
        quantity: item["quantity"].as_i64(),
        period: (number(&item["period"], "start"), number(&item["period"], "end")),
        pricing: item["pricing"].clone(),
        parent: json!({
            "type": "invoice_item_details",
            "subscription_item_details": null,
            "invoice_item_details": {
                "invoice_item": item["id"], "proration": item["proration"],
                "proration_details": {"credited_items": null}, "subscription": null,
            },
        }),
    }
}

/// A metered item has no quantity at all.
fn without_null_quantity(mut item: Value) -> Value {
    if item["quantity"].is_null()
        && let Some(fields) = item.as_object_mut()
    {
        fields.remove("quantity");
    }
    item
}
