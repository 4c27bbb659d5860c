//! Which subscription an event leads to, whatever API version wrote it.

use domain::event::Subject;
use serde_json::{Value, json};
use stripe_gateway::read_envelope;

fn subject(body: &[u8]) -> Subject {
    read_envelope(body).expect("an event").subject
}

fn named(id: &str) -> Subject {
    Subject::Subscription(id.parse().expect("a subscription's id"))
}

fn nobody(reason: &str) -> Subject {
    Subject::Nobody(reason.to_owned())
}

const UNLISTED: &str = "no licence depends on events of this type";
const UNNAMED: &str = "it names no subscription";
const MISNAMED: &str = "what it names is not the id of a subscription (`sub_…`)";

macro_rules! fixture {
    ($name:literal) => {
        ($name, include_bytes!(concat!("../fixtures/", $name, ".json")).as_slice())
    };
}

/// Written after the documentation's examples, each in the shape of its API version.
#[test]
fn events_of_every_api_version_lead_to_their_subscription() {
    let fixtures = [
        (fixture!("subscription_created.2020-08-27"), named("sub_1A2020")),
        (fixture!("subscription_updated.2024-06-20"), named("sub_1B2024")),
        (fixture!("subscription_deleted.2025-04-30.basil"), named("sub_1C2025")),
        (fixture!("subscription_updated.2026-09-30.endive"), named("sub_1D2026")),
        (fixture!("invoice_payment_failed.2020-08-27"), named("sub_1A2020")),
        (fixture!("invoice_payment_succeeded.2024-06-20"), named("sub_1B2024")),
        (fixture!("invoice_paid.2025-04-30.basil"), named("sub_1C2025")),
        (fixture!("invoice_paid_one_off.2024-06-20"), nobody(UNNAMED)),
        (fixture!("invoice_paid_one_off.2026-09-30.endive"), nobody(UNNAMED)),
        (fixture!("schedule_updated.2026-09-30.endive"), named("sub_1D2026")),
        (fixture!("schedule_released.2024-06-20"), named("sub_1B2024")),
        (fixture!("checkout_completed.2020-08-27"), named("sub_1A2020")),
        (fixture!("checkout_completed_payment.2026-09-30.endive"), nobody(UNNAMED)),
        (fixture!("customer_updated.2026-09-30.endive"), nobody(UNLISTED)),
        (fixture!("thin_subscription_updated"), named("sub_1D2026")),
        (fixture!("thin_item_quantity_changed"), named("sub_1D2026")),
        (fixture!("thin_meter_error"), nobody(UNLISTED)),
    ];
    for ((name, body), expected) in fixtures {
        assert_eq!(subject(body), expected, "{name}");
    }
}

fn check(event_type: &str, object: Value, expected: Subject) {
    let event = json!({
        "id": "evt_1", "object": "event", "type": event_type, "created": 1, "livemode": false,
        "data": {"object": object.clone()}, "related_object": object,
    });
    assert_eq!(subject(event.to_string().as_bytes()), expected, "{event}");
}

#[test]
fn a_subscription_is_named_by_its_own_events() {
    let kinds = ["created", "updated", "deleted", "paused", "resumed", "pending_update_applied", "trial_will_end"];
    for kind in kinds {
        check(
            &format!("customer.subscription.{kind}"),
            json!({"id": "sub_1", "object": "subscription"}),
            named("sub_1"),
        );
    }
    for kind in ["updated", "item_quantity_changed", "a.new.one"] {
        check(&format!("v1.customer.subscription.{kind}"), json!({"id": "sub_1"}), named("sub_1"));
    }
}

#[test]
fn an_id_may_stand_in_the_object_that_it_belongs_to() {
    let expanded = json!({"id": "sub_1", "object": "subscription", "items": {"data": []}});
    for subscription in [json!("sub_1"), expanded] {
        check("checkout.session.completed", json!({"subscription": subscription}), named("sub_1"));
        check("subscription_schedule.created", json!({"subscription": subscription}), named("sub_1"));
        for kind in ["paid", "payment_succeeded", "payment_failed"] {
            let details = json!({"subscription_details": {"subscription": subscription}});
            check(&format!("invoice.{kind}"), json!({"parent": details}), named("sub_1"));
            check(&format!("invoice.{kind}"), json!({"subscription": subscription}), named("sub_1"));
        }
    }
}

#[test]
fn places_are_tried_in_order() {
    let schedule = |now: Value, before: Value| json!({"subscription": now, "released_subscription": before});
    let kind = "subscription_schedule.released";
    check(kind, schedule(json!("sub_1"), json!("sub_2")), named("sub_1"));
    check(kind, schedule(Value::Null, json!("sub_2")), named("sub_2"));
    check(kind, schedule(json!("in_1"), json!("sub_2")), named("sub_2"));
    check(kind, schedule(Value::Null, Value::Null), nobody(UNNAMED));
    let invoice = json!({"parent": {"subscription_details": {"subscription": "sub_1"}}, "subscription": "sub_2"});
    check("invoice.paid", invoice, named("sub_1"));
    let quoted = json!({"parent": {"quote_details": {"quote": "qt_1"}, "subscription_details": null}});
    check("invoice.paid", quoted, nobody(UNNAMED));
}

#[test]
fn what_is_no_subscription_is_nobody() {
    let names = [
        "cus_1",
        "sub_sched_1",
        "sub_sched_",
        "sub_",
        "sub_1/../2",
        "sub_ü",
        "",
        "sub_1\u{0}",
        &format!("sub_{}", "1".repeat(252)),
    ];
    for name in names {
        check("customer.subscription.updated", json!({"id": name}), nobody(MISNAMED));
        check("checkout.session.completed", json!({"subscription": {"id": name}}), nobody(MISNAMED));
    }
    for nothing in
        [Value::Null, json!({}), json!([]), json!(["sub_1"]), json!(7), json!({"id": 7}), json!({"id": ["sub_1"]})]
    {
        check("customer.subscription.updated", nothing.clone(), nobody(UNNAMED));
        check("checkout.session.completed", json!({"subscription": nothing}), nobody(UNNAMED));
    }
}

#[test]
fn other_types_are_nobodys() {
    let types = [
        "customer.subscription",
        "customer.subscription.",
        "customer.subscription.pending_update_expired",
        "customer.subscription.updated.v2",
        "Customer.subscription.updated",
        "subscription_schedule",
        "subscription_schedule.",
        "v1.customer.subscription.",
        "v1.customer.subscriptions.updated",
        "invoice.created",
        "invoice.*",
        "*",
        "checkout.session.expired",
    ];
    for event_type in types {
        check(event_type, json!({"id": "sub_1", "subscription": "sub_1"}), nobody(UNLISTED));
    }
}
