//! What an invoice is for, and for how long: read from its own lines.
//!
//! The subscription in the body is that of the moment of sending and may have moved to another price since, so it speaks
//! only for a line with the same price.

#[cfg(test)]
mod tests;

use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, ToSpan};
use serde_json::Value;

use super::super::Event;
use super::super::checked::{Checked, Place};
use super::super::subscription::{Item, is_as_long, is_metered, mixed_intervals, quantity};
use crate::decision::{Warning, WarningCode};
use crate::facts::{Billing, InvoiceLine, Plan};
use crate::interval::{Interval, Period, Unit};
use crate::providers::json::{Look, NotUnderstood};

const SECONDS_OF_A_DAY: i64 = 86_400;

/// What an invoice is for.
pub struct Bought {
    pub subscription: Option<String>,
    pub billing: Billing,
    pub plan: Plan,
    pub seats: Option<i64>,
    pub billed_days: Option<i64>,
    pub lines: Vec<InvoiceLine>,
    pub warning: Option<Warning>,
}

pub fn bought(event: &Event, invoice: &Value) -> Result<Bought, NotUnderstood> {
    let lines = Line::all(invoice)?;
    let recurs = invoice.flag("recurring") != Some(false);
    let shown = lines.iter().map(|line| line.shown(recurs)).collect();
    let recurring = recurs && !is_for_extras_alone(invoice, &lines);
    let of_body = event.content.text("subscription.id");
    let main = deciding(&lines, recurring, speaking_subscription(invoice, &lines, recurring, of_body));
    let subscription = main
        .and_then(|line| line.subscription.clone())
        .or_else(|| invoice.owned("subscription_id"))
        // A one-off invoice that names no subscription at all belongs to the subscriber's.
        .or_else(|| of_body.filter(|_| !recurring).map(str::to_owned));
    let unknown = Bought {
        subscription,
        billing: Billing::Stretch(None),
        plan: Plan::default(),
        seats: None,
        billed_days: None,
        lines: shown,
        warning: mixed_subscriptions(&lines, recurring),
    };
    if !recurring {
        let price_id = main.and_then(|line| line.entity.clone()).unwrap_or_else(|| "adhoc".to_owned());
        let plan = Plan { price_id: Some(price_id), ..Plan::default() };
        return Ok(Bought { billing: Billing::OneTime, plan, ..unknown });
    }
    let Some(main) = main else { return Ok(unknown) };
    let in_body = event.content.at("subscription").filter(|it| it.owned("id") == unknown.subscription);
    let items = in_body.map(Item::all).unwrap_or_default();
    let item = main.item(&items);
    let period = item.map(Item::period).transpose()?.flatten();
    let metered = main.is_metered() || item.is_some_and(Item::is_metered);
    Ok(Bought {
        billing: billing(main, &lines, period)?,
        plan: Plan { period, price_id: main.entity.clone(), product_id: None, metered },
        seats: if metered { None } else { seats(main, &lines, item)? },
        billed_days: main.days()?,
        warning: unknown.warning.or_else(|| mixed_items(&lines, &items, main, period)),
        ..unknown
    })
}

/// Whether an invoice that recurs is for one-off extras alone: a free line, as of a trial beside a setup fee, recurs
/// without being paid. Of an invoice that is not shown in full, and of lines of a kind nobody knows, that is not known.
fn is_for_extras_alone(invoice: &Value, lines: &[Line]) -> bool {
    let mut paid = lines.iter().filter(|line| line.amount != 0).peekable();
    is_complete(invoice) && paid.peek().is_some() && paid.all(|line| line.kind == Kind::OneOff)
}

/// Whether all lines are in the body; the name of the field says where a long list goes on.
pub fn is_complete(invoice: &Value) -> bool {
    invoice.at("line_items_next_offset").is_none()
}

/// The subscription whose lines decide, where the invoice is for several and names none: the one in the body, if it is
/// among them and all are billed alike.
fn speaking_subscription<'a>(
    invoice: &Value,
    lines: &[Line],
    recurring: bool,
    of_body: Option<&'a str>,
) -> Option<&'a str> {
    let among = |id: &&str| lines.iter().any(|line| line.counts(recurring) && line.subscription.as_deref() == Some(id));
    let is_consolidated = invoice.owned("subscription_id").is_none();
    of_body.filter(among).filter(|_| is_consolidated && mixed_subscriptions(lines, recurring).is_none())
}

