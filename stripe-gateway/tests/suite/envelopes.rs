//! Which bodies are events, and what they say of themselves.

use domain::event::{Envelope, EventKind, Subject};
use serde_json::{Value, json};
use stripe_gateway::{EnvelopeError, read_envelope};

fn snapshot() -> Value {
    json!({
        "id": "evt_1", "object": "event", "type": "customer.subscription.updated", "created": 1_717_000_000,
        "livemode": true, "api_version": "2024-06-20", "data": {"object": {"id": "sub_1"}},
    })
}

fn thin() -> Value {
    json!({
        "id": "evt_test_2", "object": "v2.core.event", "type": "v1.customer.subscription.updated",
        "created": "2026-10-03T09:14:27.413Z", "livemode": false, "context": "acct_1", "snapshot_event": "evt_1",
        "related_object": {"id": "sub_1", "type": "subscription", "url": "/v1/subscriptions/sub_1"},
    })
}

/// The event with one field put in, or replaced.
fn with(mut event: Value, field: &str, value: Value) -> Result<Envelope, EnvelopeError> {
    event[field] = value;
    read_envelope(event.to_string().as_bytes())
}

fn without(mut event: Value, field: &str) -> Result<Envelope, EnvelopeError> {
    event.as_object_mut().expect("an object").remove(field).expect("the field was there");
    read_envelope(event.to_string().as_bytes())
}

