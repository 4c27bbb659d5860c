//! `Stripe-Signature: t=1492774577,v1=5257a869…,v1=…,v0=…`: a time, and the HMAC-SHA256 of
//! `{t}.{body}`, once for each secret in force. See <https://docs.stripe.com/webhooks#verify-manually>.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// A header of Stripe's is a tenth of this.
const HEADER_BYTES_MAX: usize = 4096;

/// Stripe sends one signature for each secret in force, two while one is rolled. Each is
/// compared with every secret, so their number is not left to the sender.
const SIGNATURES_MAX: usize = 16;

/// Why a delivery is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum SignatureError {
    /// There is no header, or there are several.
    #[error("there is not exactly one Stripe-Signature header")]
    Missing,
    /// The header cannot be read.
    #[error("the Stripe-Signature header is not `t=…,v1=…`")]
    Malformed,
    /// Signed too long ago, or too far ahead.
    #[error("the signature is more than 300 seconds old or ahead; compare this machine's clock")]
    OutOfTolerance,
    /// No secret of ours made any of the signatures, of these very bytes.
    #[error("no signature is one of this body by a secret of ours")]
    NoMatch,
}

impl SignatureError {
    /// One word, for a metric.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Missing => "signature_missing",
            Self::Malformed => "signature_malformed",
            Self::OutOfTolerance => "signature_out_of_tolerance",
            Self::NoMatch => "signature_no_match",
        }
    }
}

/// The header, taken apart. It is not believed yet.
pub(super) struct SignatureHeader<'a> {
    /// Unix seconds.
    pub(super) signed_at: i64,
    /// The same as it stands in the header, since these bytes were signed and not the number.
    timestamp: &'a [u8],
    /// Those of the scheme `v1`. The others are of no use: `v0` is for tests of Stripe's own.
    signatures: Vec<[u8; 32]>,
}

impl<'a> SignatureHeader<'a> {
    pub(super) fn parse(header: &'a [u8]) -> Result<Self, SignatureError> {
        if header.len() > HEADER_BYTES_MAX {
            return Err(SignatureError::Malformed);
        }
        let mut timestamps = values(header, b"t=");
        let timestamp = timestamps.next().ok_or(SignatureError::Malformed)?;
        let number_of_signatures = values(header, b"v1=").count();
        if timestamps.next().is_some() || !(1..=SIGNATURES_MAX).contains(&number_of_signatures) {
            return Err(SignatureError::Malformed);
        }
        // One that is not 32 bytes in hexadecimal matches nothing; the next one still may.
        let signatures = values(header, b"v1=").filter_map(signature).collect();
        Ok(Self { signed_at: unix_seconds(timestamp)?, timestamp, signatures })
    }
}

/// What stands behind `name` in each element that begins with it. Elements of other schemes, and
/// of none, are nobody's here, as in Stripe's own libraries.
fn values<'a>(header: &'a [u8], name: &'static [u8]) -> impl Iterator<Item = &'a [u8]> {
    header.split(|byte| *byte == b',').filter_map(move |element| element.strip_prefix(name))
}

/// Digits and nothing else: Rust alone would read `+1` as well.
fn unix_seconds(timestamp: &[u8]) -> Result<i64, SignatureError> {
    let digits = std::str::from_utf8(timestamp).ok().filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
    digits.and_then(|text| text.parse().ok()).ok_or(SignatureError::Malformed)
}

fn signature(hexadecimal: &[u8]) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    hex::decode_to_slice(hexadecimal, &mut bytes).ok().map(|()| bytes)
}

/// A signing secret, already made into a key. Its text is not kept, so nothing can show it.
#[derive(Clone)]
pub(super) struct SigningSecret(Hmac<Sha256>);

impl SigningSecret {
    const PREFIX: &str = "whsec_";

    /// The whole text is the key, its prefix included.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix(Self::PREFIX)?;
        let is_secret = !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_graphic());
        Hmac::new_from_slice(text.as_bytes()).ok().filter(|_| is_secret).map(Self)
    }

    /// Whether it made one of the signatures. Each comparison takes the same time wherever the
    /// bytes differ, so the time that an answer takes helps nobody to guess one.
    pub(super) fn signed(&self, header: &SignatureHeader<'_>, body: &[u8]) -> bool {
        let mac = self.0.clone().chain_update(header.timestamp).chain_update(b".").chain_update(body);
        header.signatures.iter().any(|signature| mac.clone().verify_slice(signature).is_ok())
    }
}

impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("whsec_…")
    }
}
