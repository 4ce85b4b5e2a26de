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
        Happening::Paid(purchase) => match (&purchase.subscription, purchase.authorised) {
            (Some(_), _) => teller.invoice(purchase),
            (None, Some(authorised)) => teller.capture(purchase, authorised),
            (None, None) => teller.sale(purchase),
        },
        Happening::Authorised(purchase) => {
            vec![teller.session(purchase, "unpaid", purchase.authorised.unwrap_or_default())]
        }
        Happening::Attached(old, new) => teller.attached_invoice(old, new),
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

/// The link of an invoice from before the history.
pub fn earlier_link(account: &str) -> Value {
    let payment = json!({ "type": "payment_intent", "payment_intent": "pi_earlier" });
    let mut event = json!({
        "id": "evt_earlier_link", "object": "event", "api_version": "2025-03-31.basil", "type": "invoice_payment.paid",
        "created": START, "livemode": false, "data": { "object": { "id": "inpay_earlier", "object": "invoice_payment",
        "invoice": "in_earlier", "status": "paid", "amount_paid": 100, "payment": payment } },
    });
    if !account.is_empty() {
        event["account"] = json!(account);
    }
    event
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
        let mut invoice = self.paid_invoice(purchase);
        let mut rest = vec![];
        if self.form == Form::StripeBasil {
            let details = json!({ "subscription": subscription.id, "metadata": {} });
            invoice["parent"] = json!({ "type": "subscription_details", "subscription_details": details });
            line["parent"] = json!({ "type": "subscription_item_details", "subscription_item_details": {
                "subscription": subscription.id, "proration": false } });
            line["pricing"] =
                json!({ "price_details": { "price": price.id, "product": format!("prod_{}", price.id) } });
            rest.push(self.link(&id, &payment_id(purchase), None));
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
            told.push(self.event("payment_intent.succeeded", self.intent(purchase)));
        }
        told
    }

    fn paid_invoice(&self, purchase: &Purchase) -> Value {
        json!({
            "id": invoice_id(purchase), "object": "invoice", "customer": self.moment.person.id(), "currency": "eur",
            "status": "paid", "amount_due": purchase.paid, "amount_paid": purchase.paid, "total": purchase.paid,
            "customer_email": purchase.email, "status_transitions": { "paid_at": START + self.moment.at },
        })
    }

    /// An invoice made by hand, which an earlier one-time sale pays wholly or in part.
    fn attached_invoice(&self, old: &Purchase, new: &Purchase) -> Vec<Value> {
        let mut invoice = self.paid_invoice(new);
        let at = START + self.moment.at;
        let parent = json!({ "type": "invoice_item_details", "invoice_item_details": { "invoice_item": "ii_1" } });
        let line = json!({
            "amount": new.paid, "quantity": 1, "currency": "eur", "period": { "start": at, "end": at }, "parent": parent,
            "pricing": { "price_details": { "price": "price_extra", "product": "prod_extra" } },
        });
        invoice["billing_reason"] = json!("manual");
        invoice["lines"] = json!({ "data": [line], "has_more": false });
        let paid = self.event("invoice.paid", invoice);
        let id = invoice_id(new);
        let link = self.link(&id, &payment_id(old), Some(new.paid.min(old.amount)));
        if new.paid < old.amount {
            return vec![link, paid];
        }
        let mut told = vec![paid, link];
        if new.amount > 0 {
            let mut rest = self.link(&id, &payment_id(new), Some(new.amount));
            rest["id"] = json!(format!("{}_rest", rest["id"].as_str().unwrap()));
            told.push(rest);
            told.push(self.event("payment_intent.succeeded", self.intent(new)));
        }
        told
    }

    fn link(&self, invoice: &str, payment: &str, amount: Option<i64>) -> Value {
        let by = json!({ "type": "payment_intent", "payment_intent": payment });
        let mut object = json!({
            "id": format!("inpay_{invoice}_{payment}"), "object": "invoice_payment", "invoice": invoice,
            "status": "paid", "payment": by,
        });
        if let Some(amount) = amount {
            object["amount_paid"] = json!(amount);
        }
        self.event("invoice_payment.paid", object)
    }

    /// A one-time sale by Checkout.
    fn sale(&self, purchase: &Purchase) -> Vec<Value> {
        let mut told = vec![self.session(purchase, "paid", purchase.amount)];
        if self.moment.echoes > 0 {
            told.push(self.event("payment_intent.succeeded", self.intent(purchase)));
        }
        told
    }

    fn session(&self, purchase: &Purchase, status: &str, amount: i64) -> Value {
        let session = json!({
            "id": format!("cs_{}", purchase.number), "object": "checkout.session", "mode": "payment",
            "payment_status": status, "amount_total": amount, "currency": "eur",
            "customer": self.moment.person.id(), "payment_intent": payment_id(purchase),
            "customer_details": { "email": purchase.email },
        });
        self.event("checkout.session.completed", session)
    }

    /// What was authorised is captured by hand; the rest of it is released, which Stripe counts as refunded.
    fn capture(&self, purchase: &Purchase, authorised: i64) -> Vec<Value> {
        let charge = self.charge(purchase);
        let mut told = vec![
            self.event("payment_intent.succeeded", self.intent(purchase)),
            self.event("charge.captured", charge.clone()),
        ];
        if purchase.amount < authorised && purchase.number.is_multiple_of(2) {
            told.push(self.updated("charge.refunded", charge, json!({ "amount_refunded": 0 })));
        }
        told
    }

    fn intent(&self, purchase: &Purchase) -> Value {
        let method = if purchase.authorised.is_some() { "manual" } else { "automatic" };
        let mut intent = json!({
            "id": payment_id(purchase), "object": "payment_intent", "amount": purchase.authorised.unwrap_or(purchase.amount),
            "amount_received": purchase.amount, "capture_method": method, "currency": "eur", "status": "succeeded",
            "customer": self.moment.person.id(), "latest_charge": charge_id(purchase),
        });
        if self.form != Form::StripeBasil {
            intent["invoice"] = match purchase.subscription {
                Some(_) => json!(invoice_id(purchase)),
                None => Value::Null,
            };
        }
        intent
    }

    fn refund(&self, purchase: &Purchase, amount: i64) -> Vec<Value> {
        let before = refunded_in_all(purchase) - amount;
        let mut charge = self.charge(purchase);
        if self.moment.nameless {
            charge["customer"] = Value::Null;
        }
        let mut told = vec![self.updated("charge.refunded", charge, json!({ "amount_refunded": before }))];
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
            "id": charge_id(purchase), "object": "charge", "amount": purchase.authorised.unwrap_or(purchase.amount),
            "currency": "eur", "amount_refunded": refunded_in_all(purchase), "customer": self.moment.person.id(),
            "payment_intent": payment_id(purchase), "captured": true,
        });
        if self.form != Form::Stripe2019 || purchase.authorised.is_some() {
            charge["amount_captured"] = json!(purchase.amount);
        }
        if self.form != Form::StripeBasil && purchase.subscription.is_some() {
            charge["invoice"] = json!(invoice_id(purchase));
        }
        charge
    }
}

/// What Stripe counts as refunded, which includes what was authorised and never captured.
pub fn refunded_in_all(purchase: &Purchase) -> i64 {
    purchase.authorised.map_or(0, |authorised| authorised - purchase.amount) + purchase.refunded
}

/// What makes the purchase one purchase.
pub fn invoice_id(purchase: &Purchase) -> String {
    match (&purchase.subscription, purchase.attached_from) {
        (None, None) => payment_id(purchase),
        _ => format!("in_{}", purchase.number),
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
