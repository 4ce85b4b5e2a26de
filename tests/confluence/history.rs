//! What happens to some customers, in our own words and of no provider's shape: the histories that are told, in any
//! order, and from which the right answer is computed.
//!
//! A history is a list of steps, each of which can be taken out: a step that has lost what it builds on does not
//! happen. Nothing here may use the relay's own code, or the right answer would be its opinion.

#[path = "happening.rs"]
mod happening;

use happening::World;

/// Whose webhooks tell the history, and in which form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Plans instead of prices; a refund names its invoice.
    Stripe2019,
    /// Prices; a refund names its invoice.
    StripeAcacia,
    /// Since 2025-03-31: prices by id alone, and `invoice_payment.paid` leads from a refund to its invoice.
    StripeBasil,
    /// Plans and `meta_data`.
    Chargebee1,
    /// Items and custom fields.
    Chargebee2,
}

impl Form {
    pub const ALL: [Self; 5] =
        [Self::Stripe2019, Self::StripeAcacia, Self::StripeBasil, Self::Chargebee1, Self::Chargebee2];

    pub fn is_stripe(self) -> bool {
        matches!(self, Self::Stripe2019 | Self::StripeAcacia | Self::StripeBasil)
    }
}

#[derive(Debug, Clone)]
pub struct History {
    pub form: Form,
    pub organization_mode: bool,
    /// Stripe's connected account; empty for the operator's own.
    pub account: &'static str,
    pub steps: Vec<Step>,
}

#[derive(Debug, Clone)]
pub struct Step {
    /// Names the webhooks that tell it; stays when other steps are taken out.
    pub number: usize,
    /// Seconds since the start.
    pub at: i64,
    /// Whom it happens to.
    pub customer: usize,
    pub what: What,
    /// Whether the webhooks that tell it never arrive.
    pub lost: bool,
    /// How many further webhooks, with ids of their own, tell the same.
    pub echoes: usize,
    /// Whether the charge of a refund names no customer (Stripe).
    pub nameless: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    Created(Vec<Word>),
    /// Words are put on the customer.
    Marked(Vec<Word>),
    /// A new e-mail address.
    Moved,
    /// The provider tells of the customer for a reason that does not matter here.
    Touched,
    Deleted,
    /// The customer is merged into another one, who holds its subscriptions and purchases from then on (Chargebee).
    Merged {
        into: usize,
    },
    Started {
        subscription: usize,
        phase: Phase,
        price: usize,
        seats: i64,
    },
    /// A trial, or what had not begun, becomes active.
    Activated {
        subscription: usize,
    },
    Changed {
        subscription: usize,
        price: usize,
        seats: i64,
    },
    /// A payment fails, or the subscription is paused.
    Stalled {
        subscription: usize,
    },
    Recovered {
        subscription: usize,
    },
    /// An update that changes nothing commercial: a new period, a note, a cancellation that is planned or withdrawn.
    Untouched {
        subscription: usize,
    },
    Ended {
        subscription: usize,
    },
    /// `None` for a one-time sale.
    Paid {
        invoice: usize,
        subscription: Option<usize>,
        amount: i64,
    },
    Refunded {
        invoice: usize,
        amount: i64,
    },
    /// A one-time sale by Checkout that is to be captured by hand (Stripe).
    Authorised {
        invoice: usize,
        amount: i64,
    },
    /// All of it or a part is captured.
    Captured {
        invoice: usize,
        amount: i64,
    },
    /// The payment of `invoice` is put on the new invoice `to`, which is paid with `paid` in all: from this payment as
    /// far as it goes, the rest from a new one. At Stripe the payment is that of a one-time sale, and the invoice may take
    /// less than all of it; at Chargebee the former invoice is voided.
    Attached {
        invoice: usize,
        to: usize,
        paid: i64,
    },
    /// The payment is taken off its invoice and given back without a credit note (Chargebee).
    TakenOff {
        invoice: usize,
    },
    /// An invoice without its payment is paid by another one.
    PaidAnew {
        invoice: usize,
    },
}

/// What operators write on their customers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    Code,
    /// Another referrer's code.
    OtherCode,
    User,
    Organization,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Incomplete (Stripe) or in the future (Chargebee).
    Pending,
    Trial,
    Active,
    Stalled,
    Ended,
}

