//! Trials: announced, ended, and paused when nobody can pay
//! (<https://docs.stripe.com/billing/subscriptions/trials>).

use serde_json::{Value, json};

use super::kind::Kind;
use super::payment::Payment;
use super::time::DAY;
use super::{World, number, text};
use crate::error::Refusal;

/// `customer.subscription.trial_will_end` comes three days ahead.
const WARNING_SECS: i64 = 3 * DAY;

impl World {
    /// When the trial ends, or its end is to be announced.
    pub(super) fn trial_due_at(&self, row: &Value) -> Option<i64> {
        let end = row["trial_end"].as_i64()?;
        Some(if row["_trial_end_told"] == end { end } else { end - WARNING_SECS })
    }

    /// Announces the end of a trial once, when it is less than three days away. Says whether it did.
    pub(crate) fn warn_of_trial_end(&mut self, id: &str, at: i64) -> bool {
        let Some(row) = self.get(Kind::Subscription, id) else { return false };
        let end = number(row, "trial_end");
        let is_told = row["_trial_end_told"] == end;
        if text(row, "status") != "trialing" || is_told || end - WARNING_SECS > at {
            return false;
        }
        self.set(Kind::Subscription, id, json!({"_trial_end_told": end}));
        self.emit("customer.subscription.trial_will_end", Kind::Subscription, id);
        true
    }

    /// Ends the trial and bills the first paid period; without anybody to bill, what
    /// `trial_settings` says. The caller tells of the change.
    pub(crate) fn end_trial(&mut self, id: &str) {
        let Some(row) = self.get(Kind::Subscription, id).cloned() else { return };
        if text(&row, "status") != "trialing" {
            return;
        }
        let end = number(&row, "trial_end").min(self.now());
        self.set(Kind::Subscription, id, json!({"trial_end": end, "billing_cycle_anchor": end}));
        let is_payable = text(&row, "collection_method") == "send_invoice"
            || self.paying_method(&row, text(&row, "customer")).is_some();
        match text(&row["trial_settings"]["end_behavior"], "missing_payment_method") {
            "pause" if !is_payable => self.pause(id),
            "cancel" if !is_payable => self.end_subscription(id, "cancellation_requested"),
            _create_invoice => {
                self.set(Kind::Subscription, id, json!({"status": "active"}));
                self.start_period(id, end);
                self.charge_period(id);
            }
        }
    }

    /// Nothing is billed until somebody resumes it.
    fn pause(&mut self, id: &str) {
        self.set(Kind::Subscription, id, json!({"status": "paused"}));
        self.emit("customer.subscription.paused", Kind::Subscription, id);
    }

    /// Begins a new period with an invoice; it resumes once that is paid
    /// (<https://docs.stripe.com/api/subscriptions/resume>).
    pub(crate) fn resume(&mut self, id: &str) -> Result<(), Refusal> {
        let row = self.at_url(Kind::Subscription, id)?;
        if text(row, "status") != "paused" {
            let message = format!("Only paused subscriptions can be resumed; this one is {}.", text(row, "status"));
            return Err(Refusal::not_allowed(message));
        }
        let before = self.present(row);
        let now = self.now();
        self.set(Kind::Subscription, id, json!({"billing_cycle_anchor": now}));
        self.start_period(id, now);
        let invoice = self.bill_period(id, "subscription_cycle");
        if let Some(Payment::Succeeded) = self.collect(id, &invoice) {
            self.set(Kind::Subscription, id, json!({"status": "active"}));
            self.emit("customer.subscription.resumed", Kind::Subscription, id);
        }
        self.tell_of_change(id, &before);
        Ok(())
    }
}
