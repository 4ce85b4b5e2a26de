-- Texts are compared byte by byte ("C"): uniqueness must not change with an upgrade of the operating system's languages.
-- Every time is a whole number of milliseconds since 1970-01-01 UTC. NULL means: not known, or not applicable.

-- One request from a provider, as often as it came.
CREATE TABLE webhook (
    id              BIGINT           GENERATED ALWAYS AS IDENTITY PRIMARY KEY, -- number, in order of arrival
    provider        TEXT COLLATE "C" NOT NULL,           -- name of the provider, such as stripe
    account         TEXT COLLATE "C" NOT NULL,           -- connected account; empty for the operator's own
    event_id        TEXT COLLATE "C" NOT NULL,           -- the provider's id of the event
    kind            TEXT COLLATE "C" NOT NULL,           -- the provider's name for what happened, such as invoice.paid
    mode            TEXT COLLATE "C" CHECK (mode IN ('live', 'test')), -- whether real money moves; NULL where it does not say
    at              BIGINT           NOT NULL,           -- milliseconds: the provider's time of the event
    received_at     BIGINT           NOT NULL,           -- milliseconds: when it first arrived here
    bytes           BIGINT           NOT NULL,           -- length of the body
    state           TEXT COLLATE "C" NOT NULL DEFAULT 'undecided'
                CHECK (state IN ('undecided', 'held', 'ignored', 'unreadable', 'mapped')), -- where it stands
    note            TEXT COLLATE "C",                    -- why it could not be read
    erased_at       BIGINT,                              -- milliseconds: when the body was erased; NULL while it is there
    UNIQUE (event_id, account, provider)     -- event id first: people search by it alone
);
CREATE INDEX webhook_by_state ON webhook (state, id);
-- What may have to be looked at for erasing, and not all that was ever ignored.
CREATE INDEX webhook_ignored_with_body ON webhook (received_at, id) WHERE state = 'ignored' AND erased_at IS NULL;

-- How often a webhook came again. Rows are only added, so that receiving never waits for who decides the webhook.
CREATE TABLE webhook_again (
    id              BIGINT           GENERATED ALWAYS AS IDENTITY PRIMARY KEY, -- number
    webhook_id      BIGINT           NOT NULL REFERENCES webhook (id), -- which webhook
    times           BIGINT           NOT NULL CHECK (times > 0) -- how often, in one flush
);
CREATE INDEX webhook_again_by_webhook ON webhook_again (webhook_id);

-- The bodies stand apart, so that a change of state does not write them again.
CREATE TABLE webhook_body (
    webhook_id      BIGINT           PRIMARY KEY REFERENCES webhook (id), -- whose body
    body            BYTEA            NOT NULL            -- byte for byte as received
);

-- What was decided on one fact of a webhook.
CREATE TABLE decision (
    webhook_id      BIGINT           NOT NULL REFERENCES webhook (id), -- which webhook states the fact
    fact            BIGINT           NOT NULL,           -- position among its facts, from 0
    fact_kind       TEXT COLLATE "C" NOT NULL,           -- the rules' word for the fact; empty where there is none
    at              BIGINT           NOT NULL,           -- milliseconds: when it happened
    customer        TEXT COLLATE "C",                    -- the provider's id of the customer
    key             TEXT COLLATE "C",                    -- business key, whether or not a referral event came of it
    state           TEXT COLLATE "C" NOT NULL CHECK (state IN ('send', 'hold', 'ignore')), -- the decision
    rule            TEXT COLLATE "C",                    -- name of the rule that decided
    reason          TEXT COLLATE "C",                    -- reason code of what is held or ignored
    message         TEXT COLLATE "C" NOT NULL,           -- the reason in words
    warnings        TEXT COLLATE "C" NOT NULL,           -- JSON: list of objects with code and message
    trace           TEXT COLLATE "C",                    -- JSON: what was recognised, where values came from, which rules were tried
    topic           TEXT COLLATE "C",                    -- what may cause it to be decided again
    deadline        BIGINT,                              -- milliseconds: until when it is held
    look_up_at      BIGINT,                              -- milliseconds: when the provider is asked (again)
    wake_at         BIGINT           GENERATED ALWAYS AS (least(deadline, look_up_at)) STORED, -- the earlier of both
    decided_at      BIGINT           NOT NULL,           -- milliseconds: when this was decided
    PRIMARY KEY (webhook_id, fact)
);
CREATE INDEX decision_by_key ON decision (key, decided_at, webhook_id, fact) WHERE key IS NOT NULL;
CREATE INDEX decision_by_topic ON decision (topic, at, webhook_id, fact) WHERE topic IS NOT NULL;
CREATE INDEX decision_to_wake ON decision (wake_at, webhook_id, fact) WHERE state = 'hold';

