//! What a purchase is for and how often it is paid, put together from the webhook and the directory.
//!
//! The order is: the webhook itself, the subscription, the price by its id, the length of the billed stretch. Where the
//! directory knows neither, the provider's API is asked for both before the length counts. Of an invoice too long for its
//! webhook the subscription speaks first. A period without an exact word gets none; what was concluded rather than read
//! carries a warning.

use crate::config::PlanWords;
use crate::decision::{Warning, WarningCode};
use crate::facts::{Billing, Invoice, InvoiceLine, Plan, Scope, Subscription};
use crate::interval::{Interval, Period};
use crate::store::{Ledger, StoreError};
use crate::trace::Told;

use super::policy::Policy;

/// Business key of a purchase: an invoice is reported once.
pub fn key(scope: &Scope, invoice: &str) -> String {
    format!("purchase:{}:{invoice}", scope.prefix())
}

/// What is paid for.
#[derive(Debug, Clone, Default)]
pub struct Resolution {
    pub plan: Plan,
    pub seats: Option<i64>,
    how: How,
    /// Where plan and period are known from; `None` where there is nothing to know.
    told: Option<Told>,
    /// Another period that lines of the same invoice have.
    mixed: Option<Period>,
}

/// How the interval is known.
#[derive(Debug, Clone, Copy, Default)]
enum How {
    /// There is none to know: a signup or a refund.
    #[default]
    Nothing,
    OneTime,
    Period(Option<Period>),
    Stretch(Option<Interval>),
    SeveralPeriods,
}

/// The words Cello is told, and what is odd about them.
pub struct Words {
    pub interval: Option<Interval>,
    pub interval_told: Option<Told>,
    pub product_key: Option<String>,
    pub product_key_told: Option<Told>,
    pub warning: Option<Warning>,
}

pub enum Answer {
    Known(Resolution),
    /// Neither price nor subscription is known: only the length of the billed stretch speaks, if anything does.
    Stretch(Resolution),
}

/// Finds out what `invoice` is for.
pub fn resolve(ledger: &mut dyn Ledger, scope: &Scope, invoice: &Invoice) -> Result<Answer, StoreError> {
    let own = |how, by: &str| Resolution {
        plan: invoice.plan.clone(),
        seats: invoice.seats,
        how,
        told: Some(Told::webhook(by)),
        mixed: None,
    };
    if let Some(Subscription { id, plan, seats, .. }) = of_what_is_not_shown(ledger, scope, invoice)? {
        let mixed = other_period(ledger, scope, invoice, plan.period)?;
        let told = Told::directory(format!("the subscription `{id}`: its line is not among those in the webhook"));
        let how = How::Period(plan.period);
        return Ok(Answer::Known(Resolution { plan, seats, how, told: Some(told), mixed }));
    }
    let how = match invoice.billing {
        Billing::OneTime => return Ok(Answer::Known(own(How::OneTime, "no line of the invoice recurs"))),
        Billing::Recurring => {
            return Ok(Answer::Known(own(how_often(invoice.plan.period, invoice), "the plan on the invoice")));
        }
        Billing::SeveralPeriods => return Ok(Answer::Known(own(How::SeveralPeriods, "the lines of the invoice"))),
        Billing::Stretch(stretch) => How::Stretch(stretch),
    };
    let subscription = known_subscription(ledger, scope, invoice)?;
    // A subscription that has moved to another price since does not speak for this one.
    let same_price = |known: &&Subscription| match &invoice.plan.price_id {
        Some(id) => known.plan.price_id.as_ref() == Some(id),
        None => true,
    };
    let speaks = subscription.as_ref().filter(same_price);
    let price = match &invoice.plan.price_id {
        Some(id) => ledger.price(scope, id)?.map(|plan| (plan, format!("the price `{id}`"))),
        None => None,
    };
    // What is billed by use has neither seats nor a fixed amount; the quantity of its line is what was used.
    let by_use = price.as_ref().is_some_and(|(plan, _)| plan.metered)
        || speaks.is_some_and(|known| known.seats.is_none() && known.amount.is_none());
    // Those of the subscription's licensed item, but not of another price that it has moved to.
    let speaks_of_seats = if by_use { subscription.as_ref() } else { speaks };
    let seats = invoice.seats.filter(|_| !by_use).or_else(|| speaks_of_seats?.seats);
    let known = match speaks {
        Some(known) => Some((known.plan.clone(), format!("the subscription `{}`", known.id))),
        None => price.filter(|(plan, _)| plan.period.is_some()),
    };
    let Some((plan, by)) = known else {
        return Ok(Answer::Stretch(Resolution { seats, ..own(how, "the length of the billed period") }));
    };
    let product_id = plan.product_id.or_else(|| invoice.plan.product_id.clone());
    let mixed = other_period(ledger, scope, invoice, plan.period)?;
    let how = how_often(plan.period, invoice);
    let (plan, told) = (Plan { product_id, ..plan }, Some(Told::directory(by)));
    Ok(Answer::Known(Resolution { how, told, plan, seats, mixed }))
}

