//! Everything the store has about whoever or whatever is asked about, oldest first, and nothing of others.
//!
//! It only reads.

use std::collections::BTreeSet;

use anyhow::Result;

use super::super::choose::holds;
use super::super::show::Moment;
use super::Asked;
use super::found::{Found, of_life};
use crate::decision::Reason;
use crate::store::{Life, LifeDecision, ScopedCustomer, Store, StoreError};

/// Everything the answer rests on.
pub struct Past {
    pub customers: Vec<ScopedCustomer>,
    pub found: Vec<Found>,
}

impl Past {
    pub async fn of(store: &dyn Store, asked: &Asked, moment: &Moment) -> Result<Self, StoreError> {
        let mut lives = named(store, asked.id()).await?;
        let mut customers = match asked {
            Asked::Invoice(_) => vec![],
            Asked::Customer(id) | Asked::User(id) => store.customers(id).await?,
        };
        customers.retain(|known| match asked {
            Asked::User(id) => [&known.customer.user_id, &known.customer.organization_id].contains(&&Some(id.clone())),
            Asked::Customer(id) | Asked::Invoice(id) => known.customer.id == *id,
        });
        if let Asked::User(_) = asked {
            for known in &customers {
                lives.extend(named(store, &known.customer.id).await?);
            }
        }
        let asked_about: BTreeSet<i64> = lives.iter().map(|life| life.webhook_id).collect();
        let elsewhere = told_elsewhere(&lives);
        for key in &elsewhere {
            lives.extend(store.life(key).await?);
        }
        lives.sort_by_key(|life| life.webhook_id);
        lives.dedup_by_key(|life| life.webhook_id);
        let of_another = |life: &Life, found: &Found| {
            !asked_about.contains(&life.webhook_id) && !found.key.as_ref().is_some_and(|key| elsewhere.contains(key))
        };
        let mut found: Vec<Found> = lives
            .iter()
            .flat_map(|life| of_life(life, &lives, moment).into_iter().filter(move |found| !of_another(life, found)))
            .collect();
        match asked {
            Asked::Invoice(id) => {
                only_of_invoice(&mut found, id);
                customers = whose(store, &found).await?;
            }
            Asked::Customer(id) => only_of_customers(&mut found, &BTreeSet::from([id.as_str()]), None),
            Asked::User(id) => {
                let ids = customers.iter().map(|known| known.customer.id.as_str()).collect();
                only_of_customers(&mut found, &ids, Some(id));
            }
        }
        found.sort_by_key(|found| found.happened_at);
        Ok(Self { customers, found })
    }
}

/// The webhooks that are kept under `id`, without the one of which the referral event with that number came: an invoice
/// may have such a number, too.
async fn named(store: &dyn Store, id: &str) -> Result<Vec<Life>, StoreError> {
    let mut lives = store.life(id).await?;
    let number: Option<i64> = id.parse().ok();
    lives.retain(|life| {
        let names = |decision: &LifeDecision| {
            decision.customer.as_deref() == Some(id)
                || decision.key.as_deref().is_some_and(|key| key.split(':').any(|part| part == id))
        };
        let is_numbered = life.referral_events.iter().any(|event| Some(event.id) == number);
        let is_named = || {
            life.event_id == id
                || life.decisions.iter().any(names)
                || life.referral_events.iter().any(|event| holds(&event.body, id))
        };
        !is_numbered || is_named()
    });
    Ok(lives)
}

/// The keys of what these webhooks repeat and none of them was told for.
fn told_elsewhere(lives: &[Life]) -> BTreeSet<String> {
    let told: BTreeSet<&String> = lives.iter().flat_map(|life| &life.referral_events).map(|event| &event.key).collect();
    let repeated = lives.iter().flat_map(|life| &life.decisions);
    let repeated = repeated.filter(|one| one.reason.as_deref() == Some(Reason::AlreadyReported.as_str()));
    repeated.filter_map(|one| one.key.clone()).filter(|key| !told.contains(key)).collect()
}

/// One webhook may tell of two invoices, or have brought a signup along that nobody asked about. Where the id is not that
/// of an invoice, everything stays.
fn only_of_invoice(found: &mut Vec<Found>, id: &str) {
    if found.iter().any(|one| one.is_about(id)) {
        found.retain(|one| one.fact.is_empty() || one.is_about(id));
    }
}

/// A webhook may tell of several customers, and of something that it does not say whose it is: that is only told of who
/// is named by it and has no other part in it.
fn only_of_customers(found: &mut Vec<Found>, ids: &BTreeSet<&str>, user: Option<&String>) {
    let is_theirs = |one: &Found| {
        one.customer.as_deref().is_some_and(|customer| ids.contains(customer))
            || one.referral_event.as_ref().is_some_and(|sent| Some(&sent.subject) == user)
    };
    let theirs: BTreeSet<String> = found.iter().filter(|one| is_theirs(one)).map(|one| one.event_id.clone()).collect();
    found.retain(|one| is_theirs(one) || one.customer.is_none() && !ids.is_empty() && !theirs.contains(&one.event_id));
}

async fn whose(store: &dyn Store, found: &[Found]) -> Result<Vec<ScopedCustomer>, StoreError> {
    let named: BTreeSet<_> = found.iter().filter_map(|one| Some((&one.provider, one.customer.as_ref()?))).collect();
    let mut customers = Vec::new();
    for (provider, customer) in named {
        let known = store.customers(customer).await?.into_iter();
        customers.extend(known.filter(|one| one.customer.id == *customer && one.scope.provider == *provider));
    }
    Ok(customers)
}