/// The line that names plan and interval: of a recurring invoice the largest plan line, else the largest addon, free
/// ones last; of a one-off invoice the largest line.
fn deciding<'l, 'a>(lines: &'l [Line<'a>], recurring: bool, of: Option<&str>) -> Option<&'l Line<'a>> {
    lines
        .iter()
        // `max_by_key` returns the last of equals; the first line is the one people see first.
        .rev()
        .filter(|line| line.counts(recurring) && (of.is_none() || line.subscription.as_deref() == of))
        .max_by_key(|line| (recurring && line.amount > 0, recurring && line.kind == Kind::Plan, line.amount))
}

fn mixed_subscriptions(lines: &[Line], recurring: bool) -> Option<Warning> {
    let plans = || lines.iter().filter(|line| recurring && line.kind == Kind::Plan);
    let word = |line: &Line| line.word().unwrap_or(None);
    let first = plans().next()?;
    plans().find(|line| line.subscription != first.subscription && word(line) != word(first)).map(|_| {
        Warning::new(
            WarningCode::IntervalMixed,
            "the invoice is for several subscriptions with different periods; the largest recurring line decides",
        )
    })
}

/// A warning where another paid line is of an item with another period.
fn mixed_items(lines: &[Line], items: &[Item], main: &Line, period: Option<Period>) -> Option<Warning> {
    let paid = lines.iter().filter(|line| line.amount != 0 && line.subscription == main.subscription);
    let mut others = paid.filter_map(|line| line.item(items)?.period().ok().flatten()).map(Some);
    let other = others.find(|other| period.is_some() && !is_as_long(period, *other))?;
    Some(mixed_intervals("lines", period, other, "the largest decides"))
}

/// How often the deciding line is paid. `period` is that of its item.
fn billing(main: &Line, lines: &[Line], period: Option<Period>) -> Result<Billing, NotUnderstood> {
    let mut whole = Vec::new();
    for line in lines.iter().filter(|line| line.is_like(main) && line.amount != 0) {
        if line.is_whole(main, period)? && !whole.contains(&line.span()?) {
            whole.push(line.span()?);
        }
    }
    Ok(match period {
        _ if whole.len() > 1 => Billing::SeveralPeriods,
        Some(period) if main.days()?.is_some_and(|days| is_over(days, period)) => Billing::SeveralPeriods,
        Some(_) => Billing::Recurring,
        None => Billing::Stretch(main.word()?),
    })
}

/// Whether `days` are clearly more than one `period`: at least one and a half.
fn is_over(days: i64, period: Period) -> bool {
    i128::from(days) * 200 >= hundredths_of_days(period) * 3
}

/// How long a period is on average, in hundredths of a day.
fn hundredths_of_days(period: Period) -> i128 {
    let unit = match period.unit {
        Unit::Day => 100,
        Unit::Week => 700,
        Unit::Month => 3_044,
        Unit::Year => 36_525,
    };
    i128::from(period.count) * unit
}

/// Units on the deciding line and on others of the same price for the same stretch; where a line does not say, the
/// subscription's for the same price.
fn seats(main: &Line, lines: &[Line], item: Option<&Item>) -> Checked<i64> {
    let mut sum = main.quantity()?;
    for line in lines.iter().filter(|line| line.is_like(main) && !std::ptr::eq(*line, main) && !line.is_metered()) {
        if line.span()? == main.span()? {
            sum = sum.zip(line.quantity()?).and_then(|(sum, quantity)| sum.checked_add(quantity));
        }
    }
    match item {
        Some(item) if sum.is_none() => item.seats(),
        _ => Ok(sum),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Plan,
    Addon,
    OneOff,
    /// A word that does not exist yet.
    Unknown,
}

struct Line<'a> {
    at: Place<'a>,
    entity: Option<String>,
    subscription: Option<String>,
    amount: i64,
    kind: Kind,
}

impl<'a> Line<'a> {
    fn all(invoice: &'a Value) -> Result<Vec<Self>, NotUnderstood> {
        invoice.list("line_items").iter().map(Self::read).collect()
    }

    fn read(line: &'a Value) -> Result<Self, NotUnderstood> {
        let at = Place::new(line, "content.invoice.line_items");
        Ok(Self {
            at,
            entity: line.owned("entity_id"),
            subscription: line.owned("subscription_id"),
            amount: at.whole("amount")?.unwrap_or(0),
            kind: match line.text("entity_type") {
                Some("plan" | "plan_item_price") => Kind::Plan,
                Some("addon" | "addon_item_price") => Kind::Addon,
                Some("plan_setup" | "charge_item_price" | "adhoc") => Kind::OneOff,
                _ => Kind::Unknown,
            },
        })
    }

