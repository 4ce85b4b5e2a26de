//! Customers, and the referral data that operators put on them.

use std::collections::BTreeMap;

use jiff::Timestamp;

/// What an operator has written on a customer, key by key, for rules to look at. Never sent by itself.
pub type Metadata = BTreeMap<String, String>;

/// A customer as one webhook or look-up shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Customer {
    pub id: String,
    pub referral: ReferralData,
    pub email: Option<String>,
    pub name: Option<String>,
    pub metadata: Metadata,
    /// Of the customer's address: ISO 3166, two letters, upper case.
    pub country: Option<String>,
    pub created_at: Option<Timestamp>,
    /// When this state was true, in milliseconds: an older state never replaces a newer one.
    pub version: i64,
    /// Set where the webhook says that code or user id became complete by it: its time.
    pub completed_at: Option<Timestamp>,
    /// What the referral data was just before, where the webhook tells that it was overwritten.
    pub replaced: Option<ReferralData>,
}

/// The three values operators put on their customers. Trimmed; blank counts as absent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReferralData {
    pub ucc: Option<String>,
    pub user_id: Option<String>,
    pub organization_id: Option<String>,
}

impl ReferralData {
    /// Whether everything is there that a referral event needs: in organization mode the organization too.
    pub fn is_complete(&self, organization_mode: bool) -> bool {
        self.ucc.is_some() && self.user_id.is_some() && (!organization_mode || self.organization_id.is_some())
    }
}

/// What the directory knows of a customer. Of one without a code nothing but the id and the time is kept.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KnownCustomer {
    pub id: String,
    pub ucc: Option<String>,
    pub user_id: Option<String>,
    pub organization_id: Option<String>,
    /// The version at which code and user id were first seen together; from then on they stay as they are.
    pub complete_version: Option<i64>,
    /// Set when they became complete later than the customer was made: when.
    pub completed_at: Option<Timestamp>,
    pub email: Option<String>,
    pub name: Option<String>,
    pub metadata: Metadata,
    /// See [`Customer::country`].
    pub country: Option<String>,
    pub created_at: Option<Timestamp>,
    /// The newest state seen: see [`Customer::version`].
    pub version: i64,
    pub deleted: bool,
    /// Cello was told of this customer: the referral data stays as it is.
    pub reported: bool,
    /// Of a customer without a code: another one that stands for the same user and carries one.
    pub known_by: Option<String>,
}
