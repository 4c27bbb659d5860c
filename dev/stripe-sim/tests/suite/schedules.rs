//! Subscription schedules: what they refuse, and what the passing of time makes of them.

use reqwest::Method;
use serde_json::{Value, json};

use crate::client::{Double, Reply};

const DAY: i64 = 86_400;
const SCHEDULES: &str = "/v1/subscription_schedules";

/// A subscription of ten licences, and what can be asked of it.
struct Licences {
    double: Double,
    customer: String,
    price: String,
    id: String,
}

impl Licences {
    async fn sold() -> Self {
        Self::sold_with("").await
    }

    async fn sold_with(more: &str) -> Self {
        let double = Double::start();
        let (customer, price) = (double.customer_with("pm_card_visa").await, double.price().await);
        let id = double.subscribe(&customer, &price, more).await.id();
        Self { double, customer, price, id }
    }

    async fn read(&self) -> Value {
        self.double.get(&format!("/v1/subscriptions/{}", self.id)).await.body
    }

    async fn quantity(&self) -> Value {
        self.read().await["items"]["data"][0]["quantity"].clone()
    }

    async fn update(&self, form: &str) -> Reply {
        self.double.post(&format!("/v1/subscriptions/{}", self.id), form).await
    }

    async fn take_over(&self) -> Reply {
        self.double.post(SCHEDULES, &format!("from_subscription={}", self.id)).await
    }

    /// The current phase as it is, and from its end on another quantity.
    async fn schedule(&self, quantity: i64, more: &str) -> Reply {
        let schedule = self.take_over().await;
        let form = format!("{}&{}{more}", self.current(&schedule), self.phase(1, quantity));
        self.double.post(&format!("{SCHEDULES}/{}", schedule.id()), &form).await
    }

    fn current(&self, schedule: &Reply) -> String {
        let phase = &schedule.body["phases"][0];
        let quantity = phase["items"][0]["quantity"].as_i64().unwrap_or_default();
        let dates = format!("phases[0][start_date]={}&phases[0][end_date]={}", phase["start_date"], phase["end_date"]);
        format!("{}&{dates}", self.phase(0, quantity))
    }

    fn phase(&self, place: usize, quantity: i64) -> String {
        format!(
            "phases[{place}][items][0][price]={}&phases[{place}][items][0][quantity]={quantity}&phases[{place}][proration_behavior]=none",
            self.price
        )
    }

    async fn pass(&self, secs: i64) {
        self.double.admin(Method::POST, "/clock", json!({"advance_secs": secs})).await;
    }

    async fn read_schedule(&self, schedule: &Reply) -> Value {
        self.double.get(&format!("{SCHEDULES}/{}", schedule.id())).await.body
    }

    async fn count(&self, kind: &str) -> usize {
        self.double.events(kind).await.len()
    }
}

#[tokio::test]
async fn a_schedule_of_a_subscription_begins_with_what_is() {
    let licences = Licences::sold().await;
    let schedule = licences.take_over().await.body;
    let item = &licences.read().await["items"]["data"][0];
    let phase = &schedule["phases"][0];
    assert_eq!((&schedule["status"], &schedule["subscription"]), (&json!("active"), &json!(licences.id)));
    assert_eq!(
        (&phase["start_date"], &phase["end_date"]),
        (&item["current_period_start"], &item["current_period_end"])
    );
    assert_eq!(schedule["current_phase"], json!({"start_date": phase["start_date"], "end_date": phase["end_date"]}));
    assert_eq!((&phase["items"][0]["price"], &phase["items"][0]["quantity"]), (&json!(licences.price), &json!(10)));
    let expanded = licences.double.get(&format!("/v1/subscriptions/{}?expand[]=schedule", licences.id)).await.body;
    assert_eq!(expanded["schedule"]["object"], "subscription_schedule");
    let told = &licences.double.events("customer.subscription.updated").await[0]["data"]["previous_attributes"];
    assert_eq!((told, licences.count("subscription_schedule.created").await), (&json!({"schedule": null}), 1));
}

