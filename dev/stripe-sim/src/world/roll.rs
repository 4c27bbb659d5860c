//! What the passing of time does: trials end, periods roll, scheduled cancellations and unpaid
//! first invoices come due.

use serde_json::{Value, json};

use super::billing::Line;
use super::kind::Kind;
use super::payment::Payment;
use super::subscribing::{next_period_end, period_of};
use super::{World, number, text};

/// An unpaid first invoice may be paid for 23 hours
/// (<https://docs.stripe.com/billing/subscriptions/overview#subscription-statuses>).
const INCOMPLETE_SECS: i64 = 23 * 3_600;

impl World {
    /// Does everything that is due by now.
    pub(crate) fn roll(&mut self) {
        let now = self.now();
        let due: Vec<String> = self
            .rows(Kind::Subscription)
            .filter(|row| self.due_at(row).is_some_and(|at| at <= now))
            .map(|row| text(row, "id").to_owned())
            .collect();
        for id in due {
            self.roll_subscription(&id);
        }
    }

    /// When something next happens to the subscription by itself.
    fn due_at(&self, row: &Value) -> Option<i64> {
        match text(row, "status") {
            "incomplete" => Some(number(row, "created") + INCOMPLETE_SECS),
            "trialing" => row["trial_end"].as_i64(),
            "active" | "past_due" => {
                let period_end = self.item_rows(row).first().map(|item| period_of(item).1);
                let cancel_at = row["cancel_at"].as_i64();
                period_end.into_iter().chain(cancel_at).min()
            }
            _ended => None,
        }
    }

    /// A clock that jumps over several periods bills each of them.
    fn roll_subscription(&mut self, id: &str) {
        for _ in 0..ROLLS_MAX {
            let Some(row) = self.get(Kind::Subscription, id).cloned() else { return };
            if self.due_at(&row).is_none_or(|at| at > self.now()) {
                return;
            }
            let is_canceled = row["cancel_at"].as_i64().is_some_and(|at| at <= self.now());
            match text(&row, "status") {
                "incomplete" => self.expire(id),
                _live if is_canceled => self.end_subscription(id, "cancellation_requested"),
                "trialing" => {
                    let before = self.present(&row);
                    self.end_trial(id);
                    self.emit_change("customer.subscription.updated", Kind::Subscription, id, &before);
                }
                _live => self.next_period(id, &row),
            }
        }
    }

    fn expire(&mut self, id: &str) {
        let before = self.presented(Kind::Subscription, id);
        let now = self.now();
        self.set(Kind::Subscription, id, json!({"status": "incomplete_expired", "ended_at": now}));
        let invoice = text(&before, "latest_invoice").to_owned();
        self.void(&invoice);
        self.emit_change("customer.subscription.updated", Kind::Subscription, id, &before);
    }

    /// Ends the trial and bills the first paid period. The caller tells of the change.
    pub(crate) fn end_trial(&mut self, id: &str) {
        let Some(row) = self.get(Kind::Subscription, id).cloned() else { return };
        if text(&row, "status") != "trialing" {
            return;
        }
        let end = number(&row, "trial_end").min(self.now());
        self.set(Kind::Subscription, id, json!({"status": "active", "trial_end": end, "billing_cycle_anchor": end}));
        self.start_period(id, end);
        let status = self.charge_period(id);
        self.set(Kind::Subscription, id, json!({"status": status}));
    }

    fn next_period(&mut self, id: &str, row: &Value) {
        let before = self.present(row);
        let end = self.item_rows(row).first().map_or(self.now(), |item| period_of(item).1);
        self.start_period(id, end);
        let status = self.charge_period(id);
        self.set(Kind::Subscription, id, json!({"status": status}));
        self.emit_change("customer.subscription.updated", Kind::Subscription, id, &before);
    }

    /// Moves every item into the period that begins at `start`.
    fn start_period(&mut self, id: &str, start: i64) {
        let row = self.get(Kind::Subscription, id).cloned().unwrap_or_default();
        let items: Vec<Value> = self.item_rows(&row).into_iter().cloned().collect();
        for item in items {
            let end = self.get(Kind::Price, text(&item, "price")).map_or(start, |price| next_period_end(price, start));
            let period = json!({"current_period_start": start, "current_period_end": end});
            self.set(Kind::SubscriptionItem, text(&item, "id"), period);
        }
    }

    /// Moves the end of the current period, as a longer trial does.
    pub(crate) fn set_period_end(&mut self, id: &str, end: i64) {
        let row = self.get(Kind::Subscription, id).cloned().unwrap_or_default();
        let items: Vec<String> = self.item_rows(&row).iter().map(|item| text(item, "id").to_owned()).collect();
        for item in items {
            self.set(Kind::SubscriptionItem, &item, json!({"current_period_end": end}));
        }
    }

    fn charge_period(&mut self, id: &str) -> &'static str {
        let invoice = self.bill_period(id, "subscription_cycle");
        let sends =
            self.get(Kind::Subscription, id).is_some_and(|row| text(row, "collection_method") == "send_invoice");
        if sends {
            return "active";
        }
        match self.collect(id, &invoice) {
            Some(Payment::Succeeded) => "active",
            Some(Payment::RequiresAction | Payment::Declined(_)) | None => "past_due",
        }
    }

    /// Keeps a proration as an invoice item for the subscription's next invoice.
    pub(crate) fn keep_for_later(&mut self, subscription: &Value, line: &Line) {
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

/// Enough for ten years of daily periods; a clock set to the far future must still return.
const ROLLS_MAX: usize = 3_660;
