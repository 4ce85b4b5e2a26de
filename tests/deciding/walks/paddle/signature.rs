//! Proves that a webhook comes from Paddle: `Paddle-Signature: ts=1671552777;h1=…`, an HMAC-SHA256 over the time, a
//! colon and the raw body. There is one `h1` for each secret that is being rolled.
//!
//! <https://developer.paddle.com/webhooks/signature-verification>

use cello_relay::providers::Refusal;
use hmac::{Hmac, KeyInit, Mac};
use jiff::{SignedDuration, Timestamp};
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq};

/// Either way. Paddle's libraries allow 5 seconds, which a slow network uses up.
const TOLERANCE: SignedDuration = SignedDuration::from_secs(300);

/// Signatures tried at the most.
const SIGNATURE_LIMIT: usize = 8;

pub struct Header<'a> {
    time: Timestamp,
    time_text: &'a str,
    signatures: Vec<&'a str>,
}

impl<'a> Header<'a> {
    pub fn parse(header: Option<&'a str>) -> Result<Self, Refusal> {
        let header = header.filter(|header| !header.trim().is_empty()).ok_or(Refusal::SignatureMissing)?;
        let parts = || header.split(';').filter_map(|part| part.split_once('='));
        let values = |wanted| parts().filter(move |(key, _)| *key == wanted).map(|(_, value)| value);
        let signatures: Vec<&str> = values("h1").take(SIGNATURE_LIMIT).collect();
        let time_text = values("ts").next().ok_or(Refusal::SignatureMalformed)?;
        let time = time_text.parse().ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
        match time {
            Some(time) if !signatures.is_empty() => Ok(Self { time, time_text, signatures }),
            _ => Err(Refusal::SignatureMalformed),
        }
    }
}

pub fn verify(secret: &str, header: Option<&str>, body: &[u8], now: Timestamp) -> Result<(), Refusal> {
    let header = Header::parse(header)?;
    let expected = signature(secret, header.time_text, body);
    let matches = header.signatures.iter().map(|given| given.as_bytes().ct_eq(expected.as_bytes()));
    // With an empty secret anyone could sign.
    if secret.is_empty() || !bool::from(matches.fold(Choice::from(0), |found, matches| found | matches)) {
        return Err(Refusal::SignatureWrong);
    }
    match now.duration_since(header.time) {
        age if age > TOLERANCE => Err(Refusal::TooOld),
        age if -age > TOLERANCE => Err(Refusal::FromTheFuture),
        _ => Ok(()),
    }
}

pub fn sign(secret: &str, body: &[u8], now: Timestamp) -> String {
    let time = now.as_second().to_string();
    format!("ts={time};h1={}", signature(secret, &time, body))
}

fn signature(secret: &str, time: &str, body: &[u8]) -> String {
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(time.as_bytes());
    mac.update(b":");
    mac.update(body);
    mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_signature_is_taken_if_it_is_true_and_young() {
    // Made with another program: openssl dgst -sha256 -hmac.
    let known = "ts=1767225600;h1=bce65aa69abe0cd62727a4ad4cf6a3bcd81b96e6dbe459e17df345481f30716a";
    let check = |secret: &str, header: &str, second: i64| {
        let now = Timestamp::from_second(1_767_225_600 + second).unwrap();
        verify(secret, Some(header), br#"{"event_id":"evt_1"}"#, now)
    };
    const SECRET: &str = "pdl_ntfset_test";
    assert_eq!(check(SECRET, known, 0), Ok(()));
    assert_eq!(check(SECRET, &known.replace(";h1", ";h1=0000;h1"), 300), Ok(()), "one of several");
    assert_eq!(check(SECRET, known, 301), Err(Refusal::TooOld));
    assert_eq!(check(SECRET, known, -301), Err(Refusal::FromTheFuture));
    assert_eq!(check("another", known, 0), Err(Refusal::SignatureWrong));
    assert_eq!(check("", known, 0), Err(Refusal::SignatureWrong));
    assert_eq!(check(SECRET, &known.replace("ts=1767225600", "ts=1767225601"), 0), Err(Refusal::SignatureWrong));
    assert_eq!(check(SECRET, " ", 0), Err(Refusal::SignatureMissing));
    for malformed in ["h1=ab", "ts=1767225600", "ts=x;h1=ab", "potato"] {
        assert_eq!(check(SECRET, malformed, 0), Err(Refusal::SignatureMalformed), "{malformed}");
    }
}
