//! The kinds of settings: how each is read from text, checked, put into the configuration, and shown.
//!
//! A check here is about one value alone and never repeats a value that could be a secret.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use reqwest::Url;
use secrecy::SecretString;

use super::problem::{Wrong, nearest};
use super::{Config, sites};
use crate::facts::Mode;

/// A place in the configuration.
type Slot<T> = fn(&mut Config) -> &mut T;

pub(super) enum Field {
    Address(Slot<String>),
    /// With `https` wherever it leads off this machine, since keys are sent there.
    Url(Slot<String>),
    /// Without white space.
    Token(Slot<String>),
    Text(Slot<String>),
    Path(Slot<Option<PathBuf>>),
    Count(RangeInclusive<u64>, Slot<usize>),
    Rate(RangeInclusive<u64>, Slot<u32>),
    MaybeRate(RangeInclusive<u64>, Slot<Option<u32>>),
    Seconds(RangeInclusive<u64>, Slot<Duration>),
    Hours(RangeInclusive<u64>, Slot<Duration>),
    Days(RangeInclusive<u64>, Slot<Duration>),
    Flag(Slot<bool>),
    Word {
        words: &'static [&'static str],
        /// Only called with one of the words.
        set: fn(&mut Config, &str),
        get: fn(&Config) -> Option<String>,
    },
    Texts(Slot<Vec<String>>),
    Secret(fn(&mut Config, SecretString)),
    Secrets(Slot<Vec<SecretString>>),
    /// `user:password`.
    Credentials(Slot<Vec<SecretString>>),
    /// The same of one of several sites, whose name is in the key.
    SiteCredentials,
    SiteMode,
    /// A table of tables, which only `relay.toml` can hold.
    Plans,
}

/// A value as it was given, its form known and its content not yet checked.
pub(super) enum Given {
    Text(String),
    Number(i64),
    Flag(bool),
    Texts(Vec<String>),
}

impl Field {
    pub fn is_secret(&self) -> bool {
        matches!(self, Self::Secret(_) | Self::Secrets(_) | Self::Credentials(_) | Self::SiteCredentials)
    }

    /// Whether its key stands for one of each site.
    pub fn is_of_site(&self) -> bool {
        matches!(self, Self::SiteCredentials | Self::SiteMode)
    }

    pub fn is_list(&self) -> bool {
        matches!(self, Self::Texts(_) | Self::Secrets(_) | Self::Credentials(_) | Self::SiteCredentials)
    }

    /// A value from a variable or a mounted file. `None` where it has not the form.
    pub fn parse(&self, text: &str) -> Option<Given> {
        match self {
            Self::Count(..)
            | Self::Rate(..)
            | Self::MaybeRate(..)
            | Self::Seconds(..)
            | Self::Hours(..)
            | Self::Days(..) => text.trim().parse().ok().map(Given::Number),
            Self::Flag(_) => text.trim().parse().ok().map(Given::Flag),
            // Secrets keep their spaces, so that a stray one is told and not guessed at.
            Self::Texts(_) => Some(Given::Texts(text.split(',').map(|part| part.trim().to_owned()).collect())),
            Self::Secrets(_) | Self::Credentials(_) | Self::SiteCredentials => {
                Some(Given::Texts(text.split(',').map(ToOwned::to_owned).collect()))
            }
            _ => Some(Given::Text(text.to_owned())),
        }
    }

