//! What a webhook says, in our own vocabulary, the same for every provider.
//!
//! A provider turns bytes into a [`Reading`]; everything after it knows no provider. Nothing here does I/O, and
//! nothing here holds more of a person than the referral needs.

mod code;
mod customer;
mod payment;
mod subscription;

use jiff::Timestamp;

use crate::decision::{Reason, Warning};
use crate::money::Currency;
use crate::words::words;

pub use code::{CodeAnswer, KnownCode};
pub use customer::{Customer, KnownCustomer, Metadata, ReferralData};
pub use payment::{
    Applied, Billing, Carried, Invoice, InvoiceLine, KnownPurchase, Payment, PaymentLink, Refund, RunningTotal,
    Session, SessionState, StatedBy,
};
pub use subscription::{KnownSubscription, Phase, Plan, Subscription};

/// Where a provider's ids are valid: the ids of two providers, of two connected accounts, or of two Chargebee sites, may
/// be alike.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Scope {
    /// Name of the provider, such as `stripe`.
    pub provider: String,
    /// The connected account, or the named Chargebee site; empty for the operator's own.
    pub account: String,
}

impl Scope {
    /// `stripe`, or `stripe:acct_1` for a connected account: the part of a business key before the id.
    pub fn prefix(&self) -> String {
        if self.account.is_empty() { self.provider.clone() } else { format!("{}:{}", self.provider, self.account) }
    }
}

words! {
    /// Whether real money moves.
    Mode {
        Live = "live",
        Test = "test",
    }
}

/// Everything one webhook says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reading {
    /// What the directory should remember, whether or not anything follows from it.
    pub learned: Vec<Learned>,
    /// What is to be decided, in the order in which it happened.
    pub facts: Vec<Fact>,
    /// What it says beside them: why there is nothing to decide where `facts` is empty, and what it only settles in part.
    pub nothing: Vec<Nothing>,
}

impl Reading {
    pub fn nothing(reason: Reason, message: impl Into<String>) -> Self {
        Self { nothing: vec![Nothing { reason, message: message.into(), part_of: None }], ..Self::default() }
    }

    pub fn fact(fact: Fact) -> Self {
        Self { facts: vec![fact], ..Self::default() }
    }

    /// This, of an invoice that the webhook does not complete.
    pub fn part_of(mut self, invoice: &str) -> Self {
        self.nothing.iter_mut().for_each(|nothing| nothing.part_of = Some(invoice.to_owned()));
        self
    }

    pub fn learning(mut self, learned: impl IntoIterator<Item = Learned>) -> Self {
        self.learned.extend(learned);
        self
    }
}

/// What a webhook says that is not to be decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nothing {
    pub reason: Reason,
    pub message: String,
    /// The invoice that the webhook is about without completing it: a refund of this part then finds a decision on the
    /// purchase.
    pub part_of: Option<String>,
}

/// One thing that happened, to be decided on its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// When it happened: for a payment when the invoice was paid, else the provider's time of the event.
    pub at: Timestamp,
    /// The provider's id of the customer.
    pub customer: Option<String>,
    pub detail: Detail,
    pub warnings: Vec<Warning>,
}

impl Fact {
    /// Whether it is about the customer alone.
    pub fn is_signup(&self) -> bool {
        matches!(self.detail, Detail::CustomerSeen { .. })
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Detail {
    /// A customer exists. `announces` is true where the webhook itself says that the customer is new or that the
    /// code or user id became complete by it; a mere refresh is a signup only if the directory knows it as such.
    CustomerSeen {
        announces: bool,
    },
    CustomerDeleted,
    SubscriptionStarted(Subscription),
    SubscriptionChanged {
        subscription: Subscription,
        change: Change,
        /// The provider's event id: each change of a subscription is a referral event of its own.
        event_id: String,
    },
    SubscriptionEnded(Subscription),
    InvoicePaid(Box<Invoice>),
    PaymentRefunded(Refund),
}

/// The words rules use for facts, in the order of the README's table.
pub const FACT_KINDS: [&str; 6] = [
    "customer-seen",
    "invoice-paid",
    "payment-refunded",
    "subscription-started",
    "subscription-changed",
    "subscription-ended",
];

impl Detail {
    /// The word a rule names this fact by in `on`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::CustomerSeen { .. } => "customer-seen",
            Self::CustomerDeleted => "customer-deleted",
            Self::SubscriptionStarted(_) => "subscription-started",
            Self::SubscriptionChanged { .. } => "subscription-changed",
            Self::SubscriptionEnded(_) => "subscription-ended",
            Self::InvoicePaid(_) => "invoice-paid",
            Self::PaymentRefunded(_) => "payment-refunded",
        }
    }
}

impl Detail {
    /// The subscription it is about; an invoice only names its own.
    pub fn subscription(&self) -> Option<&Subscription> {
        match self {
            Self::SubscriptionStarted(subscription)
            | Self::SubscriptionChanged { subscription, .. }
            | Self::SubscriptionEnded(subscription) => Some(subscription),
            Self::CustomerSeen { .. } | Self::CustomerDeleted | Self::InvoicePaid(_) | Self::PaymentRefunded(_) => None,
        }
    }

