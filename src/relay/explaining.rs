//! How a verdict came about, in words for people: what a fact is, and where each value of the referral event is from.
//!
//! Changes no verdict. Never names an e-mail address or a name: see [`Trace`].

use super::judged::Judged;
use super::policy::Policy;
use super::verdict::Judge;
use super::writing::Draft;
use crate::facts::{Change, Detail, Fact, Invoice, KnownCustomer, Learned, Phase, Refund, StatedBy, Subscription};
use crate::money::Currency;
use crate::store::{Ledger, StoreError};
use crate::trace::{Origin, Source, Told};

impl Judge<'_> {
    /// `judged` with what the fact is and how its customer is known.
    pub fn explained(&self, ledger: &mut dyn Ledger, fact: &Fact, judged: Judged) -> Result<Judged, StoreError> {
        let mut trace = judged.trace;
        trace.recognised = recognised(fact);
        if let Detail::InvoicePaid(invoice) = &fact.detail {
            trace.collected = Some(invoice.amount_paid);
        }
        if let Some(customer) = judged.customer.as_ref().filter(|customer| fact.customer.as_ref() != Some(customer)) {
            let told = Told::directory("its purchase or its start was reported for this customer");
            trace.values.insert(0, told.of("customer", Some(customer.clone())));
        } else if let Some(customer) = &fact.customer {
            let known = ledger.customer(&self.webhook.scope, customer)?;
            let told = self.customer_told(customer, known.as_ref());
            trace.values.insert(0, told.of("customer", Some(customer.clone())));
        }
        for origin in &mut trace.values {
            self.credit_look_up(origin);
        }
        Ok(Judged { trace, ..judged })
    }

    /// How the referral data of `customer` are known.
    pub fn customer_told(&self, customer: &str, known: Option<&KnownCustomer>) -> Told {
        let shown_by = |learned: &[Learned]| {
            learned.iter().find_map(|learned| match learned {
                Learned::Customer(shown) if shown.id == customer => Some(shown.version),
                _ => None,
            })
        };
        if shown_by(&self.looked_up.learned).is_some() {
            return Told::look_up(format!("{}'s API was asked", self.webhook.scope.provider));
        }
        let Some(known) = known.filter(|known| known.version > 0) else {
            return Told::directory("no webhook and no look-up has told of it");
        };
        let decisive = known.complete_version.unwrap_or(known.version);
        if shown_by(&self.reading.learned) == Some(decisive) {
            return Told::webhook("this webhook shows it");
        }
        let since = jiff::Timestamp::from_millisecond(decisive).map(|at| at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
        Told::directory(match (known.complete_version, since) {
            (Some(_), Ok(since)) => format!("with code and user id since {since}"),
            (None, Ok(since)) => format!("as last seen at {since}"),
            (_, Err(_)) => "seen before".to_owned(),
        })
    }

    /// What the directory knows only because it was just asked for is the look-up's.
    fn credit_look_up(&self, origin: &mut Origin) {
        let just_learned = self.looked_up.learned.iter().any(|learned| {
            let id = match learned {
                Learned::Subscription(subscription) => Some(&subscription.id),
                Learned::Price(plan) => plan.price_id.as_ref(),
                Learned::Payment(payment) => Some(&payment.id),
                Learned::Link(link) => Some(&link.payment),
                Learned::Customer(_) | Learned::CustomerDeleted { .. } => None,
            };
            id.is_some_and(|id| origin.told.by.contains(&format!("`{id}`")))
        });
        if origin.told.source == Source::Directory && just_learned {
            origin.told.source = Source::LookUp;
        }
    }
}

