//! What each answer of Cello means for a referral event: one table, and the function that reads it.
//!
//! Pure: no I/O, and the time comes in. The README prints the table and the tests hold the function to it, so there is
//! no second list anywhere. It must never call anything delivered that Cello did not call a success.

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use serde_json::Value;

use crate::referral_event::Trigger;

/// The longest message that is kept, in characters.
const MESSAGE_LIMIT: usize = 500;

/// What came back for one request.
#[derive(Debug, Clone)]
pub enum Answer {
    Http(Reply),
    /// No connection came about, so that nothing was written: name look-up, refusal, TLS.
    NotWritten(String),
    /// The connection broke or time ran out when the request may have been written.
    Broken(String),
}

/// An HTTP answer, as far as it was read.
#[derive(Debug, Clone, Default)]
pub struct Reply {
    pub status: u16,
    pub text: String,
    /// Why the text ends before its end, where it does.
    pub broke_off: Option<String>,
    /// The header of that name.
    pub retry_after: Option<String>,
    /// `apigw-requestid`, the only correlation id Cello returns.
    pub request_id: Option<String>,
}

/// What becomes of a referral event after one try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Delivered,
    /// To be sent again, not before `after` if Cello said so (not capped here).
    Retry {
        after: Option<Duration>,
    },
    /// Sending it again would change nothing.
    Rejected,
    /// Cello may or may not have it.
    Unsure,
}

impl Outcome {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Retry { .. } => "retry",
            Self::Rejected => "rejected",
            Self::Unsure => "unsure",
        }
    }
}

/// The classes of answers: the outcomes, and the one answer that first asks for a new token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    Delivered,
    Rejected,
    Login,
    Retry,
    Unsure,
}

impl Class {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Rejected => "rejected",
            Self::Login => "login",
            Self::Retry => "retry",
            Self::Unsure => "unsure",
        }
    }
}

/// One line of the table.
pub struct Row {
    /// The answer, in words.
    pub answer: &'static str,
    pub class: Class,
    /// What the relay does.
    pub then: &'static str,
    fits: fn(&Answer) -> bool,
}

/// Every answer there can be; the first row that fits decides.
///
/// Only 200 with `success: true` is documented as success, so no other 2xx is taken for one: such an answer comes from
/// something else than the documented API, and a person should look before it is sent again.
pub const ANSWERS: &[Row] = &[
    Row {
        answer: "200 with `success: true`",
        class: Class::Delivered,
        then: "Done. Cello has it, which does not mean that it has attributed it.",
        fits: |answer| whole(answer, 200..=200) && is_success(answer),
    },
    Row {
        answer: "any other 2xx: `success` not `true`, another status, not JSON",
        class: Class::Rejected,
        then: "Dead letter, with the text of the answer.",
        fits: |answer| whole(answer, 200..=299),
    },
    Row {
        answer: "3xx",
        class: Class::Rejected,
        then: "Dead letter. A redirect is never followed: the token would go along.",
        fits: |answer| status(answer, 300..=399),
    },
    Row {
        answer: "400",
        class: Class::Rejected,
        then: "Dead letter, with Cello's message.",
        fits: |answer| status(answer, 400..=400),
    },
    Row {
        answer: "401",
        class: Class::Login,
        then: "One new token and one more try; after a second 401 it waits like any retry, using up no attempts.",
        fits: |answer| status(answer, 401..=401),
    },
    Row {
        answer: "408, 425, 429, 5xx",
        class: Class::Retry,
        then: "Sent again on schedule, not before `Retry-After`.",
        fits: |answer| {
            [408, 425, 429].iter().any(|code| status(answer, *code..=*code)) || status(answer, 500..=u16::MAX)
        },
    },
    Row {
        answer: "any other 4xx",
        class: Class::Rejected,
        then: "Dead letter, with Cello's message.",
        fits: |answer| status(answer, 402..=499),
    },
    Row {
        answer: "no connection: name look-up, refused, TLS, connect timeout",
        class: Class::Retry,
        then: "Sent again on schedule: nothing was written.",
        fits: |answer| matches!(answer, Answer::NotWritten(_)),
    },
    Row {
        answer: "connection broken or time out after the request may have been written",
        class: Class::Unsure,
        then: "Sent again or kept for a person, as `delivery.unsure` says.",
        fits: |_| true,
    },
];

