//! Subscription schedules: opened, started, taken from phase to phase, ended
//! (<https://docs.stripe.com/billing/subscriptions/subscription-schedules>).
//!
//! A schedule in force and its subscription name each other. Whatever ends the schedule takes its
//! id from the subscription; the schedule goes on saying which one it had, as
//! `released_subscription` if it was released.
//!
//! Nothing is backdated, only first phases have trials, and no schedule is aborted, since the
//! double never cancels a subscription for its debts.

use serde_json::{Value, json};

use super::billing::Line;
use super::kind::Kind;
use super::payment::Payment;
use super::prorating::Proration;
use super::subscribing::{NewItem, NewSubscription, period_of};
use super::time::DAY;
use super::{World, number, text};

/// `subscription_schedule.expiring` comes seven days ahead
/// (<https://docs.stripe.com/api/events/types#event_types-subscription_schedule.expiring>).
const WARNING_SECS: i64 = 7 * DAY;

/// A schedule to be opened; everything in it has been checked.
pub(crate) struct NewSchedule {
    pub(crate) customer: String,
    pub(crate) phases: Vec<Value>,
    pub(crate) default_settings: Value,
    pub(crate) end_behavior: String,
    pub(crate) metadata: Value,
}

impl World {
    /// Writes a schedule that has not started. No event yet.
    pub(crate) fn open_schedule(&mut self, new: NewSchedule) -> String {
        let id = self.new_id(Kind::SubscriptionSchedule);
        let now = self.now();
        let row = json!({
            "id": id,
            "object": "subscription_schedule",
            "application": null,
            "billing_mode": {"type": "flexible", "flexible": {"proration_discounts": "included"}, "updated_at": now},
            "canceled_at": null,
            "completed_at": null,
            "created": now,
            "current_phase": null,
            "customer": new.customer,
            "customer_account": null,
            "default_settings": new.default_settings,
            "end_behavior": new.end_behavior,
            "livemode": self.livemode,
            "metadata": new.metadata,
            "phases": new.phases,
            "released_at": null,
            "released_subscription": null,
            "status": "not_started",
            "subscription": null,
            "test_clock": null,
        });
        self.insert(Kind::SubscriptionSchedule, row);
        id
    }

    /// Puts the subscription under the schedule, in its first phase.
    pub(crate) fn attach_schedule(&mut self, id: &str, subscription: &str) {
        let phase = self.get(Kind::SubscriptionSchedule, id).map_or(Value::Null, |row| bounds(&row["phases"][0]));
        let started = json!({"status": "active", "subscription": subscription, "current_phase": phase});
        self.set(Kind::SubscriptionSchedule, id, started);
        self.set(Kind::Subscription, subscription, json!({"schedule": id}));
        self.carry_cancel_date(id);
    }

    /// While a schedule is to cancel its subscription at its end, the subscription says so.
    pub(crate) fn carry_cancel_date(&mut self, id: &str) {
        let Some(schedule) = self.get(Kind::SubscriptionSchedule, id) else { return };
        let end = (text(schedule, "end_behavior") == "cancel").then(|| ends_at(schedule));
        let subscription = text(schedule, "subscription").to_owned();
        let now = self.now();
        let Some(row) = self.get_mut(Kind::Subscription, &subscription) else { return };
        if row["cancel_at"].as_i64() != end {
            row["cancel_at"] = json!(end);
            row["canceled_at"] = json!(end.map(|_| now));
            row["cancel_at_period_end"] = json!(false);
        }
    }

    /// Opens the subscription of the first phase and bills it. It is never `incomplete`: at Stripe
    /// its first invoice is a draft for an hour, and what cannot be paid then is past due.
    pub(crate) fn start_schedule(&mut self, id: &str) {
        let row = self.get(Kind::SubscriptionSchedule, id).cloned().unwrap_or_default();
        let phase = &row["phases"][0];
        let setting = |field| setting_of(&row, phase, field).clone();
        let subscription = self.open_subscription(NewSubscription {
            customer: text(&row, "customer").to_owned(),
            start: number(phase, "start_date"),
            items: phase["items"].as_array().into_iter().flatten().map(new_item).collect(),
            trial_end: phase["trial_end"].as_i64(),
            default_payment_method: setting("default_payment_method").as_str().map(str::to_owned),
            collection_method: setting("collection_method").as_str().unwrap_or("charge_automatically").to_owned(),
            metadata: json!({}),
        });
        self.attach_schedule(id, &subscription);
        self.write_phase_settings(&subscription, &row, phase);
        self.bill_first_phase(&subscription);
        self.emit("customer.subscription.created", Kind::Subscription, &subscription);
        self.warn_of_trial_end(&subscription, self.now());
    }

