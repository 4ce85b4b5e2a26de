//! Which purchase a refund gives back, and how much of it.
//!
//! A refund is only told after its purchase, never twice, and never as a running total. One whose purchase stays
//! unknown is still told once its invoice is known: a relay that is set up in mid-life must not swallow refunds.

use crate::attribution::payment_topic;
use crate::decision::{Reason, Warning, WarningCode};
use crate::facts::{KnownPurchase, Refund, RunningTotal, Scope};
use crate::money::share;
use crate::store::{DecisionState, Ledger, StoreError};
use crate::trace::Told;

use super::judged::Effect;
use super::purchase;

#[derive(Debug, Clone)]
pub struct Resolution {
    pub invoice: Option<String>,
    pub subscription: Option<String>,
    /// This refund alone, in minor units.
    pub amount: i64,
    /// The same without tax; `None` where the purchase was never seen.
    pub amount_net: Option<i64>,
    pub warnings: Vec<Warning>,
    /// Where invoice and amount are known from.
    pub told: [Told; 2],
    /// What is told with this refund or was before.
    pub effect: Option<OfCharge>,
}

impl Resolution {
    /// What is to be remembered of it with its purchase.
    pub fn given_back(&self) -> Option<Effect> {
        let (invoice, net) = (self.invoice.clone()?, self.amount_net?);
        Some(Effect::GivenBack { invoice, amount: self.amount, net })
    }
}

pub enum Answer {
    Known(Resolution),
    Wait {
        message: String,
        waits_for: String,
    },
    /// With what may have it decided again.
    Ignore {
        reason: Reason,
        message: String,
        again: Option<String>,
    },
}

/// Finds the purchase; `expired` when it has waited long enough.
pub fn resolve(ledger: &mut dyn Ledger, scope: &Scope, refund: &Refund, expired: bool) -> Result<Answer, StoreError> {
    let mut warnings = Vec::new();
    let Some((invoice, invoice_told)) = invoice(ledger, scope, refund)? else {
        let payment = refund.payments.first().map_or("", String::as_str);
        let waits_for = payment_topic(scope, payment);
        return Ok(if expired {
            let message = "neither the refund nor anything learned since names the invoice".to_owned();
            // Money that was given back is told however late its purchase becomes known.
            Answer::Ignore { reason: Reason::PurchaseUnknown, message, again: Some(waits_for) }
        } else {
            let message = match payment {
                "" => "the refund names neither invoice nor payment".to_owned(),
                payment => format!("the refund names no invoice, and nothing has told what `{payment}` paid for"),
            };
            Answer::Wait { message, waits_for }
        });
    };
    let key = purchase::key(scope, &invoice);
    let reported = ledger.reported(&key)?;
    if reported.is_none() {
        match ledger.decision_on(&key)? {
            Some(DecisionState::Ignore) => {
                return Ok(Answer::Ignore {
                    reason: Reason::PurchaseNotReported,
                    message: format!("the purchase `{invoice}` was not reported, so its refund is not either"),
                    again: Some(key),
                });
            }
            None if expired => warnings.push(Warning::new(
                WarningCode::RefundWithoutPurchase,
                format!("the purchase `{invoice}` never arrived here"),
            )),
            // Held itself, or not there yet.
            _ => {
                let message = format!("the purchase `{invoice}` has not been reported yet");
                return Ok(Answer::Wait { message, waits_for: key });
            }
        }
    }
    let purchase = ledger.purchase(scope, &invoice)?;
    let (untold, effect) = untold(ledger, scope, refund, purchase.as_ref())?;
    let amount = match refund.running_total {
        Some(_) => untold.iter().map(|(from, to)| to - from).sum(),
        None => refund.amount.unwrap_or(0),
    };
    if untold.is_empty() {
        return Ok(Answer::Ignore {
            reason: Reason::AlreadyReported,
            message: "this part of the charge is already reported as refunded".to_owned(),
            again: None,
        });
    }
    let amount_told = match &effect {
        Some((charge, from, to)) if refund.amount != Some(amount) => {
            warnings.push(Warning::new(
                WarningCode::RefundAmountDerived,
                match refund.amount {
                    None => "the webhook gives only the running total of the charge".to_owned(),
                    Some(stated) => format!(
                        "the webhook says {stated}, and {} of it were told before, as where an earlier refund has failed",
                        stated - amount
                    ),
                },
            ));
            Told::directory(format!(
                "the running total of `{charge}` is {to} now, and {} of it were refunded before",
                to - amount
            ))
        }
        _ => Told::webhook("this refund alone"),
    };
    if let Some(KnownPurchase { paid, refunded, .. }) = purchase
        && refunded.saturating_add(amount) > paid
    {
        let message = format!("{paid} were paid for `{invoice}`, and {refunded} of it were refunded before");
        warnings.push(Warning::new(WarningCode::RefundOverPurchase, message));
    }
    let told = [invoice_told, amount_told];
    let amount_net = purchase.and_then(|purchase| net(&purchase, &untold));
    let subscription = refund.subscription.clone().or_else(|| reported?.subscription_id);
    Ok(Answer::Known(Resolution { invoice: Some(invoice), subscription, amount, amount_net, warnings, told, effect }))
}

