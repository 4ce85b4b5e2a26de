//! How `map` shows what came of webhooks: as JSON, as a table of few, or line by line where there are many.
//!
//! A table has to know all its rows, so it is only for as many as a person would read; beyond that nothing is held.
//! What comes from webhooks goes through [`plain`].

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::summary::Summary;
use super::{Mapped, Shown};
use crate::cello::wire;
use crate::cli::output::{Column, Table, Toned, plain, two_lines};
use crate::decision::Reason;

/// Webhooks in one table; more are shown line by line as they come, and summed up at the end.
pub const IN_TABLE: usize = 100;

/// Characters of the columns where there are lines: enough for most, and what is longer pushes the rest aside. The first
/// is as wide as the longest path, within these limits.
const WIDTHS: [usize; 7] = [24, 30, 6, 22, 10, 3, 9];
const WIDEST_PATH: usize = 80;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// One object on each line.
    Json,
    JsonSummary,
    Table,
    Lines,
    Summary,
}

impl Form {
    /// Whoever types or pipes into standard input wants to see each line answered.
    pub fn chosen(json: bool, summary: bool, standard_input: bool) -> Self {
        match (json, summary, standard_input) {
            (true, false, _) => Self::Json,
            (true, true, _) => Self::JsonSummary,
            (false, true, _) => Self::Summary,
            (false, false, true) => Self::Lines,
            (false, false, false) => Self::Table,
        }
    }
}

pub struct Printer {
    form: Form,
    /// Rows of the table, while it is one.
    held: Vec<Vec<String>>,
    /// How each decision in the table came about: of a single webhook, or of all where that is wanted.
    explained: String,
    explain: bool,
    webhooks: usize,
    /// What the paths of all files begin with.
    base: PathBuf,
    /// Of the lines.
    widths: [usize; 7],
    output: BufWriter<Box<dyn Write>>,
}

impl Printer {
    pub fn new(form: Form, explain: bool, files: &[PathBuf], base: PathBuf) -> Self {
        let mut widths = WIDTHS;
        let paths = files.iter().map(|file| shown(file, &base).chars().count());
        widths[0] = paths.max().unwrap_or_default().clamp(WIDTHS[0], WIDEST_PATH);
        let output = BufWriter::with_capacity(64 * 1024, Box::new(anstream::stdout()) as Box<dyn Write>);
        Self { form, held: vec![], explained: String::new(), explain, webhooks: 0, base, widths, output }
    }

    pub fn show(&mut self, mapped: Mapped) -> io::Result<()> {
        self.webhooks += 1;
        match self.form {
            Form::Json => {
                serde_json::to_writer(&mut self.output, &mapped)?;
                self.output.write_all(b"\n")
            }
            Form::JsonSummary | Form::Summary => Ok(()),
            Form::Table if self.webhooks <= IN_TABLE => {
                self.held.extend(rows(&mapped, &self.base));
                if self.explain || self.webhooks == 1 {
                    self.explained += &mapped.explained();
                }
                Ok(())
            }
            Form::Table | Form::Lines => {
                self.form = Form::Lines;
                let held = std::mem::take(&mut self.held);
                held.into_iter().chain(rows(&mapped, &self.base)).try_for_each(|row| self.line(&row))?;
                if !self.explain {
                    return Ok(());
                }
                let explained = std::mem::take(&mut self.explained) + &mapped.explained();
                writeln!(self.output, "{explained}")
            }
        }
    }

    pub fn wants_summary(&self) -> bool {
        !matches!(self.form, Form::Json | Form::Table)
    }

