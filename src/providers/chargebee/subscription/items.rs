//! The prices a subscription is for, of both product catalogues: a plan and addons (1.0), items (2.0).

use serde_json::Value;

use super::super::checked::{Checked, Place};
use crate::interval::Period;
use crate::providers::json::Look;

const ITEMS: &str = "content.subscription.subscription_items";
const ADDONS: &str = "content.subscription.addons";
pub const SUBSCRIPTION: &str = "content.subscription";

/// One price of a subscription: of a plan or an addon. One-off charges do not recur and are none.
pub struct Item<'a> {
    /// Plan, addon or item price.
    pub price_id: Option<String>,
    is_plan: bool,
    at: Place<'a>,
    subscription: Place<'a>,
    /// What the names of its fields begin with.
    prefix: &'static str,
}

impl<'a> Item<'a> {
    pub fn all(subscription: &'a Value) -> Vec<Self> {
        let whole = Place::new(subscription, SUBSCRIPTION);
        let items = subscription.list("subscription_items");
        if items.is_empty() {
            let plan = Self {
                price_id: subscription.owned("plan_id"),
                is_plan: true,
                at: whole,
                subscription: whole,
                prefix: "plan_",
            };
            let addons = subscription.list("addons").iter().map(|addon| Self {
                price_id: addon.owned("id"),
                is_plan: false,
                at: Place::new(addon, ADDONS),
                subscription: whole,
                prefix: "",
            });
            return std::iter::once(plan).chain(addons).collect();
        }
        let recurring = items.iter().filter(|item| item.text("item_type") != Some("charge"));
        let items = recurring.map(|item| Self {
            price_id: item.owned("item_price_id"),
            is_plan: item.text("item_type") == Some("plan"),
            at: Place::new(item, ITEMS),
            subscription: whole,
            prefix: "",
        });
        items.collect()
    }

    /// The one that speaks for the whole subscription: the plan, else the first.
    pub fn main(items: &[Self]) -> Option<&Self> {
        items.iter().find(|item| item.is_plan).or_else(|| items.first())
    }

    pub fn is_metered(&self) -> bool {
        is_metered(self.at.object)
    }

    /// Its own period, else that of the subscription. An own one in a unit nobody knows is not the subscription's.
    pub fn period(&self) -> Checked<Period> {
        let has_own = ["billing_period", "billing_period_unit"].iter().all(|key| self.at.object.at(key).is_some());
        let place = if has_own { self.at } else { self.subscription };
        let count = place.whole("billing_period")?;
        Ok(place.object.text("billing_period_unit").zip(count).and_then(|(unit, count)| Period::parse(unit, count)))
    }

    /// What was used of a metered price is nobody's seats.
    pub fn seats(&self) -> Checked<i64> {
        if self.is_metered() { Ok(None) } else { self.quantity("quantity") }
    }

    /// What it costs for one period, in minor units. The given amount is used before unit price times quantity, since
    /// free units and tiers make them differ. `None` for tiers alone, and for a fraction of a unit, which has no price
    /// in whole minor units.
    pub fn cost(&self) -> Checked<i64> {
        if let Some(amount) = self.at.whole(&self.field("amount"))? {
            return Ok(Some(amount));
        }
        let Some(price) = self.at.whole(&self.field("unit_price"))? else { return Ok(None) };
        let (units, free) = (self.units("quantity", 1)?, self.units("free_quantity", 0)?);
        let to_pay = units.zip(free).map(|(units, free)| units.saturating_sub(free.max(0)).max(0));
        Ok(to_pay.and_then(|to_pay| price.checked_mul(to_pay)))
    }

    fn units(&self, name: &str, if_absent: i64) -> Checked<i64> {
        let given = [self.field(name), decimal(&self.field(name))];
        let is_absent = given.iter().all(|name| self.at.object.at(name).is_none());
        if is_absent { Ok(Some(if_absent)) } else { self.quantity(name) }
    }

    fn quantity(&self, name: &str) -> Checked<i64> {
        quantity(&self.at, &self.field(name))
    }

    fn field(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }
}

/// Whether an item or an invoice's line is billed by use.
pub fn is_metered(object: &Value) -> bool {
    ["metered", "item_price.metered"].iter().any(|flag| object.flag(flag) == Some(true))
}

/// A whole number of units, also where only the decimal form is given.
pub fn quantity(place: &Place, name: &str) -> Checked<i64> {
    let whole = place.whole(name)?;
    Ok(whole.or_else(|| {
        let text = place.object.text(&decimal(name))?;
        let (units, fraction) = text.split_once('.').unwrap_or((text, ""));
        fraction.bytes().all(|digit| digit == b'0').then(|| units.parse().ok())?
    }))
}

fn decimal(name: &str) -> String {
    format!("{name}_in_decimal")
}
