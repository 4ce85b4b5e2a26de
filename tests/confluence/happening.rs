//! What happens to the customers of a history, step by step.

use std::collections::BTreeMap;

use super::{Form, Happening, Person, Phase, Purchase, Step, Subscription, What, Word, mark};

const DAY: i64 = 86_400;

pub struct World {
    form: Form,
    people: BTreeMap<usize, Person>,
    /// Into whom each merged customer was merged.
    merged: BTreeMap<usize, usize>,
    /// By the customer who had them first.
    subscriptions: BTreeMap<(usize, usize), Subscription>,
    purchases: BTreeMap<(usize, usize), Purchase>,
}

impl World {
    pub fn new(form: Form) -> Self {
        let (people, merged) = (BTreeMap::new(), BTreeMap::new());
        Self { form, people, merged, subscriptions: BTreeMap::new(), purchases: BTreeMap::new() }
    }

    pub fn person(&self, customer: usize) -> Person {
        self.people[&customer].clone()
    }

    /// What happens, and to which customer by then.
    pub fn happen(&mut self, step: &Step) -> Option<(usize, Happening)> {
        let customer = step.customer;
        if let What::Created(words) = &step.what {
            return Some((customer, self.create(step, words)?));
        }
        if let What::Marked(_) | What::Moved | What::Touched | What::Deleted | What::Merged { .. } = step.what {
            return Some((customer, self.happen_to_customer(step)?));
        }
        let holder = self.holder(customer);
        let person = self.people.get(&holder).filter(|person| !person.deleted)?.clone();
        let happening = match step.what.clone() {
            What::Paid { invoice, subscription, amount } => self.pay(step, &person, (invoice, subscription, amount)),
            What::Refunded { invoice, amount } => {
                let purchase = self.purchases.get_mut(&(customer, invoice)).filter(|purchase| !purchase.taken_off)?;
                let amount = amount.min(purchase.amount - purchase.refunded);
                purchase.refunded += amount;
                (amount > 0).then(|| Happening::Refunded(purchase.clone(), amount))
            }
            What::Authorised { invoice, amount } if self.form.is_stripe() => {
                let new = new_purchase(step, &person, invoice);
                let purchase = Purchase { authorised: Some(amount), ..new };
                self.insert(customer, invoice, purchase.clone()).then_some(Happening::Authorised(purchase))
            }
            What::Captured { invoice, amount } => {
                let purchase = self.purchases.get_mut(&(customer, invoice))?;
                let authorised = purchase.authorised.filter(|_| purchase.amount == 0)?;
                purchase.amount = amount.min(authorised);
                purchase.paid = purchase.amount;
                (purchase.at, purchase.lost) = (step.at, purchase.lost || step.lost);
                Some(Happening::Paid(purchase.clone()))
            }
            What::Attached { invoice, to, paid } => self.attach(step, &person, (invoice, to, paid)),
            What::TakenOff { invoice } if !self.form.is_stripe() => {
                let purchase = self.purchases.get_mut(&(customer, invoice)).filter(|purchase| is_whole(purchase))?;
                (purchase.taken_off, purchase.refunded) = (true, purchase.amount);
                Some(Happening::Refunded(purchase.clone(), purchase.amount))
            }
            What::PaidAnew { invoice } => {
                let purchase = self.purchases.get_mut(&(customer, invoice))?;
                // Which of two is the first of one second could not be seen.
                if !purchase.taken_off || purchase.lost || purchase.at == step.at {
                    return None;
                }
                let round = purchase.round + 1;
                let (email, known) = (person.email.clone(), purchase.clone());
                let anew =
                    Purchase { taken_off: false, refunded: 0, round, at: step.at, email, customer: holder, ..known };
                *purchase = anew.clone();
                Some(Happening::Paid(anew))
            }
            what => self.subscribe(step, what),
        };
        Some((holder, happening?))
    }

