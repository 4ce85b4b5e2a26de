-- What depends on what, what a person says that Cello has, and bodies that took the place of refused ones.

CREATE TABLE new_event (
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
    state       TEXT    NOT NULL DEFAULT 'waiting' CONSTRAINT state_is_known
                CHECK (state IN ('waiting', 'sending', 'delivered', 'unsure', 'dead', 'discarded', 'confirmed')), -- where it stands
    front       INTEGER NOT NULL,            -- 1 for the one unfinished event of its subject whose turn it is
    due_at      INTEGER,                     -- milliseconds: when it is to be sent; NULL when it is not to be
    first_due_at INTEGER NOT NULL,           -- milliseconds: when it was first to be sent, since the last fresh start
    lease       INTEGER NOT NULL DEFAULT 0,  -- how often it was claimed; tells a late sender from the present one
    claimed_at  INTEGER,                     -- milliseconds: when it was last claimed
    lease_until INTEGER,                     -- milliseconds: until when its sender may be sending
    attempts    INTEGER NOT NULL DEFAULT 0,  -- tries that count towards giving up, since the last fresh start
    deaths      INTEGER NOT NULL DEFAULT 0,  -- how many of its last senders in a row died while they sent it
    first_attempt_at INTEGER,                -- milliseconds: the first of the tries that count
    signup_id   INTEGER,                     -- the referral event of its user's signup, which goes before it
    purchase_id INTEGER,                     -- of a refund: the referral event of its purchase, which goes before it
    blocked_by  INTEGER,                     -- the one of these two that is dead or unsure, while it waits for that
    blocked_at  INTEGER,                     -- milliseconds: when it was first blocked
    passed_signup_at INTEGER,                -- milliseconds: when it stopped waiting for its signup
    discarded_by TEXT,                       -- who gave up on it
    discard_reason TEXT,                     -- why
    discarded_at INTEGER,                    -- milliseconds: when
    confirmed_by TEXT,                       -- who said that Cello has it
    confirm_reason TEXT,                     -- why
    confirmed_at INTEGER,                    -- milliseconds: when
    ucc         TEXT,                        -- referral code
    user_id     TEXT,                        -- the user's id in the operator's product
    organization_id TEXT,                    -- organization in the operator's product, in organization mode
    customer    TEXT,                        -- the provider's id of the customer
    contribution TEXT,                       -- JSON: what it added to running totals; NULL where that was not kept
    key_freed_at INTEGER,                    -- milliseconds: when another event could have its business key
    body        TEXT    NOT NULL,            -- JSON: exactly what is sent
    CONSTRAINT front_is_open CHECK (front = 0 OR (front = 1 AND state IN ('waiting', 'sending') AND blocked_by IS NULL)),
    CONSTRAINT due_while_open CHECK ((due_at IS NOT NULL) = (state = 'sending' OR (state = 'waiting' AND blocked_by IS NULL))),
    CONSTRAINT leased_while_sending CHECK ((lease_until IS NOT NULL) = (state = 'sending')),
    CONSTRAINT sending_is_front CHECK (state <> 'sending' OR front = 1),
    CONSTRAINT blocked_waits CHECK (blocked_by IS NULL OR (state = 'waiting' AND blocked_at IS NOT NULL))
) STRICT;
INSERT INTO new_event (id, key, subject, trigger, webhook_id, at, invoice_id, subscription_id, price, currency, created_at,
        state, front, due_at, first_due_at, lease, claimed_at, lease_until, attempts, deaths, first_attempt_at,
        discarded_by, discard_reason, discarded_at, ucc, user_id, organization_id, customer, body)
    SELECT id, key, subject, trigger, webhook_id, at, invoice_id, subscription_id, price, currency, created_at,
        state, front, due_at, coalesce(first_attempt_at, created_at), lease, claimed_at, lease_until, attempts, deaths,
        first_attempt_at, discarded_by, discard_reason, discarded_at, ucc, user_id, organization_id, customer, body
    FROM referral_event;
-- Foreign keys are not enforced while the tables are brought up to date.
DROP TABLE referral_event;
ALTER TABLE new_event RENAME TO referral_event;

