//! What `replay` shows: one row for each webhook, or for each decision where a webhook has several.

use anyhow::Result;
use serde::Serialize;

use crate::cello::wire;
use crate::cli::Exit;
use crate::cli::output::{self, Column, Table, Tone, Toned, plain, two_lines};
use crate::store::{DecisionState, EventState, Life, LifeDecision, LifeEvent, WebhookState};

/// One webhook that was posted, and what is known of it.
#[derive(Debug, Serialize)]
pub struct Played {
    pub file: String,
    pub provider: &'static str,
    #[serde(skip)]
    pub account: String,
    pub event_id: String,
    #[serde(rename = "type")]
    pub kind: String,
    /// HTTP status of the relay's answer.
    pub status: u16,
    /// The word in it: `stored`, `duplicate` or what was wrong.
    pub answer: String,
    /// Missing where the store of the relay cannot be read, and of what was refused: what is known of that came before.
    pub life: Option<Life>,
}

impl Played {
    pub fn is_stored(&self) -> bool {
        self.status == 200
    }

    /// The last folder and the file, without its ending and without the type that stands beside it: enough to find it,
    /// short enough for a table.
    fn name(&self) -> String {
        let parts: Vec<&str> = self.file.trim_end_matches(".json").rsplit('/').take(2).collect();
        let name = parts.into_iter().rev().collect::<Vec<_>>().join("/");
        let number = name.strip_suffix(&self.kind).map(|number| number.trim_end_matches('-').to_owned());
        plain(&number.filter(|number| !number.is_empty()).unwrap_or(name))
    }

    fn is_fine(&self) -> bool {
        let fine_life = |life: &Life| {
            life.state != WebhookState::Unreadable
                && life.referral_events.iter().all(|event| event.state == EventState::Delivered)
        };
        self.is_stored() && self.life.as_ref().is_none_or(fine_life)
    }
}

pub fn print(played: &[Played], json: bool) -> Result<Exit> {
    if json {
        for one in played {
            anstream::println!("{}", serde_json::to_string(one)?);
        }
    } else {
        let mut table = Table::new(&[
            Column::text("webhook"),
            Column::text("type"),
            Column::text("decision"),
            Column::text("rule / reason"),
            Column::text("trigger"),
            Column::number("price"),
            Column::text("currency"),
            Column::text("interval"),
            Column::text("Cello"),
        ]);
        let rows: Vec<Vec<Toned>> = played.iter().flat_map(rows).collect();
        rows.iter().for_each(|row| table.toned_row(row.clone()));
        let text = if table.fits() { table.to_string() } else { rows.iter().map(|row| two_lines(row, 2)).collect() };
        output::print(&format!("{}\n\n{}\n", text.trim_end(), summary(played)))?;
    }
    Ok(if played.iter().all(Played::is_fine) { Exit::Done } else { Exit::Findings })
}

fn rows(played: &Played) -> Vec<Vec<Toned>> {
    let blank = || vec![(String::new(), None); 5];
    let head = |decision: &str, tone: Tone, reason: &str| {
        vec![(played.name(), None), (plain(&played.kind), None), (plain(decision), Some(tone)), (plain(reason), None)]
    };
    let Some(life) = played.life.as_ref().filter(|_| played.answer != "duplicate") else {
        let tone = if played.is_stored() { Tone::Faint } else { Tone::Bad };
        return vec![[head(&played.answer, tone, &format!("HTTP {}", played.status)), blank()].concat()];
    };
    if life.decisions.is_empty() {
        return vec![[head("unreadable", Tone::Bad, life.note.as_deref().unwrap_or_default()), blank()].concat()];
    }
    let mut decisions: Vec<&LifeDecision> = life.decisions.iter().collect();
    // The signup that a purchase brings with it is sent before it.
    decisions
        .sort_by_key(|decision| life.referral_events.iter().find(|event| is_of(event, decision)).map(|event| event.id));
    decisions
        .into_iter()
        .map(|decision| {
            let why = decision.rule.as_deref().or(decision.reason.as_deref()).unwrap_or_default();
            let event = life.referral_events.iter().find(|event| is_of(event, decision));
            let tone = match decision.decision {
                DecisionState::Send => Tone::Good,
                DecisionState::Hold => Tone::Open,
                DecisionState::Ignore => Tone::Faint,
            };
            [head(decision.decision.as_str(), tone, why), event.map_or_else(blank, sent)].concat()
        })
        .collect()
}

fn is_of(event: &LifeEvent, decision: &LifeDecision) -> bool {
    decision.decision == DecisionState::Send && decision.key.as_deref() == Some(&event.key)
}

fn sent(event: &LifeEvent) -> Vec<Toned> {
    let view = wire::view(&event.body);
    let answer = event.attempts.last().and_then(|attempt| attempt.status);
    let cello = match answer {
        Some(status) => format!("{} ({status})", event.state.as_str()),
        None => event.state.as_str().to_owned(),
    };
    let tone = match event.state {
        EventState::Delivered | EventState::Confirmed => Tone::Good,
        EventState::Waiting | EventState::Sending => Tone::Open,
        EventState::Unsure | EventState::Dead | EventState::Discarded => Tone::Bad,
    };
    let told = [view.trigger, view.price, view.currency, view.interval].map(|text| (plain(&text), None));
    told.into_iter().chain([(cello, Some(tone))]).collect()
}

fn summary(played: &[Played]) -> String {
    let duplicates = played.iter().filter(|one| one.answer == "duplicate").count();
    let refused = played.iter().filter(|one| !one.is_stored()).count();
    let lives: Vec<&Life> =
        played.iter().filter(|one| one.answer == "stored").filter_map(|one| one.life.as_ref()).collect();
    let stand = |state: WebhookState| lives.iter().filter(|life| life.state == state).count();
    let events: Vec<&LifeEvent> = lives.iter().flat_map(|life| &life.referral_events).collect();
    let delivered = events.iter().filter(|event| event.state == EventState::Delivered).count();
    format!(
        "{} webhooks: {} mapped, {} ignored, {} held, {} unreadable, {duplicates} duplicate, {refused} refused.\n\
         {} referral events: {delivered} delivered, {} not.",
        played.len(),
        stand(WebhookState::Mapped),
        stand(WebhookState::Ignored),
        stand(WebhookState::Held),
        stand(WebhookState::Unreadable),
        events.len(),
        events.len() - delivered,
    )
}
