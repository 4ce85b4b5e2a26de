//! Loading: `relay.toml`, then variables, then mounted files; the later wins.
//!
//! Every problem is gathered, so that a person puts all of them right at once. The environment is an argument. No
//! message quotes a line of a file or the value of a variable, since either may be a secret.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::check::{self, Purpose};
use super::field::{Field, Given, not_blank, word};
use super::problem::{ConfigError, Problem, Wrong, nearest};
use super::settings::{SETTINGS, Setting, find};
use super::{Config, PlanWords, sites};
use crate::interval::Interval;

/// Read when no file is named, if it is there.
const FILE: &str = "relay.toml";

const PREFIX: &str = "RELAY__";

impl Config {
    /// The settings from `file`, which must exist, or else from `relay.toml` in the working directory, if there is
    /// one; then from `environment`. Only what `purpose` needs is required, but everything given is checked.
    pub fn load<K, V>(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (K, V)>,
        purpose: Purpose,
    ) -> Result<Self, ConfigError>
    where
        K: Into<OsString>,
        V: Into<OsString>,
    {
        let (config, problems) = Self::inspect(file, environment, purpose);
        if problems.is_empty() { Ok(config) } else { Err(ConfigError { problems }) }
    }

    /// As [`load`](Self::load), but for finding out how far the settings are usable: what is wrong, and the settings
    /// without it. Nothing may run on settings with a problem.
    pub fn inspect<K, V>(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (K, V)>,
        purpose: Purpose,
    ) -> (Self, Vec<Problem>)
    where
        K: Into<OsString>,
        V: Into<OsString>,
    {
        let mut loader = Loader::default();
        let default = Path::new(FILE);
        if let Some(path) = file.or_else(|| default.exists().then_some(default)) {
            loader.file(path);
        }
        loader.environment(environment.into_iter().map(|(name, value)| (name.into(), value.into())));
        check::check(&mut loader, purpose);
        (loader.config, loader.problems)
    }
}

/// What is loaded so far.
#[derive(Default)]
pub(super) struct Loader {
    pub config: Config,
    pub problems: Vec<Problem>,
    /// Where each setting was given last, also where it was refused; by key, with the name of the site where it is of one.
    pub places: BTreeMap<String, String>,
}

impl Loader {
    fn file(&mut self, path: &Path) {
        let name = path.display().to_string();
        match fs::read_to_string(path) {
            Ok(text) => File { name, text: &text, loader: self }.load(),
            Err(problem) => self.problems.push(
                Wrong::new(
                    format!("the settings file cannot be read: {problem}"),
                    "correct the path, or let the user that runs this program read the file",
                )
                .at(name),
            ),
        }
    }

    fn environment(&mut self, environment: impl Iterator<Item = (OsString, OsString)>) {
        let ours: BTreeMap<String, OsString> = environment
            .map(|(name, value)| (name.to_string_lossy().into_owned(), value))
            .filter(|(name, _)| name.starts_with(PREFIX))
            .collect();
        for (name, value) in &ours {
            if let Err(wrong) = self.variable(name, value, &ours) {
                self.problems.push(wrong.at(name));
            }
        }
    }

    fn variable(&mut self, name: &str, value: &OsString, all: &BTreeMap<String, OsString>) -> Result<(), Wrong> {
        let text = || value.to_str().ok_or_else(|| Wrong::new("the variable is not UTF-8", "give it as UTF-8 text"));
        if let Some((setting, key)) = named_by(name) {
            let text = text()?;
            return self.text(setting, key, name.to_owned(), text);
        }
        let named =
            name.strip_suffix("_FILE").and_then(|base| named_by(base).map(|(setting, key)| (base, setting, key)));
        let Some((base, setting, key)) = named else {
            return Err(unknown_variable(name));
        };
        if all.contains_key(base) {
            let what = format!("`{key}` is given twice, as {base} and as {name}");
            return Err(Wrong::new(what, "remove one of the two variables"));
        }
        let path = not_blank(&key, text()?.to_owned())?;
        let content = fs::read_to_string(&path).map_err(|problem| {
            let what = format!("the file for `{key}` cannot be read: {path}: {problem}");
            Wrong::new(what, "correct the path, or let the user that runs this program read the file")
        })?;
        let content = content.strip_suffix('\n').unwrap_or(&content);
        let content = content.strip_suffix('\r').unwrap_or(content);
        self.text(setting, key, format!("{path}, named by {name}"), content)
    }

