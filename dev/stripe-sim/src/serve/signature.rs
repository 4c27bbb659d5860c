//! The `Stripe-Signature` header (<https://docs.stripe.com/webhooks#verify-manually>).

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// `t=…,v1=…`, one `v1` for each secret: HMAC-SHA256 over `{t}.{body}`, keyed by the whole secret.
/// In test mode a `v0` follows that is nobody's, as Stripe adds one for receivers to ignore.
pub(super) fn signature(secrets: &[String], at: i64, body: &str, livemode: bool) -> String {
    let mut header = format!("t={at}");
    for secret in secrets {
        header += &format!(",v1={}", mac(secret, at, body));
    }
    if !livemode {
        header += &format!(",v0={}", mac("not a secret", at, body));
    }
    header
}

fn mac(secret: &str, at: i64, body: &str) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return String::new() };
    mac.update(format!("{at}.{body}").as_bytes());
    hex::encode(mac.finalize().into_bytes())
}
