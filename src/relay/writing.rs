//! The referral event itself: which of all that is known Cello is told, and what is odd about it.
//!
//! Written once, when the rules have matched. Nothing of a customer goes in that is not named here.

use super::policy::Policy;
use super::{purchase, refund::amount};
use crate::attribution::{Referral, is_well_formed};
use crate::decision::{Warning, WarningCode};
use crate::facts::{Detail, Fact};
use crate::referral_event::ReferralEvent;
use crate::rules::Matched;
use crate::trace::Told;

/// What the rules and the event are filled with besides the fact itself.
#[derive(Default)]
pub struct Resolved {
    pub plan: purchase::Resolution,
    pub refund: Option<amount::Resolution>,
}

/// Everything a referral event is written from.
pub struct Draft<'a> {
    pub fact: &'a Fact,
    pub referral: &'a Referral,
    /// How the referral data are known.
    pub customer: Told,
    pub email: Option<String>,
    /// How that is known.
    pub email_told: Told,
    /// The first code reported for this user, if any was.
    pub pinned: Option<String>,
    pub resolved: &'a Resolved,
    pub words: &'a purchase::Words,
    pub matched: Matched<'a>,
}

impl Draft<'_> {
    pub fn write(self, policy: &Policy) -> (ReferralEvent, Vec<Warning>) {
        let (fact, referral, matched) = (self.fact, self.referral, self.matched);
        let mut warnings = own_warnings(fact);
        let ucc = self.pinned.unwrap_or_else(|| referral.ucc.clone());
        if ucc != referral.ucc {
            let message = format!("`{ucc}` was reported for this user first and is kept");
            warnings.push(Warning::new(WarningCode::CodeChanged, message));
        }
        if !is_well_formed(&ucc) {
            warnings.push(Warning::new(WarningCode::CodeMalformed, format!("`{ucc}` is not 11 letters and digits")));
        }
        let is_signup = fact.is_signup();
        let is_purchase = matches!(fact.detail, Detail::InvoicePaid(_));
        let email = policy.email(self.email, is_signup);
        if is_purchase && email.is_none() && policy.expects_email() {
            warnings.push(Warning::new(WarningCode::EmailMissing, "the customer has no e-mail address"));
        }
        let interval = matched.interval.unwrap_or(self.words.interval);
        let product_key = matched.product_key.unwrap_or_else(|| self.words.product_key.clone());
        if is_purchase && product_key.is_none() {
            warnings.push(Warning::new(WarningCode::ProductKeyMissing, "the webhook names no plan or product"));
        }
        if matched.interval.is_none() {
            warnings.extend(self.words.warning.clone());
        }
        let (subscription_id, invoice_id) = match (&fact.detail, &self.resolved.refund) {
            (Detail::InvoicePaid(invoice), _) => (invoice.subscription.clone(), Some(invoice.id.clone())),
            (Detail::PaymentRefunded(_), Some(refund)) => {
                warnings.extend(refund.warnings.clone());
                (refund.subscription.clone(), refund.invoice.clone())
            }
            (detail, _) => (detail.subscription().map(|subscription| subscription.id.clone()), None),
        };
        if let Detail::SubscriptionStarted(subscription) | Detail::SubscriptionChanged { subscription, .. } =
            &fact.detail
            && subscription.amount.is_none()
        {
            warnings.push(Warning::new(WarningCode::AmountUnknown, "a tier, the use or another currency decides it"));
        }
        let event = ReferralEvent {
            trigger: matched.trigger,
            at: fact.at,
            ucc,
            user_id: referral.user_id.clone(),
            organization_id: referral.organization_id.clone(),
            email,
            name: policy.name(referral.name.clone()),
            price: matched.price,
            currency: matched.currency,
            subscription_id,
            invoice_id,
            interval,
            product_key,
            seats: matched.seats.unwrap_or(self.resolved.plan.seats),
        };
        (event, warnings)
    }
}

/// A code on another object is only worth a word where the customer has none: see [`codes_elsewhere`].
fn own_warnings(fact: &Fact) -> Vec<Warning> {
    fact.warnings.iter().filter(|warning| !is_elsewhere(warning)).cloned().collect()
}

/// What there is to say of a fact whose customer carries no code: one stands where nobody reads it.
pub fn codes_elsewhere(fact: &Fact) -> Vec<Warning> {
    fact.warnings.iter().filter(|warning| is_elsewhere(warning)).cloned().collect()
}

fn is_elsewhere(warning: &Warning) -> bool {
    warning.code == WarningCode::MetadataOnWrongObject.as_str()
}
