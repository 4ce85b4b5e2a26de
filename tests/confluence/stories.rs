//! Puts short stories of payments that move, are captured by hand or come back into a random history. They draw from
//! numbers of their own, so that the history itself stays what it was.

use fastrand::Rng;

use crate::history::{Form, History, PRICES, Phase, Step, What, Word};

const DAY: i64 = 86_400;

/// Every other history has one or two of them, and refunds that name no customer.
pub fn add(history: &mut History, seed: u64) {
    let mut rng = Rng::with_seed(!seed);
    for step in &mut history.steps {
        step.nameless = matches!(step.what, What::Refunded { .. }) && rng.u8(..3) == 0;
    }
    for number in 0..rng.usize(..3) {
        let story = Story::new(history, number);
        let steps = story.tell(&mut rng, history.form);
        history.steps.extend(steps);
    }
    // Steps of one time stay in the order in which they were made.
    history.steps.sort_by_key(|step| step.at);
}

struct Story {
    customers: usize,
    end: i64,
    next: usize,
    /// Of its subscription and of its first purchase; the history itself numbers from nought.
    first: usize,
    steps: Vec<Step>,
}

impl Story {
    fn new(history: &History, number: usize) -> Self {
        let customers = history.steps.iter().map(|step| step.customer + 1).max().unwrap_or(1);
        let end = history.steps.iter().map(|step| step.at).max().unwrap_or_default();
        Self { customers, end, next: history.steps.len(), first: 50 + 10 * number, steps: vec![] }
    }

    fn tell(mut self, rng: &mut Rng, form: Form) -> Vec<Step> {
        let customer = rng.usize(..self.customers);
        let start = if rng.bool() { rng.i64(0..=self.end) } else { rng.i64(0..=self.end.min(5 * DAY)) };
        let kind = rng.u8(..6);
        match form {
            Form::StripeBasil if kind < 4 => self.attached(rng, customer, start, None),
            Form::StripeBasil | Form::StripeAcacia | Form::Stripe2019 => self.captured(rng, customer, start),
            Form::Chargebee1 | Form::Chargebee2 => match kind {
                0..3 => self.merged(rng, customer, start),
                3 => {
                    let subscription = self.subscription(rng, customer, start);
                    self.attached(rng, customer, start, subscription);
                }
                _ => self.taken_off(rng, customer, start),
            },
        }
        self.steps
    }

    fn step(&mut self, rng: &mut Rng, at: i64, customer: usize, what: What) {
        let (is_sale, is_refund) =
            (matches!(what, What::Paid { .. } | What::Captured { .. }), matches!(what, What::Refunded { .. }));
        let number = self.next;
        self.next += 1;
        let echoes = usize::from(rng.u8(..8) == 0);
        let lost = is_sale && rng.u8(..16) == 0;
        let nameless = is_refund && rng.u8(..3) == 0;
        self.steps.push(Step { number, at, customer, what, lost, echoes, nameless });
    }

    fn started(&mut self, rng: &mut Rng, customer: usize, at: i64) -> usize {
        let phase = [Phase::Active, Phase::Active, Phase::Trial, Phase::Pending][rng.usize(..4)];
        let (price, seats) = (rng.usize(..PRICES.len()), rng.i64(1..4));
        let subscription = self.first;
        self.step(rng, at, customer, What::Started { subscription, phase, price, seats });
        subscription
    }

    fn subscription(&mut self, rng: &mut Rng, customer: usize, at: i64) -> Option<usize> {
        rng.bool().then(|| self.started(rng, customer, at))
    }

