//! How much longer `map` takes for webhooks than merely parsing the same bytes as JSON, and how much memory.
//!
//! `cargo bench --bench map`, or with other numbers `cargo bench --bench map -- --webhooks 100000 --rounds 3`. With
//! `--write FILE` it only writes the webhooks, for trying out the command itself. It judges nothing: what it says
//! depends on the machine.

mod webhooks;

use std::fs::{self, File};
use std::hint::black_box;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use cello_relay::cli::map::{Layout, Mapper};
use cello_relay::config::Config;
use cello_relay::rules::Rules;
use serde_json::Value;
use webhooks::Webhooks;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let given = |name: &str| arguments.iter().position(|word| word == name).and_then(|at| arguments.get(at + 1));
    let number = |name: &str, default: usize| given(name).map_or(default, |text| text.parse().unwrap());
    let (webhooks, rounds) = (number("--webhooks", 20_000), number("--rounds", 5));
    if let Some(file) = given("--write") {
        return write(Path::new(file), webhooks);
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("webhooks.jsonl");
    write(&file, webhooks);
    let bytes = fs::metadata(&file).unwrap().len();
    println!("{webhooks} webhooks, {:.1} MB, {rounds} rounds\n", bytes as f64 / 1e6);

    // Turn by turn, so that whatever else the machine does meets both.
    let (mut parsing, mut mapping) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        parsing.push(timed(|| parse(&file)));
        mapping.push(timed(|| map(&file)));
    }
    let print = |what: &str, times: &mut Vec<Duration>| {
        times.sort();
        for (word, time) in [("best", times[0]), ("median", times[times.len() / 2])] {
            let seconds = time.as_secs_f64();
            let (megabytes, each) = (bytes as f64 / 1e6 / seconds, webhooks as f64 / seconds);
            println!("{what:<24} {word:<6} {seconds:8.3} s {megabytes:8.1} MB/s {each:10.0} webhooks/s");
        }
    };
    print("serde_json, to a value", &mut parsing);
    print("map, to lines of JSON", &mut mapping);
    let ratio = |at: usize| mapping[at].as_secs_f64() / parsing[at].as_secs_f64();
    println!("\nmap takes {:.1} times as long as parsing (best; median {:.1})", ratio(0), ratio(rounds / 2));
    if let Some(peak) = peak() {
        println!("peak memory of this process: {peak}");
    }
}

/// One value after the other, line by line.
fn parse(file: &Path) {
    let mut input = BufReader::with_capacity(256 * 1024, File::open(file).unwrap());
    let mut line = Vec::new();
    while input.read_until(b'\n', &mut line).unwrap() > 0 {
        black_box(serde_json::from_slice::<Value>(&line).unwrap());
        line.clear();
    }
}

/// All that `map --json` does, save that nobody reads the output.
fn map(file: &Path) {
    let mut mapper = Mapper::new(&Config::default(), Rules::shipped().unwrap()).unwrap();
    let input = BufReader::with_capacity(256 * 1024, File::open(file).unwrap());
    let mut output = BufWriter::new(std::io::sink());
    let mut show = |mapped| Ok(serde_json::to_writer(&mut output, black_box(&mapped))?);
    mapper.stream(input, "webhooks.jsonl", Layout::Lines, false, &mut show).unwrap();
}

fn timed(work: impl FnOnce()) -> Duration {
    let began = Instant::now();
    work();
    began.elapsed()
}

fn write(file: &Path, webhooks: usize) {
    let mut output = BufWriter::new(File::create(file).unwrap());
    Webhooks::of_the_fixtures().write(webhooks, &mut output).unwrap();
    output.flush().unwrap();
}

/// What Linux says of it.
fn peak() -> Option<String> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmHWM:")).map(|peak| peak.trim().to_owned())
}