#[tokio::test]
async fn a_decrease_waits_for_the_period_end_and_then_lets_go() {
    let licences = Licences::sold().await;
    let schedule = licences.schedule(5, "&metadata[tenantry]=1&end_behavior=release").await;
    assert_eq!((schedule.status, &schedule.body["metadata"]), (200, &json!({"tenantry": "1"})));
    licences.pass(27 * DAY).await;
    assert_eq!(licences.quantity().await, 10);
    licences.pass(5 * DAY).await;
    assert_eq!(licences.quantity().await, 5);
    let invoices = licences.double.get(&format!("/v1/invoices?subscription={}", licences.id)).await.body;
    assert_eq!(
        (&invoices["data"][0]["amount_paid"], &invoices["data"][1]["amount_paid"]),
        (&json!(5_000), &json!(10_000))
    );
    assert_eq!(
        licences.read_schedule(&schedule).await["current_phase"]["start_date"],
        schedule.body["phases"][1]["start_date"]
    );
    let changed = licences.double.events("customer.subscription.updated").await[0]["data"].clone();
    assert_eq!(changed["previous_attributes"]["items"]["data"][0]["quantity"], 10);
    licences.pass(31 * DAY).await;
    let released = licences.read_schedule(&schedule).await;
    assert_eq!((&released["status"], &released["subscription"]), (&json!("released"), &Value::Null));
    assert_eq!(released["released_subscription"], licences.id.as_str());
    assert_eq!((&licences.read().await["schedule"], licences.quantity().await), (&Value::Null, json!(5)));
    assert_eq!(licences.count("subscription_schedule.released").await, 1);
    assert_eq!(licences.count("subscription_schedule.completed").await, 1);
}

#[tokio::test]
async fn a_clock_that_jumps_applies_every_phase_it_passes() {
    let licences = Licences::sold().await;
    let schedule = licences.schedule(5, &format!("&{}&end_behavior=cancel", licences.phase(2, 2))).await;
    assert_eq!(schedule.body["phases"][2]["start_date"], schedule.body["phases"][1]["end_date"]);
    licences.pass(100 * DAY).await;
    assert_eq!(licences.read().await["status"], "canceled");
    assert_eq!(licences.read_schedule(&schedule).await["status"], "completed");
    let invoices = licences.double.get(&format!("/v1/invoices?subscription={}", licences.id)).await.body;
    let paid: Vec<&Value> = invoices["data"].as_array().into_iter().flatten().map(|row| &row["amount_paid"]).collect();
    assert_eq!(paid, [2_000, 5_000, 10_000]);
    let kinds = ["expiring", "completed", "canceled", "released"];
    for (kind, expected) in kinds.into_iter().zip([1, 1, 0, 0]) {
        assert_eq!(licences.count(&format!("subscription_schedule.{kind}")).await, expected, "{kind}");
    }
    assert_eq!(licences.count("customer.subscription.deleted").await, 1);
}

#[tokio::test]
async fn a_phase_may_bring_another_plan() {
    let licences = Licences::sold().await;
    let schedule = licences.take_over().await;
    let other = licences.double.price().await;
    let next = format!("phases[1][items][0][price]={other}&phases[1][items][0][quantity]=3&phases[1][metadata][k]=v");
    let path = format!("{SCHEDULES}/{}", schedule.id());
    licences.double.post(&path, &format!("{}&{next}", licences.current(&schedule))).await;
    licences.pass(32 * DAY).await;
    let read = licences.read().await;
    let items = read["items"]["data"].as_array().cloned().unwrap_or_default();
    assert_eq!((items.len(), &items[0]["price"]["id"], &items[0]["quantity"]), (1, &json!(other), &json!(3)));
    assert_eq!(read["metadata"], json!({"k": "v"}));
}

