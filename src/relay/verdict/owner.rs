//! Whose a refund, a change or an end is: whoever its purchase or its start was reported for.
//!
//! Providers move invoices and subscriptions from one customer to another. Cello credits one referrer for a purchase, so
//! what takes it back must name the same one, whatever customer a webhook names by then.

use super::{Case, Judge};
use crate::attribution::Referral;
use crate::facts::Fact;
use crate::store::{EventState, Ledger, Reported, StoreError};
use crate::trace::Told;

impl Judge<'_> {
    /// The case of whoever `reported` was for. `None` where that was not kept, as in some events of earlier versions.
    pub(super) fn case_of_report<'f>(
        &self,
        ledger: &mut dyn Ledger,
        fact: &'f Fact,
        reported: &Reported,
        key: String,
        what: &str,
    ) -> Result<Option<Case<'f>>, StoreError> {
        let (Some(ucc), Some(user_id)) = (reported.ucc.clone(), reported.user_id.clone()) else { return Ok(None) };
        let known = match &reported.customer {
            Some(customer) => ledger.customer(&self.webhook.scope, customer)?,
            None => None,
        };
        // Of a customer who was deleted or forgotten, nothing but the referral is left.
        let known = known.filter(|known| !known.deleted);
        let referral = Referral {
            ucc,
            user_id,
            organization_id: reported.organization_id.clone(),
            email: known.as_ref().and_then(|known| known.email.clone()),
            name: known.as_ref().and_then(|known| known.name.clone()),
            metadata: known.as_ref().map(|known| known.metadata.clone()).unwrap_or_default(),
            country: known.as_ref().and_then(|known| known.country.clone()),
            created_at: known.as_ref().and_then(|known| known.created_at),
            completed_at: None,
            is_deleted: known.is_none(),
        };
        let told = Told::directory(format!("{what} was reported for this user"));
        let customer = reported.customer.clone();
        let email_told = match (&customer, &known) {
            (Some(customer), Some(_)) if self.shown(customer).is_some() => Told::webhook("this webhook shows it"),
            (Some(customer), Some(_)) => Told::directory(format!("the newest known of the customer `{customer}`")),
            _ => Told::directory("none is kept of a customer who was deleted or forgotten"),
        };
        Ok(Some(Case { fact, customer, completed_now: false, referral: Box::new(referral), told, email_told, key }))
    }
}

/// A report that stands: one that a person discarded never reached Cello.
pub(super) fn standing(reported: Option<Reported>) -> Option<Reported> {
    reported.filter(|reported| reported.state != EventState::Discarded)
}