-- The names by which a person may ask for a webhook: ids of customers, invoices, users and so on.
CREATE TABLE mention (
    name            TEXT COLLATE "C" NOT NULL,           -- an id or business key that the webhook is about
    webhook_id      BIGINT           NOT NULL REFERENCES webhook (id), -- the webhook
    PRIMARY KEY (name, webhook_id)
);

-- The directory: customers.
CREATE TABLE customer (
    provider        TEXT COLLATE "C" NOT NULL,           -- name of the provider
    account         TEXT COLLATE "C" NOT NULL,           -- connected account; empty for the operator's own
    id              TEXT COLLATE "C" NOT NULL,           -- the provider's id of the customer
    ucc             TEXT COLLATE "C",                    -- referral code
    user_id         TEXT COLLATE "C",                    -- id in the operator's product
    organization_id TEXT COLLATE "C",                    -- organization in the operator's product
    complete_version BIGINT,                             -- version at which code and user id were first seen together
    completed_at    BIGINT,                              -- milliseconds: when they became complete, if later than the customer
    email           TEXT COLLATE "C",                    -- kept only of customers with a code
    name            TEXT COLLATE "C",                    -- kept only of customers with a code
    metadata        TEXT COLLATE "C" NOT NULL,           -- JSON: texts by key; kept only of customers with a code
    country         TEXT COLLATE "C",                    -- ISO 3166, two letters; kept only of customers with a code
    created_at      BIGINT,                              -- milliseconds: the customer's creation at the provider
    version         BIGINT           NOT NULL,           -- milliseconds: when the newest state seen was true
    deleted         BOOLEAN          NOT NULL,           -- whether it was deleted at the provider
    reported        BOOLEAN          NOT NULL,           -- whether Cello was told of the customer
    PRIMARY KEY (provider, account, id)
);

-- The directory: subscriptions.
CREATE TABLE subscription (
    provider        TEXT COLLATE "C" NOT NULL,           -- name of the provider
    account         TEXT COLLATE "C" NOT NULL,           -- connected account; empty for the operator's own
    id              TEXT COLLATE "C" NOT NULL,           -- the provider's id of the subscription
    customer        TEXT COLLATE "C",                    -- the provider's id of its customer
    phase           TEXT COLLATE "C" NOT NULL,           -- pending, trial, running, stalled or ended
    amount          BIGINT,                              -- minor units: recurring amount of one period
    currency        TEXT COLLATE "C",                    -- ISO 4217, upper case
    period_unit     TEXT COLLATE "C",                    -- day, week, month or year
    period_count    BIGINT,                              -- units in one period
    price_id        TEXT COLLATE "C",                    -- price or plan
    product_id      TEXT COLLATE "C",                    -- product
    seats           BIGINT,                              -- quantity
    version         BIGINT           NOT NULL,           -- milliseconds: when this state was true
    reported        TEXT COLLATE "C",                    -- commercial states reported to Cello, as text
    PRIMARY KEY (provider, account, id)
);

-- The directory: prices, which never change.
CREATE TABLE price (
    provider        TEXT COLLATE "C" NOT NULL,           -- name of the provider
    account         TEXT COLLATE "C" NOT NULL,           -- connected account; empty for the operator's own
    price_id        TEXT COLLATE "C" NOT NULL,           -- the provider's id of the price
    period_unit     TEXT COLLATE "C",                    -- day, week, month or year; NULL when it is paid once
    period_count    BIGINT,                              -- units in one period
    product_id      TEXT COLLATE "C",                    -- product
    PRIMARY KEY (provider, account, price_id)
);

-- The directory: which invoice a payment settles.
CREATE TABLE payment (
    provider        TEXT COLLATE "C" NOT NULL,           -- name of the provider
    account         TEXT COLLATE "C" NOT NULL,           -- connected account; empty for the operator's own
    id              TEXT COLLATE "C" NOT NULL,           -- the provider's id of the payment
    invoice         TEXT COLLATE "C" NOT NULL,           -- the provider's id of the invoice
    PRIMARY KEY (provider, account, id)
);

