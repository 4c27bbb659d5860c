//! Which deliveries are believed.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use stripe_gateway::{SignatureError, WebhookConfig};

const SECRET: &str = "whsec_5f2cQm8JxkVt";
const BODY: &[u8] = b"{\"id\": \"evt_1\", \"name\": \"M\xc3\xbcller\"}\n";
const NOW: i64 = 1_760_000_000;

fn config(snapshot: &str, thin: &str) -> WebhookConfig {
    let settings = [("STRIPE_WEBHOOK_SECRET", snapshot), ("STRIPE_WEBHOOK_SECRET_THIN", thin)];
    let lookup = |name: &str| settings.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned());
    WebhookConfig::from_env(lookup).expect("secrets")
}

fn sign(secret: &str, timestamp: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any key");
    mac.update(&[timestamp.as_bytes(), b".", body].concat());
    hex::encode(mac.finalize().into_bytes())
}

/// The right signature of the body at that time.
fn v1(timestamp: impl ToString) -> String {
    format!("v1={}", sign(SECRET, &timestamp.to_string(), BODY))
}

fn check(header: impl AsRef<[u8]>, expected: Result<(), SignatureError>) {
    let header = header.as_ref();
    let found = config(SECRET, "").verify(Some(header), BODY, NOW);
    assert_eq!(found, expected, "{}", String::from_utf8_lossy(header));
}

#[test]
fn a_signature_of_the_very_bytes_is_accepted() {
    let right = v1(NOW);
    check(format!("t={NOW},{right}"), Ok(()));
    check(format!("{right},t={NOW}"), Ok(()));
    check(format!("t={NOW},{},v0={}", right.replace("v1=", "v1=00,v1="), "0".repeat(64)), Ok(()));
    check(format!("t={NOW},v9=a=b==,scheme,,{right},"), Ok(()));
    check(format!("t={NOW},{}", right.to_uppercase().replace("V1", "v1")), Ok(()));
}

/// The signature was made by OpenSSL: the documentation has none to compare with, see
/// <https://docs.stripe.com/webhooks#verify-manually>.
#[test]
fn the_key_is_the_whole_text_of_the_secret() {
    let signature = "78997ddc229cc82f43f574f4616c4b339adc1a10f2df1cdd10b0572655188dfd";
    let header = format!("t=1760000000,v1={signature}");
    assert_eq!(config("whsec_test_secret", "").verify(Some(header.as_bytes()), b"{}", NOW), Ok(()));
}

#[test]
fn without_exactly_one_header_nothing_is_believed() {
    assert_eq!(config(SECRET, "").verify(None, BODY, NOW), Err(SignatureError::Missing));
}

#[test]
fn one_changed_bit_anywhere_in_the_body_is_found() {
    let header = format!("t={NOW},{}", v1(NOW));
    for at in 0..BODY.len() {
        let mut changed = BODY.to_vec();
        changed[at] ^= 1;
        let found = config(SECRET, "").verify(Some(header.as_bytes()), &changed, NOW);
        assert_eq!(found, Err(SignatureError::NoMatch), "byte {at}");
    }
    for changed in [&BODY[1..], &BODY[..BODY.len() - 1], &[BODY, b"\n"].concat(), b""] {
        let found = config(SECRET, "").verify(Some(header.as_bytes()), changed, NOW);
        assert_eq!(found, Err(SignatureError::NoMatch));
    }
}

#[test]
fn a_signature_by_anything_else_is_refused() {
    let by = |secret: &str| format!("t={NOW},v1={}", sign(secret, &NOW.to_string(), BODY));
    for secret in ["whsec_other", "", "whsec_", "5f2cQm8JxkVt", "WHSEC_5f2cQm8JxkVt"] {
        check(by(secret), Err(SignatureError::NoMatch));
    }
    let right = sign(SECRET, &NOW.to_string(), BODY);
    check(format!("t={NOW},v1={}", &right[..62]), Err(SignatureError::NoMatch));
    check(format!("t={NOW},v1={right}00"), Err(SignatureError::NoMatch));
    check(format!("t={NOW},v1={right}0"), Err(SignatureError::NoMatch));
    check(format!("t={NOW},v1= {right}"), Err(SignatureError::NoMatch));
    for nothing in ["", "zz", "é", "0", &"z".repeat(64)] {
        check(format!("t={NOW},v1={nothing}"), Err(SignatureError::NoMatch));
    }
    // Of another scheme, it counts for nothing.
    check(format!("t={NOW},v0={right},v1=00"), Err(SignatureError::NoMatch));
    // The time is signed too.
    check(format!("t={},{}", NOW - 1, v1(NOW)), Err(SignatureError::NoMatch));
    // And as it is written.
    check(format!("t=0{NOW},{}", v1(NOW)), Err(SignatureError::NoMatch));
}

