-- What links payments with invoices, how much of each payment was reported, and for whom each referral event is.

-- The directory: which invoices a payment settles, and how much of it each took.
CREATE TABLE payment_link (
    provider    TEXT COLLATE "C" NOT NULL,            -- name of the provider
    account     TEXT COLLATE "C" NOT NULL,            -- connected account or site; empty for the operator's own
    payment     TEXT COLLATE "C" NOT NULL,            -- the provider's id of the payment, or of its charge
    invoice     TEXT COLLATE "C" NOT NULL,            -- the provider's id of the invoice
    amount      BIGINT,                     -- minor units: how much of it the invoice took; NULL for all that was paid
    charge_of   TEXT COLLATE "C",                        -- set where the id is that of the charge of this payment
    PRIMARY KEY (provider, account, payment, invoice)
);
CREATE INDEX payment_link_by_invoice ON payment_link (provider, account, invoice, payment, amount, charge_of);
INSERT INTO payment_link (provider, account, payment, invoice) SELECT provider, account, id, invoice FROM payment;
DROP TABLE payment;

-- The directory: payments, as far as their sessions and amounts are known.
CREATE TABLE payment (
    provider    TEXT COLLATE "C" NOT NULL,            -- name of the provider
    account     TEXT COLLATE "C" NOT NULL,            -- connected account or site; empty for the operator's own
    id          TEXT COLLATE "C" NOT NULL,            -- the provider's id of the payment
    amount      BIGINT,                     -- minor units: how much money it brought
    session     TEXT COLLATE "C",                        -- the provider's id of the Checkout session it was made by
    session_state TEXT COLLATE "C",                      -- paid, unpaid or invoiced: how the session's money is reported
    session_customer TEXT COLLATE "C",                   -- the provider's id of the session's customer
    session_total BIGINT,                   -- minor units: what the session is for, tax included
    session_tax BIGINT,                     -- minor units: the tax in it
    PRIMARY KEY (provider, account, id)
);

-- The directory: how much of a payment a reported purchase carried to Cello.
CREATE TABLE carried (
    provider    TEXT COLLATE "C" NOT NULL,            -- name of the provider
    account     TEXT COLLATE "C" NOT NULL,            -- connected account or site; empty for the operator's own
    payment     TEXT COLLATE "C" NOT NULL,            -- the provider's id of the payment
    purchase    TEXT COLLATE "C" NOT NULL,            -- the purchase, as in the table of that name
    amount      BIGINT NOT NULL,            -- minor units
    PRIMARY KEY (provider, account, payment, purchase)
);
CREATE INDEX carried_by_purchase ON carried (provider, account, purchase, payment, amount);

-- The directory: what went back of a payment's money that no purchase had carried.
CREATE TABLE unreported_refund (
    provider    TEXT COLLATE "C" NOT NULL,            -- name of the provider
    account     TEXT COLLATE "C" NOT NULL,            -- connected account or site; empty for the operator's own
    payment     TEXT COLLATE "C" NOT NULL,            -- the provider's id of the payment
    refund      TEXT COLLATE "C" NOT NULL,            -- the provider's id of the refund
    amount      BIGINT NOT NULL,            -- minor units
    PRIMARY KEY (provider, account, payment, refund)
);

-- For whom a referral event is: what a refund of it goes by, whatever became of the customer since.
ALTER TABLE referral_event ADD COLUMN ucc TEXT COLLATE "C";             -- referral code
ALTER TABLE referral_event ADD COLUMN user_id TEXT COLLATE "C";         -- the user's id in the operator's product
ALTER TABLE referral_event ADD COLUMN organization_id TEXT COLLATE "C"; -- organization in the operator's product, in organization mode
ALTER TABLE referral_event ADD COLUMN customer TEXT COLLATE "C";        -- the provider's id of the customer
-- Bodies are read for this once; events made from now on carry it from the start.
UPDATE referral_event SET
    -- PostgreSQL takes no text out of JSON that holds a NUL.
    ucc = CASE WHEN strpos(body, '\u0000') = 0 THEN body::json #>> '{payload,ucc}' END,
    user_id = CASE WHEN strpos(body, '\u0000') = 0 THEN body::json #>> '{context,newUser,id}' END,
    organization_id = CASE WHEN strpos(body, '\u0000') = 0 THEN body::json #>> '{context,newUser,organizationId}' END,
    customer = (SELECT customer FROM decision
        WHERE decision.key = referral_event.key AND decision.webhook_id = referral_event.webhook_id LIMIT 1);

-- What may be the payment of what, within a customer.
ALTER TABLE purchase ADD COLUMN customer TEXT COLLATE "C";              -- the provider's id of the customer it was reported for
ALTER TABLE purchase ADD COLUMN currency TEXT COLLATE "C";              -- ISO 4217, upper case
ALTER TABLE purchase ADD COLUMN at BIGINT;                 -- milliseconds: when it was paid
ALTER TABLE purchase ADD COLUMN reported_at BIGINT;         -- milliseconds: when it was decided to report it
ALTER TABLE purchase ADD COLUMN is_sale BOOLEAN NOT NULL DEFAULT false; -- true for a sale without an invoice
ALTER TABLE purchase ADD COLUMN unlinked BIGINT NOT NULL DEFAULT 0; -- minor units: what no known payment stands for
-- Only Stripe sells without an invoice; such a sale is known by its payment or session.
UPDATE purchase SET
    is_sale = (provider = 'stripe' AND substr(invoice, 1, 3) IN ('pi_', 'ch_', 'cs_')),
    (customer, currency, at, reported_at) = (SELECT e.customer, e.currency, e.at, e.created_at FROM referral_event e WHERE e.key = 'purchase:' || provider
        || CASE WHEN account = '' THEN '' ELSE ':' || account END || ':' || purchase.invoice);
UPDATE purchase SET unlinked = paid WHERE NOT is_sale AND NOT EXISTS (SELECT 1 FROM payment_link l
    WHERE l.provider = purchase.provider AND l.account = purchase.account AND l.invoice = purchase.invoice);
CREATE INDEX purchase_by_customer ON purchase (provider, account, customer, at) WHERE customer IS NOT NULL;
CREATE INDEX purchase_unlinked ON purchase (provider, account, reported_at) WHERE unlinked > 0;
INSERT INTO carried (provider, account, payment, purchase, amount)
    SELECT l.provider, l.account, l.payment, l.invoice, p.paid FROM payment_link l
        JOIN purchase p ON p.provider = l.provider AND p.account = l.account AND p.invoice = l.invoice
    UNION ALL SELECT provider, account, invoice, invoice, paid FROM purchase WHERE is_sale;
INSERT INTO payment (provider, account, id, amount)
    SELECT provider, account, invoice, paid FROM purchase WHERE is_sale;

-- A refund waits for its purchase and for its customer.
ALTER TABLE decision ADD COLUMN other_topic TEXT COLLATE "C";           -- something else that may cause it to be decided again
CREATE INDEX decision_by_other_topic ON decision (other_topic, at) WHERE other_topic IS NOT NULL;

ALTER TABLE price ADD COLUMN metered BOOLEAN NOT NULL DEFAULT false; -- true when it is billed by use
-- Of a customer without a code, no user id is kept.
ALTER TABLE customer ADD COLUMN known_by TEXT COLLATE "C";              -- another customer, with a code, that stands for the same user
CREATE INDEX customer_by_user ON customer (provider, account, user_id, complete_version, id) WHERE ucc IS NOT NULL;
