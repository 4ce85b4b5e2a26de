//! Statements that both kinds of store understand, written once: what waits, what is known of payments, and which
//! referral event is blocked by which.
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

/// Lines of the list: what a webhook came to, and the conditions of a filter, `$1` to `$9`.
macro_rules! list {
    ($from:literal, $($rest:literal),+) => {
        concat!(
            "SELECT w.id AS webhook_id, w.provider, w.event_id, w.kind, w.received_at, w.state AS webhook_state,
                d.state AS decision, d.reason, e.id, e.key, e.trigger, e.price, e.currency, e.state, e.blocked_by,
                e.discarded_by, e.confirmed_by,
                (SELECT count(*) FROM attempt a WHERE a.event_id = e.id) AS attempts,
                (SELECT a.message FROM attempt a WHERE a.event_id = e.id ORDER BY a.id DESC LIMIT 1) AS message ",
            $from,
            " WHERE (CAST($1 AS TEXT) IS NULL OR w.provider = $1)
                AND (CAST($2 AS TEXT) IS NULL OR e.trigger = $2)
                AND (CAST($3 AS BIGINT) IS NULL OR w.received_at >= $3)
                AND (CAST($4 AS BIGINT) IS NULL OR w.received_at < $4)
                AND (CAST($5 AS TEXT) IS NULL OR coalesce(e.customer, d.customer) = $5)
                AND (CAST($6 AS TEXT) IS NULL OR $6 IN (e.subject, e.user_id, e.organization_id)
                    OR (e.id IS NULL AND EXISTS (SELECT 1 FROM mention m WHERE m.name = $6 AND m.webhook_id = w.id)))
                AND (CAST($7 AS TEXT) IS NULL OR e.ucc = $7)
                AND (CAST($8 AS TEXT) IS NULL OR e.invoice_id = $8
                    OR (e.id IS NULL AND EXISTS (SELECT 1 FROM mention m WHERE m.name = $8 AND m.webhook_id = w.id)))
                AND (CAST($9 AS TEXT) IS NULL OR $9 IN (d.reason, e.discard_reason, e.confirm_reason)
                    OR d.warnings LIKE '%\"code\":\"' || $9 || '\"%') ",
            $($rest),+
        )
    };
}

macro_rules! list_of_webhooks {
    ($($rest:literal),+) => {
        list!(
            "FROM webhook w
                LEFT JOIN decision d ON d.webhook_id = w.id
                LEFT JOIN referral_event e ON e.key = d.key AND e.webhook_id = w.id AND d.state = 'send'",
            $($rest),+
        )
    };
}

pub const LIST: &str = list_of_webhooks!("ORDER BY w.id DESC, d.fact LIMIT $10");

pub const LIST_BY_WEBHOOK_STATE: &str = list_of_webhooks!("AND w.state = $10 ORDER BY w.id DESC, d.fact LIMIT $11");

pub const LIST_BY_EVENT_STATE: &str = list!(
    "FROM referral_event e
        JOIN webhook w ON w.id = e.webhook_id
        LEFT JOIN decision d ON d.webhook_id = w.id AND d.key = e.key AND d.state = 'send'",
    "AND e.state = $10 ORDER BY e.id DESC LIMIT $11"
);

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

