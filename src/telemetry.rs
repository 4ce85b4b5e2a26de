//! How the program tells what it does: the log's format, and every metric in one place.
//!
//! Logs go to the standard error, so that the output of a command stays clean. Nothing here, and nothing that is
//! handed in as a label, may hold a body, personal data or a secret; labels take few different values.

use std::io::IsTerminal;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Metric as Encodable, Registry};
use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{Log, LogFormat};
use crate::decision::Reason;
use crate::store::{Counts, WriteStats};

/// Starts the log of this process. A second call changes nothing.
pub fn start_log(log: &Log) {
    let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let _ = subscriber(log, colour, std::io::stderr).try_init();
}

/// The log as it is configured, written to `writer`.
///
/// The level is for this program alone: libraries get no further than warnings, since some of them write headers
/// and with them credentials when they are asked for more.
pub fn subscriber<W>(log: &Log, colour: bool, writer: W) -> Box<dyn Subscriber + Send + Sync>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let level = log.level.parse().unwrap_or(LevelFilter::INFO);
    let filter = Targets::new().with_target("cello_relay", level).with_default(level.min(LevelFilter::WARN));
    let layer = tracing_subscriber::fmt::layer().with_writer(writer).with_ansi(colour);
    match log.format {
        LogFormat::Text => Box::new(tracing_subscriber::registry().with(filter).with(layer.with_target(false))),
        LogFormat::Json => Box::new(tracing_subscriber::registry().with(filter).with(layer.json().flatten_event(true))),
    }
}

/// A metric's name and meaning.
pub struct Metric {
    /// As scraped; a counter's ends in `_total`.
    pub name: &'static str,
    pub kind: &'static str,
    pub labels: &'static str,
    pub help: &'static str,
}

macro_rules! metrics {
    ($($constant:ident = $kind:literal $name:literal [$labels:literal] $help:literal;)*) => {
        $(const $constant: Metric = Metric { name: $name, kind: $kind, labels: $labels, help: $help };)*

        /// Every metric there is, in the order of the README's table.
        pub const METRICS: &[Metric] = &[$($constant),*];
    };
}

metrics! {
    RECEIVED = "gauge" "cello_relay_webhooks_received" [""] "Webhooks that were answered 200, duplicates included; always the sum of cello_relay_webhooks";
    WEBHOOKS = "gauge" "cello_relay_webhooks" ["state"] "Webhooks by state: duplicate, undecided, held, ignored, unreadable or mapped";
    REFERRAL_EVENTS_ALL = "gauge" "cello_relay_referral_events_all" [""] "Referral events there are; always the sum of cello_relay_referral_events";
    REFERRAL_EVENTS = "gauge" "cello_relay_referral_events" ["state"] "Referral events by state: waiting, sending, delivered, unsure, dead, discarded or confirmed";
    HELD = "gauge" "cello_relay_held_facts" ["reason"] "Facts that are held, by the reason's code";
    OVERDUE = "gauge" "cello_relay_overdue_seconds" [""] "How long ago the waiting referral event was first due that has been due longest, tried since or not; 0 when delivery keeps up; blocked ones do not count";
    BLOCKED = "gauge" "cello_relay_blocked_events" [""] "Referral events that wait for one that is dead or unsure: their signup, or the purchase that they refund";
    OLDEST_BLOCKED = "gauge" "cello_relay_oldest_blocked_seconds" [""] "How long ago the first of these was blocked; 0 when none is";
    OLDEST = "gauge" "cello_relay_oldest_waiting_seconds" [""] "How long ago the oldest referral event that still waits was decided, due or not; 0 when none waits";
    QUEUED = "gauge" "cello_relay_store_queue" [""] "Writes that wait for their turn at the disk";
    FLUSHES = "counter" "cello_relay_store_flushes_total" [""] "Flushes to disk; writes that share one count once";
    FAILED_FLUSHES = "counter" "cello_relay_store_failed_flushes_total" [""] "Flushes to disk that failed; everything in them was refused";
    WRITES = "counter" "cello_relay_store_writes_total" [""] "Writes that reached the disk: divided by the flushes, the size of a batch";
    FLUSH_TIME = "counter" "cello_relay_store_flush_seconds_total" [""] "Time spent in flushing";
    BREAKER = "gauge" "cello_relay_breaker_open" [""] "1 while delivery is paused because Cello as a whole does not answer";
    ANSWERS = "counter" "cello_relay_webhook_answers_total" ["provider, status"] "Answers to webhooks";
    REFUSED = "counter" "cello_relay_webhooks_refused_total" ["provider, code"] "Webhooks that were not taken, by the reason's code";
    ATTEMPTS = "counter" "cello_relay_attempts_total" ["outcome"] "Tries to deliver a referral event: delivered, retry, rejected or unsure";
    RECOVERED = "counter" "cello_relay_recovered_total" ["then"] "Referral events taken back from a sender that died or could not record the answer: waiting (sent again) or unsure";
    LOOK_UPS = "counter" "cello_relay_look_ups_total" ["provider, result"] "Facts looked up at a provider's API, or at Cello for their code (`cello`): answered, failed, or remembered when no call was needed";
    ANSWER_TIME = "histogram" "cello_relay_webhook_answer_seconds" ["provider"] "Time from the head of a webhook to its answer";
    DELIVERY_TIME = "histogram" "cello_relay_delivery_seconds" [""] "Time from sending a referral event to Cello's answer";
}