/// Whose refund it is where it names no customer itself: that of the subscription its purchase was for.
pub fn owner(ledger: &mut dyn Ledger, scope: &Scope, refund: &Refund) -> Result<Option<String>, StoreError> {
    let Some(id) = subscription_paid(ledger, scope, refund)? else { return Ok(None) };
    Ok(ledger.subscription(scope, &id)?.and_then(|known| known.subscription.customer))
}

/// The subscription of the purchase, where that was reported.
pub fn subscription_paid(
    ledger: &mut dyn Ledger,
    scope: &Scope,
    refund: &Refund,
) -> Result<Option<String>, StoreError> {
    let Some((invoice, _)) = invoice(ledger, scope, refund)? else { return Ok(None) };
    Ok(ledger.reported(&purchase::key(scope, &invoice))?.and_then(|reported| reported.subscription_id))
}

/// The invoice: as the refund names it, as its payment is known to settle, or the payment itself for a sale without
/// an invoice.
fn invoice(ledger: &mut dyn Ledger, scope: &Scope, refund: &Refund) -> Result<Option<(String, Told)>, StoreError> {
    if let Some(invoice) = &refund.invoice {
        return Ok(Some((invoice.clone(), Told::webhook("the refund names it"))));
    }
    for payment in &refund.payments {
        if let Some(invoice) = ledger.invoice_of_payment(scope, payment)? {
            return Ok(Some((invoice, Told::directory(format!("the payment `{payment}` settled it")))));
        }
        if ledger.decision_on(&purchase::key(scope, payment))?.is_some() {
            return Ok(Some((payment.clone(), Told::directory("a sale without an invoice goes by its payment"))));
        }
    }
    Ok(None)
}

/// From one running total to a later one, in minor units.
type Stretch = (i64, i64);

/// A charge, and a stretch of its running total.
pub type OfCharge = (String, i64, i64);

/// What this refund adds to what was told, piece by piece, and the stretch of its charge that it is. A refund that failed
/// is taken off the charge's running total and not off what Cello was told, so a later one may cover it once more: only
/// the pieces that no earlier refund was told for are left, and their sum is right whatever the order.
fn untold(
    ledger: &mut dyn Ledger,
    scope: &Scope,
    refund: &Refund,
    purchase: Option<&KnownPurchase>,
) -> Result<(Vec<Stretch>, Option<OfCharge>), StoreError> {
    let Some(RunningTotal { charge, total, .. }) = &refund.running_total else {
        let before = purchase.map_or(0, |purchase| purchase.refunded);
        let piece = refund.amount.map(|amount| (before, before.saturating_add(amount)));
        return Ok((piece.into_iter().collect(), None));
    };
    let told = ledger.refunded(scope, charge)?;
    let from = match refund.amount {
        Some(amount) => (total - amount).max(0),
        None => told.iter().map(|(_, to)| *to).filter(|to| to < total).max().unwrap_or(0),
    };
    Ok((without((from, *total), &told), Some((charge.clone(), from, *total))))
}

/// The pieces of a stretch that lie in none of the `others`, which are ordered by where they begin.
fn without((mut from, to): Stretch, others: &[Stretch]) -> Vec<Stretch> {
    let mut pieces = Vec::new();
    for (start, end) in others {
        pieces.push((from, to.min(*start)));
        from = from.max(*end);
    }
    pieces.push((from, to));
    pieces.retain(|(from, to)| from < to);
    pieces
}

