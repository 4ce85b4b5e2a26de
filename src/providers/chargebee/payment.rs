//! Payments: which invoices a transaction completes, what each is for, and how much money was collected for it.
//!
//! One payment can settle several invoices, and several payments one invoice. An invoice is reported once, by the
//! payment that completes it, with all the money collected for it.

#[cfg(test)]
mod tests;

use jiff::Timestamp;
use serde_json::Value;

use super::{Event, customer, subscription};
use crate::decision::{Reason, Warning, WarningCode};
use crate::facts::{Billing, Detail, Fact, Invoice, InvoiceLine, Plan, Reading, Source};
use crate::interval::Interval;
use crate::money::{Currency, share};
use crate::providers::ReadError;
use crate::providers::json::Look;

const SECONDS_OF_A_DAY: i64 = 86_400;

/// A successful payment: one fact for each invoice it completes.
pub fn succeeded(event: &Event) -> Result<Reading, ReadError> {
    let transaction = event.content.at("transaction").ok_or_else(|| event.missing("content.transaction"))?;
    if let Some(reading) = unsuccessful(transaction, "payment") {
        return Ok(reading);
    }
    let linked = transaction.list("linked_invoices");
    let on_account = transaction.at("linked_invoices").is_some() && linked.is_empty();
    let body_invoice = event.content.at("invoice").filter(|_| !on_account);
    let Some(owner) = customer::owner(event, body_invoice) else {
        return Ok(Reading::nothing(Reason::NoCustomer, "there is no customer in the event"));
    };
    if body_invoice.is_none() && linked.is_empty() {
        return Ok(Reading::nothing(Reason::MoneyOnAccount, "the payment is applied to no invoice"));
    }
    let paid_at = |invoice: Option<&Value>| {
        invoice.and_then(|invoice| invoice.time("paid_at")).or_else(|| transaction.time("date")).unwrap_or(event.at)
    };
    let mut facts = Vec::new();
    let mut add = |at: Timestamp, customer: Option<&str>, invoice: Invoice, warnings: Vec<Warning>| {
        let detail = Detail::InvoicePaid(Box::new(invoice));
        facts.push(Fact { at, customer: customer.map(str::to_owned), detail, warnings });
    };
    let payer = customer::other_payer(event);
    if let Some(object) = body_invoice.filter(|invoice| invoice.text("status") == Some("paid")) {
        let id = object.owned("id").ok_or_else(|| event.missing("content.invoice.id"))?;
        let (invoice, mut warnings) = whole_invoice(event, id, object);
        warnings.extend(payer.map(|payer| {
            let message = format!("`{payer}` paid the invoice of `{owner}`; it is a purchase of `{owner}`");
            Warning::new(WarningCode::PaidByAnother, message)
        }));
        add(paid_at(Some(object)), Some(&owner), invoice, warnings);
    }
    // Where somebody pays for others, nothing tells whose the invoices are that are only named.
    let owner_of_others = Some(owner.as_str()).filter(|_| payer.is_none());
    let in_body = body_invoice.and_then(|invoice| invoice.text("id"));
    for link in settled(linked).into_iter().filter(|link| Some(link.invoice) != in_body) {
        let warnings = link.is_part().then(|| {
            let message = format!("of `{}` only what this payment covers is known: {}", link.invoice, link.amount);
            Warning::new(WarningCode::PartOfInvoice, message)
        });
        let invoice = linked_invoice(event, link.invoice.to_owned(), link.amount);
        add(paid_at(None), owner_of_others, invoice, warnings.into_iter().collect());
    }
    if facts.is_empty() {
        return Ok(Reading::nothing(
            Reason::NotFullyPaid,
            "a part payment; the payment that completes the invoice is reported, with all the money collected for it",
        ));
    }
    Ok(Reading { facts, ..Reading::default() })
}

/// Why the transaction is none of money that has moved the `expected` way; `None` where it is.
pub fn unsuccessful(transaction: &Value, expected: &str) -> Option<Reading> {
    let kind = transaction.text("type").unwrap_or(expected);
    let status = transaction.text("status").unwrap_or("success");
    (kind != expected || status != "success").then(|| {
        Reading::nothing(Reason::NotSuccessful, format!("a transaction of type `{kind}` with status `{status}`"))
    })
}