    /// A customer is merged into another one; then what it had goes on.
    fn merged(&mut self, rng: &mut Rng, customer: usize, start: i64) {
        let (first, mut at) = (self.first, start);
        let into = if self.customers > 1 && rng.bool() { (customer + 1) % self.customers } else { self.customers };
        if into == self.customers {
            let words = if rng.bool() { vec![] } else { vec![Word::User] };
            self.step(rng, start, into, What::Created(words));
        }
        let subscription = self.started(rng, customer, at);
        let pay = |story: &mut Self, rng: &mut Rng, at: i64, invoice: usize| {
            let of = (rng.u8(..3) > 0).then_some(subscription);
            let amount = rng.i64(1..100) * 100;
            story.step(rng, at, customer, What::Paid { invoice, subscription: of, amount });
        };
        for invoice in first..first + rng.usize(1..3) {
            at += gap(rng);
            pay(self, rng, at, invoice);
        }
        at += gap(rng);
        self.step(rng, at, customer, What::Merged { into });
        for _ in 0..rng.usize(2..6) {
            at += gap(rng);
            let (price, seats) = (rng.usize(..PRICES.len()), rng.i64(1..4));
            match rng.u8(..8) {
                0..3 => {
                    let (invoice, amount) = (first + rng.usize(..4), rng.i64(1..60) * 100);
                    self.step(rng, at, customer, What::Refunded { invoice, amount });
                }
                3 | 4 => self.step(rng, at, customer, What::Changed { subscription, price, seats }),
                5 => self.step(rng, at, customer, What::Activated { subscription }),
                6 => self.step(rng, at, customer, What::Ended { subscription }),
                _ => {
                    let invoice = first + rng.usize(2..4);
                    pay(self, rng, at, invoice);
                }
            }
        }
    }

    /// A payment is put on another invoice, and other sales have the same amount.
    fn attached(&mut self, rng: &mut Rng, customer: usize, start: i64, subscription: Option<usize>) {
        let (first, mut at) = (self.first, start);
        let amount = rng.i64(1..100) * 100;
        let sale = |invoice: usize| What::Paid { invoice, subscription, amount };
        self.step(rng, at, customer, sale(first));
        if rng.u8(..4) == 0 {
            at += gap(rng);
            self.step(rng, at, customer, sale(first + 1));
        }
        at += gap(rng);
        let paid = match rng.u8(..4) {
            0 => amount,
            1 => rng.i64(1..=amount),
            _ => amount + rng.i64(1..100) * 100,
        };
        self.step(rng, at, customer, What::Attached { invoice: first, to: first + 2, paid });
        if rng.u8(..3) == 0 {
            at += gap(rng);
            self.step(rng, at, customer, sale(first + 3));
        }
        for _ in 0..rng.usize(..4) {
            at += gap(rng);
            let (invoice, amount) = (first + rng.usize(..4), rng.i64(1..60) * 100);
            self.step(rng, at, customer, What::Refunded { invoice, amount });
        }
    }

    /// A sale that is captured by hand, in part or as a whole.
    fn captured(&mut self, rng: &mut Rng, customer: usize, start: i64) {
        let (invoice, mut at) = (self.first, start);
        let amount = rng.i64(1..100) * 100;
        self.step(rng, at, customer, What::Authorised { invoice, amount });
        at += gap(rng);
        let amount = if rng.bool() { amount } else { rng.i64(1..=amount) };
        self.step(rng, at, customer, What::Captured { invoice, amount });
        for _ in 0..rng.usize(..4) {
            at += gap(rng);
            let amount = rng.i64(1..60) * 100;
            self.step(rng, at, customer, What::Refunded { invoice, amount });
        }
    }

    /// A payment is taken off its invoice and given back; the invoice may be paid anew, and that given back as well.
    fn taken_off(&mut self, rng: &mut Rng, customer: usize, start: i64) {
        let (invoice, mut at) = (self.first, start);
        let subscription = self.subscription(rng, customer, at);
        at += gap(rng);
        let amount = rng.i64(1..100) * 100;
        self.step(rng, at, customer, What::Paid { invoice, subscription, amount });
        for _ in 0..rng.usize(1..3) {
            at += gap(rng);
            self.step(rng, at, customer, What::TakenOff { invoice });
            at += 1 + gap(rng);
            self.step(rng, at, customer, What::PaidAnew { invoice });
            if rng.u8(..3) == 0 {
                at += gap(rng);
                let amount = rng.i64(1..60) * 100;
                self.step(rng, at, customer, What::Refunded { invoice, amount });
            }
        }
    }
}

fn gap(rng: &mut Rng) -> i64 {
    match rng.u8(..6) {
        0 => 0,
        1 => 1,
        2 => rng.i64(2..3600),
        3 | 4 => rng.i64(0..4 * DAY),
        _ => rng.i64(0..20 * DAY),
    }
}
