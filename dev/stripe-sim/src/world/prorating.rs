//! Prorations: what a change in the middle of a period costs, and when it is billed
//! (<https://docs.stripe.com/billing/subscriptions/prorations>).

use serde_json::{Value, json};

use super::billing::Line;
use super::kind::Kind;
use super::payment::Payment;
use super::subscribing::{amount, item_parent, period_of, pricing};
use super::{World, number, text};

/// What to do about the rest of the period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proration {
    /// The next invoice takes it up.
    OnNextInvoice,
    /// It has an invoice of its own, now.
    AtOnce,
    Nothing,
}

impl Proration {
    /// The words that `proration_behavior` may be.
    pub(crate) const WORDS: &[&str] = &["create_prorations", "always_invoice", "none"];

    /// What a checked `proration_behavior` says; without one, Stripe creates prorations.
    pub(crate) fn of(word: Option<&str>) -> Self {
        match word {
            Some("none") => Self::Nothing,
            Some("always_invoice") => Self::AtOnce,
            Some(_) | None => Self::OnNextInvoice,
        }
    }
}

impl World {
    /// The line that settles a quantity or price that changed at `at`, for the rest of the period.
    pub(crate) fn proration_line(&self, before: &Value, after: &Value, at: i64) -> Line {
        let (start, end) = period_of(after);
        let at = at.clamp(start, end);
        let worth = |item: &Value| {
            let price = self.get(Kind::Price, text(item, "price")).cloned().unwrap_or_default();
            amount(&price, number(item, "quantity"))
        };
        let share = |full: i64| if end > start { full * (end - at) / (end - start) } else { 0 };
        let price = self.get(Kind::Price, text(after, "price")).cloned().unwrap_or_default();
        Line {
            amount: share(worth(after) - worth(before)),
            description: json!("Change of quantity"),
            quantity: after["quantity"].as_i64(),
            period: (at, end),
            pricing: pricing(&price),
            parent: item_parent(after, true),
        }
    }

    /// Bills the prorations now, or leaves them for the next invoice. A trial has none.
    pub(crate) fn settle(&mut self, id: &str, lines: Vec<Line>, proration: Proration) {
        let subscription = self.get(Kind::Subscription, id).cloned().unwrap_or_default();
        if lines.is_empty() || text(&subscription, "status") == "trialing" {
            return;
        }
        match proration {
            Proration::Nothing => {}
            Proration::OnNextInvoice => lines.iter().for_each(|line| self.keep_for_later(&subscription, line)),
            Proration::AtOnce => self.bill_at_once(&subscription, lines),
        }
    }

    fn bill_at_once(&mut self, subscription: &Value, lines: Vec<Line>) {
        let id = text(subscription, "id");
        let period = (self.now(), self.now());
        let invoice = self.bill(subscription, "subscription_update", lines, period);
        match self.collect(id, &invoice) {
            Some(Payment::Succeeded) => {}
            Some(Payment::RequiresAction | Payment::Declined(_)) | None => {
                self.set(Kind::Subscription, id, json!({"status": "past_due"}));
            }
        }
    }

    /// Keeps a proration as an invoice item for the subscription's next invoice.
    fn keep_for_later(&mut self, subscription: &Value, line: &Line) {
        let id = self.new_id(Kind::InvoiceItem);
        let item = json!({
            "id": id,
            "object": "invoiceitem",
            "amount": line.amount,
            "currency": subscription["currency"],
            "customer": subscription["customer"],
            "customer_account": null,
            "date": self.now(),
            "description": line.description,
            "discountable": false,
            "discounts": [],
            "invoice": null,
            "livemode": self.livemode,
            "metadata": {},
            "net_amount": line.amount,
            "parent": {"type": "subscription_details", "subscription_details": {"subscription": subscription["id"], "subscription_item": null}},
            "period": {"start": line.period.0, "end": line.period.1},
            "pricing": line.pricing,
            "proration": true,
            "quantity": line.quantity.unwrap_or(1),
            "quantity_decimal": line.quantity.unwrap_or(1).to_string(),
            "tax_rates": [],
            "test_clock": null,
        });
        self.insert(Kind::InvoiceItem, item);
        self.emit("invoiceitem.created", Kind::InvoiceItem, &id);
    }
}
