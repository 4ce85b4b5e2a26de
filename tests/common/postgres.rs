//! PostgreSQL for tests: one server for each test program, one database for each test.
//!
//! The server comes from the system's package, and ends with the program. Without the package the tests that need it
//! fail and say so.

#![allow(dead_code, reason = "not every test program asks for everything")]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};

use cello_relay::store::{Postgres, Store, StoreError};

/// A running server.
pub struct Server {
    pub folder: String,
    port: u16,
    orders: Mutex<Orders>,
    programs: PathBuf,
    databases: AtomicUsize,
}

/// The shell that controls it; without its input, it stops the server and ends.
struct Orders {
    shell: Child,
    input: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Drop for Orders {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.shell.wait();
    }
}

/// The server that the tests of this program share.
pub fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::start(None))
}

/// A database with the relay's tables, which nobody else uses.
pub fn database() -> String {
    static TEMPLATE: OnceLock<String> = OnceLock::new();
    let template = TEMPLATE.get_or_init(|| {
        let name = server().empty_database();
        drop(open(&server().url(&name)).unwrap());
        name
    });
    server().copy(template)
}

/// A place in a database for tables that nobody else uses and that are not made yet: it costs less time and disk than a
/// database, for tests that need many.
pub fn schema() -> String {
    static DATABASE: OnceLock<String> = OnceLock::new();
    static SCHEMAS: AtomicUsize = AtomicUsize::new(0);
    let database = DATABASE.get_or_init(|| server().empty_database());
    let name = format!("relay_{}", SCHEMAS.fetch_add(1, Ordering::Relaxed));
    server().sql(database, &format!("CREATE SCHEMA {name}"));
    format!("{}?options=-csearch_path%3D{name}", server().url(database))
}

pub fn open(url: &str) -> Result<impl Store + use<>, StoreError> {
    Postgres::open(url, true)
}

impl Server {
    /// One of its own, for tests that stop it; with TLS on `port` of localhost.
    pub fn start(port: Option<u16>) -> Self {
        let programs = programs();
        // It refuses to be root's; the package brings the user.
        let as_whom = r#"[ "$(id -u)" = 0 ] && exec runuser -u postgres -- sh -c "$@" || exec sh -c "$@""#;
        let mut shell = Command::new("sh");
        shell.args(["-c", as_whom, "sh", include_str!("postgres.sh"), "postgres.sh"]);
        shell.arg(&programs).args(port.map(|port| port.to_string()));
        let mut shell: Child = shell.current_dir("/").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut answers = BufReader::new(shell.stdout.take().unwrap());
        let mut folder = String::new();
        answers.read_line(&mut folder).unwrap();
        assert!(!folder.is_empty(), "PostgreSQL could not be started; what it said stands above");
        Self {
            folder: folder.trim_end().to_owned(),
            port: port.unwrap_or(5432),
            orders: Mutex::new(Orders { input: shell.stdin.take(), shell, answers }),
            programs,
            databases: AtomicUsize::new(0),
        }
    }

    /// `restart`, `stop`, `start`, or `crash`, which restarts without a goodbye; returns when that is done.
    pub fn order(&self, order: &str) {
        let mut orders = self.orders.lock().unwrap();
        writeln!(orders.input.as_ref().unwrap(), "{order}").unwrap();
        let mut answer = String::new();
        orders.answers.read_line(&mut answer).unwrap();
        assert_eq!(answer, "done\n", "{order}");
    }

    pub fn url(&self, database: &str) -> String {
        format!("postgres://relay@{}:{}/{database}", self.folder.replace('/', "%2F"), self.port)
    }

    /// Over TCP, with TLS where the server has it.
    pub fn tcp_url(&self, database: &str) -> String {
        format!("postgres://relay@localhost:{}/{database}", self.port)
    }

    /// Name of a new database without tables.
    pub fn empty_database(&self) -> String {
        self.create("template1")
    }

    fn copy(&self, template: &str) -> String {
        self.url(&self.create(template))
    }

    fn create(&self, template: &str) -> String {
        let name = format!("relay_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.sql("postgres", &format!("CREATE DATABASE {name} TEMPLATE {template}"));
        name
    }

    /// What `statements` answer, as a person beside the relay would see it.
    pub fn sql(&self, database: &str, statements: &str) -> String {
        let output = self.psql(database).args(["--command", statements]).output().unwrap();
        assert!(output.status.success(), "{statements}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    /// Runs `statements` in a transaction that lasts until what is returned is dropped.
    pub fn hold(&self, database: &str, statements: &str) -> Held {
        let mut psql = self.psql(database).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut input = psql.stdin.take().unwrap();
        writeln!(input, "BEGIN; {statements};\n\\echo held").unwrap();
        let mut output = BufReader::new(psql.stdout.take().unwrap());
        while {
            let mut line = String::new();
            output.read_line(&mut line).unwrap();
            line != "held\n"
        } {}
        Held { input: Some(input), psql }
    }

    fn psql(&self, database: &str) -> Command {
        let mut psql = Command::new(self.programs.join("psql"));
        psql.args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set", "ON_ERROR_STOP=1"]);
        psql.args([
            "--username",
            "relay",
            "--host",
            &self.folder,
            "--port",
            &self.port.to_string(),
            "--dbname",
            database,
        ]);
        psql
    }
}

/// A transaction of somebody else.
pub struct Held {
    input: Option<ChildStdin>,
    psql: Child,
}

impl Drop for Held {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.psql.wait();
    }
}

/// The name of the database in an address of [`Server::url`].
pub fn name(url: &str) -> &str {
    url.rsplit('/').next().unwrap()
}

/// Where the package has the server's programs: Debian keeps each version in a folder of its own.
fn programs() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let debian = versions.map(|version| version.path().join("bin"));
    let elsewhere = std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect::<Vec<_>>());
    let has_all = |folder: &PathBuf| ["initdb", "pg_ctl", "psql"].iter().all(|program| folder.join(program).exists());
    let mut found: Vec<PathBuf> = debian.chain(elsewhere.into_iter().flatten()).filter(has_all).collect();
    found.sort();
    found.pop().expect("PostgreSQL is missing: `apt-get install --no-install-recommends postgresql`, or `sh tests/run`")
}
