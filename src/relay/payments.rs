//! Which part of what was paid Cello does not know yet: no payment's money is reported twice.
//!
//! A payment may bring a sale and be attached to an invoice later, settle several invoices, or be moved from one to
//! another. So every reported purchase keeps how much of which payment it carries, and a new one carries the rest alone.

use jiff::{SignedDuration, Timestamp};

use crate::facts::{Applied, Carried, Invoice, KnownPurchase, PaymentLink, Scope};
use crate::money::{Currency, share};
use crate::store::{Ledger, StoreError};

/// How long after its sale a payment may be attached to an invoice and still be looked for.
const ATTACHED_WITHIN: SignedDuration = SignedDuration::from_hours(30 * 24);

/// An account that has sent an invoice so long ago and never linked a payment sends no links.
const LINKS_COME_WITHIN: SignedDuration = SignedDuration::from_hours(24);

/// A purchase's money, by whether it is reported already. All in minor units.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Share {
    /// What is still to be reported.
    pub new: i64,
    /// What of `new` each payment brings.
    pub carried: Vec<(String, i64)>,
    /// Of `new` what no known payment stands for.
    pub unlinked: i64,
    /// The report that carries the rest, and how much that is.
    pub reported: Option<(String, i64)>,
}

/// Divides what was collected for `invoice`, which is kept as `purchase`.
pub fn divide(ledger: &mut dyn Ledger, scope: &Scope, invoice: &Invoice, purchase: &str) -> Result<Share, StoreError> {
    let mut payments = Vec::new();
    for applied in payments_of(ledger, scope, invoice)? {
        let carried = ledger.carried_of_payment(scope, &applied.payment)?;
        let carried = carried.into_iter().filter(|carried| carried.purchase != purchase).collect();
        let total = match applied.total {
            Some(total) => Some(total),
            None => ledger.payment(scope, &applied.payment)?.and_then(|payment| payment.amount),
        };
        payments.push(Known { applied, total, carried });
    }
    Ok(share_of(invoice.amount_paid, invoice.outside, payments))
}

/// The payments of a purchase: those that its webhook names, else those that are known to settle it.
fn payments_of(ledger: &mut dyn Ledger, scope: &Scope, invoice: &Invoice) -> Result<Vec<Applied>, StoreError> {
    if invoice.stated_by.is_sale() {
        let (payment, amount) = (invoice.id.clone(), invoice.amount_paid);
        return Ok(vec![Applied { payment, amount: Some(amount), total: Some(amount) }]);
    }
    if !invoice.payments.is_empty() {
        return Ok(invoice.payments.clone());
    }
    let links = ledger.links_of_invoice(scope, &invoice.id)?;
    let own = links.into_iter().filter(|link| link.charge_of.is_none());
    Ok(own.map(|PaymentLink { payment, amount, .. }| Applied { payment, amount, total: None }).collect())
}

/// A payment and what is known of it.
struct Known {
    applied: Applied,
    /// How much it brought in all.
    total: Option<i64>,
    /// What other purchases carry of it.
    carried: Vec<Carried>,
}

/// How much of a payment no report carries; `None` where nothing tells how much it brought.
pub fn left_of(ledger: &mut dyn Ledger, scope: &Scope, payment: &str) -> Result<Option<i64>, StoreError> {
    let Some(total) = ledger.payment(scope, payment)?.and_then(|payment| payment.amount) else { return Ok(None) };
    Ok(Some(not_carried(total, &ledger.carried_of_payment(scope, payment)?)))
}

fn not_carried(total: i64, carried: &[Carried]) -> i64 {
    carried.iter().fold(total, |left, carried| left.saturating_sub(carried.amount)).max(0)
}

fn share_of(paid: i64, outside: i64, payments: Vec<Known>) -> Share {
    if paid <= 0 {
        return Share { new: paid, ..Share::default() };
    }
    let outside = outside.clamp(0, paid);
    let mut rest = paid.saturating_sub(outside);
    let mut share = Share { new: outside, ..Share::default() };
    // Those that say how much was taken come first, so that the others take what is left.
    let (sized, whole): (Vec<_>, Vec<_>) = payments.into_iter().partition(|known| known.applied.amount.is_some());
    for Known { applied, total, carried } in sized.into_iter().chain(whole) {
        let took = applied.amount.unwrap_or(rest).clamp(0, rest);
        rest -= took;
        let left = total.map_or(took, |total| not_carried(total, &carried));
        let new = took.min(left);
        if new > 0 {
            share.carried.push((applied.payment, new));
            share.new = share.new.saturating_add(new);
        }
        if let (true, Some(first)) = (took > new, carried.first()) {
            let (_, amount) = share.reported.get_or_insert((first.purchase.clone(), 0));
            *amount = amount.saturating_add(took - new);
        } else {
            // More than the payment brought: its total is of an older state.
            share.unlinked = share.unlinked.saturating_add(took - new);
        }
    }
    share.unlinked = share.unlinked.saturating_add(rest);
    share.new = share.new.saturating_add(share.unlinked);
    share
}

