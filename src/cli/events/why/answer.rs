//! The answer itself: yes, no, not yet, unsure, or that nothing is known; one or two sentences, and what to do.
//!
//! Pure. It must never say yes before Cello has said so.

use serde::Serialize;

use super::Asked;
use super::advice::{advice, put_on_the_customer};
use super::found::{Found, Past, Sent};
use crate::attribution::{Attribution, attribute};
use crate::cli::output::{number, plain, time};
use crate::config::Metadata;
use crate::decision::Reason;
use crate::store::{DecisionState, EventState, ScopedCustomer};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Cello has it.
    Yes,
    No,
    NotYet,
    /// Cello may have it or not.
    Unsure,
    /// Nothing is known of what was asked about.
    Unknown,
}

pub struct Answer {
    pub verdict: Verdict,
    pub text: String,
    pub to_do: Vec<String>,
}

pub fn answer(asked: &Asked, past: &Past, keys: &Metadata) -> Answer {
    if past.found.is_empty() && past.customers.is_empty() {
        return unknown(asked);
    }
    // What tells most: the newest that came to something, else the newest.
    let newest = |fact: &str| {
        let of_kind = || past.found.iter().rev().filter(|found| found.fact == fact);
        let news = |found: &&Found| found.reason() != Some(Reason::AlreadyReported);
        of_kind().find(|found| found.referral_event.is_some()).or_else(|| of_kind().find(news)).or(of_kind().next())
    };
    match (asked, newest("invoice-paid")) {
        (Asked::Invoice(_), Some(purchase)) => {
            let mut answer = of_one(purchase, keys);
            let delivered = delivered(past, "payment-refunded").count();
            if answer.verdict == Verdict::Yes && delivered > 0 {
                answer.text.push_str(&format!(" Cello has {} of it, too.", number(delivered, "refund")));
            }
            answer
        }
        (Asked::Invoice(_), None) => no_purchase(asked, past, keys),
        (Asked::Customer(_) | Asked::User(_), purchase) => of_customer(asked, past, purchase, keys),
    }
}

fn unknown(asked: &Asked) -> Answer {
    let other = match asked {
        Asked::Customer(_) => "--customer takes the provider's id (cus_…); for the id in your own product use --user",
        Asked::User(_) => {
            "--user takes the id in your own product, as it stands on the customer at the provider; for the provider's \
             id of the customer use --customer"
        }
        Asked::Invoice(_) => "a sale without an invoice has the id of its payment intent (pi_…) or session (cs_…)",
    };
    Answer {
        verdict: Verdict::Unknown,
        text: format!("Nothing is known here of {}: no webhook that was received names it.", asked.words()),
        to_do: vec![
            "look at the provider which webhooks it sent about this, where to, and which answer it got".to_owned(),
            other.to_owned(),
            "`cello-relay events list` shows what was received here; is `database_url` the store of the relay?"
                .to_owned(),
        ],
    }
}

/// The answer about one thing that happened.
fn of_one(found: &Found, keys: &Metadata) -> Answer {
    let what = &found.what;
    if let Some(sent) = &found.referral_event {
        return of_sent(what, sent);
    }
    let (verdict, text) = match (found.decision, found.reason()) {
        (Some(DecisionState::Hold), _) => {
            let waits = found.waits.as_deref().unwrap_or("more news");
            (Verdict::NotYet, format!("Not yet: the {what}, is held and waits for {waits}."))
        }
        (_, Some(Reason::NotReferred)) => {
            let customer = found.customer.as_deref().map(plain).unwrap_or_default();
            let hint =
                found.message.split_once(';').map(|(_, hint)| format!(" ({})", plain(hint.trim()))).unwrap_or_default();
            let text = format!(
                "No: the customer {customer} carries no referral code{hint}, so Cello was not told of the {what}."
            );
            (Verdict::No, text)
        }
        (None, None) => (Verdict::NotYet, format!("Not yet: {}.", found.outcome)),
        (None, Some(_)) => (Verdict::No, format!("No: the {what}, {}.", found.outcome)),
        _ => (Verdict::No, format!("No: the {what}, was not reported: {}.", plain(&found.message))),
    };
    Answer { verdict, text, to_do: advice(found, keys) }
}

