//! Statements that both kinds of store understand, written once: what waits, and what is known of payments.
//!
//! Their parameters are numbered in the order in which they first appear, which SQLite needs. Where a short list is to
//! come in order and SQLite would rather go through the table than sort it, the callers sort.

macro_rules! waiting {
    ($column:literal) => {
        concat!(
            "SELECT webhook_id, fact, at, coalesce(topic, '') AS topic, \
             CASE WHEN state = 'hold' THEN deadline END AS deadline FROM decision WHERE ",
            $column,
            " = $1 AND state <> 'send'"
        )
    };
}

macro_rules! of_scope {
    ($($rest:literal),+) => { concat!($($rest),+, " provider = $1 AND account = $2 ") };
}

pub const PAYMENT: &str = concat!(of_scope!("SELECT * FROM payment WHERE"), "AND id = $3");

pub const PUT_PAYMENT: &str = "INSERT INTO payment (provider, account, id, amount, session, session_state,
        session_customer, session_total, session_tax)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
    ON CONFLICT (provider, account, id) DO UPDATE SET amount = excluded.amount, session = excluded.session,
        session_state = excluded.session_state, session_customer = excluded.session_customer,
        session_total = excluded.session_total, session_tax = excluded.session_tax";

pub const LINKS_OF_PAYMENT: &str =
    concat!(of_scope!("SELECT * FROM payment_link WHERE"), "AND payment = $3 ORDER BY invoice");

pub const LINKS_OF_INVOICE: &str = concat!(of_scope!("SELECT * FROM payment_link WHERE"), "AND invoice = $3");

pub const PUT_LINK: &str = "INSERT INTO payment_link (provider, account, payment, invoice, amount, charge_of)
    VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (provider, account, payment, invoice) DO UPDATE SET
        amount = coalesce(excluded.amount, payment_link.amount),
        charge_of = coalesce(excluded.charge_of, payment_link.charge_of)";

pub const ANY_LINK: &str = concat!(of_scope!("SELECT 1 AS one FROM payment_link WHERE"), "LIMIT 1");

pub const CARRIED_OF_PAYMENT: &str =
    concat!(of_scope!("SELECT * FROM carried WHERE"), "AND payment = $3 ORDER BY purchase");

pub const CARRIED_BY_PURCHASE: &str = concat!(of_scope!("SELECT * FROM carried WHERE"), "AND purchase = $3");

pub const PUT_CARRIED: &str = "INSERT INTO carried (provider, account, payment, purchase, amount)
    VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (provider, account, payment, purchase) DO UPDATE SET amount = excluded.amount";

pub const UNREPORTED_REFUNDS: &str =
    concat!(of_scope!("SELECT refund, amount FROM unreported_refund WHERE"), "AND payment = $3 ORDER BY refund");

pub const PUT_UNREPORTED_REFUND: &str =
    "INSERT INTO unreported_refund (provider, account, payment, refund, amount) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (provider, account, payment, refund) DO UPDATE SET amount = excluded.amount";

pub const PURCHASE: &str = concat!(of_scope!("SELECT * FROM purchase WHERE"), "AND invoice = $3");

pub const PURCHASES_BETWEEN: &str =
    concat!(of_scope!("SELECT * FROM purchase WHERE"), "AND customer = $3 AND at BETWEEN $4 AND $5 ORDER BY at");

pub const PUT_PURCHASE: &str = "INSERT INTO purchase (provider, account, invoice, paid, net, refunded, refunded_net,
        customer, currency, at, reported_at, is_sale, unlinked)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
    ON CONFLICT (provider, account, invoice) DO UPDATE SET paid = excluded.paid, net = excluded.net,
        refunded = excluded.refunded, refunded_net = excluded.refunded_net, customer = excluded.customer,
        currency = excluded.currency, at = excluded.at, reported_at = excluded.reported_at, is_sale = excluded.is_sale,
        unlinked = excluded.unlinked";

pub const UNLINKED_BEFORE: &str =
    concat!(of_scope!("SELECT 1 AS one FROM purchase WHERE"), "AND unlinked > 0 AND reported_at < $3 LIMIT 1");

pub const CUSTOMER_OF_USER: &str = concat!(
    of_scope!("SELECT id FROM customer WHERE"),
    "AND user_id = $3 AND ucc IS NOT NULL ORDER BY complete_version, id LIMIT 1"
);

pub const REPORTED: &str = "SELECT * FROM referral_event WHERE key = $1";

/// What waits for a topic, and what is ignored and may be decided again by it. No fact waits for one topic twice.
pub const WAITING_FOR: &str =
    concat!(waiting!("topic"), " UNION ALL ", waiting!("other_topic"), " ORDER BY at, webhook_id, fact");
