//! Changes of subscriptions: which are worth telling.

use super::{Case, Judge};
use crate::decision::{Reason, Verdict};
use crate::facts::{Change, Detail, Fact, Subscription};
use crate::relay::judged::Judged;
use crate::relay::reported::ReportedStates;
use crate::store::{Ledger, StoreError};

pub(super) const UNCHANGED: &str = "price, quantity, interval and product are as before";

impl Judge<'_> {
    pub(super) fn subscription_change(
        &self,
        ledger: &mut dyn Ledger,
        case: Case,
        subscription: &Subscription,
        change: Change,
    ) -> Result<Judged, StoreError> {
        let reported = self.reported(ledger, subscription)?;
        match self.no_change(subscription, change, &reported) {
            Some(message) => Ok(case.ignore(Reason::NoCommercialChange, message)),
            None => self.subscription(ledger, case, subscription),
        }
    }

    /// Whether what waits for its customer, or for a code, tells nothing new of the subscription. Decided now, since
    /// what the subscription was before is not known any more when the wait ends.
    pub(super) fn is_unchanged(
        &self,
        ledger: &mut dyn Ledger,
        fact: &Fact,
        judged: &Judged,
    ) -> Result<bool, StoreError> {
        let waits = match &judged.verdict {
            Verdict::Hold { .. } => true,
            Verdict::Ignore { reason, .. } => reason.is_open_to_late_code(),
            Verdict::Send(_) => false,
        };
        let Detail::SubscriptionChanged { subscription, change: Change::Unsaid, .. } = &fact.detail else {
            return Ok(false);
        };
        let reported = self.reported(ledger, subscription)?;
        Ok(waits && reported.is_empty() && self.before == Some(subscription.commercial_state().as_str()))
    }

    fn reported(&self, ledger: &mut dyn Ledger, subscription: &Subscription) -> Result<ReportedStates, StoreError> {
        let known = ledger.subscription(&self.webhook.scope, &subscription.id)?;
        Ok(ReportedStates::parse(known.and_then(|known| known.reported).as_deref()))
    }

    /// Why a changed subscription is not worth telling; `None` where it is.
    fn no_change(&self, subscription: &Subscription, change: Change, reported: &ReportedStates) -> Option<String> {
        let state = subscription.commercial_state();
        let last = reported.at(subscription.version);
        // A webhook that does not itself say what changed adds nothing to a newer one that told the same.
        let told_since = change != Change::Commercial && reported.after(subscription.version) == Some(state.as_str());
        if last == Some(state.as_str()) || told_since {
            return Some("it is as last reported".to_owned());
        }
        match change {
            Change::Commercial => None,
            Change::Active => (!last.is_some_and(|last| last.starts_with("trial")))
                .then(|| "it is active again, at the same price".to_owned()),
            Change::Unsaid => (last.is_none() && self.before == Some(state.as_str())).then(|| UNCHANGED.to_owned()),
        }
    }
}