CREATE INDEX referral_event_by_webhook ON referral_event (webhook_id);
CREATE INDEX referral_event_by_state ON referral_event (state);
CREATE INDEX referral_event_suspect ON referral_event (due_at, id) WHERE front = 1 AND state = 'waiting' AND deaths > 0;

-- What is not over yet waits from now on, and so does what is behind it.
UPDATE referral_event SET
    signup_id = (SELECT s.id FROM referral_event s WHERE s.key = 'signup:' || referral_event.subject AND s.id < referral_event.id),
    purchase_id = CASE WHEN key LIKE 'refund:%' THEN (SELECT p.id FROM webhook w
        JOIN referral_event p ON p.key = 'purchase:' || w.provider || CASE WHEN w.account = '' THEN '' ELSE ':' || w.account END
            || ':' || referral_event.invoice_id
        WHERE w.id = referral_event.webhook_id AND p.id < referral_event.id) END
    WHERE state NOT IN ('delivered', 'discarded');
UPDATE referral_event SET blocked_by = found.blocker, due_at = NULL, front = 0,
    blocked_at = coalesce((SELECT max(a.started_at) FROM attempt a WHERE a.event_id = found.blocker), created_at)
    FROM (SELECT e.id, (SELECT min(d.id) FROM referral_event d
            WHERE d.id IN (e.signup_id, e.purchase_id) AND d.state IN ('dead', 'unsure')) AS blocker
        FROM referral_event e WHERE e.state = 'waiting') found
    WHERE referral_event.id = found.id AND found.blocker IS NOT NULL;
UPDATE referral_event SET front = 1 WHERE id IN (SELECT min(id) FROM referral_event e
    WHERE state = 'waiting' AND blocked_by IS NULL
        AND NOT EXISTS (SELECT 1 FROM referral_event f WHERE f.subject = e.subject AND f.front = 1)
    GROUP BY subject);

-- One at a time per subject, held by the database itself.
CREATE UNIQUE INDEX referral_event_front ON referral_event (subject) WHERE front = 1;
-- What may be claimed, and nothing else: neither a subject with many events nor many blocked ones slow it down.
CREATE INDEX referral_event_due ON referral_event (due_at, id) WHERE front = 1 AND state = 'waiting';
-- Whose turn it is next.
CREATE INDEX referral_event_next ON referral_event (subject, id) WHERE state = 'waiting' AND blocked_by IS NULL;
-- Since when the one that waits longest has been due.
CREATE INDEX referral_event_overdue ON referral_event (first_due_at) WHERE state = 'waiting' AND blocked_by IS NULL;
-- What is blocked, and what depends on an event that dies or comes to life again.
CREATE INDEX referral_event_blocked ON referral_event (blocked_at, id) WHERE blocked_by IS NOT NULL;
CREATE INDEX referral_event_after_signup ON referral_event (signup_id) WHERE state = 'waiting';
CREATE INDEX referral_event_after_purchase ON referral_event (purchase_id) WHERE purchase_id IS NOT NULL;

INSERT INTO tally (term, n) VALUES ('confirmed', 0);
CREATE TRIGGER referral_event_made AFTER INSERT ON referral_event BEGIN
    UPDATE tally SET n = n + 1 WHERE term IN ('referral_events', NEW.state);
END;
CREATE TRIGGER referral_event_moved AFTER UPDATE OF state ON referral_event WHEN NEW.state <> OLD.state BEGIN
    UPDATE tally SET n = n - 1 WHERE term = OLD.state;
    UPDATE tally SET n = n + 1 WHERE term = NEW.state;
END;

-- A body that was refused and then replaced; its attempts are those of the claims up to its last.
CREATE TABLE former_body (
    id          INTEGER PRIMARY KEY,         -- number
    event_id    INTEGER NOT NULL REFERENCES referral_event (id), -- whose body it was
    body        TEXT    NOT NULL,            -- JSON: exactly what was sent
    last_lease  INTEGER NOT NULL,            -- the last claim under which it may have been sent
    replaced_at INTEGER NOT NULL,            -- milliseconds: when another took its place
    replaced_by TEXT    NOT NULL             -- who decided that
) STRICT;
CREATE INDEX former_body_by_event ON former_body (event_id);
