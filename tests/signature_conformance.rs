//! What a `Stripe-Signature` header may look like: the cases that Stripe's own libraries test or document, by row.
//!
//! P rows must be accepted, N rows refused, and D rows are those in which the libraries differ: there the table says
//! what this program does.

use std::time::Duration;

use cello_relay::providers::Refusal;
use cello_relay::providers::Refusal::*;
use cello_relay::providers::stripe::signature::{Verifier, sign};
use jiff::Timestamp;
use secrecy::SecretString;

const SECRET: &str = "whsec_right";
const OTHER: &str = "whsec_other";
const T: i64 = 1_700_000_000;
const BODY: &[u8] = br#"{"id":"evt_1","object":"event","type":"invoice.paid"}"#;

/// One request and who receives it; the cases below change what they are about.
struct Case {
    row: &'static str,
    header: Option<String>,
    body: Vec<u8>,
    secrets: Vec<String>,
    tolerance: u64,
    /// Seconds that the receiver's clock shows after `T`.
    clock: i64,
    expect: Result<(), Refusal>,
}

fn case(row: &'static str, header: impl Into<String>, expect: Result<(), Refusal>) -> Case {
    Case {
        row,
        header: Some(header.into()),
        body: BODY.to_vec(),
        secrets: vec![SECRET.to_owned()],
        tolerance: 300,
        clock: 0,
        expect,
    }
}

impl Case {
    fn body(self, body: impl Into<Vec<u8>>) -> Self {
        Self { body: body.into(), ..self }
    }
    fn secrets(self, secrets: &[&str]) -> Self {
        Self { secrets: secrets.iter().map(|secret| (*secret).to_owned()).collect(), ..self }
    }
    fn clock(self, tolerance: u64, clock: i64) -> Self {
        Self { tolerance, clock, ..self }
    }
}

