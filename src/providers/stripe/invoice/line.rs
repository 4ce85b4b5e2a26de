//! One line of an invoice: what it is for, for how long, and whether it recurs.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde_json::Value;

use crate::facts::{Billing, InvoiceLine, Plan};
use crate::interval::{Interval, Period, Unit};
use crate::providers::json::{Look, NotUnderstood};
use crate::providers::stripe::subscription::{plan, usage_type};

const SECONDS_OF_A_DAY: i64 = 86_400;

pub struct Line {
    pub plan: Plan,
    pub amount: i64,
    /// Only the lines that name the seats must have one that is understood.
    quantity: Result<Option<i64>, NotUnderstood>,
    pub proration: bool,
    /// Comes from a subscription's item.
    of_subscription: bool,
    /// Comes from neither a subscription's item nor an invoice item, but from a pricing plan or another thing that bills
    /// by a period of its own.
    of_other_plan: bool,
    pub subscription: Option<String>,
    /// The subscription's item.
    item: Option<String>,
    /// The line's own price says that it is not billed by use.
    licensed: bool,
    /// What the line is for, in Unix seconds: start and end.
    period: Option<(i64, i64)>,
    description: Option<String>,
}

impl Line {
    /// The paths of problems start at the line.
    pub fn read(line: &Value) -> Result<Self, NotUnderstood> {
        let object = |key: &'static str| Some((key, line.at(key).filter(|price| price.is_object())?));
        let price = if line.at("price").is_some() { object("price") } else { object("plan") };
        let item = line.at("parent.subscription_item_details");
        let details = item.or_else(|| line.at("parent.invoice_item_details"));
        let plan = match price {
            Some((key, price)) => plan(price).map_err(|problem| problem.below(key))?,
            None => Plan {
                period: None,
                price_id: line.id("pricing.price_details.price").or_else(|| line.id("price")),
                product_id: line.id("pricing.price_details.product"),
                metered: false,
            },
        };
        let read = Self {
            plan,
            amount: line.whole("amount")?.unwrap_or(0),
            quantity: line.whole("quantity"),
            proration: line.flag("proration").or_else(|| details?.flag("proration")).unwrap_or(false),
            of_subscription: item.is_some() || line.text("type") == Some("subscription"),
            of_other_plan: line
                .text("parent.type")
                .is_some_and(|kind| !matches!(kind, "subscription_item_details" | "invoice_item_details")),
            subscription: line.id("subscription").or_else(|| details?.id("subscription")),
            item: line.id("subscription_item").or_else(|| item?.id("subscription_item")),
            licensed: price.is_some_and(|(_, price)| usage_type(price) == Some("licensed")),
            period: None,
            description: line.owned("description"),
        };
        // Extras and prorations are billed for no period that matters.
        if !read.is_regular() {
            return Ok(read);
        }
        let (start, end) = (line.whole("period.start")?, line.whole("period.end")?);
        Ok(Self { period: start.zip(end), ..read })
    }

    pub fn stated(&self) -> InvoiceLine {
        InvoiceLine {
            amount: self.amount,
            quantity: self.quantity.clone().unwrap_or_default(),
            price_id: self.plan.price_id.clone(),
            product_id: self.plan.product_id.clone(),
            recurring: self.recurring(),
            proration: self.proration,
            description: self.description.clone(),
        }
    }

    /// Only subscriptions are prorated, whatever the line says it comes from.
    pub fn recurring(&self) -> bool {
        self.plan.period.is_some() || self.of_subscription || self.of_other_plan || self.proration
    }

    /// Recurring, and for a whole period.
    pub fn is_regular(&self) -> bool {
        self.recurring() && !self.proration
    }

    /// Regular, and not free: a line that costs nothing is a trial, whose length is not the plan's.
    fn is_billed(&self) -> bool {
        self.is_regular() && self.amount != 0
    }

