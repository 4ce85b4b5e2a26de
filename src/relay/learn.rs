//! Lets the directory learn from a webhook or look-up, and says what thereby became known.

use jiff::Timestamp;

use super::code::{FRESH, topics_of_answer, withheld_topics};
use super::payments::attach;
use crate::attribution::{
    attribute, customer_topic, erase_person, invoice_payments_topic, merge, payment_topic, subscription_topic, unseen,
};
use crate::facts::{
    CodeAnswer, KnownCode, KnownSubscription, Learned, Payment, PaymentLink, Scope, Session, SessionState,
};
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
                let mut merged = merge(known.clone(), customer, organization_mode);
                merged.known_by = match (&merged.ucc, &customer.referral.user_id) {
                    (Some(_), _) => None,
                    (None, Some(user)) => ledger.customer_of_user(scope, user)?.or(merged.known_by),
                    (None, None) => merged.known_by,
                };
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
            Learned::Payment(payment) => {
                let known = ledger.payment(scope, &payment.id)?;
                let merged = merge_payment(known.clone(), payment);
                if known.as_ref() != Some(&merged) {
                    ledger.put_payment(scope, &merged)?;
                    topics.push(payment_topic(scope, &payment.id));
                }
            }
            Learned::Link(link) => {
                let known = ledger.links_of_payment(scope, &link.payment)?;
                if !known.iter().any(|known| known.invoice == link.invoice && says_as_much(known, link)) {
                    ledger.put_link(scope, link)?;
                    attach(ledger, scope, link)?;
                    topics.push(payment_topic(scope, &link.payment));
                    topics.push(invoice_payments_topic(scope, &link.invoice));
                }
            }
        }
    }
    Ok(topics)
}

/// What is known of a payment once a webhook has shown it. A session completes once, and may be paid after that.
fn merge_payment(known: Option<Payment>, seen: &Payment) -> Payment {
    let known = known.unwrap_or_else(|| Payment { id: seen.id.clone(), ..Payment::default() });
    let settled = |session: &Session| session.state != SessionState::Unpaid;
    let session = match (known.session, seen.session.clone()) {
        (Some(known), Some(seen)) if settled(&known) && !settled(&seen) => Some(known),
        (known, seen) => seen.or(known),
    };
    Payment { id: known.id, amount: seen.amount.or(known.amount), session }
}

fn says_as_much(known: &PaymentLink, link: &PaymentLink) -> bool {
    (link.amount.is_none() || known.amount == link.amount)
        && (link.charge_of.is_none() || known.charge_of == link.charge_of)
}

/// Keeps what Cello answered about a code at `now`, and forgets older answers. Returns the topics that became known.
pub fn learn_code(ledger: &mut dyn Ledger, answer: &CodeAnswer, now: Timestamp) -> Result<Vec<String>, StoreError> {
    ledger.forget_codes(now.saturating_sub(FRESH).unwrap_or(Timestamp::MIN))?;
    ledger.put_code(&KnownCode { answer: answer.clone(), asked_at: now })?;
    Ok(topics_of_answer(answer))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(amount: Option<i64>, charge_of: Option<&str>) -> PaymentLink {
        let charge_of = charge_of.map(str::to_owned);
        PaymentLink { payment: "pi_1".into(), invoice: "in_1".into(), amount, charge_of }
    }

    #[test]
    fn a_link_says_something_new_where_it_gives_another_amount_or_another_payment() {
        let known = link(Some(4900), Some("pi_2"));
        for (amount, charge_of, expected) in [
            (Some(4900), Some("pi_2"), true),
            (None, Some("pi_2"), true),
            (Some(4900), None, true),
            (None, None, true),
            (Some(5000), Some("pi_2"), false),
            (Some(5000), None, false),
            (Some(4900), Some("pi_3"), false),
            (None, Some("pi_3"), false),
        ] {
            let link = link(amount, charge_of);
            assert_eq!(says_as_much(&known, &link), expected, "{link:?}");
        }
    }

    fn payment(amount: Option<i64>, session: Option<SessionState>) -> Payment {
        let session =
            session.map(|state| Session { id: state.as_str().to_owned(), state, customer: None, total: 4900, tax: 0 });
        Payment { id: "pi_1".into(), amount, session }
    }

    #[test]
    fn a_session_that_is_settled_is_not_unsettled_by_an_older_webhook() {
        use SessionState::{Invoiced, Paid, Unpaid};
        for (known, seen, expected) in [
            (Some(Paid), Some(Unpaid), Paid),
            (Some(Invoiced), Some(Unpaid), Invoiced),
            (Some(Unpaid), Some(Paid), Paid),
            (Some(Paid), Some(Invoiced), Invoiced),
            (Some(Paid), None, Paid),
            (None, Some(Unpaid), Unpaid),
        ] {
            let merged = merge_payment(Some(payment(None, known)), &payment(None, seen));
            assert_eq!(merged, payment(None, Some(expected)), "{known:?} {seen:?}");
        }
    }

    #[test]
    fn a_payment_keeps_its_amount_where_a_webhook_gives_none() {
        assert_eq!(merge_payment(None, &payment(Some(4900), None)), payment(Some(4900), None));
        let known = || Some(payment(Some(4900), None));
        assert_eq!(merge_payment(known(), &payment(None, None)), payment(Some(4900), None));
        assert_eq!(merge_payment(known(), &payment(Some(9900), None)), payment(Some(9900), None));
    }
}
