//! Purchases and refunds.

use super::Plan;
use crate::interval::Interval;
use crate::money::Currency;

/// A fully paid invoice, or a one-time sale without one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invoice {
    /// The invoice, else the payment, else the session: what makes the purchase one purchase.
    pub id: String,
    pub subscription: Option<String>,
    pub currency: Option<Currency>,
    /// Money collected, in minor units, tax included; credit that was applied is not money.
    pub amount_paid: i64,
    /// The same without tax.
    pub amount_paid_net: i64,
    /// After discounts, with tax, before credit.
    pub total: i64,
    pub tax: i64,
    pub billing: Billing,
    pub plan: Plan,
    /// The prices of all recurring lines, where only their ids are known.
    pub price_ids: Vec<String>,
    pub seats: Option<i64>,
    /// The lines as the webhook lists them.
    pub lines: Vec<InvoiceLine>,
    /// False where there are more lines than the webhook carries, or it carries none.
    pub lines_complete: bool,
    /// Of the address on the invoice: ISO 3166, two letters, upper case.
    pub country: Option<String>,
    /// The customer's address as frozen on the invoice.
    pub email: Option<String>,
    /// The provider's word for why the invoice was made; empty when it says nothing.
    pub billing_reason: String,
}

/// One line of an invoice, for rules to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvoiceLine {
    /// In minor units, before discounts of the whole invoice and before tax that is added; negative for a credit.
    pub amount: i64,
    pub quantity: Option<i64>,
    /// Price or plan.
    pub price_id: Option<String>,
    pub product_id: Option<String>,
    pub recurring: bool,
    /// For a part of a period, after a change.
    pub proration: bool,
    pub description: Option<String>,
}

/// What is remembered of a purchase that was reported, for its refunds. All in minor units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownPurchase {
    /// Money collected, tax included.
    pub paid: i64,
    /// The same without tax.
    pub net: i64,
    /// What was reported as refunded so far, tax included.
    pub refunded: i64,
    /// The same without tax.
    pub refunded_net: i64,
}

/// How often an invoice is paid, as far as the webhook tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Billing {
    OneTime,
    /// `plan.period` tells.
    Recurring,
    /// Recurring, but only the billed stretch is known: the word its length stands for, if any. A prorated one tells
    /// nothing.
    Stretch(Option<Interval>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refund {
    /// What makes this refund one refund: its own id, or charge and running total.
    pub id: String,
    /// This refund alone, in minor units, positive. `None` where only the running total is known: the difference
    /// to what is known of the charge is then this refund.
    pub amount: Option<i64>,
    /// Set where the provider counts up what was refunded of a charge.
    pub running_total: Option<RunningTotal>,
    pub currency: Option<Currency>,
    /// The refunded invoice, where the webhook names it.
    pub invoice: Option<String>,
    /// Payments that may lead to the invoice, or stand for it in a one-time sale.
    pub payments: Vec<String>,
    pub subscription: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunningTotal {
    pub charge: String,
    /// All that was refunded of the charge so far, in minor units.
    pub total: i64,
}
