//! What a request's headers must say: the API key (<https://docs.stripe.com/keys>), any of the right
//! mode that has not expired, and, where they are named, the account and the API version.

use std::collections::BTreeSet;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;

use crate::API_VERSION;
use crate::error::Refusal;

/// Keys that were rolled, and whose time is over.
pub(crate) type Expired = BTreeSet<String>;

/// Whether the request is let in.
pub(crate) fn admit(headers: &HeaderMap, livemode: bool, account: &str, expired: &Expired) -> Result<(), Refusal> {
    check(headers, livemode, expired)?;
    check_account(headers, account)?;
    check_version(headers)
}

/// Lets keys of the double's mode pass, as bearer or as the user of basic authentication.
fn check(headers: &HeaderMap, livemode: bool, expired: &Expired) -> Result<(), Refusal> {
    let header = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let key = match header.split_once(' ') {
        Some((scheme, key)) if scheme.eq_ignore_ascii_case("bearer") => key.trim().to_owned(),
        Some((scheme, coded)) if scheme.eq_ignore_ascii_case("basic") => basic_user(coded.trim()),
        Some(_) | None => String::new(),
    };
    if key.is_empty() {
        return Err(Refusal::unauthorized(
            "You did not provide an API key. You need to provide your API key in the Authorization header, using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY'). See https://stripe.com/docs/api#authentication for details, or we can help at https://support.stripe.com/.",
        ));
    }
    if expired.contains(&key) {
        return Err(
            Refusal::unauthorized(format!("Expired API Key provided: {}", masked(&key))).coded("api_key_expired")
        );
    }
    let mode = if livemode { "live" } else { "test" };
    let is_known = ["sk", "rk"]
        .iter()
        .any(|kind| key.strip_prefix(&format!("{kind}_{mode}_")).is_some_and(|rest| !rest.is_empty()));
    if is_known { Ok(()) } else { Err(Refusal::unauthorized(format!("Invalid API Key provided: {}", masked(&key)))) }
}

/// `Stripe-Account` may name the account behind the key; there are no connected ones
/// (<https://docs.stripe.com/connect/authentication>).
fn check_account(headers: &HeaderMap, account: &str) -> Result<(), Refusal> {
    let named = headers.get("stripe-account").and_then(|value| value.to_str().ok());
    if named.is_none_or(|named| named == account) { Ok(()) } else { Err(Refusal::no_access(named.unwrap_or_default())) }
}

/// What clients of today name (<https://docs.stripe.com/api/versioning>): the version that the
/// double renders, and the one that the official npm SDK 23.1.0 sends. Versions of one name differ
/// by additions only, so that one is answered with objects that it can read. The official CLI
/// 1.52.0 names none.
const VERSIONS: &[&str] = &[API_VERSION, "2026-10-28.endive"];

/// `Stripe-Version` may be absent; another than the known ones is refused.
fn check_version(headers: &HeaderMap) -> Result<(), Refusal> {
    let Some(named) = headers.get("stripe-version") else { return Ok(()) };
    let named = named.to_str().unwrap_or("(not text)");
    if VERSIONS.contains(&named) { Ok(()) } else { Err(Refusal::unknown_version(named)) }
}

/// The first and last letters, as Stripe shows a key that it refuses.
fn masked(key: &str) -> String {
    let letters: Vec<char> = key.chars().collect();
    if letters.len() <= 12 {
        return "*".repeat(letters.len());
    }
    let (start, end) = (&letters[..8], &letters[letters.len() - 4..]);
    let stars = "*".repeat(letters.len() - 12);
    format!("{}{stars}{}", start.iter().collect::<String>(), end.iter().collect::<String>())
}

/// `base64(user:password)` → user.
fn basic_user(coded: &str) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let sextets = coded.bytes().filter_map(|byte| ALPHABET.iter().position(|letter| *letter == byte));
    let bits: String = sextets.map(|sextet| format!("{sextet:06b}")).collect();
    let bytes =
        bits.as_bytes().chunks_exact(8).filter_map(|byte| u8::from_str_radix(std::str::from_utf8(byte).ok()?, 2).ok());
    let pair = String::from_utf8_lossy(&bytes.collect::<Vec<u8>>()).into_owned();
    pair.split(':').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::{basic_user, masked};

    #[test]
    fn basic_authentication_carries_the_key_as_its_user() {
        assert_eq!(basic_user("c2tfdGVzdF9hYmM6"), "sk_test_abc");
    }

    #[test]
    fn a_refused_key_is_not_shown_whole() {
        assert_eq!(masked("sk_live_0123456789"), "sk_live_******6789");
    }
}
