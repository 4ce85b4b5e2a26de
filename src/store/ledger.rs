//! The inner contract, on a connection that is within a transaction: each kind of store has a function for each part of
//! it, and this ties the one to the other.

/// `Books` for the functions that are in scope, in `directory`, `payments`, `decisions`, `queue`,
/// `outbox` and `webhooks`.
macro_rules! books {
    ($connection:ident) => {
        use jiff::Timestamp;
        use $crate::facts::{
            Carried, KnownCode, KnownCustomer, KnownPurchase, KnownSubscription, Payment, PaymentLink, Plan, Scope,
        };
        use $crate::store::{
            DecisionRecord, DecisionState, HeldFact, Ledger, NewReferralEvent, Reported, StoreError, StoredEvent, Webhook,
            WebhookState,
        };

        pub struct Books<'a>(pub &'a $connection);

        impl Ledger for Books<'_> {
            books! {
                customer(scope: &Scope, id: &str) -> Option<KnownCustomer> = directory::customer;
                put_customer(scope: &Scope, customer: &KnownCustomer) -> () = directory::put_customer;
                subscription(scope: &Scope, id: &str) -> Option<KnownSubscription> = directory::subscription;
                put_subscription(scope: &Scope, subscription: &KnownSubscription) -> () = directory::put_subscription;
                price(scope: &Scope, id: &str) -> Option<Plan> = directory::price;
                put_price(scope: &Scope, plan: &Plan) -> () = directory::put_price;
                payment(scope: &Scope, id: &str) -> Option<Payment> = payments::payment;
                put_payment(scope: &Scope, payment: &Payment) -> () = payments::put_payment;
                links_of_payment(scope: &Scope, payment: &str) -> Vec<PaymentLink> = payments::links_of_payment;
                links_of_invoice(scope: &Scope, invoice: &str) -> Vec<PaymentLink> = payments::links_of_invoice;
                put_link(scope: &Scope, link: &PaymentLink) -> () = payments::put_link;
                has_links(scope: &Scope) -> bool = payments::has_links;
                carried_of_payment(scope: &Scope, payment: &str) -> Vec<Carried> = payments::carried_of_payment;
                carried_by_purchase(scope: &Scope, purchase: &str) -> Vec<Carried> = payments::carried_by_purchase;
                put_carried(scope: &Scope, carried: &Carried) -> () = payments::put_carried;
                unreported_refunds(scope: &Scope, payment: &str) -> Vec<(String, i64)> = payments::unreported_refunds;
                put_unreported_refund(scope: &Scope, payment: &str, refund: &str, amount: i64) -> ()
                    = payments::put_unreported_refund;
                purchase(scope: &Scope, id: &str) -> Option<KnownPurchase> = payments::purchase;
                purchases_between(scope: &Scope, customer: &str, from: Timestamp, to: Timestamp)
                    -> Vec<(String, KnownPurchase)> = payments::purchases_between;
                put_purchase(scope: &Scope, id: &str, purchase: &KnownPurchase) -> () = payments::put_purchase;
                remove_purchase(scope: &Scope, id: &str) -> () = payments::remove_purchase;
                remove_carried(scope: &Scope, purchase: &str) -> () = payments::remove_carried;
                remove_unreported_refund(scope: &Scope, payment: &str, refund: &str) -> ()
                    = payments::remove_unreported_refund;
                has_unlinked_before(scope: &Scope, before: Timestamp) -> bool = payments::has_unlinked_before;
                customer_of_user(scope: &Scope, user: &str) -> Option<String> = payments::customer_of_user;
                refunded(scope: &Scope, charge: &str) -> Vec<(i64, i64)> = directory::refunded;
                put_refunded(scope: &Scope, charge: &str, from: i64, to: i64) -> () = directory::put_refunded;
                remove_refunded(scope: &Scope, charge: &str, from: i64, to: i64) -> () = directory::remove_refunded;
                pinned_code(user: &str) -> Option<String> = directory::pinned_code;
                pin_code(user: &str, ucc: &str) -> () = directory::pin_code;
                code(ucc: &str) -> Option<KnownCode> = directory::code;
                put_code(code: &KnownCode) -> () = directory::put_code;
                forget_codes(before: Timestamp) -> () = directory::forget_codes;
                reported(key: &str) -> Option<Reported> = queue::reported;
                decision_on(key: &str) -> Option<DecisionState> = decisions::on;
                is_undecided(webhook: i64) -> bool = webhooks::is_undecided;
                put_tries(webhook: i64, tries: u32) -> () = webhooks::put_tries;
                decision_states(webhook: i64) -> Vec<DecisionState> = decisions::states;
                webhook(id: i64) -> Option<Webhook> = webhooks::webhook;
                waiting_for(topic: &str) -> Vec<HeldFact> = decisions::waiting_for;
                look_up_at(held: &HeldFact, at: Timestamp) -> () = decisions::look_up_at;
                put_decision(decision: &DecisionRecord) -> () = decisions::put;
                add_referral_event(event: &NewReferralEvent) -> bool = queue::add;
                referral_event(id: i64) -> Option<StoredEvent> = outbox::event;
                replace_referral_event(id: i64, event: &NewReferralEvent, by: &str, now: Timestamp) -> ()
                    = outbox::replace;
                free_key(id: i64, now: Timestamp) -> () = outbox::free_key;
                mention(webhook: i64, id: &str) -> () = decisions::mention;
                settle_webhook(id: i64, state: WebhookState, note: Option<&str>) -> () = webhooks::settle;
            }
        }
    };
    ($($name:ident($($argument:ident: $type:ty),*) -> $answer:ty = $module:ident::$function:ident;)*) => {
        $(fn $name(&mut self, $($argument: $type),*) -> Result<$answer, StoreError> {
            $module::$function(self.0, $($argument),*)
        })*
    };
}

pub(super) use books;
