//! Sales and invoices that may be one payment, and invoices that are paid anew.

use super::*;

#[tokio::test]
async fn an_invoice_that_a_sale_may_have_paid_waits_for_the_link() {
    let relay = Relay::new();
    receive(&relay, &[customer_created(), completed("paid"), invoice_paid()]).await;
    let held = relay.decision(INVOICE).await;
    assert_eq!(held.reason.as_deref(), Some("payment_link_unseen"));
    assert_eq!(held.waits_for.as_deref(), Some("payments:stripe:in_1"));
    receive(&relay, &[linked()]).await;
    assert_eq!(relay.reason(INVOICE).await, "already_reported");
    assert_eq!(relay.told_keys().await, ["signup:usr_1", "purchase:stripe:pi_1"]);
}

#[tokio::test]
async fn without_a_link_within_a_day_an_invoice_is_sent_with_a_warning() {
    let relay = Relay::new();
    receive(&relay, &[customer_created(), completed("paid"), invoice_paid()]).await;
    pass(&relay, DAY).await;
    assert!(relay.warnings(INVOICE).await.contains(&"payment_link_unseen".to_owned()));
    assert_eq!(relay.told_keys().await, ["signup:usr_1", "purchase:stripe:pi_1", "purchase:stripe:in_1"]);
}

#[tokio::test]
async fn stripes_answer_links_a_sale_and_an_invoice_or_parts_them() {
    for (is_linked, expected) in [(true, "already_reported"), (false, "")] {
        let stripe = StripeApi::start().await;
        let relay = Relay::with(&asking(&stripe, config()));
        let mut subscription = subscription("active", price("price_m", "year", 1, 9900), 1);
        subscription["customer"] = json!("cus_1");
        let started = event("customer.subscription.created", 10, subscription);
        if is_linked {
            stripe.knows(&paid_by("in_1", "pi_1"));
        }
        receive(&relay, &[customer_created(), started, completed("paid"), invoice_paid()]).await;
        assert_eq!(relay.reason(INVOICE).await, "payment_link_unseen");
        while relay.settle().await > 0 {}
        assert_eq!(relay.reason(INVOICE).await, expected);
        assert_eq!(stripe.paths(), ["/v1/invoice_payments"]);
        assert_eq!(stripe.asked()[0].query.get("invoice").map(String::as_str), Some("in_1"));
    }
}

#[tokio::test]
async fn where_an_account_never_links_its_payments_no_invoice_waits_for_it() {
    let relay = Relay::new();
    receive(&relay, &[customer_created(), event("invoice.paid", 10, basil_invoice("in_0", 10, 500, 365))]).await;
    relay.pass(DAY + DAY);
    receive(&relay, &[completed("paid"), invoice_paid()]).await;
    assert_eq!(relay.reason(INVOICE).await, "");
    assert_eq!(relay.told_keys().await.len(), 4);
}

#[tokio::test]
async fn only_a_sale_that_may_have_paid_an_invoice_holds_it() {
    let sale = |amount: i64, change: Value| {
        let mut sale = session("pi_1", "paid", amount);
        sale.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        sale
    };
    let other = event("customer.created", 1, {
        let mut other = customer(json!({ "cello_ucc": "0th3rC0d3xy", "new_user_id": "usr_2" }));
        other["id"] = json!("cus_2");
        other
    });
    let month_before = 40 - 30 * 86_400;
    for (second, sale, expected) in [
        (30, sale(9900, json!({})), "payment_link_unseen"),
        (30, sale(4000, json!({})), "payment_link_unseen"),
        (30, sale(9901, json!({})), ""),
        (30, sale(9900, json!({ "currency": "usd" })), ""),
        (30, sale(9900, json!({ "customer": "cus_2" })), ""),
        (month_before, sale(9900, json!({})), "payment_link_unseen"),
        (month_before - 1, sale(9900, json!({})), ""),
        (40, sale(9900, json!({})), "payment_link_unseen"),
        (41, sale(9900, json!({})), ""),
    ] {
        let relay = Relay::new();
        let sold = event("checkout.session.completed", second, sale.clone());
        receive(&relay, &[customer_created(), other.clone(), sold, invoice_paid()]).await;
        assert_eq!(relay.reason(INVOICE).await, expected, "{second} {sale}");
    }
}