/// The first of `places` in the event that names a currency. A site with one currency may leave it out of some; a
/// transaction is always in the currency of its invoice. That of the site's books (`base_currency_code`) is never asked.
pub fn currency(event: &Event, places: &[&str]) -> Option<Currency> {
    places.iter().find_map(|place| event.content.text(place).and_then(Currency::parse))
}

/// An invoice that a transaction was applied to, by what the transaction says of it.
struct Link<'a> {
    invoice: &'a str,
    /// What the transaction covers of it, in minor units.
    amount: i64,
    total: Option<i64>,
}

impl Link<'_> {
    /// Whether something else covered the rest: credits, or an earlier part payment.
    fn is_part(&self) -> bool {
        self.total.is_some_and(|total| self.amount < total)
    }
}

/// The invoices that are paid, each once, though a transaction may be applied to one invoice in several steps.
fn settled(linked: &[Value]) -> Vec<Link<'_>> {
    let mut settled: Vec<Link> = Vec::new();
    for link in linked.iter().filter(|link| link.text("invoice_status") == Some("paid")) {
        let (Some(invoice), Some(amount)) = (link.text("invoice_id"), link.int("applied_amount")) else { continue };
        match settled.iter_mut().find(|known| known.invoice == invoice) {
            Some(known) => known.amount = known.amount.saturating_add(amount),
            None => settled.push(Link { invoice, amount, total: link.int("invoice_total") }),
        }
    }
    settled
}

/// The subscription an invoice is for. One for several names none itself. Then the subscription in the body counts, if
/// it is among them and all are billed alike, else the one of the line that decides. A one-off invoice that names
/// none at all belongs to the subscriber's.
fn subscription_of(event: &Event, invoice: &Value) -> Option<String> {
    let (lines, recurring) = (Line::all(invoice), is_recurring(invoice));
    let in_body = event.content.owned("subscription.id");
    let among = |id: &String| lines.iter().any(|line| line.subscription.as_ref() == Some(id));
    let of_body = in_body.clone().filter(|id| among(id) && mixed_subscriptions(&lines, recurring).is_none());
    let of_line = || deciding(&lines, recurring).and_then(|line| line.subscription.clone());
    invoice.owned("subscription_id").or(of_body).or_else(of_line).or(in_body.filter(|_| !recurring))
}

fn is_recurring(invoice: &Value) -> bool {
    invoice.flag("recurring") != Some(false)
}

/// Money collected: that of payments which succeeded, not credits. The sum is given, save by very old invoices.
fn collected(invoice: &Value) -> i64 {
    invoice.int("amount_paid").unwrap_or_else(|| {
        let payments = invoice.list("linked_payments").iter();
        let succeeded = payments.filter(|payment| payment.text("txn_status") == Some("success"));
        succeeded.fold(0, |sum: i64, payment| sum.saturating_add(payment.int("applied_amount").unwrap_or(0)))
    })
}

/// The invoice that travels in the event.
fn whole_invoice(event: &Event, id: String, object: &Value) -> (Invoice, Vec<Warning>) {
    let lines = Line::all(object);
    let recurring = is_recurring(object);
    let main = deciding(&lines, recurring);
    let subscription_id = subscription_of(event, object);
    // The subscription in the body speaks for the invoice only if the invoice is of that subscription.
    let subscription = subscription::in_content(event).filter(|known| Some(&known.id) == subscription_id.as_ref());
    let (billing, plan) = match (&subscription, main) {
        _ if !recurring => (
            Billing::OneTime,
            Plan { price_id: Some(main.map_or_else(|| "adhoc".to_owned(), Line::product)), ..Plan::default() },
        ),
        (Some(known), _) if known.plan.period.is_some() => (Billing::Recurring, known.plan.clone()),
        (_, Some(line)) => (line.stretch(), Plan { price_id: line.entity.clone(), ..Plan::default() }),
        (_, None) => (Billing::Stretch(None), Plan::default()),
    };
    let amount_paid = collected(object);
    let total = object.int("total").unwrap_or(amount_paid);
    let tax = object.int("tax").unwrap_or(0);
    let invoice = Invoice {
        id,
        subscription: subscription_id,
        currency: currency(event, &["invoice.currency_code", "transaction.currency_code"]),
        amount_paid,
        amount_paid_net: share(amount_paid, total.saturating_sub(tax), total).unwrap_or(amount_paid),
        total,
        tax,
        billing,
        plan,
        price_ids: vec![],
        seats: subscription.filter(|_| recurring).and_then(|known| known.seats),
        lines: lines.iter().map(|line| line.told(recurring)).collect(),
        // Names where a list that is too long for one answer goes on.
        lines_complete: object.at("line_items_next_offset").is_none(),
        country: object.country("billing_address.country"),
        email: None,
        billing_reason: String::new(),
        source: Source::Invoice,
        payments: vec![],
        outside: 0,
        billed_days: None,
    };
    (invoice, mixed_subscriptions(&lines, recurring).into_iter().collect())
}