fn of_sent(what: &str, sent: &Sent) -> Answer {
    let said = sent.last_message.as_deref().map(plain).unwrap_or_default();
    let times = match sent.attempts {
        1 => "once".to_owned(),
        times => format!("{times} times"),
    };
    let (verdict, text) = match sent.state {
        EventState::Delivered => {
            let since = sent.last_at.map(|at| format!(" since {}", time(at))).unwrap_or_default();
            let user = plain(&sent.subject);
            (Verdict::Yes, format!("Yes: the {what}, was reported for {user}; Cello has it{since}."))
        }
        EventState::Waiting if sent.attempts == 0 => {
            (Verdict::NotYet, format!("Not yet: the {what}, waits to be sent."))
        }
        EventState::Waiting => {
            (Verdict::NotYet, format!("Not yet: the {what}, was tried {times} without success, the last time: {said}."))
        }
        EventState::Sending => (Verdict::NotYet, format!("Not yet: the {what}, is being sent right now.")),
        EventState::Unsure => {
            let text = format!(
                "Unsure: the {what}, was sent, and nobody knows whether Cello took it: {said}. A person has to decide."
            );
            (Verdict::Unsure, text)
        }
        EventState::Dead if sent.last_outcome.as_deref() == Some("rejected") => {
            (Verdict::No, format!("No: the {what}, was tried {times} and Cello refused it: {said}."))
        }
        EventState::Dead => {
            (Verdict::No, format!("No: the {what}, was tried {times} and given up, the last time: {said}."))
        }
        EventState::Discarded => {
            let by = sent.discarded_by.as_deref().map_or("a person".to_owned(), plain);
            let why = sent.discard_reason.as_deref().map_or("no reason given".to_owned(), plain);
            (Verdict::No, format!("No: the {what}, was given up by {by}: {why}."))
        }
    };
    Answer { verdict, text, to_do: vec![sent.next.clone()] }
}

fn no_purchase(asked: &Asked, past: &Past, keys: &Metadata) -> Answer {
    // Perhaps what was named is a webhook or a subscription; then it is answered for what it is.
    if let Some(found) = past.found.last().filter(|found| found.fact != "payment-refunded") {
        return of_one(found, keys);
    }
    Answer {
        verdict: Verdict::No,
        text: format!("No: no webhook has told that {} was paid; only what stands below.", asked.words()),
        to_do: vec![
            "have the provider send the webhook of its payment again (invoice.paid, payment_succeeded)".to_owned(),
        ],
    }
}

