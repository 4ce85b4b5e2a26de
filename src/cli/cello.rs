//! `cello-relay cello …`: asks Cello directly, with the login of the relay.
//!
//! For setting up and for finding out, apart from the river: nothing here reads or writes the store. It must never show
//! a token unasked, and has no command that deletes or erases anything at Cello.

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Subcommand;
use serde::Serialize;
use serde_json::{Value, json};

use super::{Exit, Trouble};
use crate::cello::{ActiveLink, CallError, Client, LoginError, NewUserReward, Outcome, ReferralCode, Sent, Token};
use crate::config::{Config, Environment};

#[derive(Debug, Subcommand)]
pub enum CelloCommand {
    /// Log in, and show how long the token lasts
    ///
    /// With --json: one object.
    Token {
        /// Print the token itself; whoever has it can do everything in Cello's API
        #[arg(long)]
        show: bool,
    },
    /// Ask whose referral code this is, and whether it counts
    ///
    /// With --json: one object.
    Code {
        /// The referral code, of eleven letters and digits
        ucc: String,
    },
    /// Ask for the referral link of a user of your product
    ///
    /// With --json: one object.
    Link {
        /// Your id of the user
        user: String,
    },
    /// Ask which discount a referred user gets
    ///
    /// With --json: one object.
    Reward {
        /// Your id of the referred user
        user: String,
    },
    /// Send the body of one referral event, the `referral_event` of `map --json`, and show what Cello answers
    ///
    /// Cello counts it like any other. Nothing of it is kept here, and no relay knows of it. With --json: one object.
    Send {
        /// The file with the body, or `-` for standard input; it is sent byte for byte
        file: PathBuf,
    },
}

/// What a command found: for people in lines, for programs as one object.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    pub exit: Exit,
    /// Label and value; shown aligned.
    pub lines: Vec<(&'static str, String)>,
    pub json: Value,
}

/// Runs `command` and prints its report.
///
/// # Errors
///
/// A [`Trouble`] when Cello could not be asked.
pub async fn run(command: CelloCommand, config: &Config, json: bool) -> Result<Exit> {
    let report = ask(command, config).await?;
    if json {
        anstream::println!("{}", report.json);
    } else {
        anstream::print!("{}", report.text());
    }
    Ok(report.exit)
}

/// Runs `command` and prints nothing.
///
/// # Errors
///
/// As [`run`].
pub async fn ask(command: CelloCommand, config: &Config) -> Result<Report> {
    let cello = &config.cello;
    if cello.base_url.is_empty() {
        return Err(Trouble {
            what: "there is no Cello to ask".into(),
            place: "the settings: `cello.base_url` is empty".into(),
            fix:
                "set `cello.environment` (RELAY__CELLO__ENVIRONMENT) to `sandbox` or `production`, and the access keys"
                    .into(),
        }
        .into());
    }
    let client =
        Client::new(&cello.base_url, &cello.access_key_id, cello.secret_access_key.clone(), cello.request_timeout)?;
    let trouble = |error: CallError| trouble(error, config);
    Ok(match command {
        CelloCommand::Token { show } => match client.token().await {
            Ok(token) => logged_in(&token, show, config),
            Err(error @ LoginError::Refused { .. }) => refused(&error, config),
            Err(error) => return Err(trouble(error.into()).into()),
        },
        CelloCommand::Code { ucc } => code(&client.referral_code(&ucc).await.map_err(trouble)?, &ucc),
        CelloCommand::Link { user } => link(&client.active_link(&user).await.map_err(trouble)?),
        CelloCommand::Reward { user } => reward(&client.new_user_reward(&user).await.map_err(trouble)?),
        CelloCommand::Send { file } => sent(&client.send(&read_body(&file)?).await),
    })
}

impl Report {
    /// The lines, aligned.
    pub fn text(&self) -> String {
        let width = self.lines.iter().map(|(label, _)| label.len()).max().unwrap_or_default();
        self.lines.iter().map(|(label, value)| format!("{label:width$}  {value}\n")).collect()
    }
}

fn logged_in(token: &Token, show: bool, config: &Config) -> Report {
    let lifetime = token.lifetime.map(|lifetime| lifetime.as_secs());
    let mut lines = vec![
        ("login", "works".to_owned()),
        ("at", place(config)),
        ("lifetime", lifetime.map_or("not stated".into(), |seconds| format!("{seconds} s"))),
    ];
    let mut json = json!({ "login": "works", "base_url": config.cello.base_url, "lifetime_seconds": lifetime });
    if show {
        lines.push(("token", token.expose().to_owned()));
        json["token"] = token.expose().into();
    }
    Report { exit: Exit::Done, lines, json }
}

fn refused(error: &LoginError, config: &Config) -> Report {
    let message = match error {
        LoginError::Refused { status, message } => format!("{status}: {message}"),
        LoginError::Unavailable { problem, .. } => problem.clone(),
    };
    let lines = vec![
        ("login", format!("refused ({message})")),
        ("at", place(config)),
        ("key", config.cello.access_key_id.clone()),
        ("fix", error.fix().to_owned()),
    ];
    let json = json!({
        "login": "refused", "base_url": config.cello.base_url, "message": message, "fix": error.fix(),
    });
    Report { exit: Exit::Findings, lines, json }
}

