//! Payments by themselves: which are a sale of their own, and which an invoice or a Checkout session reports.
//!
//! Nearly every payment settles an invoice, and its invoice reports it. So a payment is reported by its own word only
//! where it is known that nothing else does: a capture by hand, after which Stripe sends no Checkout event, or, where the
//! operator asks for it, a payment of which the provider says that no invoice stands behind it.

use super::{Judge, ignored};
use crate::attribution::{Attribution, attribute, payment_topic};
use crate::decision::{Reason, Warning};
use crate::facts::{Fact, Invoice, Session, SessionState, StatedBy};
use crate::relay::judged::Judged;
use crate::relay::look_up::Asked;
use crate::relay::purchase;
use crate::relay::waiting::LookUp;
use crate::store::{DecisionState, Ledger, StoreError};

impl Judge<'_> {
    /// Why `invoice`, which is the word of a payment alone, is no sale of its own (yet); `None` where it is one.
    pub(super) fn not_a_sale(
        &self,
        ledger: &mut dyn Ledger,
        fact: &Fact,
        invoice: &Invoice,
    ) -> Result<Option<Judged>, StoreError> {
        let StatedBy::Payment { captured_by_hand, without_invoice } = invoice.stated_by else { return Ok(None) };
        let scope = &self.webhook.scope;
        let payment = ledger.payment(scope, &invoice.id)?;
        if let Some(session) = payment.and_then(|payment| payment.session) {
            return Ok(self.sale_of_session(&session, invoice, captured_by_hand));
        }
        if let Some(link) = ledger.links_of_payment(scope, &invoice.id)?.into_iter().next() {
            let (reason, when) = match ledger.decision_on(&purchase::key(scope, &link.invoice))? {
                Some(DecisionState::Send) => (Reason::ReportedElsewhere, "reports it"),
                Some(_) => (Reason::ReportedElsewhere, "decides on it"),
                None => (Reason::NotFullyPaid, "is decided on once it is fully paid"),
            };
            return Ok(Some(ignored(reason, format!("it pays the invoice `{}`, which {when}", link.invoice), None)));
        }
        if !self.policy.sales_without_invoice {
            let message = "neither an invoice nor a Checkout session of this payment is known here, and \
                           `stripe.sales_without_invoice` is off: unless one of them arrives, nothing reports it";
            return Ok(Some(self.until_known(ignored(Reason::SaleWithoutInvoice, message, None), invoice)));
        }
        if without_invoice {
            return Ok(None);
        }
        if let Some(nobodys) = self.of_nobody_referred(ledger, fact, invoice)? {
            return Ok(Some(nobodys));
        }
        if self.is_link_answered(invoice) {
            return Ok(None);
        }
        let message = match &self.looked_up.asked {
            Asked::NotYet | Asked::Answered => {
                "whether an invoice stands behind this payment is being looked up".to_owned()
            }
            Asked::Failed(problem) | Asked::Refused(problem) => {
                format!("whether an invoice stands behind this payment was looked up: {problem}")
            }
            Asked::CannotAsk => "nothing has said whether an invoice stands behind this payment; a webhook may, and \
                                 with `stripe.api_key` Stripe is asked"
                .to_owned(),
        };
        if self.is_past(Reason::PaymentLinkUnseen) {
            let message = format!("{message}; it is never reported by guess, since its invoice would report it again");
            return Ok(Some(self.until_known(ignored(Reason::PaymentLinkUnknown, message, None), invoice)));
        }
        Ok(Some(self.wait_for_link(invoice, message, self.look_link_up())))
    }

    fn sale_of_session(&self, session: &Session, invoice: &Invoice, captured_by_hand: bool) -> Option<Judged> {
        let id = &session.id;
        match session.state {
            SessionState::Paid => {
                let message = format!("the Checkout session `{id}` reports it");
                Some(ignored(Reason::ReportedElsewhere, message, None))
            }
            SessionState::Invoiced => {
                let message =
                    format!("the Checkout session `{id}` makes an invoice, which is decided on once it is paid");
                Some(ignored(Reason::NotFullyPaid, message, None))
            }
            SessionState::Unpaid if captured_by_hand || self.is_past(Reason::PaymentLinkUnseen) => None,
            SessionState::Unpaid => {
                let message = format!(
                    "a delayed payment of the Checkout session `{id}`, which says so itself by \
                     `checkout.session.async_payment_succeeded`; waited for a day at most"
                );
                Some(self.wait_for_link(invoice, message, None))
            }
        }
    }

    /// Nobody is asked about payments of customers who were not referred.
    fn of_nobody_referred(
        &self,
        ledger: &mut dyn Ledger,
        fact: &Fact,
        invoice: &Invoice,
    ) -> Result<Option<Judged>, StoreError> {
        let Some(customer) = &fact.customer else { return Ok(None) };
        let known = ledger.customer(&self.webhook.scope, customer)?;
        let judged = match attribute(known.as_ref(), self.policy.organization_mode) {
            Attribution::Unseen => self.unseen(customer, None),
            Attribution::NotReferred => ignored(Reason::NotReferred, super::not_referred(fact, known.as_ref()), None),
            _ => return Ok(None),
        };
        Ok(Some(Judged { other_topic: Some(payment_topic(&self.webhook.scope, &invoice.id)), ..judged }))
    }

    fn wait_for_link(&self, invoice: &Invoice, message: String, look_up: Option<LookUp>) -> Judged {
        let waits_for = payment_topic(&self.webhook.scope, &invoice.id);
        self.hold(Reason::PaymentLinkUnseen, message, waits_for, None, look_up)
    }

    /// With the session or the link that has it decided again.
    fn until_known(&self, judged: Judged, invoice: &Invoice) -> Judged {
        Judged { again: Some(payment_topic(&self.webhook.scope, &invoice.id)), ..judged }
    }
}

/// A payment's own word, completed by what its session said: whose it is, and how much of it is tax.
pub fn completed(invoice: &Invoice, session: &Session) -> Invoice {
    let tax = crate::money::share(invoice.amount_paid, session.tax, session.total).unwrap_or(0);
    Invoice { tax, amount_paid_net: invoice.amount_paid.saturating_sub(tax), ..invoice.clone() }
}

/// The warning of what was sent though a link never came.
pub fn unlinked(other: &str) -> Warning {
    let message = format!("it may be one payment with `{other}`, and nothing linked or parted them within a day");
    Warning::new(crate::decision::WarningCode::PaymentLinkUnseen, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::Billing;

    #[test]
    fn a_capture_in_part_carries_its_part_of_the_sessions_tax() {
        let stated_by = StatedBy::Payment { captured_by_hand: true, without_invoice: false };
        let invoice = Invoice::bare("pi_1".into(), 5950, Billing::OneTime, stated_by);
        let session =
            Session { id: "cs_1".into(), state: SessionState::Unpaid, customer: None, total: 11900, tax: 1900 };
        let sale = completed(&invoice, &session);
        assert_eq!((sale.amount_paid, sale.tax, sale.amount_paid_net), (5950, 950, 5000));
        let free = Session { total: 0, tax: 0, ..session };
        assert_eq!(completed(&invoice, &free).amount_paid_net, 5950);
    }
}
