//! Refunds: for whom their purchase was reported, and by the report that carried the money.

use serde_json::{Value, json};

use super::writer::Writer;
use super::{EMAIL, Expected, INVOICE, text};
use crate::history::{Form, Happening, Moment, Purchase};
use crate::stripe;

impl Writer<'_> {
    /// Whoever `self` writes for, the refund belongs to whom its purchase was reported for.
    pub fn refund(&self, moment: &Moment, purchase: &Purchase, amount: i64) -> Option<Expected> {
        let reports = self.reports(purchase);
        let Some((report, payer)) = reports.iter().find(|(report, _)| report.required).or(reports.first()) else {
            return self.refund_by_itself(moment, purchase, amount);
        };
        let owner = self.of(*payer)?;
        let about = report.body["context"]["subscription"].clone();
        let mut event = owner.refunded(moment, purchase, amount, &about);
        if *payer != moment.person.number {
            // The webhook shows another customer, so the directory speaks: of one who was deleted it knows no address.
            let emails = owner.referral.emails.iter().map(|email| text(json!(email)));
            event.open.entry(EMAIL).or_default().extend(emails);
            event.body["context"]["newUser"].as_object_mut().unwrap().shift_remove("email");
        }
        (event.required, event.held_long) = (report.required, report.held_long);
        if reports.len() > 1 {
            let invoices =
                reports.iter().map(|(report, _)| text(report.body.pointer(INVOICE).cloned().unwrap_or_default()));
            event.open.insert(INVOICE, invoices.collect());
            if !reports.iter().all(|(report, _)| report.required) {
                event.always_open.push(INVOICE);
            }
        }
        Some(event)
    }

    /// The reports that may carry the payment of a purchase, and for whom.
    fn reports(&self, purchase: &Purchase) -> Vec<(Expected, usize)> {
        let report = |moment: &Moment| {
            let reported = match &moment.happening {
                Happening::Paid(paid) if paid.number == purchase.number && paid.round == purchase.round => paid,
                Happening::Attached(_, new) if new.number == purchase.number => new,
                Happening::Attached(old, new) if old.number == purchase.number => new,
                _ => return None,
            };
            let payer = moment.person.number;
            Some((self.of(payer)?.purchase(moment, reported)?, payer))
        };
        self.moments.iter().filter_map(report).collect()
    }

    /// A refund whose purchase never arrives is reported in the end where it names the invoice itself.
    fn refund_by_itself(&self, moment: &Moment, purchase: &Purchase, amount: i64) -> Option<Expected> {
        let paid = self
            .moments
            .iter()
            .find(|paid| matches!(&paid.happening, Happening::Paid(paid) if paid.number == purchase.number))?;
        let names_it = match self.history.form {
            Form::StripeBasil => false,
            Form::Stripe2019 | Form::StripeAcacia => purchase.subscription.is_some(),
            Form::Chargebee1 | Form::Chargebee2 => !purchase.taken_off,
        };
        // Chargebee's refunds always name their customer.
        let is_nameless = moment.nameless && self.history.form.is_stripe();
        if !paid.lost || !names_it || is_nameless {
            return None;
        }
        let named = self.of(moment.person.number)?;
        let about = json!({ "invoiceId": self.invoice(purchase) });
        let mut event = named.refunded(moment, purchase, amount, &about);
        // It was held, and what is reported after a deletion has no address.
        event.always_open.push(EMAIL);
        named.in_time(moment.at, event)
    }

    fn refunded(&self, moment: &Moment, purchase: &Purchase, amount: i64, reported: &Value) -> Expected {
        let mut about = json!({ "invoiceId": reported["invoiceId"] });
        if let Some(id) = reported.get("id") {
            about["id"] = id.clone();
        }
        let key = match self.history.form.is_stripe() {
            true => {
                let (charge, total) = (stripe::charge_id(purchase), stripe::refunded_in_all(purchase));
                format!("refund:{}:{charge}:{total}", self.prefix())
            }
            false => format!("refund:{}:txn_r{}", self.prefix(), moment.number),
        };
        let mut event = self.event(key, "charge-refunded", moment.at, &moment.person.email, about);
        event.body["payload"]["price"] = json!(amount);
        event.body["payload"]["currency"] = json!("EUR");
        self.let_newest_email(&mut event);
        event
    }
}