fn code(code: &ReferralCode, ucc: &str) -> Report {
    let valid = code.valid == Some(true);
    let verdict = match (valid, &code.product_user_id) {
        (true, _) => "yes".to_owned(),
        (false, Some(_)) => "no: its owner is blocked".to_owned(),
        (false, None) => {
            "no: Cello does not know it here; a typing error, or a code of the other environment".to_owned()
        }
    };
    let mut lines = vec![("code", code.code.clone().unwrap_or_else(|| ucc.to_owned())), ("valid", verdict)];
    push(&mut lines, "owner", code.product_user_id.as_deref());
    push(&mut lines, "campaign", code.campaign_id.as_deref());
    Report { exit: if valid { Exit::Done } else { Exit::Findings }, lines, json: to_json(code) }
}

fn link(link: &ActiveLink) -> Report {
    let mut lines = Vec::new();
    push(&mut lines, "link", link.link.as_deref());
    push(&mut lines, "code", link.active_ucc.as_deref());
    let exit = if lines.is_empty() { Exit::Findings } else { Exit::Done };
    if lines.is_empty() {
        lines.push(("link", "none".into()));
    }
    Report { exit, lines, json: to_json(link) }
}

fn reward(reward: &NewUserReward) -> Report {
    let eligible = reward.eligible == Some(true);
    let mut lines = vec![("eligible", if eligible { "yes" } else { "no" }.to_owned())];
    let details = reward.reward.as_ref().filter(|details| !details.is_null()).map(Value::to_string);
    push(&mut lines, "reward", details.as_deref());
    push(&mut lines, "signup", reward.signup_at.as_deref());
    push(&mut lines, "code", reward.referral_ucc.as_deref());
    push(&mut lines, "campaign", reward.campaign_id.as_deref());
    Report { exit: Exit::Done, lines, json: to_json(reward) }
}

fn sent(sent: &Sent) -> Report {
    let after = match sent.outcome {
        Outcome::Retry { after } => after.map(|after| after.as_secs()),
        Outcome::Delivered | Outcome::Rejected | Outcome::Unsure => None,
    };
    let mut lines = vec![("outcome", sent.outcome.as_str().to_owned())];
    push(&mut lines, "status", sent.status.map(|status| status.to_string()).as_deref());
    lines.push(("message", sent.message.clone()));
    push(&mut lines, "retry after", after.map(|seconds| format!("{seconds} s")).as_deref());
    push(&mut lines, "request id", sent.request_id.as_deref());
    let json = json!({
        "outcome": sent.outcome.as_str(),
        "login": sent.login,
        "status": sent.status,
        "message": sent.message,
        "retry_after_seconds": after,
        "request_id": sent.request_id,
    });
    let exit = match sent.outcome {
        Outcome::Delivered => Exit::Done,
        // Cello was not reached, so nothing was found out about the event.
        Outcome::Retry { .. } if sent.status.is_none() => Exit::CouldNotRun,
        Outcome::Retry { .. } | Outcome::Rejected | Outcome::Unsure => Exit::Findings,
    };
    Report { exit, lines, json }
}

/// The text of `file`, which must be JSON: nothing else can be a body.
fn read_body(file: &Path) -> Result<String, Trouble> {
    let standard_input = file == Path::new("-");
    let place = if standard_input { "standard input".to_owned() } else { file.display().to_string() };
    let text = if standard_input {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        std::fs::read_to_string(file)
    };
    let text = text.map_err(|error| Trouble {
        what: format!("the body cannot be read: {error}"),
        place: place.clone(),
        fix: "name a file that holds the body of one referral event, or `-` for standard input".into(),
    })?;
    match serde_json::from_str::<serde::de::IgnoredAny>(&text) {
        Ok(_) => Ok(text),
        Err(error) => Err(Trouble {
            what: format!("the body is not JSON, so it was not sent: {error}"),
            place: format!("{place}:{}:{}", error.line(), error.column()),
            fix: "take the body as `cello-relay map` prints it".into(),
        }),
    }
}

fn trouble(error: CallError, config: &Config) -> Trouble {
    let fix = match &error {
        CallError::Login(login) => login.fix(),
        CallError::Id(_) => "give the code or user id as it stands in Cello",
        CallError::Answer { .. } => "check the id and the environment",
        CallError::Unreadable { .. } => "check `cello.base_url`; something else than Cello may answer there",
        CallError::Transport(_) => "check `cello.base_url` and the network",
    };
    let what = match &error {
        // Its own sentence ends with the fix.
        CallError::Login(LoginError::Refused { status, message }) => {
            format!("Cello refused the login ({status}: {message})")
        }
        other => other.to_string(),
    };
    Trouble { what, place: place(config), fix: fix.to_owned() }
}

fn place(config: &Config) -> String {
    let environment = match config.cello.environment {
        Environment::Sandbox => "sandbox",
        Environment::Production => "production",
        Environment::Local => "local stand-in",
    };
    format!("{} ({environment})", config.cello.base_url)
}

fn push(lines: &mut Vec<(&'static str, String)>, label: &'static str, value: Option<&str>) {
    if let Some(value) = value {
        lines.push((label, value.to_owned()));
    }
}

/// These types have only texts as keys, so that nothing can fail; if it did, there would be nothing to show.
fn to_json(value: &impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}