    /// Checks a value and puts it in its place.
    pub fn accept(&self, key: &str, given: Given, config: &mut Config) -> Result<(), Wrong> {
        match (self, given) {
            (Self::Address(slot), Given::Text(text)) => *slot(config) = address(key, text)?,
            (Self::Url(slot), Given::Text(text)) => *slot(config) = url(key, text)?,
            (Self::Token(slot), Given::Text(text)) => *slot(config) = unspaced(key, not_blank(key, text)?)?,
            (Self::Text(slot), Given::Text(text)) => *slot(config) = not_blank(key, text)?,
            (Self::Path(slot), Given::Text(text)) => *slot(config) = Some(not_blank(key, text)?.into()),
            (Self::Count(range, slot), Given::Number(number)) => *slot(config) = in_range(key, number, range)?,
            (Self::Rate(range, slot), Given::Number(number)) => *slot(config) = in_range(key, number, range)?,
            (Self::MaybeRate(range, slot), Given::Number(number)) => {
                *slot(config) = Some(in_range(key, number, range)?)
            }
            (Self::Seconds(range, slot), Given::Number(number)) => {
                *slot(config) = Duration::from_secs(in_range(key, number, range)?);
            }
            (Self::Hours(range, slot), Given::Number(number)) => {
                *slot(config) = Duration::from_secs(3600 * in_range::<u64>(key, number, range)?);
            }
            (Self::Days(range, slot), Given::Number(number)) => {
                *slot(config) = Duration::from_secs(86_400 * in_range::<u64>(key, number, range)?);
            }
            (Self::Flag(slot), Given::Flag(flag)) => *slot(config) = flag,
            (Self::Word { words, set, .. }, Given::Text(text)) => {
                word(key, &text, words)?;
                set(config, &text);
            }
            (Self::Texts(slot), Given::Texts(texts)) => *slot(config) = each(key, texts, not_blank)?,
            (Self::Secret(set), Given::Text(text)) => set(config, unspaced(key, not_blank(key, text)?)?.into()),
            (Self::Secrets(slot), Given::Texts(texts)) => {
                let secrets = each(key, texts, |key, text| unspaced(key, not_blank(key, text)?))?;
                *slot(config) = secrets.into_iter().map(SecretString::from).collect();
            }
            (Self::Credentials(slot), Given::Texts(texts)) => *slot(config) = pairs(key, texts)?,
            (Self::SiteCredentials, Given::Texts(texts)) => sites::site(key, config)?.credentials = pairs(key, texts)?,
            (Self::SiteMode, Given::Text(text)) => {
                let site = sites::site(key, config)?;
                word(key, &text, MODES)?;
                site.mode = Some(mode(&text));
            }
            _ => return Err(self.wrong_form(key)),
        }
        Ok(())
    }

    pub fn wrong_form(&self, key: &str) -> Wrong {
        let (form, fix) = match self {
            Self::Count(..)
            | Self::Rate(..)
            | Self::MaybeRate(..)
            | Self::Seconds(..)
            | Self::Hours(..)
            | Self::Days(..) => ("a whole number", "write digits alone, without quotes or unit"),
            Self::Flag(_) => ("true or false", "write true or false, without quotes"),
            Self::Texts(_) | Self::Secrets(_) | Self::Credentials(_) | Self::SiteCredentials => {
                ("a list of texts", "write it as [\"one\", \"two\"], also where it is only one")
            }
            Self::Plans => ("a table", "write a line such as [plans.\"price_123\"] and the plan's words below it"),
            _ => ("a text", "write it in quotes"),
        };
        Wrong::new(format!("`{key}` must be {form}"), fix)
    }

    /// The value as `relay.toml` would have it. `None` for what is not set, and for every secret.
    pub fn show(&self, config: &Config) -> Option<String> {
        let config = &mut config.clone();
        let quoted = |text: &str| toml::Value::from(text).to_string();
        match self {
            Self::Address(slot) | Self::Url(slot) | Self::Token(slot) | Self::Text(slot) => {
                Some(slot(config)).filter(|text| !text.is_empty()).map(|text| quoted(text))
            }
            Self::Path(slot) => slot(config).as_ref().map(|path| quoted(&path.to_string_lossy())),
            Self::Count(_, slot) => Some(slot(config).to_string()),
            Self::Rate(_, slot) => Some(slot(config).to_string()),
            Self::MaybeRate(_, slot) => slot(config).map(|rate| rate.to_string()),
            Self::Seconds(_, slot) => Some(slot(config).as_secs().to_string()),
            Self::Hours(_, slot) => Some((slot(config).as_secs() / 3600).to_string()),
            Self::Days(_, slot) => Some((slot(config).as_secs() / 86_400).to_string()),
            Self::Flag(slot) => Some(slot(config).to_string()),
            Self::Word { get, .. } => get(config).map(|word| quoted(&word)),
            Self::Texts(slot) => Some(toml::Value::from(slot(config).clone()).to_string()),
            Self::Secret(_) | Self::Secrets(_) | Self::Credentials(_) => None,
            // There may be any number of them.
            Self::SiteCredentials | Self::SiteMode | Self::Plans => None,
        }
    }
}

pub(super) fn not_blank(key: &str, text: String) -> Result<String, Wrong> {
    if text.trim().is_empty() {
        return Err(Wrong::new(format!("`{key}` is empty"), "give it a value, or remove it"));
    }
    Ok(text)
}