/// The list of metrics as a Markdown table.
pub fn metrics_table() -> String {
    let mut table = String::from("| Metric | Kind | Labels | Meaning |\n|---|---|---|---|\n");
    for Metric { name, kind, labels, help } in METRICS {
        table.push_str(&format!("| `{name}` | {kind} | {labels} | {help}. |\n"));
    }
    table
}

type Labels = Vec<(&'static str, String)>;

/// All counters of one process, passed to whoever counts.
pub struct Metrics {
    registry: Registry,
    breaker: Gauge,
    answers: Family<Labels, Counter>,
    refused: Family<Labels, Counter>,
    attempts: Family<Labels, Counter>,
    recovered: Family<Labels, Counter>,
    look_ups: Family<Labels, Counter>,
    answer_time: Family<Labels, Histogram, fn() -> Histogram>,
    delivery_time: Histogram,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::default();
        Self {
            breaker: register(&mut registry, &BREAKER, Gauge::default()),
            answers: register(&mut registry, &ANSWERS, Family::default()),
            refused: register(&mut registry, &REFUSED, Family::default()),
            attempts: register(&mut registry, &ATTEMPTS, Family::default()),
            recovered: register(&mut registry, &RECOVERED, Family::default()),
            look_ups: register(&mut registry, &LOOK_UPS, Family::default()),
            answer_time: register(&mut registry, &ANSWER_TIME, Family::new_with_constructor(seconds)),
            delivery_time: register(&mut registry, &DELIVERY_TIME, seconds()),
            registry,
        }
    }
}

impl Metrics {
    pub fn new() -> Self {
        Self::default()
    }

    /// A webhook was answered; `provider` is the name of one that is on, or `none`.
    pub fn answered(&self, provider: &str, status: u16, took: Duration) {
        count(&self.answers, [("provider", provider.into()), ("status", status.to_string())]);
        let labels = vec![("provider", provider.into())];
        self.answer_time.get_or_create(&labels).observe(took.as_secs_f64());
    }

    pub fn refused(&self, provider: &str, code: &'static str) {
        count(&self.refused, [("provider", provider.into()), ("code", code.into())]);
    }

    /// A referral event was tried: `delivered`, `retry`, `rejected` or `unsure`.
    pub fn attempted(&self, outcome: &'static str, took: Duration) {
        count(&self.attempts, [("outcome", outcome.into())]);
        self.delivery_time.observe(took.as_secs_f64());
    }

    /// Referral events were taken back from senders that died: so many wait again, so many are unsure.
    pub fn recovered(&self, waiting: usize, unsure: usize) {
        for (then, number) in [("waiting", waiting), ("unsure", unsure)] {
            let labels = vec![("then", then.to_owned())];
            self.recovered.get_or_create(&labels).inc_by(u64::try_from(number).unwrap_or(u64::MAX));
        }
    }

    /// A provider's API, or Cello (`cello`) about a code, was asked: `answered` or `failed`.
    pub fn looked_up(&self, provider: &str, result: &'static str) {
        count(&self.look_ups, [("provider", provider.into()), ("result", result.into())]);
    }

    pub fn breaker_open(&self, open: bool) {
        self.breaker.set(i64::from(open));
    }

    /// All metrics in the OpenMetrics text format.
    pub fn render(&self, scrape: &Scrape) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = encode_registry(&mut text, &scrape.registry());
        let _ = encode_registry(&mut text, &self.registry);
        let _ = encode_eof(&mut text);
        text
    }
}

/// What the store is asked for each scrape. What it cannot tell is left out, since an old number would pass for a
/// new one.
#[derive(Debug, Default)]
pub struct Scrape {
    pub counts: Option<Counts>,
    /// How many facts are held, by the code of their reason.
    pub held: Option<Vec<(String, i64)>>,
    /// How long ago the waiting referral event was first due that has been due longest; zero for none.
    pub overdue: Option<Duration>,
    /// How many referral events are blocked, and how long ago the first of them was.
    pub blocked: Option<(i64, Duration)>,
    /// The age of the oldest referral event that waits; zero for none.
    pub oldest: Option<Duration>,
    pub writes: WriteStats,
}