    fn bill_first_phase(&mut self, subscription: &str) {
        let invoice = self.bill_period(subscription, "subscription_create");
        let row = self.get(Kind::Subscription, subscription).cloned().unwrap_or_default();
        if text(&row, "status") == "trialing" {
            return;
        }
        let sends = text(&row, "collection_method") == "send_invoice";
        let is_paid = sends || matches!(self.collect(subscription, &invoice), Some(Payment::Succeeded));
        let status = if is_paid { "active" } else { "past_due" };
        self.set(Kind::Subscription, subscription, json!({"status": status}));
    }

    /// Starts the schedules whose time has come.
    pub(super) fn start_due_schedules(&mut self) {
        let now = self.now();
        let is_due = |row: &&Value| text(row, "status") == "not_started" && starts_at(row) <= now;
        let due: Vec<Value> = self.rows(Kind::SubscriptionSchedule).filter(is_due).cloned().collect();
        for row in due {
            let (id, before) = (text(&row, "id"), self.present(&row));
            self.start_schedule(id);
            self.emit_change("subscription_schedule.updated", Kind::SubscriptionSchedule, id, &before);
        }
    }

    fn schedule_of(&self, subscription: &Value) -> Option<&Value> {
        self.get(Kind::SubscriptionSchedule, text(subscription, "schedule"))
    }

    /// When the subscription's schedule changes its phase, or its end is to be announced.
    pub(super) fn schedule_due_at(&self, subscription: &Value) -> Option<i64> {
        let schedule = self.schedule_of(subscription)?;
        let phase_end = number(&schedule["current_phase"], "end_date");
        let end = ends_at(schedule);
        Some(if schedule["_end_told"] == end { phase_end } else { phase_end.min(end - WARNING_SECS) })
    }

    /// Announces the end of the schedule once. Says whether it did.
    pub(super) fn warn_of_schedule_end(&mut self, subscription: &Value, at: i64) -> bool {
        let Some(schedule) = self.schedule_of(subscription) else { return false };
        let (id, end) = (text(schedule, "id").to_owned(), ends_at(schedule));
        if schedule["_end_told"] == end || end - WARNING_SECS > at {
            return false;
        }
        self.set(Kind::SubscriptionSchedule, &id, json!({"_end_told": end}));
        self.emit("subscription_schedule.expiring", Kind::SubscriptionSchedule, &id);
        true
    }

    /// Ends the phase that is over at `at`: the next one begins, or `end_behavior` is done. The
    /// caller tells of what changed in the subscription.
    pub(super) fn step_schedule(&mut self, subscription: &str, at: i64) {
        let row = self.get(Kind::Subscription, subscription).cloned().unwrap_or_default();
        let Some(schedule) = self.schedule_of(&row).cloned() else { return };
        if number(&schedule["current_phase"], "end_date") > at {
            return;
        }
        let begins_now = |phase: &&Value| phase["start_date"] == schedule["current_phase"]["end_date"];
        match schedule["phases"].as_array().into_iter().flatten().find(begins_now) {
            Some(phase) => self.enter_phase(subscription, &schedule, phase, at),
            None => self.finish_schedule(&schedule, subscription),
        }
    }

    fn enter_phase(&mut self, subscription: &str, schedule: &Value, phase: &Value, at: i64) {
        let id = text(schedule, "id");
        self.hold_phase(subscription, schedule, phase, Proration::of(phase["proration_behavior"].as_str()), at);
        let before = self.present(schedule);
        self.emit_change("subscription_schedule.updated", Kind::SubscriptionSchedule, id, &before);
    }