pub(super) fn word(key: &str, text: &str, words: &[&str]) -> Result<(), Wrong> {
    if words.contains(&text) {
        return Ok(());
    }
    let all = words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
    let fix = match nearest(text, words.iter().copied()) {
        Some(meant) => format!("write `{meant}`, if that is what was meant; the words are {all}"),
        None => format!("write one of {all}"),
    };
    Err(Wrong::new(format!("`{key}` does not know the word {text:?}"), fix))
}

fn unspaced(key: &str, text: String) -> Result<String, Wrong> {
    if text.contains(char::is_whitespace) {
        let what = format!("`{key}` holds white space, which no such key or secret has");
        return Err(Wrong::new(what, "copy it again without spaces or line breaks, within it and at its ends"));
    }
    Ok(text)
}

/// The words of `chargebee.mode` and of each site's.
pub(super) const MODES: &[&str] = &["live", "test"];

/// Only called with one of [`MODES`].
pub(super) fn mode(word: &str) -> Mode {
    if word == "live" { Mode::Live } else { Mode::Test }
}

fn pairs(key: &str, texts: Vec<String>) -> Result<Vec<SecretString>, Wrong> {
    Ok(each(key, texts, credentials)?.into_iter().map(SecretString::from).collect())
}

fn credentials(key: &str, text: String) -> Result<String, Wrong> {
    let text = not_blank(key, text)?;
    let fix = "write each pair as user:password, the user name without a colon; in a variable, commas divide pairs, \
               so a password with a comma belongs into relay.toml";
    let wrong = |what: &str| Err(Wrong::new(format!("`{key}` holds {what}"), fix));
    if text.trim() != text || text.contains(char::is_control) {
        return wrong("a pair with white space at its ends or a line break");
    }
    match text.split_once(':') {
        None => wrong("a pair without a colon"),
        Some(("", _)) => wrong("a pair with an empty user name"),
        Some((_, "")) => wrong("a pair with an empty password"),
        Some(_) => Ok(text),
    }
}

fn each(
    key: &str,
    texts: Vec<String>,
    check: impl Fn(&str, String) -> Result<String, Wrong>,
) -> Result<Vec<String>, Wrong> {
    if texts.is_empty() {
        return Err(Wrong::new(format!("`{key}` is an empty list"), "name at least one, or remove the setting"));
    }
    if texts.iter().any(|text| text.trim().is_empty()) {
        return Err(Wrong::new(format!("`{key}` holds an empty entry"), "give the entry a value, or remove it"));
    }
    texts.into_iter().map(|text| check(key, text)).collect()
}

fn in_range<T: TryFrom<i64>>(key: &str, number: i64, range: &RangeInclusive<u64>) -> Result<T, Wrong> {
    let wrong = || {
        let (least, most) = (range.start(), range.end());
        Wrong::new(format!("`{key}` cannot be {number}"), format!("choose a number from {least} to {most}"))
    };
    let allowed = u64::try_from(number).is_ok_and(|number| range.contains(&number));
    if allowed { T::try_from(number).map_err(|_| wrong()) } else { Err(wrong()) }
}

fn address(key: &str, text: String) -> Result<String, Wrong> {
    let text = not_blank(key, text)?;
    if text.parse::<SocketAddr>().is_err() {
        let fix = "write an IP address and a port, such as 127.0.0.1:8080, or 0.0.0.0:8080 for all interfaces";
        return Err(Wrong::new(format!("`{key}` is no address to listen on: {text:?}"), fix));
    }
    Ok(text)
}

fn url(key: &str, text: String) -> Result<String, Wrong> {
    let text = not_blank(key, text)?;
    let wrong = |what: &str, fix: &str| Err(Wrong::new(format!("`{key}` {what}"), fix));
    let url = match Url::parse(&text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.host_str().is_some() => url,
        _ => return wrong("is not a URL", "write one that begins with https://"),
    };
    let bare =
        url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none();
    if !bare || text.contains(char::is_whitespace) {
        return wrong("holds more than a base URL", "leave out user names, passwords, `?`, `#` and spaces");
    }
    if url.scheme() == "http" && !is_loopback(&url) {
        return wrong("would send keys unencrypted", "write https://; http:// is for this machine alone");
    }
    Ok(text.trim_end_matches('/').to_owned())
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}