-- The directory: what is known to be refunded of a charge, as stretches of its running total.
CREATE TABLE refunded (
    provider        TEXT COLLATE "C" NOT NULL,           -- name of the provider
    account         TEXT COLLATE "C" NOT NULL,           -- connected account; empty for the operator's own
    charge          TEXT COLLATE "C" NOT NULL,           -- the provider's id of the charge
    from_total      BIGINT           NOT NULL,           -- minor units: running total before this refund
    to_total        BIGINT           NOT NULL,           -- minor units: running total with this refund
    PRIMARY KEY (provider, account, charge, from_total, to_total)
);

-- The directory: purchases that Cello is told of, for the net amount of their refunds.
CREATE TABLE purchase (
    provider        TEXT COLLATE "C" NOT NULL,           -- name of the provider
    account         TEXT COLLATE "C" NOT NULL,           -- connected account; empty for the operator's own
    invoice         TEXT COLLATE "C" NOT NULL,           -- the provider's id of the invoice, or of the payment in a sale without one
    paid            BIGINT           NOT NULL,           -- minor units: money collected, tax included
    net             BIGINT           NOT NULL,           -- minor units: the same without tax
    refunded        BIGINT           NOT NULL,           -- minor units: what was reported as refunded of it, tax included
    refunded_net    BIGINT           NOT NULL,           -- minor units: the same without tax
    PRIMARY KEY (provider, account, invoice)
);

-- The directory: what Cello said of a referral code, for the minutes in which that may be relied on.
CREATE TABLE code (
    ucc             TEXT COLLATE "C" PRIMARY KEY,        -- referral code
    valid           BOOLEAN          NOT NULL,           -- whether it counts
    owner           TEXT COLLATE "C",                    -- the referrer's id in the operator's product; NULL when unknown
    asked_at        BIGINT           NOT NULL            -- milliseconds: when Cello was asked
);
CREATE INDEX code_by_age ON code (asked_at);

-- The first code reported for a user; it never changes.
CREATE TABLE pinned_code (
    user_id         TEXT COLLATE "C" PRIMARY KEY,        -- id in the operator's product
    ucc             TEXT COLLATE "C" NOT NULL            -- referral code
);

-- One message for Cello.
CREATE TABLE referral_event (
    id              BIGINT           GENERATED ALWAYS AS IDENTITY PRIMARY KEY, -- number; the order within a subject
    key             TEXT COLLATE "C" NOT NULL UNIQUE,    -- business key
    subject         TEXT COLLATE "C" NOT NULL,           -- whose events are sent one at a time and in order
    trigger         TEXT COLLATE "C" NOT NULL,           -- Cello's word for what happened
    webhook_id      BIGINT           NOT NULL REFERENCES webhook (id), -- the webhook it came of
    at              BIGINT           NOT NULL,           -- milliseconds: when it happened
    invoice_id      TEXT COLLATE "C",                    -- the provider's id of the invoice
    subscription_id TEXT COLLATE "C",                    -- the provider's id of the subscription
    price           BIGINT,                              -- minor units
    currency        TEXT COLLATE "C",                    -- ISO 4217, upper case
    created_at      BIGINT           NOT NULL,           -- milliseconds: when it was decided to send it
    state           TEXT COLLATE "C" NOT NULL DEFAULT 'waiting'
                CHECK (state IN ('waiting', 'sending', 'delivered', 'unsure', 'dead', 'discarded')), -- where it stands
    front           BOOLEAN          NOT NULL,           -- true for the one unfinished event of its subject whose turn it is
    due_at          BIGINT,                              -- milliseconds: when it is to be sent; NULL when it is not to be
    lease           BIGINT           NOT NULL DEFAULT 0, -- how often it was claimed; tells a late sender from the present one
    claimed_at      BIGINT,                              -- milliseconds: when it was last claimed
    lease_until     BIGINT,                              -- milliseconds of the server's clock: until when its sender may be sending
    attempts        BIGINT           NOT NULL DEFAULT 0, -- tries that count towards giving up, since the last fresh start
    first_attempt_at BIGINT,                             -- milliseconds: the first of those tries
    discarded_by    TEXT COLLATE "C",                    -- who gave up on it
    discard_reason  TEXT COLLATE "C",                    -- why
    discarded_at    BIGINT,                              -- milliseconds: when
    body            TEXT COLLATE "C" NOT NULL,           -- JSON: exactly what is sent
    CHECK (NOT front OR state IN ('waiting', 'sending')),
    CHECK ((due_at IS NOT NULL) = (state IN ('waiting', 'sending'))),
    CHECK ((lease_until IS NOT NULL) = (state = 'sending')),
    CHECK (state <> 'sending' OR front)
);
CREATE INDEX referral_event_by_webhook ON referral_event (webhook_id);
CREATE INDEX referral_event_by_state ON referral_event (state, id);
-- One at a time per subject, held by the database itself.
CREATE UNIQUE INDEX referral_event_front ON referral_event (subject) WHERE front;
-- What may be claimed, and nothing else: neither a subject with many events nor many blocked ones slow it down.
CREATE INDEX referral_event_due ON referral_event (due_at, id) WHERE front AND state = 'waiting';
-- Whose turn it is next.
CREATE INDEX referral_event_next ON referral_event (subject, id) WHERE state = 'waiting';