    /// The currency of its amount, where it has one.
    pub fn currency(&self) -> Option<&Currency> {
        match self {
            Self::InvoicePaid(invoice) => invoice.currency.as_ref(),
            Self::PaymentRefunded(refund) => refund.currency.as_ref(),
            other => other.subscription()?.currency.as_ref(),
        }
    }

    /// Ids by which a person may ask for this fact.
    pub fn mentions(&self) -> Vec<String> {
        match self {
            Self::CustomerSeen { .. } | Self::CustomerDeleted => vec![],
            Self::SubscriptionStarted(subscription)
            | Self::SubscriptionChanged { subscription, .. }
            | Self::SubscriptionEnded(subscription) => vec![subscription.id.clone()],
            Self::InvoicePaid(invoice) => {
                [Some(invoice.id.clone()), invoice.subscription.clone()].into_iter().flatten().collect()
            }
            Self::PaymentRefunded(refund) => {
                let ids = [Some(refund.id.clone()), refund.invoice.clone(), refund.subscription.clone()];
                ids.into_iter().flatten().chain(refund.payments.iter().cloned()).collect()
            }
        }
    }
}

/// What a webhook claims to have changed about a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Price, quantity, interval or product, or a trial that became paid.
    Commercial,
    /// It is (again) active: commercial only if it was last reported as a trial.
    Active,
    /// The webhook does not say; the last reported state decides.
    Unsaid,
}

/// What the directory remembers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Learned {
    Customer(Customer),
    CustomerDeleted {
        id: String,
    },
    Subscription(Subscription),
    /// A price, which never changes: what period an id stands for. Since 2025-03-31 Stripe's invoices give the id
    /// alone.
    Price(Plan),
    /// How much a payment brought, and by which session.
    Payment(Payment),
    /// A payment settles an invoice: since 2025-03-31 Stripe's refunds do not say so.
    Link(PaymentLink),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subscription() -> Subscription {
        Subscription {
            id: "sub_1".into(),
            customer: None,
            phase: Phase::Running,
            amount: Some(4900),
            currency: None,
            plan: Plan::default(),
            seats: Some(3),
            version: 1,
            ended_at: None,
        }
    }

    fn refund() -> Refund {
        Refund {
            id: "re_1".into(),
            amount: Some(1000),
            running_total: None,
            currency: None,
            invoice: Some("in_1".into()),
            payments: vec!["pi_1".into(), "ch_1".into()],
            subscription: Some("sub_1".into()),
        }
    }

    #[test]
    fn business_keys_of_connected_accounts_name_the_account() {
        let own = Scope { provider: "stripe".into(), account: String::new() };
        assert_eq!(own.prefix(), "stripe");
        assert_eq!(Scope { account: "acct_1".into(), ..own }.prefix(), "stripe:acct_1");
    }

    #[test]
    fn a_fact_is_found_by_every_id_it_names() {
        assert!(Detail::CustomerSeen { announces: true }.mentions().is_empty());
        assert_eq!(Detail::SubscriptionEnded(subscription()).mentions(), ["sub_1"]);
        assert_eq!(Detail::PaymentRefunded(refund()).mentions(), ["re_1", "in_1", "sub_1", "pi_1", "ch_1"]);
    }

    #[test]
    fn only_a_customer_who_was_seen_is_a_signup() {
        let fact = |detail| Fact { at: Timestamp::UNIX_EPOCH, customer: None, detail, warnings: vec![] };
        assert!(fact(Detail::CustomerSeen { announces: false }).is_signup());
        assert!(!fact(Detail::CustomerDeleted).is_signup());
        assert!(!fact(Detail::SubscriptionStarted(subscription())).is_signup());
    }

    #[test]
    fn the_commercial_state_differs_with_price_seats_product_and_trial_and_with_nothing_else() {
        let state = subscription().commercial_state();
        let plan = |price_id: &str| Plan { price_id: Some(price_id.into()), ..Plan::default() };
        for other in [
            Subscription { phase: Phase::Trial, ..subscription() },
            Subscription { phase: Phase::Ended, ..subscription() },
            Subscription { amount: Some(9900), ..subscription() },
            Subscription { seats: Some(4), ..subscription() },
            Subscription { plan: plan("price_2"), ..subscription() },
            Subscription { plan: Plan { product_id: Some("price_2".into()), ..Plan::default() }, ..subscription() },
        ] {
            assert_ne!(other.commercial_state(), state, "{other:?}");
        }
        let stalled = Subscription { phase: Phase::Stalled, version: 2, ..subscription() };
        assert_eq!(stalled.commercial_state(), state);
    }

    #[test]
    fn the_product_is_named_where_it_is_known_and_else_the_price() {
        let price = Plan { price_id: Some("price_1".into()), ..Plan::default() };
        assert_eq!(price.product_key(), Some("price_1"));
        assert_eq!(Plan { product_id: Some("prod_1".into()), ..price }.product_key(), Some("prod_1"));
        assert_eq!(Plan::default().product_key(), None);
    }
}