/// An answer and what it means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Classified {
    pub class: Class,
    /// For a 401 this is the outcome if no new token helps: a retry.
    pub outcome: Outcome,
    /// For people: Cello's words or the problem. May hold personal data that Cello repeats; for the store, not for
    /// logs.
    pub message: String,
}

/// Reads the table. `trigger` is that of the body that was sent: a rejection of one that newer Cello accounts do not
/// know names the setting that turns it off.
pub fn classify(answer: &Answer, trigger: Option<Trigger>, now: Timestamp) -> Classified {
    let class = ANSWERS.iter().find(|row| (row.fits)(answer)).map_or(Class::Unsure, |row| row.class);
    let outcome = match class {
        Class::Delivered => Outcome::Delivered,
        Class::Rejected => Outcome::Rejected,
        Class::Unsure => Outcome::Unsure,
        Class::Login | Class::Retry => Outcome::Retry { after: after(answer, now) },
    };
    let mut message = message(answer);
    if let Some(trigger) = trigger.filter(|trigger| !trigger.is_current())
        && status(answer, 400..=499)
        && class == Class::Rejected
    {
        message.push_str(&format!(
            " (accounts on Cello's newest schema do not know `{trigger}`: `triggers = \"current\"` turns it off)"
        ));
    }
    Classified { class, outcome, message }
}

/// What an HTTP answer says, in one line of at most 500 characters: `message` where the text is JSON with one.
pub(super) fn words(text: &str) -> String {
    let json = serde_json::from_str::<Value>(text).unwrap_or_default();
    match &json["message"] {
        Value::String(message) => one_line(message),
        // Validation libraries answer with one text for each field.
        Value::Array(messages) => one_line(&messages.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("; ")),
        _ => one_line(text),
    }
}

/// `Retry-After` as a time from `now`: seconds or an HTTP date. Nothing for what is neither or has passed.
pub(super) fn retry_after(value: &str, now: Timestamp) -> Option<Duration> {
    let value = value.trim();
    let wait = if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        Duration::from_secs(value.parse().ok()?)
    } else {
        let at = DateTimeParser::new().parse_timestamp(value).ok()?;
        Duration::try_from(at.duration_since(now)).ok()?
    };
    (!wait.is_zero()).then_some(wait)
}

fn after(answer: &Answer, now: Timestamp) -> Option<Duration> {
    match answer {
        Answer::Http(reply) => retry_after(reply.retry_after.as_deref()?, now),
        Answer::NotWritten(_) | Answer::Broken(_) => None,
    }
}

fn message(answer: &Answer) -> String {
    let reply = match answer {
        Answer::NotWritten(problem) => return format!("no connection to Cello: {problem}"),
        Answer::Broken(problem) => return format!("no answer after the request may have been written: {problem}"),
        Answer::Http(reply) => reply,
    };
    let status = reply.status;
    let words = words(&reply.text);
    match status {
        200..=299 if is_success(answer) => "accepted".into(),
        200..=299 => match &reply.broke_off {
            Some(problem) => format!("the answer {status} broke off: {problem}"),
            None if words.is_empty() => format!("{status} without `success: true`"),
            None => format!("{status} without `success: true`: {words}"),
        },
        300..=399 => format!("{status}, a redirect, which is never followed; check `cello.base_url`"),
        400 if !words.is_empty() => words,
        _ if words.is_empty() => format!("{status} without a message"),
        _ => format!("{status}: {words}"),
    }
}

fn status(answer: &Answer, range: std::ops::RangeInclusive<u16>) -> bool {
    matches!(answer, Answer::Http(reply) if range.contains(&reply.status))
}

fn whole(answer: &Answer, range: std::ops::RangeInclusive<u16>) -> bool {
    status(answer, range) && matches!(answer, Answer::Http(reply) if reply.broke_off.is_none())
}

fn is_success(answer: &Answer) -> bool {
    let Answer::Http(reply) = answer else { return false };
    serde_json::from_str::<Value>(&reply.text).is_ok_and(|body| body["success"] == true)
}

