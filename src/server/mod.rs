//! The HTTP side: one listener for the providers' webhooks, one for health and metrics.
//!
//! Building the servers is apart from running them, so that whoever starts one knows its addresses beforehand and
//! tests can start the real thing on port 0. This module holds no state of its own and handles no signals.

mod admin;
mod receive;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::dev::{Server as HttpServing, ServerHandle};
use actix_web::{App, HttpServer, web};
use thiserror::Error;
use tokio::sync::Notify;

use crate::clock::Clock;
use crate::config::Config;
use crate::providers::Provider;
use crate::store::Store;
use crate::telemetry::Metrics;

/// What the servers are made of besides their settings.
pub struct Parts {
    /// Those that are on; every other path is answered 404.
    pub providers: Vec<Arc<dyn Provider>>,
    pub store: Arc<dyn Store>,
    pub metrics: Arc<Metrics>,
    pub clock: Clock,
    /// Notified after each webhook that was stored and was not a duplicate.
    pub stored: Arc<Notify>,
}

#[derive(Debug, Error)]
pub enum ServerError {
    #[error("{setting} = {address:?} cannot be listened on: {problem}; stop what uses it, or choose another address")]
    Bind { setting: &'static str, address: String, problem: io::Error },
    #[error("the HTTP server ended unexpectedly: {0}")]
    Ended(#[from] io::Error),
}

/// Both listeners, bound and not yet answering: connections wait until [`run`](Server::run).
pub struct Server {
    receiver: HttpServing,
    admin: HttpServing,
    receive_address: SocketAddr,
    admin_address: SocketAddr,
    stopping: Arc<AtomicBool>,
}

/// Stops a running server from elsewhere.
#[derive(Clone)]
pub struct Handle {
    receiver: ServerHandle,
    admin: ServerHandle,
    stopping: Arc<AtomicBool>,
}

impl Server {
    /// Binds both addresses. To be called within a Tokio runtime, on which webhooks are stored even when the
    /// connection they came by is gone.
    pub fn build(config: &Config, parts: Parts) -> Result<Self, ServerError> {
        let stopping = Arc::new(AtomicBool::new(false));
        let health = web::Data::new(admin::Health {
            store: parts.store.clone(),
            metrics: parts.metrics.clone(),
            clock: parts.clock.clone(),
            stopping: stopping.clone(),
        });
        let receiver = web::Data::new(receive::Receiver::new(&config.server, parts));

        let (listener, receive_address) = listen("server.bind", &config.server.bind)?;
        let receiver = HttpServer::new(move || App::new().app_data(receiver.clone()).configure(receive::routes))
            .workers(config.server.workers)
            .client_request_timeout(config.server.read_timeout)
            .shutdown_timeout(config.server.shutdown_timeout.as_secs())
            .disable_signals()
            .listen(listener)?
            .run();

        let (listener, admin_address) = listen("admin.bind", &config.admin.bind)?;
        let admin = HttpServer::new(move || App::new().app_data(health.clone()).configure(admin::routes))
            .workers(1)
            .disable_signals()
            .listen(listener)?
            .run();

        Ok(Self { receiver, admin, receive_address, admin_address, stopping })
    }

    /// Where webhooks are taken: the port that was found, where `server.bind` asks for port 0.
    pub fn receive_address(&self) -> SocketAddr {
        self.receive_address
    }

    /// Where health and metrics are told.
    pub fn admin_address(&self) -> SocketAddr {
        self.admin_address
    }

    pub fn handle(&self) -> Handle {
        Handle { receiver: self.receiver.handle(), admin: self.admin.handle(), stopping: self.stopping.clone() }
    }

    /// Answers until it is stopped.
    pub async fn run(self) -> Result<(), ServerError> {
        tokio::try_join!(self.receiver, self.admin)?;
        Ok(())
    }
}

impl Handle {
    /// Takes no new webhook, answers those that are being read, and returns when all of it is done or the shutdown
    /// timeout has passed. Health and metrics are told to the end, and from now on that this relay is not ready.
    pub async fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
        self.receiver.stop(true).await;
        self.admin.stop(false).await;
    }
}

fn listen(setting: &'static str, address: &str) -> Result<(TcpListener, SocketAddr), ServerError> {
    TcpListener::bind(address)
        .and_then(|listener| listener.local_addr().map(|bound| (listener, bound)))
        .map_err(|problem| ServerError::Bind { setting, address: address.to_owned(), problem })
}
