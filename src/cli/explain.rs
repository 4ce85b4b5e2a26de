//! Why a decision is as it is, as lines for people: the reason, the trace, the warnings.
//!
//! One form for `map` and `events show`.

use super::output::{Tone, plain, toned};
use crate::decision::{Reason, Warning, WarningCode};
use crate::trace::{Origin, Trace};

/// A label and a text.
pub type Line = (&'static str, String);

/// The reason in words and what its code means in general; nothing for what is sent.
pub fn reason(reason: Option<&str>, message: &str) -> Vec<Line> {
    let why = Some(("why", plain(message))).filter(|_| !message.is_empty());
    let means = reason.and_then(Reason::parse).map(|reason| ("means", reason.meaning().to_owned()));
    why.into_iter().chain(means).collect()
}

pub fn warning(warning: &Warning) -> Vec<Line> {
    let code = toned(&plain(&warning.code), Tone::Open);
    let told = ("warning", format!("{code}: {}", plain(&warning.message)));
    let means = WarningCode::parse(&warning.code).map(|code| ("means", code.meaning().to_owned()));
    [Some(told), means].into_iter().flatten().collect()
}

/// What was recognised, where each value is from, which rules were tried.
pub fn trace(trace: &Trace) -> Vec<Line> {
    let first = |index: usize, label: &'static str| if index == 0 { label } else { "" };
    let mut lines = vec![("saw", plain(&trace.recognised))];
    let name_width = trace.values.iter().map(|origin| origin.name.chars().count()).max().unwrap_or(0);
    let value_width = trace.values.iter().map(|origin| value(origin).chars().count()).max().unwrap_or(0).min(MAX_VALUE);
    for (index, origin) in trace.values.iter().enumerate() {
        let (name, told) = (plain(&origin.name), &origin.told);
        let text = format!("{name:name_width$}  {:value_width$}  {}: {}", value(origin), told.source, plain(&told.by));
        lines.push((first(index, "values"), text));
    }
    for (index, tried) in trace.rules.iter().enumerate() {
        lines.push((first(index, "rules"), format!("{}  {}", plain(&tried.rule), plain(&tried.result))));
    }
    lines
}

/// Longer values push what stands behind them to the right rather than all others.
const MAX_VALUE: usize = 40;

fn value(origin: &Origin) -> String {
    origin.value.as_deref().map_or("-".to_owned(), plain)
}
