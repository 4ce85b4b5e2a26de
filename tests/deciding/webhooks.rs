//! Webhooks of both providers, as small as the readers allow.

use serde_json::{Value, json};

use crate::relay::START;

pub const CODE: &str = "Rf3rr3dAbcd";
pub const OTHER_CODE: &str = "0th3rC0d3xy";

pub fn referred() -> Value {
    json!({ "cello_ucc": CODE, "new_user_id": "usr_1" })
}

pub mod stripe {
    use super::*;

    pub fn event(kind: &str, second: i64, object: Value) -> Value {
        json!({
            "id": format!("evt_{kind}_{second}"), "object": "event", "type": kind, "created": START + second,
            "livemode": false, "data": { "object": object },
        })
    }

    pub fn updated(kind: &str, second: i64, object: Value, former: Value) -> Value {
        let mut event = event(kind, second, object);
        event["data"]["previous_attributes"] = former;
        event
    }

    pub fn customer(metadata: Value) -> Value {
        json!({
            "id": "cus_1", "object": "customer", "created": START, "email": "referred@example.com",
            "name": "R. Eferred", "metadata": metadata,
        })
    }

    pub fn price(id: &str, interval: &str, count: i64, amount: i64) -> Value {
        json!({
            "id": id, "product": format!("prod_{id}"), "currency": "eur", "unit_amount": amount,
            "recurring": { "interval": interval, "interval_count": count, "usage_type": "licensed" },
        })
    }

    pub fn monthly(id: &str, amount: i64) -> Value {
        price(id, "month", 1, amount)
    }

    pub fn subscription(status: &str, price: Value, seats: i64) -> Value {
        json!({
            "id": "sub_1", "object": "subscription", "customer": "cus_1", "status": status, "currency": "eur",
            "items": { "data": [{ "id": "si_1", "price": price, "quantity": seats }] },
        })
    }

    /// An invoice from before 2025-03-31, whose line carries its price.
    pub fn old_invoice(id: &str, second: i64, amount: i64) -> Value {
        let mut invoice = invoice(id, second, amount);
        invoice["subscription"] = json!("sub_1");
        invoice["payment_intent"] = json!(format!("pi_{id}"));
        invoice["charge"] = json!(format!("ch_{id}"));
        invoice["lines"] = json!({ "data": [{
            "type": "subscription", "amount": amount, "quantity": 1, "price": monthly("price_m", amount),
        }] });
        invoice
    }

    /// An invoice since 2025-03-31, which names its price by id alone, for a stretch of `days`.
    pub fn basil_invoice(id: &str, second: i64, amount: i64, days: i64) -> Value {
        let mut invoice = invoice(id, second, amount);
        let details = json!({ "subscription": "sub_1", "metadata": {} });
        invoice["parent"] = json!({ "type": "subscription_details", "subscription_details": details });
        invoice["lines"] = json!({ "data": [{
            "amount": amount, "quantity": 1,
            "period": { "start": START + second, "end": START + second + days * 86_400 },
            "parent": { "subscription_item_details": { "subscription": "sub_1", "proration": false } },
            "pricing": { "price_details": { "price": "price_m", "product": "prod_price_m" } },
        }] });
        invoice
    }

    fn invoice(id: &str, second: i64, amount: i64) -> Value {
        json!({
            "id": id, "object": "invoice", "customer": "cus_1", "currency": "eur", "status": "paid",
            "amount_due": amount, "amount_paid": amount, "total": amount, "total_excluding_tax": amount,
            "status_transitions": { "paid_at": START + second },
        })
    }

    pub fn proration(mut invoice: Value) -> Value {
        invoice["lines"]["data"][0]["parent"]["subscription_item_details"]["proration"] = json!(true);
        invoice
    }

    /// A part of the charge of `invoice` was given back, `total` in all and `former` before.
    pub fn refund(second: i64, invoice: &str, total: i64, former: Option<i64>) -> Value {
        let charge = json!({
            "id": format!("ch_{invoice}"), "object": "charge", "customer": "cus_1", "currency": "eur",
            "payment_intent": format!("pi_{invoice}"), "amount_refunded": total,
        });
        match former {
            Some(former) => updated("charge.refunded", second, charge, json!({ "amount_refunded": former })),
            None => event("charge.refunded", second, charge),
        }
    }

