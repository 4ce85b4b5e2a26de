//! Whose referral a customer is: what the directory learns from every webhook, and what it answers.
//!
//! The answer must not depend on the order in which webhooks arrive. So every state carries its version, the earliest
//! state with code and user id is the one that counts, and once Cello was told of a customer nothing changes any more:
//! the first code reported for a user is pinned. Of a customer without a code nothing but the id and the time is kept.

use jiff::{SignedDuration, Timestamp};

use crate::facts::{Customer, KnownCustomer, Metadata, ReferralData, Scope};

/// How late a code may appear after a payment and still count: Cello imports no older transactions.
pub const LATE_CODE_LIMIT: SignedDuration = SignedDuration::from_hours(30 * 24);

/// The answer of the directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attribution {
    Referred(Box<Referral>),
    NotReferred,
    /// A code without the user id that Cello needs.
    UserIdMissing,
    /// In organization mode: a code and a user id without the organization.
    OrganizationIdMissing,
    /// No webhook or look-up has told of this customer.
    Unseen,
}

/// A customer who came by somebody's link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Referral {
    pub ucc: String,
    pub user_id: String,
    /// Set in organization mode only.
    pub organization_id: Option<String>,
    pub email: Option<String>,
    pub name: Option<String>,
    pub metadata: Metadata,
    pub country: Option<String>,
    pub created_at: Option<Timestamp>,
    /// When code and user id became complete, where that was later than the creation.
    pub completed_at: Option<Timestamp>,
    /// The customer was deleted at the provider: no e-mail address and no name is told any more, wherever it stands.
    pub is_deleted: bool,
}

impl Referral {
    /// Whom Cello credits: the organization in organization mode, else the user.
    pub fn subject(&self) -> &str {
        self.organization_id.as_deref().unwrap_or(&self.user_id)
    }

    /// When the user signed up: at the customer's creation, or for a late code when it became complete.
    pub fn signed_up_at(&self) -> Option<Timestamp> {
        self.completed_at.or(self.created_at)
    }

    /// Whether the code came too late for something that happened at `at`.
    pub fn is_too_late_for(&self, at: Timestamp) -> bool {
        self.completed_at.is_some_and(|completed| completed.duration_since(at) > LATE_CODE_LIMIT)
    }
}

/// Whose referral `known` is.
pub fn attribute(known: Option<&KnownCustomer>, organization_mode: bool) -> Attribution {
    // Version 0 is a customer of whom only the deletion is known.
    let Some(known) = known.filter(|known| known.version > 0) else { return Attribution::Unseen };
    let Some(ucc) = known.ucc.clone() else { return Attribution::NotReferred };
    let Some(user_id) = known.user_id.clone() else { return Attribution::UserIdMissing };
    if organization_mode && known.organization_id.is_none() {
        return Attribution::OrganizationIdMissing;
    }
    Attribution::Referred(Box::new(Referral {
        ucc,
        user_id,
        organization_id: known.organization_id.clone().filter(|_| organization_mode),
        email: known.email.clone(),
        name: known.name.clone(),
        metadata: known.metadata.clone(),
        country: known.country.clone(),
        created_at: known.created_at,
        completed_at: known.completed_at,
        is_deleted: known.deleted,
    }))
}

/// What may be waited for. Written as text because the store finds held facts by it.
pub fn customer_topic(scope: &Scope, id: &str) -> String {
    format!("customer:{}:{id}", scope.prefix())
}

/// See [`customer_topic`]. Becomes known with every commercial state that is newer than the known one.
pub fn subscription_topic(scope: &Scope, id: &str) -> String {
    format!("subscription:{}:{id}", scope.prefix())
}

/// See [`customer_topic`]. Becomes known when Cello is told of the subscription later than of a newer state of it.
pub fn report_topic(scope: &Scope, subscription: &str) -> String {
    format!("report:{}:{subscription}", scope.prefix())
}

/// See [`customer_topic`].
pub fn payment_topic(scope: &Scope, payment: &str) -> String {
    format!("payment:{}:{payment}", scope.prefix())
}

