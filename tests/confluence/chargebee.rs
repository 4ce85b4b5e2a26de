//! Tells what happened as Chargebee would, of either product catalogue. The customer travels in every webhook.

use serde_json::{Value, json};

use crate::history::{Form, Happening, History, Moment, PRICES, Person, Phase, Purchase, Subscription, What};
use crate::relay::START;

/// The webhooks of one moment, the telling one first.
pub fn webhooks(history: &History, moment: &Moment) -> Vec<Value> {
    let teller = Teller { form: history.form, moment };
    let with_subscription =
        |kind: &str, known: &Subscription| teller.event(kind, json!({ "subscription": teller.subscription(known) }));
    let mut told = vec![match &moment.happening {
        Happening::Created => teller.event("customer_created", json!({})),
        Happening::Updated(_) => teller.event("customer_changed", json!({})),
        Happening::Deleted => teller.event("customer_deleted", json!({})),
        Happening::Subscription(what, before, now) => with_subscription(kind(what, before.as_ref()), now),
        Happening::Paid(purchase) => teller.payment(purchase, None),
        Happening::Attached(old, new) => teller.payment(new, Some(old)),
        Happening::Refunded(purchase, amount) => teller.refund("payment_refunded", "success", purchase, *amount),
        Happening::Authorised(_) => return vec![],
    }];
    match &moment.happening {
        Happening::Refunded(purchase, _) if purchase.taken_off => told.push(teller.unpaid(purchase, "not_paid")),
        Happening::Attached(old, _) => told.push(teller.unpaid(old, "voided")),
        _ => {}
    }
    for echo in 0..moment.echoes {
        match &moment.happening {
            Happening::Refunded(purchase, amount) => {
                told.push(teller.refund("refund_initiated", "in_progress", purchase, *amount));
            }
            Happening::Paid(purchase @ Purchase { subscription: Some(known), .. }) => {
                let mut part = teller.payment(purchase, None);
                part["id"] = json!(format!("ev_{}_part{echo}", moment.number));
                part["content"]["invoice"]["status"] = json!("payment_due");
                part["content"]["invoice"]["amount_paid"] = json!(purchase.amount / 2);
                part["content"]["transaction"]["amount"] = json!(purchase.amount / 2);
                part["content"]["transaction"]["linked_invoices"][0]["invoice_status"] = json!("payment_due");
                told.push(part);
                told.push(with_subscription("subscription_renewed", known));
                told.push(teller.event("invoice_generated", json!({})));
            }
            Happening::Subscription(What::Started { .. } | What::Ended { .. }, _, now) if now.began => {
                let mut backdated = told[0].clone();
                let kind = told[0]["event_type"].as_str().unwrap().to_owned();
                backdated["id"] = json!(format!("ev_{}_backdated{echo}", moment.number));
                backdated["event_type"] = json!(format!("{kind}_with_backdating"));
                told.push(backdated);
            }
            Happening::Created => {
                let mut again = told[0].clone();
                again["id"] = json!(format!("ev_{}_echo{echo}", moment.number));
                told.push(again);
            }
            _ => {}
        }
    }
    told
}

fn kind(what: &What, before: Option<&Subscription>) -> &'static str {
    let was = before.map(|before| before.phase);
    match what {
        What::Started { .. } => "subscription_created",
        What::Activated { .. } if was == Some(Phase::Pending) => "subscription_started",
        What::Activated { .. } => "subscription_activated",
        What::Stalled { .. } => "subscription_paused",
        What::Recovered { .. } => "subscription_resumed",
        What::Ended { .. } => "subscription_cancelled",
        _ => "subscription_changed",
    }
}

struct Teller<'a> {
    form: Form,
    moment: &'a Moment,
}