    /// Who has what the customer had.
    fn holder(&self, customer: usize) -> usize {
        let mut holder = customer;
        while let Some(into) = self.merged.get(&holder) {
            holder = *into;
        }
        holder
    }

    fn happen_to_customer(&mut self, step: &Step) -> Option<Happening> {
        let (customer, is_stripe) = (step.customer, self.form.is_stripe());
        let is_there = |other: &usize| self.people.get(other).is_some_and(|other| !other.deleted);
        let survivor = match step.what {
            What::Merged { into } => Some(into).filter(|into| !is_stripe && *into != customer && is_there(into)),
            _ => None,
        };
        let person = self.people.get_mut(&customer).filter(|person| !person.deleted)?;
        let before = person.clone();
        match &step.what {
            What::Marked(words) => mark(person, words),
            What::Moved => person.email = format!("moved{}@example.com", step.number),
            What::Touched => {}
            What::Merged { .. } if survivor.is_none() => return None,
            _ => {
                person.deleted = true;
                self.merged.extend(survivor.map(|survivor| (customer, survivor)));
                return Some(Happening::Deleted);
            }
        }
        person.version = step.at;
        Some(Happening::Updated(before))
    }

    fn insert(&mut self, customer: usize, invoice: usize, purchase: Purchase) -> bool {
        self.purchases.insert((customer, invoice), purchase).is_none()
    }

    fn pay(
        &mut self,
        step: &Step,
        person: &Person,
        (invoice, subscription, amount): (usize, Option<usize>, i64),
    ) -> Option<Happening> {
        let is_payable = |known: &&Subscription| known.began && known.phase != Phase::Ended;
        let subscription = match subscription {
            Some(number) => Some(self.subscriptions.get(&(step.customer, number)).filter(is_payable)?.clone()),
            None => None,
        };
        let new = new_purchase(step, person, invoice);
        let purchase = Purchase { subscription, amount, paid: amount, ..new };
        self.insert(step.customer, invoice, purchase.clone()).then_some(Happening::Paid(purchase))
    }

    /// Only of a customer who is still the same: sums of two users would depend on which invoice arrives first.
    fn attach(&mut self, step: &Step, person: &Person, (invoice, to, paid): (usize, usize, i64)) -> Option<Happening> {
        let new = new_purchase(step, person, to);
        let is_new = !self.purchases.contains_key(&(step.customer, to));
        let old = self.purchases.get_mut(&(step.customer, invoice))?;
        let fits = match self.form {
            Form::StripeBasil => old.subscription.is_none() && old.authorised.is_none(),
            Form::Chargebee1 | Form::Chargebee2 => paid > old.amount && old.round == 0,
            _ => false,
        };
        // Longer ago than 30 days a sale is not looked for.
        let is_near = step.at - old.at < 29 * DAY;
        if !fits || !is_near || !is_new || !is_whole(old) || old.customer != person.number {
            return None;
        }
        old.attached_to = Some(new.number);
        let amount = (paid - old.amount).max(0);
        let (subscription, from) = (old.subscription.clone(), Some(old.number));
        let new = Purchase { subscription, amount, paid, attached_from: from, ..new };
        let happening = Happening::Attached(old.clone(), new.clone());
        self.insert(step.customer, to, new);
        Some(happening)
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

fn new_purchase(step: &Step, person: &Person, invoice: usize) -> Purchase {
    Purchase {
        number: step.customer * 100 + invoice,
        subscription: None,
        amount: 0,
        paid: 0,
        refunded: 0,
        email: person.email.clone(),
        customer: person.number,
        at: step.at,
        lost: step.lost,
        authorised: None,
        round: 0,
        taken_off: false,
        attached_to: None,
        attached_from: None,
    }
}

/// Whether its payment is where it was, with all its money.
fn is_whole(purchase: &Purchase) -> bool {
    purchase.amount > 0 && purchase.refunded == 0 && !purchase.taken_off && purchase.attached_to.is_none()
}
