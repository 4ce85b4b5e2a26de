//! Makes a random history from a seed: always the same one from the same seed.

#[path = "stories.rs"]
mod stories;

use fastrand::Rng;

use crate::history::{Form, History, PRICES, Phase, Step, What, Word};

const DAY: i64 = 86_400;

pub fn history(seed: u64) -> History {
    let mut rng = Rng::with_seed(seed);
    let form = Form::ALL[rng.usize(..Form::ALL.len())];
    let organization_mode = rng.u8(..4) == 0;
    let account = if form.is_stripe() && rng.u8(..6) == 0 { "acct_1" } else { "" };
    let customers = match rng.u8(..8) {
        0 => 3,
        1 => 2,
        _ => 1,
    };
    let mut at = 0;
    let mut steps = Vec::new();
    let mut step = |rng: &mut Rng, at: i64, customer: usize, what: What| {
        let echoes = if rng.u8(..8) == 0 { 1 } else { 0 };
        let lost = matches!(what, What::Paid { .. } | What::Created(_)) && rng.u8(..12) == 0;
        let number = steps.len();
        steps.push(Step { number, at, customer, what, lost, echoes, nameless: false });
    };
    // When and how the words are put on each customer.
    let mut to_mark: Vec<Vec<(i64, Vec<Word>)>> = vec![];
    for customer in 0..customers {
        let (first, later) = marks(&mut rng, organization_mode);
        step(&mut rng, at, customer, What::Created(first));
        to_mark.push(later);
        at += rng.i64(0..3);
    }
    let mut sold = vec![0; customers];
    let mut subscribed = vec![0; customers];
    for _ in 0..rng.usize(3..10) {
        at += gap(&mut rng);
        let customer = rng.usize(..customers);
        while let Some((when, _)) = to_mark[customer].first()
            && *when <= at
        {
            let (_, words) = to_mark[customer].remove(0);
            step(&mut rng, at, customer, What::Marked(words));
            at += gap(&mut rng);
        }
        let what = what(&mut rng, &mut subscribed[customer], &mut sold[customer]);
        step(&mut rng, at, customer, what);
    }
    for (customer, later) in to_mark.into_iter().enumerate() {
        for (when, words) in later {
            at = at.max(when);
            step(&mut rng, at, customer, What::Marked(words));
        }
    }
    if rng.u8(..6) == 0 {
        let customer = rng.usize(..customers);
        at += gap(&mut rng);
        step(&mut rng, at, customer, What::Deleted);
    }
    let mut history = History { form, organization_mode, account, steps };
    stories::add(&mut history, seed);
    history
}

/// The words a customer is made with, and those that follow with the time of each.
fn marks(rng: &mut Rng, organization_mode: bool) -> (Vec<Word>, Vec<(i64, Vec<Word>)>) {
    let code = if rng.u8(..5) == 0 { Word::OtherCode } else { Word::Code };
    let mut words = vec![code, Word::User];
    if organization_mode {
        words.push(Word::Organization);
    }
    let late = |rng: &mut Rng| rng.i64(1..45) * DAY + rng.i64(0..DAY);
    match rng.u8(..9) {
        // Never referred, or never whole.
        0 => (vec![Word::User], vec![]),
        1 => (vec![code], vec![]),
        2 => (vec![Word::User], vec![(late(rng), words)]),
        3 => (vec![], vec![(late(rng), words)]),
        4 => {
            // One after the other, in any order.
            rng.shuffle(&mut words);
            let first = words.remove(0);
            let mut later: Vec<_> = words.into_iter().map(|word| (late(rng), vec![word])).collect();
            later.sort_by_key(|(when, _)| *when);
            (vec![first], later)
        }
        5 if code == Word::Code => (words, vec![(late(rng), vec![Word::OtherCode])]),
        _ => (words, vec![]),
    }
}

fn gap(rng: &mut Rng) -> i64 {
    match rng.u8(..6) {
        0 => 0,
        1 => 1,
        2 => rng.i64(2..3600),
        3 | 4 => rng.i64(0..6 * DAY),
        _ => rng.i64(0..20 * DAY),
    }
}

fn what(rng: &mut Rng, subscribed: &mut usize, sold: &mut usize) -> What {
    let subscription = rng.usize(..(*subscribed).max(1));
    let (price, seats) = (rng.usize(..PRICES.len()), rng.i64(1..4));
    match rng.u8(..24) {
        0..3 => {
            *subscribed += 1;
            let phase = [Phase::Active, Phase::Trial, Phase::Pending][rng.usize(..3)];
            What::Started { subscription: *subscribed - 1, phase, price, seats }
        }
        3..5 => What::Activated { subscription },
        5..7 => What::Changed { subscription, price, seats },
        7 => What::Stalled { subscription },
        8 => What::Recovered { subscription },
        9 => What::Untouched { subscription },
        10..12 => What::Ended { subscription },
        12..17 => {
            *sold += 1;
            let of = (*subscribed > 0 && rng.u8(..4) > 0).then_some(subscription);
            let amount = if rng.u8(..10) == 0 { 0 } else { rng.i64(1..100) * 100 };
            What::Paid { invoice: *sold - 1, subscription: of, amount }
        }
        17..21 => What::Refunded { invoice: rng.usize(..(*sold).max(1)), amount: rng.i64(1..40) * 100 },
        21 => What::Moved,
        _ => What::Touched,
    }
}
