//! What the directory makes of the states of a customer, in whatever order they come.

use super::*;

fn seen(version: i64, ucc: Option<&str>, user: Option<&str>) -> Customer {
    Customer {
        id: "cus_1".into(),
        referral: ReferralData { ucc: ucc.map(Into::into), user_id: user.map(Into::into), organization_id: None },
        email: Some(format!("v{version}@example.com")),
        name: None,
        metadata: [("tier".to_owned(), format!("v{version}"))].into(),
        country: Some("DE".into()),
        created_at: Timestamp::from_second(1).ok(),
        version,
        completed_at: None,
        replaced: None,
    }
}

fn fold(states: &[Customer]) -> KnownCustomer {
    states.iter().fold(None, |known, state| Some(merge(known, state, false))).unwrap()
}

fn code(known: &KnownCustomer) -> (&str, &str) {
    match attribute(Some(known), false) {
        Attribution::Referred(_) => (known.ucc.as_deref().unwrap(), known.user_id.as_deref().unwrap()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_first_code_counts_whatever_the_order_of_arrival() {
    let (first, second) = (seen(10, Some("AAAAAAAAAAA"), Some("u1")), seen(20, Some("BBBBBBBBBBB"), Some("u1")));
    assert_eq!(code(&fold(&[first.clone(), second.clone()])), ("AAAAAAAAAAA", "u1"));
    assert_eq!(code(&fold(&[second, first])), ("AAAAAAAAAAA", "u1"));
}

#[test]
fn a_code_that_was_overwritten_is_known_even_when_only_the_overwriting_is_seen() {
    let mut update = seen(20, Some("BBBBBBBBBBB"), Some("u1"));
    update.replaced = Some(seen(0, Some("AAAAAAAAAAA"), Some("u1")).referral);
    assert_eq!(code(&fold(&[update])), ("AAAAAAAAAAA", "u1"));
}

#[test]
fn once_reported_nothing_changes_any_more() {
    let mut known = fold(&[seen(20, Some("BBBBBBBBBBB"), Some("u2"))]);
    known.reported = true;
    let known = merge(Some(known), &seen(10, Some("AAAAAAAAAAA"), Some("u1")), false);
    assert_eq!(code(&known), ("BBBBBBBBBBB", "u2"));
}

#[test]
fn nothing_is_kept_of_a_customer_without_a_code() {
    let known = fold(&[seen(10, None, Some("u1"))]);
    assert_eq!(attribute(Some(&known), false), Attribution::NotReferred);
    assert_eq!((known.email, known.name, known.user_id), (None, None, None));
    assert_eq!((known.metadata.len(), known.country), (0, None));
}

#[test]
fn a_code_that_comes_later_completes_the_customer_then() {
    let known = fold(&[seen(10_000, None, None), seen(20_000, Some("AAAAAAAAAAA"), Some("u1"))]);
    assert_eq!(known.completed_at, Timestamp::from_second(20).ok());
    let Attribution::Referred(referral) = attribute(Some(&known), false) else { panic!() };
    assert_eq!(referral.signed_up_at(), Timestamp::from_second(20).ok());
}

#[test]
fn an_older_state_without_the_code_tells_that_it_came_later() {
    let known = fold(&[seen(20_000, Some("AAAAAAAAAAA"), Some("u1")), seen(10_000, None, None)]);
    let Attribution::Referred(referral) = attribute(Some(&known), false) else { panic!() };
    assert_eq!(referral.signed_up_at(), Timestamp::from_second(20).ok());
}

#[test]
fn an_earlier_state_with_the_code_does_not_make_it_forgotten_that_it_came_late() {
    let with_code = |version| seen(version, Some("AAAAAAAAAAA"), Some("u1"));
    let known = fold(&[seen(10_000, None, None), with_code(60_000), with_code(40_000)]);
    assert_eq!(known.completed_at, Timestamp::from_second(40).ok());
    let known = fold(&[seen(10_000, None, None), with_code(60_000), with_code(2_000)]);
    assert_eq!(known.completed_at, None, "it was there at the creation");
    let mut overwritten = seen(60_000, Some("BBBBBBBBBBB"), Some("u1"));
    overwritten.replaced = Some(with_code(0).referral);
    let known = fold(&[seen(10_000, None, None), overwritten]);
    assert_eq!(
        known.completed_at,
        Timestamp::from_second(60).ok(),
        "nothing tells since when the former one was there"
    );
}

#[test]
fn since_when_the_code_is_there_is_learned_on_after_it_was_reported() {
    let mut known = fold(&[seen(10_000, None, None), seen(60_000, Some("BBBBBBBBBBB"), Some("u2"))]);
    known.reported = true;
    let known = merge(Some(known), &seen(40_000, Some("AAAAAAAAAAA"), Some("u1")), false);
    assert_eq!((code(&known), known.completed_at), (("BBBBBBBBBBB", "u2"), Timestamp::from_second(40).ok()));

    let mut known = fold(&[seen(60_000, Some("AAAAAAAAAAA"), Some("u1"))]);
    known.reported = true;
    let known = merge(Some(known), &seen(10_000, None, None), false);
    assert_eq!((code(&known), known.completed_at), (("AAAAAAAAAAA", "u1"), Timestamp::from_second(60).ok()));
}

#[test]
fn a_code_is_too_late_after_thirty_days_and_not_a_second_before() {
    let mut known = fold(&[seen(1, Some("AAAAAAAAAAA"), Some("u1"))]);
    known.completed_at = Timestamp::from_second(30 * 86_400).ok();
    let Attribution::Referred(referral) = attribute(Some(&known), false) else { panic!() };
    assert!(!referral.is_too_late_for(Timestamp::from_second(0).unwrap()));
    assert!(referral.is_too_late_for(Timestamp::from_second(-1).unwrap()));
}

#[test]
fn an_older_state_never_replaces_a_newer_one() {
    let known = fold(&[seen(20, Some("AAAAAAAAAAA"), Some("u1")), seen(10, Some("AAAAAAAAAAA"), Some("u1"))]);
    assert_eq!(known.email.as_deref(), Some("v20@example.com"));
    assert_eq!(known.metadata["tier"], "v20");
}

#[test]
fn organization_mode_needs_the_organization() {
    let known = fold(&[seen(10, Some("AAAAAAAAAAA"), Some("u1"))]);
    assert_eq!(attribute(Some(&known), true), Attribution::OrganizationIdMissing);
}

#[test]
fn a_customer_of_whom_only_the_deletion_is_known_counts_as_unseen() {
    let deleted = KnownCustomer { deleted: true, ..unseen("cus_1") };
    assert_eq!(attribute(Some(&deleted), false), Attribution::Unseen);
    assert_eq!(attribute(None, false), Attribution::Unseen);
}

#[test]
fn the_directory_remembers_a_customer_by_the_providers_id() {
    assert_eq!(fold(&[seen(10, None, None)]).id, "cus_1");
    assert_eq!(unseen("cus_2").id, "cus_2");
}

#[test]
fn a_customer_with_a_code_from_the_start_signed_up_when_it_was_created() {
    let known = fold(&[seen(10_000, Some("AAAAAAAAAAA"), Some("u1"))]);
    let Attribution::Referred(referral) = attribute(Some(&known), false) else { panic!() };
    assert_eq!(referral.signed_up_at(), Timestamp::from_second(1).ok());
}

#[test]
fn states_of_one_moment_mean_the_same_in_either_order() {
    let (without, with) = (seen(10_000, None, None), seen(10_000, Some("AAAAAAAAAAA"), Some("u1")));
    let completed_at = |states: &[Customer]| fold(states).completed_at;
    assert_eq!(completed_at(&[without.clone(), with.clone()]), completed_at(&[with, without]));
}

#[test]
fn an_overwritten_code_is_older_than_any_state_of_the_moment_it_was_overwritten_in() {
    let after = seen(20, Some("BBBBBBBBBBB"), Some("u1"));
    let mut update = after.clone();
    update.replaced = Some(seen(0, Some("AAAAAAAAAAA"), Some("u1")).referral);
    assert_eq!(code(&fold(&[after, update])), ("AAAAAAAAAAA", "u1"));
}

#[test]
fn a_code_that_is_taken_away_again_still_counts() {
    let known = fold(&[seen(10, Some("AAAAAAAAAAA"), Some("u1")), seen(20, None, None)]);
    assert_eq!(code(&known), ("AAAAAAAAAAA", "u1"));
}

#[test]
fn an_older_state_does_not_take_away_half_of_what_is_known() {
    let known = fold(&[seen(20, Some("AAAAAAAAAAA"), None), seen(10, None, None)]);
    assert_eq!(attribute(Some(&known), false), Attribution::UserIdMissing);
}

#[test]
fn once_reported_an_older_state_still_tells_since_when_the_code_is_there() {
    let mut known = fold(&[seen(20_000, Some("AAAAAAAAAAA"), Some("u1"))]);
    known.reported = true;
    let known = merge(Some(known), &seen(10_000, None, None), false);
    assert_eq!(known.completed_at, Timestamp::from_second(20).ok());
    assert_eq!(code(&known), ("AAAAAAAAAAA", "u1"));
}

#[test]
fn of_a_customer_whose_code_is_seen_only_in_an_older_state_that_states_address_is_known() {
    let known = fold(&[seen(20, None, None), seen(10, Some("AAAAAAAAAAA"), Some("u1"))]);
    assert_eq!(known.email.as_deref(), Some("v10@example.com"));
}

#[test]
fn the_organization_is_credited_in_organization_mode_and_else_the_user() {
    let mut state = seen(10, Some("AAAAAAAAAAA"), Some("u1"));
    state.referral.organization_id = Some("org_1".into());
    let known = fold(&[state]);
    for (organization_mode, subject) in [(true, "org_1"), (false, "u1")] {
        let Attribution::Referred(referral) = attribute(Some(&known), organization_mode) else { panic!() };
        assert_eq!(referral.subject(), subject);
    }
}

#[test]
fn what_is_waited_for_is_told_apart_by_kind_account_and_id() {
    let own = Scope { provider: "stripe".into(), account: String::new() };
    let connected = Scope { account: "acct_1".into(), ..own.clone() };
    let topics = |scope: &Scope, id| {
        [customer_topic(scope, id), subscription_topic(scope, id), report_topic(scope, id), payment_topic(scope, id)]
    };
    let all = [topics(&own, "a"), topics(&own, "b"), topics(&connected, "a")].concat();
    assert_eq!(all.iter().collect::<std::collections::HashSet<_>>().len(), 12, "{all:?}");
}