/// A refund without tax, scaled by what was paid and its net amount. It is the difference of two rounded running totals
/// and not rounded by itself, so that what is rounded up once is rounded down another time: refunds of a whole purchase
/// add up to its net amount, and never to more. The running totals are those that the provider says, where it does; else
/// they follow what was reported so far.
///
/// `None` where nothing was paid.
fn net(purchase: &KnownPurchase, pieces: &[Stretch]) -> Option<i64> {
    let net_of = |total: i64| share(total, purchase.net, purchase.paid);
    let net =
        pieces.iter().try_fold(0_i64, |sum, (from, to)| sum.checked_add(net_of(*to)?.checked_sub(net_of(*from)?)?))?;
    // Several charges of one invoice have a running total each, and each may be rounded up.
    let left = purchase.net.saturating_sub(purchase.refunded_net);
    Some(net.min(left).max(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn purchase(paid: i64, net: i64) -> KnownPurchase {
        KnownPurchase { paid, net, refunded: 0, refunded_net: 0 }
    }

    /// The net amounts of these refunds, one after the other, as the relay reports them.
    fn nets(mut purchase: KnownPurchase, refunds: &[i64]) -> Vec<i64> {
        let mut told = |amount: &i64| {
            let net = net(&purchase, &[(purchase.refunded, purchase.refunded + amount)]).unwrap();
            purchase.refunded += amount;
            purchase.refunded_net += net;
            net
        };
        refunds.iter().map(&mut told).collect()
    }

    #[test]
    fn a_refund_is_scaled_by_the_tax_of_its_purchase_and_rounded_to_the_nearest_unit() {
        assert_eq!(nets(purchase(5831, 4900), &[5831]), [4900]);
        assert_eq!(nets(purchase(5831, 4900), &[1000]), [840]);
        assert_eq!(nets(purchase(1000, 1000), &[333]), [333], "without tax it is the amount itself");
    }

    #[test]
    fn refunds_of_the_whole_add_up_to_the_net_amount() {
        assert_eq!(nets(purchase(300, 250), &[100, 100, 100]), [83, 84, 83]);
        for (paid, net, part) in [(11, 9, 1), (1190, 1000, 7), (2, 1, 1), (999, 333, 37), (7, 7, 3)] {
            let refunds: Vec<i64> = (0..paid / part).map(|_| part).chain([paid % part]).collect();
            assert_eq!(nets(purchase(paid, net), &refunds).iter().sum::<i64>(), net, "{paid} {net} {part}");
        }
    }

    #[test]
    fn a_running_total_of_the_provider_makes_it_the_same_in_any_order() {
        let purchase = purchase(300, 250);
        let told = |from| net(&purchase, &[(from, from + 100)]).unwrap();
        assert_eq!([told(200), told(0), told(100)], [83, 83, 84]);
    }

    #[test]
    fn it_is_never_more_than_is_left_of_the_net_amount_and_never_negative() {
        // Two charges of 1.50 each paid this invoice, and each share is rounded up.
        let half = KnownPurchase { refunded: 150, refunded_net: 13, ..purchase(300, 25) };
        assert_eq!(net(&half, &[(0, 150)]), Some(12));
        assert_eq!(net(&purchase(300, 250), &[(0, 900)]), Some(250), "more than was paid");
        let spent = KnownPurchase { refunded: 300, refunded_net: 250, ..purchase(300, 250) };
        assert_eq!(net(&spent, &[(300, 400)]), Some(0));
    }

    #[test]
    fn the_pieces_of_a_refund_add_up_with_what_was_told_between_them() {
        let purchase = purchase(300, 250);
        assert_eq!([net(&purchase, &[(0, 100), (200, 300)]), net(&purchase, &[(100, 200)])], [Some(166), Some(84)]);
    }

    #[test]
    fn of_nothing_there_is_no_share_and_no_overflow_is_a_guess() {
        assert_eq!(net(&purchase(0, 0), &[(0, 100)]), None);
        assert_eq!(net(&purchase(1, 2), &[(0, i64::MAX)]), None);
    }

    #[test]
    fn what_was_told_is_cut_off_wherever_it_lies() {
        let of_ten = |others: &[Stretch]| without((0, 10), others);
        assert_eq!(of_ten(&[]), [(0, 10)]);
        assert_eq!(of_ten(&[(0, 3)]), [(3, 10)]);
        assert_eq!(of_ten(&[(2, 4), (6, 12)]), [(0, 2), (4, 6)]);
        assert_eq!(of_ten(&[(0, 8), (2, 4), (5, 6)]), [(8, 10)], "they overlap");
        assert_eq!(without((5, 10), &[(0, 2), (10, 20)]), [(5, 10)], "they only touch");
        for covered in [&[(0, 10)][..], &[(0, 4), (3, 12)], &[(-2, 30)]] {
            assert_eq!(of_ten(covered), []);
        }
    }
}
