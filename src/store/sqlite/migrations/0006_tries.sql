-- What ends the process each time is to be noticed at last.

ALTER TABLE webhook ADD COLUMN tries INTEGER NOT NULL DEFAULT 0; -- how often its deciding was begun by processes that found it left behind

ALTER TABLE referral_event ADD COLUMN deaths INTEGER NOT NULL DEFAULT 0; -- how many of its last senders in a row died while they sent it
-- What is to be sent alone, because one of these may be what its sender died of.
CREATE INDEX referral_event_suspect ON referral_event (due_at, id) WHERE front = 1 AND state = 'waiting' AND deaths > 0;
