-- What a start must know of this file as a whole.
CREATE TABLE mark (
    name        TEXT    PRIMARY KEY,         -- backup: it is a copy; moved: another store goes on with it
    value       TEXT    NOT NULL,            -- of what moved: where to
    at          INTEGER NOT NULL             -- milliseconds: when
) STRICT, WITHOUT ROWID;