/// An invoice that is only named by the transaction that settles it: its plan is not known.
fn linked_invoice(event: &Event, id: String, amount: i64) -> Invoice {
    Invoice {
        id,
        subscription: None,
        currency: currency(event, &["transaction.currency_code", "invoice.currency_code"]),
        amount_paid: amount,
        amount_paid_net: amount,
        total: amount,
        tax: 0,
        billing: Billing::Stretch(None),
        plan: Plan::default(),
        price_ids: vec![],
        seats: None,
        lines: vec![],
        lines_complete: false,
        country: None,
        email: None,
        billing_reason: String::new(),
        source: Source::Invoice,
        payments: vec![],
        outside: 0,
        billed_days: None,
    }
}

/// The line that names plan and interval: of a recurring invoice the largest plan line, else the largest addon; of a
/// one-off invoice the largest line.
fn deciding(lines: &[Line], recurring: bool) -> Option<&Line> {
    lines
        .iter()
        .rev()
        .filter(|line| !recurring || line.rank > 0)
        .max_by_key(|line| (if recurring { line.rank } else { 0 }, line.amount))
}

fn mixed_subscriptions(lines: &[Line], recurring: bool) -> Option<Warning> {
    let plans = || lines.iter().filter(|line| recurring && line.rank == 2);
    let first = plans().next()?;
    plans().find(|line| line.subscription != first.subscription && line.stretch() != first.stretch()).map(|_| {
        Warning::new(
            WarningCode::IntervalMixed,
            "the invoice is for several subscriptions with different periods; the largest recurring line decides",
        )
    })
}

struct Line {
    entity: Option<String>,
    subscription: Option<String>,
    description: Option<String>,
    amount: i64,
    quantity: Option<i64>,
    /// 2 for a plan, 1 for an addon, 0 for what does not recur.
    rank: u8,
    /// Seconds that the line is for.
    seconds: Option<i64>,
}

impl Line {
    fn all(invoice: &Value) -> Vec<Self> {
        invoice.list("line_items").iter().map(Self::read).collect()
    }

    fn read(line: &Value) -> Self {
        let (from, to) = (line.int("date_from"), line.int("date_to"));
        Self {
            entity: line.owned("entity_id"),
            subscription: line.owned("subscription_id"),
            description: line.owned("description"),
            amount: line.int("amount").unwrap_or(0),
            quantity: line.int("quantity"),
            rank: match line.text("entity_type") {
                Some("plan" | "plan_item_price") => 2,
                Some("addon" | "addon_item_price") => 1,
                _ => 0,
            },
            seconds: from.zip(to).map(|(from, to)| to.saturating_sub(from)),
        }
    }

    /// `recurring` of the whole invoice: a plan may be sold once too. Chargebee marks no line as prorated.
    fn told(&self, recurring: bool) -> InvoiceLine {
        InvoiceLine {
            amount: self.amount,
            quantity: self.quantity,
            price_id: self.entity.clone(),
            product_id: None,
            recurring: recurring && self.rank > 0,
            proration: false,
            description: self.description.clone(),
        }
    }

    fn product(&self) -> String {
        self.entity.clone().unwrap_or_else(|| "adhoc".to_owned())
    }

    /// The word for the billed stretch; it ends with the next one's first second or a second before it.
    fn stretch(&self) -> Billing {
        let Some(seconds) = self.seconds else { return Billing::Stretch(None) };
        // A stretch across the change to summer time is an hour short.
        let days = seconds.saturating_add(1 + 3600) / SECONDS_OF_A_DAY;
        // Weeks have one length; the days around it belong to something prorated.
        let exact = |word: &Interval| *word != Interval::BiWeekly || days == 14;
        Billing::Stretch(Interval::of_days(days).filter(exact))
    }
}