#[tokio::test]
async fn what_changes_in_the_current_phase_holds_at_once() {
    let licences = Licences::sold().await;
    let schedule = licences.take_over().await;
    let form =
        licences.current(&schedule).replace("[quantity]=10", "[quantity]=20") + "&proration_behavior=always_invoice";
    licences.double.post(&format!("{SCHEDULES}/{}", schedule.id()), &form).await;
    assert_eq!(licences.quantity().await, 20);
    let invoice =
        licences.double.get(&format!("/v1/invoices?subscription={}", licences.id)).await.body["data"][0].clone();
    assert_eq!((&invoice["billing_reason"], &invoice["status"]), (&json!("subscription_update"), &json!("paid")));
}

#[tokio::test]
async fn a_direct_update_is_taken_over_by_the_current_phase_only() {
    let licences = Licences::sold().await;
    let schedule = licences.schedule(5, "").await;
    let item = licences.read().await["items"]["data"][0]["id"].as_str().unwrap_or_default().to_owned();
    let changed = licences.update(&format!("items[0][id]={item}&items[0][quantity]=20")).await;
    assert_eq!(changed.status, 200, "{}", changed.text);
    let read = licences.read_schedule(&schedule).await;
    let quantity = |phase: usize| read["phases"][phase]["items"][0]["quantity"].clone();
    assert_eq!((quantity(0), quantity(1)), (json!(20), json!(5)));
    licences.pass(32 * DAY).await;
    assert_eq!(licences.quantity().await, 5);
}

#[tokio::test]
async fn the_end_of_a_scheduled_subscription_belongs_to_its_schedule() {
    let licences = Licences::sold().await;
    let schedule = licences.take_over().await;
    for form in ["cancel_at_period_end=true", "cancel_at="] {
        let refused = licences.update(form).await;
        assert_eq!(refused.refusal(), (400, "invalid_request_error", "", ""), "{form}");
        assert!(refused.text.contains("updating any cancelation behavior directly is not allowed"), "{}", refused.text);
    }
    let path = format!("{SCHEDULES}/{}", schedule.id());
    let ending = licences.double.post(&path, "end_behavior=cancel").await.body;
    assert_eq!(licences.read().await["cancel_at"], ending["phases"][0]["end_date"]);
    licences.double.post(&format!("{path}/release"), "").await;
    assert_eq!(licences.read().await["cancel_at"], Value::Null);
    assert_eq!(licences.update("cancel_at_period_end=true").await.status, 200);
}

#[tokio::test]
async fn whatever_ends_the_subscription_cancels_its_schedule() {
    let licences = Licences::sold().await;
    let schedule = licences.schedule(5, "").await;
    licences.double.delete(&format!("/v1/subscriptions/{}", licences.id)).await;
    assert_eq!(licences.read_schedule(&schedule).await["status"], "canceled");
    assert_eq!(licences.read().await["schedule"], Value::Null);
    let other = Licences::sold().await;
    let schedule = other.take_over().await;
    let canceled = other.double.post(&format!("{SCHEDULES}/{}/cancel", schedule.id()), "").await.body;
    assert_eq!((&canceled["status"], &canceled["current_phase"]), (&json!("canceled"), &Value::Null));
    assert_eq!(other.read().await["status"], "canceled");
    assert_eq!(other.count("subscription_schedule.canceled").await, 1);
}

#[tokio::test]
async fn a_trial_is_copied_and_ends_with_its_phase() {
    let licences = Licences::sold_with("&trial_period_days=10").await;
    let schedule = licences.take_over().await;
    let (path, phase) = (format!("{SCHEDULES}/{}", schedule.id()), schedule.body["phases"][0].clone());
    assert_eq!(phase["trial_end"], phase["end_date"]);
    let form = format!("{}&{}", licences.current(&schedule), licences.phase(1, 5));
    assert_eq!(licences.double.post(&path, &form).await.refusal().3, "phases[0][trial_end]");
    licences.double.post(&path, &format!("{form}&phases[0][trial_end]={}", phase["trial_end"])).await;
    licences.pass(11 * DAY).await;
    assert_eq!((licences.quantity().await, &licences.read().await["status"]), (json!(5), &json!("active")));
    let invoices = licences.double.get(&format!("/v1/invoices?subscription={}", licences.id)).await.body;
    assert_eq!(invoices["data"][0]["amount_paid"], 5_000);
}