    /// A value from a variable or a mounted file.
    fn text(&mut self, setting: &'static Setting, key: String, place: String, text: &str) -> Result<(), Wrong> {
        self.places.insert(key.clone(), place);
        if matches!(setting.field, Field::Plans) {
            let what = "`plans` cannot be given in the environment";
            return Err(Wrong::new(what, "write a table for each plan into relay.toml"));
        }
        let text = not_blank(&key, text.to_owned())?;
        match setting.field.parse(&text) {
            Some(given) => setting.field.accept(&key, given, &mut self.config),
            None => Err(setting.field.wrong_form(&key)),
        }
    }
}

/// The setting that a variable is, and its key.
fn named_by(variable: &str) -> Option<(&'static Setting, String)> {
    let mut others = SETTINGS.iter().filter(|setting| !setting.is_of_site());
    let other = others.find(|setting| setting.variable() == variable);
    other.map(|setting| (setting, setting.key.to_owned())).or_else(|| sites::named_by(variable))
}

fn unknown_variable(name: &str) -> Wrong {
    if let Some(wrong) = sites::unknown_variable(name) {
        return wrong;
    }
    let key = name.trim_start_matches(PREFIX).replace("__", ".");
    let fix = match nearest(&key, keys()).and_then(find) {
        Some(setting) => format!("write {}, if that is what was meant; else remove the variable", setting.variable()),
        None => "remove the variable".into(),
    };
    Wrong::new(format!("{name} names no setting"), fix)
}

/// One TOML file on its way into the configuration.
struct File<'a> {
    name: String,
    text: &'a str,
    loader: &'a mut Loader,
}

impl File<'_> {
    fn load(mut self) {
        let (table, errors) = DeTable::parse_recoverable(self.text);
        let start = |error: &toml::de::Error| error.span().map_or(0, |span| span.start);
        // What follows the first error is mostly caused by it. Its own text is printed without the line it is about.
        let Some(error) = errors.iter().min_by_key(|error| start(error)) else {
            return self.table("", table.get_ref());
        };
        let (line, column) = position(self.text, start(error));
        let wrong = Wrong::new(
            format!("the file is not TOML: {}", error.message()),
            "correct the line; texts stand in quotes, sections in [brackets]",
        );
        self.loader.problems.push(wrong.at(format!("{}:{line}:{column}", self.name)));
    }

    fn table(&mut self, prefix: &str, table: &DeTable<'_>) {
        for (name, value) in table {
            let key = format!("{prefix}{}", name.get_ref());
            let place = self.place(name);
            let outcome = match (find(&key), value.get_ref()) {
                (Some(setting), DeValue::Table(plans)) if matches!(setting.field, Field::Plans) => {
                    self.plans(plans);
                    Ok(())
                }
                (Some(setting), value) => self.setting(setting, key, place.clone(), value),
                (None, DeValue::Table(table)) if key == sites::TABLE => {
                    self.sites(table);
                    Ok(())
                }
                (None, _) if key == sites::TABLE => Err(Wrong::new(
                    format!("`{key}` is a table of sites, not a setting"),
                    format!("write a line such as [{key}.eu] and the site's `credentials` and `mode` below it"),
                )),
                (None, DeValue::Table(section)) if sections().any(|known| known == key) => {
                    self.table(&format!("{key}."), section);
                    Ok(())
                }
                (None, _) if sections().any(|known| known == key) => Err(Wrong::new(
                    format!("`{key}` is a section, not a setting"),
                    format!("write [{key}] and its settings below it"),
                )),
                (None, _) => Err(unknown_key(&key)),
            };
            if let Err(wrong) = outcome {
                self.loader.problems.push(wrong.at(place));
            }
        }
    }

    fn setting(
        &mut self,
        setting: &'static Setting,
        key: String,
        place: String,
        value: &DeValue<'_>,
    ) -> Result<(), Wrong> {
        self.loader.places.insert(key.clone(), place);
        let given = given(value).ok_or_else(|| setting.field.wrong_form(&key))?;
        setting.field.accept(&key, given, &mut self.loader.config)
    }

    fn sites(&mut self, sites: &DeTable<'_>) {
        for (name, value) in sites {
            let place = self.place(name);
            self.loader.places.insert(format!("{}.{}", sites::TABLE, name.get_ref()), place.clone());
            if let Err(wrong) = self.site(name.get_ref(), value.get_ref()) {
                self.loader.problems.push(wrong.at(place));
            }
        }
    }

    /// `Err` is about the site as a whole; what is wrong within it has its own place.
    fn site(&mut self, name: &str, value: &DeValue<'_>) -> Result<(), Wrong> {
        sites::check_name(name)?;
        let DeValue::Table(table) = value else {
            let what = format!("`{}.{name}` is a site, not a setting", sites::TABLE);
            return Err(Wrong::new(what, format!("write [{}.{name}] and its settings below it", sites::TABLE)));
        };
        self.loader.config.chargebee.sites.entry(name.to_owned()).or_default();
        for (word, value) in table {
            let (key, place) = (sites::key_of(name, word.get_ref()), self.place(word));
            let outcome = match sites::setting(word.get_ref()) {
                Some(setting) => self.setting(setting, key, place.clone(), value.get_ref()),
                None => Err(sites::unknown_key(&key)),
            };
            if let Err(wrong) = outcome {
                self.loader.problems.push(wrong.at(place));
            }
        }
        Ok(())
    }

    fn plans(&mut self, plans: &DeTable<'_>) {
        for (id, value) in plans {
            let key = format!("plans.\"{}\"", id.get_ref());
            let mut words = PlanWords::default();
            let DeValue::Table(table) = value.get_ref() else {
                let wrong = Field::Plans.wrong_form(&key);
                self.loader.problems.push(wrong.at(self.place(id)));
                continue;
            };
            for (name, value) in table {
                if let Err(wrong) = plan_word(&key, name.get_ref(), value.get_ref(), &mut words) {
                    self.loader.problems.push(wrong.at(self.place(name)));
                }
            }
            self.loader.config.plans.insert(id.get_ref().to_string(), words);
        }
    }

    fn place<T>(&self, at: &Spanned<T>) -> String {
        format!("{}:{}", self.name, position(self.text, at.span().start).0)
    }
}

