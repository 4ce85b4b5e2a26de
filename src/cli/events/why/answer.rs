//! The answer itself: yes, no, not yet, unsure, or that nothing is known; one or two sentences, and what to do.
//!
//! Pure. It must never say yes before Cello, or a person who looked there, has said so.

use serde::Serialize;

use super::super::show::{because, waits_for};
use super::Asked;
use super::advice::{advice, put_on_the_customer};
use super::found::{Found, Sent};
use super::past::Past;
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
    let newest_purchase = |is: fn(&Found) -> bool| {
        let purchases = || past.found.iter().rev().filter(|found| is(found));
        let news = |found: &&Found| !found.is_repetition();
        purchases()
            .find(|found| found.referral_event.is_some())
            .or_else(|| purchases().find(news))
            .or_else(|| purchases().next())
    };
    match asked {
        Asked::Invoice(id) => match newest_purchase(|found| found.fact == "invoice-paid") {
            Some(purchase) => {
                let mut answer = of_one(purchase, keys);
                let refunds = delivered(past, "payment-refunded").count();
                if refunds > 0 {
                    let too = if answer.verdict == Verdict::Yes { "too" } else { "though" };
                    answer.text.push_str(&format!(" Cello has {} of it, {too}.", number(refunds, "refund")));
                }
                answer
            }
            None => no_purchase(asked, id, past, keys),
        },
        Asked::Customer(_) | Asked::User(_) => of_customer(asked, past, newest_purchase(Found::is_purchase), keys),
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
        text: format!("Nothing is known here of {}: no webhook is kept under this id.", asked.words()),
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
    let what = found.subject();
    if let Some(sent) = &found.referral_event {
        return of_sent(&what, sent);
    }
    let (verdict, text) = match (found.decision, found.reason()) {
        (Some(DecisionState::Hold), _) => {
            let waits = found.waits.as_deref().unwrap_or("more news");
            (Verdict::NotYet, format!("Not yet: {what} is held and waits for {waits}."))
        }
        (_, Some(Reason::NotReferred)) => {
            let customer = found.customer.as_deref().map(plain).unwrap_or_default();
            let hint =
                found.message.split_once(';').map(|(_, hint)| format!(" ({})", plain(hint.trim()))).unwrap_or_default();
            let text = format!(
                "No: the customer {customer} carries no referral code{hint}, so Cello was not told of the {}.",
                found.what
            );
            (Verdict::No, text)
        }
        (None, None) => (Verdict::NotYet, format!("Not yet: {what} is here, and {}", ended(&found.outcome))),
        (None, Some(_)) => (Verdict::No, format!("No: {what} {}", ended(&found.outcome))),
        _ => (Verdict::No, format!("No: {what} was {}", ended(&found.outcome))),
    };
    Answer { verdict, text, to_do: advice(found, keys) }
}

/// With a full stop, which what comes from elsewhere may have already.
fn ended(sentence: &str) -> String {
    let sentence = sentence.trim_end();
    format!("{}.", sentence.strip_suffix('.').unwrap_or(sentence))
}

fn of_sent(what: &str, sent: &Sent) -> Answer {
    let said = sent.last_message.as_deref().map(because).unwrap_or_default();
    let tried = match sent.attempts {
        0 => "was never tried".to_owned(),
        1 => "was tried once".to_owned(),
        times => format!("was tried {times} times"),
    };
    let last = if said.is_empty() { String::new() } else { format!(", the last time{said}") };
    let (verdict, text) = match sent.state {
        EventState::Delivered => {
            let since = sent.last_at.map(|at| format!(" since {}", time(at))).unwrap_or_default();
            let user = plain(&sent.subject);
            (Verdict::Yes, format!("Yes: {what} was reported for {user}; Cello has it{since}"))
        }
        EventState::Confirmed => {
            let by = sent.confirmed_by.as_deref().map_or("a person".to_owned(), plain);
            let since = sent.confirmed_at.map(|at| format!(" since {}", time(at))).unwrap_or_default();
            let why = sent.confirm_reason.as_deref().map(because).unwrap_or_default();
            let user = plain(&sent.subject);
            (Verdict::Yes, format!("Yes: {what} was reported for {user}; {by} says{since} that Cello has it{why}"))
        }
        EventState::Waiting if let Some(blocker) = &sent.blocked_by => {
            (Verdict::NotYet, format!("Not yet: {what} {}", waits_for(blocker)))
        }
        EventState::Waiting if sent.attempts == 0 => (Verdict::NotYet, format!("Not yet: {what} waits to be sent")),
        EventState::Waiting => (Verdict::NotYet, format!("Not yet: {what} {tried} without success{last}")),
        EventState::Sending => (Verdict::NotYet, format!("Not yet: {what} is being sent right now")),
        EventState::Unsure => {
            let text = format!("Unsure: {what} was sent, and nobody knows whether Cello took it{said}");
            (Verdict::Unsure, format!("{} A person has to decide", ended(&text)))
        }
        EventState::Dead if sent.last_outcome.as_deref() == Some("rejected") => {
            (Verdict::No, format!("No: {what} {tried} and Cello refused it{said}"))
        }
        EventState::Dead => (Verdict::No, format!("No: {what} {tried} and given up{last}")),
        EventState::Discarded => {
            let by = sent.discarded_by.as_deref().map_or("a person".to_owned(), plain);
            let why = sent.discard_reason.as_deref().map_or(": no reason given".to_owned(), because);
            (Verdict::No, format!("No: {what} was given up by {by}{why}"))
        }
    };
    Answer { verdict, text: ended(&text), to_do: vec![sent.next.clone()] }
}

