//! Goes through the files: takes them apart, has each webhook mapped, shows what came of it, and how far it is.
//!
//! One webhook at a time from beginning to end, so that neither long files nor slow readers take up memory.

use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind};
use std::path::{Path, PathBuf};

use anyhow::Result;
use indicatif::ProgressBar;

use super::documents::{Document, Documents, Layout};
use super::printing::{Form, Printer};
use super::summary::Summary;
use super::{Args, Mapped, Mapper};
use crate::cli::files::{self, is_standard_input};
use crate::cli::{Exit, chargebee_site, output};
use crate::config::Config;
use crate::rules::Rules;

/// Of the files that are taken from a folder.
const ENDINGS: &[&str] = &["json", "jsonl", "ndjson"];

/// What is read at once.
const BUFFER: usize = 256 * 1024;

/// Maps the files and prints what came of each webhook.
pub fn run(args: &Args, config: &Config, rules: Rules, json: bool) -> Result<Exit> {
    let files = files::found(&args.files, ENDINGS)?;
    let mapper = Mapper::new(config, rules)?;
    let mapper = match &args.site {
        Some(name) => mapper.of_site(name, chargebee_site(config, name)?.mode),
        None => mapper,
    };
    let form = Form::chosen(json, args.summary, files.iter().any(|file| is_standard_input(file)));
    let printer = Printer::new(form, args.explain, &files, files::base(&args.files));
    let mut run = Run { mapper, printer, summary: Summary::default(), bar: bar(&files, form) };
    let outcome = files.iter().try_for_each(|file| run.file(file)).and_then(|()| run.end());
    run.bar.finish_and_clear();
    match outcome.map_err(|error| error.downcast::<io::Error>()) {
        // Whoever reads it has heard enough, as `head` has.
        Err(Ok(error)) if error.kind() == ErrorKind::BrokenPipe => {}
        Err(Ok(error)) => return Err(error.into()),
        Err(Err(error)) => return Err(error),
        Ok(()) => {}
    }
    Ok(if run.summary.unreadable > 0 { Exit::Findings } else { Exit::Done })
}

struct Run {
    mapper: Mapper,
    printer: Printer,
    summary: Summary,
    /// In bytes, or in webhooks where standard input is read.
    bar: ProgressBar,
}

impl Run {
    fn file(&mut self, file: &Path) -> Result<()> {
        let name = file.display().to_string();
        if is_standard_input(file) {
            return self.input(io::stdin().lock(), &name, Layout::Unknown, true);
        }
        let layout = match file.extension() {
            Some(extension) if extension == "jsonl" || extension == "ndjson" => Layout::Lines,
            _ => Layout::Unknown,
        };
        match File::open(file) {
            Ok(opened) => {
                let counted = self.bar.wrap_read(opened);
                self.input(BufReader::with_capacity(BUFFER, counted), &name, layout, false)
            }
            Err(problem) => self.show(Mapped::unreadable(name, &problem)),
        }
    }

    fn input(&mut self, input: impl BufRead, name: &str, layout: Layout, is_standard_input: bool) -> Result<()> {
        let Self { mapper, printer, summary, bar } = self;
        mapper.stream(input, name, layout, is_standard_input, &mut |mapped| {
            summary.add(&mapped);
            printer.show(mapped)?;
            if is_standard_input {
                bar.inc(1);
                printer.flush()?;
            }
            Ok(())
        })
    }

    fn show(&mut self, mapped: Mapped) -> Result<()> {
        self.summary.add(&mapped);
        Ok(self.printer.show(mapped)?)
    }

    fn end(&mut self) -> Result<()> {
        if self.printer.wants_summary() {
            self.summary.stand(&self.mapper.decisions()?);
        }
        Ok(self.printer.end(&self.summary)?)
    }
}

impl Mapper {
    /// Maps all webhooks of an input, in order, and hands each to `show` before it reads the next. What is wrong with
    /// the input stands in the last that is shown.
    ///
    /// `is_standard_input`: it may never end, so nobody waits for what comes after a webhook.
    ///
    /// # Errors
    ///
    /// Those of [`body`](Self::body), and those of `show`.
    pub fn stream(
        &mut self,
        input: impl BufRead,
        name: &str,
        layout: Layout,
        is_standard_input: bool,
        show: &mut dyn FnMut(Mapped) -> Result<()>,
    ) -> Result<()> {
        let mut documents = Documents::new(input, self.limit, layout);
        let mut is_first = true;
        loop {
            let Document { line, body } = match documents.next() {
                Ok(Some(document)) => document,
                Ok(None) if is_first => {
                    let place = if is_standard_input { "the standard input" } else { "the file" };
                    let problem = format!("{place} is empty; it should hold the exact bodies of webhooks");
                    return show(Mapped::failed(name.to_owned(), None, problem));
                }
                Ok(None) => return Ok(()),
                Err(problem) => return show(Mapped::unreadable(name.to_owned(), &problem)),
            };
            // Should the rest be unreadable, then that is found when it is read.
            let is_alone = is_first && !is_standard_input && documents.is_at_end().unwrap_or(false);
            let mapped = match body {
                Some(body) => self.body(name.to_owned(), body)?,
                None => Mapped::too_long(name.to_owned(), self.limit),
            };
            show(Mapped { line: (!is_alone).then_some(line), ..mapped })?;
            is_first = false;
        }
    }
}

fn bar(files: &[PathBuf], form: Form) -> ProgressBar {
    // Lines that go by on the same terminal show well enough how far it is, and would be torn apart by a bar.
    if form != Form::Summary && output::is_terminal() {
        return ProgressBar::hidden();
    }
    if files.iter().any(|file| is_standard_input(file)) {
        return output::progress(None, "{spinner} {pos} webhooks, {per_sec}");
    }
    let length = files.iter().map(|file| file.metadata().map_or(0, |file| file.len())).sum();
    output::progress(Some(length), "{bar:30} {percent}% of {total_bytes}, {bytes_per_sec}, {eta} to go")
}
