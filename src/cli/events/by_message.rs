//! `events list --by message`: referral events grouped by what Cello said, the largest group first.
//!
//! One cause often stops many events. A line says how many, of which trigger, and how much money is in them.

use std::collections::BTreeMap;

use anyhow::Result;
use jiff::Timestamp;
use serde::Serialize;

use super::super::output::{Column, Table, number, plain, print, time, two_lines};
use super::super::{Exit, Trouble};
use super::ListArgs;
use crate::store::{EventState, EventSummary, Store, WebhookState};

/// Numbers of events that are named in each group.
const EXAMPLES: usize = 3;

/// Referral events with one trigger, to which the same was said.
#[derive(Debug, Serialize)]
struct Group {
    message: String,
    trigger: String,
    count: usize,
    /// In minor units, by currency.
    sums: BTreeMap<String, i64>,
    /// When the first and the last of their webhooks arrived.
    first_received_at: Timestamp,
    last_received_at: Timestamp,
    /// Numbers of the newest of them.
    newest: Vec<i64>,
}

pub async fn run(store: &dyn Store, args: ListArgs, json: bool) -> Result<Exit> {
    let state = args.state.clone().unwrap_or_else(|| EventState::Dead.as_str().to_owned());
    if WebhookState::parse(&state).is_some() {
        return Err(Trouble {
            what: format!("`{state}` is a state of webhooks, and only attempts to send have a message"),
            place: "--state".to_owned(),
            fix: "give a state of referral events, such as dead or unsure".to_owned(),
        }
        .into());
    }
    let rows = store.list(args.filter.of(Some(state.clone()), args.reason.clone(), usize::MAX)).await?;
    let groups = grouped(rows.into_iter().filter_map(|row| Some((row.received_at, row.referral_event?))));
    if groups.is_empty() {
        anstream::eprintln!("{}", args.filter.nothing("no referral event", &state, args.reason.is_some()));
    } else if json {
        let lines: Vec<String> = groups.iter().map(serde_json::to_string).collect::<Result<_, _>>()?;
        print(&lines.into_iter().map(|line| line + "\n").collect::<String>())?;
    } else {
        print(&text(&groups, &state))?;
    }
    Ok(Exit::Done)
}

/// The largest group first; events come newest first.
fn grouped(events: impl Iterator<Item = (Timestamp, EventSummary)>) -> Vec<Group> {
    let mut groups: BTreeMap<(String, String), Group> = BTreeMap::new();
    for (at, event) in events {
        let message = event.message.unwrap_or_default();
        let group = groups.entry((message.clone(), event.trigger.clone())).or_insert_with(|| Group {
            message,
            trigger: event.trigger,
            count: 0,
            sums: BTreeMap::new(),
            first_received_at: at,
            last_received_at: at,
            newest: vec![],
        });
        group.count += 1;
        if let (Some(price), Some(currency)) = (event.price, event.currency) {
            let sum = group.sums.entry(currency).or_default();
            *sum = sum.saturating_add(price);
        }
        group.first_received_at = group.first_received_at.min(at);
        group.last_received_at = group.last_received_at.max(at);
        if group.newest.len() < EXAMPLES {
            group.newest.push(event.id);
        }
    }
    let mut groups: Vec<Group> = groups.into_values().collect();
    groups.sort_by_key(|group| std::cmp::Reverse(group.count));
    groups
}

fn text(groups: &[Group], state: &str) -> String {
    let mut table = Table::new(&[
        Column::number("events"),
        Column::text("trigger"),
        Column::number("sum"),
        Column::text("since"),
        Column::text("such as no."),
        Column::text("message"),
    ]);
    let rows: Vec<Vec<_>> = groups.iter().map(|group| cells(group).map(|cell| (cell, None)).into()).collect();
    rows.iter().for_each(|row| table.toned_row(row.clone()));
    let lines = if table.fits() { format!("{table}\n") } else { rows.iter().map(|row| two_lines(row, 5)).collect() };
    let all = number(groups.iter().map(|group| group.count).sum(), "referral event");
    format!(
        "{lines}{all} {state}. `cello-relay events show NUMBER` shows one; `retry`, `remake`, `confirm` and `discard` take \
         --message TEXT\n"
    )
}

fn cells(group: &Group) -> [String; 6] {
    let sums: Vec<String> = group.sums.iter().map(|(currency, sum)| format!("{sum} {}", plain(currency))).collect();
    let newest: Vec<String> = group.newest.iter().map(i64::to_string).collect();
    let message = if group.message.is_empty() { "(never tried)".to_owned() } else { plain(&group.message) };
    [
        group.count.to_string(),
        plain(&group.trigger),
        sums.join(", "),
        time(group.first_received_at),
        newest.join(", "),
        message,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(id: i64, trigger: &str, price: i64, currency: &str, message: &str) -> (Timestamp, EventSummary) {
        let event = EventSummary {
            id,
            key: String::new(),
            trigger: trigger.to_owned(),
            price: Some(price),
            currency: Some(currency.to_owned()),
            state: EventState::Dead,
            discarded_by: None,
            confirmed_by: None,
            blocked_by: None,
            attempts: 1,
            message: Some(message.to_owned()),
        };
        (Timestamp::from_second(id).unwrap(), event)
    }

    #[test]
    fn the_same_message_to_the_same_trigger_is_one_group_with_its_sums() {
        let events = [
            event(9, "invoice-paid", 100, "EUR", "currency not allowed"),
            event(7, "charge-refunded", 40, "EUR", "currency not allowed"),
            event(6, "invoice-paid", 5, "USD", "currency not allowed"),
            event(5, "invoice-paid", 30, "EUR", "currency not allowed"),
            event(4, "invoice-paid", 1, "EUR", "no such user"),
            event(2, "invoice-paid", 1, "EUR", "currency not allowed"),
        ];
        let groups = grouped(events.into_iter());
        let shown: Vec<_> = groups.iter().map(|group| cells(group).join(" | ")).collect();
        assert_eq!(
            shown,
            [
                "4 | invoice-paid | 131 EUR, 5 USD | 1970-01-01T00:00:02Z | 9, 6, 5 | currency not allowed",
                "1 | charge-refunded | 40 EUR | 1970-01-01T00:00:07Z | 7 | currency not allowed",
                "1 | invoice-paid | 1 EUR | 1970-01-01T00:00:04Z | 4 | no such user",
            ]
        );
    }
}