#[tokio::test]
async fn a_schedule_opens_its_subscription_now_or_when_its_time_comes() {
    let licences = Licences::sold().await;
    let now = licences.double.admin(Method::GET, "/clock", json!({})).await["now"].as_i64().unwrap_or_default();
    let check = async |start: String, status: &str| {
        let form = format!("customer={}&start_date={start}&{}", licences.customer, licences.phase(0, 7));
        let opened = licences.double.post(SCHEDULES, &form).await;
        assert_eq!(opened.body["status"], status, "{}", opened.text);
        opened
    };
    let at_once = check("now".to_owned(), "active").await;
    let later = check((now + 3 * DAY).to_string(), "not_started").await;
    assert_eq!(later.body["subscription"], Value::Null);
    let waiting = licences.double.get(&format!("{SCHEDULES}?scheduled=true")).await.body;
    assert_eq!((waiting["data"].as_array().map(Vec::len), &waiting["data"][0]["id"]), (Some(1), &json!(later.id())));
    licences.pass(40 * DAY).await;
    for schedule in [at_once, later] {
        let read = licences.read_schedule(&schedule).await;
        let id = read["released_subscription"].as_str().unwrap_or_default().to_owned();
        let subscription = licences.double.get(&format!("/v1/subscriptions/{id}")).await.body;
        assert_eq!((&read["status"], &subscription["status"]), (&json!("released"), &json!("active")));
        assert_eq!(subscription["items"]["data"][0]["quantity"], 7);
        let invoices = licences.double.get(&format!("/v1/invoices?subscription={id}")).await.body;
        assert_eq!(invoices["data"].as_array().map(Vec::len), Some(2));
    }
}

#[tokio::test]
async fn a_phase_that_is_to_end_now_gives_way_at_once() {
    let licences = Licences::sold().await;
    let schedule = licences.take_over().await;
    let end = format!("end_date]={}", schedule.body["phases"][0]["end_date"]);
    let form = format!("{}&{}", licences.current(&schedule).replace(&end, "end_date]=now"), licences.phase(1, 5));
    licences.pass(DAY).await;
    let updated = licences.double.post(&format!("{SCHEDULES}/{}", schedule.id()), &form).await.body;
    assert_eq!(updated["current_phase"]["start_date"], updated["phases"][0]["end_date"]);
    assert_eq!(licences.quantity().await, 5);
    assert_eq!(licences.count("subscription_schedule.updated").await, 2);
}

#[tokio::test]
async fn the_schedules_of_a_deleted_customer_never_start() {
    let licences = Licences::sold().await;
    let now = licences.double.admin(Method::GET, "/clock", json!({})).await["now"].as_i64().unwrap_or_default();
    let form = format!("customer={}&start_date={}&{}", licences.customer, now + DAY, licences.phase(0, 7));
    let schedule = licences.double.post(SCHEDULES, &form).await;
    licences.double.delete(&format!("/v1/customers/{}", licences.customer)).await;
    licences.pass(2 * DAY).await;
    assert_eq!(licences.read_schedule(&schedule).await["status"], "canceled");
    assert_eq!(licences.count("customer.subscription.created").await, 1);
}

#[tokio::test]
async fn a_schedule_that_has_ended_stays_as_it_is() {
    let licences = Licences::sold().await;
    let schedule = licences.take_over().await;
    let path = format!("{SCHEDULES}/{}", schedule.id());
    assert_eq!(licences.double.post(&format!("{path}/release"), "").await.body["status"], "released");
    for (path, verb) in [(format!("{path}/release"), "release"), (format!("{path}/cancel"), "cancel"), (path, "update")]
    {
        let refused = licences.double.post(&path, "").await;
        let message = format!("You cannot {verb} a subscription schedule that is currently in the `released` status.");
        assert!(refused.status == 400 && refused.text.contains(&message), "{}", refused.text);
    }
    assert_eq!((licences.quantity().await, licences.count("subscription_schedule.released").await), (json!(10), 1));
}

