//! `[chargebee.sites.NAME]`: Chargebee sites beside the unnamed one, each with credentials and a mode of its own.
//!
//! The name is the account of everything a site sends and part of its business keys, so it must never change its
//! spelling on the way from a variable or a file. No message here may show a credential.

use std::collections::BTreeMap;

use secrecy::ExposeSecret;

use super::load::Loader;
use super::problem::{Problem, Wrong};
use super::settings::{SETTINGS, Setting};
use super::{Config, Site};

/// Where the sites are in `relay.toml`.
pub(super) const TABLE: &str = "chargebee.sites";

/// Stands for the name of a site in the list of settings.
const PLACEHOLDER: &str = "NAME";

const VARIABLES: &str = "RELAY__CHARGEBEE__SITES__";

/// Business keys repeat the name, and people read them.
const LONGEST_NAME: usize = 40;

/// The setting of the list that this key of one site is, such as `chargebee.sites.NAME.mode`.
pub(super) fn setting(word: &str) -> Option<&'static Setting> {
    let key = key_of(PLACEHOLDER, word);
    SETTINGS.iter().find(|setting| setting.key == key)
}

/// The key of `credentials` or `mode`: of the unnamed site where the name is empty.
pub fn chargebee_key(site: &str, word: &str) -> String {
    if site.is_empty() { format!("chargebee.{word}") } else { key_of(site, word) }
}

pub(super) fn key_of(name: &str, word: &str) -> String {
    format!("{TABLE}.{name}.{word}")
}

/// The setting that a variable of a site is, with the key it has there; `None` for every other variable. The name of
/// the site is in upper case, as everything else is, and otherwise unchanged.
pub(super) fn named_by(variable: &str) -> Option<(&'static Setting, String)> {
    let (name, word) = variable.strip_prefix(VARIABLES)?.rsplit_once("__")?;
    let upper_case = !variable.contains(|c: char| c.is_ascii_lowercase());
    let word = word.to_ascii_lowercase();
    upper_case.then(|| Some((setting(&word)?, key_of(&name.to_ascii_lowercase(), &word))))?
}

/// For a variable that is of a site, but of no setting it has.
pub(super) fn unknown_variable(variable: &str) -> Option<Wrong> {
    let rest = variable.strip_prefix(VARIABLES.trim_end_matches('_'))?.trim_start_matches('_');
    let name = rest.rsplit_once("__").map_or(PLACEHOLDER, |(name, _)| name).to_ascii_uppercase();
    let fix = format!("write {VARIABLES}{name}__CREDENTIALS or {VARIABLES}{name}__MODE, the name in upper case");
    Some(Wrong::new(format!("{variable} names no setting"), fix))
}

pub(super) fn unknown_key(key: &str) -> Wrong {
    Wrong::new(format!("`{key}` is not a setting"), "a site has `credentials` and a `mode`")
}

/// The site of a setting, made if this is the first to name it.
///
/// # Errors
///
/// When its name cannot be one.
pub(super) fn site<'a>(key: &str, config: &'a mut Config) -> Result<&'a mut Site, Wrong> {
    let name = key.strip_prefix(TABLE).and_then(|rest| rest.strip_prefix('.')?.rsplit_once('.'));
    let name = name.map_or("", |(name, _)| name);
    check_name(name)?;
    Ok(config.chargebee.sites.entry(name.to_owned()).or_default())
}

pub(super) fn check_name(name: &str) -> Result<(), Wrong> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
    if !name.is_empty() && name.len() <= LONGEST_NAME && name.chars().all(allowed) {
        return Ok(());
    }
    let what = format!("{name:?} cannot be the name of a Chargebee site");
    let fix = format!("use 1 to {LONGEST_NAME} of the characters a-z, 0-9, `-` and `_`, as in [{TABLE}.eu]");
    Err(Wrong::new(what, fix))
}

/// A webhook is of the site whose credentials it comes with, so no two may have the same.
pub(super) fn check_pairs(loader: &Loader) -> Vec<Problem> {
    let chargebee = &loader.config.chargebee;
    let mut owners: BTreeMap<&str, &str> = BTreeMap::new();
    let mut problems: Vec<Problem> = Vec::new();
    for (name, site) in chargebee.all_sites() {
        for pair in site.credentials {
            let owner = *owners.entry(pair.expose_secret()).or_insert(name);
            if owner == name {
                continue;
            }
            let keys = [owner, name].map(|name| chargebee_key(name, "credentials"));
            let what =
                format!("`{}` and `{}` have the same pair, so a webhook would not say its site", keys[0], keys[1]);
            let places: Vec<&str> = keys.iter().filter_map(|key| loader.places.get(key).map(String::as_str)).collect();
            let wrong =
                Wrong::new(what, "choose another password for one of the sites, here and in its Chargebee webhook");
            problems.push(wrong.at(places.join("; ")));
        }
    }
    problems.dedup();
    problems
}

/// A site that can send nothing is a name written wrongly, or a secret that is not mounted.
pub(super) fn require_credentials(loader: &Loader) -> Vec<Problem> {
    let sites = loader.config.chargebee.sites.iter().filter(|(_, site)| site.credentials.is_empty());
    let missing = sites.filter(|(name, _)| !loader.places.contains_key(&key_of(name, "credentials")));
    missing
        .map(|(name, _)| {
            let key = key_of(name, "credentials");
            let fix = format!("give `{key}`, or remove the site; is its name spelled as everywhere else?");
            let place =
                loader.places.get(&format!("{TABLE}.{name}")).or_else(|| loader.places.get(&key_of(name, "mode")));
            Wrong::new(format!("`{key}` is not set"), fix).at(place.map_or("relay.toml", String::as_str))
        })
        .collect()
}
