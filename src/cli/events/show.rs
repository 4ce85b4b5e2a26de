//! `events show ID`: the whole life of whatever the id names, in words for people who answer customers.
//!
//! It reads from top to bottom as it happened: received, decided, tried, and what happens next.

use std::fmt::Write;

use anyhow::Result;
use jiff::{SignedDuration, Timestamp};

use super::super::output::{Tone, number, plain, print, time, toned};
use super::super::{Exit, explain};
use super::{of_webhook, tone_of_decision, tone_of_event, tone_of_webhook, unknown};
use crate::cello::wire;
use crate::decision::Reason;
use crate::facts::Scope;
use crate::relay::code::code_of_topic;
use crate::store::{
    Blocker, DecisionState, EventState, Life, LifeAttempt, LifeDecision, LifeEvent, Pause, Store, WebhookState,
};

pub async fn run(store: &dyn Store, id: &str, json: bool) -> Result<Exit> {
    let lives = store.life(id).await?;
    if lives.is_empty() {
        anstream::eprintln!("{}", unknown(id));
        return Ok(Exit::Findings);
    }
    if json {
        let lines: Vec<String> = lives.iter().map(serde_json::to_string).collect::<Result<_, _>>()?;
        print(&lines.into_iter().map(|line| line + "\n").collect::<String>())?;
    } else {
        print(&text(&lives, id, &Moment { now: Timestamp::now(), pause: store.pause().await? }))?;
    }
    Ok(Exit::Done)
}

/// When something is shown, and whether delivery is paused then.
pub(super) struct Moment {
    pub now: Timestamp,
    pub pause: Option<Pause>,
}

/// The lives for people.
fn text(lives: &[Life], id: &str, moment: &Moment) -> String {
    let mut page = Page::default();
    if lives.len() > 1 {
        page.line(0, &format!("{} tell of `{}`, in order of arrival", number(lives.len(), "webhook"), plain(id)));
        page.blank();
    }
    for (index, life) in lives.iter().enumerate() {
        if index > 0 {
            page.blank();
        }
        page.life(life, moment);
    }
    page.0
}

/// A page that grows line by line.
#[derive(Default)]
struct Page(String);

/// A relay that runs has tried by then.
const LATE: SignedDuration = SignedDuration::from_mins(2);

/// Width of the words that stand before the values.
const LABEL: usize = 9;

impl Page {
    fn life(&mut self, life: &Life, moment: &Moment) {
        let mode = life.mode.map_or("mode not stated".to_owned(), |mode| format!("{} mode", mode.as_str()));
        let account =
            if life.account.is_empty() { String::new() } else { format!(", account {}", plain(&life.account)) };
        let title = format!("{}  {}", plain(&life.event_id), plain(&life.kind));
        self.line(0, &format!("{}  {}{account}, {mode}", toned(&title, Tone::Title), life.provider));
        self.pair(1, "happened", &time(life.happened_at));
        let again = match life.duplicates {
            0 => String::new(),
            1 => "; it came once again, which changed nothing".to_owned(),
            more => format!("; it came {more} times again, which changed nothing"),
        };
        self.pair(1, "received", &format!("{}, {} bytes{again}", time(life.received_at), life.bytes));
        if let Some(at) = life.body_erased_at {
            self.pair(1, "body", &format!("erased {}: nothing of it is needed any more", time(at)));
        }
        let state = toned(life.state.as_str(), tone_of_webhook(life.state));
        self.pair(1, "state", &format!("{state}: {}", of_webhook(life.state)));
        if let Some(note) = &life.note {
            self.pair(1, "why", &plain(note));
        }
        match life.state {
            WebhookState::Undecided => {
                self.pair(
                    1,
                    "next",
                    "a running relay decides about it within seconds; is `cello-relay serve` running?",
                );
            }
            WebhookState::Unreadable => {
                self.pair(1, "next", "nothing by itself: it is kept, and a person should look at it");
            }
            WebhookState::Held | WebhookState::Ignored | WebhookState::Mapped => {}
        }
        for decision in &life.decisions {
            self.blank();
            self.decision(life, decision, moment.now);
        }
        for event in &life.referral_events {
            self.blank();
            self.event(event, moment);
        }
    }