/// The interval of a known period, unless the deciding line is billed for more than one: no word fits an amount for several.
fn how_often(period: Option<Period>, invoice: &Invoice) -> How {
    let several = period.zip(invoice.billed_days).is_some_and(|(period, days)| days * 2 >= period.days() * 3);
    if several { How::SeveralPeriods } else { How::Period(period) }
}

/// The subscription, where the webhook does not carry all lines and shows only smaller parts of it. They must be billed
/// as often as the whole: else it has moved to another price since, or the whole is not on this invoice.
fn of_what_is_not_shown(
    ledger: &mut dyn Ledger,
    scope: &Scope,
    invoice: &Invoice,
) -> Result<Option<Subscription>, StoreError> {
    let (false, Some(shown)) = (invoice.lines_complete, &invoice.plan.price_id) else { return Ok(None) };
    let Some(known) = known_subscription(ledger, scope, invoice)? else { return Ok(None) };
    let is_regular = |line: &&InvoiceLine| line.recurring && !line.proration;
    if invoice.lines.iter().filter(is_regular).any(|line| line.price_id == known.plan.price_id) {
        return Ok(None);
    }
    let period = match invoice.plan.period {
        Some(period) => Some(period),
        None => ledger.price(scope, shown)?.and_then(|plan| plan.period),
    };
    let is_as_often = match (period, invoice.billing) {
        (Some(period), _) => known.plan.period.is_some_and(|whole| whole.is_as_long_as(period)),
        (None, Billing::Stretch(Some(word))) => known.plan.period.and_then(Period::word) == Some(word),
        _ => false,
    };
    Ok(Some(known).filter(|_| is_as_often))
}

/// A period that another line of the invoice has, told from the prices the directory knows.
fn other_period(
    ledger: &mut dyn Ledger,
    scope: &Scope,
    invoice: &Invoice,
    period: Option<Period>,
) -> Result<Option<Period>, StoreError> {
    for id in &invoice.price_ids {
        let other = ledger.price(scope, id)?.and_then(|plan| plan.period);
        if other.zip(period).is_some_and(|(other, period)| !other.is_as_long_as(period)) {
            return Ok(other);
        }
    }
    Ok(None)
}

fn known_subscription(
    ledger: &mut dyn Ledger,
    scope: &Scope,
    invoice: &Invoice,
) -> Result<Option<Subscription>, StoreError> {
    let Some(id) = &invoice.subscription else { return Ok(None) };
    Ok(ledger.subscription(scope, id)?.map(|known| known.subscription).filter(|known| known.plan.period.is_some()))
}

impl Resolution {
    /// Whether there is no word for the stretch that was billed.
    pub fn has_no_word(&self) -> bool {
        matches!(self.how, How::Stretch(None))
    }

    pub fn of_subscription(subscription: &Subscription) -> Self {
        Self {
            plan: subscription.plan.clone(),
            seats: subscription.seats,
            how: How::Period(subscription.plan.period),
            told: Some(Told::webhook("the subscription")),
            mixed: None,
        }
    }

    /// The words for it; the operator's own come first.
    pub fn words(&self, policy: &Policy) -> Words {
        let by_setting = |name: &str| Some(Told::setting(format!("`plans`, {name}")));
        let (product_key, product_key_told) =
            match policy.words(&self.plan, |words: &PlanWords| words.product_key.clone()) {
                Some(key) => (Some(key), by_setting("product_key")),
                None => (self.plan.product_key().map(str::to_owned), self.told.clone()),
            };
        let configured = policy.words(&self.plan, |words| words.interval).filter(|_| !matches!(self.how, How::Nothing));
        let warn = |code, message: String| Some(Warning::new(code, message));
        let (interval, warning) = match (configured, self.how) {
            (Some(interval), _) => (Some(interval), None),
            (None, How::Nothing) => (None, None),
            (None, How::OneTime) => (Some(Interval::OneTime), None),
            (None, How::Period(Some(period))) => match period.word() {
                Some(word) => {
                    let mixed = self.mixed.map(|other| {
                        let message = format!("lines are billed every {period} and every {other}; the largest decides");
                        Warning::new(WarningCode::IntervalMixed, message)
                    });
                    (Some(word), mixed)
                }
                None => {
                    let message = format!("Cello has no word for every {period}; name one under `plans`");
                    (None, warn(WarningCode::IntervalUnmapped, message))
                }
            },
            (None, How::Stretch(Some(word))) => {
                let message = format!("`{word}` was told from the length of the billed period");
                (Some(word), warn(WarningCode::IntervalDerived, message))
            }
            (None, How::SeveralPeriods) => {
                let message = "several periods were paid at once; name an interval under `plans` if one fits";
                (None, warn(WarningCode::SeveralPeriods, message.to_owned()))
            }
            (None, How::Period(None) | How::Stretch(None)) => {
                (None, warn(WarningCode::IntervalUnknown, "nothing tells how often this is billed".to_owned()))
            }
        };
        let interval_told = if configured.is_some() { by_setting("interval") } else { self.told.clone() };
        Words { interval, interval_told, product_key, product_key_told, warning }
    }
}
