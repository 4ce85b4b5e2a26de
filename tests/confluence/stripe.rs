//! Tells what happened as Stripe would, in the form of one of three API versions.

use serde_json::{Value, json};

use crate::history::{Form, Happening, History, Moment, PRICES, Person, Phase, Purchase, Subscription, What};
use crate::relay::START;

/// The webhooks of one moment, the telling one first.
pub fn webhooks(history: &History, moment: &Moment) -> Vec<Value> {
    let teller = Teller { form: history.form, account: history.account, moment };
    let mut told = match &moment.happening {
        Happening::Created => vec![teller.event("customer.created", customer(&moment.person))],
        Happening::Updated(before) => vec![teller.customer_updated(before)],
        Happening::Deleted => vec![teller.event("customer.deleted", customer(&moment.person))],
        Happening::Subscription(what, before, now) => teller.subscription(what, before.as_ref(), now),
        Happening::Paid(purchase) => match purchase.subscription {
            Some(_) => teller.invoice(purchase),
            None => vec![teller.session(purchase)],
        },
        Happening::Refunded(purchase, amount) => teller.refund(purchase, *amount),
    };
    // The same once more under another id; a change of a subscription would then be told by either of the two.
    if !matches!(
        moment.happening,
        Happening::Subscription(What::Recovered { .. } | What::Changed { .. } | What::Activated { .. }, ..)
    ) {
        for echo in 0..moment.echoes {
            let mut again = told[0].clone();
            again["id"] = json!(format!("{}_echo{echo}", told[0]["id"].as_str().unwrap()));
            told.push(again);
        }
    }
    told
}

struct Teller<'a> {
    form: Form,
    account: &'a str,
    moment: &'a Moment,
}