pub struct Price {
    pub id: &'static str,
    pub amount: i64,
    pub unit: &'static str,
    pub count: i64,
    pub days: i64,
    /// Cello's word for the period.
    pub word: &'static str,
}

pub const PRICES: [Price; 4] = [
    Price { id: "price_m", amount: 1000, unit: "month", count: 1, days: 30, word: "monthly" },
    Price { id: "price_l", amount: 2500, unit: "month", count: 1, days: 31, word: "monthly" },
    Price { id: "price_q", amount: 2700, unit: "month", count: 3, days: 91, word: "quarterly" },
    Price { id: "price_y", amount: 9000, unit: "year", count: 1, days: 365, word: "yearly" },
];

/// A customer at some moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    pub number: usize,
    pub created: i64,
    pub code: Option<&'static str>,
    pub user: Option<String>,
    pub organization: Option<&'static str>,
    pub email: String,
    /// When it last changed.
    pub version: i64,
    pub deleted: bool,
}

impl Person {
    pub fn id(&self) -> String {
        format!("cus_{}", self.number)
    }

    pub fn is_complete(&self, organization_mode: bool) -> bool {
        self.code.is_some() && self.user.is_some() && (!organization_mode || self.organization.is_some())
    }
}

/// A subscription at some moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    pub id: String,
    pub phase: Phase,
    pub price: usize,
    pub seats: i64,
    /// Whether it has ever been on trial or active.
    pub began: bool,
    pub version: i64,
}

/// A paid invoice or sale at some moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purchase {
    pub number: usize,
    pub subscription: Option<Subscription>,
    /// What its own payment brought.
    pub amount: i64,
    /// What was paid for the invoice: more or less than `amount` where an older payment is attached to it.
    pub paid: i64,
    pub refunded: i64,
    /// The address at the time of the purchase.
    pub email: String,
    /// Who bought it.
    pub customer: usize,
    pub at: i64,
    /// Whether a webhook that its report needs never arrives.
    pub lost: bool,
    /// How much was authorised, where it is captured by hand.
    pub authorised: Option<i64>,
    /// How often it was paid anew.
    pub round: usize,
    /// Whether its payment was taken off and given back.
    pub taken_off: bool,
    /// The purchase whose invoice its payment was put on.
    pub attached_to: Option<usize>,
    /// The purchase whose payment was put on its invoice.
    pub attached_from: Option<usize>,
}

/// One step as it happened.
#[derive(Debug, Clone)]
pub struct Moment {
    pub number: usize,
    pub at: i64,
    pub lost: bool,
    pub echoes: usize,
    pub nameless: bool,
    /// Whom its webhooks name.
    pub person: Person,
    pub happening: Happening,
}

#[derive(Debug, Clone)]
pub enum Happening {
    Created,
    /// With the customer as it was before.
    Updated(Person),
    Deleted,
    /// With the subscription as it was before; `None` when it is new.
    Subscription(What, Option<Subscription>, Subscription),
    Paid(Purchase),
    Authorised(Purchase),
    /// The payment of the first is put on the invoice of the second.
    Attached(Purchase, Purchase),
    /// This much of a purchase, which counts it in already.
    Refunded(Purchase, i64),
}

impl History {
    /// What happens, step by step; steps that cannot happen are left out.
    pub fn moments(&self) -> Vec<Moment> {
        let mut world = World::new(self.form);
        self.steps
            .iter()
            .filter_map(|step| {
                let (customer, happening) = world.happen(step)?;
                let person = world.person(customer);
                let Step { number, at, lost, echoes, nameless, .. } = *step;
                Some(Moment { number, at, lost, echoes, nameless, person, happening })
            })
            .collect()
    }
}

pub const CODE: &str = "Rf3rr3dAbcd";
pub const OTHER_CODE: &str = "0th3rC0d3xy";

pub fn mark(person: &mut Person, words: &[Word]) {
    for word in words {
        match word {
            Word::Code => person.code = Some(CODE),
            Word::OtherCode => person.code = Some(OTHER_CODE),
            // The third customer is the first one's second account.
            Word::User => person.user = Some(format!("usr_{}", person.number % 2)),
            Word::Organization => person.organization = Some("org_1"),
        }
    }
}
