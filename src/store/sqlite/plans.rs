//! How SQLite goes about the questions that are asked often: none may read a whole table or sort what it found, for
//! then a relay with a long history or a long queue becomes slow.

use rusqlite::{Connection, StatementStatus};

use super::super::statements;
use super::{decisions, directory, erasing, file, history, outbox, past, queue, webhooks};

#[test]
fn questions_that_are_asked_often_go_through_an_index_in_order() {
    let db = file::in_memory().unwrap();
    for sql in [
        webhooks::UNDECIDED,
        decisions::ON,
        statements::WAITING_FOR,
        decisions::DUE_HOLDS,
        queue::LONGEST_DUE,
        queue::NEWEST_DUE,
        queue::SUSPECT,
        queue::TOO_FAR,
        queue::NEXT_DUE,
        queue::OLDEST_WAITING,
        queue::LOST,
        outbox::FRONT,
        outbox::FIRST_WAITING,
        statements::BLOCK_ONE,
        statements::BLOCK_DEPENDENTS,
        statements::BLOCKED,
        statements::WAITS_FOR_SIGNUP,
        outbox::OVERDUE,
        statements::OPEN_REFUNDS,
        statements::BLOCKER,
        statements::FORMER_BODIES,
        statements::LINKS_OF_PAYMENT,
        statements::LINKS_OF_INVOICE,
        statements::ANY_LINK,
        statements::CARRIED_OF_PAYMENT,
        statements::CARRIED_BY_PURCHASE,
        statements::UNREPORTED_REFUNDS,
        statements::UNLINKED_BEFORE,
        statements::REPORTED,
        directory::FORGET_CODES,
        statements::LIST_BY_WEBHOOK_STATE,
        statements::LIST_BY_EVENT_STATE,
        history::LIVES_AFTER,
        past::WEBHOOKS_AFTER,
        past::DECISIONS_BETWEEN,
        past::EVENTS_AFTER,
        erasing::SETTLED_IGNORED,
        erasing::SETTLED_MAPPED,
    ] {
        let plan = plan(&db, sql);
        assert!(!plan.contains("TEMP B-TREE"), "sorts: {sql}\n{plan}");
        for line in plan.lines().filter(|line| line.contains("SCAN")) {
            assert!(line.contains("USING"), "reads a whole table: {sql}\n{plan}");
        }
    }
}

#[test]
fn claiming_and_what_follows_use_the_indexes_made_for_them() {
    let db = file::in_memory().unwrap();
    for (sql, index) in [
        (queue::LONGEST_DUE, "referral_event_due"),
        (queue::NEWEST_DUE, "referral_event_due"),
        (queue::SUSPECT, "referral_event_suspect"),
        (queue::TOO_FAR, "referral_event_due"),
        (queue::NEXT_DUE, "referral_event_due"),
        (outbox::FRONT, "referral_event_front"),
        (outbox::FIRST_WAITING, "referral_event_next"),
        (statements::BLOCK_DEPENDENTS, "referral_event_after_signup"),
        (statements::BLOCK_DEPENDENTS, "referral_event_after_purchase"),
        (statements::BLOCKED, "referral_event_blocked"),
        (statements::WAITS_FOR_SIGNUP, "referral_event_blocked"),
        (outbox::OVERDUE, "referral_event_overdue"),
        (statements::OPEN_REFUNDS, "referral_event_after_purchase"),
        (decisions::DUE_HOLDS, "decision_to_wake"),
        (decisions::HELD, "decision_to_wake"),
        (statements::WAITING_FOR, "decision_by_topic"),
        (statements::WAITING_FOR, "decision_by_other_topic"),
        (statements::LINKS_OF_INVOICE, "payment_link_by_invoice"),
        (statements::CARRIED_BY_PURCHASE, "carried_by_purchase"),
        (statements::PURCHASES_BETWEEN, "purchase_by_customer"),
        (statements::UNLINKED_BEFORE, "purchase_unlinked"),
        (statements::CUSTOMER_OF_USER, "customer_by_user"),
        (erasing::CANDIDATES, "webhook_ignored_with_body"),
        (erasing::SETTLED_MAPPED, "webhook_mapped_with_body"),
    ] {
        let plan = plan(&db, sql);
        assert!(plan.contains(index), "{sql}\n{plan}");
    }
}

#[test]
fn a_name_is_looked_up_and_not_searched_for() {
    let db = file::in_memory().unwrap();
    let plan = plan(&db, history::NAMED);
    assert!(!plan.contains("SCAN"), "{plan}");
}

#[test]
fn what_was_prepared_is_not_prepared_again_for_other_values() {
    for db in [file::in_memory().unwrap(), file::scratch().unwrap()] {
        for sql in [decisions::STATES, decisions::ON, statements::WAITING_FOR] {
            for value in [5, 6, 7] {
                let mut statement = db.prepare_cached(sql).unwrap();
                let rows = statement.query_map([value], |_| Ok(())).unwrap();
                assert_eq!(rows.count(), 0);
            }
            let prepared_again = db.prepare_cached(sql).unwrap().get_status(StatementStatus::RePrepare);
            assert_eq!(prepared_again, 0, "{sql}");
        }
    }
}

fn plan(db: &Connection, sql: &str) -> String {
    let mut statement = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    for parameter in 1..=statement.parameter_count() {
        statement.raw_bind_parameter(parameter, 1).unwrap();
    }
    let mut rows = statement.raw_query();
    let mut plan = String::new();
    while let Some(row) = rows.next().unwrap() {
        plan.push_str(&row.get::<_, String>("detail").unwrap());
        plan.push('\n');
    }
    plan
}
