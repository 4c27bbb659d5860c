use serde_json::json;

use super::*;

const TENANT: &str = "190f0b43-fe35-5e35-ba10-4f73c2b88e4d";
const OTHER: &str = "0b9f3b1c-5d1e-4a55-9f0e-5a8a3e1f7c11";

/// An input of each type with every field.
fn full(workflow_type: &str) -> Value {
    match workflow_type {
        workflow::CREATE_TENANT => json!({
            "email": "ann@example.com", "client_name": "Ann", "stripe_customer_id": "cus_1",
            "stripe_subscription_id": "sub_1", "initial_license_count": 10, "checkout_session_id": "cs_1",
            "tenant_id": TENANT, "plan": "pro",
        }),
        workflow::IMPORT_SUBSCRIPTION => json!({"tenant_id": TENANT, "stripe_subscription_id": "sub_1"}),
        workflow::CHANGE_LICENSE_COUNT => {
            json!({"tenant_id": TENANT, "quantity": 15, "from": 10, "effective": "now", "requested_by": "ann"})
        }
        workflow::SYNC_STRIPE_CUSTOMERS => {
            json!({"tenant_id": TENANT, "dry_run": false, "page_size": 50, "resume": false,
                   "carried": {"phase": "judging", "pages": 7}})
        }
        workflow::RECONCILE => {
            json!({"tenant_id": TENANT, "apply": false, "force": false, "progress": {"place": "weigh"}})
        }
        other => panic!("no input of {other}"),
    }
}

const TYPES: [&str; 5] = [
    workflow::CREATE_TENANT,
    workflow::IMPORT_SUBSCRIPTION,
    workflow::CHANGE_LICENSE_COUNT,
    workflow::SYNC_STRIPE_CUSTOMERS,
    workflow::RECONCILE,
];

fn whole(workflow_type: &str) -> ReplayInput {
    ReplayInput::parse(workflow_type, full(workflow_type)).expect("a whole input")
}

fn set(text: &str) -> Vec<Correction> {
    vec![text.parse().expect("a correction")]
}

/// The one field that the correction changes is that afterwards, or the correction is refused so.
fn check(workflow_type: &str, correction: &str, expected: Result<Value, &str>) {
    let before = whole(workflow_type);
    let found = before.corrected(&set(correction)).map_err(|error| error.to_string());
    match (found, expected) {
        (Ok(after), Ok(expected)) => {
            let changes = after.difference(&before);
            assert_eq!(changes.len(), 1, "{correction}: {changes:?}");
            assert_eq!(changes[0].to.clone().unwrap_or_default(), expected, "{correction}");
            assert!(correction.starts_with(changes[0].field), "{correction}: {changes:?}");
        }
        (Err(found), Err(expected)) => assert_eq!(found, expected, "{correction}"),
        (found, expected) => panic!("{correction}: {found:?}, expected {expected:?}"),
    }
}

#[test]
fn the_fields_are_those_of_the_inputs() {
    for workflow_type in TYPES {
        let input = whole(workflow_type).input();
        let mut written: Vec<&str> = input.as_object().expect("an object").keys().map(String::as_str).collect();
        let mut known: Vec<&str> = fields::of(workflow_type).iter().map(|field| field.name).collect();
        written.sort_unstable();
        known.sort_unstable();
        assert_eq!(written, known, "{workflow_type}");
    }
}

#[test]
fn each_field_of_an_onboarding_can_be_set() {
    let check = |correction: &str, expected| check(workflow::CREATE_TENANT, correction, expected);
    check("email=Bob@Example.com", Ok(json!("bob@example.com")));
    check("email=bob", Err("email: expected an e-mail address: something, an @, a host, at most 254 characters"));
    check("client_name=Ann & Co", Ok(json!("Ann & Co")));
    check("client_name=\"Ann & Co\"", Ok(json!("Ann & Co")));
    check("client_name=4711", Ok(json!("4711")));
    check("client_name=true", Ok(json!("true")));
    check("client_name=a=b", Ok(json!("a=b")));
    check("client_name= ", Err("client_name: expected a name of 1 to 255 characters"));
    check("stripe_customer_id=cus_2", Ok(json!("cus_2")));
    check("stripe_customer_id=sub_2", Err("stripe_customer_id: expected an id that starts with `cus_`"));
    check("stripe_subscription_id=sub_2", Ok(json!("sub_2")));
    check("initial_license_count=0", Ok(json!(0)));
    check("initial_license_count=ten", Err("initial_license_count: expected a whole number"));
    check("initial_license_count=-1", Err("initial_license_count: expected a whole number from 0 to 2147483647"));
    check("checkout_session_id=cs_2", Ok(json!("cs_2")));
    check(&format!("tenant_id={OTHER}"), Ok(json!(OTHER)));
    check("tenant_id=42", Err("tenant_id: expected a UUID such as 3f2c8d5e-8a4b-4f0e-9d38-0a5b6c7d8e9f"));
}