    pub fn invoice_payment(second: i64, invoice: &str) -> Value {
        event("invoice_payment.paid", second, paid_by(invoice, &format!("pi_{invoice}")))
    }

    /// That `payment` paid all of `invoice`.
    pub fn paid_by(invoice: &str, payment: &str) -> Value {
        json!({
            "id": format!("inpay_{payment}"), "object": "invoice_payment", "invoice": invoice, "status": "paid",
            "payment": { "type": "payment_intent", "payment_intent": payment },
        })
    }

    /// A payment since 2025-03-31, which does not say whether it pays an invoice.
    pub fn intent(id: &str, amount: i64) -> Value {
        json!({
            "id": id, "object": "payment_intent", "customer": "cus_1", "currency": "eur", "amount": amount,
            "amount_received": amount, "capture_method": "automatic_async", "status": "succeeded",
        })
    }

    /// A Checkout session of a one-time sale that is paid by `payment`.
    pub fn session(payment: &str, status: &str, amount: i64) -> Value {
        json!({
            "id": format!("cs_{payment}"), "object": "checkout.session", "customer": "cus_1", "mode": "payment",
            "currency": "eur", "amount_total": amount, "payment_status": status, "payment_intent": payment,
        })
    }
}

pub mod chargebee {
    use super::*;

    pub fn event(kind: &str, second: i64, content: Value) -> Value {
        json!({
            "id": format!("ev_{kind}_{second}"), "api_version": "v2", "event_type": kind,
            "occurred_at": START + second, "content": content,
        })
    }

    /// The customer as it was at `version`, in seconds.
    pub fn customer(version: i64, meta_data: Value) -> Value {
        json!({
            "id": "cb_1", "email": "referred@example.com", "created_at": START, "meta_data": meta_data,
            "resource_version": (START + version) * 1000,
        })
    }

    pub fn subscription(version: i64, status: &str, seats: i64) -> Value {
        let mut subscription = json!({
            "id": "cbsub_1", "customer_id": "cb_1", "status": status, "currency_code": "EUR",
            "billing_period": 1, "billing_period_unit": "month", "resource_version": (START + version) * 1000,
            "subscription_items": [{
                "item_price_id": "seat-EUR-monthly", "item_type": "plan", "unit_price": 1000, "quantity": seats,
                "amount": seats * 1000,
            }],
        });
        if status != "future" {
            subscription["started_at"] = json!(START);
        }
        subscription
    }

    pub fn invoice(id: &str, status: &str, paid: i64) -> Value {
        json!({
            "id": id, "subscription_id": "cbsub_1", "recurring": true, "status": status, "currency_code": "EUR",
            "amount_paid": paid, "total": paid, "tax": 0, "paid_at": START + 100,
            "line_items": [{
                "entity_type": "plan_item_price", "entity_id": "seat-EUR-monthly", "subscription_id": "cbsub_1",
                "amount": paid, "date_from": START, "date_to": START + 30 * 86_400,
            }],
        })
    }

    pub fn payment(second: i64, customer: Value, invoice: Value) -> Value {
        let transaction = json!({
            "id": format!("txn_{second}"), "type": "payment", "status": "success", "currency_code": "EUR",
            "amount": invoice["amount_paid"], "date": START + second,
            "linked_invoices": [{
                "invoice_id": invoice["id"], "invoice_status": invoice["status"],
                "applied_amount": invoice["amount_paid"],
            }],
        });
        let subscription = subscription(5, "active", 3);
        let content = json!({
            "customer": customer, "invoice": invoice, "transaction": transaction, "subscription": subscription,
        });
        event("payment_succeeded", second, content)
    }

    pub fn refund(second: i64, customer: Value, invoice: &str, amount: i64) -> Value {
        let transaction = json!({
            "id": format!("txn_{second}"), "type": "refund", "status": "success", "currency_code": "EUR",
            "amount": amount, "linked_credit_notes": [{
                "cn_id": format!("cn_{second}"), "applied_amount": amount, "cn_reference_invoice_id": invoice,
            }],
        });
        event("payment_refunded", second, json!({ "customer": customer, "transaction": transaction }))
    }
}