/// See [`customer_topic`]. Becomes known with each payment that is linked to the invoice.
pub fn invoice_payments_topic(scope: &Scope, invoice: &str) -> String {
    format!("payments:{}:{invoice}", scope.prefix())
}

/// Whether `ucc` has the form of Cello's codes: 11 letters and digits.
pub fn is_well_formed(ucc: &str) -> bool {
    ucc.len() == 11 && ucc.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// A customer of whom nothing is known but the id.
pub fn unseen(id: &str) -> KnownCustomer {
    KnownCustomer { id: id.to_owned(), ..KnownCustomer::default() }
}

/// What the directory knows of a customer once it was `seen` by a webhook or look-up.
///
/// Since when the data is complete is learned on for ever, since it decides what came too late; the data itself stays
/// as it is once Cello was told.
pub fn merge(known: Option<KnownCustomer>, seen: &Customer, organization_mode: bool) -> KnownCustomer {
    let mut known = known.unwrap_or_else(|| unseen(&seen.id));
    let newest = seen.version >= known.version;
    let nothing_kept = known.ucc.is_none();

    if let Some(former) = &seen.replaced {
        let late = completed_late(&known, seen);
        take_if_earliest(&mut known, former, seen.version - 1, late);
    }
    if seen.referral.is_complete(organization_mode) {
        let late = seen.completed_at.or_else(|| completed_late(&known, seen));
        take_if_earliest(&mut known, &seen.referral, seen.version, late);
    } else if known.complete_version.is_none() && newest {
        set_referral(&mut known, &seen.referral);
    } else if known.completed_at.is_none() && known.complete_version > Some(seen.version) {
        // An older state without the data comes late: what was taken for complete from the start became so later.
        known.completed_at = known.complete_version.and_then(time_of);
    }

    // Of a newer state without a code nothing was kept, so this one is the best there is.
    if (newest || nothing_kept) && !known.deleted {
        known.email = seen.email.clone();
        known.name = seen.name.clone();
        known.metadata = seen.metadata.clone();
        known.country = seen.country.clone();
    }
    known.created_at = known.created_at.or(seen.created_at);
    known.version = known.version.max(seen.version);
    if known.ucc.is_none() {
        // Not referred: nothing of this person is kept.
        set_referral(&mut known, &ReferralData::default());
        erase_person(&mut known);
    }
    known
}

/// Forgets what is known of the person beyond whose referral it is.
pub fn erase_person(known: &mut KnownCustomer) {
    (known.email, known.name, known.country) = (None, None, None);
    known.metadata.clear();
}

/// When the data became complete, as far as a state tells that shows it complete and not since when: at the time of
/// that state, where an earlier one was without the data or a later one is known to have brought it, unless the
/// customer has it since the creation.
fn completed_late(known: &KnownCustomer, seen: &Customer) -> Option<Timestamp> {
    let was_incomplete = known.version > 0 && known.complete_version.is_none() && known.version < seen.version;
    let came_late = was_incomplete || known.completed_at.is_some();
    let at = time_of(seen.version).filter(|_| came_late)?;
    let created = seen.created_at.or(known.created_at);
    created.is_none_or(|created| at.duration_since(created) >= AT_CREATION).then_some(at)
}

/// A state that young is the one a customer was created with. Creation and its webhook may differ by a second or two.
const AT_CREATION: SignedDuration = SignedDuration::from_secs(5);

fn time_of(version: i64) -> Option<Timestamp> {
    Timestamp::from_millisecond(version).ok()
}

fn take_if_earliest(known: &mut KnownCustomer, data: &ReferralData, version: i64, completed_at: Option<Timestamp>) {
    if known.complete_version.is_some_and(|earliest| earliest <= version) {
        return;
    }
    if !known.reported {
        set_referral(known, data);
    }
    known.complete_version = Some(version);
    known.completed_at = completed_at;
}

fn set_referral(known: &mut KnownCustomer, data: &ReferralData) {
    known.ucc = data.ucc.clone();
    known.user_id = data.user_id.clone();
    known.organization_id = data.organization_id.clone();
}

#[cfg(test)]
mod tests;
