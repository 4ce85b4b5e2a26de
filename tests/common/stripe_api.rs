//! A stand-in for Stripe's API: the four reads that look-ups make, over real HTTP, with failures on order.
//!
//! It knows what it is told to know, checks the key, and remembers every request with the headers that matter. It
//! never waits by itself: a slow answer is one that the test lets go.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

pub const KEY: &str = "rk_test_look_up";

/// One request as it came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// As on the wire, escapes included.
    pub path: String,
    /// Decoded.
    pub query: BTreeMap<String, String>,
    pub version: String,
    pub account: Option<String>,
}

/// What an ordered answer is instead of the true one.
#[derive(Debug, Clone)]
pub enum Answer {
    Status(u16),
    Garbage,
    /// The true answer, once a permit is added.
    When(Arc<Semaphore>),
}

/// The running stand-in. Stops when dropped.
pub struct StripeApi {
    pub base_url: String,
    state: Arc<State>,
    handle: ServerHandle,
}

#[derive(Default)]
struct State {
    objects: Mutex<BTreeMap<String, Value>>,
    orders: Mutex<VecDeque<(String, Answer)>>,
    asked: Mutex<Vec<Asked>>,
    /// A permit for each request that came in and was not waited for.
    arrivals: Arrivals,
}

struct Arrivals(Semaphore);

impl Default for Arrivals {
    fn default() -> Self {
        Self(Semaphore::new(0))
    }
}

impl StripeApi {
    pub async fn start() -> Self {
        let state = Arc::new(State::default());
        let data = web::Data::from(state.clone());
        let server = HttpServer::new(move || App::new().app_data(data.clone()).default_service(web::to(answer)))
            .workers(1)
            .disable_signals()
            .shutdown_timeout(0)
            .bind("127.0.0.1:0")
            .unwrap();
        let base_url = format!("http://{}", server.addrs()[0]);
        let server = server.run();
        let handle = server.handle();
        tokio::spawn(server);
        Self { base_url, state, handle }
    }

    /// Has a customer, a subscription, a price or, with its `payment`, an invoice payment.
    pub fn knows(&self, object: &Value) {
        let id = object["id"].as_str().unwrap();
        self.state.objects.lock().unwrap().insert(id.to_owned(), object.clone());
    }

    /// The next request whose path contains `part` is answered so.
    pub fn order(&self, part: &str, answer: Answer) {
        self.state.orders.lock().unwrap().push_back((part.to_owned(), answer));
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.state.asked.lock().unwrap().clone()
    }

    /// The paths that were asked for, in order.
    pub fn paths(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.path).collect()
    }

    /// Returns when one more request has come in.
    pub async fn arrival(&self) {
        let arrival = tokio::time::timeout(Duration::from_secs(20), self.state.arrivals.0.acquire());
        arrival.await.expect("a request within 20 seconds").unwrap().forget();
    }
}

impl Drop for StripeApi {
    fn drop(&mut self) {
        // The stop is under way once asked for; nobody waits for it.
        drop(self.handle.stop(false));
    }
}

async fn answer(request: HttpRequest, state: web::Data<State>) -> HttpResponse {
    let header = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    let path = request.uri().path().to_owned();
    let query = web::Query::<BTreeMap<String, String>>::from_query(request.query_string()).unwrap().into_inner();
    state.asked.lock().unwrap().push(Asked {
        path: path.clone(),
        query: query.clone(),
        version: header("stripe-version").unwrap_or_default(),
        account: header("stripe-account"),
    });
    state.arrivals.0.add_permits(1);
    if header("authorization").as_deref() != Some(&format!("Bearer {KEY}")) {
        return failure(401);
    }
    let ordered = {
        let mut orders = state.orders.lock().unwrap();
        orders.iter().position(|(part, _)| path.contains(part.as_str())).and_then(|place| orders.remove(place))
    };
    match ordered {
        Some((_, Answer::Status(status))) => failure(status),
        Some((_, Answer::Garbage)) => HttpResponse::Ok().body("<html>maintenance</html>"),
        Some((_, Answer::When(permit))) => {
            permit.acquire().await.unwrap().forget();
            truth(&state, &path, &query)
        }
        None => truth(&state, &path, &query),
    }
}

fn truth(state: &State, path: &str, query: &BTreeMap<String, String>) -> HttpResponse {
    let objects = state.objects.lock().unwrap();
    let of_kind = |id: &str, kind: &str| objects.get(id).filter(|object| object["object"] == kind).cloned();
    let parts: Vec<&str> = path.trim_start_matches("/v1/").split('/').collect();
    let found = match parts.as_slice() {
        ["customers", id] => of_kind(id, "customer"),
        ["subscriptions", id] => of_kind(id, "subscription").map(|mut subscription| {
            if query.get("expand[]").is_some_and(|what| what == "customer")
                && let Some(customer) = subscription["customer"].as_str().and_then(|id| of_kind(id, "customer"))
            {
                subscription["customer"] = customer;
            }
            subscription
        }),
        ["prices", id] => of_kind(id, "price"),
        ["invoice_payments"] => {
            let kind = query.get("payment[type]").cloned().unwrap_or_default();
            let payment = query.get(&format!("payment[{kind}]"));
            let is =
                |value: &Value, wanted: Option<&String>| wanted.is_none_or(|wanted| value.as_str() == Some(wanted));
            let wanted = |object: &&Value| {
                object["object"] == "invoice_payment"
                    && is(&object["payment"][&kind], payment)
                    && is(&object["invoice"], query.get("invoice"))
            };
            Some(json!({ "object": "list", "data": objects.values().filter(wanted).collect::<Vec<_>>() }))
        }
        _ => None,
    };
    match found {
        Some(object) => HttpResponse::Ok().json(object),
        None => failure(404),
    }
}

fn failure(status: u16) -> HttpResponse {
    let status = actix_web::http::StatusCode::from_u16(status).unwrap();
    HttpResponse::build(status).json(json!({ "error": { "message": "as ordered" } }))
}
