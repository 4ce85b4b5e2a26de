//! Forgetting a person: what is erased of them, what stays, and what stands in the way.
//!
//! Ids, codes, amounts, times and decisions stay: they are what makes a webhook that comes again a duplicate, lets a
//! refund find its purchase, and keeps both equations true. It never erases what is still needed to tell Cello something.

use std::collections::BTreeSet;

use serde::Serialize;

use super::{Life, ScopedCustomer, WebhookState, WithoutPerson};
use crate::attribution::erase_person;
use crate::facts::{KnownCustomer, Scope};

/// Whom to forget.
#[derive(Debug, Clone)]
pub struct Forgetting {
    /// The provider's id of a customer, or the operator's id of a user or organization: then all its customers.
    pub name: String,
    pub without_person: WithoutPerson,
    /// Else it is only told what would be erased.
    pub apply: bool,
}

/// What was, or would be, erased of a person.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Forgotten {
    /// Empty when nothing is known of such a person.
    pub customers: Vec<ForgottenCustomer>,
    /// All webhooks that are about these customers.
    pub webhooks: usize,
    /// Those whose body is erased now.
    pub bodies: usize,
    /// Referral events from whose bodies the address and the name are taken.
    pub referral_events: usize,
    /// What is not over: as long as there is any, nothing is erased.
    pub in_the_way: Vec<InTheWay>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ForgottenCustomer {
    pub provider: String,
    pub account: String,
    pub id: String,
    pub user_id: Option<String>,
    /// Whether the directory knows more of the person than ids, code and times.
    pub in_directory: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InTheWay {
    /// The provider's id of the webhook.
    pub event_id: String,
    /// The referral event that is not over; `None` where it is the webhook itself.
    pub referral_event: Option<i64>,
    /// Its state.
    pub state: &'static str,
}

/// The customers to forget, known to the directory or only named by decisions in these scopes.
pub fn customers(known: Vec<ScopedCustomer>, scopes: Vec<Scope>, name: &str) -> Vec<ScopedCustomer> {
    let mut customers = known;
    for scope in scopes {
        if !customers.iter().any(|one| one.scope == scope && one.customer.id == name) {
            let customer = KnownCustomer { id: name.to_owned(), ..KnownCustomer::default() };
            customers.push(ScopedCustomer { scope, customer });
        }
    }
    customers
}

/// What is known of a customer, without the person. No later webhook teaches the person again.
pub fn without_person(known: &KnownCustomer) -> KnownCustomer {
    let mut known = KnownCustomer { deleted: true, ..known.clone() };
    erase_person(&mut known);
    known
}

impl Forgotten {
    pub fn of(customers: &[ScopedCustomer], lives: &[Life], without_person: WithoutPerson) -> Self {
        let events = || lives.iter().flat_map(|life| &life.referral_events);
        Self {
            customers: customers.iter().map(ForgottenCustomer::of).collect(),
            webhooks: lives.len(),
            bodies: lives.iter().filter(|life| life.body_erased_at.is_none()).count(),
            referral_events: events().filter(|event| without_person(&event.body.to_string()).is_some()).count(),
            in_the_way: lives.iter().flat_map(in_the_way).collect(),
        }
    }
}

impl ForgottenCustomer {
    fn of(one: &ScopedCustomer) -> Self {
        let KnownCustomer { id, user_id, email, name, country, metadata, .. } = &one.customer;
        Self {
            provider: one.scope.provider.clone(),
            account: one.scope.account.clone(),
            id: id.clone(),
            user_id: user_id.clone(),
            in_directory: [email, name, country].into_iter().any(Option::is_some) || !metadata.is_empty(),
        }
    }
}

/// Numbers of the webhooks whose body is there.
pub fn with_body(lives: &[Life]) -> Vec<i64> {
    lives.iter().filter(|life| life.body_erased_at.is_none()).map(|life| life.webhook_id).collect()
}

/// Each webhook once, in order of arrival.
pub fn once(webhooks: impl IntoIterator<Item = i64>) -> Vec<i64> {
    webhooks.into_iter().collect::<BTreeSet<_>>().into_iter().collect()
}

fn in_the_way(life: &Life) -> Vec<InTheWay> {
    let of = |referral_event, state| InTheWay { event_id: life.event_id.clone(), referral_event, state };
    let webhook = matches!(life.state, WebhookState::Undecided | WebhookState::Held).then(|| life.state.as_str());
    let events = life.referral_events.iter().filter(|event| !event.state.is_over());
    let events = events.map(|event| of(Some(event.id), event.state.as_str()));
    webhook.map(|state| of(None, state)).into_iter().chain(events).collect()
}
