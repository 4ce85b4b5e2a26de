//! The settings for people to read: the commented example and the README's table, both made from the list.

use super::field::Field;
use super::settings::{SETTINGS, Setting};

/// A `relay.toml` with every setting, its meaning and its default. What has no default is commented out.
pub fn example() -> String {
    let mut text = String::from(
        "# Settings of cello-relay.\n#\n# Each can be given in the environment instead, which wins: server.bind as RELAY__SERVER__BIND, a list divided by\n# commas. With _FILE behind its name, a variable names a file that holds the value, for mounted secrets.\n",
    );
    let mut section = "";
    for setting in SETTINGS {
        let (of, name) = setting.key.rsplit_once('.').unwrap_or(("", setting.key));
        if of != section && !matches!(setting.field, Field::Plans) {
            let header = if setting.is_of_site() { "# [chargebee.sites.eu]".into() } else { format!("[{of}]") };
            text.push_str(&format!("\n{header}\n"));
            section = of;
        }
        text.push('\n');
        for line in setting.doc.lines() {
            text.push_str(&format!("# {line}\n"));
        }
        if matches!(setting.field, Field::Plans) {
            text.push_str("# [plans.\"price_123\"]\n# interval = \"lifetime\"\n# product_key = \"Pro\"\n");
            continue;
        }
        match setting.default() {
            Some(default) => text.push_str(&format!("{name} = {default}\n")),
            None => text.push_str(&format!("# Not set: {}.\n# {name} = {}\n", setting.unset, setting.sample)),
        }
    }
    text
}

/// The list of settings as a Markdown table.
pub fn settings_table() -> String {
    let mut table = String::from("| Environment | In `relay.toml` | Default | Meaning |\n|---|---|---|---|\n");
    for setting in SETTINGS {
        let default = match setting.default() {
            Some(default) => format!("`{}`", plain(&default)),
            None => format!("none: {}", setting.unset),
        };
        let meaning = setting.doc.replace('\n', " ");
        table.push_str(&format!("| {} | `{}` | {default} | {meaning} |\n", variable(setting), setting.key));
    }
    table
}

fn variable(setting: &Setting) -> String {
    match setting.field {
        Field::Plans => "-".into(),
        _ if setting.is_list() => format!("`{}` (comma-separated)", setting.variable()),
        _ => format!("`{}`", setting.variable()),
    }
}

/// A value as a variable would have it: without quotes, lists divided by commas.
fn plain(value: &str) -> String {
    value.trim_matches(['[', ']']).split(", ").map(|part| part.trim_matches('"')).collect::<Vec<_>>().join(",")
}
