-- What rules may look at besides the fact itself.

ALTER TABLE customer ADD COLUMN metadata TEXT NOT NULL DEFAULT '{}'; -- JSON: texts by key; kept only of customers with a code
ALTER TABLE customer ADD COLUMN country TEXT; -- ISO 3166, two letters; kept only of customers with a code

-- The directory: purchases that Cello is told of, for the net amount of their refunds.
CREATE TABLE purchase (
    provider    TEXT    NOT NULL,            -- name of the provider
    account     TEXT    NOT NULL,            -- connected account; empty for the operator's own
    invoice     TEXT    NOT NULL,            -- the provider's id of the invoice, or of the payment in a sale without one
    paid        INTEGER NOT NULL,            -- minor units: money collected, tax included
    net         INTEGER NOT NULL,            -- minor units: the same without tax
    refunded    INTEGER NOT NULL,            -- minor units: what was reported as refunded of it, tax included
    refunded_net INTEGER NOT NULL,           -- minor units: the same without tax
    PRIMARY KEY (provider, account, invoice)
) STRICT, WITHOUT ROWID;