/// Compares each of these waiting events, as of `$1`, with what it depends on. One that is blocked has no due time and is
/// not in front; one that is not blocked any more is due at once. Returns the subjects of those that changed.
macro_rules! blocked {
    ($which:literal) => {
        concat!(
            "UPDATE referral_event SET
                blocked_at = CASE WHEN found.blocker IS NULL THEN blocked_at ELSE coalesce(blocked_at, $1) END,
                due_at = CASE WHEN found.blocker IS NULL THEN coalesce(due_at, $1) END,
                first_due_at = CASE WHEN found.blocker IS NULL AND due_at IS NULL THEN $1 ELSE first_due_at END,
                front = (front AND found.blocker IS NULL),
                blocked_by = found.blocker
             FROM (SELECT e.id AS waiting, (SELECT min(d.id) FROM referral_event d
                     WHERE d.id IN (CASE WHEN e.passed_signup_at IS NULL THEN e.signup_id END, e.purchase_id)
                         AND d.state IN ('dead', 'unsure')) AS blocker
                 FROM referral_event e WHERE e.id IN (",
            $which,
            ") AND e.state = 'waiting') found
             WHERE id = found.waiting AND blocked_by IS DISTINCT FROM found.blocker
             RETURNING subject"
        )
    };
}

/// Of the event `$2` itself.
pub const BLOCK_ONE: &str = blocked!("$2");

/// Of all that depend on the event `$2`.
pub const BLOCK_DEPENDENTS: &str = blocked!(
    "SELECT id FROM referral_event WHERE signup_id = $2 AND state = 'waiting'
     UNION ALL SELECT id FROM referral_event WHERE purchase_id = $2"
);

/// What is blocked: how many events, and since when the first of them has been.
pub const BLOCKED: &str =
    "SELECT count(*) AS n, min(blocked_at) AS since FROM referral_event WHERE blocked_by IS NOT NULL";

/// Events that wait for a signup since `$1` or longer. A refund stays behind a purchase that waits for the same signup, or
/// will once a person has it sent again: what is neither dead nor unsure blocks nothing, so the refund would go first.
pub const WAITS_FOR_SIGNUP: &str = "SELECT e.id FROM referral_event e
    WHERE e.blocked_by IS NOT NULL AND e.blocked_at <= $1 AND e.blocked_by = e.signup_id
        AND NOT EXISTS (SELECT 1 FROM referral_event p WHERE p.id = e.purchase_id AND p.passed_signup_at IS NULL
            AND p.state NOT IN ('delivered', 'confirmed', 'discarded'))
    ORDER BY e.blocked_at, e.id LIMIT $2";

/// The refunds of the purchase `$1` that Cello does not have, oldest first.
pub const OPEN_REFUNDS: &str = "SELECT id, state FROM referral_event
    WHERE purchase_id = $1 AND state NOT IN ('delivered', 'confirmed', 'discarded') ORDER BY id";

/// With the place of its fact among those of its webhook, and whether Cello may have it.
pub const STORED_EVENT: &str = "SELECT e.*,
        (SELECT d.fact FROM decision d WHERE d.webhook_id = e.webhook_id AND d.key = e.key AND d.state = 'send'
            ORDER BY d.fact LIMIT 1) AS fact,
        EXISTS (SELECT 1 FROM attempt a WHERE a.event_id = e.id AND a.outcome = 'unsure') AS was_unsure
    FROM referral_event e WHERE e.id = $1";

pub const KEEP_BODY: &str = "INSERT INTO former_body (event_id, body, last_lease, replaced_at, replaced_by)
    SELECT id, body, lease, $1, $2 FROM referral_event WHERE id = $3";

/// Says as well whether it no longer waits for its signup: the decision that replaced the old one does not know that.
pub const REPLACE: &str = "UPDATE referral_event SET at = $1, invoice_id = $2, subscription_id = $3, price = $4,
        currency = $5, ucc = $6, customer = $7, contribution = $8, body = $9,
        purchase_id = (SELECT p.id FROM referral_event p WHERE p.key = $10)
    WHERE id = $11
    RETURNING state, passed_signup_at IS NOT NULL AS goes_without_signup";

pub const FREE_KEY: &str = "UPDATE referral_event SET key = key || ' (discarded ' || id || ')', key_freed_at = $1
    WHERE id = $2 AND state = 'discarded'";

pub const OF_FORMER_BODY: &str = "SELECT 1 AS one FROM former_body WHERE event_id = $1 AND last_lease >= $2";

pub const REMOVE_PURCHASE: &str = concat!(of_scope!("DELETE FROM purchase WHERE"), "AND invoice = $3");

pub const REMOVE_CARRIED: &str = concat!(of_scope!("DELETE FROM carried WHERE"), "AND purchase = $3");

pub const REMOVE_UNREPORTED_REFUND: &str =
    concat!(of_scope!("DELETE FROM unreported_refund WHERE"), "AND payment = $3 AND refund = $4");

pub const REMOVE_REFUNDED: &str =
    concat!(of_scope!("DELETE FROM refunded WHERE"), "AND charge = $3 AND from_total = $4 AND to_total = $5");

/// What the event `$1` is and what its last attempt came to.
pub const BLOCKER: &str = "SELECT e.trigger, e.state, a.started_at AS since, a.message FROM referral_event e
    LEFT JOIN attempt a ON a.id = (SELECT max(id) FROM attempt WHERE event_id = e.id) WHERE e.id = $1";

pub const FORMER_BODIES: &str =
    "SELECT body, replaced_at, replaced_by FROM former_body WHERE event_id = $1 ORDER BY id";
