//! What is wrong with a rules file, told so that it can be mended without reading anything else: what, where,
//! what to do.

use std::fmt;
use std::ops::Range;

/// Everything that is wrong with one rules file, in the order of its lines.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, serde::Serialize)]
pub struct RulesError {
    /// The file's name as the operator knows it.
    pub source_name: String,
    pub findings: Vec<Finding>,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Finding {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
    /// The line it stands in.
    pub text: String,
    /// Characters that are wrong, at least 1.
    pub width: usize,
}

impl Finding {
    /// `at` counts bytes of `file`; what lies beyond the end of its first line is left out.
    pub(super) fn new(file: &str, at: Range<usize>, message: impl Into<String>, help: Option<String>) -> Self {
        let start = file.floor_char_boundary(at.start);
        let line_start = file[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let line_end = file[start..].find('\n').map_or(file.len(), |newline| start + newline);
        let end = file.floor_char_boundary(at.end).clamp(start, line_end);
        Self {
            line: file[..start].matches('\n').count() + 1,
            column: file[line_start..start].chars().count() + 1,
            message: message.into(),
            help,
            text: file[line_start..line_end].trim_end().to_owned(),
            width: file[start..end].chars().count().max(1),
        }
    }
}

impl fmt::Display for RulesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, finding) in self.findings.iter().enumerate() {
            if index > 0 {
                f.write_str("\n\n")?;
            }
            let Finding { line, column, message, help, text, width } = finding;
            writeln!(f, "{}:{line}:{column}: {message}", self.source_name)?;
            let number = line.to_string();
            let gutter = " ".repeat(number.len());
            // A tab before the place is kept, so that the caret stands under it in any terminal.
            let indent: String =
                text.chars().take(column - 1).map(|char| if char == '\t' { '\t' } else { ' ' }).collect();
            writeln!(f, " {gutter} |")?;
            writeln!(f, " {number} | {text}")?;
            write!(f, " {gutter} | {indent}{}", "^".repeat(*width))?;
            if let Some(help) = help {
                write!(f, "\n {gutter} = {help}")?;
            }
        }
        Ok(())
    }
}

/// The candidate that `word` was probably meant to be.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let near = |candidate: &'a str| (strsim::jaro_winkler(word, candidate), candidate);
    let best = candidates.into_iter().map(near).max_by(|a, b| a.0.total_cmp(&b.0));
    best.filter(|(likeness, _)| *likeness >= 0.8).map(|(_, candidate)| candidate)
}

/// What to write instead of `word`: the nearest candidate, else the list of them.
pub(super) fn instead(word: &str, candidates: &[&str]) -> String {
    match nearest(word, candidates.iter().copied()) {
        Some(candidate) => format!("did you mean `{candidate}`?"),
        None => format!("use one of: {}", candidates.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_within_a_letter_or_beyond_the_end_is_still_a_place() {
        let place = |at| {
            let Finding { line, column, width, .. } = Finding::new("a\näb", at, "", None);
            (line, column, width)
        };
        assert_eq!(place(3..3), (2, 1, 1));
        assert_eq!(place(2..5), (2, 1, 2));
        assert_eq!(place(99..100), (2, 3, 1));
        assert_eq!(place(0..99), (1, 1, 1), "only the first line");
    }
}
