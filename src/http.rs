//! The one way in which HTTP clients are built here: for Cello and for look-ups at a provider.
//!
//! It exists so that three promises hold for all of them: a redirect is never followed (the token in the request would
//! go to whoever is named in it), every wait has an end, and TLS uses the one provider that is compiled in. It must
//! never add credentials or retries: whether a request may be repeated is for its sender to know.

use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, Url};

/// The longest wait for a connection, name look-up and TLS handshake included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Below the minute after which load balancers commonly close idle connections: a request that meets such a closing
/// cannot be told from one that was lost after it was read.
const IDLE: Duration = Duration::from_secs(30);

/// A client for requests to `base`, each of which ends after `timeout`, answer included.
///
/// The proxy variables of the environment are obeyed, save for addresses of this machine: a local stand-in must work
/// behind a company proxy too.
///
/// # Errors
///
/// When the system's certificate store cannot be read.
pub fn client(base: &Url, timeout: Duration) -> reqwest::Result<Client> {
    // A second call finds the provider installed, which is all that is wanted.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = Client::builder()
        .user_agent(concat!("cello-relay/", env!("CARGO_PKG_VERSION")))
        .redirect(Policy::none())
        .timeout(timeout)
        // Shorter than the whole: else a connection that is never made looks like an answer that never came.
        .connect_timeout(CONNECT_TIMEOUT.min(timeout / 2))
        .pool_idle_timeout(IDLE);
    if is_local(base) { builder.no_proxy().build() } else { builder.build() }
}

fn is_local(base: &Url) -> bool {
    let host = base.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_this_machine_go_around_the_proxy() {
        for (base, local) in [
            ("http://127.0.0.1:8080", true),
            ("http://[::1]:8080", true),
            ("http://localhost", true),
            ("https://api.cello.so", false),
            ("http://localhost.example.com", false),
            ("http://10.0.0.1", false),
        ] {
            assert_eq!(is_local(&base.parse().unwrap()), local, "{base}");
        }
    }

    #[test]
    fn a_client_can_be_built_any_number_of_times() {
        let base: Url = "https://api.cello.so".parse().unwrap();
        for _ in 0..2 {
            assert!(client(&base, Duration::from_secs(1)).is_ok());
        }
    }
}
