//! What the passing of time does: trials end, periods roll, schedules change their phase, and
//! cancellations and unpaid invoices come due.
//!
//! A clock that jumps does everything that lies in between, one thing after the other; each is
//! done as of its own moment, but events, invoices and charges say when they were really made.

use serde_json::{Value, json};

use super::kind::Kind;
use super::payment::Payment;
use super::subscribing::{next_period_end, period_of};
use super::time::DAY;
use super::{World, number, text};

/// An unpaid first invoice may be paid for 23 hours
/// (<https://docs.stripe.com/billing/subscriptions/overview#subscription-statuses>).
const INCOMPLETE_SECS: i64 = 23 * 3_600;

/// How long a later invoice is tried. An account chooses what follows; the double's marks the
/// subscription unpaid (<https://docs.stripe.com/billing/revenue-recovery/smart-retries>).
const DUNNING_SECS: i64 = 14 * DAY;

impl World {
    /// Does everything that is due by now.
    pub(crate) fn roll(&mut self) {
        self.start_due_schedules();
        let due = self.due_by(self.now());
        for id in due {
            self.roll_subscription(&id);
        }
    }

    /// A clock that jumps over several periods bills each of them.
    pub(crate) fn roll_subscription(&mut self, id: &str) {
        for _ in 0..ROLLS_MAX {
            let Some(row) = self.get(Kind::Subscription, id).cloned() else { return };
            let Some(at) = self.due_at(&row).filter(|at| *at <= self.now()) else { return };
            self.step(id, &row, at);
        }
    }

    /// When something next happens to the subscription by itself.
    pub(super) fn due_at(&self, row: &Value) -> Option<i64> {
        let own = match text(row, "status") {
            "incomplete" => return Some(number(row, "created") + INCOMPLETE_SECS),
            "trialing" => self.trial_due_at(row),
            "active" | "past_due" | "unpaid" => self.billing_due_at(row),
            "paused" => None,
            _ended => return None,
        };
        let others = [row["cancel_at"].as_i64(), self.schedule_due_at(row)];
        own.into_iter().chain(others.into_iter().flatten()).min()
    }

    fn billing_due_at(&self, row: &Value) -> Option<i64> {
        let period_end = self.item_rows(row).first().map(|item| period_of(item).1);
        let resumes_at = row["pause_collection"]["resumes_at"].as_i64();
        period_end.into_iter().chain(resumes_at).chain(self.gives_up_at(row)).min()
    }

    /// When the payments of a subscription that is past due are no longer tried.
    fn gives_up_at(&self, row: &Value) -> Option<i64> {
        let invoice = self.get(Kind::Invoice, text(row, "latest_invoice"))?;
        (text(row, "status") == "past_due").then(|| number(invoice, "created") + DUNNING_SECS)
    }

    /// What is due at `at`, and what follows from it, is one change.
    fn step(&mut self, id: &str, row: &Value, at: i64) {
        if text(row, "status") == "incomplete" {
            return self.expire(id);
        }
        if row["cancel_at"].as_i64().is_some_and(|end| end <= at) {
            return self.end_as_planned(id, at);
        }
        if self.warn_of_trial_end(id, at) || self.warn_of_schedule_end(row, at) {
            return;
        }
        let before = self.present(row);
        self.step_schedule(id, at);
        self.step_billing(id, at);
        self.tell_of_change(id, &before);
    }

    /// Says what changed; of a subscription that has just ended, its end is news enough.
    pub(crate) fn tell_of_change(&mut self, id: &str, before: &Value) {
        let is_ended = |row: &Value| text(row, "status") == "canceled";
        let has_ended = self.get(Kind::Subscription, id).is_some_and(is_ended) && !is_ended(before);
        if !has_ended {
            self.emit_change("customer.subscription.updated", Kind::Subscription, id, before);
        }
    }

    fn step_billing(&mut self, id: &str, at: i64) {
        let row = self.get(Kind::Subscription, id).cloned().unwrap_or_default();
        match text(&row, "status") {
            "trialing" if number(&row, "trial_end") <= at => self.end_trial(id),
            "active" | "past_due" | "unpaid" => {
                if row["pause_collection"]["resumes_at"].as_i64().is_some_and(|end| end <= at) {
                    self.set(Kind::Subscription, id, json!({"pause_collection": null}));
                }
                if self.gives_up_at(&row).is_some_and(|end| end <= at) {
                    self.give_up(id, &row);
                }
                if self.item_rows(&row).first().is_some_and(|item| period_of(item).1 <= at) {
                    self.next_period(id, &row);
                }
            }
            _waiting => {}
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

    /// The last try of an invoice decides.
    fn give_up(&mut self, id: &str, row: &Value) {
        let status = match self.collect(id, text(row, "latest_invoice")) {
            Some(Payment::Succeeded) => "active",
            Some(Payment::RequiresAction | Payment::Declined(_)) | None => "unpaid",
        };
        self.set(Kind::Subscription, id, json!({"status": status}));
    }

    fn next_period(&mut self, id: &str, row: &Value) {
        let end = self.item_rows(row).first().map_or(self.now(), |item| period_of(item).1);
        self.start_period(id, end);
        self.charge_period(id);
    }

    /// Moves every item into the period that begins at `start`.
    pub(crate) fn start_period(&mut self, id: &str, start: i64) {
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

    /// Bills the current period; whether that is paid decides the status. The invoices of an
    /// unpaid subscription, or of one whose collection is paused, are not tried.
    pub(crate) fn charge_period(&mut self, id: &str) {
        let invoice = self.bill_period(id, "subscription_cycle");
        let row = self.get(Kind::Subscription, id).cloned().unwrap_or_default();
        let waits = text(&row, "status") == "unpaid" || !row["pause_collection"].is_null();
        if waits || text(&row, "collection_method") == "send_invoice" {
            return;
        }
        let status = match self.collect(id, &invoice) {
            Some(Payment::Succeeded) => "active",
            Some(Payment::RequiresAction | Payment::Declined(_)) | None => "past_due",
        };
        self.set(Kind::Subscription, id, json!({"status": status}));
    }
}

/// Enough for ten years of daily periods; a clock set to the far future must still return.
const ROLLS_MAX: usize = 3_660;
