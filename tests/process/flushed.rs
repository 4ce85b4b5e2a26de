//! The flush is real: a trace of the system calls shows, for each webhook that was answered 200, that it was written to
//! the log of the store after it was read, and that a flush of the log ended between that and the answer.

use std::collections::HashMap;
use std::fs;

use cello_relay::cello::Sandbox;
use tokio::task::JoinSet;

use crate::stage::{Place, Serving, customer_created, event_id, traced};

const WEBHOOKS: usize = 60;
const POSTERS: usize = 6;

#[tokio::test]
async fn each_answered_webhook_was_written_and_flushed_between_reading_and_answering() {
    let (place, cello) = (Place::new(), Sandbox::start("127.0.0.1:0").await.unwrap());
    let trace = place.folder.path().join("calls.txt");
    // As long as a page of the store with its head, so that what is written can be recognised.
    let options =
        ["-y", "-s", "4200", "-e", "trace=recvfrom,sendto,pwrite64,fsync,fdatasync", "-o", trace.to_str().unwrap()];
    let serving = Serving::start(traced(&place.serve(&cello), &options)).await;
    let mut posters = JoinSet::new();
    for poster in 0..POSTERS {
        let post = serving.post.clone();
        posters.spawn(async move {
            for number in (poster..WEBHOOKS).step_by(POSTERS) {
                assert_eq!(post.stripe(&customer_created(number, false)).await.unwrap(), 200);
            }
        });
    }
    while let Some(poster) = posters.join_next().await {
        poster.unwrap();
    }
    assert_eq!(serving.terminate().await.0, Some(0));

    let calls = calls(&fs::read_to_string(&trace).unwrap());
    for number in 0..WEBHOOKS {
        let id = format!("{}\\\"", event_id(number));
        let first = |from: usize, what: &str, is: &dyn Fn(&Call) -> bool| {
            let found = calls.iter().enumerate().skip(from).find(|(_, call)| is(call));
            found.map_or_else(|| panic!("{}: no {what} after call {from}", event_id(number)), |(place, _)| place)
        };
        // The body as it came is the one text with the id in quotation marks.
        let read = first(0, "reading", &|call| call.name == "recvfrom" && call.text.contains(&id));
        let written =
            first(read, "write", &|call| call.is_to_the_log() && call.name == "pwrite64" && call.text.contains(&id));
        let flushed = first(written, "flush", &|call| {
            call.is_to_the_log() && call.name.ends_with("sync") && call.began > calls[written].ended
        });
        let socket = socket(&calls[read].text);
        let answered = first(read, "answer", &|call| {
            call.name == "sendto" && call.text.contains("\"HTTP/1.1 200") && self::socket(&call.text) == socket
        });
        assert!(
            calls[flushed].ended < calls[answered].began,
            "{} was answered before the flush:\n{}",
            event_id(number),
            calls[answered].text
        );
    }
}

/// A system call, from its first line in the trace to its last.
struct Call {
    name: String,
    text: String,
    began: usize,
    ended: usize,
}

impl Call {
    fn is_to_the_log(&self) -> bool {
        self.text.contains("/relay.db-wal>")
    }
}

/// All calls that ended, in the order in which they began.
fn calls(trace: &str) -> Vec<Call> {
    let mut calls = Vec::new();
    let mut unfinished: HashMap<&str, Call> = HashMap::new();
    for (number, line) in trace.lines().enumerate() {
        let Some((thread, text)) = line.split_once(' ') else { continue };
        let text = text.trim_start();
        if let Some(rest) = text.strip_prefix("<... ") {
            if let Some(mut call) = unfinished.remove(thread) {
                call.text.push_str(rest);
                call.ended = number;
                calls.push(call);
            }
        } else if let Some((name, _)) = text.split_once('(') {
            let call = Call { name: name.to_owned(), text: text.to_owned(), began: number, ended: number };
            if text.ends_with("<unfinished ...>") {
                unfinished.insert(thread, call);
            } else {
                calls.push(call);
            }
        }
    }
    calls.sort_by_key(|call| call.began);
    calls
}

/// Such as `socket:[1234]`.
fn socket(text: &str) -> &str {
    text.split_once('<').and_then(|(_, rest)| rest.split_once('>')).map_or("", |(socket, _)| socket)
}