impl Teller<'_> {
    fn event(&self, kind: &str, mut content: Value) -> Value {
        // Invoices by themselves come without the customer.
        if !matches!(kind, "invoice_generated" | "invoice_updated") {
            content["customer"] = self.customer(&self.moment.person);
        }
        json!({
            "id": format!("ev_{}_{kind}", self.moment.number), "object": "event", "api_version": "v2",
            "event_type": kind, "occurred_at": START + self.moment.at, "content": content,
        })
    }

    fn customer(&self, person: &Person) -> Value {
        let mut customer = json!({
            "id": person.id(), "email": person.email, "first_name": "R.", "last_name": "Eferred",
            "created_at": START + person.created, "resource_version": (START + person.version) * 1000,
        });
        let words = [
            ("cello_ucc", person.code),
            ("new_user_id", person.user.as_deref()),
            ("new_user_organization_id", person.organization),
        ];
        for (key, word) in words {
            let Some(word) = word else { continue };
            match self.form {
                Form::Chargebee1 => customer["meta_data"][key] = json!(word),
                _ => customer[format!("cf_{key}")] = json!(word),
            }
        }
        customer
    }

    fn subscription(&self, subscription: &Subscription) -> Value {
        let price = &PRICES[subscription.price];
        let status = match subscription.phase {
            Phase::Pending => "future",
            Phase::Trial => "in_trial",
            Phase::Active => "active",
            Phase::Stalled => "paused",
            Phase::Ended => "cancelled",
        };
        let mut object = json!({
            "id": subscription.id, "customer_id": self.moment.person.id(), "status": status, "currency_code": "EUR",
            "billing_period": price.count, "billing_period_unit": price.unit, "created_at": START,
            "resource_version": (START + subscription.version) * 1000,
        });
        if subscription.began {
            object["started_at"] = json!(START);
        }
        let (seats, amount) = (subscription.seats, subscription.seats * price.amount);
        if self.form == Form::Chargebee1 {
            object["plan_id"] = json!(price.id);
            object["plan_quantity"] = json!(seats);
            object["plan_unit_price"] = json!(price.amount);
            object["plan_amount"] = json!(amount);
        } else {
            object["subscription_items"] = json!([{
                "item_price_id": price.id, "item_type": "plan", "unit_price": price.amount, "quantity": seats,
                "amount": amount,
            }]);
        }
        object
    }

    /// `attached` is the purchase whose payment was put on this invoice.
    fn payment(&self, purchase: &Purchase, attached: Option<&Purchase>) -> Value {
        let at = START + self.moment.at;
        let id = invoice_id(purchase);
        let mut invoice = json!({
            "id": id, "customer_id": self.moment.person.id(), "recurring": purchase.subscription.is_some(), "status": "paid", "currency_code": "EUR",
            "amount_paid": purchase.paid, "total": purchase.paid, "tax": 0, "paid_at": at,
        });
        let mut line = json!({ "amount": purchase.paid, "date_from": at, "date_to": at });
        let items = self.form == Form::Chargebee2;
        match &purchase.subscription {
            Some(known) => {
                let price = &PRICES[known.price];
                line["entity_type"] = json!(if items { "plan_item_price" } else { "plan" });
                line["entity_id"] = json!(price.id);
                line["subscription_id"] = json!(known.id);
                line["date_to"] = json!(at + price.days * 86_400);
                invoice["subscription_id"] = json!(known.id);
            }
            None => {
                line["entity_type"] = json!(if items { "charge_item_price" } else { "addon" });
                line["entity_id"] = json!("extra");
            }
        }
        invoice["line_items"] = json!([line]);
        let of = |payment: &Purchase| {
            json!({
                "txn_id": payment_id(payment), "applied_amount": payment.amount, "txn_status": "success",
                "txn_amount": payment.amount,
            })
        };
        // The payment of a webhook may be missing in the list of its invoice.
        let is_listed = items || attached.is_some() || purchase.round > 0;
        let listed = attached.into_iter().chain(Some(purchase).filter(|_| is_listed));
        invoice["linked_payments"] = listed.map(of).collect();
        let transaction = json!({
            "id": payment_id(purchase), "customer_id": self.moment.person.id(), "type": "payment", "status": "success",
            "currency_code": "EUR", "amount": purchase.amount, "date": at, "linked_invoices": [{
                "invoice_id": id, "invoice_status": "paid", "applied_amount": purchase.amount,
            }],
        });
        let mut content = json!({ "invoice": invoice, "transaction": transaction });
        if let Some(known) = &purchase.subscription {
            content["subscription"] = self.subscription(known);
        }
        self.event("payment_succeeded", content)
    }

    /// An invoice whose payment was taken off.
    fn unpaid(&self, purchase: &Purchase, status: &str) -> Value {
        let invoice = json!({
            "id": invoice_id(purchase), "customer_id": self.moment.person.id(), "status": status,
            "currency_code": "EUR", "amount_paid": 0, "total": purchase.paid, "linked_payments": [],
        });
        self.event("invoice_updated", json!({ "invoice": invoice }))
    }

    fn refund(&self, kind: &str, status: &str, purchase: &Purchase, amount: i64) -> Value {
        let number = self.moment.number;
        let invoice = purchase.attached_to.map_or_else(|| invoice_id(purchase), |to| format!("inv_{to}"));
        let note =
            json!({ "cn_id": format!("cn_{number}"), "applied_amount": amount, "cn_reference_invoice_id": invoice });
        // A payment that was taken off its invoice is given back by itself.
        let notes = if purchase.taken_off { vec![] } else { vec![note] };
        let transaction = json!({
            "id": format!("txn_r{number}"), "customer_id": self.moment.person.id(), "type": "refund", "status": status,
            "currency_code": "EUR", "amount": amount, "refunded_txn_id": payment_id(purchase),
            "linked_credit_notes": notes,
        });
        self.event(kind, json!({ "transaction": transaction }))
    }
}

pub fn invoice_id(purchase: &Purchase) -> String {
    format!("inv_{}", purchase.number)
}

pub fn payment_id(purchase: &Purchase) -> String {
    match purchase.round {
        0 => format!("txn_{}", purchase.number),
        round => format!("txn_{}_{round}", purchase.number),
    }
}
