-- Every time is a whole number of milliseconds since 1970-01-01 UTC. NULL means: not known, or not applicable.

-- One request from a provider, as often as it came.
CREATE TABLE webhook (
    id          INTEGER PRIMARY KEY,         -- number, in order of arrival
    provider    TEXT    NOT NULL,            -- name of the provider, such as stripe
    account     TEXT    NOT NULL,            -- connected account; empty for the operator's own
    event_id    TEXT    NOT NULL,            -- the provider's id of the event
    kind        TEXT    NOT NULL,            -- the provider's name for what happened, such as invoice.paid
    mode        TEXT    CHECK (mode IN ('live', 'test')), -- whether real money moves; NULL where it does not say
    at          INTEGER NOT NULL,            -- milliseconds: the provider's time of the event
    received_at INTEGER NOT NULL,            -- milliseconds: when it first arrived here
    bytes       INTEGER NOT NULL,            -- length of the body
    duplicates  INTEGER NOT NULL DEFAULT 0,  -- how often it came again
    state       TEXT    NOT NULL DEFAULT 'undecided'
                CHECK (state IN ('undecided', 'held', 'ignored', 'unreadable', 'mapped')), -- where it stands
    note        TEXT,                        -- why it could not be read
    UNIQUE (event_id, account, provider)     -- event id first: people search by it alone
) STRICT;
CREATE INDEX webhook_by_state ON webhook (state);

-- The bodies stand apart, so that a change of state does not write them again.
CREATE TABLE webhook_body (
    webhook_id  INTEGER PRIMARY KEY REFERENCES webhook (id), -- whose body
    body        BLOB    NOT NULL             -- byte for byte as received
) STRICT;

-- What was decided on one fact of a webhook.
CREATE TABLE decision (
    webhook_id  INTEGER NOT NULL REFERENCES webhook (id), -- which webhook states the fact
    fact        INTEGER NOT NULL,            -- position among its facts, from 0
    fact_kind   TEXT    NOT NULL,            -- the rules' word for the fact; empty where there is none
    at          INTEGER NOT NULL,            -- milliseconds: when it happened
    customer    TEXT,                        -- the provider's id of the customer
    key         TEXT,                        -- business key, whether or not a referral event came of it
    state       TEXT    NOT NULL CHECK (state IN ('send', 'hold', 'ignore')), -- the decision
    rule        TEXT,                        -- name of the rule that decided
    reason      TEXT,                        -- reason code of what is held or ignored
    message     TEXT    NOT NULL,            -- the reason in words
    warnings    TEXT    NOT NULL,            -- JSON: list of objects with code and message
    topic       TEXT,                        -- what may cause it to be decided again
    deadline    INTEGER,                     -- milliseconds: until when it is held
    look_up_at  INTEGER,                     -- milliseconds: when the provider is asked (again)
    wake_at     INTEGER GENERATED ALWAYS AS
                (min(coalesce(deadline, look_up_at), coalesce(look_up_at, deadline))) VIRTUAL, -- the earlier of both
    decided_at  INTEGER NOT NULL,            -- milliseconds: when this was decided
    PRIMARY KEY (webhook_id, fact)
) STRICT, WITHOUT ROWID;
CREATE INDEX decision_by_key ON decision (key, decided_at) WHERE key IS NOT NULL;
CREATE INDEX decision_by_topic ON decision (topic, at) WHERE topic IS NOT NULL;
CREATE INDEX decision_to_wake ON decision (wake_at) WHERE state = 'hold';

-- The names by which a person may ask for a webhook: ids of customers, invoices, users and so on.
CREATE TABLE mention (
    name        TEXT    NOT NULL,            -- an id or business key that the webhook is about
    webhook_id  INTEGER NOT NULL REFERENCES webhook (id), -- the webhook
    PRIMARY KEY (name, webhook_id)
) STRICT, WITHOUT ROWID;

-- The directory: customers.
CREATE TABLE customer (
    provider    TEXT    NOT NULL,            -- name of the provider
    account     TEXT    NOT NULL,            -- connected account; empty for the operator's own
    id          TEXT    NOT NULL,            -- the provider's id of the customer
    ucc         TEXT,                        -- referral code
    user_id     TEXT,                        -- id in the operator's product
    organization_id TEXT,                    -- organization in the operator's product
    complete_version INTEGER,                -- version at which code and user id were first seen together
    completed_at INTEGER,                    -- milliseconds: when they became complete, if later than the customer
    email       TEXT,                        -- kept only of customers with a code
    name        TEXT,                        -- kept only of customers with a code
    created_at  INTEGER,                     -- milliseconds: the customer's creation at the provider
    version     INTEGER NOT NULL,            -- milliseconds: when the newest state seen was true
    deleted     INTEGER NOT NULL CHECK (deleted IN (0, 1)), -- 1 when deleted at the provider
    reported    INTEGER NOT NULL CHECK (reported IN (0, 1)), -- 1 when Cello was told of the customer
    PRIMARY KEY (provider, account, id)
) STRICT, WITHOUT ROWID;

