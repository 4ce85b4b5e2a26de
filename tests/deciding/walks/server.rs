//! The real server, on the store of a relay that is driven by hand.

use std::sync::Arc;

use cello_relay::providers::Provider;
use cello_relay::server::{Handle, Parts, Server};
use cello_relay::telemetry::Metrics;
use tokio::sync::Notify;

use crate::relay::{Relay, config};

pub struct Serving {
    address: String,
    handle: Handle,
}

pub async fn serve(providers: Vec<Arc<dyn Provider>>, relay: &Relay) -> Serving {
    let mut config = config();
    config.server.bind = "127.0.0.1:0".into();
    config.admin.bind = "127.0.0.1:0".into();
    let now = relay.now();
    let parts = Parts {
        providers,
        store: relay.store.clone(),
        metrics: Arc::new(Metrics::new()),
        clock: cello_relay::clock::fixed(now),
        stored: Arc::new(Notify::new()),
    };
    let server = Server::build(&config, parts).unwrap();
    let serving = Serving { address: format!("http://{}", server.receive_address()), handle: server.handle() };
    tokio::spawn(server.run());
    serving
}

impl Serving {
    /// Posts to the provider's path with this value of its credential header; the status of the answer.
    pub async fn post(&self, provider: &dyn Provider, credential: &str, body: &str) -> u16 {
        let client = cello_relay::http::client(&self.address.parse().unwrap(), std::time::Duration::from_secs(20));
        let request = client.unwrap().post(format!("{}/webhooks/{}", self.address, provider.name()));
        let request = request.header(provider.credential_header(), credential).body(body.to_owned());
        request.send().await.unwrap().status().as_u16()
    }

    pub async fn stop(self) {
        self.handle.stop().await;
    }
}
