//! What is done with a fact, and why: send, hold or ignore.
//!
//! The reason and warning codes are a promise to whoever reads them by machine: a code may be added, never renamed.
//! The README's tables are made from the lists here.

use std::fmt;

use serde::Serialize;

use crate::referral_event::ReferralEvent;
use crate::trace::Trace;

/// The verdict on one fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Send(Box<Sending>),
    /// Waits for `waits_for`, at the longest until the deadline the reason carries.
    Hold {
        reason: Reason,
        message: String,
        waits_for: String,
    },
    Ignore {
        reason: Reason,
        message: String,
    },
}

/// A verdict, and how it came about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    pub verdict: Verdict,
    pub trace: Trace,
}

/// A referral event to send, with the name it is known by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sending {
    /// Name of the rule that decided.
    pub rule: String,
    /// Business key: two facts about one thing have the same key and make one referral event.
    pub key: String,
    pub event: ReferralEvent,
    pub warnings: Vec<Warning>,
}

/// Something a person should know about a referral event that is sent all the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct Warning {
    pub code: String,
    pub message: String,
}

impl Warning {
    pub fn new(code: WarningCode, message: impl Into<String>) -> Self {
        Self { code: code.as_str().to_owned(), message: message.into() }
    }
}

/// Declares an enum of stable snake-case codes, each with the sentence the README prints for it.
macro_rules! codes {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $code:literal, $text:literal;)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $(#[doc = $text] $variant,)* }

        impl $name {
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }

            /// What the code means, in one sentence.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            pub fn parse(code: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|known| known.as_str() == code)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }
    };
}

codes! {
    /// Why a fact is held or ignored.
    Reason {
        // held
        CustomerUnseen = "customer_unseen", "Held: no webhook or look-up has told of this customer yet.";
        LookingUp = "looking_up", "Held: the provider's API is being asked about this customer, subscription, price or payment, or Cello about the code.";
        LookupFailed = "lookup_failed", "Held: the provider's API, or Cello about the code, did not answer; it is asked again.";
        PurchaseUnseen = "purchase_unseen", "Held: a refund whose purchase has not arrived; after 3 days it is sent with a warning if its invoice is known.";
        PaymentLinkUnseen = "payment_link_unseen", "Held: a payment may belong to an invoice or a Checkout session that has not named it yet; after a day it is decided without.";
        RuleFailed = "rule_failed", "Held: a rule's expression failed on this fact; decided again at the next start, with the rules mended.";
        // ignored: whose referral
        NotReferred = "not_referred", "The customer carries no referral code; decided again if a code appears within 30 days.";
        UserIdMissing = "user_id_missing", "There is a referral code but no user id; decided again if one appears within 30 days.";
        OrganizationIdMissing = "organization_id_missing", "Organization mode is on and the customer has no organization id; decided again if one appears within 30 days.";
        NoCustomer = "no_customer", "The webhook does not say whose this is, so nobody's referral can be told from it.";
        CustomerDeleted = "customer_deleted", "The customer was deleted at the provider; there is nothing to tell Cello.";
        TooLate = "too_late", "The code appeared more than 30 days after this happened, which is Cello's limit for late attribution; decided again if it turns out to have been there earlier.";
        HoldExpired = "hold_expired", "It was held until its deadline and what it waited for never came.";
        // ignored: what Cello says of the code
        CodeUnknown = "code_unknown", "Cello does not know the code and `cello.check_codes` is `withhold`; decided again if it does within 30 days.";
        CodeBlocked = "code_blocked", "The code's owner is blocked at Cello and `cello.check_codes` is `withhold`; decided again if that ends within 30 days.";
        SelfReferral = "self_referral", "The code belongs to the very user (or organization) that would be referred by it; never told while `cello.check_codes` is on.";
        // ignored: what happened
        NotOfInterest = "not_of_interest", "No referral event follows from this type of webhook.";
        ReportedElsewhere = "reported_elsewhere", "Another webhook tells of the same thing, and that one is used.";
        AlreadyReceived = "already_received", "The same webhook came before; providers send one more than once.";
        AlreadyReported = "already_reported", "A referral event with the same business key exists already.";
        NothingNew = "nothing_new", "The customer changed, but neither the code nor the user id became complete by it.";
        CodeChanged = "code_changed", "The customer's code was overwritten; the first code is kept.";
        NotFullyPaid = "not_fully_paid", "The invoice or session is not (fully) paid yet; the payment that completes it is reported.";
        SaleWithoutInvoice = "sale_without_invoice", "A payment by itself: neither an invoice nor a Checkout session of it is known here, and `stripe.sales_without_invoice` is off, so nothing reports it unless one of them arrives.";
        PaymentLinkUnknown = "payment_link_unknown", "A payment by itself of which nothing said within a day whether an invoice stands behind it; it is not reported, since its invoice would report it once more.";
        MoneyOnAccount = "money_on_account", "The payment settles no invoice.";
        NotStarted = "not_started", "The subscription is incomplete, is unpaid or paused from the start, or lies in the future; its start is reported when it comes.";
        NoCommercialChange = "no_commercial_change", "Price, quantity, interval and product are as before.";
        PurchaseNotReported = "purchase_not_reported", "The purchase that is refunded was itself ignored; decided again together with it.";
        PurchaseUnknown = "purchase_unknown", "A refund whose invoice could not be told within 3 days; decided again if it becomes known.";
        NotSuccessful = "not_successful", "The transaction did not succeed, or is not of the kind its webhook announces.";
        // ignored: rules and settings
        NoRuleMatched = "no_rule_matched", "No rule is for this fact, or the condition of each is false.";
        TriggerOff = "trigger_off", "The setting `triggers = \"current\"` turns this trigger off.";
        ModeMismatch = "mode_mismatch", "A test-mode webhook where Cello's production is configured, or the reverse.";
        // ignored: form
        UnsupportedVersion = "unsupported_version", "The webhook is in a form that carries too little, such as Stripe's thin events or Chargebee's API v1.";
        DemoData = "demo_data", "Chargebee's own sample data, sent by its test button.";
        Unreadable = "unreadable", "The webhook is genuine but its content could not be read; it is kept.";
    }
}