fn time(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// The header as Stripe sends it.
fn header(secret: &str, body: &[u8]) -> String {
    sign(secret, body, time(T))
}

/// Only the 64 hex digits.
fn hex(secret: &str, body: &[u8]) -> String {
    header(secret, body).split_once("v1=").unwrap().1.to_owned()
}

fn check(cases: Vec<Case>) {
    let mut wrong = Vec::new();
    for case in cases {
        let secrets = case.secrets.iter().cloned().map(SecretString::from);
        let verifier = Verifier::new(secrets, Duration::from_secs(case.tolerance));
        let verdict = verifier.verify(case.header.as_deref(), &case.body, time(T + case.clock));
        if verdict != case.expect {
            wrong.push(format!("{}: {:?} gave {verdict:?}, not {:?}", case.row, case.header, case.expect));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Computed without this program, twice and alike:
///
/// ```sh
/// printf '%s\n' '{"id":"evt_known","object":"event","type":"invoice.paid","note":"Grüße\r\n"}' > body
/// (printf '1700000000.'; cat body) | openssl dgst -sha256 -hmac whsec_known_answer
/// python3 -c 'import hmac; print(hmac.new(b"whsec_known_answer", b"1700000000." + open("body","rb").read(), "sha256").hexdigest())'
/// ```
#[test]
fn the_answer_computed_by_openssl_and_python_is_ours_too() {
    let body = "{\"id\":\"evt_known\",\"object\":\"event\",\"type\":\"invoice.paid\",\"note\":\"Grüße\\r\\n\"}\n";
    let known = "t=1700000000,v1=888c79f196667fd4691c6f0ea4996373418999e9fa8b67fd4f1bb2ee686be716";

    assert_eq!(body.len(), 79);
    assert_eq!(sign("whsec_known_answer", body.as_bytes(), time(T)), known);
    check(vec![case("known answer", known, Ok(())).body(body).secrets(&["whsec_known_answer"])]);
}

#[test]
fn what_stripe_sends_is_accepted() {
    let (g, r) = (hex(SECRET, BODY), hex(OTHER, BODY));
    let utf8 = "  {\"id\":\"evt_1\",\"name\":\"Zoë 🎉\"}\r\n\n".as_bytes();
    check(vec![
        case("P1", format!("t={T},v1={g}"), Ok(())),
        case("P2 v0 last", format!("t={T},v1={g},v0={r}"), Ok(())),
        case("P2 v0 first", format!("v0={r},t={T},v1={g}"), Ok(())),
        case("P3", format!("v1={g},t={T}"), Ok(())),
        case("P4 right one last", format!("t={T},v1={r},v1={g}"), Ok(())),
        case("P4 right one first", format!("t={T},v1={g},v1={r}"), Ok(())),
        case("P5", format!("t={T},v1={r},v1={g}"), Ok(())).secrets(&[OTHER]),
        case("P6 before", format!("t={T},v1=bad_signature,v1={g}"), Ok(())),
        case("P6 after", format!("t={T},v1={g},v1=potato"), Ok(())),
        case("P7 before", format!("t={T},v1=,v1={g}"), Ok(())),
        case("P7 after", format!("t={T},v1={g},v1="), Ok(())),
        case("P8", format!("t={T},v2={r},v1={g}"), Ok(())),
        case("P9", header(SECRET, BODY), Ok(())).clock(300, 300),
        case("P10", header(SECRET, BODY), Ok(())).clock(10, 9),
        case("P11", header(SECRET, BODY), Ok(())).clock(300, -30),
        case("P11 at the edge", header(SECRET, BODY), Ok(())).clock(300, -300),
        case("P12 first", header(SECRET, BODY), Ok(())).secrets(&[SECRET, OTHER]),
        case("P12 last", header(SECRET, BODY), Ok(())).secrets(&[OTHER, "whsec_third", SECRET]),
        case("P13", header(SECRET, utf8), Ok(())).body(utf8),
    ]);
}

#[test]
fn what_stripe_did_not_send_is_refused() {
    let (g, r) = (hex(SECRET, BODY), hex(OTHER, BODY));
    let mut cases = vec![
        Case { header: None, ..case("N1 missing", "", Err(SignatureMissing)) },
        case("N1 empty", "", Err(SignatureMissing)),
        case("N1 blank", " \t ", Err(SignatureMissing)),
        case("N2", "bad_header", Err(SignatureMalformed)),
        case("N2 text", "I'm not even a real signature header", Err(SignatureMalformed)),
        case("N5", format!("v1={g}"), Err(SignatureMalformed)),
        case("N6", format!("t={T}"), Err(SignatureMalformed)),
        case("N7", format!("t={T},v0={g}"), Err(SignatureMalformed)),
        case("N8 wrong", format!("t={T},v1={r}"), Err(SignatureWrong)),
        case("N8 short", format!("t={T},v1={}", &g[..63]), Err(SignatureWrong)),
        case("N8 long", format!("t={T},v1={g}0"), Err(SignatureWrong)),
        case("N8 empty", format!("t={T},v1="), Err(SignatureWrong)),
        case("N9", format!("t={},v1={g}", T + 1), Err(SignatureWrong)),
        case("N9 leading zero", format!("t=0{T},v1={g}"), Err(SignatureWrong)),
        case("N10 one byte", header(SECRET, BODY), Err(SignatureWrong)).body([BODY, b" "].concat()),
        case("N10 re-serialised", header(SECRET, b"{ \"id\": 1 }"), Err(SignatureWrong)).body("{\"id\":1}"),
        case("N10 CRLF", header(SECRET, b"{\n}"), Err(SignatureWrong)).body("{\r\n}"),
        case("N11 newline", header(SECRET, BODY), Err(SignatureWrong)).secrets(&["whsec_right\n"]),
        case("N11 space", header(SECRET, BODY), Err(SignatureWrong)).secrets(&["whsec_right "]),
        case("N11 no prefix", header(SECRET, BODY), Err(SignatureWrong)).secrets(&["right"]),
        case("N12", header("", BODY), Err(SignatureWrong)).secrets(&[""]),
        case("N12 no secret", header("", BODY), Err(SignatureWrong)).secrets(&[]),
        case("N13", header(SECRET, BODY), Err(TooOld)).clock(300, 301),
        case("N14", header(SECRET, BODY), Err(TooOld)).clock(10, 15),
        case("N15", header(SECRET, BODY), Err(FromTheFuture)).clock(10, -15),
        case("N15 by a second", header(SECRET, BODY), Err(FromTheFuture)).clock(300, -301),
        case("N16", header(SECRET, b""), Err(EmptyBody)).body(""),
    ];
    for text in ["t=", "t", "t,v1=,", "t,,", ",,", "v1,t=1"] {
        cases.push(case("N3", text, Err(SignatureMalformed)));
    }
    for time in ["abc", "99999999999999999999", "-1", "+1700000000", "1700000000.5", " 1700000000", "１７"] {
        cases.push(case("N4", format!("t={time},v1={g}"), Err(SignatureMalformed)));
    }
    check(cases);
}

/// N17 and N18: what is wrong with these bodies is not the signature, so verification lets them pass; reading them
/// is what refuses them.
#[test]
fn verification_does_not_look_into_the_body() {
    for (row, body) in [("N17", &b"not json \xff"[..]), ("N18", br#"{"object":"v2.core.event","id":"evt_1"}"#)] {
        check(vec![case(row, header(SECRET, body), Ok(())).body(body)]);
    }
}

#[test]
fn where_the_libraries_differ_this_is_what_we_do() {
    let g = hex(SECRET, BODY);
    check(vec![
        case("D1 upper case", format!("t={T},v1={}", g.to_uppercase()), Ok(())),
        case("D2 space after the comma", format!("t={T}, v1={g}"), Ok(())),
        case("D3 trailing comma", format!("t={T},v1={g},"), Ok(())),
        case("D3 element without =", format!("t={T},junk,v1={g}"), Ok(())),
        case("D4 repeated", format!("t={T},t={T},v1={g}"), Err(SignatureMalformed)),
        case("D4 two times", format!("t={T},v1={g},t={}", T + 1), Err(SignatureMalformed)),
    ]);
}

#[test]
fn the_work_a_stranger_can_cause_is_bounded() {
    let (g, r) = (hex(SECRET, BODY), hex(OTHER, BODY));
    let wrong = |count: usize| format!("v1={r},").repeat(count);
    check(vec![
        case("16 signatures", format!("{}t={T},v1={g}", wrong(15)), Ok(())),
        case("17 signatures", format!("{}t={T},v1={g}", wrong(16)), Err(SignatureMalformed)),
        case("a header of 4096 bytes", format!("{:y<4096}", format!("t={T},v1={g},x=")), Ok(())),
        case("a header of 4097 bytes", format!("{:y<4097}", format!("t={T},v1={g},x=")), Err(SignatureMalformed)),
        case("a long header", format!("t={T},v1={g},x={}", "y".repeat(4096)), Err(SignatureMalformed)),
        case("a time near the end of i64", format!("t={},v1={g}", i64::MAX), Err(SignatureWrong)),
    ]);
}

#[test]
fn a_time_of_any_size_is_compared_without_overflow() {
    // Signed with the right secret, so that the age is what refuses it.
    let body = b"x";
    let far = sign(SECRET, body, Timestamp::MAX);
    check(vec![case("far future", far, Err(FromTheFuture)).body(body)]);
}

#[test]
fn the_shape_of_the_header_is_judged_before_the_body_is_there() {
    let verifier = Verifier::new([SecretString::from(SECRET.to_owned())], Duration::from_secs(300));
    assert_eq!(verifier.admit(None), Err(SignatureMissing));
    assert_eq!(verifier.admit(Some("bad_header")), Err(SignatureMalformed));
    assert_eq!(verifier.admit(Some(&header(OTHER, BODY))), Ok(()));
}
