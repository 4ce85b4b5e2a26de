//! The stand-in's HTTP: addresses, the check of the token, ordered trouble.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::http::StatusCode;
use actix_web::http::header::AUTHORIZATION;
use actix_web::web::{self, Bytes, Data, Path};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use futures_util::stream;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::api::{self, Said};
use super::{Endpoint, Fault, Shared};

/// The server on `listener`, to be spawned.
pub(super) fn listen(listener: TcpListener, shared: Arc<Shared>) -> io::Result<Server> {
    let server = HttpServer::new(move || {
        App::new()
            .app_data(Data::from(shared.clone()))
            .route("/token", web::post().to(token))
            .route("/events", web::post().to(events))
            .route("/referral-codes/active-link/{user}", web::get().to(link))
            .route("/referral-codes/{ucc}", web::get().to(code))
            .route("/new-users/{user}/reward", web::get().to(reward))
            .default_service(web::to(unknown))
    });
    // Above the time after which the client drops an idle connection, as at the real one.
    let server = server.workers(1).keep_alive(Duration::from_secs(75)).disable_signals();
    Ok(server.listen(listener)?.run())
}

async fn token(shared: Data<Shared>, request: HttpRequest, body: Bytes) -> HttpResponse {
    call(&shared, Endpoint::Token, &request, |_| api::token(&shared, &text(&body), Timestamp::now())).await
}

async fn events(shared: Data<Shared>, request: HttpRequest, body: Bytes) -> HttpResponse {
    let take = |request_id| api::event(&shared, text(&body), Timestamp::now(), request_id);
    call(&shared, Endpoint::Events, &request, take).await
}

async fn code(shared: Data<Shared>, request: HttpRequest, ucc: Path<String>) -> HttpResponse {
    call(&shared, Endpoint::Reads, &request, |_| api::code(&ucc)).await
}

async fn link(shared: Data<Shared>, request: HttpRequest, user: Path<String>) -> HttpResponse {
    call(&shared, Endpoint::Reads, &request, |_| api::link(&user)).await
}

async fn reward(shared: Data<Shared>, request: HttpRequest, user: Path<String>) -> HttpResponse {
    call(&shared, Endpoint::Reads, &request, |_| api::reward(&shared, &user)).await
}

async fn unknown(request: HttpRequest) -> HttpResponse {
    HttpResponse::NotFound().json(json!({ "message": format!("Cannot {} {}", request.method(), request.path()) }))
}

/// Ordered trouble first, then the token, then the call itself.
async fn call(
    shared: &Shared,
    endpoint: Endpoint,
    request: &HttpRequest,
    answer: impl FnOnce(String) -> Said,
) -> HttpResponse {
    let (request_id, fault) = shared.next(endpoint);
    let silent = match fault {
        Some(Fault::Answer { status, headers, body }) => return ordered(&request_id, status, &headers, body),
        Some(Fault::Endless) => return endless(),
        Some(Fault::Delay(delay)) => {
            tokio::time::sleep(delay).await;
            false
        }
        Some(Fault::Silence) => true,
        None => false,
    };
    let said = if endpoint == Endpoint::Token || shared.is_authorized(request) {
        answer(request_id.clone())
    } else {
        (401, json!({ "message": "Unauthorized" }))
    };
    if silent {
        std::future::pending::<()>().await;
    }
    respond(&request_id, said)
}

impl Shared {
    fn next(&self, endpoint: Endpoint) -> (String, Option<Fault>) {
        let mut state = self.state();
        state.calls[endpoint as usize] += 1;
        state.requests += 1;
        let fault = state.faults[endpoint as usize].pop_front().or_else(|| state.standing.clone());
        (format!("stand-in-{}", state.requests), fault)
    }

    fn is_authorized(&self, request: &HttpRequest) -> bool {
        let header = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = header.and_then(|value| value.strip_prefix("Bearer "));
        token.is_some_and(|token| self.state().knows(token, false))
    }
}

fn respond(request_id: &str, (status, body): (u16, Value)) -> HttpResponse {
    HttpResponse::build(code_or_500(status)).insert_header(("apigw-requestid", request_id)).json(body)
}

fn ordered(request_id: &str, status: u16, headers: &[(String, String)], body: String) -> HttpResponse {
    let mut response = HttpResponse::build(code_or_500(status));
    response.insert_header(("apigw-requestid", request_id));
    for (name, value) in headers {
        // actix writes this header itself and drops it here.
        if name.eq_ignore_ascii_case("connection") && value == "close" {
            response.force_close();
        }
        response.append_header((name.as_str(), value.as_str()));
    }
    response.body(body)
}

fn endless() -> HttpResponse {
    let more = stream::repeat_with(|| Ok::<_, actix_web::Error>(Bytes::from_static(&[b'x'; 4096])));
    HttpResponse::Ok().streaming(more)
}

fn code_or_500(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

fn text(body: &Bytes) -> String {
    String::from_utf8_lossy(body).into_owned()
}
