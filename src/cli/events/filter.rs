//! Which webhooks or referral events are meant: one filter for `list` and for every command that changes something.

use clap::builder::PossibleValuesParser;
use jiff::Timestamp;

use super::super::moment::moment;
use crate::providers::{chargebee, stripe};
use crate::referral_event::Trigger;
use crate::store::EventFilter;

#[derive(Debug, Clone, Default, clap::Args)]
pub struct Filter {
    /// Only those of this provider
    #[arg(long, value_parser = [stripe::NAME, chargebee::NAME])]
    pub provider: Option<String>,
    /// Only those with this trigger
    #[arg(long, value_parser = PossibleValuesParser::new(Trigger::WORDS))]
    pub trigger: Option<String>,
    /// Only those whose webhook arrived then or later: a day such as 2026-11-01, or a time such as 2026-11-01T12:00:00Z
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub since: Option<Timestamp>,
    /// Only those whose webhook arrived before then
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub until: Option<Timestamp>,
    /// Only those of the customer with this id at the provider
    #[arg(long, value_name = "ID")]
    pub customer: Option<String>,
    /// Only those of this user, or of this organization, in your own product
    #[arg(long, value_name = "ID")]
    pub user: Option<String>,
    /// Only those that carry this referral code
    #[arg(long, value_name = "UCC")]
    pub code: Option<String>,
    /// Only those of the invoice with this id at the provider
    #[arg(long, value_name = "ID")]
    pub invoice: Option<String>,
    /// Only those whose last attempt ended with a message that contains this, in upper or lower case
    #[arg(long, value_name = "TEXT")]
    pub message: Option<String>,
}

/// Every argument above, by its name.
pub const FILTERS: [&str; 9] =
    ["provider", "trigger", "since", "until", "customer", "user", "code", "invoice", "message"];

impl Filter {
    /// As the store understands it: those in `state`, and with `reason`, if these are given.
    pub fn of(&self, state: Option<String>, reason: Option<String>, limit: usize) -> EventFilter {
        let Self { provider, trigger, since, until, customer, user, code, invoice, message } = self.clone();
        EventFilter { state, provider, trigger, since, until, customer, user, code, invoice, message, reason, limit }
    }

    /// What to say where nothing is chosen: `no referral event of stripe is dead and as you want it`.
    pub fn nothing(&self, what: &str, state: &str, has_reason: bool) -> String {
        let of = self.provider.as_ref().map(|provider| format!(" of {provider}")).unwrap_or_default();
        let others = Self { provider: None, ..self.clone() };
        let such = if others.is_empty() && !has_reason { "" } else { " and as you want it" };
        format!("{what}{of} is {state}{such}")
    }

    pub fn is_empty(&self) -> bool {
        let Self { provider, trigger, since, until, customer, user, code, invoice, message } = self;
        [provider, trigger, customer, user, code, invoice, message].iter().all(|text| text.is_none())
            && since.or(*until).is_none()
    }
}
