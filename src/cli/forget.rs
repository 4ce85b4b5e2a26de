//! `cello-relay forget`: erases what the store holds of one person.
//!
//! Without `--yes` it only says what it would erase. What is not delivered yet still needs the person, so it erases
//! nothing until that is over; it never shows an address or a name.

use anyhow::Result;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::Exit;
use super::output::{Tone, number, plain, print, toned};
use crate::cello::wire;
use crate::config::Config;
use crate::store::{self, Forgetting, Forgotten, InTheWay};

/// A relay that runs has decided sooner than this; what it has not may be about the person, and is not found.
const SOON: SignedDuration = SignedDuration::from_secs(10);

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The provider's id of a customer, or your id of a user: then all customers of that user
    #[arg(value_name = "CUSTOMER")]
    pub name: String,
    /// Erase it; without this, only say what would be erased
    #[arg(long)]
    pub yes: bool,
}

pub async fn run(args: Args, config: &Config, json: bool) -> Result<Exit> {
    let store = store::open(&config.database_url, false)?;
    let Args { name, yes } = args;
    let forgetting = Forgetting { name: name.clone(), without_person: wire::without_person, apply: yes };
    let forgotten = store.forget(forgetting, Timestamp::now()).await?;
    let oldest = store.undecided(1).await?.pop().map(|webhook| Timestamp::now().duration_since(webhook.received_at));
    let counts = store.counts().await?;
    let undecided = if oldest > Some(SOON) { counts.undecided } else { 0 };
    let can = !forgotten.customers.is_empty() && forgotten.in_the_way.is_empty();
    if json {
        let mut object = serde_json::to_value(&forgotten)?;
        object["name"] = json!(name);
        object["erased"] = json!(yes && can);
        object["undecided"] = json!(undecided);
        object["unreadable"] = json!(counts.unreadable);
        print(&format!("{object}\n"))?;
    } else {
        let mut text = text(&name, &forgotten, yes);
        if undecided > 0 {
            text.push_str(&format!(
                "{} not decided yet, so that nobody knows whom they are about: run this again once they are\n",
                webhooks(undecided)
            ));
        }
        if counts.unreadable > 0 {
            text.push_str(&format!(
                "{} could not be read, so that nobody knows whom they are about: `cello-relay events decide` has them \
                 decided, where a newer version can\n",
                webhooks(counts.unreadable)
            ));
        }
        print(&text)?;
    }
    Ok(if can { Exit::Done } else { Exit::Findings })
}

fn webhooks(count: i64) -> String {
    number(usize::try_from(count).unwrap_or_default(), "webhook")
}

fn text(name: &str, forgotten: &Forgotten, yes: bool) -> String {
    if forgotten.customers.is_empty() {
        return format!(
            "nothing in this store is of a customer or user `{}`. Whoever has no referral code is known by the \
             provider's id of the customer alone: name that\n",
            plain(name)
        );
    }
    let Forgotten { customers, webhooks, bodies, referral_events, in_the_way } = forgotten;
    let mut text = String::new();
    for one in customers {
        let user = one.user_id.as_ref().map(|user| format!(", user {}", plain(user))).unwrap_or_default();
        let what = if one.in_directory { "address, name, country and metadata" } else { "nothing of the person" };
        text.push_str(&format!("customer {} of {}{user}: {what} in the directory\n", plain(&one.id), one.provider));
    }
    let before = webhooks - bodies;
    let before = if before > 0 { format!(" ({before} erased before)") } else { String::new() };
    text.push_str(&format!("{} about them: {} to erase{before}\n", number(*webhooks, "webhook"), bodies_of(*bodies)));
    text.push_str(&format!("address or name in {}\n", number(*referral_events, "referral event")));
    if !in_the_way.is_empty() {
        text.push_str(&format!("\n{}\n", toned("nothing was erased, because not all is over:", Tone::Bad)));
        text.extend(in_the_way.iter().map(obstacle));
        return text;
    }
    text.push_str(
        "kept: ids, the referral code, amounts, times and what was decided. They are what makes a webhook that comes \
         again a duplicate and lets a refund find its purchase, and without them the sums would not hold.\n",
    );
    text.push_str(&if yes {
        format!("{}; backups and logs of Cello and the provider are not touched\n", toned("erased", Tone::Good))
    } else {
        "nothing was changed: add --yes to erase it\n".to_owned()
    });
    text
}

fn bodies_of(bodies: usize) -> String {
    if bodies == 1 { "1 body".to_owned() } else { format!("{bodies} bodies") }
}

fn obstacle(one: &InTheWay) -> String {
    let event_id = plain(&one.event_id);
    match (one.referral_event, one.state) {
        (Some(id), "waiting" | "sending") => {
            format!(
                "  referral event {id} is {}: wait until Cello has it, or `cello-relay events discard {id}`\n",
                one.state
            )
        }
        (Some(id), state) => format!(
            "  referral event {id} is {state}: decide about it with `cello-relay events retry {id}` or `discard {id}`\n"
        ),
        (None, state) => format!(
            "  webhook {event_id} is {state}: `cello-relay events show {event_id}` tells what it waits for and until when\n"
        ),
    }
}
