//! Signups: which customer webhook makes one, and which purchase brings one with it.

use super::{Case, Judge};
use crate::attribution::{Attribution, attribute};
use crate::decision::{Reason, Verdict};
use crate::facts::{Detail, Fact};
use crate::relay::judged::Judged;
use crate::relay::writing::Resolved;
use crate::store::{Ledger, StoreError};

impl Judge<'_> {
    pub(super) fn signup(&self, ledger: &mut dyn Ledger, case: Case, announces: bool) -> Result<Judged, StoreError> {
        let is_new = announces || case.completed_now || self.anew.is_some();
        if self.earlier(ledger, &case.key)?.is_some() || !is_new {
            return Ok(self.no_signup(&case));
        }
        let at = case.referral.signed_up_at().unwrap_or(case.fact.at);
        let fact = Fact { at, ..case.fact.clone() };
        self.rule(ledger, &Case { fact: &fact, ..case }, Resolved::default())
    }

    /// The signup that must precede a customer's first purchase where no webhook announced it: to be sent, or held
    /// because its rule failed. `None` where Cello knows of it, or where the rules send no signups.
    pub fn signup_before(
        &self,
        ledger: &mut dyn Ledger,
        purchase: &Fact,
    ) -> Result<Option<(Fact, Judged)>, StoreError> {
        let Some(customer) = purchase.customer.as_deref() else { return Ok(None) };
        let known = ledger.customer(&self.webhook.scope, customer)?;
        let Attribution::Referred(referral) = attribute(known.as_ref(), self.policy.organization_mode) else {
            return Ok(None);
        };
        let key = signup_key(referral.subject());
        if self.earlier(ledger, &key)?.is_some() {
            return Ok(None);
        }
        let signup = Fact {
            at: referral.signed_up_at().unwrap_or(purchase.at),
            customer: purchase.customer.clone(),
            detail: Detail::CustomerSeen { announces: true },
            warnings: vec![],
        };
        let told = self.customer_told(customer, known.as_ref());
        let customer = customer.to_owned();
        let email_told = told.clone();
        let customer_of = Some(customer.clone());
        let case = Case { fact: &signup, customer: customer_of, completed_now: false, referral, told, email_told, key };
        let judged = self.rule(ledger, &case, Resolved::default())?;
        let mut judged = self.explained(ledger, &signup, judged)?;
        judged.trace.recognised =
            format!("the signup of the customer `{customer}`, which goes before the first purchase");
        Ok((!matches!(judged.verdict, Verdict::Ignore { .. })).then_some((signup, judged)))
    }

    /// A customer webhook that makes no signup: told before, or nothing became complete by it.
    fn no_signup(&self, case: &Case) -> Judged {
        let (customer, referral) = (case.customer.as_deref().unwrap_or_default(), &case.referral);
        let shown = self.shown(customer).map(|seen| &seen.referral);
        let differs = shown.is_some_and(|shown| {
            shown.ucc.as_ref().is_some_and(|ucc| *ucc != referral.ucc)
                || shown.user_id.as_ref().is_some_and(|user_id| *user_id != referral.user_id)
                || self.policy.organization_mode
                    && shown.organization_id.is_some()
                    && shown.organization_id != referral.organization_id
        });
        if differs {
            case.ignore(Reason::CodeChanged, format!("the first code, `{}`, and its user id are kept", referral.ucc))
        } else {
            case.ignore(Reason::NothingNew, "code and user id are as they were")
        }
    }
}

/// Business key of the signup of a user, or of an organization.
pub fn signup_key(subject: &str) -> String {
    format!("signup:{subject}")
}