    fn recurs(&self) -> bool {
        matches!(self.kind, Kind::Plan | Kind::Addon)
    }

    /// Whether it may decide.
    fn counts(&self, recurring: bool) -> bool {
        !recurring || self.recurs()
    }

    /// For rules to look at. `recurring` of the whole invoice: a plan may be sold once too. Chargebee marks no line as
    /// prorated.
    fn shown(&self, recurring: bool) -> InvoiceLine {
        InvoiceLine {
            amount: self.amount,
            quantity: self.at.object.int("quantity"),
            price_id: self.entity.clone(),
            product_id: None,
            recurring: recurring && self.recurs(),
            proration: false,
            description: self.at.object.owned("description"),
        }
    }

    fn is_metered(&self) -> bool {
        is_metered(self.at.object)
    }

    fn quantity(&self) -> Checked<i64> {
        quantity(&self.at, "quantity")
    }

    /// The item with the same price.
    fn item<'i, 'b>(&self, items: &'i [Item<'b>]) -> Option<&'i Item<'b>> {
        items.iter().find(|item| self.recurs() && self.entity.is_some() && item.price_id == self.entity)
    }

    /// Whether both are for the same price of the same subscription.
    fn is_like(&self, other: &Self) -> bool {
        self.entity.is_some() && self.entity == other.entity && self.subscription == other.subscription
    }

    /// What the line is for, in Unix seconds.
    fn span(&self) -> Checked<(i64, i64)> {
        let (from, to) = (self.at.whole("date_from")?, self.at.whole("date_to")?);
        Ok(from.zip(to))
    }

    /// A stretch ends with the next one's first second or a second before it; one across the change to summer time is an
    /// hour short.
    fn days(&self) -> Checked<i64> {
        let days = |(from, to): (i64, i64)| to.saturating_sub(from).saturating_add(1 + 3600) / SECONDS_OF_A_DAY;
        Ok(self.span()?.map(days))
    }

    /// The word for the billed stretch.
    fn word(&self) -> Checked<Interval> {
        let Some(days) = self.days()? else { return Ok(None) };
        // Weeks have one length; the days around it belong to something prorated.
        let exact = |word: &Interval| *word != Interval::BiWeekly || days == 14;
        Ok(Interval::of_days(days).filter(exact))
    }

    /// Whether it is for a whole period: for as long as its item, else as the deciding line. What is left of a month
    /// after its first days is as long as a short month; it costs less and does not end on the day it began.
    fn is_whole(&self, main: &Self, period: Option<Period>) -> Result<bool, NotUnderstood> {
        let (Some(days), Some(span)) = (self.days()?, self.span()?) else { return Ok(false) };
        let word = self.word()?;
        let is_long_enough = match period.map(|period| (period, period.word())) {
            Some((_, Some(expected))) => word == Some(expected),
            Some((period, None)) => is_about(days, period),
            None => word.is_some() && word == main.word()?,
        };
        Ok(is_long_enough && (self.amount == main.amount || word.is_some_and(|word| is_calendar(span, word))))
    }
}

/// Whether `days` are the length that a period without a word has, give or take a tenth.
fn is_about(days: i64, period: Period) -> bool {
    let (length, expected) = (i128::from(days) * 1_000, hundredths_of_days(period));
    (9 * expected..=11 * expected).contains(&length)
}

/// Whether a stretch leads from a day to the same day of a later month, or to its last day; weeks always do.
fn is_calendar((from, to): (i64, i64), word: Interval) -> bool {
    let months = match word {
        Interval::Monthly => 1,
        Interval::Quarterly => 3,
        Interval::SemiAnnual => 6,
        Interval::Yearly => 12,
        Interval::Biennial => 24,
        Interval::Triennial => 36,
        // Weeks have one length, so a stretch of it is a whole one.
        _ => return true,
    };
    let length: Span = months.months();
    // The end may be given as the last second.
    let days = day(from).zip(day(to.saturating_add(1)));
    days.is_some_and(|(start, end)| start.saturating_add(length) == end || end.saturating_sub(length) == start)
}

fn day(seconds: i64) -> Option<jiff::civil::Date> {
    Some(Timestamp::from_second(seconds).ok()?.to_zoned(TimeZone::UTC).date())
}