#[tokio::test]
async fn what_cannot_be_taken_over_is_refused() {
    let licences = Licences::sold().await;
    let check = async |form: String, expected: (u16, &str, &str)| {
        let refused = licences.double.post(SCHEDULES, &form).await;
        let (status, _, code, param) = refused.refusal();
        assert_eq!((status, code, param), expected, "{form}: {}", refused.text);
    };
    check("from_subscription=sub_none".to_owned(), (400, "resource_missing", "from_subscription")).await;
    for (more, param) in [("&metadata[a]=b", "metadata"), ("&end_behavior=cancel", "end_behavior")] {
        check(format!("from_subscription={}{more}", licences.id), (400, "", param)).await;
    }
    licences.take_over().await;
    check(format!("from_subscription={}", licences.id), (400, "", "from_subscription")).await;
    licences.double.delete(&format!("/v1/subscriptions/{}", licences.id)).await;
    check(format!("from_subscription={}", licences.id), (400, "", "from_subscription")).await;
    check(licences.phase(0, 1), (400, "parameter_missing", "customer")).await;
    check(format!("customer={}", licences.customer), (400, "parameter_missing", "phases")).await;
    let late = format!("customer={}&start_date=1000&{}", licences.customer, licences.phase(0, 1));
    check(late, (400, "", "start_date")).await;
    assert_eq!(licences.double.get(&format!("{SCHEDULES}/sub_sched_none")).await.refusal().2, "resource_missing");
}

#[tokio::test]
async fn phases_that_do_not_fit_are_refused_and_change_nothing() {
    let licences = Licences::sold().await;
    let schedule = licences.take_over().await;
    let path = format!("{SCHEDULES}/{}", schedule.id());
    let (current, end) =
        (licences.current(&schedule), schedule.body["phases"][0]["end_date"].as_i64().unwrap_or_default());
    let check = async |form: String, code: &str, param: &str| {
        let refused = licences.double.post(&path, &form).await;
        assert_eq!(refused.refusal(), (400, "invalid_request_error", code, param), "{form}: {}", refused.text);
        assert_eq!(licences.read_schedule(&schedule).await, schedule.body, "{form}");
    };
    let next = |more: String| format!("{current}&{}{more}", licences.phase(1, 5));
    check(licences.phase(0, 5), "", "").await;
    check(current.replace("[start_date]=1", "[start_date]=2"), "", "phases[0][end_date]").await;
    check(next(format!("&phases[1][start_date]={}", end + 1)), "", "phases[1][start_date]").await;
    check(next(format!("&phases[1][end_date]={end}")), "", "phases[1][end_date]").await;
    check(next(format!("&phases[1][end_date]={}&phases[1][iterations]=1", end + 1)), "", "phases[1][iterations]").await;
    check(next("&phases[1][iterations]=0".to_owned()), "parameter_invalid_integer", "phases[1][iterations]").await;
    check(next("&phases[1][trial]=true".to_owned()), "", "phases[1][trial_end]").await;
    check(next("&phases[1][billing_cycle_anchor]=phase_start".to_owned()), "", "phases[1][billing_cycle_anchor]").await;
    check(next("&phases[1][coupon]=x".to_owned()), "parameter_unknown", "phases[1][coupon]").await;
    check(next("&end_behavior=renew".to_owned()), "", "end_behavior").await;
    check(format!("{current}&{}", licences.phase(1, -1)), "parameter_invalid_integer", "phases[1][items][0][quantity]")
        .await;
    check(format!("{current}&phases[1][metadata][a]=b"), "parameter_missing", "phases[1][items]").await;
    check(next(format!("&phases[1][items][1][price]={}", licences.price)), "", "phases[1][items][1][price]").await;
    check(next("&phases[1][items][1][price]=price_none".to_owned()), "resource_missing", "phases[1][items][1][price]")
        .await;
    let start = schedule.body["phases"][0]["start_date"].as_i64().unwrap_or_default();
    let moved = current.replace(&format!("[start_date]={start}"), &format!("[start_date]={}", start + 1));
    check(moved, "", "phases[0][start_date]").await;
    assert_eq!(licences.quantity().await, 10);
}