    pub fn end(&mut self, summary: &Summary) -> io::Result<()> {
        match self.form {
            Form::Json => {}
            Form::JsonSummary => {
                serde_json::to_writer(&mut self.output, summary)?;
                self.output.write_all(b"\n")?;
            }
            Form::Table => {
                let (rows, output) = (std::mem::take(&mut self.held), &mut self.output);
                let table = table(&rows);
                if table.fits() { writeln!(output, "{table}") } else { write!(output, "{}", pairs(rows)) }?;
                if self.explain || self.webhooks == 1 {
                    self.output.write_all(self.explained.as_bytes())?;
                }
            }
            Form::Lines => write!(self.output, "\n{}", summary.table())?,
            Form::Summary => write!(self.output, "{}", summary.table())?,
        }
        self.output.flush()
    }

    pub fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }

    fn line(&mut self, cells: &[String]) -> io::Result<()> {
        let mut line = String::new();
        for (cell, width) in cells.iter().zip(self.widths) {
            line.push_str(&format!("{cell:width$}  "));
        }
        line.extend(cells.last().map(String::as_str));
        writeln!(self.output, "{line}")
    }
}

/// Each row on two lines, for terminals that are too narrow for the table.
fn pairs(rows: Vec<Vec<String>>) -> String {
    let toned = |row: Vec<String>| row.into_iter().map(|cell| (cell, None)).collect::<Vec<Toned>>();
    rows.into_iter().map(|row| two_lines(&toned(row), 2)).collect()
}

fn table(rows: &[Vec<String>]) -> Table {
    let mut table = Table::new(&[
        Column::text("file"),
        Column::text("type"),
        Column::text("decision"),
        Column::text("trigger / reason"),
        Column::number("price"),
        Column::text("currency"),
        Column::text("interval"),
        Column::text("why"),
    ]);
    rows.iter().for_each(|row| table.row(row.clone()));
    table
}

fn shown(file: &Path, base: &Path) -> String {
    file.strip_prefix(base).unwrap_or(file).display().to_string()
}

fn rows(mapped: &Mapped, base: &Path) -> Vec<Vec<String>> {
    let file = shown(Path::new(&mapped.file), base);
    let file = plain(&mapped.line.map_or_else(|| file.clone(), |line| format!("{file}:{line}")));
    let kind = plain(mapped.kind.as_deref().unwrap_or_default());
    if let Some(error) = &mapped.error {
        return vec![vec![
            file,
            kind,
            "error".into(),
            String::new(),
            String::new(),
            String::new(),
            String::new(),
            plain(error),
        ]];
    }
    let own = mapped.decisions.iter().map(|decision| (file.clone(), kind.clone(), decision));
    let released = mapped
        .released
        .iter()
        .map(|released| (String::new(), format!("↳ {}", plain(&released.event_id)), &released.decision));
    own.chain(released).map(|(file, kind, decision)| [vec![file, kind], decision.cells()].concat()).collect()
}

impl Shown {
    /// Decision, trigger or reason, price, currency, interval, why.
    fn cells(&self) -> Vec<String> {
        let waits = |word: &str, reason: &Reason, message: &str| {
            let blank = String::new;
            vec![word.into(), reason.as_str().into(), blank(), blank(), blank(), plain(message)]
        };
        match self {
            Self::Send { rule, referral_event, warnings, .. } => {
                let view = wire::view(referral_event);
                let mut why = format!("rule {rule}");
                for warning in warnings {
                    why.push_str(&format!("; {}: {}", warning.code, warning.message));
                }
                vec!["send".into(), view.trigger, view.price, view.currency, view.interval, plain(&why)]
            }
            Self::Ignore { reason, message, .. } => waits("ignore", reason, message),
            Self::Hold { reason, message, .. } => waits("hold", reason, message),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_the_table_is_too_wide_a_row_takes_two_lines_and_no_word_is_broken() {
        let row = ["03-invoice.paid.json", "invoice.paid", "send", "invoice-paid", "5500", "AUD", "", "rule purchase"];
        let shown = pairs(vec![row.map(str::to_owned).to_vec()]);
        assert_eq!(shown, "03-invoice.paid.json  invoice.paid\n    send  invoice-paid  5500  AUD  rule purchase\n");
    }
}
