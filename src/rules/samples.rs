//! One complete fact of each kind, for the tests of this folder.

use super::input::{CustomerView, Input};
use crate::facts::{
    Billing, Change, Detail, Invoice, InvoiceLine, Metadata, Mode, Phase, Plan, Refund, Scope, StatedBy, Subscription,
};
use crate::interval::Period;
use crate::money::Currency;

pub fn scope() -> &'static Scope {
    static SCOPE: std::sync::LazyLock<Scope> =
        std::sync::LazyLock::new(|| Scope { provider: "stripe".into(), account: String::new() });
    &SCOPE
}

pub fn detail(kind: &str) -> Detail {
    match kind {
        "customer-seen" => Detail::CustomerSeen { announces: true },
        "invoice-paid" => Detail::InvoicePaid(Box::new(invoice())),
        "payment-refunded" => Detail::PaymentRefunded(refund()),
        "subscription-started" => Detail::SubscriptionStarted(subscription()),
        "subscription-changed" => Detail::SubscriptionChanged {
            subscription: subscription(),
            change: Change::Commercial,
            event_id: "evt_1".into(),
        },
        "subscription-ended" => Detail::SubscriptionEnded(Subscription { phase: Phase::Ended, ..subscription() }),
        other => panic!("no sample of {other}"),
    }
}

pub fn input(detail: &Detail) -> Input<'_> {
    static METADATA: std::sync::LazyLock<Metadata> =
        std::sync::LazyLock::new(|| [("tier".to_owned(), "pro".to_owned())].into());
    let customer = CustomerView {
        id: Some("cus_1"),
        ucc: "AbC123dEf45",
        user_id: "u_1001",
        organization_id: Some("org_7"),
        email: Some("buyer@example.com"),
        country: Some("DE"),
        metadata: &METADATA,
    };
    let at = "2026-05-01T09:30:00Z".parse().unwrap();
    let refund_amount_net = matches!(detail, Detail::PaymentRefunded(_)).then_some(840);
    let input = Input::new(scope(), detail, at, customer);
    Input { mode: Some(Mode::Live), event_type: "some.type", refund_amount_net, ..input }
}

pub fn invoice() -> Invoice {
    Invoice {
        id: "in_1".into(),
        subscription: Some("sub_1".into()),
        currency: Currency::parse("EUR"),
        amount_paid: 5831,
        amount_paid_net: 4900,
        total: 5831,
        tax: 931,
        billing: Billing::Recurring,
        plan: plan(),
        seats: Some(3),
        lines: vec![line(4000, "prod_1"), line(900, "prod_addon")],
        lines_complete: true,
        country: Some("DE".into()),
        email: None,
        price_ids: vec![],
        billing_reason: "subscription_cycle".into(),
        stated_by: StatedBy::Invoice,
        payments: vec![],
        outside: 0,
        billed_days: None,
    }
}

pub fn line(amount: i64, product: &str) -> InvoiceLine {
    InvoiceLine {
        amount,
        quantity: Some(3),
        price_id: Some("price_1".into()),
        product_id: Some(product.into()),
        recurring: true,
        proration: false,
        description: Some("3 × Pro".into()),
    }
}

pub fn refund() -> Refund {
    Refund {
        id: "re_1".into(),
        amount: Some(1000),
        running_total: None,
        currency: Currency::parse("EUR"),
        invoice: Some("in_1".into()),
        payments: vec![],
        subscription: Some("sub_1".into()),
    }
}

pub fn subscription() -> Subscription {
    Subscription {
        id: "sub_1".into(),
        customer: Some("cus_1".into()),
        phase: Phase::Running,
        amount: Some(4900),
        currency: Currency::parse("EUR"),
        plan: plan(),
        seats: Some(3),
        version: 1,
        ended_at: None,
    }
}

fn plan() -> Plan {
    Plan {
        period: Period::parse("month", 1),
        price_id: Some("price_1".into()),
        product_id: Some("prod_1".into()),
        metered: false,
    }
}