#[tokio::test]
async fn an_invoice_that_was_paid_outside_stripe_is_paid_anew_once_all_of_it_went_back() {
    let mut outside = invoice_paid();
    outside["data"]["object"]["paid_out_of_band"] = json!(true);
    let anew = |second: i64| {
        let mut invoice = basil_invoice("in_1", second, 9900, 365);
        let payment = json!({ "type": "payment_intent", "payment_intent": "pi_2" });
        invoice["payments"] = json!({ "data": [{ "status": "paid", "amount_paid": 9900, "payment": payment }] });
        event("invoice.paid", 70, invoice)
    };
    for (given_back, paid_at, expected) in
        [(9900, 70, ""), (9900, 40, "already_reported"), (9899, 70, "already_reported")]
    {
        let relay = Relay::new();
        receive(&relay, &[customer_created(), outside.clone(), credit_note("in_1", given_back)]).await;
        receive(&relay, &[anew(paid_at)]).await;
        assert_eq!(relay.reason("evt_invoice.paid_70").await, expected, "{given_back} {paid_at}");
    }
}

const SALE: &str = "evt_checkout.session.completed_30";

#[tokio::test]
async fn only_an_invoice_that_a_sale_may_have_paid_holds_the_sale() {
    let in_dollars = |mut invoice: Value| {
        invoice["currency"] = json!("usd");
        invoice
    };
    let month_later = 30 + 30 * 86_400;
    for (invoice, expected) in [
        (basil_invoice("in_1", 40, 9900, 365), "payment_link_unseen"),
        (basil_invoice("in_1", 40, 9901, 365), "payment_link_unseen"),
        (basil_invoice("in_1", 40, 9899, 365), ""),
        (in_dollars(basil_invoice("in_1", 40, 9900, 365)), ""),
        (basil_invoice("in_1", 30, 9900, 365), "payment_link_unseen"),
        (basil_invoice("in_1", 29, 9900, 365), ""),
        (basil_invoice("in_1", month_later, 9900, 365), "payment_link_unseen"),
        (basil_invoice("in_1", month_later + 1, 9900, 365), ""),
    ] {
        let relay = Relay::new();
        receive(&relay, &[customer_created(), event("invoice.paid", 40, invoice.clone()), completed("paid")]).await;
        assert_eq!(relay.reason(SALE).await, expected, "{invoice}");
    }
}

#[tokio::test]
async fn a_link_that_comes_after_its_invoice_leaves_less_of_it_to_be_paid_by_a_sale() {
    let mut part = linked();
    part["data"]["object"]["amount_paid"] = json!(4000);
    for (amount, expected) in [(5900, "payment_link_unseen"), (5901, "")] {
        let relay = Relay::new();
        receive(&relay, &[customer_created(), invoice_paid(), part.clone()]).await;
        receive(&relay, &[event("checkout.session.completed", 30, session("pi_2", "paid", amount))]).await;
        assert_eq!(relay.reason(SALE).await, expected, "{amount}");
    }
}

#[tokio::test]
async fn a_session_that_cost_nothing_waits_for_no_invoice() {
    let relay = Relay::new();
    receive(&relay, &[customer_created(), invoice_paid()]).await;
    receive(&relay, &[event("checkout.session.completed", 30, session("pi_1", "paid", 0))]).await;
    assert_eq!(relay.reason(SALE).await, "no_rule_matched");
}

#[tokio::test]
async fn an_invoice_is_not_paid_anew_while_part_of_its_money_has_no_known_payment() {
    let relay = Relay::new();
    let mut part = linked();
    part["data"]["object"]["amount_paid"] = json!(4000);
    let applied = |payment: &str, amount: i64| {
        let payment = json!({ "type": "payment_intent", "payment_intent": payment });
        json!({ "status": "paid", "amount_paid": amount, "payment": payment })
    };
    let mut again = basil_invoice("in_1", 70, 9900, 365);
    again["payments"] = json!({ "data": [applied("pi_1", 4000), applied("pi_2", 0)] });
    receive(&relay, &[customer_created(), invoice_paid(), part, event("invoice.paid", 70, again)]).await;
    assert_eq!(relay.reason("evt_invoice.paid_70").await, "already_reported");
}

#[tokio::test]
async fn of_an_invoice_that_a_sale_has_paid_in_part_the_rest_is_sent() {
    for rules in [Rules::shipped().unwrap(), net_rules()] {
        let relay = Relay::ruled(&config(), rules);
        let mut part = linked();
        part["data"]["object"]["amount_paid"] = json!(4000);
        let sale = event("checkout.session.completed", 30, session("pi_1", "paid", 4000));
        receive(&relay, &[customer_created(), sale, part, invoice_paid()]).await;
        assert!(relay.warnings(INVOICE).await.contains(&"partly_reported".to_owned()));
        let told = relay.told().await;
        let rest = told.iter().find(|told| told.key == "purchase:stripe:in_1").unwrap();
        assert_eq!(rest.at("/payload/price"), 5900);
    }
}
