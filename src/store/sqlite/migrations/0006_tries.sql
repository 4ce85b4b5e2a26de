-- What ends the process each time is to be noticed at last.

ALTER TABLE webhook ADD COLUMN tries INTEGER NOT NULL DEFAULT 0; -- how often its deciding was begun by processes that found it left behind
