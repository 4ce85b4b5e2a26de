//! What all webhooks of a run came to, on one screen: how often what would be sent, with the sums of money, and how
//! often what is ignored or held.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Mapped, Shown};
use crate::cello::wire;
use crate::cli::output::{Column, Table, number};
use crate::decision::Reason;
use crate::store::{DecisionCount, DecisionState};

/// Rows for the reasons of what is ignored, and of what is held: a screen has 24.
const REASONS: usize = 5;
/// Currencies in a row.
const CURRENCIES: usize = 4;

#[derive(Debug, Default, Serialize)]
pub struct Summary {
    pub webhooks: u64,
    /// Of these, what is no webhook or could not be read.
    pub unreadable: u64,
    sent: BTreeMap<String, Sent>,
    ignored: BTreeMap<String, u64>,
    held: BTreeMap<String, u64>,
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
        self.unreadable += u64::from(mapped.error.is_some());
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
            // The row that would say that there is one more has room for that one.
            let shown = if sorted.len() > REASONS { REASONS - 1 } else { REASONS };
            let rest = sorted.split_off(shown.min(sorted.len()));
            for (reason, count) in sorted {
                row(format!("{word} {reason}"), *count, String::new());
            }
            if !rest.is_empty() {
                let count = rest.iter().map(|(_, count)| **count).sum();
                row(format!("{word}: {}", number(rest.len(), "other reason")), count, String::new());
            }
        }
        format!("{table}\n")
    }
}

impl Sent {
    fn sums(&self) -> String {
        let shown = self.sums.iter().take(CURRENCIES).map(|(currency, sum)| format!("{sum} {currency}"));
        let more = self.sums.len().saturating_sub(CURRENCIES);
        let more = (more > 0).then(|| format!("and {more} more with --json --summary"));
        shown.chain(more).collect::<Vec<_>>().join(", ")
    }
}
