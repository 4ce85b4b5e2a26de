//! Purchases and refunds.

use jiff::Timestamp;

use super::Plan;
use crate::interval::Interval;
use crate::money::Currency;
use crate::words::words;

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
    /// Whose word this is: the invoice's, a Checkout session's or the payment's own.
    pub stated_by: StatedBy,
    /// The payments that the webhook names; none where it does not say how the invoice was paid.
    pub payments: Vec<Applied>,
    /// Of `amount_paid` what did not come through the provider, such as a bank transfer that was noted by hand. No
    /// payment stands for it.
    pub outside: i64,
    /// Days that the deciding line is billed for; `None` for a prorated one and where the line does not say.
    pub billed_days: Option<i64>,
}

impl Invoice {
    /// A purchase of which no more is known than how much was paid for it, in minor units.
    pub fn bare(id: String, amount_paid: i64, billing: Billing, stated_by: StatedBy) -> Self {
        Self {
            id,
            subscription: None,
            currency: None,
            amount_paid,
            amount_paid_net: amount_paid,
            total: amount_paid,
            tax: 0,
            billing,
            plan: Plan::default(),
            price_ids: vec![],
            seats: None,
            lines: vec![],
            lines_complete: false,
            country: None,
            email: None,
            billing_reason: String::new(),
            stated_by,
            payments: vec![],
            outside: 0,
            billed_days: None,
        }
    }
}

/// What states a purchase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatedBy {
    Invoice,
    /// A Checkout session that makes no invoice.
    Session,
    /// A payment that may turn out to belong to a session or an invoice.
    Payment {
        /// It was authorised first and captured by hand: no session reports such money.
        captured_by_hand: bool,
        /// The payment says itself that no invoice stands behind it, as payloads before 2025-03-31 do.
        without_invoice: bool,
    },
}

impl StatedBy {
    /// A one-time sale, known by its payment.
    pub fn is_sale(self) -> bool {
        self != Self::Invoice
    }
}

/// A payment that was applied to an invoice. All in minor units.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    pub payment: String,
    /// How much of it the invoice took; `None` for all that was paid.
    pub amount: Option<i64>,
    /// How much the payment brought in all, where that is known.
    pub total: Option<i64>,
}

/// What the directory knows of a payment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Payment {
    pub id: String,
    /// How much money it brought, in minor units.
    pub amount: Option<i64>,
    /// The Checkout session it was made by.
    pub session: Option<Session>,
}

/// A Checkout session as far as its payment concerns it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    pub id: String,
    /// Whether the sale is reported by the session itself, by an invoice, or not yet.
    pub state: SessionState,
    pub customer: Option<String>,
    /// What the session is for, in minor units, tax included.
    pub total: i64,
    /// The tax in it.
    pub tax: i64,
}

words! {
    /// How the money of a session is reported.
    SessionState {
        /// It completed paid: its own webhook reports the sale.
        Paid = "paid",
        /// It completed without money, which may still come.
        Unpaid = "unpaid",
        /// It makes an invoice, which reports the sale.
        Invoiced = "invoiced",
    }
}

/// A payment settles an invoice, wholly or in part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentLink {
    pub payment: String,
    pub invoice: String,
    /// How much of the payment the invoice took, in minor units; `None` for all that was paid.
    pub amount: Option<i64>,
    /// Set where `payment` is the charge of this other payment, which has a link of its own: another name for the same
    /// money.
    pub charge_of: Option<String>,
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

/// How much of a payment a reported purchase carried to Cello.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Carried {
    pub payment: String,
    /// The invoice or sale, as the directory keeps it.
    pub purchase: String,
    /// In minor units.
    pub amount: i64,
}

/// What is remembered of a purchase that was reported: for its refunds, and so that no payment is reported twice. All
/// amounts in minor units.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KnownPurchase {
    /// Money collected, tax included.
    pub paid: i64,
    /// The same without tax.
    pub net: i64,
    /// What was reported as refunded so far, tax included.
    pub refunded: i64,
    /// The same without tax.
    pub refunded_net: i64,
    /// The provider's id of the customer it was reported for.
    pub customer: Option<String>,
    pub currency: Option<Currency>,
    /// When it was paid.
    pub at: Option<Timestamp>,
    /// When it was decided to report it.
    pub reported_at: Option<Timestamp>,
    /// A sale without an invoice.
    pub is_sale: bool,
    /// Of `paid` what no known payment stands for.
    pub unlinked: i64,
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
    /// Recurring, and the lines bill several periods at once: the amount is no single period's.
    SeveralPeriods,
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
    /// Of that, what was authorised and never captured: it counts as refunded and was never money.
    pub released: i64,
}
