//! What an item of a subscription is for, and what it costs each period.

use serde_json::Value;

use crate::facts::Plan;
use crate::interval::Period;
use crate::money::Currency;
use crate::providers::json::{Look, NotUnderstood};
use crate::providers::stripe::currency;

/// An item of a subscription, as it is billed now.
pub struct Item {
    pub plan: Plan,
    /// `None` where the price is billed by use.
    pub quantity: Option<i64>,
    /// Of one period, in minor units; `None` where only usage or a tier decides it, or where it is stated in another
    /// currency than the subscription's.
    pub amount: Option<i64>,
    pub currency: Option<Currency>,
    /// A trial offer is on: see [`offered_price`].
    pub on_offer: bool,
}

pub fn items(object: &Value) -> Result<Vec<Item>, NotUnderstood> {
    let entries = object.list("items.data");
    let currency = object.text("currency");
    if entries.is_empty() {
        // Before there were items, a subscription had one plan and one quantity.
        let Some(plan) = object.at("plan") else { return Ok(vec![]) };
        return Ok(vec![item(object, ("plan", plan), currency)?]);
    }
    let mut items = vec![];
    for entry in entries {
        let Some((key, own)) = price(entry) else { continue };
        let problem = |problem: NotUnderstood| problem.below("items.data");
        let on_offer = entry.at("current_trial").is_some();
        items.push(match offered_price(entry) {
            Some(offered) if offered.is_object() => {
                Item { on_offer, ..item(entry, (OFFERED_PRICE, offered), currency).map_err(problem)? }
            }
            // Only its id is there: nothing says what it costs, unless it is the item's own price.
            Some(offered) if offered.as_str() != own.text("id") => Item {
                plan: Plan { price_id: offered.as_str().map(str::to_owned), ..Plan::default() },
                quantity: entry.whole("quantity").map_err(problem)?,
                amount: None,
                currency: None,
                on_offer,
            },
            Some(_) => Item { on_offer, ..item(entry, (key, own), currency).map_err(problem)? },
            None => {
                let item = item(entry, (key, own), currency).map_err(problem)?;
                let is_unknown = on_offer && object.text("status") == Some("trialing");
                Item { amount: item.amount.filter(|_| !is_unknown), on_offer, ..item }
            }
        });
    }
    Ok(items)
}

/// The price of an item, which is a plan before 2020, and the key it stands under.
pub fn price(entry: &Value) -> Option<(&'static str, &Value)> {
    ["price", "plan"].into_iter().find_map(|key| Some((key, entry.at(key)?)))
}

const OFFERED_PRICE: &str = "current_trial.trial_offer.price";

/// What an item costs while a trial offer (since 2026-09-30) is on: the price, or its id, where the webhook holds the
/// offer and not its id alone. Such a trial can cost money, and have another interval than what follows.
pub fn offered_price(entry: &Value) -> Option<&Value> {
    entry.at(OFFERED_PRICE)
}

/// `key` is where `entry` holds its `price`, which is a plan before 2020. A price with several currencies states its
/// amount in its first one, even if `of_subscription` is another.
fn item(entry: &Value, (key, price): (&str, &Value), of_subscription: Option<&str>) -> Result<Item, NotUnderstood> {
    let below = |problem: NotUnderstood| problem.below(key);
    let plan = plan(price).map_err(below)?;
    let quantity = if plan.metered { None } else { entry.whole("quantity")? };
    let stated = currency(price, "currency").map_err(below)?;
    let foreign = stated
        .as_ref()
        .zip(of_subscription)
        .is_some_and(|(stated, currency)| !stated.as_str().eq_ignore_ascii_case(currency));
    let amount = if plan.metered || foreign { None } else { amount(price, quantity.unwrap_or(1)).map_err(below)? };
    Ok(Item { plan, quantity, amount, currency: stated, on_offer: false })
}

/// `licensed` or `metered`, where a price or plan says so.
pub fn usage_type(price: &Value) -> Option<&str> {
    price.text("recurring.usage_type").or_else(|| price.text("usage_type"))
}

/// What a price or plan object says of period, price and product.
///
/// # Errors
///
/// When the number of units in its period is not understood.
pub fn plan(price: &Value) -> Result<Plan, NotUnderstood> {
    let (recurring, place) = match price.at("recurring") {
        Some(recurring) => (recurring, "recurring.interval_count"),
        None => (price, "interval_count"),
    };
    let period = match recurring.text("interval") {
        Some(unit) => Period::parse(unit, price.whole(place)?.unwrap_or(1)),
        None => None,
    };
    Ok(Plan {
        period,
        price_id: price.owned("id"),
        product_id: price.id("product"),
        metered: usage_type(price) == Some("metered"),
    })
}

pub fn amount(price: &Value, quantity: i64) -> Result<Option<i64>, NotUnderstood> {
    if price.text("billing_scheme") == Some("tiered") {
        return Ok(None);
    }
    let Some(quantity) = packages(price, quantity)? else { return Ok(None) };
    for key in ["unit_amount", "amount"] {
        if let Some(unit) = price.whole(key)? {
            return Ok(unit.checked_mul(quantity));
        }
    }
    for key in ["unit_amount_decimal", "amount_decimal"] {
        if let Some(unit) = price.at(key) {
            let decimal = unit.as_str().filter(|text| is_decimal(text)).ok_or_else(|| NotUnderstood::at(key))?;
            return Ok(times(decimal, quantity));
        }
    }
    Ok(None)
}

/// How many times the unit amount is due: a price may be for packages of units, rounded up or down to whole ones.
fn packages(price: &Value, quantity: i64) -> Result<Option<i64>, NotUnderstood> {
    let transform = ["transform_quantity", "transform_usage"].into_iter().find_map(|key| Some((key, price.at(key)?)));
    let Some((key, transform)) = transform else { return Ok(Some(quantity)) };
    let size = transform.whole("divide_by").map_err(|problem| problem.below(key))?;
    let Some(size) = size.filter(|size| size.is_positive()) else { return Ok(None) };
    let rounded_up = transform.text("round") == Some("up");
    let whole = quantity.checked_div_euclid(size).zip(quantity.checked_rem_euclid(size));
    Ok(whole.map(|(whole, rest)| if rest > 0 && rounded_up { whole + 1 } else { whole }))
}

/// Digits with a sign and a point at most.
fn is_decimal(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    [whole, fraction].iter().all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
}

/// `decimal × quantity` where that is a whole number of minor units: Stripe's `unit_amount_decimal` may hold
/// fractions of one.
pub fn times(decimal: &str, quantity: i64) -> Option<i64> {
    let (whole, fraction) = decimal.split_once('.').unwrap_or((decimal, ""));
    let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
    let scale = 10_i128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let product = digits.checked_mul(i128::from(quantity))?;
    (product % scale == 0).then(|| i64::try_from(product / scale).ok())?
}