-- One try to deliver a referral event.
CREATE TABLE attempt (
    id              BIGINT           GENERATED ALWAYS AS IDENTITY PRIMARY KEY, -- number
    event_id        BIGINT           NOT NULL REFERENCES referral_event (id), -- what was tried
    started_at      BIGINT           NOT NULL,           -- milliseconds: when it began
    duration_ms     BIGINT           NOT NULL,           -- milliseconds it took
    outcome         TEXT COLLATE "C" NOT NULL CHECK (outcome IN ('delivered', 'retry', 'rejected', 'unsure')), -- how it ended
    status          BIGINT,                              -- HTTP status of the answer
    message         TEXT COLLATE "C" NOT NULL,           -- Cello's message or the transport's problem
    request_id      TEXT COLLATE "C",                    -- Cello's id of the request
    lease           BIGINT,                              -- the claim it was made under; NULL where its sender died
    counts          BOOLEAN          NOT NULL            -- whether it counts towards giving up
);
CREATE INDEX attempt_by_event ON attempt (event_id, id);
-- One record of each outcome of a claim, also where it is written again because the answer to the first time was lost.
CREATE UNIQUE INDEX attempt_by_lease ON attempt (event_id, lease, outcome);

-- Changes of the terms of both equations, written by the triggers below; a term is the sum of its changes. Rows are only
-- added, so that nobody waits for anybody; from time to time many are replaced by their sum.
CREATE TABLE tally (
    id              BIGINT           GENERATED ALWAYS AS IDENTITY PRIMARY KEY, -- number
    term            TEXT COLLATE "C" NOT NULL,           -- received, duplicate, referral_events, or a state
    n               BIGINT           NOT NULL            -- how many more
);

CREATE FUNCTION webhook_arrived() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO tally (term, n)
        SELECT term, count(*) FROM arrived, LATERAL (VALUES ('received'), (state)) AS t (term) GROUP BY term;
    RETURN NULL;
END $$;
CREATE TRIGGER webhook_arrived AFTER INSERT ON webhook
    REFERENCING NEW TABLE AS arrived FOR EACH STATEMENT EXECUTE FUNCTION webhook_arrived();

CREATE FUNCTION webhook_came_again() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO tally (term, n) SELECT term, sum(times) FROM again, (VALUES ('received'), ('duplicate')) AS t (term)
        GROUP BY term;
    RETURN NULL;
END $$;
CREATE TRIGGER webhook_came_again AFTER INSERT ON webhook_again
    REFERENCING NEW TABLE AS again FOR EACH STATEMENT EXECUTE FUNCTION webhook_came_again();

CREATE FUNCTION referral_event_made() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO tally (term, n) VALUES ('referral_events', 1), (NEW.state, 1);
    RETURN NULL;
END $$;
CREATE TRIGGER referral_event_made AFTER INSERT ON referral_event
    FOR EACH ROW EXECUTE FUNCTION referral_event_made();

CREATE FUNCTION state_moved() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO tally (term, n) VALUES (OLD.state, -1), (NEW.state, 1);
    RETURN NULL;
END $$;
CREATE TRIGGER webhook_moved AFTER UPDATE OF state ON webhook
    FOR EACH ROW WHEN (NEW.state <> OLD.state) EXECUTE FUNCTION state_moved();
CREATE TRIGGER referral_event_moved AFTER UPDATE OF state ON referral_event
    FOR EACH ROW WHEN (NEW.state <> OLD.state) EXECUTE FUNCTION state_moved();

-- Whether the store can write.
CREATE TABLE probe (
    id              BIGINT           PRIMARY KEY CHECK (id = 1), -- the one row
    writes          BIGINT           NOT NULL            -- how often it was tried
);
INSERT INTO probe (id, writes) VALUES (1, 0);
