//! What holds of any header and body: the verdict is that of a second, naive reading, a
//! signature of ours is accepted, and one changed bit of the body or a late clock is refused.
//!
//! An input is a header, a line break and a body. Nobody guesses an HMAC, so in the header `@`
//! stands for the right signature by the first secret, and `#` for that by the second.

use std::sync::LazyLock;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use stripe_gateway::{SignatureError, WebhookConfig};

const SECRETS: [&str; 2] = ["whsec_first", "whsec_second"];
const NOW: i64 = 1_760_000_000;

static CONFIG: LazyLock<WebhookConfig> = LazyLock::new(|| {
    let secrets = SECRETS.join(",");
    WebhookConfig::from_env(|name| (name == "STRIPE_WEBHOOK_SECRET").then(|| secrets.clone())).expect("two secrets")
});

/// Panics where something does not hold.
pub(crate) fn check(input: &[u8]) {
    let end = input.iter().position(|byte| *byte == b'\n').unwrap_or(input.len());
    let (template, body) = (&input[..end], input.get(end + 1..).unwrap_or_default());
    let header = filled_in(template, body);
    let verdict = CONFIG.verify(Some(&header), body, NOW);
    assert_eq!(verdict, naive(&header, body), "{}", String::from_utf8_lossy(&header));
    if verdict.is_ok() {
        refuses_what_is_changed(&header, body);
    }
    for secret in SECRETS {
        let ours = format!("t={NOW},v1={}", signature(secret, NOW.to_string().as_bytes(), body));
        assert_eq!(CONFIG.verify(Some(ours.as_bytes()), body, NOW), Ok(()));
        refuses_what_is_changed(ours.as_bytes(), body);
    }
}

fn refuses_what_is_changed(header: &[u8], body: &[u8]) {
    let longer = [body, b"x"].concat();
    assert_eq!(CONFIG.verify(Some(header), &longer, NOW), Err(SignatureError::NoMatch));
    if let Some(last) = body.len().checked_sub(1) {
        let mut changed = body.to_vec();
        changed[last / 2] ^= 1;
        assert_eq!(CONFIG.verify(Some(header), &changed, NOW), Err(SignatureError::NoMatch));
    }
    for clock in [NOW - 601, NOW + 601, i64::MIN, i64::MAX] {
        assert_eq!(CONFIG.verify(Some(header), body, clock), Err(SignatureError::OutOfTolerance));
    }
}

/// The header with its marks replaced by signatures for the first `t` in it.
fn filled_in(template: &[u8], body: &[u8]) -> Vec<u8> {
    let timestamp = template.split(|byte| *byte == b',').find_map(|it| it.strip_prefix(b"t=")).unwrap_or_default();
    let pieces = template.iter().map(|byte| match byte {
        b'@' => signature(SECRETS[0], timestamp, body).into_bytes(),
        b'#' => signature(SECRETS[1], timestamp, body).into_bytes(),
        other => vec![*other],
    });
    pieces.collect::<Vec<_>>().concat()
}

fn signature(secret: &str, timestamp: &[u8], body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any key");
    mac.update(&[timestamp, b".", body].concat());
    hex::encode(mac.finalize().into_bytes())
}

/// The same rules again, said as plainly as can be: in characters, lists and words.
fn naive(header: &[u8], body: &[u8]) -> Result<(), SignatureError> {
    let text: String = header.iter().map(|byte| char::from(*byte)).collect();
    let pairs: Vec<(&str, &str)> = text.split(',').filter_map(|element| element.split_once('=')).collect();
    let of = |name: &str| pairs.iter().filter(|pair| pair.0 == name).map(|pair| pair.1).collect::<Vec<_>>();
    let (timestamps, signatures) = (of("t"), of("v1"));
    let is_well_formed = header.len() <= 4096 && timestamps.len() == 1 && (1..=16).contains(&signatures.len());
    if !is_well_formed || timestamps[0].is_empty() || !timestamps[0].chars().all(|c| c.is_ascii_digit()) {
        return Err(SignatureError::Malformed);
    }
    let seconds: i128 = match timestamps[0].trim_start_matches('0') {
        "" => 0,
        digits if digits.len() > 19 => i128::MAX,
        digits => digits.parse().expect("at most 19 digits"),
    };
    if seconds > i128::from(i64::MAX) {
        return Err(SignatureError::Malformed);
    }
    if (seconds - i128::from(NOW)).abs() > 300 {
        return Err(SignatureError::OutOfTolerance);
    }
    let right: Vec<String> = SECRETS.map(|secret| signature(secret, timestamps[0].as_bytes(), body)).to_vec();
    let is_signed = signatures.iter().any(|it| right.contains(&it.to_ascii_lowercase()));
    if is_signed { Ok(()) } else { Err(SignatureError::NoMatch) }
}
