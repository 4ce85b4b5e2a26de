//! What to do about a reason, for whoever looks after the relay or the customers.

use super::found::Found;
use crate::cli::output::plain;
use crate::config::Metadata;
use crate::decision::Reason;

/// What can be done so that it is sent, or that nothing can.
pub fn advice(found: &Found, keys: &Metadata) -> Vec<String> {
    let detail = format!("`cello-relay events show {}` shows every detail", plain(&found.event_id));
    let advice = found.reason().map(|reason| of_reason(reason, keys)).unwrap_or_default();
    advice.into_iter().chain([detail]).collect()
}

/// What must stand on a customer who came by somebody's link.
pub fn put_on_the_customer(keys: &Metadata) -> String {
    let first = |keys: &[String]| keys.first().map(|key| plain(key)).unwrap_or_default();
    let organization = if keys.organization_mode {
        format!(", the organization's id (`{}`)", first(&keys.organization_id))
    } else {
        String::new()
    };
    format!(
        "the referral code (`{}`){organization} and the user's id (`{}`) on the customer at the provider",
        first(&keys.ucc),
        first(&keys.user_id),
    )
}

fn of_reason(reason: Reason, keys: &Metadata) -> Vec<String> {
    let text = match reason {
        Reason::NotReferred | Reason::UserIdMissing | Reason::OrganizationIdMissing => {
            return vec![
                format!("if somebody referred this customer: put {}", put_on_the_customer(keys)),
                "what happened up to 30 days before that is then decided again by itself".to_owned(),
            ];
        }
        Reason::CustomerUnseen => {
            return vec![
                "have the provider send a webhook of this customer again: any change of the customer makes one"
                    .to_owned(),
                "for Stripe, set `stripe.api_key`: the relay then asks by itself".to_owned(),
            ];
        }
        Reason::LookingUp => "nothing: the provider, or Cello, is being asked; look again in a minute",
        Reason::LookupFailed => "see with `cello-relay check` whether the key works; it is asked again by itself",
        Reason::PurchaseUnseen => {
            "nothing: it goes on with its purchase; if the purchase's webhook was lost, have the provider send it again"
        }
        Reason::PaymentLinkUnseen => {
            "nothing: it waits a day at most; for Stripe, the event `invoice_payment.paid` or `stripe.api_key` ends the wait"
        }
        Reason::SaleWithoutInvoice => {
            "if payments without an invoice or a Checkout session are sales of yours: set \
             `stripe.sales_without_invoice = true` for those to come"
        }
        Reason::PaymentLinkUnknown => {
            "for those to come: set `stripe.api_key` with a key that may read invoice payments"
        }
        Reason::RuleFailed => "mend the rules (`cello-relay rules` prints them), then start `cello-relay serve` again",
        Reason::NoCustomer => "nothing: where nothing tells whose it is, nobody's referral can be told",
        Reason::TooLate => "nothing: Cello takes nothing that happened more than 30 days before the code appeared",
        Reason::HoldExpired => "nothing by itself: what it waited for did not come in time",
        Reason::NotFullyPaid => "nothing: the payment that completes it is reported when it comes",
        Reason::NotStarted => "nothing: its start is reported when it comes",
        Reason::NoRuleMatched => {
            "if it should be sent: change the rules; `cello-relay events remap` shows beforehand what that changes"
        }
        Reason::TriggerOff => "if your Cello account takes this trigger, set `triggers = \"all\"`",
        Reason::ModeMismatch => {
            "nothing for test data; else set `cello.environment` (or the `mode` of the Chargebee site) to what this installation is for"
        }
        Reason::PurchaseNotReported => {
            "ask with `cello-relay events why --invoice ID` why its purchase was not reported"
        }
        Reason::Unreadable => {
            "it is kept: once the program can read it, after an upgrade for example, `cello-relay events decide ID` has it \
             decided again"
        }
        Reason::CodeUnknown => {
            "ask with `cello-relay cello code UCC` whether Cello knows the code: it may be mistyped, or of Cello's other \
             environment; `cello.check_codes` says what is kept back"
        }
        Reason::CodeBlocked => "if that is not right: have Cello unblock the owner of the code",
        Reason::SelfReferral => "nothing: nobody is rewarded for referring themselves",
        Reason::PurchaseUnknown => "if its purchase was reported: have the provider send the purchase's webhook again",
        Reason::UnsupportedVersion => {
            "set the provider's endpoint to Chargebee's API V2, or to Stripe's payload style snapshot"
        }
        Reason::CustomerDeleted
        | Reason::NotOfInterest
        | Reason::ReportedElsewhere
        | Reason::AlreadyReceived
        | Reason::AlreadyReported
        | Reason::NothingNew
        | Reason::CodeChanged
        | Reason::MoneyOnAccount
        | Reason::NoCommercialChange
        | Reason::NotSuccessful
        | Reason::DemoData => "nothing: this is as it should be",
    };
    vec![text.to_owned()]
}
