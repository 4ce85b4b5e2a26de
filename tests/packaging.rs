//! The Dockerfile against the rest, as far as that can be told without Docker: what it copies, names and runs.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use cello_relay::config::Config;
use cello_relay::config::settings::SETTINGS;

const BINARY: &str = env!("CARGO_BIN_EXE_cello-relay");

#[test]
fn the_image_is_built_with_the_toolchain_of_this_repository() {
    let toolchain = read("rust-toolchain.toml");
    let channel = toolchain.lines().find_map(|line| line.strip_prefix("channel = ")).unwrap().trim_matches('"');
    assert!(read("Dockerfile").contains(&format!("FROM rust:{channel}-slim-bookworm AS build")), "not {channel}");
    let oldest = env!("CARGO_PKG_RUST_VERSION");
    assert!(channel.starts_with(oldest), "Cargo.toml asks for {oldest}, rust-toolchain.toml for {channel}");
}

#[test]
fn whatever_the_image_copies_is_there_and_reaches_the_builder() {
    let dockerignore = read(".dockerignore");
    let let_through: Vec<&str> = dockerignore.lines().filter_map(|line| line.strip_prefix('!')).collect();
    let mut copied = Vec::new();
    for line in instructions("COPY ").iter().filter(|line| !line.starts_with("--from")) {
        let mut words: Vec<&str> = line.split_whitespace().collect();
        words.pop();
        copied.extend(words.into_iter().map(str::to_owned));
    }
    for path in &copied {
        assert!(root().join(path).exists(), "the Dockerfile copies {path}, which is not there");
        assert!(let_through.contains(&path.as_str()), ".dockerignore keeps {path} from the builder");
    }
    assert_eq!(copied.len(), let_through.len(), "{copied:?} are copied, and {let_through:?} let through");
}

#[test]
fn every_test_and_benchmark_that_cargo_toml_names_is_copied_since_cargo_would_not_start_without() {
    let manifest: toml::Table = read("Cargo.toml").parse().unwrap();
    for (kind, folder) in [("test", "tests"), ("bench", "benches"), ("example", "examples"), ("bin", "src/bin")] {
        for target in manifest.get(kind).and_then(toml::Value::as_array).into_iter().flatten() {
            let name = target["name"].as_str().unwrap();
            let mut places = [format!("{folder}/{name}.rs"), format!("{folder}/{name}/main.rs")].into_iter();
            let path = places.find(|path| root().join(path).exists()).unwrap();
            assert!(instructions("COPY ").iter().any(|line| line.starts_with(&path)), "the Dockerfile lacks {path}");
        }
    }
}

#[test]
fn the_image_runs_the_binary_that_is_built_and_not_as_root() {
    let name = Path::new(BINARY).file_stem().unwrap().to_str().unwrap();
    let dockerfile = read("Dockerfile");
    for part in [
        format!("cargo build --release --locked --bin {name}\n"),
        format!("COPY --from=build /build/target/release/{name} /usr/local/bin/{name}\n"),
        format!("ENTRYPOINT [\"{name}\"]\n"),
    ] {
        assert!(dockerfile.contains(&part), "the Dockerfile lacks {part}");
    }
    assert_eq!(instructions("USER "), ["relay"]);
    assert!(instructions("CMD ").iter().any(|command| command == "[\"serve\"]"));
}

#[test]
fn the_store_of_the_image_is_in_its_volume_unless_the_settings_file_there_says_otherwise() {
    assert_eq!(instructions("WORKDIR ").last(), instructions("VOLUME ").last());
    assert_eq!(Config::default().database_url, "sqlite:relay.db");
}

#[test]
fn every_variable_of_the_image_is_a_setting_that_may_win_against_the_settings_file() {
    let dockerfile = read("Dockerfile");
    let names: Vec<&str> = dockerfile
        .split_whitespace()
        .filter(|word| word.starts_with("RELAY__"))
        .filter_map(|word| word.split('=').next())
        .collect();
    assert_eq!(names, ["RELAY__SERVER__BIND"]);
    for name in names {
        assert!(SETTINGS.iter().any(|setting| setting.variable() == name), "{name} is no setting");
    }
}

/// With the image's own words, on another port.
#[test]
fn the_health_check_of_the_image_tells_a_working_relay_from_one_that_is_gone() {
    let bash = Command::new("bash").arg("--version").stdout(Stdio::null()).status();
    assert!(bash.is_ok(), "the image's health check is written for bash: install it to try it here");
    let folder = tempfile::tempdir().unwrap();
    let mut relay = Command::new(BINARY)
        .args(["serve", "--sandbox"])
        .current_dir(&folder)
        .env("RELAY__STRIPE__WEBHOOK_SECRETS", "whsec_local")
        .env("RELAY__SERVER__BIND", "127.0.0.1:0")
        .env("RELAY__ADMIN__BIND", "127.0.0.1:0")
        .env("RELAY__LOG__FORMAT", "json")
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut log = BufReader::new(relay.stderr.take().unwrap()).lines();
    let port = log.find_map(|line| {
        let line: serde_json::Value = serde_json::from_str(&line.ok()?).ok()?;
        let told = line["message"].as_str()?.contains("health");
        line["url"].as_str().filter(|_| told)?.rsplit(':').next().map(str::to_owned)
    });

    let working = port.as_ref().map(|port| health_check(port));
    relay.kill().unwrap();
    relay.wait().unwrap();
    let gone = port.as_ref().map(|port| health_check(port));

    assert_eq!((working, gone), (Some(true), Some(false)));
}

fn health_check(port: &str) -> bool {
    let instructions = instructions("HEALTHCHECK ");
    let command = instructions[0].split_once("CMD ").unwrap().1;
    let words: Vec<String> = serde_json::from_str(command).unwrap();
    let words: Vec<String> = words.iter().map(|word| word.replace("/9090", &format!("/{port}"))).collect();
    assert!(words.last().unwrap().contains(port), "the health check asks on another port than 9090: {words:?}");
    Command::new(&words[0]).args(&words[1..]).stderr(Stdio::null()).status().unwrap().success()
}

/// What follows this word in the Dockerfile, with broken lines joined.
fn instructions(word: &str) -> Vec<String> {
    let joined = read("Dockerfile").replace("\\\n", " ");
    joined.lines().filter_map(|line| line.strip_prefix(word)).map(|rest| rest.trim().to_owned()).collect()
}

fn read(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
