//! What all webhooks of a run came to: how often what would be sent, with the sums of money, how often what is ignored or
//! held for which reason, and where something could not be read. However many webhooks there are, it stays that long.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Mapped, Shown};
use crate::cello::wire;
use crate::cli::output::{Column, Table, plain};
use crate::decision::Reason;
use crate::store::{DecisionCount, DecisionState};

/// Of what could not be read, as many are named: enough to see what is wrong with an input.
const PROBLEMS: usize = 5;

#[derive(Debug, Default, Serialize)]
pub struct Summary {
    pub webhooks: u64,
    /// Of these, what is no webhook or could not be read.
    pub unreadable: u64,
    /// The first of these.
    problems: Vec<Problem>,
    sent: BTreeMap<String, Sent>,
    ignored: BTreeMap<String, u64>,
    held: BTreeMap<String, u64>,
}

/// Something that could not be read, and where it stands.
#[derive(Debug, Serialize)]
struct Problem {
    file: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u64>,
    error: String,
}

/// Referral events with one trigger.
#[derive(Debug, Default, Serialize)]
struct Sent {
    count: u64,
    /// For each currency the sum of the prices, in minor units; wide enough for any number of them.
    sums: BTreeMap<String, i128>,
}

impl Summary {
    /// Counts what is known for good. How facts stand that may yet go on is for [`stand`](Self::stand) to say.
    pub fn add(&mut self, mapped: &Mapped) {
        self.webhooks += 1;
        if let Some(error) = &mapped.error {
            self.unreadable += 1;
            if self.problems.len() < PROBLEMS {
                self.problems.push(Problem { file: mapped.file.clone(), line: mapped.line, error: error.clone() });
            }
        }
        for shown in mapped.decisions.iter().chain(mapped.released.iter().map(|released| &released.decision)) {
            match shown {
                Shown::Send { referral_event, .. } => {
                    let view = wire::view(referral_event);
                    let sent = self.sent.entry(view.trigger).or_default();
                    sent.count += 1;
                    if let Ok(price) = view.price.parse::<i128>() {
                        *sent.sums.entry(view.currency).or_default() += price;
                    }
                }
                Shown::Ignore { reason: Reason::AlreadyReceived, .. } => {
                    *self.ignored.entry(Reason::AlreadyReceived.as_str().to_owned()).or_default() += 1;
                }
                Shown::Ignore { .. } | Shown::Hold { .. } => {}
            }
        }
    }

    /// Adds how facts stand at the end.
    pub fn stand(&mut self, decisions: &[DecisionCount]) {
        for DecisionCount { state, reason, count } in decisions {
            let reasons = match state {
                DecisionState::Ignore => &mut self.ignored,
                DecisionState::Hold => &mut self.held,
                DecisionState::Send => continue,
            };
            let reason = reason.clone().unwrap_or_default();
            *reasons.entry(reason).or_default() += u64::try_from(*count).unwrap_or(u64::MAX);
        }
    }

    pub fn table(&self) -> String {
        let mut table =
            Table::new(&[Column::text("what"), Column::number("how often"), Column::text("sums, in minor units")]);
        let mut row = |what: String, count: u64, sums: String| table.row(vec![what, count.to_string(), sums]);
        row("webhooks".to_owned(), self.webhooks, String::new());
        if self.unreadable > 0 {
            row("unreadable".to_owned(), self.unreadable, String::new());
        }
        for (trigger, sent) in &self.sent {
            row(format!("send {trigger}"), sent.count, sent.sums());
        }
        for (word, reasons) in [("ignore", &self.ignored), ("hold", &self.held)] {
            let mut sorted: Vec<_> = reasons.iter().collect();
            sorted.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
            for (reason, count) in sorted {
                row(format!("{word} {reason}"), *count, String::new());
            }
        }
        format!("{table}\n{}", self.unread())
    }

    /// A paragraph about what could not be read; nothing where there is none.
    fn unread(&self) -> String {
        if self.problems.is_empty() {
            return String::new();
        }
        let mut text = "\nnot read:\n".to_owned();
        for Problem { file, line, error } in &self.problems {
            let line = line.map(|line| format!(":{line}")).unwrap_or_default();
            text.push_str(&format!("  {}\n", plain(&format!("{file}{line}: {error}"))));
        }
        let more = self.unreadable.saturating_sub(self.problems.len() as u64);
        if more > 0 {
            text.push_str(&format!("  and {more} more; without --summary each is shown\n"));
        }
        text
    }
}

impl Sent {
    fn sums(&self) -> String {
        let sums = self.sums.iter().map(|(currency, sum)| format!("{sum} {currency}"));
        sums.collect::<Vec<_>>().join(", ")
    }
}
