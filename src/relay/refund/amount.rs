//! How much of a refund Cello is told.
//!
//! Never twice, and never a running total. One whose purchase stays unknown is still told once its invoice is known: a
//! relay that is set up in mid-life must not swallow refunds.

use crate::decision::{Warning, WarningCode};
use crate::facts::{KnownPurchase, Refund, RunningTotal, Scope};
use crate::money::share;
use crate::store::{Ledger, StoreError};
use crate::trace::Told;

use super::Found;
use crate::relay::judged::Effect;
use crate::relay::payments;

/// What a refund comes to.
pub enum Given {
    Known(Resolution),
    /// Cello knows of all of it.
    AlreadyReported,
    /// None of the money that goes back was ever reported.
    Unreported {
        message: String,
        effect: Effect,
    },
}

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
    /// What is to be remembered once it is reported.
    pub effects: Vec<Effect>,
}

/// How much of what goes back Cello was sent, and what is to be remembered of it.
pub fn of_found(ledger: &mut dyn Ledger, scope: &Scope, refund: &Refund, found: &Found) -> Result<Given, StoreError> {
    let mut refund = refund.clone();
    let (mut warnings, mut effects) = (Vec::new(), Vec::new());
    if let (Some(payment), Some((unreported, effect))) = (&found.payment, unreported(ledger, scope, &refund, found)?) {
        refund.amount = refund.amount.map(|amount| amount - unreported);
        if refund.amount == Some(0) {
            let message = format!("of `{payment}` this was left over, and no purchase reported it");
            return Ok(Given::Unreported { message, effect });
        }
        let message = format!("{unreported} of it were left over of `{payment}` and never reported");
        warnings.push(Warning::new(WarningCode::UnreportedMoneyRefunded, message));
        effects.push(effect);
    }
    let purchase = ledger.purchase(scope, &found.id)?;
    let Some((part, stretch)) = untold(ledger, scope, &refund, purchase.as_ref())? else {
        return Ok(Given::AlreadyReported);
    };
    let Part { amount, pieces, told: amount_told, warning } = part;
    warnings.extend(warning);
    let invoice = found.reported.invoice_id.clone().unwrap_or_else(|| found.id.clone());
    if let Some(KnownPurchase { paid, refunded, .. }) = purchase
        && refunded.saturating_add(amount) > paid
    {
        let message = format!("{paid} were paid for `{invoice}`, and {refunded} of it were refunded before");
        warnings.push(Warning::new(WarningCode::RefundOverPurchase, message));
    }
    let amount_net = purchase.as_ref().and_then(|purchase| net(purchase, &pieces));
    effects.extend(amount_net.map(|net| Effect::GivenBack { invoice: found.id.clone(), amount, net }));
    effects.extend(stretch.map(|(charge, from, to)| Effect::Refunded { charge, from, to }));
    let told = [found.told.clone(), amount_told];
    let subscription = refund.subscription.clone().or_else(|| found.reported.subscription_id.clone());
    Ok(Given::Known(Resolution { invoice: Some(invoice), subscription, amount, amount_net, warnings, told, effects }))
}

/// The same of a refund whose purchase never arrived.
pub fn without_purchase(
    ledger: &mut dyn Ledger,
    scope: &Scope,
    refund: &Refund,
    invoice: &str,
) -> Result<Given, StoreError> {
    let Some((part, stretch)) = untold(ledger, scope, refund, None)? else { return Ok(Given::AlreadyReported) };
    let never =
        Warning::new(WarningCode::RefundWithoutPurchase, format!("the purchase `{invoice}` never arrived here"));
    let invoice_told = match refund.invoice {
        Some(_) => Told::webhook("the refund names it"),
        None => Told::directory("the refunded payment settled it"),
    };
    Ok(Given::Known(Resolution {
        invoice: Some(invoice.to_owned()),
        subscription: refund.subscription.clone(),
        amount: part.amount,
        amount_net: None,
        warnings: [never].into_iter().chain(part.warning).collect(),
        told: [invoice_told, part.told],
        effects: stretch.map(|(charge, from, to)| Effect::Refunded { charge, from, to }).into_iter().collect(),
    }))
}