impl Teller<'_> {
    fn event(&self, kind: &str, object: Value) -> Value {
        let version = match self.form {
            Form::Stripe2019 => "2019-02-19",
            Form::StripeAcacia => "2024-09-30.acacia",
            _ => "2025-03-31.basil",
        };
        let mut event = json!({
            "id": format!("evt_{}_{kind}", self.moment.number), "object": "event", "api_version": version, "type": kind,
            "created": START + self.moment.at, "livemode": false, "data": { "object": object },
        });
        if !self.account.is_empty() {
            event["account"] = json!(self.account);
        }
        event
    }

    fn updated(&self, kind: &str, object: Value, former: Value) -> Value {
        let mut event = self.event(kind, object);
        event["data"]["previous_attributes"] = former;
        event
    }

    fn customer_updated(&self, before: &Person) -> Value {
        let (now, mut former) = (customer(&self.moment.person), json!({}));
        let was = customer(before);
        for key in ["email", "metadata"] {
            if was[key] != now[key] {
                former[key] = was[key].clone();
            }
        }
        if let (Some(former), Some(now)) =
            (former.get_mut("metadata").and_then(Value::as_object_mut), now["metadata"].as_object())
        {
            for (key, value) in now {
                // Of metadata only changed keys are told, new ones as null.
                if former.get(key) == Some(value) {
                    former.remove(key);
                } else if !former.contains_key(key) {
                    former.insert(key.clone(), Value::Null);
                }
            }
        }
        if former == json!({}) {
            former = json!({ "currency": null });
        }
        self.updated("customer.updated", now, former)
    }

    fn subscription(&self, what: &What, before: Option<&Subscription>, now: &Subscription) -> Vec<Value> {
        const UPDATED: &str = "customer.subscription.updated";
        let object = self.subscription_object(now);
        let was = before.map(|before| self.subscription_object(before));
        let former = |keys: &[&str]| {
            let was = was.as_ref().unwrap();
            Value::Object(keys.iter().map(|key| ((*key).to_owned(), was[*key].clone())).collect())
        };
        vec![match what {
            What::Started { .. } => self.event("customer.subscription.created", object),
            What::Ended { .. } if before.is_some_and(|before| before.phase == Phase::Pending) => {
                self.updated(UPDATED, object, former(&["status"]))
            }
            What::Ended { .. } => self.event("customer.subscription.deleted", object),
            What::Changed { .. } => self.updated(UPDATED, object, former(&["items"])),
            What::Untouched { .. } => {
                self.updated(UPDATED, object, json!({ "cancel_at_period_end": true, "latest_invoice": "in_0" }))
            }
            _ => self.updated(UPDATED, object, former(&["status"])),
        }]
    }

    fn subscription_object(&self, subscription: &Subscription) -> Value {
        let status = match subscription.phase {
            Phase::Pending => "incomplete",
            Phase::Trial => "trialing",
            Phase::Active => "active",
            Phase::Stalled => "past_due",
            Phase::Ended if subscription.began => "canceled",
            Phase::Ended => "incomplete_expired",
        };
        let (key, price) = self.price(subscription.price);
        let mut object = json!({
            "id": subscription.id, "object": "subscription", "customer": self.moment.person.id(), "status": status,
            "items": { "data": [{ "id": "si_1", key: price, "quantity": subscription.seats }] }, "metadata": {},
        });
        if self.form != Form::Stripe2019 {
            object["currency"] = json!("eur");
        }
        object
    }

    fn price(&self, number: usize) -> (&'static str, Value) {
        let price = &PRICES[number];
        let product = format!("prod_{}", price.id);
        match self.form {
            Form::Stripe2019 => (
                "plan",
                json!({
                    "id": price.id, "product": product, "currency": "eur", "amount": price.amount,
                    "billing_scheme": "per_unit", "interval": price.unit, "interval_count": price.count,
                    "usage_type": "licensed",
                }),
            ),
            _ => (
                "price",
                json!({
                    "id": price.id, "product": product, "currency": "eur", "unit_amount": price.amount,
                    "billing_scheme": "per_unit",
                    "recurring": { "interval": price.unit, "interval_count": price.count, "usage_type": "licensed" },
                }),
            ),
        }
    }

    fn invoice(&self, purchase: &Purchase) -> Vec<Value> {
        let (id, at) = (invoice_id(purchase), START + self.moment.at);
        let Some(subscription) = &purchase.subscription else { return vec![] };
        let price = &PRICES[subscription.price];
        let mut line = json!({
            "amount": purchase.amount, "quantity": subscription.seats, "currency": "eur",
            "period": { "start": at, "end": at + price.days * 86_400 },
        });
        let mut invoice = json!({
            "id": id, "object": "invoice", "customer": self.moment.person.id(), "currency": "eur", "status": "paid",
            "amount_due": purchase.amount, "amount_paid": purchase.amount, "total": purchase.amount,
            "customer_email": purchase.email, "status_transitions": { "paid_at": at },
        });
        let mut rest = vec![];
        if self.form == Form::StripeBasil {
            let details = json!({ "subscription": subscription.id, "metadata": {} });
            invoice["parent"] = json!({ "type": "subscription_details", "subscription_details": details });
            line["parent"] = json!({ "type": "subscription_item_details", "subscription_item_details": {
                "subscription": subscription.id, "proration": false } });
            line["pricing"] =
                json!({ "price_details": { "price": price.id, "product": format!("prod_{}", price.id) } });
            let payment = json!({ "type": "payment_intent", "payment_intent": payment_id(purchase) });
            let object = json!({ "id": format!("inpay_{id}"), "object": "invoice_payment", "invoice": id,
                "status": "paid", "payment": payment });
            rest.push(self.event("invoice_payment.paid", object));
        } else {
            let (key, price) = self.price(subscription.price);
            line[key] = price;
            line["type"] = json!("subscription");
            line["subscription"] = json!(subscription.id);
            line["proration"] = json!(false);
            invoice["subscription"] = json!(subscription.id);
            invoice["charge"] = json!(charge_id(purchase));
            invoice["payment_intent"] = json!(payment_id(purchase));
            invoice["paid"] = json!(true);
        }
        invoice["lines"] = json!({ "data": [line], "has_more": false });
        let mut told = vec![self.event("invoice.paid", invoice.clone())];
        told.append(&mut rest);
        if self.moment.echoes > 0 {
            told.push(self.event("invoice.payment_succeeded", invoice));
            told.push(self.event("charge.succeeded", self.charge(purchase)));
        }
        told
    }

    /// A one-time sale by Checkout.
    fn session(&self, purchase: &Purchase) -> Value {
        let session = json!({
            "id": format!("cs_{}", purchase.number), "object": "checkout.session", "mode": "payment",
            "payment_status": "paid", "amount_total": purchase.amount, "currency": "eur",
            "customer": self.moment.person.id(), "payment_intent": payment_id(purchase),
            "customer_details": { "email": purchase.email },
        });
        self.event("checkout.session.completed", session)
    }

    fn refund(&self, purchase: &Purchase, amount: i64) -> Vec<Value> {
        let before = purchase.refunded - amount;
        let mut told =
            vec![self.updated("charge.refunded", self.charge(purchase), json!({ "amount_refunded": before }))];
        if self.moment.echoes > 0 {
            let refund = json!({
                "id": format!("re_{}", self.moment.number), "object": "refund", "amount": amount, "currency": "eur",
                "charge": charge_id(purchase), "payment_intent": payment_id(purchase), "status": "succeeded",
            });
            told.push(self.event("refund.created", refund));
        }
        told
    }

    fn charge(&self, purchase: &Purchase) -> Value {
        let mut charge = json!({
            "id": charge_id(purchase), "object": "charge", "amount": purchase.amount, "currency": "eur",
            "amount_refunded": purchase.refunded, "customer": self.moment.person.id(),
            "payment_intent": payment_id(purchase),
        });
        if self.form != Form::StripeBasil && purchase.subscription.is_some() {
            charge["invoice"] = json!(invoice_id(purchase));
        }
        charge
    }
}

/// What makes the purchase one purchase.
pub fn invoice_id(purchase: &Purchase) -> String {
    match purchase.subscription {
        Some(_) => format!("in_{}", purchase.number),
        None => payment_id(purchase),
    }
}

fn payment_id(purchase: &Purchase) -> String {
    format!("pi_{}", purchase.number)
}

pub fn charge_id(purchase: &Purchase) -> String {
    format!("ch_{}", purchase.number)
}

fn customer(person: &Person) -> Value {
    let mut metadata = json!({});
    let words = [
        ("cello_ucc", person.code),
        ("new_user_id", person.user.as_deref()),
        ("new_user_organization_id", person.organization),
    ];
    for (key, word) in words {
        if let Some(word) = word {
            metadata[key] = json!(word);
        }
    }
    json!({
        "id": person.id(), "object": "customer", "created": START + person.created, "email": person.email,
        "name": "R. Eferred", "metadata": metadata,
    })
}