impl Share {
    /// `invoice` with what is still to be reported as its amount.
    pub fn of(&self, invoice: &Invoice) -> Invoice {
        let net = share(self.new, invoice.amount_paid_net, invoice.amount_paid).unwrap_or(self.new);
        Invoice { amount_paid: self.new, amount_paid_net: net, ..invoice.clone() }
    }
}

/// What an invoice and a sale are compared by.
pub struct Sought<'a> {
    pub scope: &'a Scope,
    pub customer: &'a str,
    pub currency: Option<&'a Currency>,
    pub at: Timestamp,
    /// In minor units.
    pub amount: i64,
}

impl Sought<'_> {
    /// A reported sale without a known invoice that may have paid this invoice: of the same customer and currency, no
    /// larger, and not long before it.
    pub fn sale(&self, ledger: &mut dyn Ledger) -> Result<Option<String>, StoreError> {
        let from = self.at.saturating_sub(ATTACHED_WITHIN).unwrap_or(Timestamp::MIN);
        for (id, sale) in ledger.purchases_between(self.scope, self.customer, from, self.at)? {
            let fits = sale.is_sale && self.is_in_currency_of(&sale) && sale.paid <= self.amount;
            if fits && ledger.links_of_payment(self.scope, &id)?.is_empty() {
                return Ok(Some(id));
            }
        }
        Ok(None)
    }

    /// A reported invoice that this sale may have paid: the same the other way round.
    pub fn invoice(&self, ledger: &mut dyn Ledger) -> Result<Option<String>, StoreError> {
        let to = self.at.saturating_add(ATTACHED_WITHIN).unwrap_or(Timestamp::MAX);
        let purchases = ledger.purchases_between(self.scope, self.customer, self.at, to)?;
        let fits = |invoice: &KnownPurchase| {
            !invoice.is_sale && self.is_in_currency_of(invoice) && invoice.unlinked >= self.amount
        };
        Ok(purchases.into_iter().find(|(_, invoice)| fits(invoice)).map(|(id, _)| id))
    }

    fn is_in_currency_of(&self, purchase: &KnownPurchase) -> bool {
        purchase.currency.as_ref() == self.currency
    }
}

/// Whether a webhook of this account may still link a payment with an invoice. Where the account has never sent such a
/// link, though an invoice of it is older than a link takes, none comes.
pub fn links_come(ledger: &mut dyn Ledger, scope: &Scope, now: Timestamp) -> Result<bool, StoreError> {
    let before = now.saturating_sub(LINKS_COME_WITHIN).unwrap_or(Timestamp::MIN);
    Ok(ledger.has_links(scope)? || !ledger.has_unlinked_before(scope, before)?)
}

