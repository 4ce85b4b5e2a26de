//! Health and metrics, for the operator's own machines: on a listener of its own, which is loopback by default.
//!
//! It must never be reachable through the webhooks' listener, and never changes anything.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix_web::{HttpResponse, web};
use jiff::Timestamp;
use serde_json::json;
use tracing::warn;

use crate::clock::Clock;
use crate::store::{Store, StoreError};
use crate::telemetry::{Metrics, Scrape};

pub(super) struct Health {
    pub store: Arc<dyn Store>,
    pub metrics: Arc<Metrics>,
    pub clock: Clock,
    pub stopping: Arc<AtomicBool>,
}

pub(super) fn routes(app: &mut web::ServiceConfig) {
    app.route("/health/live", web::get().to(live))
        .route("/health/ready", web::get().to(ready))
        .route("/metrics", web::get().to(metrics))
        .default_service(web::to(nothing_here));
}

/// The process answers; anything more would make an orchestrator kill it for trouble that a restart does not cure.
async fn live() -> HttpResponse {
    HttpResponse::Ok().json(json!({"status": "live"}))
}

/// Whether webhooks may be sent here: the store can write, and nobody has asked this relay to stop.
async fn ready(health: web::Data<Health>) -> HttpResponse {
    let why_not = if health.stopping.load(Ordering::Relaxed) {
        "stopping"
    } else if let Err(error) = health.store.probe().await {
        warn!(%error, "not ready: the store cannot write");
        "store_unavailable"
    } else {
        return HttpResponse::Ok().json(json!({"status": "ready"}));
    };
    HttpResponse::ServiceUnavailable().json(json!({"status": "not_ready", "reason": why_not}))
}

async fn metrics(health: web::Data<Health>) -> HttpResponse {
    let counts = health.store.counts().await.inspect_err(|error| warn!(%error, "no counts for the metrics")).ok();
    let held = health.store.held().await.inspect_err(|error| warn!(%error, "no held facts for the metrics")).ok();
    let overdue = health.since(health.store.overdue_since().await);
    let blocked = match health.store.blocked().await {
        Ok(blocked) => health.since(Ok(blocked.since)).map(|time| (blocked.events, time)),
        Err(error) => {
            warn!(%error, "no blocked events for the metrics");
            None
        }
    };
    let oldest = health.since(health.store.oldest_waiting().await);
    let scrape = Scrape { counts, held, overdue, blocked, oldest, writes: health.store.stats() };
    HttpResponse::Ok()
        .content_type("application/openmetrics-text; version=1.0.0; charset=utf-8")
        .body(health.metrics.render(&scrape))
}

impl Health {
    /// `None` when the store cannot tell, zero when there is nothing or its time is still to come.
    fn since(&self, told: Result<Option<Timestamp>, StoreError>) -> Option<Duration> {
        let seconds = told.ok()?.map_or(0, |then| (self.clock)().as_second() - then.as_second());
        Some(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)))
    }
}

async fn nothing_here() -> HttpResponse {
    HttpResponse::NotFound()
        .json(json!({"error": "not_found", "message": "there are /health/live, /health/ready and /metrics here"}))
}