#[test]
fn clocks_may_be_three_hundred_seconds_apart() {
    for seconds in [-300, -1, 0, 1, 300] {
        check(format!("t={},{}", NOW + seconds, v1(NOW + seconds)), Ok(()));
    }
    for at in [NOW - 301, NOW + 301, 0, i64::MAX] {
        check(format!("t={at},{}", v1(at)), Err(SignatureError::OutOfTolerance));
    }
    let header = format!("t={NOW},{}", v1(NOW));
    for clock in [i64::MIN, i64::MAX, -NOW] {
        let found = config(SECRET, "").verify(Some(header.as_bytes()), BODY, clock);
        assert_eq!(found, Err(SignatureError::OutOfTolerance), "{clock}");
    }
}

#[test]
fn what_is_no_header_of_stripes_is_malformed() {
    let right = v1(NOW);
    for timestamp in ["", "now", "+1760000000", "-1", " 1760000000", "1760000000 ", "1760000000.0", "0x68", "१"] {
        check(format!("t={timestamp},{right}"), Err(SignatureError::Malformed));
    }
    check(format!("t={},{right}", "9".repeat(19)), Err(SignatureError::Malformed));
    check(format!("t={},{right}", "9".repeat(1000)), Err(SignatureError::Malformed));
    check(format!("t={NOW},t={NOW},{right}"), Err(SignatureError::Malformed));
    for header in ["", ",", "=", "t", "t=", "v1", "nonsense", "t=1760000000", "t=1760000000,v0=00"] {
        check(header, Err(SignatureError::Malformed));
    }
    check(&right, Err(SignatureError::Malformed));
    check(format!("T={NOW},{right}"), Err(SignatureError::Malformed));
    check(format!("t={NOW}, {right}"), Err(SignatureError::Malformed));
    check(format!("t={NOW};{right}"), Err(SignatureError::Malformed));
    check(b"\xff\xfe\x00", Err(SignatureError::Malformed));
    check([b"t=17\xff,", right.as_bytes()].concat(), Err(SignatureError::Malformed));
}

#[test]
fn sixteen_signatures_are_compared_and_more_are_refused() {
    let header = |others: usize| format!("t={NOW}{},{}", ",v1=00".repeat(others), v1(NOW));
    check(header(15), Ok(()));
    check(header(16), Err(SignatureError::Malformed));
    check(header(999), Err(SignatureError::Malformed));
    let padding = |length: usize| format!("t={NOW},{},v2={}", v1(NOW), "x".repeat(length));
    let rest = 4096 - padding(0).len();
    check(padding(rest), Ok(()));
    check(padding(rest + 1), Err(SignatureError::Malformed));
    check(padding(10_000_000), Err(SignatureError::Malformed));
}

#[test]
fn each_secret_in_force_signs_each_delivery() {
    let rolled = config("whsec_old, whsec_new", "whsec_thin");
    let verify = |header: String| rolled.verify(Some(header.as_bytes()), BODY, NOW);
    let by = |secret: &str| format!("v1={}", sign(secret, &NOW.to_string(), BODY));
    for secret in ["whsec_old", "whsec_new", "whsec_thin"] {
        assert_eq!(verify(format!("t={NOW},{}", by(secret))), Ok(()), "{secret}");
        assert_eq!(verify(format!("t={NOW},{},{}", by("whsec_gone"), by(secret))), Ok(()), "{secret}");
    }
    for secret in ["whsec_gone", "whsec_old, whsec_new", " whsec_new"] {
        assert_eq!(verify(format!("t={NOW},{}", by(secret))), Err(SignatureError::NoMatch), "{secret}");
    }
}

#[test]
fn each_refusal_has_a_word_for_its_metric() {
    let errors =
        [SignatureError::Missing, SignatureError::Malformed, SignatureError::OutOfTolerance, SignatureError::NoMatch];
    let words = errors.map(SignatureError::reason);
    assert_eq!(words, ["signature_missing", "signature_malformed", "signature_out_of_tolerance", "signature_no_match"]);
}