#[test]
fn each_field_of_the_other_inputs_can_be_set_but_what_names_the_run() {
    check(workflow::IMPORT_SUBSCRIPTION, &format!("tenant_id={OTHER}"), Ok(json!(OTHER)));
    check(workflow::IMPORT_SUBSCRIPTION, "stripe_subscription_id=sub_2", Ok(json!("sub_2")));
    check(workflow::CHANGE_LICENSE_COUNT, "quantity=20", Ok(json!(20)));
    check(workflow::CHANGE_LICENSE_COUNT, "quantity=0", Err("quantity: expected a whole number from 1 to 100000"));
    check(workflow::CHANGE_LICENSE_COUNT, "from=12", Ok(json!(12)));
    check(workflow::CHANGE_LICENSE_COUNT, "effective=period_end", Ok(json!("period_end")));
    check(workflow::CHANGE_LICENSE_COUNT, "effective=soon", Err("effective: expected `now` or `period_end`"));
    check(workflow::CHANGE_LICENSE_COUNT, "requested_by=bob", Ok(json!("bob")));
    check(workflow::SYNC_STRIPE_CUSTOMERS, "dry_run=true", Ok(json!(true)));
    check(workflow::SYNC_STRIPE_CUSTOMERS, "dry_run=yes", Err("dry_run: expected true or false"));
    check(workflow::SYNC_STRIPE_CUSTOMERS, "page_size=100", Ok(json!(100)));
    check(workflow::SYNC_STRIPE_CUSTOMERS, "page_size=101", Err("page_size: expected a whole number from 1 to 100"));
    check(workflow::SYNC_STRIPE_CUSTOMERS, "resume=true", Ok(json!(true)));
    check(workflow::RECONCILE, "apply=true", Ok(json!(true)));
    check(workflow::RECONCILE, "force=true", Ok(json!(true)));
    for workflow_type in &TYPES[2..] {
        let naming = fields::of(workflow_type).iter().find(|field| field.names_the_run).expect("a field that names it");
        let found = whole(workflow_type).corrected(&set(&format!("{}=x", naming.name)));
        let expected = CorrectionError::NamesTheRun { field: naming.name, workflow_type: (*workflow_type).to_owned() };
        assert_eq!(found, Err(expected));
    }
}

#[test]
fn an_empty_value_leaves_an_optional_field_out() {
    check(workflow::CREATE_TENANT, "stripe_subscription_id=", Ok(Value::Null));
    check(workflow::CREATE_TENANT, "initial_license_count=", Ok(Value::Null));
    check(workflow::CHANGE_LICENSE_COUNT, "from=", Ok(Value::Null));
    check(workflow::CREATE_TENANT, "email=", Err("missing field `email`"));
    check(workflow::CHANGE_LICENSE_COUNT, "quantity=", Err("missing field `quantity`"));
}

#[test]
fn a_field_that_there_is_not_is_named_with_the_near_one() {
    let unknown = |field: &str, rest: &str| format!("createTenantWorkflow has no field {field}; {rest}");
    let check = |correction, expected: String| check(workflow::CREATE_TENANT, correction, Err(&expected));
    check("client_nam=Ann", unknown("client_nam", "did you mean client_name?"));
    check("customer=cus_1", unknown("customer", "did you mean stripe_customer_id?"));
    let all = "it has email, client_name, stripe_customer_id, stripe_subscription_id, initial_license_count, \
               checkout_session_id, tenant_id";
    check("colour=red", unknown("colour", all));
    // What the workflow carries over by itself is nobody's to set.
    for (workflow_type, field) in [(workflow::SYNC_STRIPE_CUSTOMERS, "carried"), (workflow::RECONCILE, "progress")] {
        let found = whole(workflow_type).corrected(&set(&format!("{field}={{}}")));
        assert!(matches!(found, Err(CorrectionError::UnknownField { .. })), "{found:?}");
    }
}