fn of_customer(asked: &Asked, past: &Past, purchase: Option<&Found>, keys: &Metadata) -> Answer {
    let purchases = delivered(past, "invoice-paid").count();
    let mut answer = if purchases > 0 {
        // The list is the oldest first.
        let last = delivered(past, "invoice-paid").last().map(|found| found.what.clone()).unwrap_or_default();
        let others = past.found.iter().filter(|found| is_unreported_purchase(found)).count();
        let but = if others > 0 {
            format!(" But {} not (yet) reported: see below.", were(others, "other purchase"))
        } else {
            String::new()
        };
        let refunds = delivered(past, "payment-refunded").count();
        let refunds = if refunds > 0 { format!(" and {}", number(refunds, "refund")) } else { String::new() };
        Answer {
            verdict: Verdict::Yes,
            text: format!(
                "Yes: Cello has {}{refunds} of {}; the newest is the {last}.{but}",
                number(purchases, "purchase"),
                asked.words()
            ),
            to_do: vec![],
        }
    } else if let Some(purchase) = purchase.filter(|purchase| purchase.referral_event.is_some()) {
        of_one(purchase, keys)
    } else if let Some(unreferred) = past.customers.iter().find_map(|known| not_referred(known, past, keys)) {
        unreferred
    } else if let Some(purchase) = purchase {
        of_one(purchase, keys)
    } else if delivered(past, "customer-seen").next().is_some() {
        Answer {
            verdict: Verdict::No,
            text: format!("No: Cello has the signup of {}, but no webhook has told of a purchase.", asked.words()),
            to_do: vec![
                "if there was one: look at the provider whether the webhook of its payment (invoice.paid, \
                 payment_succeeded) is sent to this relay, and which answer it got"
                    .to_owned(),
            ],
        }
    } else if let Some(found) = past.found.last() {
        of_one(found, keys)
    } else {
        Answer {
            verdict: Verdict::No,
            text: format!("No: nothing has happened with {} that Cello is told of.", asked.words()),
            to_do: vec!["if there was a purchase, look at the provider whether its webhook was sent".to_owned()],
        }
    };
    for (state, words) in [
        (EventState::Dead, "given up after it was refused or tried too often"),
        (EventState::Unsure, "sent without knowing whether Cello took it"),
    ] {
        let stuck: Vec<&Sent> = past
            .found
            .iter()
            .filter_map(|found| found.referral_event.as_ref())
            .filter(|sent| sent.state == state)
            .collect();
        if !stuck.is_empty() && answer.verdict == Verdict::Yes {
            answer.text.push_str(&format!(" But {} {words}.", were(stuck.len(), "referral event")));
        }
        answer.to_do.extend(stuck.iter().map(|sent| format!("referral event {}: {}", sent.id, sent.next)));
    }
    if answer.to_do.is_empty() {
        answer.to_do.push("nothing: Cello has it; rewards may follow a day later".to_owned());
    }
    answer.to_do.dedup();
    answer
}

/// Of this kind, what Cello has; oldest first.
fn delivered<'a>(past: &'a Past, fact: &'a str) -> impl Iterator<Item = &'a Found> {
    let is = |found: &&Found| found.referral_event.as_ref().is_some_and(|sent| sent.state == EventState::Delivered);
    past.found.iter().filter(move |found| found.fact == fact).filter(is)
}

fn is_unreported_purchase(found: &Found) -> bool {
    found.fact == "invoice-paid"
        && found.decision != Some(DecisionState::Send)
        && found.reason() != Some(Reason::AlreadyReported)
}

/// `1 purchase was`, `2 purchases were`.
fn were(count: usize, of: &str) -> String {
    format!("{} {}", number(count, of), if count == 1 { "was" } else { "were" })
}

/// The answer about a customer of whom Cello cannot be told; `None` about one who is referred.
fn not_referred(known: &ScopedCustomer, past: &Past, keys: &Metadata) -> Option<Answer> {
    let id = plain(&known.customer.id);
    let what = match attribute(Some(&known.customer), keys.organization_mode) {
        Attribution::Referred(_) | Attribution::Unseen => return None,
        Attribution::NotReferred => {
            // A code on another object than the customer is the usual mistake.
            let hint = past.found.iter().rev().find_map(|found| found.message.split_once("; but "));
            let hint = hint.map(|(_, hint)| format!(" ({})", plain(hint))).unwrap_or_default();
            format!("carries no referral code{hint}")
        }
        Attribution::UserIdMissing => "carries a referral code and no user id, and Cello needs both".to_owned(),
        Attribution::OrganizationIdMissing => "carries no organization id, which is needed here".to_owned(),
    };
    Some(Answer {
        verdict: Verdict::No,
        text: format!("No: the customer {id} {what}, so Cello is told nothing of it."),
        to_do: vec![
            format!("if somebody referred this customer: put {}", put_on_the_customer(keys)),
            "what happened up to 30 days before that is then decided again by itself".to_owned(),
        ],
    })
}