fn wrong_field(read: Result<Envelope, EnvelopeError>) -> &'static str {
    match read {
        Err(EnvelopeError::Field { field, .. }) => field,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_snapshot_is_read() {
    let read = read_envelope(snapshot().to_string().as_bytes());
    let expected = Envelope {
        id: "evt_1".parse().expect("an id"),
        kind: EventKind::Snapshot,
        event_type: "customer.subscription.updated".to_owned(),
        created: "2024-05-29T16:26:40Z".parse().expect("a time"),
        livemode: true,
        account: None,
        api_version: Some("2024-06-20".to_owned()),
        snapshot_event: None,
        subject: Subject::Subscription("sub_1".parse().expect("an id")),
    };
    assert_eq!(read, Ok(expected));
    let of_another = with(snapshot(), "account", json!("acct_1")).expect("an event");
    assert_eq!(of_another.account.as_deref(), Some("acct_1"));
}

#[test]
fn a_thin_event_is_read() {
    let read = read_envelope(thin().to_string().as_bytes());
    let expected = Envelope {
        id: "evt_test_2".parse().expect("an id"),
        kind: EventKind::Thin,
        event_type: "v1.customer.subscription.updated".to_owned(),
        created: "2026-10-03T09:14:27.413Z".parse().expect("a time"),
        livemode: false,
        account: Some("acct_1".to_owned()),
        api_version: None,
        snapshot_event: Some("evt_1".parse().expect("an id")),
        subject: Subject::Subscription("sub_1".parse().expect("an id")),
    };
    assert_eq!(read, Ok(expected));
}

#[test]
fn what_stripe_may_add_or_leave_out_does_not_matter() {
    for field in ["api_version", "data"] {
        without(snapshot(), field).unwrap_or_else(|error| panic!("{field}: {error}"));
        with(snapshot(), field, Value::Null).unwrap_or_else(|error| panic!("{field}: {error}"));
    }
    for field in ["context", "snapshot_event", "related_object"] {
        without(thin(), field).unwrap_or_else(|error| panic!("{field}: {error}"));
        with(thin(), field, Value::Null).unwrap_or_else(|error| panic!("{field}: {error}"));
    }
    for (field, value) in
        [("api_version", json!("2031-01-01.quokka")), ("type", json!("moon.landed")), ("new", json!([{}]))]
    {
        with(snapshot(), field, value).unwrap_or_else(|error| panic!("{field}: {error}"));
    }
    // A link that leads nowhere is no reason to lose an event.
    for link in [json!("in_1"), json!(7), json!({"id": "evt_"}), json!("evt_1\u{0}")] {
        assert_eq!(with(thin(), "snapshot_event", link).expect("an event").snapshot_event, None);
    }
    let linked = with(thin(), "snapshot_event", json!({"id": "evt_1", "type": "event"})).expect("an event");
    assert_eq!(linked.snapshot_event, Some("evt_1".parse().expect("an id")));
}

#[test]
fn numbers_of_any_size_may_stand_where_nobody_looks() {
    let numbers = ["1e400", "-1E-400", "0.1e+7", "123456789012345678901234567890", &"9".repeat(5000), "-0", "0.0"];
    for number in numbers {
        let body = snapshot().to_string().replacen('{', &format!("{{\"unknown\":{number},"), 1);
        assert!(read_envelope(body.as_bytes()).is_ok(), "{number}");
    }
    for number in ["01", "1.", ".5", "+1", "1e", "--1", "1-1", "0x10", "1_000", "Infinity", "NaN", "-", "1e5.5"] {
        let body = snapshot().to_string().replacen('{', &format!("{{\"unknown\":{number},"), 1);
        assert_eq!(read_envelope(body.as_bytes()), Err(EnvelopeError::NotJson), "{number}");
    }
}

#[test]
fn every_event_has_an_id_a_type_a_time_and_a_mode() {
    for field in ["id", "type", "created", "livemode"] {
        for event in [snapshot(), thin()] {
            assert_eq!(wrong_field(without(event.clone(), field)), field);
            for value in [Value::Null, json!(-1), json!(1.5), json!(""), json!([]), json!({}), json!("\u{0}")] {
                assert_eq!(wrong_field(with(event.clone(), field, value)), field);
            }
        }
    }
    assert_eq!(wrong_field(with(snapshot(), "livemode", json!("true"))), "livemode");
    for id in
        ["evt_", "evt", "sub_1", "evt_1/../2", "evt_ü", "evt_1 ", "evt_1\u{0}", &format!("evt_{}", "1".repeat(252))]
    {
        assert_eq!(wrong_field(with(snapshot(), "id", json!(id))), "id");
    }
    assert!(with(snapshot(), "id", json!(format!("evt_{}", "1".repeat(251)))).is_ok());
}

#[test]
fn texts_fit_their_columns() {
    for (event, field) in
        [(snapshot(), "type"), (snapshot(), "api_version"), (snapshot(), "account"), (thin(), "context")]
    {
        assert!(with(event.clone(), field, json!("x".repeat(255))).is_ok(), "{field}");
        let texts = ["", "a\u{0}b", "a\nb", "\u{7f}", "\u{202e}", "ä", "\u{fffd}", &"x".repeat(256)];
        for value in texts.map(Value::from).into_iter().chain([json!(1), json!(true), json!(["a"]), json!({"id": "a"})])
        {
            assert_eq!(wrong_field(with(event.clone(), field, value)), field);
        }
    }
}

#[test]
fn times_are_those_that_a_column_takes() {
    let last = 253_402_300_799_i64;
    for (created, is_taken) in
        [(0, true), (last, true), (last + 1, false), (-1, false), (i64::MAX, false), (i64::MIN, false)]
    {
        assert_eq!(with(snapshot(), "created", json!(created)).is_ok(), is_taken, "{created}");
    }
    for created in [json!(1.7e9), json!(u64::MAX), json!("1717000000"), json!("2024-05-29T16:26:40Z")] {
        assert_eq!(wrong_field(with(snapshot(), "created", created)), "created");
    }
    for number in ["-0", "1e9", "1717000000.0", &"9".repeat(5000)] {
        let body = snapshot().to_string().replace("1717000000", number);
        assert_eq!(wrong_field(read_envelope(body.as_bytes())), "created", "{number}");
    }
    for created in
        ["2026-10-03T09:14:27Z", "2026-10-03T09:14:27.000000001Z", "2026-10-03T11:14:27+02:00", "1970-01-01T00:00:00Z"]
    {
        assert!(with(thin(), "created", json!(created)).is_ok(), "{created}");
    }
    let texts =
        ["2026-10-03", "2026-10-03T09:14:27", "2026-13-03T09:14:27Z", "1969-12-31T23:59:59Z", "+12026-10-03T09:14:27Z"];
    for created in texts.map(Value::from).into_iter().chain([json!(1_717_000_000)]) {
        assert_eq!(wrong_field(with(thin(), "created", created)), "created");
    }
}

#[test]
fn what_is_no_event_is_refused() {
    for object in [json!("customer"), json!("Event"), json!("v2.core.events"), Value::Null, json!(1), json!(["event"])]
    {
        assert_eq!(with(snapshot(), "object", object), Err(EnvelopeError::NotAnEvent));
    }
    assert_eq!(without(snapshot(), "object"), Err(EnvelopeError::NotAnEvent));
    for body in ["{}", "[]", "null", "\"event\"", "1", "[{\"object\": \"event\"}]"] {
        assert_eq!(read_envelope(body.as_bytes()), Err(EnvelopeError::NotAnEvent), "{body}");
    }
}

#[test]
fn what_is_no_json_is_refused() {
    let event = snapshot().to_string();
    let cut = (0..event.len()).map(|end| event[..end].to_owned());
    let bodies = [
        "hello",
        "{'id': 1}",
        "{\"a\":1,}",
        "{\"a\" 1}",
        "{a: 1}",
        "[1,]",
        "[,]",
        "{,}",
        "\u{feff}{}",
        "nul",
        "\"\\x\"",
    ];
    let strings = ["\"a\nb\"", "\"\u{0}\"", "\"\\ud800\"", "\"\\udc00\\ud800\"", "\"\\u12\"", "\"\\", "\"\\\""];
    let behind = [format!("{event}{event}"), format!("{event}x"), format!("{event}\u{0}"), format!("{event}//")];
    let texts = bodies.into_iter().chain(strings).map(str::to_owned);
    for body in texts.chain(cut).chain(behind) {
        assert_eq!(read_envelope(body.as_bytes()), Err(EnvelopeError::NotJson), "{body}");
    }
    for body in [&b"\xff"[..], b"{\"id\": \"\xc3\x28\"}", b"\"\xed\xa0\x80\"", b"{}\xfe", b"\x1f\x8b\x08"] {
        assert_eq!(read_envelope(body), Err(EnvelopeError::NotUtf8), "{body:?}");
    }
}

#[test]
fn a_key_stands_once_in_an_object_at_any_depth() {
    let event = snapshot().to_string();
    let bodies = [
        event.replacen('{', "{\"id\":\"evt_2\",", 1),
        event.replacen('{', "{\"\\u0069d\":\"evt_2\",", 1),
        event.replace("\"id\":\"sub_1\"", "\"id\":\"sub_1\",\"id\":\"sub_1\""),
        event.replacen('{', "{\"x\":[[{\"y\":{\"a\":1,\"b\":2,\"a\":1}}]],", 1),
        event.replacen('{', "{\"\":0,\"\":0,", 1),
    ];
    for body in bodies {
        assert_eq!(read_envelope(body.as_bytes()), Err(EnvelopeError::DuplicateKey), "{body}");
    }
    let apart = event.replacen('{', "{\"x\":[{\"a\":1},{\"a\":1}],\"Id\":1,", 1);
    assert!(read_envelope(apart.as_bytes()).is_ok());
}

/// Around the event's own object there is room for 126 lists more, as with serde_json.
#[test]
fn nesting_has_an_end() {
    let nested = |depth: usize| {
        let deep = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        snapshot().to_string().replacen('{', &format!("{{\"x\":{deep},"), 1)
    };
    assert!(serde_json::from_str::<Value>(&nested(126)).is_ok() && read_envelope(nested(126).as_bytes()).is_ok());
    for depth in [127, 128, 100_000] {
        assert!(serde_json::from_str::<Value>(&nested(depth)).is_err());
        assert_eq!(read_envelope(nested(depth).as_bytes()), Err(EnvelopeError::TooDeep), "{depth}");
    }
    for bomb in ["[", "{\"a\":", "[{\"a\":", "[[],"] {
        assert_eq!(read_envelope(bomb.repeat(100_000).as_bytes()), Err(EnvelopeError::TooDeep), "{bomb}");
    }
}

#[test]
fn a_refusal_names_the_field_and_quotes_nothing() {
    let canary = "canary@example.com";
    for field in ["id", "type", "created", "livemode", "object", "api_version", "account"] {
        let error = with(snapshot(), field, json!(format!("{canary}\u{0}"))).expect_err("not an event");
        let said = format!("{error} {error:?} {}", error.reason());
        assert!(said.contains(field) && !said.contains("canary"), "{said}");
    }
    let words: Vec<&str> = [
        EnvelopeError::NotUtf8,
        EnvelopeError::NotJson,
        EnvelopeError::TooDeep,
        EnvelopeError::DuplicateKey,
        EnvelopeError::NotAnEvent,
        EnvelopeError::Field { field: "id", expected: "an id" },
    ]
    .map(EnvelopeError::reason)
    .to_vec();
    let expected = [
        "body_not_utf8",
        "body_not_json",
        "body_too_deep",
        "body_duplicate_key",
        "body_not_an_event",
        "body_field_wrong",
    ];
    assert_eq!(words, expected);
}
