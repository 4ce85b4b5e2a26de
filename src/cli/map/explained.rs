//! How each decision of a mapped webhook came about, as paragraphs for people.

use super::{Mapped, Shown};
use crate::cli::explain::{self, Line};
use crate::cli::output::{Tone, plain, toned};

impl Mapped {
    /// A paragraph for each decision, with a blank line before it.
    pub fn explained(&self) -> String {
        let own = self.decisions.iter().map(|decision| (self.event_id.as_deref().unwrap_or_default(), decision));
        let released = self.released.iter().map(|released| (released.event_id.as_str(), &released.decision));
        let paragraph = |(event_id, decision): (&str, &Shown)| {
            let (title, lines) = decision.explained();
            let title = toned(&plain(&format!("{event_id}: {title}")), Tone::Title);
            let lines: String = lines.into_iter().map(|(label, text)| format!("  {label:7}  {text}\n")).collect();
            format!("\n{title}\n{lines}")
        };
        own.chain(released).map(paragraph).collect()
    }
}

impl Shown {
    /// A title, and why.
    fn explained(&self) -> (String, Vec<Line>) {
        let (title, trace, before, after) = match self {
            Self::Send { key, trace, warnings, .. } => {
                (format!("send {key}"), trace, vec![], warnings.iter().flat_map(explain::warning).collect())
            }
            Self::Ignore { reason, message, trace } => {
                (format!("ignore, {reason}"), trace, explain::reason(Some(reason.as_str()), message), vec![])
            }
            Self::Hold { reason, message, trace } => {
                (format!("hold, {reason}"), trace, explain::reason(Some(reason.as_str()), message), vec![])
            }
        };
        (title, [before, explain::trace(trace), after].concat())
    }
}