/// The answer about an id under which no purchase is known.
fn no_purchase(asked: &Asked, id: &str, past: &Past, keys: &Metadata) -> Answer {
    let Some(found) = telling(past) else { return unknown(asked) };
    // Perhaps what was named is a webhook or a subscription; then it is answered for what it is.
    if found.event_id == id || !["", "payment-refunded"].contains(&found.fact.as_str()) {
        return of_one(found, keys);
    }
    // A payment may be known and tell too little, which is another answer than that there is none.
    if found.fact.is_empty() && is_news(found) {
        let what = format!("{}, which names {}", found.what, asked.words());
        return of_one(&Found { what, ..found.clone() }, keys);
    }
    nothing_bought(asked, past, found, keys)
}

/// The answer where nothing tells of a purchase; `newest` tells most of what there is.
fn nothing_bought(asked: &Asked, past: &Past, newest: &Found, keys: &Metadata) -> Answer {
    let refunds = delivered(past, "payment-refunded").count();
    let rest = if refunds > 0 {
        format!("Cello has {} of it, though", number(refunds, "refund"))
    } else {
        format!("The newest that tells of it: the {}, {}", newest.what, newest.outcome)
    };
    let again =
        "if it was paid: have the provider send the webhook of its payment again (invoice.paid, payment_succeeded)";
    let text = format!("No: no purchase is known of {}. {}", asked.words(), ended(&rest));
    // What is as it should be is no answer to who misses a purchase; where to look for more always is.
    let mut to_do = advice(newest, keys);
    if !is_news(newest) {
        to_do.drain(..to_do.len().saturating_sub(1));
    }
    to_do.insert(0, again.to_owned());
    Answer { verdict: Verdict::No, text, to_do }
}

/// What says most of what became of it: what was sent, else what may be, else what is news at all; of these the newest.
fn telling(past: &Past) -> Option<&Found> {
    past.found
        .iter()
        .max_by_key(|found| (found.referral_event.is_some(), is_news(found) && !found.fact.is_empty(), is_news(found)))
}

fn is_news(found: &Found) -> bool {
    !found.is_repetition() && found.reason() != Some(Reason::NotOfInterest)
}

fn of_customer(asked: &Asked, past: &Past, purchase: Option<&Found>, keys: &Metadata) -> Answer {
    let purchases = delivered(past, "invoice-paid").count();
    let nothing_sent = past.found.iter().all(|found| found.referral_event.is_none());
    let mut unreferred = past.customers.iter().filter_map(|known| not_referred(known, past, keys));
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
    } else if nothing_sent && let Some(unreferred) = unreferred.next() {
        unreferred
    } else if let Some(purchase) = purchase {
        let mut answer = of_one(purchase, keys);
        answer.text.push_str(&told(past).map(|told| format!(" Cello has {told}.")).unwrap_or_default());
        answer
    } else if let Some(told) = told(past) {
        let free = past.found.iter().filter(|found| found.fact == "invoice-paid").count();
        let free =
            if free > 0 { format!(" For {} no money was collected.", number(free, "invoice")) } else { String::new() };
        Answer {
            verdict: Verdict::No,
            text: format!("No: Cello has {told} of {}, but no purchase is known here.{free}", asked.words()),
            to_do: vec![
                "if there was one: look at the provider whether the webhook of its payment (invoice.paid, \
                 payment_succeeded) is sent to this relay, and which answer it got"
                    .to_owned(),
            ],
        }
    } else if let Some(found) = telling(past) {
        if is_news(found) { of_one(found, keys) } else { nothing_bought(asked, past, found, keys) }
    } else {
        Answer {
            verdict: Verdict::No,
            text: format!("No: no webhook is kept that tells what {} did.", asked.words()),
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
    let blocked = past.found.iter().filter_map(|found| found.referral_event.as_ref());
    let blocked = blocked.filter(|sent| sent.blocked_by.is_some());
    answer.to_do.extend(blocked.map(|sent| format!("referral event {}: {}", sent.id, sent.next)));
    if answer.to_do.is_empty() {
        answer.to_do.push("nothing: Cello has it; rewards may follow a day later".to_owned());
    }
    answer.to_do.dedup();
    answer
}

/// Of this kind, what Cello has; oldest first.
fn delivered<'a>(past: &'a Past, fact: &'a str) -> impl Iterator<Item = &'a Found> {
    let is = |found: &&Found| found.referral_event.as_ref().is_some_and(|sent| sent.is_there());
    past.found.iter().filter(move |found| found.fact == fact).filter(is)
}

/// What Cello has besides purchases: `the signup and 2 changes of subscriptions`.
fn told(past: &Past) -> Option<String> {
    let count = |fact: &str| delivered(past, fact).count();
    let some = |count: usize, of: &str| (count > 0).then(|| number(count, of));
    let signups = match count("customer-seen") {
        1 => Some("the signup".to_owned()),
        signups => some(signups, "signup"),
    };
    let subscriptions: usize =
        ["started", "changed", "ended"].map(|what| count(&format!("subscription-{what}"))).iter().sum();
    let parts = [signups, some(subscriptions, "subscription event"), some(count("payment-refunded"), "refund")];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    let (last, others) = parts.split_last()?;
    Some(if others.is_empty() { last.clone() } else { format!("{} and {last}", others.join(", ")) })
}

/// What got stuck on its way is told of in a sentence of its own.
fn is_unreported_purchase(found: &Found) -> bool {
    let is_under_way =
        |sent: &Sent| matches!(sent.state, EventState::Waiting | EventState::Sending | EventState::Discarded);
    found.is_purchase() && !found.is_repetition() && found.referral_event.as_ref().is_none_or(is_under_way)
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
