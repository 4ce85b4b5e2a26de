//! What happens to some customers, in our own words and of no provider's shape: the histories that are told, in any
//! order, and from which the right answer is computed.
//!
//! A history is a list of steps, each of which can be taken out: a step that has lost what it builds on does not
//! happen. Nothing here may use the relay's own code, or the right answer would be its opinion.

use std::collections::BTreeMap;

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
    pub amount: i64,
    pub refunded: i64,
    /// The address at the time of the purchase.
    pub email: String,
}

/// One step as it happened.
#[derive(Debug, Clone)]
pub struct Moment {
    pub number: usize,
    pub at: i64,
    pub lost: bool,
    pub echoes: usize,
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
    /// This much of a purchase, which counts it in already.
    Refunded(Purchase, i64),
}

#[derive(Default)]
struct World {
    people: BTreeMap<usize, Person>,
    subscriptions: BTreeMap<(usize, usize), Subscription>,
    purchases: BTreeMap<(usize, usize), Purchase>,
}

impl History {
    /// What happens, step by step; steps that cannot happen are left out.
    pub fn moments(&self) -> Vec<Moment> {
        let mut world = World::default();
        self.steps
            .iter()
            .filter_map(|step| {
                let happening = world.happen(step)?;
                let person = world.people[&step.customer].clone();
                let Step { number, at, lost, echoes, .. } = *step;
                Some(Moment { number, at, lost, echoes, person, happening })
            })
            .collect()
    }
}

impl World {
    fn happen(&mut self, step: &Step) -> Option<Happening> {
        let (at, customer) = (step.at, step.customer);
        if let What::Created(words) = &step.what {
            return self.create(step, words);
        }
        let person = self.people.get_mut(&customer).filter(|person| !person.deleted)?;
        let before = person.clone();
        let updated = |person: &mut Person| {
            person.version = at;
            Some(Happening::Updated(before.clone()))
        };
        match step.what.clone() {
            What::Created(_) => None,
            What::Marked(words) => {
                mark(person, &words);
                updated(person)
            }
            What::Moved => {
                person.email = format!("moved{}@example.com", step.number);
                updated(person)
            }
            What::Touched => updated(person),
            What::Deleted => {
                person.deleted = true;
                Some(Happening::Deleted)
            }
            What::Paid { invoice, subscription, amount } => {
                let subscription = match subscription {
                    Some(number) => Some(
                        self.subscriptions
                            .get(&(customer, number))
                            .filter(|known| known.began && known.phase != Phase::Ended)?
                            .clone(),
                    ),
                    None => None,
                };
                let number = customer * 100 + invoice;
                let purchase = Purchase { number, subscription, amount, refunded: 0, email: person.email.clone() };
                let is_new = self.purchases.insert((customer, invoice), purchase.clone()).is_none();
                is_new.then_some(Happening::Paid(purchase))
            }
            What::Refunded { invoice, amount } => {
                let purchase = self.purchases.get_mut(&(customer, invoice))?;
                let amount = amount.min(purchase.amount - purchase.refunded);
                purchase.refunded += amount;
                (amount > 0).then(|| Happening::Refunded(purchase.clone(), amount))
            }
            what => self.subscribe(step, what),
        }
    }

    fn create(&mut self, step: &Step, words: &[Word]) -> Option<Happening> {
        let mut person = Person {
            number: step.customer,
            created: step.at,
            code: None,
            user: None,
            organization: None,
            email: format!("first{}@example.com", step.customer),
            version: step.at,
            deleted: false,
        };
        mark(&mut person, words);
        let is_new = !self.people.contains_key(&step.customer);
        self.people.entry(step.customer).or_insert(person);
        is_new.then_some(Happening::Created)
    }

    fn subscribe(&mut self, step: &Step, what: What) -> Option<Happening> {
        use What::*;
        let (Started { subscription, .. }
        | Activated { subscription }
        | Changed { subscription, .. }
        | Stalled { subscription }
        | Recovered { subscription }
        | Untouched { subscription }
        | Ended { subscription }) = what
        else {
            return None;
        };
        let key = (step.customer, subscription);
        let before = self.subscriptions.get(&key).cloned();
        let now = match (&what, before.clone()) {
            (Started { phase, price, seats, .. }, None) => Subscription {
                id: format!("sub_{}_{subscription}", step.customer),
                phase: *phase,
                price: *price,
                seats: *seats,
                began: *phase != Phase::Pending,
                version: step.at,
            },
            (Started { .. }, Some(_)) | (_, None) => return None,
            (_, Some(known)) => {
                let mut now = Subscription { version: step.at, ..known };
                match (&what, now.phase) {
                    (_, Phase::Ended) => return None,
                    (Activated { .. }, Phase::Pending | Phase::Trial) => now.phase = Phase::Active,
                    (Stalled { .. }, Phase::Active) => now.phase = Phase::Stalled,
                    (Recovered { .. }, Phase::Stalled) => now.phase = Phase::Active,
                    (Ended { .. }, _) => now.phase = Phase::Ended,
                    (Changed { price, seats, .. }, Phase::Active | Phase::Trial) => {
                        (now.price, now.seats) = (*price, *seats);
                    }
                    (Untouched { .. }, Phase::Active | Phase::Trial) => {}
                    _ => return None,
                }
                now.began |= now.phase == Phase::Active;
                now
            }
        };
        self.subscriptions.insert(key, now.clone());
        Some(Happening::Subscription(what, before, now))
    }
}

pub const CODE: &str = "Rf3rr3dAbcd";
pub const OTHER_CODE: &str = "0th3rC0d3xy";

fn mark(person: &mut Person, words: &[Word]) {
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
