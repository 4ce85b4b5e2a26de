//! Lets the directory learn from a webhook or look-up, and says what thereby became known.

use jiff::Timestamp;

use super::code::{FRESH, topics_of_answer, withheld_topics};
use crate::attribution::{attribute, customer_topic, erase_person, merge, payment_topic, subscription_topic, unseen};
use crate::facts::{CodeAnswer, KnownCode, KnownSubscription, Learned, PaymentLink, Scope};
use crate::store::{Ledger, StoreError};

/// Writes what a webhook or look-up taught into the directory. Returns the topics that became known or
/// changed, so that what waits for them can go on.
pub fn learn(
    ledger: &mut dyn Ledger,
    scope: &Scope,
    learned: &[Learned],
    organization_mode: bool,
) -> Result<Vec<String>, StoreError> {
    let mut topics = Vec::new();
    for learned in learned {
        match learned {
            Learned::Customer(customer) => {
                let known = ledger.customer(scope, &customer.id)?;
                let merged = merge(known.clone(), customer, organization_mode);
                if attribute(known.as_ref(), organization_mode) != attribute(Some(&merged), organization_mode) {
                    topics.push(customer_topic(scope, &customer.id));
                    // What was withheld for the code it had is no longer withheld for that one.
                    let former = known.and_then(|known| known.ucc).filter(|ucc| merged.ucc.as_ref() != Some(ucc));
                    topics.extend(former.iter().flat_map(|ucc| withheld_topics(ucc)));
                }
                ledger.put_customer(scope, &merged)?;
            }
            Learned::CustomerDeleted { id } => {
                let mut known = ledger.customer(scope, id)?.unwrap_or_else(|| unseen(id));
                known.deleted = true;
                erase_person(&mut known);
                ledger.put_customer(scope, &known)?;
            }
            Learned::Subscription(subscription) => {
                let known = ledger.subscription(scope, &subscription.id)?;
                let reported = known.as_ref().and_then(|known| known.reported.clone());
                let state = known.as_ref().map(|known| known.subscription.commercial_state());
                if known.is_none_or(|known| known.subscription.version <= subscription.version) {
                    if state != Some(subscription.commercial_state()) {
                        topics.push(subscription_topic(scope, &subscription.id));
                    }
                    let known = KnownSubscription { subscription: subscription.clone(), reported };
                    ledger.put_subscription(scope, &known)?;
                }
            }
            Learned::Price(plan) => ledger.put_price(scope, plan)?,
            Learned::Payment(_) => {}
            Learned::Link(PaymentLink { payment, invoice, .. }) => {
                // One payment may settle several invoices. The first by its id stands for them, whichever came first.
                if ledger.invoice_of_payment(scope, payment)?.is_none_or(|known| *invoice < known) {
                    ledger.put_payment(scope, payment, invoice)?;
                    topics.push(payment_topic(scope, payment));
                }
            }
        }
    }
    Ok(topics)
}

/// Keeps what Cello answered about a code at `now`, and forgets older answers. Returns the topics that became known.
pub fn learn_code(ledger: &mut dyn Ledger, answer: &CodeAnswer, now: Timestamp) -> Result<Vec<String>, StoreError> {
    ledger.forget_codes(now.saturating_sub(FRESH).unwrap_or(Timestamp::MIN))?;
    ledger.put_code(&KnownCode { answer: answer.clone(), asked_at: now })?;
    Ok(topics_of_answer(answer))
}
