//! `events why`: why something was, or was not, sent to Cello, for people who answer customers.
//!
//! The answer comes first, then what it rests on, oldest first, then what to do. It reads and never changes anything.
//! Of a person it shows the ids and the referral code, and neither address nor name.

mod advice;
mod answer;
mod found;
mod past;

use std::fmt::Write;

use anyhow::Result;
use jiff::Timestamp;
use serde::Serialize;

use super::super::Exit;
use super::super::output::{Tone, plain, print, time, toned};
use super::show::Moment;
use crate::attribution::{Attribution, attribute};
use crate::config::Metadata;
use crate::store::{ScopedCustomer, Store};
use answer::{Answer, Verdict};
use found::Found;
use past::Past;

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub struct Args {
    /// The provider's id of a customer, such as cus_…
    #[arg(long, value_name = "ID")]
    pub customer: Option<String>,
    /// The provider's id of an invoice, such as in_…; of a sale without an invoice, its payment intent or session
    #[arg(long, value_name = "ID")]
    pub invoice: Option<String>,
    /// The id of a user, or of an organization, in your own product
    #[arg(long, value_name = "ID")]
    pub user: Option<String>,
}

/// What is asked about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Asked {
    Customer(String),
    Invoice(String),
    User(String),
}

impl Asked {
    fn id(&self) -> &str {
        match self {
            Self::Customer(id) | Self::Invoice(id) | Self::User(id) => id,
        }
    }

    /// `the customer cus_1`
    fn words(&self) -> String {
        let kind = match self {
            Self::Customer(_) => "customer",
            Self::Invoice(_) => "invoice",
            Self::User(_) => "user",
        };
        format!("the {kind} {}", plain(self.id()))
    }
}

/// Everything that is shown; the `--json` form is this.
#[derive(Debug, Serialize)]
struct Page {
    asked: Asked,
    answer: Verdict,
    text: String,
    customers: Vec<Customer>,
    found: Vec<Found>,
    to_do: Vec<String>,
}

/// What the directory knows of a customer, without what is personal.
#[derive(Debug, Serialize)]
struct Customer {
    provider: String,
    account: String,
    id: String,
    referral: &'static str,
    ucc: Option<String>,
    user_id: Option<String>,
    organization_id: Option<String>,
    /// Since when code and user id are there.
    since: Option<Timestamp>,
    deleted: bool,
    #[serde(skip)]
    text: String,
}

pub async fn run(store: &dyn Store, args: Args, keys: &Metadata, json: bool) -> Result<Exit> {
    let Args { customer, invoice, user } = args;
    let Some(asked) = customer.map(Asked::Customer).or(invoice.map(Asked::Invoice)).or(user.map(Asked::User)) else {
        return Ok(Exit::CouldNotRun);
    };
    let moment = Moment { now: Timestamp::now(), pause: store.pause().await? };
    let past = Past::of(store, &asked, &moment).await?;
    let Answer { verdict, text, to_do } = answer::answer(&asked, &past, keys);
    let customers = past.customers.iter().map(|known| Customer::of(known, keys.organization_mode)).collect();
    let page = Page { asked, answer: verdict, text, customers, found: past.found, to_do };
    print(&if json { serde_json::to_string(&page)? + "\n" } else { page.text() })?;
    Ok(if page.answer == Verdict::Unknown { Exit::Findings } else { Exit::Done })
}

impl Customer {
    fn of(known: &ScopedCustomer, organization_mode: bool) -> Self {
        let ScopedCustomer { scope, customer } = known;
        let attribution = attribute(Some(customer), organization_mode);
        let since = match &attribution {
            Attribution::Referred(referral) => referral.signed_up_at(),
            _ => None,
        };
        let code = customer.ucc.as_deref().map(plain).unwrap_or_default();
        let user = customer.user_id.as_deref().map(plain).unwrap_or_default();
        let (referral, words) = match &attribution {
            Attribution::Referred(referral) => {
                let of = match &referral.organization_id {
                    Some(organization) => format!("organization {} (user {user})", plain(organization)),
                    None => format!("user {user}"),
                };
                let since = since.map(|since| format!(", since {}", time(since))).unwrap_or_default();
                ("referred", format!("referred by the code {code} as {of}{since}"))
            }
            Attribution::NotReferred => ("not_referred", "not referred: there is no referral code on it".to_owned()),
            Attribution::UserIdMissing => {
                ("user_id_missing", format!("has the code {code} and no user id, and Cello needs both"))
            }
            Attribution::OrganizationIdMissing => (
                "organization_id_missing",
                format!("has the code {code} and the user id {user}, and no organization id, which is needed here"),
            ),
            Attribution::Unseen => ("unseen", "nothing has told what is on it".to_owned()),
        };
        let deleted = if customer.deleted { "; deleted at the provider, or forgotten here" } else { "" };
        let account =
            if scope.account.is_empty() { String::new() } else { format!(", account {}", plain(&scope.account)) };
        Self {
            text: format!("{} of {}{account}: {words}{deleted}", plain(&customer.id), scope.provider),
            provider: scope.provider.clone(),
            account: scope.account.clone(),
            id: customer.id.clone(),
            referral,
            ucc: customer.ucc.clone(),
            user_id: customer.user_id.clone(),
            organization_id: customer.organization_id.clone(),
            since,
            deleted: customer.deleted,
        }
    }
}

impl Page {
    fn text(&self) -> String {
        let tone = match self.answer {
            Verdict::Yes => Tone::Good,
            Verdict::NotYet | Verdict::Unsure => Tone::Open,
            Verdict::No | Verdict::Unknown => Tone::Bad,
        };
        // The first word tells most of it.
        let (first, rest) = self.text.split_once(' ').unwrap_or((&self.text, ""));
        let mut text = format!("{} {rest}\n", toned(first, tone));
        // Writing to a text cannot fail.
        let _ = self.write_rest(&mut text);
        text
    }

    fn write_rest(&self, text: &mut String) -> std::fmt::Result {
        if !self.customers.is_empty() {
            writeln!(text, "\n{}", toned("What is known of the customer", Tone::Title))?;
            for customer in &self.customers {
                writeln!(text, "  {}", customer.text)?;
            }
        }
        if !self.found.is_empty() {
            writeln!(text, "\n{}", toned("What was found, oldest first", Tone::Title))?;
            for found in &self.found {
                writeln!(text, "  {}  {}\n      {}", time(found.happened_at), found.what, found.outcome)?;
            }
            if self.found.iter().any(|found| found.price.is_some()) {
                writeln!(
                    text,
                    "  (Amounts are in the currency's smallest unit, as the provider gives them: 1900 EUR are 19.00, 1900 \
                     JPY are 1900.)"
                )?;
            }
        }
        writeln!(text, "\n{}", toned("What to do", Tone::Title))?;
        for line in &self.to_do {
            writeln!(text, "  {line}")?;
        }
        Ok(())
    }
}
