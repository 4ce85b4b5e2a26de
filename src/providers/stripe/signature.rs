//! Proves that a webhook comes from Stripe: the `Stripe-Signature` header, checked over the raw bytes.
//!
//! Written here and not taken from a Stripe crate because those parse the body while they verify it, refuse the
//! payloads of older API versions, and accept an empty secret. This file must never parse, trim or re-encode the
//! body, never log the body, the header or a secret, and never stop comparing early.
//!
//! <https://docs.stripe.com/webhooks#verify-manually>

use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq};

use crate::providers::Refusal;

/// Bytes. Stripe's headers have a few hundred: one `t` and a signature for each secret that is being rolled.
const HEADER_LIMIT: usize = 4096;

/// Signatures tried at the most: each costs a comparison under every secret.
const SIGNATURE_LIMIT: usize = 16;

/// Knows the endpoint secrets of all endpoints, live and test, old and new, and how old a signature may be.
#[derive(Debug, Clone)]
pub struct Verifier {
    secrets: Vec<SecretString>,
    tolerance: Duration,
}

impl Verifier {
    /// A secret is the whole string that Stripe shows, `whsec_` included. An empty one is passed over, since with it
    /// anyone could sign; the settings refuse it before it comes here.
    pub fn new(secrets: impl IntoIterator<Item = SecretString>, tolerance: Duration) -> Self {
        let secrets = secrets.into_iter().filter(|secret| !secret.expose_secret().trim().is_empty()).collect();
        Self { secrets, tolerance }
    }

    /// Whether the header has the form of a signature at all; says nothing about its truth.
    pub fn admit(&self, header: Option<&str>) -> Result<(), Refusal> {
        Header::parse(header).map(|_| ())
    }

    /// Whether the header signs exactly these bytes under one of the secrets, and was made within the tolerance of
    /// `now`, which counts both ways. The age is looked at last, so that a refusal for age means a true signature and
    /// points to a wrong clock or to a replayed request.
    pub fn verify(&self, header: Option<&str>, body: &[u8], now: Timestamp) -> Result<(), Refusal> {
        let header = Header::parse(header)?;
        if body.is_empty() {
            return Err(Refusal::EmptyBody);
        }
        if !self.is_signed(&header, body) {
            return Err(Refusal::SignatureWrong);
        }
        let age = i128::from(now.as_second()) - i128::from(header.time);
        let tolerance = i128::from(self.tolerance.as_secs());
        if age > tolerance {
            return Err(Refusal::TooOld);
        }
        if -age > tolerance {
            return Err(Refusal::FromTheFuture);
        }
        Ok(())
    }

    /// Compares every signature with every secret, whichever matches first: how long it takes tells nothing.
    fn is_signed(&self, header: &Header<'_>, body: &[u8]) -> bool {
        let mut found = Choice::from(0);
        for secret in &self.secrets {
            let Some(expected) = mac(secret.expose_secret(), header.time_text, body) else { continue };
            for signature in &header.signatures {
                found |= signature.ct_eq(&expected);
            }
        }
        found.into()
    }
}

/// The header that Stripe would send with this body at this time.
pub fn sign(secret: &str, body: &[u8], now: Timestamp) -> String {
    let time = now.as_second().to_string();
    let signature: String =
        mac(secret, &time, body).unwrap_or_default().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("t={time},v1={signature}")
}

/// HMAC-SHA256 over the time as it was received, a dot, and the body.
///
/// `None` never comes: HMAC takes a key of any length, only the trait it is built through could refuse one.
fn mac(secret: &str, time: &str, body: &[u8]) -> Option<[u8; 32]> {
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(secret.as_bytes()).ok()?;
    mac.update(time.as_bytes());
    mac.update(b".");
    mac.update(body);
    Some(mac.finalize().into_bytes().into())
}

/// What stands in the header, as far as it matters: `v0` and unknown keys are passed over, and so are elements
/// without `=`, since nothing can be proven or disproven by them.
struct Header<'a> {
    time: i64,
    /// As received, since that is what was signed.
    time_text: &'a str,
    signatures: Vec<[u8; 32]>,
}

impl<'a> Header<'a> {
    fn parse(header: Option<&'a str>) -> Result<Self, Refusal> {
        let header = header.filter(|text| !text.trim().is_empty()).ok_or(Refusal::SignatureMissing)?;
        if header.len() > HEADER_LIMIT {
            return Err(Refusal::SignatureMalformed);
        }
        let mut time_text = None;
        let mut offered = 0;
        let mut signatures = Vec::new();
        for element in header.split(',') {
            match element.trim_matches([' ', '\t']).split_once('=') {
                // Which of two times was meant cannot be known.
                Some(("t", _)) if time_text.is_some() => return Err(Refusal::SignatureMalformed),
                Some(("t", value)) => time_text = Some(value),
                Some(("v1", value)) => {
                    offered += 1;
                    signatures.extend(unhex(value));
                }
                _ => {}
            }
        }
        let time_text = time_text.ok_or(Refusal::SignatureMalformed)?;
        // Digits only: `parse` would take a sign.
        let digits = !time_text.is_empty() && time_text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits || offered == 0 || offered > SIGNATURE_LIMIT {
            return Err(Refusal::SignatureMalformed);
        }
        let time = time_text.parse().map_err(|_| Refusal::SignatureMalformed)?;
        Ok(Self { time, time_text, signatures })
    }
}

/// 64 hex digits of either case; anything else is a signature that matches nothing.
fn unhex(text: &str) -> Option<[u8; 32]> {
    let digits: &[u8; 64] = text.as_bytes().try_into().ok()?;
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let high = char::from(pair[0]).to_digit(16)?;
        let low = char::from(pair[1]).to_digit(16)?;
        *byte = u8::try_from(high * 16 + low).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_shows_no_secret() {
        let verifier = Verifier::new([SecretString::from("whsec_hush".to_owned())], Duration::from_secs(300));
        assert!(!format!("{verifier:?}").contains("hush"));
    }

    #[test]
    fn hex_that_is_not_64_ascii_digits_is_no_signature() {
        for text in ["", "ab", &"g".repeat(64), &"a".repeat(63), &"a".repeat(65), &"é".repeat(32), &"+1".repeat(32)] {
            assert_eq!(unhex(text), None, "{text}");
        }
        assert_eq!(unhex(&"aF".repeat(32)), Some([0xaf; 32]));
    }
}