/// Lets an invoice that was reported before its payment was known carry that payment's money: as much as the invoice
/// took of it, and as no other report carries.
pub fn attach(ledger: &mut dyn Ledger, scope: &Scope, link: &PaymentLink) -> Result<(), StoreError> {
    if link.charge_of.is_some() {
        return Ok(());
    }
    let Some(mut purchase) = ledger.purchase(scope, &link.invoice)? else { return Ok(()) };
    let carried = ledger.carried_of_payment(scope, &link.payment)?;
    if carried.iter().any(|carried| carried.purchase == link.invoice) {
        return Ok(());
    }
    let took = link.amount.unwrap_or(purchase.unlinked).clamp(0, purchase.unlinked);
    let amount = took.min(left_of(ledger, scope, &link.payment)?.unwrap_or(took));
    purchase.unlinked -= took;
    ledger.put_purchase(scope, &link.invoice, &purchase)?;
    if amount > 0 {
        let (payment, purchase) = (link.payment.clone(), link.invoice.clone());
        ledger.put_carried(scope, &Carried { payment, purchase, amount })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(payment: &str, amount: Option<i64>, total: Option<i64>, carried: &[(&str, i64)]) -> Known {
        let carried = carried.iter().map(|(purchase, amount)| Carried {
            payment: payment.to_owned(),
            purchase: (*purchase).to_owned(),
            amount: *amount,
        });
        let applied = Applied { payment: payment.to_owned(), amount, total: None };
        Known { applied, total, carried: carried.collect() }
    }

    fn carried(pairs: &[(&str, i64)]) -> Vec<(String, i64)> {
        pairs.iter().map(|(payment, amount)| ((*payment).to_owned(), *amount)).collect()
    }

    #[test]
    fn without_known_payments_everything_is_new_and_unlinked() {
        let expected = Share { new: 4900, unlinked: 4900, ..Share::default() };
        assert_eq!(share_of(4900, 0, vec![]), expected);
    }

    #[test]
    fn a_payment_that_nothing_carries_is_new_as_far_as_the_invoice_took_it() {
        let share = share_of(4900, 0, vec![known("pi_1", Some(3000), Some(5000), &[])]);
        assert_eq!((share.new, share.unlinked), (4900, 1900));
        assert_eq!(share.carried, carried(&[("pi_1", 3000)]));
        assert_eq!(share.reported, None);
    }

    #[test]
    fn a_payment_that_a_sale_carries_leaves_nothing_new() {
        let share = share_of(24900, 0, vec![known("pi_1", Some(24900), Some(24900), &[("pi_1", 24900)])]);
        assert_eq!(share, Share { reported: Some(("pi_1".into(), 24900)), ..Share::default() });
    }

    #[test]
    fn a_payment_moved_from_another_invoice_leaves_the_rest() {
        let payments =
            vec![known("txn_1", Some(4900), Some(4900), &[("in_1", 4900)]), known("txn_2", Some(5000), None, &[])];
        let share = share_of(9900, 0, payments);
        assert_eq!((share.new, share.unlinked, share.carried), (5000, 0, carried(&[("txn_2", 5000)])));
        assert_eq!(share.reported, Some(("in_1".to_owned(), 4900)));
    }

    #[test]
    fn what_an_earlier_invoice_left_of_a_payment_is_new() {
        let share = share_of(5100, 0, vec![known("txn_1", Some(5100), Some(10000), &[("in_1", 4900)])]);
        assert_eq!((share.new, share.reported), (5100, None));
        let share = share_of(6000, 0, vec![known("txn_1", Some(6000), Some(10000), &[("in_1", 4900)])]);
        assert_eq!((share.new, share.reported), (5100, Some(("in_1".to_owned(), 900))));
    }

    #[test]
    fn a_payment_of_unknown_size_that_others_carry_is_new_again_where_the_invoice_took_more_of_it() {
        let share = share_of(2000, 0, vec![known("pi_1", Some(2000), None, &[("in_1", 3000)])]);
        assert_eq!((share.new, share.carried), (2000, carried(&[("pi_1", 2000)])));
    }

    #[test]
    fn a_payment_without_an_amount_takes_what_the_others_leave() {
        let payments = vec![known("pi_1", None, None, &[]), known("pi_2", Some(1000), None, &[])];
        let share = share_of(4900, 0, payments);
        assert_eq!(share.carried, carried(&[("pi_2", 1000), ("pi_1", 3900)]));
        assert_eq!(share.unlinked, 0);
    }

    #[test]
    fn links_that_say_more_than_was_paid_add_nothing() {
        let payments = vec![known("pi_1", Some(4000), None, &[]), known("pi_2", Some(4000), None, &[])];
        let share = share_of(4900, 0, payments);
        assert_eq!((share.new, share.carried), (4900, carried(&[("pi_1", 4000), ("pi_2", 900)])));
    }

    #[test]
    fn money_from_outside_is_new_and_no_payment_is_missing_for_it() {
        let share = share_of(4900, 4900, vec![]);
        assert_eq!((share.new, share.unlinked), (4900, 0));
        let share = share_of(4900, 1000, vec![known("pi_1", None, Some(3900), &[("pi_1", 3900)])]);
        assert_eq!((share.new, share.unlinked), (1000, 0));
        assert_eq!(share_of(4900, 9999, vec![]).new, 4900, "never more than was paid");
    }

    #[test]
    fn a_payment_that_brought_less_than_the_invoice_took_leaves_the_difference_unlinked() {
        let share = share_of(4900, 0, vec![known("pi_1", Some(4900), Some(4000), &[])]);
        assert_eq!((share.new, share.unlinked, share.carried), (4900, 900, carried(&[("pi_1", 4000)])));
    }

    #[test]
    fn nothing_and_less_than_nothing_stay_what_they_are() {
        assert_eq!(share_of(0, 0, vec![known("pi_1", None, None, &[])]), Share::default());
        assert_eq!(share_of(-500, 0, vec![]), Share { new: -500, ..Share::default() });
    }
}
