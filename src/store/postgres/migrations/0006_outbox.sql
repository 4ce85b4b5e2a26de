-- What depends on what, what a person says that Cello has, and bodies that took the place of refused ones.

DO $$ DECLARE name TEXT; BEGIN
    FOR name IN SELECT conname FROM pg_constraint WHERE conrelid = 'referral_event'::regclass AND contype = 'c' LOOP
        EXECUTE format('ALTER TABLE referral_event DROP CONSTRAINT %I', name);
    END LOOP;
END $$;

ALTER TABLE referral_event
    ADD COLUMN first_due_at BIGINT,              -- milliseconds: when it was first to be sent, since the last fresh start
    ADD COLUMN signup_id BIGINT,                 -- the referral event of its user's signup, which goes before it
    ADD COLUMN purchase_id BIGINT,               -- of a refund: the referral event of its purchase, which goes before it
    ADD COLUMN blocked_by BIGINT,                -- the one of these two that is dead or unsure, while it waits for that
    ADD COLUMN blocked_at BIGINT,                -- milliseconds: when it was first blocked
    ADD COLUMN passed_signup_at BIGINT,          -- milliseconds: when it stopped waiting for its signup
    ADD COLUMN confirmed_by TEXT COLLATE "C",    -- who said that Cello has it
    ADD COLUMN confirm_reason TEXT COLLATE "C",  -- why
    ADD COLUMN confirmed_at BIGINT,              -- milliseconds: when
    ADD COLUMN key_freed_at BIGINT,              -- milliseconds: when another event could have its business key
    ADD COLUMN contribution TEXT COLLATE "C";    -- JSON: what it added to running totals; NULL where that was not kept
UPDATE referral_event SET first_due_at = coalesce(first_attempt_at, created_at);
ALTER TABLE referral_event ALTER COLUMN first_due_at SET NOT NULL;

-- What is not over yet waits from now on, and so does what is behind it.
UPDATE referral_event SET
    signup_id = (SELECT s.id FROM referral_event s WHERE s.key = 'signup:' || referral_event.subject AND s.id < referral_event.id),
    purchase_id = CASE WHEN key LIKE 'refund:%' THEN (SELECT p.id FROM webhook w
        JOIN referral_event p ON p.key = 'purchase:' || w.provider || CASE WHEN w.account = '' THEN '' ELSE ':' || w.account END
            || ':' || referral_event.invoice_id
        WHERE w.id = referral_event.webhook_id AND p.id < referral_event.id) END
    WHERE state NOT IN ('delivered', 'discarded');
UPDATE referral_event SET blocked_by = found.blocker, due_at = NULL, front = false,
    blocked_at = coalesce((SELECT max(a.started_at) FROM attempt a WHERE a.event_id = found.blocker), created_at)
    FROM (SELECT e.id, (SELECT min(d.id) FROM referral_event d
            WHERE d.id IN (e.signup_id, e.purchase_id) AND d.state IN ('dead', 'unsure')) AS blocker
        FROM referral_event e WHERE e.state = 'waiting') found
    WHERE referral_event.id = found.id AND found.blocker IS NOT NULL;
UPDATE referral_event SET front = true WHERE id IN (SELECT min(id) FROM referral_event e
    WHERE state = 'waiting' AND blocked_by IS NULL
        AND NOT EXISTS (SELECT FROM referral_event f WHERE f.subject = e.subject AND f.front)
    GROUP BY subject);

ALTER TABLE referral_event
    ADD CONSTRAINT state_is_known
        CHECK (state IN ('waiting', 'sending', 'delivered', 'unsure', 'dead', 'discarded', 'confirmed')),
    ADD CONSTRAINT front_is_open CHECK (NOT front OR (state IN ('waiting', 'sending') AND blocked_by IS NULL)),
    ADD CONSTRAINT due_while_open
        CHECK ((due_at IS NOT NULL) = (state = 'sending' OR (state = 'waiting' AND blocked_by IS NULL))),
    ADD CONSTRAINT leased_while_sending CHECK ((lease_until IS NOT NULL) = (state = 'sending')),
    ADD CONSTRAINT sending_is_front CHECK (state <> 'sending' OR front),
    ADD CONSTRAINT blocked_waits CHECK (blocked_by IS NULL OR (state = 'waiting' AND blocked_at IS NOT NULL));

-- Whose turn it is next.
DROP INDEX referral_event_next;
CREATE INDEX referral_event_next ON referral_event (subject, id) WHERE state = 'waiting' AND blocked_by IS NULL;
-- Since when the one that waits longest has been due.
CREATE INDEX referral_event_overdue ON referral_event (first_due_at) WHERE state = 'waiting' AND blocked_by IS NULL;
-- What is blocked, and what depends on an event that dies or comes to life again.
CREATE INDEX referral_event_blocked ON referral_event (blocked_at, id) WHERE blocked_by IS NOT NULL;
CREATE INDEX referral_event_after_signup ON referral_event (signup_id) WHERE state = 'waiting';
CREATE INDEX referral_event_after_purchase ON referral_event (purchase_id) WHERE purchase_id IS NOT NULL;

-- A body that was refused and then replaced; its attempts are those of the claims up to its last.
CREATE TABLE former_body (
    id              BIGINT           GENERATED ALWAYS AS IDENTITY PRIMARY KEY, -- number
    event_id        BIGINT           NOT NULL REFERENCES referral_event (id), -- whose body it was
    body            TEXT COLLATE "C" NOT NULL,           -- JSON: exactly what was sent
    last_lease      BIGINT           NOT NULL,           -- the last claim under which it may have been sent
    replaced_at     BIGINT           NOT NULL,           -- milliseconds: when another took its place
    replaced_by     TEXT COLLATE "C" NOT NULL            -- who decided that
);
CREATE INDEX former_body_by_event ON former_body (event_id);