    /// The word for the billed stretch. A prorated one is cut short, a free one is a trial and a pricing plan is billed
    /// when its cadence says: none of them is a period.
    pub fn stretch(&self) -> Billing {
        match self.period {
            Some((start, end)) if self.is_billed() && !self.of_other_plan => Billing::Stretch(word(start, end)),
            _ => Billing::Stretch(None),
        }
    }

    pub fn billed_days(&self) -> Option<i64> {
        self.period.filter(|_| self.is_billed()).map(|(start, end)| days(start, end)).filter(|days| *days > 0)
    }

    /// Whether several periods of its price are billed at once: by a line each, or by one that is longer than the period.
    /// Prebilling (`billing_schedules`, since 2026-05-27) does that.
    pub fn is_one_of_several_periods(&self, lines: &[Self]) -> bool {
        if !self.is_billed() {
            return false;
        }
        let is_another_period_of_it = |other: &&Self| {
            let same_price = self.plan.price_id.is_some() && other.plan.price_id == self.plan.price_id;
            let same_item = other.item == self.item && other.subscription == self.subscription;
            let differs = other.period.zip(self.period).is_some_and(|(other, own)| other != own);
            other.is_billed() && same_price && same_item && differs
        };
        let longer = self
            .billed_days()
            .zip(self.plan.period)
            .is_some_and(|(billed, period)| billed.saturating_mul(2) >= days_of(period).saturating_mul(3));
        longer || lines.iter().any(|line| is_another_period_of_it(&line))
    }

    /// Units of the item that the line is for. A graduated price has a line for each tier, each with its part of them.
    /// What was used is nobody's seats.
    pub fn seats(&self, lines: &[Self], invoice_made_at: Option<i64>) -> Result<Option<i64>, NotUnderstood> {
        if self.plan.metered || self.of_other_plan || self.is_in_arrears(invoice_made_at) {
            return Ok(None);
        }
        if self.proration || self.item.is_none() {
            return self.quantity.clone();
        }
        let of_same = |line: &&Self| {
            !line.proration && line.item == self.item && line.plan == self.plan && line.period == self.period
        };
        let mut sum = Some(0_i64);
        for line in lines.iter().filter(of_same) {
            sum = sum.zip(line.quantity.clone()?).and_then(|(sum, quantity)| sum.checked_add(quantity));
        }
        Ok(sum)
    }

    /// Billed when its period was over, as usage is and licences are not. Since 2025-03-31 nothing else on a line shows
    /// that its price is metered.
    fn is_in_arrears(&self, invoice_made_at: Option<i64>) -> bool {
        // Only whole periods are read.
        self.period.zip(invoice_made_at).is_some_and(|((_, end), made)| end <= made) && !self.licensed
    }
}

/// The word for the length of a billed stretch, given in Unix seconds.
///
/// Four weeks are as long as a short February, and a plan for every four weeks is not monthly: such a stretch is a month
/// only where it leads from a day to the same day of the next month, or to its last day. 364 days are 52 weeks; Stripe's
/// years have 365 or 366.
pub fn word(start: i64, end: i64) -> Option<Interval> {
    match days(start, end) {
        28 if !is_a_month(day(start)?, day(end)?) => None,
        364 => None,
        days => Interval::of_days(days),
    }
}

/// Rounded: a stretch across the change to summer time is an hour short.
fn days(start: i64, end: i64) -> i64 {
    end.saturating_sub(start).saturating_add(SECONDS_OF_A_DAY / 2) / SECONDS_OF_A_DAY
}

fn days_of(period: Period) -> i64 {
    let unit = match period.unit {
        Unit::Day => 1,
        Unit::Week => 7,
        Unit::Month => 30,
        Unit::Year => 365,
    };
    period.count.saturating_mul(unit)
}

fn is_a_month(start: Date, end: Date) -> bool {
    start.saturating_add(1.month()) == end || end.saturating_sub(1.month()) == start
}

fn day(seconds: i64) -> Option<Date> {
    Some(Timestamp::from_second(seconds).ok()?.to_zoned(TimeZone::UTC).date())
}