impl Reason {
    /// Why a fact waits; all others end it.
    pub const OF_HOLDS: [Self; 6] = [
        Self::CustomerUnseen,
        Self::LookingUp,
        Self::LookupFailed,
        Self::PurchaseUnseen,
        Self::PaymentLinkUnseen,
        Self::RuleFailed,
    ];

    /// Whether the fact is nobody's referral, for good once it is too late for a code. A code without a user id is not
    /// among them, since that is a referral with a mistake in it.
    pub fn is_nobodys_referral(self) -> bool {
        matches!(self, Self::NotReferred | Self::NoCustomer | Self::TooLate | Self::CustomerDeleted)
    }

    /// Whether the fact may still become a referral event when its customer's code or user id appears.
    pub fn is_open_to_late_code(self) -> bool {
        matches!(self, Self::NotReferred | Self::UserIdMissing | Self::OrganizationIdMissing)
    }
}

codes! {
    /// What is odd about a referral event that is sent all the same, or about a customer who carries no code.
    WarningCode {
        CodeMalformed = "code_malformed", "The code is not 11 letters and digits; Cello's Event Feed will mark it invalid.";
        CodeChanged = "code_changed", "The customer carries another code now; the first one reported is kept.";
        CodeUnknown = "code_unknown", "Cello does not know the code: a typing error, or a code of Cello's other environment.";
        CodeBlocked = "code_blocked", "The code's owner is blocked at Cello.";
        CodeUnchecked = "code_unchecked", "`cello.check_codes` is on, and Cello was not asked or never answered.";
        EmailMissing = "email_missing", "No e-mail address is known; Cello documents it as required for purchases.";
        IntervalUnmapped = "interval_unmapped", "Cello has no word for this billing period; name one under `plans`.";
        IntervalUnknown = "interval_unknown", "Neither the webhook nor the directory tells how often this is billed.";
        IntervalDerived = "interval_derived", "The interval was told from the length of the billed period.";
        IntervalMixed = "interval_mixed", "The invoice has lines with different intervals; the largest recurring line decides.";
        ProductKeyMissing = "product_key_missing", "No plan or product is named; Cello documents it as required for purchases.";
        AmountUnknown = "amount_unknown", "The recurring amount cannot be told (tiered or metered price, or one stated in another currency); the price is left out.";
        RefundWithoutPurchase = "refund_without_purchase", "The purchase was never seen here; it may have been reported before this relay was set up.";
        RefundAmountDerived = "refund_amount_derived", "The webhook gives only the running total, or was told in part with a refund that has failed since; this refund is told from what was told before.";
        RefundOverPurchase = "refund_over_purchase", "With this refund more went back than was paid for the purchase; its payment may have settled other invoices too.";
        SeveralPeriods = "several_periods", "Several periods were paid at once, so no interval is reported; name one under `plans` if one fits.";
        PartOfInvoice = "part_of_invoice", "The invoice is only named by the payment that completed it, and that payment is less than its total: what credits or an earlier part payment covered is not in the price.";
        PartlyReported = "partly_reported", "A part of what was paid is in the report of a sale or of another invoice already; the price is the rest.";
        PaymentLinkUnseen = "payment_link_unseen", "A sale and an invoice of this customer may be one payment, and nothing linked or parted them within a day.";
        UnreportedMoneyRefunded = "unreported_money_refunded", "A part of what went back was never reported; the price is the rest.";
        PaidByAnother = "paid_by_another", "Another customer paid the invoice; the purchase is that of the customer whose invoice it is.";
        SignupNotDelivered = "signup_not_delivered", "The signup of this user has been dead or unsure for 14 days; this is sent all the same, since Cello takes nothing that is older than 30 days.";
        MetadataOnWrongObject = "metadata_on_wrong_object", "A code stands on another object than the customer and is not used.";
        MetadataDiffers = "metadata_differs", "`meta_data` and the custom field differ; `meta_data` is used.";
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_snake_case_and_stands_for_one_thing() {
        let mut seen = std::collections::HashSet::new();
        for reason in Reason::ALL {
            assert!(reason.as_str().bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{reason}");
            assert!(seen.insert(reason.as_str()), "{reason} stands twice");
            assert_eq!(Reason::parse(reason.as_str()), Some(*reason));
        }
    }

    #[test]
    fn every_reason_to_hold_a_fact_is_among_them() {
        let held: Vec<_> = Reason::ALL.iter().filter(|reason| reason.meaning().starts_with("Held: ")).collect();
        assert_eq!(held, Reason::OF_HOLDS.iter().collect::<Vec<_>>());
    }

    #[test]
    fn only_what_lacks_referral_data_is_decided_again_when_it_appears() {
        let open: Vec<_> = Reason::ALL.iter().filter(|reason| reason.is_open_to_late_code()).collect();
        assert_eq!(open, [&Reason::NotReferred, &Reason::UserIdMissing, &Reason::OrganizationIdMissing]);
    }
}
