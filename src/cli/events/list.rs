//! `events list`: webhooks and what became of them, newest first, one line for each decision.

use anyhow::Result;

use super::super::Exit;
use super::super::output::{Column, Table, Toned, number, plain, print, time, two_lines};
use super::{By, ListArgs, by_message, tone_of_decision, tone_of_event, tone_of_webhook};
use crate::store::{EventRow, EventSummary, Store};

pub async fn run(store: &dyn Store, args: ListArgs, json: bool) -> Result<Exit> {
    if let Some(By::Message) = args.by {
        return by_message::run(store, args, json).await;
    }
    let limit = usize::try_from(args.limit).unwrap_or(usize::MAX);
    let filter = args.filter.of(args.state.clone(), args.reason.clone(), limit);
    let rows = store.list(filter).await?;
    if json {
        let lines: Vec<String> = rows.iter().map(serde_json::to_string).collect::<Result<_, _>>()?;
        print(&lines.into_iter().map(|line| line + "\n").collect::<String>())?;
    } else if !rows.is_empty() {
        print(&table(&rows))?;
        if rows.len() == limit {
            anstream::eprintln!("the newest {}; `--limit` shows more", number(limit, "line"));
        }
    }
    if rows.is_empty() {
        anstream::eprintln!("{}", nothing(&args));
    }
    Ok(Exit::Done)
}

fn table(rows: &[EventRow]) -> String {
    let mut table = Table::new(&[
        Column::text("received"),
        Column::text("provider"),
        Column::text("type"),
        Column::text("event id"),
        Column::text("decision"),
        Column::number("no."),
        Column::text("trigger"),
        Column::number("price"),
        Column::text("currency"),
        Column::text("state"),
        Column::number("attempts"),
    ]);
    rows.iter().for_each(|row| table.toned_row(cells(row)));
    if table.fits() { format!("{table}\n") } else { rows.iter().map(pair).collect() }
}

/// A row on two lines, for terminals that are too narrow for the table.
fn pair(row: &EventRow) -> String {
    let mut cells = cells(row);
    if let Some(event) = &row.referral_event {
        // Here no title says what these numbers are.
        cells[5].0 = format!("no. {}", event.id);
        cells[10].0 = match event.attempts {
            0 => "not tried yet".to_owned(),
            1 => "tried once".to_owned(),
            attempts => format!("tried {attempts} times"),
        };
    }
    two_lines(&cells, 4)
}

fn cells(row: &EventRow) -> Vec<Toned> {
    let event = row.referral_event.as_ref();
    let text = |of: fn(&EventSummary) -> String| (event.map(of).unwrap_or_default(), None);
    let decided = row.decision.map_or(tone_of_webhook(row.webhook_state), tone_of_decision);
    vec![
        (time(row.received_at), None),
        (row.provider.clone(), None),
        (plain(&row.kind), None),
        (plain(&row.event_id), None),
        (decision(row), Some(decided)),
        text(|event| event.id.to_string()),
        text(|event| event.trigger.clone()),
        text(|event| event.price.map(|price| price.to_string()).unwrap_or_default()),
        text(|event| event.currency.clone().unwrap_or_default()),
        (event.map(state).unwrap_or_default(), event.map(|event| tone_of_event(event.state))),
        text(|event| event.attempts.to_string()),
    ]
}

/// `dead`; of a blocked event `waiting for 12`.
fn state(event: &EventSummary) -> String {
    let blocker = event.blocked_by.map(|blocker| format!(" for {blocker}")).unwrap_or_default();
    format!("{}{blocker}", event.state.as_str())
}

/// `send`, `hold: customer_unseen`; where there is no decision, the state that says why not.
fn decision(row: &EventRow) -> String {
    match (row.decision, &row.reason) {
        (Some(decision), Some(reason)) => format!("{}: {reason}", decision.as_str()),
        (Some(decision), None) => decision.as_str().to_owned(),
        (None, _) => row.webhook_state.as_str().to_owned(),
    }
}

fn nothing(args: &ListArgs) -> String {
    let everything = "`cello-relay events list` shows everything";
    match &args.state {
        Some(state) => format!("{}; {everything}", args.filter.nothing("nothing", state, args.reason.is_some())),
        None if !args.filter.is_empty() || args.reason.is_some() => format!("nothing is as you want it; {everything}"),
        None => "no webhook has been received yet. `cello-relay check` shows whether this installation can work; \
                 `cello-relay replay fixtures` shows one at work"
            .to_owned(),
    }
}