#[test]
fn a_correction_is_a_field_and_a_value() {
    for text in ["client_name", "=Ann", " =Ann", ""] {
        assert_eq!(text.parse::<Correction>(), Err(CorrectionError::Form), "{text}");
    }
    let twice = [set("client_name=Ann"), set("client_name=Bob")].concat();
    let found = whole(workflow::CREATE_TENANT).corrected(&twice);
    assert_eq!(found, Err(CorrectionError::Twice("client_name".to_owned())));
    let shown = format!("{:?}", set("email=ann@example.com"));
    assert!(!shown.contains("ann"), "{shown}");
}

#[test]
fn an_input_that_did_not_fit_is_mended() {
    let broken = json!({"email": "ann", "client_name": "Ann"});
    let still = ReplayInput::mended(workflow::CREATE_TENANT, broken.clone(), &set("client_name=Bob"));
    assert!(still.expect_err("still broken").to_string().starts_with("email: "));
    let mended = ReplayInput::mended(workflow::CREATE_TENANT, broken.clone(), &set("email=ann@example.com"));
    let changes = mended.expect("mended").difference_from(&broken);
    let expected = Change { field: "email", from: Some(json!("ann")), to: Some(json!("ann@example.com")) };
    assert_eq!(changes, [expected]);
    let from_nothing = [set("email=a@b.c"), set("client_name=A")].concat();
    assert!(ReplayInput::mended(workflow::CREATE_TENANT, Value::Null, &from_nothing).is_ok());
}

#[test]
fn an_input_that_was_meant_so_is_no_difference() {
    let typed = json!({"email": " Ann@Example.com", "client_name": "Ann ", "tenant_id": null, "plan": "pro"});
    let same = ReplayInput::parse(workflow::CREATE_TENANT, typed.clone()).expect("an input");
    assert_eq!(same.difference_from(&typed), []);
}

#[test]
fn what_begins_anew_carries_nothing_over() {
    for workflow_type in [workflow::SYNC_STRIPE_CUSTOMERS, workflow::RECONCILE] {
        let input = whole(workflow_type).input();
        assert!(input.get("carried").is_none() && input.get("progress").is_none(), "{input}");
    }
}

#[test]
fn a_sync_a_batch_and_a_foreign_run_are_not_started_again() {
    let parse = |workflow_type: &str| ReplayInput::parse(workflow_type, json!({}));
    assert_eq!(parse(workflow::SYNC_SUBSCRIPTION), Err(NotReplayable::Sync));
    assert_eq!(parse(workflow::REPLAY_BATCH), Err(NotReplayable::Batch));
    assert_eq!(parse("mailWorkflow"), Err(NotReplayable::Foreign("mailWorkflow".to_owned())));
}

#[test]
fn the_wire_names_the_type_beside_the_input() {
    for workflow_type in TYPES {
        let input = whole(workflow_type);
        let wire = serde_json::to_value(&input).expect("JSON");
        assert_eq!(wire, json!({"workflow_type": workflow_type, "input": input.input()}));
        assert_eq!(serde_json::from_value::<ReplayInput>(wire).expect("an input"), input);
    }
}

#[test]
fn a_batch_takes_onboardings_and_imports_of_one_subscription() {
    for workflow_type in TYPES {
        let input = whole(workflow_type);
        let wire = serde_json::to_value(&input).expect("JSON");
        match BatchedInput::try_from(input.clone()) {
            Ok(batched) => {
                assert!(matches!(workflow_type, workflow::CREATE_TENANT | workflow::IMPORT_SUBSCRIPTION));
                assert_eq!(serde_json::to_value(&batched).expect("JSON"), wire);
                assert_eq!(ReplayInput::from(batched), input);
            }
            Err(why) => assert_eq!(why == NotForABatch::Decision, workflow_type == workflow::CHANGE_LICENSE_COUNT),
        }
    }
}