impl Scrape {
    fn registry(&self) -> Registry {
        let mut registry = Registry::default();
        if let Some(counts) = &self.counts {
            let webhooks = [
                ("duplicate", counts.duplicate),
                ("undecided", counts.undecided),
                ("held", counts.held),
                ("ignored", counts.ignored),
                ("unreadable", counts.unreadable),
                ("mapped", counts.mapped),
            ];
            let events = [
                ("waiting", counts.waiting),
                ("sending", counts.sending),
                ("delivered", counts.delivered),
                ("unsure", counts.unsure),
                ("dead", counts.dead),
                ("discarded", counts.discarded),
                ("confirmed", counts.confirmed),
            ];
            gauge(&mut registry, &RECEIVED, counts.received);
            by_state(&mut registry, &WEBHOOKS, webhooks);
            gauge(&mut registry, &REFERRAL_EVENTS_ALL, counts.referral_events);
            by_state(&mut registry, &REFERRAL_EVENTS, events);
        }
        if let Some(held) = &self.held {
            let family: Family<Labels, Gauge> = register(&mut registry, &HELD, Family::default());
            let known = Reason::OF_HOLDS.iter().map(|reason| (reason.as_str(), 0));
            for (reason, number) in known.chain(held.iter().map(|(reason, number)| (reason.as_str(), *number))) {
                family.get_or_create(&vec![("reason", reason.to_owned())]).set(number);
            }
        }
        for (metric, time) in [(&OVERDUE, self.overdue), (&OLDEST, self.oldest)] {
            if let Some(time) = time {
                gauge(&mut registry, metric, time.as_secs().cast_signed());
            }
        }
        if let Some((events, time)) = self.blocked {
            gauge(&mut registry, &BLOCKED, events);
            gauge(&mut registry, &OLDEST_BLOCKED, time.as_secs().cast_signed());
        }
        let WriteStats { flushes, failed_flushes, jobs, flush_time, queued } = self.writes;
        gauge(&mut registry, &QUEUED, queued.cast_signed());
        for (metric, number) in [(&FLUSHES, flushes), (&FAILED_FLUSHES, failed_flushes), (&WRITES, jobs)] {
            register(&mut registry, metric, Counter::<u64>::default()).inc_by(number);
        }
        register(&mut registry, &FLUSH_TIME, Counter::<f64, AtomicU64>::default()).inc_by(flush_time.as_secs_f64());
        registry
    }
}

fn gauge(registry: &mut Registry, metric: &Metric, number: i64) {
    register(registry, metric, Gauge::<i64>::default()).set(number);
}

fn by_state<const N: usize>(registry: &mut Registry, metric: &Metric, states: [(&'static str, i64); N]) {
    let family: Family<Labels, Gauge> = register(registry, metric, Family::default());
    for (state, number) in states {
        family.get_or_create(&vec![("state", state.to_owned())]).set(number);
    }
}

fn register<M: Encodable + Clone>(registry: &mut Registry, metric: &Metric, value: M) -> M {
    // The library adds the suffix itself.
    registry.register(metric.name.trim_end_matches("_total"), metric.help, value.clone());
    value
}

fn count<const N: usize>(family: &Family<Labels, Counter>, labels: [(&'static str, String); N]) {
    family.get_or_create(&labels.to_vec()).inc();
}

/// From a flush of a millisecond to the providers' patience.
fn seconds() -> Histogram {
    Histogram::new([0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_of_the_list_is_scraped_and_no_other() {
        let metrics = Metrics::new();
        metrics.answered("stripe", 200, Duration::from_millis(3));
        metrics.refused("stripe", "signature_wrong");
        metrics.attempted("delivered", Duration::from_millis(30));
        metrics.recovered(1, 0);
        metrics.looked_up("stripe", "answered");

        let text = metrics.render(&Scrape {
            counts: Some(Counts::default()),
            held: Some(vec![]),
            overdue: Some(Duration::ZERO),
            blocked: Some((0, Duration::ZERO)),
            oldest: Some(Duration::ZERO),
            ..Scrape::default()
        });

        let scraped: Vec<(&str, &str)> =
            text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' ')).collect();
        let mut listed: Vec<(&str, &str)> =
            METRICS.iter().map(|metric| (metric.name.trim_end_matches("_total"), metric.kind)).collect();
        assert!(scraped.iter().all(|metric| listed.contains(metric)), "{scraped:?}");
        listed.retain(|metric| !scraped.contains(metric));
        assert!(listed.is_empty(), "never scraped: {listed:?}");
        assert!(text.ends_with("# EOF\n"));
    }

    #[test]
    fn the_terms_of_both_equations_are_scraped() {
        let counts = Counts { received: 3, duplicate: 1, held: 2, referral_events: 1, dead: 1, ..Counts::default() };

        let text = Metrics::new().render(&Scrape { counts: Some(counts), ..Scrape::default() });

        for line in [
            "cello_relay_webhooks_received 3",
            "cello_relay_webhooks{state=\"duplicate\"} 1",
            "cello_relay_webhooks{state=\"held\"} 2",
            "cello_relay_webhooks{state=\"mapped\"} 0",
            "cello_relay_referral_events_all 1",
            "cello_relay_referral_events{state=\"dead\"} 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
    }

    #[test]
    fn what_the_store_cannot_tell_is_left_out() {
        let text = Metrics::new().render(&Scrape::default());
        assert!(
            !text.contains("cello_relay_webhooks{") && !text.contains("overdue") && !text.contains("oldest"),
            "{text}"
        );
    }

    #[test]
    fn the_table_has_a_line_for_each_metric() {
        let table = metrics_table();
        assert_eq!(table.lines().count(), METRICS.len() + 2);
        assert!(table.contains("| `cello_relay_attempts_total` | counter | outcome | Tries"));
    }
}
