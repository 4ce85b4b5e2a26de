-- What an earlier version may leave behind, also when it is killed: something in every state. For both kinds of store,
-- so numbers that one of them keeps as booleans are written as texts. Webhooks and referral events get their numbers in
-- this order.

INSERT INTO webhook (provider, account, event_id, kind, mode, at, received_at, bytes, state, note) VALUES
    ('stripe', '', 'evt_1_delivered',  'invoice.paid', 'live', 1000, 2000, 2, 'mapped',     NULL),
    ('stripe', '', 'evt_2_dead',       'invoice.paid', 'live', 1000, 2000, 2, 'mapped',     NULL),
    ('stripe', '', 'evt_3_unsure',     'invoice.paid', 'live', 1000, 2000, 2, 'mapped',     NULL),
    ('stripe', '', 'evt_4_sending',    'invoice.paid', 'live', 1000, 2000, 2, 'mapped',     NULL),
    ('stripe', '', 'evt_5_waiting',    'invoice.paid', 'live', 1000, 2000, 2, 'mapped',     NULL),
    ('stripe', '', 'evt_6_discarded',  'invoice.paid', 'live', 1000, 2000, 2, 'mapped',     NULL),
    ('stripe', '', 'evt_7_held',       'invoice.paid', 'live', 1000, 2000, 2, 'held',       NULL),
    ('stripe', '', 'evt_8_ignored',    'invoice.paid', 'live', 1000, 2000, 2, 'ignored',    NULL),
    ('stripe', '', 'evt_9_unreadable', 'invoice.paid', 'live', 1000, 2000, 2, 'unreadable', 'no object'),
    ('stripe', '', 'evt_10_undecided', 'invoice.paid', 'live', 1000, 2000, 2, 'undecided',  NULL);
INSERT INTO webhook_body (webhook_id, body) SELECT id, CAST('{}' AS BLOB) FROM webhook WHERE id <> 8;
UPDATE webhook SET erased_at = 3000 WHERE id = 8;

INSERT INTO decision (webhook_id, fact, fact_kind, at, customer, key, state, rule, reason, message, warnings, trace, topic,
    deadline, look_up_at, decided_at) VALUES
    (1, 0, 'invoice-paid', 1000, 'cus_1', 'a/1', 'send', 'purchase', NULL, '', '[]', NULL, NULL, NULL, NULL, 2000),
    (2, 0, 'invoice-paid', 1000, 'cus_1', 'a/2', 'send', 'purchase', NULL, '',
        '[{"code": "interval_unknown", "message": "no word for it"}]',
        '{"recognised": "a paid invoice", "values": [{"name": "price", "value": "5", "source": "rule", "by": "purchase"}]}',
        NULL, NULL, NULL, 2000),
    (7, 0, 'invoice-paid', 1000, 'cus_2', 'e/1', 'hold', NULL, 'customer_unseen', 'nobody has told of it', '[]', NULL,
        'customer:stripe:cus_2', 9000, 5000, 2000),
    (8, 0, 'invoice-paid', 1000, 'cus_3', 'f/1', 'ignore', NULL, 'not_referred', 'no code', '[]', NULL, NULL, NULL, NULL,
        2000);
INSERT INTO mention (name, webhook_id) VALUES ('in_1', 1), ('in_7', 7);

-- The one in sending is the first of its user, of whom another two wait; one of those waits for its next try.
INSERT INTO referral_event (key, subject, trigger, webhook_id, at, invoice_id, price, currency, created_at, state, front,
    due_at, lease, claimed_at, lease_until, attempts, first_attempt_at, discarded_by, discard_reason, discarded_at, body)
VALUES
    ('a/1', 'a', 'invoice-paid', 1, 1000, 'in_1', 5, 'EUR', 2000, 'delivered', '0', NULL, 1, 3000, NULL, 1, 3000, NULL, NULL, NULL, '{}'),
    ('a/2', 'a', 'invoice-paid', 2, 1000, 'in_2', 5, 'EUR', 2000, 'dead',      '0', NULL, 1, 3000, NULL, 1, 3000, NULL, NULL, NULL, '{}'),
    ('b/1', 'b', 'invoice-paid', 3, 1000, 'in_3', 5, 'EUR', 2000, 'unsure',    '0', NULL, 1, 3000, NULL, 1, 3000, NULL, NULL, NULL, '{}'),
    ('c/1', 'c', 'invoice-paid', 4, 1000, 'in_4', 5, 'EUR', 2000, 'sending',   '1', 2000, 1, 3000, 4000, 0, NULL, NULL, NULL, NULL, '{"payload": {"ucc": "AbC123dEf45"}, "context": {"newUser": {"id": "c"}}}'),
    ('c/2', 'c', 'invoice-paid', 4, 1000, 'in_4', 5, 'EUR', 2000, 'waiting',   '0', 2000, 0, NULL, NULL, 0, NULL, NULL, NULL, NULL, '{}'),
    ('c/3', 'c', 'invoice-paid', 5, 1000, 'in_5', 5, 'EUR', 2000, 'waiting',   '0', 2000, 0, NULL, NULL, 0, NULL, NULL, NULL, NULL, '{}'),
    ('d/1', 'd', 'invoice-paid', 5, 1000, 'in_5', 5, 'EUR', 2000, 'waiting',   '1', 7000, 2, 3000, NULL, 2, 3000, NULL, NULL, NULL, '{}'),
    ('a/3', 'a', 'invoice-paid', 6, 1000, 'in_6', 5, 'EUR', 2000, 'discarded', '0', NULL, 1, 3000, NULL, 1, 3000, 'bob', 'a test', 4000, '{}');
INSERT INTO attempt (event_id, started_at, duration_ms, outcome, status, message, request_id, counts) VALUES
    (1, 3000, 12, 'delivered', 200, 'accepted', 'r1', '1'),
    (2, 3000, 12, 'rejected', 400, 'no such code', 'r2', '1'),
    (3, 3000, 12, 'unsure', NULL, 'the connection broke', NULL, '1'),
    (7, 3000, 12, 'retry', 503, 'busy', 'r3', '1');

INSERT INTO customer (provider, account, id, ucc, user_id, email, metadata, version, deleted, reported) VALUES
    ('stripe', '', 'cus_1', 'AbC123dEf45', 'a', 'ann@example.com', '{"plan": "pro"}', 1, '0', '1');
INSERT INTO pinned_code (user_id, ucc) VALUES ('a', 'AbC123dEf45');
INSERT INTO payment (provider, account, id, invoice) VALUES ('stripe', '', 'pi_1', 'in_1');
INSERT INTO purchase (provider, account, invoice, paid, net, refunded, refunded_net) VALUES
    ('stripe', '', 'in_1', 5, 4, 0, 0);