-- The directory: subscriptions.
CREATE TABLE subscription (
    provider    TEXT    NOT NULL,            -- name of the provider
    account     TEXT    NOT NULL,            -- connected account; empty for the operator's own
    id          TEXT    NOT NULL,            -- the provider's id of the subscription
    customer    TEXT,                        -- the provider's id of its customer
    phase       TEXT    NOT NULL,            -- pending, trial, running, stalled or ended
    amount      INTEGER,                     -- minor units: recurring amount of one period
    currency    TEXT,                        -- ISO 4217, upper case
    period_unit TEXT,                        -- day, week, month or year
    period_count INTEGER,                    -- units in one period
    price_id    TEXT,                        -- price or plan
    product_id  TEXT,                        -- product
    seats       INTEGER,                     -- quantity
    version     INTEGER NOT NULL,            -- milliseconds: when this state was true
    reported    TEXT,                        -- commercial states reported to Cello, as text
    PRIMARY KEY (provider, account, id)
) STRICT, WITHOUT ROWID;

-- The directory: prices, which never change.
CREATE TABLE price (
    provider    TEXT    NOT NULL,            -- name of the provider
    account     TEXT    NOT NULL,            -- connected account; empty for the operator's own
    price_id    TEXT    NOT NULL,            -- the provider's id of the price
    period_unit TEXT,                        -- day, week, month or year; NULL when it is paid once
    period_count INTEGER,                    -- units in one period
    product_id  TEXT,                        -- product
    PRIMARY KEY (provider, account, price_id)
) STRICT, WITHOUT ROWID;

-- The directory: which invoice a payment settles.
CREATE TABLE payment (
    provider    TEXT    NOT NULL,            -- name of the provider
    account     TEXT    NOT NULL,            -- connected account; empty for the operator's own
    id          TEXT    NOT NULL,            -- the provider's id of the payment
    invoice     TEXT    NOT NULL,            -- the provider's id of the invoice
    PRIMARY KEY (provider, account, id)
) STRICT, WITHOUT ROWID;

-- The directory: what is known to be refunded of a charge, as stretches of its running total.
CREATE TABLE refunded (
    provider    TEXT    NOT NULL,            -- name of the provider
    account     TEXT    NOT NULL,            -- connected account; empty for the operator's own
    charge      TEXT    NOT NULL,            -- the provider's id of the charge
    from_total  INTEGER NOT NULL,            -- minor units: running total before this refund
    to_total    INTEGER NOT NULL,            -- minor units: running total with this refund
    PRIMARY KEY (provider, account, charge, from_total, to_total)
) STRICT, WITHOUT ROWID;

-- The first code reported for a user; it never changes.
CREATE TABLE pinned_code (
    user_id     TEXT    PRIMARY KEY,         -- id in the operator's product
    ucc         TEXT    NOT NULL             -- referral code
) STRICT, WITHOUT ROWID;

