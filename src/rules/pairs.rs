//! Which trigger a fact may be told as, so that no rule tells Cello of money that did not move, or of money that did
//! as if it were something else.
//!
//! Closed on purpose: a pair that is not in the table is refused when the rules are loaded. What may be meant stays in:
//! a demo call that led to a subscription, a trial that is told only once it is paid, an unpaid subscription that
//! counts as canceled.

use crate::referral_event::Trigger;

/// The facts that `trigger` may be told on, and why no others.
pub fn facts_for(trigger: Trigger) -> (&'static [&'static str], &'static str) {
    match trigger {
        // The relay tells a signup once for each user; of other facts there are many, and Cello may reward each.
        Trigger::NewSignup => (&["customer-seen"], "a user signs up once"),
        // Stands in for a signup where sales are led by calls.
        Trigger::DemoCallAttended => {
            (&["customer-seen", "subscription-started"], "a call is no payment, and happens once")
        }
        Trigger::InvoicePaid => (&["invoice-paid"], "a purchase is money that was collected"),
        Trigger::ChargeRefunded => (&["payment-refunded"], "a refund is money that was given back"),
        // Told on a payment, its amount would pass for what is due each period, and the payment would not be told.
        Trigger::SubscriptionCreated | Trigger::SubscriptionUpdated => {
            (&["subscription-started", "subscription-changed"], "it tells what a running subscription costs")
        }
        Trigger::SubscriptionCanceled => {
            (&["subscription-changed", "subscription-ended"], "only what has started can be canceled")
        }
    }
}

/// Whether Cello documents that there is no price with it.
pub fn has_no_price(trigger: Trigger) -> bool {
    matches!(trigger, Trigger::NewSignup | Trigger::DemoCallAttended | Trigger::SubscriptionCanceled)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::FACT_KINDS;

    #[test]
    fn the_table_names_only_facts_there_are_and_each_of_them() {
        let named: Vec<_> = Trigger::ALL.into_iter().flat_map(|trigger| facts_for(trigger).0).collect();
        assert!(named.iter().all(|fact| FACT_KINDS.contains(fact)), "{named:?}");
        assert!(FACT_KINDS.iter().all(|fact| named.contains(&fact)), "{named:?}");
    }

    #[test]
    fn money_is_told_as_what_it_is_or_not_at_all() {
        for trigger in Trigger::ALL {
            let facts = facts_for(trigger).0;
            assert_eq!(facts.contains(&"invoice-paid"), trigger == Trigger::InvoicePaid, "{trigger}");
            assert_eq!(facts.contains(&"payment-refunded"), trigger == Trigger::ChargeRefunded, "{trigger}");
            assert!(!trigger.needs_price() || !has_no_price(trigger), "{trigger}");
        }
    }
}