    /// Makes it the current phase and the subscription what it says, and settles the difference.
    pub(crate) fn hold_phase(
        &mut self,
        subscription: &str,
        schedule: &Value,
        phase: &Value,
        proration: Proration,
        at: i64,
    ) {
        self.set(Kind::SubscriptionSchedule, text(schedule, "id"), json!({"current_phase": bounds(phase)}));
        let lines = self.put_items(subscription, phase, at);
        self.write_phase_settings(subscription, schedule, phase);
        self.settle(subscription, lines, proration);
    }

    /// Gives the subscription the items of a phase, and says what that costs for the rest of the
    /// period. An item whose price stays is the same item.
    fn put_items(&mut self, subscription: &str, phase: &Value, at: i64) -> Vec<Line> {
        let row = self.get(Kind::Subscription, subscription).cloned().unwrap_or_default();
        let mut gone: Vec<Value> = self.item_rows(&row).into_iter().cloned().collect();
        let period = gone.first().map(period_of).unwrap_or_default();
        let (mut ids, mut lines) = (Vec::new(), Vec::new());
        for wanted in phase["items"].as_array().into_iter().flatten().map(new_item) {
            let found = gone.iter().position(|item| text(item, "price") == wanted.price);
            let before = found.map(|place| gone.remove(place));
            let item = before.as_ref().map(|item| text(item, "id").to_owned());
            let item = item.unwrap_or_else(|| self.add_item(subscription, &wanted, period));
            if before.is_some() {
                self.write_item(&item, &wanted);
            }
            lines.extend(self.line_of(before.as_ref(), &item, at));
            ids.push(item);
        }
        for item in gone {
            lines.push(self.proration_line(&item, &without_quantity(&item), at));
            self.remove(Kind::SubscriptionItem, text(&item, "id"));
        }
        self.set(Kind::Subscription, subscription, json!({"_items": ids}));
        lines
    }

    fn write_item(&mut self, id: &str, wanted: &NewItem) {
        self.set(Kind::SubscriptionItem, id, json!({"metadata": wanted.metadata}));
        if let Some(quantity) = wanted.quantity {
            self.set(Kind::SubscriptionItem, id, json!({"quantity": quantity}));
        }
    }

    fn line_of(&self, before: Option<&Value>, item: &str, at: i64) -> Option<Line> {
        let after = self.get(Kind::SubscriptionItem, item)?;
        let before = before.cloned().unwrap_or_else(|| without_quantity(after));
        (before["quantity"] != after["quantity"]).then(|| self.proration_line(&before, after, at))
    }

    /// What a phase says beside its items; what it leaves out, `default_settings` may say.
    fn write_phase_settings(&mut self, subscription: &str, schedule: &Value, phase: &Value) {
        let Some(row) = self.get_mut(Kind::Subscription, subscription) else { return };
        for field in ["collection_method", "default_payment_method", "description"] {
            let setting = setting_of(schedule, phase, field);
            if !setting.is_null() {
                row[field] = setting.clone();
            }
        }
        let days = &setting_of(schedule, phase, "invoice_settings")["days_until_due"];
        if !days.is_null() {
            row["days_until_due"] = days.clone();
        }
        for (key, value) in phase["metadata"].as_object().into_iter().flatten() {
            row["metadata"][key] = value.clone();
        }
    }

    /// The current phase takes over the items that an update of the subscription itself changed.
    /// Later phases stay, and undo it when they begin
    /// (<https://docs.stripe.com/billing/subscriptions/subscription-schedules>,
    /// <https://github.com/bitwarden/server/pull/8035>).
    pub(crate) fn follow_subscription(&mut self, subscription: &str) {
        let row = self.get(Kind::Subscription, subscription).cloned().unwrap_or_default();
        let Some(mut schedule) = self.schedule_of(&row).cloned() else { return };
        let before = self.present(&schedule);
        let items: Vec<Value> = self.item_rows(&row).into_iter().map(phase_item).collect();
        let start = schedule["current_phase"]["start_date"].clone();
        let phases = schedule["phases"].as_array_mut().into_iter().flatten();
        phases.filter(|phase| phase["start_date"] == start).for_each(|phase| phase["items"] = json!(items));
        let id = text(&schedule, "id").to_owned();
        self.set(Kind::SubscriptionSchedule, &id, schedule);
        self.emit_change("subscription_schedule.updated", Kind::SubscriptionSchedule, &id, &before);
    }