impl Draft<'_> {
    /// Where each value that Cello is told comes from.
    pub fn origins(&self, policy: &Policy) -> Vec<Origin> {
        let referral = self.referral;
        let by_rule = || Told::rule(format!("the rule `{}`", self.matched.rule));
        let webhook = |by: &str| Told::webhook(by);
        let mut origins = vec![];
        let mut add = |name: &str, value: Option<String>, told: Told| origins.push(told.of(name, value));

        match self.pinned.as_ref().filter(|pinned| **pinned != referral.ucc) {
            Some(pinned) => {
                let told = Told::directory("the first code that was reported for this user");
                add("referral code", Some(pinned.clone()), told);
            }
            None => add("referral code", Some(referral.ucc.clone()), self.customer.clone()),
        }
        add("user id", Some(referral.user_id.clone()), self.customer.clone());
        if let Some(organization) = &referral.organization_id {
            add("organization id", Some(organization.clone()), self.customer.clone());
        }
        add("time", Some(self.fact.at.to_string()), self.time_told());
        if let Some(price) = self.matched.price {
            let by = self.matched.price_by.unwrap_or_default();
            let told = Told::rule(format!("the rule `{}`: `{by}`", self.matched.rule));
            add("price", Some(price.to_string()), told);
            let currency = self.matched.currency.as_ref();
            let own = self.fact.detail.currency() == currency;
            let told = if own { webhook("of the amount") } else { by_rule() };
            add("currency", currency.map(Currency::to_string), told);
        }
        match (&self.fact.detail, &self.resolved.refund) {
            (Detail::InvoicePaid(invoice), _) => {
                add("invoice", Some(invoice.id.clone()), webhook("the invoice, or what stands for it"));
            }
            (_, Some(refund)) => {
                let [invoice, amount] = refund.told.clone();
                add("refunded amount", Some(refund.amount.to_string()), amount);
                add("invoice", refund.invoice.clone(), invoice);
            }
            _ => {}
        }
        if let Some(told) = &self.words.interval_told {
            let (value, told) = match self.matched.interval {
                Some(interval) => (interval, by_rule()),
                None => (self.words.interval, told.clone()),
            };
            add("interval", value.map(|interval| interval.to_string()), told);
        }
        if let Some(told) = &self.words.product_key_told {
            let (value, told) = match &self.matched.product_key {
                Some(key) => (key.clone(), by_rule()),
                None => (self.words.product_key.clone(), told.clone()),
            };
            add("product key", value, told);
        }
        let known_seats = self.resolved.plan.seats;
        match (self.matched.seats, known_seats, &self.fact.detail) {
            (Some(seats), ..) => add("seats", seats.map(|seats| seats.to_string()), by_rule()),
            (None, Some(seats), Detail::InvoicePaid(invoice)) if invoice.seats.is_none() => {
                add("seats", Some(seats.to_string()), Told::directory("the subscription"));
            }
            (None, Some(seats), _) => add("seats", Some(seats.to_string()), webhook("the quantity")),
            (None, None, _) => {}
        }
        let kept = |sent: bool| Some(if sent { "sent, not repeated here" } else { "not sent" }.to_owned());
        let email = match (&self.email, policy.email(self.email.clone(), self.fact.is_signup())) {
            (None, _) => self.email_told.clone(),
            (Some(_), None) => Told::setting("`privacy.email` keeps it back"),
            _ => match &self.fact.detail {
                Detail::InvoicePaid(invoice) if invoice.email.is_some() => webhook("as frozen on the invoice"),
                _ => self.email_told.clone(),
            },
        };
        add("e-mail", kept(policy.email(self.email.clone(), self.fact.is_signup()).is_some()), email);
        origins
    }

    fn time_told(&self) -> Told {
        match &self.fact.detail {
            Detail::CustomerSeen { .. } if self.referral.completed_at.is_some() => {
                Told::directory("when code and user id became complete")
            }
            Detail::CustomerSeen { .. } if self.referral.created_at.is_some() => {
                Told::directory("when the customer was created")
            }
            Detail::InvoicePaid(_) => Told::webhook("when the invoice was paid"),
            _ => Told::webhook("the provider's time of the event"),
        }
    }
}

/// What the webhook was taken for.
fn recognised(fact: &Fact) -> String {
    let whose = match &fact.customer {
        Some(customer) => format!("of the customer `{customer}`"),
        None => "of nobody it names".to_owned(),
    };
    match &fact.detail {
        Detail::CustomerSeen { announces: true } => {
            format!("a customer{}: new, or with code and user id only now", named(fact))
        }
        Detail::CustomerSeen { announces: false } => format!("a customer{}, shown again", named(fact)),
        Detail::CustomerDeleted => format!("a customer{}, deleted", named(fact)),
        Detail::InvoicePaid(invoice) => paid(invoice, &whose),
        Detail::PaymentRefunded(refund) => refunded(refund, &whose),
        Detail::SubscriptionStarted(subscription) => {
            format!("the start of {} {whose}", described(subscription))
        }
        Detail::SubscriptionChanged { subscription, change, .. } => {
            let change = match change {
                Change::Commercial => "a change of price, quantity, interval, product or trial",
                Change::Active => "being active (again)",
                Change::Unsaid => "a change, of what is not said,",
            };
            format!("{change} of {} {whose}", described(subscription))
        }
        Detail::SubscriptionEnded(subscription) => format!("the end of {} {whose}", described(subscription)),
    }
}

fn named(fact: &Fact) -> String {
    fact.customer.as_ref().map(|customer| format!(" `{customer}`")).unwrap_or_default()
}

fn paid(invoice: &Invoice, whose: &str) -> String {
    let of = match &invoice.subscription {
        Some(subscription) => format!(", for the subscription `{subscription}`"),
        None => String::new(),
    };
    let collected = amount(Some(invoice.amount_paid), invoice.currency.as_ref());
    let what = match invoice.stated_by {
        StatedBy::Invoice => "fully paid invoice",
        StatedBy::Session => "one-time sale",
        StatedBy::Payment { .. } => "payment",
    };
    format!("the {what} `{}` {whose}{of}: {collected} collected", invoice.id)
}

fn refunded(refund: &Refund, whose: &str) -> String {
    match (&refund.running_total, refund.amount) {
        (_, Some(this)) => {
            format!("the refund `{}` {whose}: {}", refund.id, amount(Some(this), refund.currency.as_ref()))
        }
        (Some(total), None) => {
            let total_now = amount(Some(total.total), refund.currency.as_ref());
            format!("a refund of the charge `{}` {whose}: {total_now} refunded of it so far", total.charge)
        }
        (None, None) => format!("the refund `{}` {whose}", refund.id),
    }
}

fn described(subscription: &Subscription) -> String {
    let phase = match subscription.phase {
        Phase::Pending => "pending",
        Phase::Trial => "on trial",
        Phase::Running => "running",
        Phase::Stalled => "unpaid or paused",
        Phase::Ended => "ended",
    };
    let each = match subscription.plan.period {
        Some(period) => format!(" every {period}"),
        None => String::new(),
    };
    let amount = amount(subscription.amount, subscription.currency.as_ref());
    format!("the subscription `{}` ({phase}, {amount}{each})", subscription.id)
}

/// In the smallest unit of the currency, as Cello is told.
fn amount(amount: Option<i64>, currency: Option<&Currency>) -> String {
    let amount = amount.map_or("an amount not told".to_owned(), |amount| amount.to_string());
    format!("{amount} {}", currency.map(Currency::as_str).unwrap_or_default()).trim_end().to_owned()
}
