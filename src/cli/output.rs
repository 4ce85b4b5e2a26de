//! How commands show things to people: tables that fit the terminal, colour where there is one.
//!
//! What comes from elsewhere goes through [`plain`] first: nobody's message may move the cursor or change colours.

use std::fmt;
use std::io::{self, ErrorKind, IsTerminal, Write};

use anstyle::{AnsiColor, Style};
use comfy_table::{Attribute, Cell, CellAlignment, Color, ContentArrangement, LineStyle, TableStyle};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use jiff::Timestamp;

/// One line, below the titles.
const UNDER_THE_HEADER: TableStyle = TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

/// One column of a table.
pub struct Column {
    title: &'static str,
    alignment: CellAlignment,
}

impl Column {
    pub fn text(title: &'static str) -> Self {
        Self { title, alignment: CellAlignment::Left }
    }

    pub fn number(title: &'static str) -> Self {
        Self { title, alignment: CellAlignment::Right }
    }
}

/// A table without lines between rows, wrapped to the width of the terminal; as wide as it wants to be where there is
/// no terminal, so that other programs find one row on one line.
pub struct Table(comfy_table::Table);

impl Table {
    pub fn new(columns: &[Column]) -> Self {
        let mut table = comfy_table::Table::new();
        // A terminal that does not know its width says 0.
        let arrangement = match table.width() {
            Some(0) => ContentArrangement::Disabled,
            _ => ContentArrangement::Dynamic,
        };
        table
            .load_style(UNDER_THE_HEADER)
            .set_content_arrangement(arrangement)
            .set_header(columns.iter().map(|column| column.title));
        for (index, column) in columns.iter().enumerate() {
            if let Some(shown) = table.column_mut(index) {
                shown.set_cell_alignment(column.alignment);
            }
        }
        Self(table)
    }

    pub fn row(&mut self, cells: Vec<String>) {
        self.0.add_row(cells);
    }

    /// Whether the terminal is wide enough for every row to take one line; true where there is none.
    pub fn fits(&self) -> bool {
        let columns = self.0.column_max_content_widths();
        // A blank on each side, and one between two columns.
        let width: usize = columns.iter().map(|width| usize::from(*width) + 3).sum();
        self.0.width().is_none_or(|terminal| terminal == 0 || width <= usize::from(terminal) + 1)
    }

    /// A row of which some cells say how something stands.
    pub fn toned_row(&mut self, cells: Vec<Toned>) {
        self.0.add_row(cells.into_iter().map(|(text, tone)| {
            let cell = Cell::new_owned(text);
            match tone {
                Some(Tone::Good) => cell.fg(Color::DarkGreen),
                Some(Tone::Open) => cell.fg(Color::DarkYellow),
                Some(Tone::Bad) => cell.fg(Color::DarkRed),
                Some(Tone::Faint) => cell.add_attribute(Attribute::Dim),
                Some(Tone::Title) => cell.add_attribute(Attribute::Bold),
                None => cell,
            }
        }));
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How something stands, shown as a colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    Good,
    /// Not over yet, or worth a look.
    Open,
    Bad,
    /// Over, and nothing came of it.
    Faint,
    Title,
}

/// A cell, and how what it says stands.
pub type Toned = (String, Option<Tone>);

/// A row on two lines, the first of `first` cells, for terminals that are too narrow for a table: what is broken over
/// several lines can neither be read nor copied.
pub fn two_lines(cells: &[Toned], first: usize) -> String {
    let shown = |cells: &[Toned]| {
        let filled = cells.iter().filter(|(text, _)| !text.is_empty());
        let toned = filled.map(|(text, tone)| tone.map_or_else(|| text.clone(), |tone| toned(text, tone)));
        toned.collect::<Vec<_>>().join("  ")
    };
    let (head, rest) = cells.split_at(first.min(cells.len()));
    format!("{}\n    {}\n", shown(head), shown(rest))
}

/// `text` in the colour of `tone`; [`print()`] takes the colour out again where it is not wanted.
pub fn toned(text: &str, tone: Tone) -> String {
    let style = match tone {
        Tone::Good => AnsiColor::Green.on_default(),
        Tone::Open => AnsiColor::Yellow.on_default(),
        Tone::Bad => AnsiColor::Red.on_default().bold(),
        Tone::Faint => Style::new().dimmed(),
        Tone::Title => Style::new().bold(),
    };
    format!("{style}{text}{style:#}")
}

/// `text` on one line, without anything that a terminal would obey.
pub fn plain(text: &str) -> String {
    text.chars().map(|char| if char.is_control() { ' ' } else { char }).collect()
}

/// In UTC, to the second, as RFC 3339 has it.
pub fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// `1 webhook`, `2 webhooks`.
pub fn number(count: usize, of: &str) -> String {
    format!("{count} {of}{}", if count == 1 { "" } else { "s" })
}

/// How far long work has come, in the form of `template`: on standard error, and only where that is a terminal.
pub fn progress(length: Option<u64>, template: &str) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(length, ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template(template);
    style.map(|style| bar.clone().with_style(style)).unwrap_or(bar)
}

/// Whether a person looks at the standard output.
pub fn is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Prints to the standard output. That whoever reads it has heard enough, as `head` has, is no error.
pub fn print(text: &str) -> io::Result<()> {
    let mut output = anstream::stdout().lock();
    match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_would_obey_is_left() {
        assert_eq!(plain("bad\u{1b}[2Jthing\r\n\u{9b}1m"), "bad [2Jthing   1m");
    }
}