    fn decision(&mut self, life: &Life, decision: &LifeDecision, now: Timestamp) {
        let about = if decision.fact.is_empty() { "This webhook" } else { decision.fact.as_str() };
        let word = toned(decision.decision.as_str(), tone_of_decision(decision.decision));
        let by = match (&decision.rule, &decision.reason) {
            (Some(rule), _) => format!(", by the rule `{}`", plain(rule)),
            (None, Some(reason)) => format!(", {reason}"),
            (None, None) => String::new(),
        };
        self.line(1, &format!("{about}: {word}{by}"));
        self.pair(2, "decided", &time(decision.decided_at));
        let reason = explain::reason(decision.reason.as_deref(), &decision.message);
        let trace = decision.trace.iter().flat_map(explain::trace);
        let warnings = decision.warnings.iter().flat_map(explain::warning);
        for (label, text) in reason.into_iter().chain(trace).chain(warnings) {
            self.pair(2, label, &text);
        }
        if decision.decision == DecisionState::Hold {
            let until = decision.deadline.map(|at| format!(", until {} at the longest", moment(at, now)));
            let what = decision.waits_for.as_deref().map_or("nothing known".to_owned(), |topic| awaited(life, topic));
            self.pair(2, "waits for", &format!("{what}{}", until.unwrap_or_default()));
        }
        if let Some(key) = &decision.key {
            self.pair(2, "key", &plain(key));
            let elsewhere = !life.referral_events.iter().any(|event| event.key == *key);
            if elsewhere && decision.reason.as_deref() == Some(Reason::AlreadyReported.as_str()) {
                self.pair(2, "see", &format!("`cello-relay events show {}`", plain(key)));
            }
        }
    }

    fn event(&mut self, event: &LifeEvent, moment: &Moment) {
        let view = wire::view(&event.body);
        let money = [view.price, view.currency].join(" ");
        let about: Vec<String> = [event.trigger.clone(), money.trim().to_owned(), view.interval]
            .into_iter()
            .filter(|word| !word.is_empty())
            .map(|word| plain(&word))
            .collect();
        let state = toned(event.state.as_str(), tone_of_event(event.state));
        self.line(1, &format!("Referral event {}: {}, {state}", event.id, about.join(", ")));
        self.pair(2, "key", &plain(&event.key));
        // `Value` always has text; were it otherwise, there would be nothing to show.
        let body = serde_json::to_string_pretty(&event.body).unwrap_or_default();
        for (index, line) in body.lines().enumerate() {
            self.pair(2, if index == 0 { "body" } else { "" }, &plain(line));
        }
        let mut attempts = event.attempts.iter().peekable();
        for former in &event.former_bodies {
            while let Some(attempt) = attempts.next_if(|attempt| attempt.at <= former.replaced_at) {
                self.pair(2, "attempt", &tried(attempt));
            }
            let (at, by) = (time(former.replaced_at), plain(&former.replaced_by));
            self.pair(2, "remade", &format!("{at}  by {by}; until then it was"));
            self.pair(2, "", &plain(&former.body.to_string()));
        }
        for attempt in attempts {
            self.pair(2, "attempt", &tried(attempt));
        }
        self.pair(2, "next", &next(event, moment));
    }

    fn line(&mut self, depth: usize, text: &str) {
        // Writing to a text cannot fail.
        let _ = writeln!(self.0, "{:indent$}{text}", "", indent = depth * 2);
    }

    fn pair(&mut self, depth: usize, label: &str, value: &str) {
        self.line(depth, &format!("{label:LABEL$}  {value}"));
    }

    fn blank(&mut self) {
        self.0.push('\n');
    }
}

fn tried(attempt: &LifeAttempt) -> String {
    let tone = match attempt.outcome.as_str() {
        "delivered" => Tone::Good,
        "rejected" => Tone::Bad,
        _ => Tone::Open,
    };
    let status = attempt.status.map(|status| format!(", HTTP {status}")).unwrap_or_default();
    let request = attempt.request_id.as_ref().map(|id| format!(" (request id {})", plain(id))).unwrap_or_default();
    let outcome = toned(&plain(&attempt.outcome), tone);
    let (at, took, said) = (time(attempt.at), attempt.duration_ms, because(&attempt.message));
    format!("{at}  {outcome}{status} after {took} ms{said}{request}")
}

