//! Which purchase a refund gives back, and how much of it.
//!
//! A refund is only told after its purchase, never twice, and never as a running total. One whose purchase stays
//! unknown is still told once its invoice is known: a relay that is set up in mid-life must not swallow refunds.

use crate::attribution::payment_topic;
use crate::decision::{Reason, Warning, WarningCode};
use crate::facts::{Refund, RunningTotal, Scope};
use crate::store::{DecisionState, Ledger, StoreError};
use crate::trace::Told;

use super::purchase;

#[derive(Debug, Clone)]
pub struct Resolution {
    pub invoice: Option<String>,
    pub subscription: Option<String>,
    /// This refund alone, in minor units.
    pub amount: i64,
    pub warnings: Vec<Warning>,
    /// Where invoice and amount are known from.
    pub told: [Told; 2],
    /// Charge and the stretch of its running total that this refund is.
    pub effect: Option<(String, i64, i64)>,
}

pub enum Answer {
    Known(Resolution),
    Wait { message: String, waits_for: String },
    Ignore { reason: Reason, message: String },
}

/// Finds the purchase; `expired` when it has waited long enough.
pub fn resolve(ledger: &mut dyn Ledger, scope: &Scope, refund: &Refund, expired: bool) -> Result<Answer, StoreError> {
    let mut warnings = Vec::new();
    let Some((invoice, invoice_told)) = invoice(ledger, scope, refund)? else {
        return Ok(if expired {
            let message = "neither the refund nor anything learned since names the invoice".to_owned();
            Answer::Ignore { reason: Reason::PurchaseUnknown, message }
        } else {
            let payment = refund.payments.first().map_or("", String::as_str);
            Answer::Wait {
                message: format!("the refund names no invoice, and nothing has told what `{payment}` paid for"),
                waits_for: payment_topic(scope, payment),
            }
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
    let (amount, effect) = match amount(ledger, scope, refund)? {
        Some(known) => known,
        None => {
            return Ok(Answer::Ignore {
                reason: Reason::AlreadyReported,
                message: "this part of the charge is already reported as refunded".to_owned(),
            });
        }
    };
    if refund.amount.is_none() {
        warnings.push(Warning::new(
            WarningCode::RefundAmountDerived,
            "the webhook gives only the running total of the charge",
        ));
    }
    let amount_told = match &effect {
        Some((charge, from, to)) if refund.amount.is_none() => Told::directory(format!(
            "the running total of `{charge}` is {to} now, and {from} of it were refunded before"
        )),
        _ => Told::webhook("this refund alone"),
    };
    let subscription = refund.subscription.clone().or_else(|| reported?.subscription_id);
    let told = [invoice_told, amount_told];
    Ok(Answer::Known(Resolution { invoice: Some(invoice), subscription, amount, warnings, told, effect }))
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

type Stretch = (String, i64, i64);

/// This refund's amount. `None` where what it says is refunded was reported before.
fn amount(
    ledger: &mut dyn Ledger,
    scope: &Scope,
    refund: &Refund,
) -> Result<Option<(i64, Option<Stretch>)>, StoreError> {
    let Some(RunningTotal { charge, total }) = &refund.running_total else {
        return Ok(refund.amount.map(|amount| (amount, None)));
    };
    let reported = ledger.refunded(scope, charge)?;
    let from = match refund.amount {
        Some(amount) => total - amount,
        None => reported.iter().map(|(_, to)| *to).filter(|to| to < total).max().unwrap_or(0),
    };
    let overlaps = reported.iter().any(|(start, end)| *start < *total && from < *end);
    Ok((!overlaps).then(|| (total - from, Some((charge.clone(), from, *total)))))
}