/// What of a refunded payment no purchase ever carried: that goes back first. Only where the refund is for the payment
/// itself: one that names an invoice is for that.
fn unreported(
    ledger: &mut dyn Ledger,
    scope: &Scope,
    refund: &Refund,
    found: &Found,
) -> Result<Option<(i64, Effect)>, StoreError> {
    let (Some(payment), None, None, Some(amount)) =
        (&found.payment, &refund.invoice, &refund.running_total, refund.amount)
    else {
        return Ok(None);
    };
    let Some(left) = payments::left_of(ledger, scope, payment)? else { return Ok(None) };
    let others = ledger.unreported_refunds(scope, payment)?.into_iter().filter(|(id, _)| *id != refund.id);
    let before = others.fold(0_i64, |sum, (_, amount)| sum.saturating_add(amount));
    let left = left.saturating_sub(before).clamp(0, amount.max(0));
    let (payment, refund) = (payment.clone(), refund.id.clone());
    Ok((left > 0).then_some((left, Effect::UnreportedRefund { payment, refund, amount: left })))
}

/// From one running total to a later one, in minor units.
type Stretch = (i64, i64);

/// A charge, and a stretch of its running total.
pub type OfCharge = (String, i64, i64);

/// What of a refund is new to Cello.
struct Part {
    amount: i64,
    pieces: Vec<Stretch>,
    told: Told,
    warning: Option<Warning>,
}

/// What this refund adds to what was told, and the stretch of its charge that it is; `None` where that is nothing. A
/// refund that failed is taken off the charge's running total and not off what Cello was told, so a later one may cover
/// it once more: only the pieces that no earlier refund was told for are left, and their sum is right whatever the order.
fn untold(
    ledger: &mut dyn Ledger,
    scope: &Scope,
    refund: &Refund,
    purchase: Option<&KnownPurchase>,
) -> Result<Option<(Part, Option<OfCharge>)>, StoreError> {
    let Some(RunningTotal { charge, total, released }) = &refund.running_total else {
        let before = purchase.map_or(0, |purchase| purchase.refunded);
        return Ok(refund.amount.map(|amount| {
            let pieces = vec![(before, before.saturating_add(amount))];
            (Part { amount, pieces, told: Told::webhook("this refund alone"), warning: None }, None)
        }));
    };
    let told = ledger.refunded(scope, charge)?;
    let from = match refund.amount {
        Some(amount) => (total - amount).max(*released),
        None => told.iter().map(|(_, to)| *to).filter(|to| to < total).max().unwrap_or(0).max(*released),
    };
    let pieces = without((from, *total), &told);
    if pieces.is_empty() {
        return Ok(None);
    }
    let amount = pieces.iter().map(|(from, to)| to - from).sum();
    let derived = (refund.amount != Some(amount)).then(|| {
        let message = match refund.amount {
            None => "the webhook gives only the running total of the charge".to_owned(),
            Some(stated) => format!(
                "the webhook says {stated}, and {} of it were told before, as where an earlier refund has failed",
                stated - amount
            ),
        };
        let before = total - amount;
        let told = format!("the running total of `{charge}` is {total} now, and {before} of it were refunded before");
        (Told::directory(told), Warning::new(WarningCode::RefundAmountDerived, message))
    });
    let (told, warning) = match derived {
        Some((told, warning)) => (told, Some(warning)),
        None => (Told::webhook("this refund alone"), None),
    };
    Ok(Some((Part { amount, pieces, told, warning }, Some((charge.clone(), from, *total)))))
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
        KnownPurchase { paid, net, ..KnownPurchase::default() }
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
