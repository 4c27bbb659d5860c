//! Invoices that are only looked at (<https://docs.stripe.com/api/invoices/create_preview>). They
//! are made by what makes the real ones, within a `pretend`, and so agree with them to the cent.

use serde_json::{Value, json};

use super::billing::Line;
use super::kind::Kind;
use super::subscribing::period_of;
use super::{World, number, text};
use crate::error::Refusal;

impl World {
    /// The invoice of these lines, made now.
    pub(crate) fn preview_now(&mut self, subscription: &str, lines: Vec<Line>) -> Value {
        let now = self.now();
        self.preview(subscription, lines, (now, now), now)
    }

    /// The invoice of the next renewal, with what waits for it. A schedule takes its step before.
    pub(crate) fn preview_renewal(&mut self, subscription: &str) -> Result<Value, Refusal> {
        let row = self.get(Kind::Subscription, subscription).cloned().unwrap_or_default();
        let at = self.renews_at(&row).ok_or_else(|| Refusal::no_upcoming(text(&row, "customer")))?;
        self.step_schedule(subscription, at);
        self.set(Kind::Subscription, subscription, json!({"status": "active"}));
        self.start_period(subscription, at);
        let row = self.get(Kind::Subscription, subscription).cloned().unwrap_or_default();
        let (_, lines, period) = self.period_lines(&row);
        Ok(self.preview(subscription, lines, period, at))
    }

    /// Never, where it ends before.
    fn renews_at(&self, subscription: &Value) -> Option<i64> {
        let at = match text(subscription, "status") {
            "trialing" => number(subscription, "trial_end"),
            "active" | "past_due" | "unpaid" => self.item_rows(subscription).first().map(|item| period_of(item).1)?,
            _not_billed => return None,
        };
        subscription["cancel_at"].as_i64().is_none_or(|end| end > at).then_some(at)
    }

    /// A draft, under an id that says what it is.
    fn preview(&mut self, subscription: &str, lines: Vec<Line>, period: (i64, i64), at: i64) -> Value {
        let row = self.get(Kind::Subscription, subscription).cloned().unwrap_or_default();
        let invoice = self.draft(&row, "upcoming", lines, period);
        let mut shown = self.presented(Kind::Invoice, &invoice);
        let id = format!("upcoming_{invoice}");
        for line in shown["lines"]["data"].as_array_mut().into_iter().flatten() {
            line["invoice"] = json!(id);
        }
        shown["lines"]["url"] = json!(format!("/v1/invoices/{id}/lines"));
        shown["created"] = json!(at);
        shown["next_payment_attempt"] = json!(at);
        shown["id"] = json!(id);
        shown
    }
}
