//! What the relay's directory knows of a fact that waits for a look-up, as a look-up would have told it then.
//!
//! Pure. It must never tell of a moment what became so later: a customer whose code came afterwards had none.

use jiff::Timestamp;

use crate::attribution::{Attribution, attribute};
use crate::facts::{Customer, Detail, Fact, KnownCustomer, Learned, ReferralData};
use crate::store::{About, Known};

/// What a look-up could tell about `fact`.
pub fn about(fact: &Fact) -> About {
    let mut about = About { customer: fact.customer.clone(), ..About::default() };
    match &fact.detail {
        Detail::InvoicePaid(invoice) => {
            about.subscription = invoice.subscription.clone();
            match invoice.stated_by.is_sale() {
                true => about.payments.push(invoice.id.clone()),
                false => about.invoice = Some(invoice.id.clone()),
            }
            about.prices = invoice.plan.price_id.iter().chain(&invoice.price_ids).cloned().collect();
        }
        Detail::PaymentRefunded(refund) => about.payments = refund.payments.clone(),
        Detail::CustomerSeen { .. }
        | Detail::CustomerDeleted
        | Detail::SubscriptionStarted(_)
        | Detail::SubscriptionChanged { .. }
        | Detail::SubscriptionEnded(_) => {}
    }
    about
}

/// The customer without referral data, where that became complete only after `now`: later than that, or later than the
/// relay learned of the customer, since `waited` says that it did not decide at once.
pub fn not_yet(there: &Known, here: &Known, now: Timestamp, waited: bool) -> Option<Learned> {
    let customer = there.customer.as_ref().filter(|_| here.customer.is_none())?;
    let completed_at = customer.completed_at?;
    // A version before all others: whatever a webhook tells is newer.
    let before = || Customer {
        referral: ReferralData::default(),
        version: 1,
        email: None,
        name: None,
        completed_at: None,
        ..seen(customer, now)
    };
    (completed_at > now || waited).then(|| Learned::Customer(before()))
}

/// What is known there and not known `here`.
pub fn learned(there: Known, here: Known, now: Timestamp, organization_mode: bool) -> Vec<Learned> {
    let mut learned = Vec::new();
    let now_ms = now.as_millisecond();
    if let Some(mut known) = there.subscription.filter(|_| here.subscription.is_none()) {
        // A state of later stands in only where no price tells how often is paid.
        if known.subscription.version <= now_ms || there.prices.is_empty() {
            known.subscription.version = known.subscription.version.min(now_ms);
            learned.push(Learned::Subscription(known.subscription));
        }
    }
    learned.extend(there.prices.into_iter().filter(|price| !here.prices.contains(price)).map(Learned::Price));
    let links = there.links.into_iter().filter(|link| !here.links.contains(link));
    learned.extend(links.map(Learned::Link));
    if let Some(customer) = &there.customer {
        let (known, knew) = (attribute(Some(customer), organization_mode), here.customer.as_ref());
        let is_news = match attribute(knew, organization_mode) {
            Attribution::Unseen => known != Attribution::Unseen,
            Attribution::Referred(_) => false,
            _ => matches!(known, Attribution::Referred(_)),
        };
        if is_news {
            learned.push(Learned::Customer(seen(customer, now)));
        }
    }
    learned
}

fn seen(known: &KnownCustomer, now: Timestamp) -> Customer {
    let known = known.clone();
    Customer {
        id: known.id,
        referral: ReferralData { ucc: known.ucc, user_id: known.user_id, organization_id: known.organization_id },
        email: known.email,
        name: known.name,
        metadata: known.metadata,
        country: known.country,
        created_at: known.created_at,
        version: known.version.min(now.as_millisecond()),
        completed_at: known.completed_at,
        replaced: None,
    }
}