fn plan_word(key: &str, name: &str, value: &DeValue<'_>, words: &mut PlanWords) -> Result<(), Wrong> {
    let key = format!("{key}.{name}");
    let known = ["interval", "product_key"];
    if !known.contains(&name) {
        return Err(Wrong::new(format!("`{key}` is not a setting"), "a plan has an `interval` and a `product_key`"));
    }
    let text = match value.as_str() {
        Some(text) => not_blank(&key, text.to_owned())?,
        None => return Err(Wrong::new(format!("`{key}` must be a text"), "write it in quotes")),
    };
    if name == "interval" {
        word(&key, &text, &Interval::ALL.map(Interval::as_str))?;
        words.interval = Interval::parse(&text);
    } else {
        words.product_key = Some(text);
    }
    Ok(())
}

fn given(value: &DeValue<'_>) -> Option<Given> {
    match value {
        DeValue::String(text) => Some(Given::Text(text.to_string())),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix()).ok().map(Given::Number),
        DeValue::Boolean(flag) => Some(Given::Flag(*flag)),
        DeValue::Array(values) => {
            let texts = values.iter().map(|value| value.get_ref().as_str().map(ToOwned::to_owned));
            texts.collect::<Option<_>>().map(Given::Texts)
        }
        DeValue::Float(_) | DeValue::Datetime(_) | DeValue::Table(_) => None,
    }
}

fn unknown_key(key: &str) -> Wrong {
    let fix = match nearest(key, keys().chain(sections())) {
        Some(meant) => format!("write `{meant}`, if that is what was meant; else remove it"),
        None => "remove it".into(),
    };
    Wrong::new(format!("`{key}` is not a setting"), fix)
}

/// Those with a fixed name.
fn keys() -> impl Iterator<Item = &'static str> {
    SETTINGS.iter().filter(|setting| !setting.is_of_site()).map(|setting| setting.key)
}

fn sections() -> impl Iterator<Item = &'static str> {
    SETTINGS.iter().filter_map(|setting| setting.key.split_once('.').map(|(section, _)| section))
}

/// Line and column of a byte, both from 1.
fn position(text: &str, byte: usize) -> (usize, usize) {
    let before = text.get(..byte).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}