/// Control characters would let an answer move the cursor of the terminal it is shown on.
fn one_line(text: &str) -> String {
    text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).take(MESSAGE_LIMIT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_the_table_is_the_first_that_fits_some_answer() {
        let examples = [
            http(200, r#"{"success":true}"#),
            http(200, r#"{"success":false}"#),
            http(301, ""),
            http(400, r#"{"message":"payload.ucc is required"}"#),
            http(401, r#"{"message":"Unauthorized"}"#),
            http(503, ""),
            http(404, ""),
            Answer::NotWritten("connection refused".into()),
            Answer::Broken("connection reset".into()),
        ];
        let rows: Vec<_> =
            examples.iter().map(|answer| ANSWERS.iter().position(|row| (row.fits)(answer)).unwrap()).collect();
        assert_eq!(rows, (0..ANSWERS.len()).collect::<Vec<_>>());
    }

    #[test]
    fn every_status_has_the_class_that_the_table_promises() {
        for code in 100..=999 {
            let expected = match code {
                200..=299 => Class::Rejected,
                401 => Class::Login,
                408 | 425 | 429 | 500.. => Class::Retry,
                300..=499 => Class::Rejected,
                _ => Class::Unsure,
            };
            assert_eq!(class(&http(code, "")), expected, "{code}");
        }
    }

    #[test]
    fn only_a_200_that_says_success_true_is_delivered() {
        assert_eq!(class(&http(200, r#"{"success":true,"more":1}"#)), Class::Delivered);
        for text in ["", "null", "[]", "{}", "<html>", r#"{"success":"true"}"#, r#"{"success":1}"#] {
            assert_eq!(class(&http(200, text)), Class::Rejected, "{text}");
        }
        for code in [201, 202, 204] {
            assert_eq!(class(&http(code, r#"{"success":true}"#)), Class::Rejected, "{code}");
        }
    }

    #[test]
    fn an_answer_that_breaks_off_goes_by_its_status_unless_that_promised_success() {
        let broken = |status| {
            Answer::Http(Reply {
                status,
                text: r#"{"succ"#.into(),
                broke_off: Some("reset".into()),
                ..Reply::default()
            })
        };
        assert_eq!(class(&broken(200)), Class::Unsure);
        assert_eq!(class(&broken(400)), Class::Rejected);
        assert_eq!(class(&broken(502)), Class::Retry);
    }

    #[test]
    fn a_rejection_keeps_the_message_of_cello_word_for_word() {
        let message = |text: &str| classify(&http(400, text), None, Timestamp::UNIX_EPOCH).message;
        assert_eq!(message(r#"{"message":"payload.price must be an integer"}"#), "payload.price must be an integer");
        assert_eq!(message(r#"{"message":["a is wrong","b is wrong"]}"#), "a is wrong; b is wrong");
        assert_eq!(message(""), "400 without a message");
        assert_eq!(message("plain\n\u{1b}[2Jtext"), "plain  [2Jtext");
        assert_eq!(message(&"é".repeat(2000)).chars().count(), MESSAGE_LIMIT);
    }

    #[test]
    fn the_rejection_of_an_older_trigger_names_the_setting_that_turns_it_off() {
        for trigger in Trigger::ALL {
            let rejected = classify(&http(400, r#"{"message":"no"}"#), Some(trigger), Timestamp::UNIX_EPOCH).message;
            assert_eq!(rejected.contains(r#"triggers = "current""#), !trigger.is_current(), "{rejected}");
            let busy = classify(&http(503, ""), Some(trigger), Timestamp::UNIX_EPOCH).message;
            assert!(!busy.contains("triggers"), "{busy}");
        }
    }

    #[test]
    fn retry_after_is_read_in_both_forms_and_nonsense_is_nothing() {
        let now: Timestamp = "2026-05-01T09:30:00Z".parse().unwrap();
        let seconds = |value| retry_after(value, now).map(|wait| wait.as_secs());
        assert_eq!(seconds("120"), Some(120));
        assert_eq!(seconds(" 7 "), Some(7));
        assert_eq!(seconds("Fri, 01 May 2026 09:31:30 GMT"), Some(90));
        for nothing in ["", "0", "-5", "1.5", "soon", "99999999999999999999999", "Fri, 01 May 2026 09:29:59 GMT"] {
            assert_eq!(seconds(nothing), None, "{nothing:?}");
        }
    }

    fn http(status: u16, text: &str) -> Answer {
        Answer::Http(Reply { status, text: text.into(), ..Reply::default() })
    }

    fn class(answer: &Answer) -> Class {
        classify(answer, None, Timestamp::UNIX_EPOCH).class
    }
}
