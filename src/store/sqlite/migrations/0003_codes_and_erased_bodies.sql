-- The directory: what Cello said of a referral code, for the minutes in which that may be relied on.
CREATE TABLE code (
    ucc         TEXT    PRIMARY KEY,         -- referral code
    valid       INTEGER NOT NULL CHECK (valid IN (0, 1)), -- 1 when it counts
    owner       TEXT,                        -- the referrer's id in the operator's product; NULL when unknown
    asked_at    INTEGER NOT NULL             -- milliseconds: when Cello was asked
) STRICT, WITHOUT ROWID;
CREATE INDEX code_by_age ON code (asked_at);

-- A body that nothing can be told from any more is erased; the rest of its webhook stays.
ALTER TABLE webhook ADD COLUMN erased_at INTEGER; -- milliseconds: when the body was erased; NULL while it is there
-- What may have to be looked at for erasing, and not all that was ever ignored.
CREATE INDEX webhook_ignored_with_body ON webhook (received_at, id) WHERE state = 'ignored' AND erased_at IS NULL;