-- One message for Cello.
CREATE TABLE referral_event (
    id          INTEGER PRIMARY KEY,         -- number; the order within a subject
    key         TEXT    NOT NULL UNIQUE,     -- business key
    subject     TEXT    NOT NULL,            -- whose events are sent one at a time and in order
    trigger     TEXT    NOT NULL,            -- Cello's word for what happened
    webhook_id  INTEGER NOT NULL REFERENCES webhook (id), -- the webhook it came of
    at          INTEGER NOT NULL,            -- milliseconds: when it happened
    invoice_id  TEXT,                        -- the provider's id of the invoice
    subscription_id TEXT,                    -- the provider's id of the subscription
    price       INTEGER,                     -- minor units
    currency    TEXT,                        -- ISO 4217, upper case
    created_at  INTEGER NOT NULL,            -- milliseconds: when it was decided to send it
    state       TEXT    NOT NULL DEFAULT 'waiting'
                CHECK (state IN ('waiting', 'sending', 'delivered', 'unsure', 'dead', 'discarded')), -- where it stands
    front       INTEGER NOT NULL,            -- 1 for the one unfinished event of its subject whose turn it is
    due_at      INTEGER,                     -- milliseconds: when it is to be sent; NULL when it is not to be
    lease       INTEGER NOT NULL DEFAULT 0,  -- how often it was claimed; tells a late sender from the present one
    claimed_at  INTEGER,                     -- milliseconds: when it was last claimed
    lease_until INTEGER,                     -- milliseconds: until when its sender may be sending
    attempts    INTEGER NOT NULL DEFAULT 0,  -- tries that count towards giving up, since the last fresh start
    first_attempt_at INTEGER,                -- milliseconds: the first of those tries
    discarded_by TEXT,                       -- who gave up on it
    discard_reason TEXT,                     -- why
    discarded_at INTEGER,                    -- milliseconds: when
    body        TEXT    NOT NULL,            -- JSON: exactly what is sent
    CHECK (front = 0 OR (front = 1 AND state IN ('waiting', 'sending'))),
    CHECK ((due_at IS NOT NULL) = (state IN ('waiting', 'sending'))),
    CHECK ((lease_until IS NOT NULL) = (state = 'sending')),
    CHECK (state <> 'sending' OR front = 1)
) STRICT;
CREATE INDEX referral_event_by_webhook ON referral_event (webhook_id);
CREATE INDEX referral_event_by_state ON referral_event (state);
-- One at a time per subject, held by the database itself.
CREATE UNIQUE INDEX referral_event_front ON referral_event (subject) WHERE front = 1;
-- What may be claimed, and nothing else: neither a subject with many events nor many blocked ones slow it down.
CREATE INDEX referral_event_due ON referral_event (due_at, id) WHERE front = 1 AND state = 'waiting';
-- Whose turn it is next.
CREATE INDEX referral_event_next ON referral_event (subject, id) WHERE state = 'waiting';

-- One try to deliver a referral event.
CREATE TABLE attempt (
    id          INTEGER PRIMARY KEY,         -- number
    event_id    INTEGER NOT NULL REFERENCES referral_event (id), -- what was tried
    started_at  INTEGER NOT NULL,            -- milliseconds: when it began
    duration_ms INTEGER NOT NULL,            -- milliseconds it took
    outcome     TEXT    NOT NULL CHECK (outcome IN ('delivered', 'retry', 'rejected', 'unsure')), -- how it ended
    status      INTEGER,                     -- HTTP status of the answer
    message     TEXT    NOT NULL,            -- Cello's message or the transport's problem
    request_id  TEXT,                        -- Cello's id of the request
    counts      INTEGER NOT NULL CHECK (counts IN (0, 1)) -- 1 when it counts towards giving up
) STRICT;
CREATE INDEX attempt_by_event ON attempt (event_id);

-- The terms of both equations, kept by the triggers below: counting the rows would read more every day.
CREATE TABLE tally (
    term        TEXT    PRIMARY KEY,         -- received, duplicate, referral_events, or a state
    n           INTEGER NOT NULL CHECK (n >= 0) -- how many
) STRICT, WITHOUT ROWID;
INSERT INTO tally (term, n) VALUES
    ('received', 0), ('duplicate', 0),
    ('undecided', 0), ('held', 0), ('ignored', 0), ('unreadable', 0), ('mapped', 0),
    ('referral_events', 0),
    ('waiting', 0), ('sending', 0), ('delivered', 0), ('unsure', 0), ('dead', 0), ('discarded', 0);

CREATE TRIGGER webhook_arrived AFTER INSERT ON webhook BEGIN
    UPDATE tally SET n = n + 1 WHERE term IN ('received', NEW.state);
END;
CREATE TRIGGER webhook_came_again AFTER UPDATE OF duplicates ON webhook BEGIN
    UPDATE tally SET n = n + NEW.duplicates - OLD.duplicates WHERE term IN ('received', 'duplicate');
END;
CREATE TRIGGER webhook_moved AFTER UPDATE OF state ON webhook WHEN NEW.state <> OLD.state BEGIN
    UPDATE tally SET n = n - 1 WHERE term = OLD.state;
    UPDATE tally SET n = n + 1 WHERE term = NEW.state;
END;
CREATE TRIGGER referral_event_made AFTER INSERT ON referral_event BEGIN
    UPDATE tally SET n = n + 1 WHERE term IN ('referral_events', NEW.state);
END;
CREATE TRIGGER referral_event_moved AFTER UPDATE OF state ON referral_event WHEN NEW.state <> OLD.state BEGIN
    UPDATE tally SET n = n - 1 WHERE term = OLD.state;
    UPDATE tally SET n = n + 1 WHERE term = NEW.state;
END;

-- Whether the store can write.
CREATE TABLE probe (
    id          INTEGER PRIMARY KEY CHECK (id = 1), -- the one row
    writes      INTEGER NOT NULL             -- how often it was tried
) STRICT;
INSERT INTO probe (id, writes) VALUES (1, 0);