pub(super) fn next(event: &LifeEvent, Moment { now, pause }: &Moment) -> String {
    let id = event.id;
    match event.state {
        EventState::Waiting => match (&event.blocked_by, pause, event.due_at) {
            (Some(blocker), ..) => {
                format!("{}; `cello-relay events show {}` says what to do", waits_for(blocker), blocker.id)
            }
            (None, Some(pause), due) => unavailable(pause, due, *now),
            (None, None, Some(due)) if due > *now => format!("is sent at {}", moment(due, *now)),
            _ => "is due: a running relay sends it as soon as earlier ones of the same user are done".to_owned(),
        },
        EventState::Sending => "is being sent right now; look again in a minute".to_owned(),
        EventState::Delivered => "nothing: Cello has it".to_owned(),
        EventState::Confirmed => format!("nothing: {}", confirmed(event)),
        EventState::Unsure => format!(
            "you decide: look into Cello's portal whether it is there; if so, `cello-relay events confirm {id} --reason \
             TEXT`; if not, `cello-relay events retry {id}`"
        ),
        EventState::Dead => format!(
            "you decide: when the cause is gone, `cello-relay events retry {id}`; once rules or settings are corrected, \
             `cello-relay events remake {id}`; if Cello has it all the same, `cello-relay events confirm {id} --reason \
             TEXT`; to give it up, `cello-relay events discard {id} --reason TEXT`"
        ),
        EventState::Discarded => {
            let by = event.discarded_by.as_deref().map_or("a person".to_owned(), plain);
            let why = event.discard_reason.as_deref().map_or("no reason given".to_owned(), plain);
            match event.decided_again_at {
                Some(at) => format!("nothing: {by} gave it up ({why}); its webhook was decided again {}", time(at)),
                None => format!("nothing: {by} gave it up ({why})"),
            }
        }
    }
}

/// `waits for referral event 12, dead since 2026-05-01T09:30:02Z: currency not allowed`
pub(super) fn waits_for(blocker: &Blocker) -> String {
    let Blocker { id, state, since, message, .. } = blocker;
    let since = since.map(|at| format!(" since {}", time(at))).unwrap_or_default();
    format!("waits for referral event {id}, {state}{since}{}", because(message.as_deref().unwrap_or_default()))
}

/// Who says that Cello has it, and why.
pub(super) fn confirmed(event: &LifeEvent) -> String {
    let by = event.confirmed_by.as_deref().map_or("a person".to_owned(), plain);
    let at = event.confirmed_at.map(|at| format!(" since {}", time(at))).unwrap_or_default();
    let why = event.confirm_reason.as_deref().map_or("no reason given".to_owned(), plain);
    format!("{by} says{at} that Cello has it ({why})")
}

/// What is said while Cello as a whole does not take events: since when, and when the next try is.
fn unavailable(pause: &Pause, due: Option<Timestamp>, now: Timestamp) -> String {
    let Pause { since, until, problem } = pause;
    let next = due.map_or(*until, |due| due.max(*until));
    let is_late = now.duration_since(next) > LATE;
    let running = if is_late { "; is `cello-relay serve` running?" } else { "" };
    let problem = because(problem);
    format!("Cello is unavailable since {}{problem}; the next try is at {}{running}", time(*since), moment(next, now))
}

/// A reason behind a sentence, where there is one.
pub(super) fn because(reason: &str) -> String {
    if reason.trim().is_empty() { String::new() } else { format!(": {}", plain(reason)) }
}

/// What a held fact waits for, in words.
pub(super) fn awaited(life: &Life, topic: &str) -> String {
    let prefix = Scope { provider: life.provider.clone(), account: life.account.clone() }.prefix();
    let of = |kind: &str| topic.strip_prefix(&format!("{kind}:{prefix}:")).map(plain);
    if let Some(id) = of("customer") {
        format!("news of the customer `{id}`")
    } else if topic == format!("payment:{prefix}:") {
        "news of what it paid back, which it does not name".to_owned()
    } else if let Some(id) = of("payment") {
        format!("the invoice of the payment `{id}`")
    } else if let Some(id) = of("purchase") {
        format!("the purchase of the invoice `{id}`")
    } else if let Some(code) = code_of_topic(topic).map(plain) {
        format!("Cello's answer about the code `{code}`")
    } else if topic == "rules" {
        "mended rules, at the next start".to_owned()
    } else {
        plain(topic)
    }
}

/// A time, and how far off it is.
fn moment(at: Timestamp, now: Timestamp) -> String {
    let away = at.duration_since(now);
    if away <= SignedDuration::ZERO { time(at) } else { format!("{} (in {})", time(at), roughly(away)) }
}

/// In the largest unit of which there are at least two.
fn roughly(duration: SignedDuration) -> String {
    match duration.as_secs() {
        seconds @ ..120 => format!("{seconds} s"),
        seconds @ 120..7200 => format!("{} min", seconds / 60),
        seconds @ 7200..172_800 => format!("{} h", seconds / 3600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_to_wait_is_told_in_the_largest_unit_of_which_there_are_two() {
        for (seconds, words) in [(0, "0 s"), (119, "119 s"), (120, "2 min"), (7200, "2 h"), (172_800, "2 days")] {
            assert_eq!(roughly(SignedDuration::from_secs(seconds)), words);
        }
    }
}
