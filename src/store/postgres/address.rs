//! What `database_url` says of a PostgreSQL server.
//!
//! Nothing of the address is ever shown but hosts, ports and the name of the database: the rest may be a password, also
//! where it was misunderstood for something else.

use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

use super::super::StoreError;
use super::tls::Trust;

/// The longest wait for one host to take a connection, where the address does not say.
const CONNECT: Duration = Duration::from_secs(5);
/// When a quiet connection is first asked whether its other end is still there.
const KEEPALIVE: Duration = Duration::from_secs(60);

#[derive(Clone)]
pub struct Address {
    pub config: Config,
    pub trust: Trust,
    /// For people: `postgres://HOST:PORT/DATABASE`.
    pub name: String,
}

/// Whether `database_url` is of this kind.
pub fn is_one(database_url: &str) -> bool {
    database_url.starts_with("postgres://") || database_url.starts_with("postgresql://")
}

impl Address {
    pub fn parse(database_url: &str) -> Result<Self, StoreError> {
        let wrong =
            |problem: &str| StoreError::Open { path: "the configured `database_url`".into(), problem: problem.into() };
        let unclear = "it cannot be understood; write `postgres://USER:PASSWORD@HOST:5432/DATABASE?sslmode=verify-full`, with \
                       special characters in the password as in `%40` for @, and with no other parameters than are \
                       documented";
        // The driver takes what follows the first for the host, which is shown.
        if database_url.matches('@').count() > 1 {
            return Err(wrong(unclear));
        }
        let (url, trust) = sslmode(database_url).ok_or_else(|| {
            wrong("its `sslmode` is none of `disable`, `prefer`, `require`, `verify-ca` and `verify-full`")
        })?;
        let mut config: Config = url.parse().map_err(|_| wrong(unclear))?;
        let hosts = config.get_hosts();
        if hosts.is_empty() {
            return Err(wrong("it names no host; write `postgres://USER:PASSWORD@HOST:5432/DATABASE`"));
        }
        if hosts.iter().all(|host| matches!(host, Host::Unix(_))) {
            // A socket of this machine is not encrypted, whatever is asked for; so everywhere else, too.
            config.ssl_mode(SslMode::Disable);
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT);
        }
        if config.get_application_name().is_none() {
            config.application_name("cello-relay");
        }
        config.keepalives_idle(config.get_keepalives_idle().min(KEEPALIVE));
        let name = name(&config);
        Ok(Self { config, trust, name })
    }

    /// The longest that connecting may take, with logging in: hosts are tried one after the other.
    pub fn limit(&self) -> Duration {
        let hosts = u32::try_from(self.config.get_hosts().len()).unwrap_or(u32::MAX);
        self.config.get_connect_timeout().copied().unwrap_or(CONNECT).saturating_mul(hosts)
    }
}

/// Takes the mode out of the parameters, since the driver does not know all of them. `None` for an unknown one.
fn sslmode(url: &str) -> Option<(String, Trust)> {
    let Some((base, parameters)) = url.rsplit_once('?') else { return Some((url.to_owned(), Trust::Anybody)) };
    let mut trust = Trust::Anybody;
    let mut kept = Vec::new();
    for parameter in parameters.split('&') {
        let driver = match parameter.strip_prefix("sslmode=") {
            None => parameter,
            Some("disable") => "sslmode=disable",
            Some("prefer") => "sslmode=prefer",
            Some("require") => "sslmode=require",
            Some(mode @ ("verify-ca" | "verify-full")) => {
                trust = if mode == "verify-ca" { Trust::Issuer } else { Trust::IssuerAndHost };
                "sslmode=require"
            }
            Some(_) => return None,
        };
        kept.push(driver);
    }
    Some((format!("{base}?{}", kept.join("&")), trust))
}

fn name(config: &Config) -> String {
    let ports = config.get_ports();
    let port = |at: usize| ports.get(at).or(ports.first()).copied().unwrap_or(5432);
    let hosts = config.get_hosts().iter().enumerate().map(|(at, host)| match host {
        Host::Tcp(host) => format!("{host}:{}", port(at)),
        Host::Unix(path) => format!("{}:{}", path.display(), port(at)),
    });
    format!(
        "postgres://{}/{}",
        hosts.collect::<Vec<_>>().join(","),
        config.get_dbname().or(config.get_user()).unwrap_or_default()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_an_address_hosts_and_database_are_shown_and_nothing_else() {
        for (url, name) in [
            ("postgres://relay:hunter2@db.example.com/cello", "postgres://db.example.com:5432/cello"),
            ("postgresql://relay:hunter2@one:6000,two:6001/cello", "postgres://one:6000,two:6001/cello"),
            ("postgres://relay@%2Frun%2Fpostgresql/cello?sslmode=disable", "postgres:///run/postgresql:5432/cello"),
            ("postgres://relay:hunter2@localhost", "postgres://localhost:5432/relay"),
        ] {
            assert_eq!(Address::parse(url).unwrap().name, name);
        }
    }

    #[test]
    fn every_mode_of_tls_means_what_it_means_elsewhere() {
        for (mode, encrypted, trust) in [
            ("", SslMode::Prefer, Trust::Anybody),
            ("?sslmode=disable", SslMode::Disable, Trust::Anybody),
            ("?sslmode=prefer", SslMode::Prefer, Trust::Anybody),
            ("?connect_timeout=3&sslmode=require", SslMode::Require, Trust::Anybody),
            ("?sslmode=verify-ca", SslMode::Require, Trust::Issuer),
            ("?sslmode=verify-full&application_name=x", SslMode::Require, Trust::IssuerAndHost),
        ] {
            let address = Address::parse(&format!("postgres://relay@host/db{mode}")).unwrap();
            assert_eq!((address.config.get_ssl_mode(), address.trust), (encrypted, trust), "{mode}");
        }
    }

    #[test]
    fn a_wrong_address_is_refused_with_what_to_do_and_without_repeating_it() {
        for url in [
            "postgres://relay:hunter2@host:notaport/db",
            "postgres://relay:hunter2@host/db?sslmode=hunter2",
            "postgres://relay:hunter2@host/db?hunter2=1",
            "postgres://relay:hunter2@/db",
            "postgres://relay:secret@hunter2@host/db",
            "postgres://relay:secret@host/hunter2@host/db",
            "postgres://",
        ] {
            let Err(problem) = Address::parse(url) else { panic!("{url} was taken") };
            let message = problem.to_string();
            assert!(message.contains("database_url") && !message.contains("hunter2"), "{message}");
        }
    }
}