    /// After the last phase. One that releases completes too: the official CLI's trigger of
    /// `subscription_schedule.completed` is made of such a schedule.
    fn finish_schedule(&mut self, schedule: &Value, subscription: &str) {
        let (id, now) = (text(schedule, "id"), self.now());
        self.set(Kind::SubscriptionSchedule, id, json!({"completed_at": now, "current_phase": null}));
        if text(schedule, "end_behavior") == "release" {
            self.emit("subscription_schedule.completed", Kind::SubscriptionSchedule, id);
            self.release_schedule(id);
            return;
        }
        self.set(Kind::SubscriptionSchedule, id, json!({"status": "completed"}));
        self.set(Kind::Subscription, subscription, json!({"schedule": null}));
        self.end_subscription(subscription, "cancellation_requested");
        self.emit("subscription_schedule.completed", Kind::SubscriptionSchedule, id);
    }

    /// Cancels at the moment that the subscription was told, which may be its schedule's end.
    pub(super) fn end_as_planned(&mut self, subscription: &str, at: i64) {
        let row = self.get(Kind::Subscription, subscription).cloned().unwrap_or_default();
        match self.schedule_of(&row).cloned() {
            Some(schedule) if ends_at(&schedule) <= at => self.finish_schedule(&schedule, subscription),
            Some(_) | None => self.end_subscription(subscription, "cancellation_requested"),
        }
    }

    /// Lets the subscription go. The caller tells of what changed in it.
    pub(crate) fn release_schedule(&mut self, id: &str) {
        let subscription =
            self.get(Kind::SubscriptionSchedule, id).map_or(Value::Null, |row| row["subscription"].clone());
        let released = json!({
            "status": "released", "released_at": self.now(), "released_subscription": subscription,
            "subscription": null, "current_phase": null,
        });
        self.set(Kind::SubscriptionSchedule, id, released);
        self.set(Kind::Subscription, subscription.as_str().unwrap_or_default(), json!({"schedule": null}));
        self.emit("subscription_schedule.released", Kind::SubscriptionSchedule, id);
    }

    /// Ends the schedule of a subscription that ends, if it has one.
    pub(super) fn cancel_schedule_of(&mut self, subscription: &str) {
        let row = self.get(Kind::Subscription, subscription).cloned().unwrap_or_default();
        let Some(id) = self.schedule_of(&row).map(|schedule| text(schedule, "id").to_owned()) else { return };
        self.set(Kind::Subscription, subscription, json!({"schedule": null}));
        self.cancel_schedule(&id);
    }

    /// Ends the schedule; its subscription is the caller's affair.
    pub(crate) fn cancel_schedule(&mut self, id: &str) {
        let canceled = json!({"status": "canceled", "canceled_at": self.now(), "current_phase": null});
        self.set(Kind::SubscriptionSchedule, id, canceled);
        self.emit("subscription_schedule.canceled", Kind::SubscriptionSchedule, id);
    }
}

fn bounds(phase: &Value) -> Value {
    json!({"start_date": phase["start_date"], "end_date": phase["end_date"]})
}

fn starts_at(schedule: &Value) -> i64 {
    number(&schedule["phases"][0], "start_date")
}

fn ends_at(schedule: &Value) -> i64 {
    schedule["phases"].as_array().and_then(|phases| phases.last()).map_or(0, |phase| number(phase, "end_date"))
}

/// A phase's own setting, else the schedule's default.
fn setting_of<'v>(schedule: &'v Value, phase: &'v Value, field: &str) -> &'v Value {
    let own = &phase[field];
    if own.is_null() { &schedule["default_settings"][field] } else { own }
}

fn new_item(item: &Value) -> NewItem {
    NewItem {
        price: text(item, "price").to_owned(),
        quantity: item["quantity"].as_i64(),
        metadata: item["metadata"].clone(),
    }
}

/// An item as a phase holds it.
pub(crate) fn phase_item(item: &Value) -> Value {
    let mut shown = json!({
        "billing_thresholds": null,
        "discounts": [],
        "metadata": item["metadata"],
        "plan": item["price"],
        "price": item["price"],
        "tax_rates": [],
    });
    if !item["quantity"].is_null() {
        shown["quantity"] = item["quantity"].clone();
    }
    shown
}

fn without_quantity(item: &Value) -> Value {
    let mut none = item.clone();
    none["quantity"] = json!(0);
    none
}
