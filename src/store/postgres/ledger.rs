//! The inner contract, on a connection that is within a transaction.

use jiff::Timestamp;

use super::super::{
    DecisionRecord, DecisionState, HeldFact, Ledger, NewReferralEvent, Reported, StoreError, Webhook, WebhookState,
};
use super::session::Session;
use super::{decisions, directory, queue, webhooks};
use crate::facts::{KnownCode, KnownCustomer, KnownPurchase, KnownSubscription, Plan, Scope};

pub struct Books<'a>(pub &'a Session);

impl Ledger for Books<'_> {
    fn customer(&mut self, scope: &Scope, id: &str) -> Result<Option<KnownCustomer>, StoreError> {
        directory::customer(self.0, scope, id)
    }

    fn put_customer(&mut self, scope: &Scope, customer: &KnownCustomer) -> Result<(), StoreError> {
        directory::put_customer(self.0, scope, customer)
    }

    fn subscription(&mut self, scope: &Scope, id: &str) -> Result<Option<KnownSubscription>, StoreError> {
        directory::subscription(self.0, scope, id)
    }

    fn put_subscription(&mut self, scope: &Scope, subscription: &KnownSubscription) -> Result<(), StoreError> {
        directory::put_subscription(self.0, scope, subscription)
    }

    fn price(&mut self, scope: &Scope, id: &str) -> Result<Option<Plan>, StoreError> {
        directory::price(self.0, scope, id)
    }

    fn put_price(&mut self, scope: &Scope, plan: &Plan) -> Result<(), StoreError> {
        directory::put_price(self.0, scope, plan)
    }

    fn invoice_of_payment(&mut self, scope: &Scope, payment: &str) -> Result<Option<String>, StoreError> {
        directory::invoice_of_payment(self.0, scope, payment)
    }

    fn put_payment(&mut self, scope: &Scope, payment: &str, invoice: &str) -> Result<(), StoreError> {
        directory::put_payment(self.0, scope, payment, invoice)
    }

    fn purchase(&mut self, scope: &Scope, invoice: &str) -> Result<Option<KnownPurchase>, StoreError> {
        directory::purchase(self.0, scope, invoice)
    }

    fn put_purchase(&mut self, scope: &Scope, invoice: &str, purchase: &KnownPurchase) -> Result<(), StoreError> {
        directory::put_purchase(self.0, scope, invoice, purchase)
    }

    fn refunded(&mut self, scope: &Scope, charge: &str) -> Result<Vec<(i64, i64)>, StoreError> {
        directory::refunded(self.0, scope, charge)
    }

    fn put_refunded(&mut self, scope: &Scope, charge: &str, from: i64, to: i64) -> Result<(), StoreError> {
        directory::put_refunded(self.0, scope, charge, from, to)
    }

    fn pinned_code(&mut self, user: &str) -> Result<Option<String>, StoreError> {
        directory::pinned_code(self.0, user)
    }

    fn pin_code(&mut self, user: &str, ucc: &str) -> Result<(), StoreError> {
        directory::pin_code(self.0, user, ucc)
    }

    fn code(&mut self, ucc: &str) -> Result<Option<KnownCode>, StoreError> {
        directory::code(self.0, ucc)
    }

    fn put_code(&mut self, code: &KnownCode) -> Result<(), StoreError> {
        directory::put_code(self.0, code)
    }

    fn forget_codes(&mut self, before: Timestamp) -> Result<(), StoreError> {
        directory::forget_codes(self.0, before)
    }

    fn reported(&mut self, key: &str) -> Result<Option<Reported>, StoreError> {
        queue::reported(self.0, key)
    }

    fn decision_on(&mut self, key: &str) -> Result<Option<DecisionState>, StoreError> {
        decisions::on(self.0, key)
    }

    fn is_undecided(&mut self, webhook: i64) -> Result<bool, StoreError> {
        webhooks::is_undecided(self.0, webhook)
    }

    fn put_tries(&mut self, webhook: i64, tries: u32) -> Result<(), StoreError> {
        webhooks::put_tries(self.0, webhook, tries)
    }

    fn decision_states(&mut self, webhook: i64) -> Result<Vec<DecisionState>, StoreError> {
        decisions::states(self.0, webhook)
    }

    fn webhook(&mut self, id: i64) -> Result<Option<Webhook>, StoreError> {
        webhooks::webhook(self.0, id)
    }

    fn waiting_for(&mut self, topic: &str) -> Result<Vec<HeldFact>, StoreError> {
        decisions::waiting_for(self.0, topic)
    }

    fn look_up_at(&mut self, held: &HeldFact, at: Timestamp) -> Result<(), StoreError> {
        decisions::look_up_at(self.0, held, at)
    }

    fn put_decision(&mut self, decision: &DecisionRecord) -> Result<(), StoreError> {
        decisions::put(self.0, decision)
    }

    fn add_referral_event(&mut self, event: &NewReferralEvent) -> Result<bool, StoreError> {
        queue::add(self.0, event)
    }

    fn mention(&mut self, webhook: i64, id: &str) -> Result<(), StoreError> {
        decisions::mention(self.0, webhook, vec![id])
    }

    fn settle_webhook(&mut self, id: i64, state: WebhookState, note: Option<&str>) -> Result<(), StoreError> {
        webhooks::settle(self.0, id, state, note)
    }
}
