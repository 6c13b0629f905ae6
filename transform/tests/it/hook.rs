//! A running hook and a client for it.

use std::{num::NonZeroUsize, sync::Arc, time::Duration};

use clock::{Clock, Hands};
use message_store::{MemoryStore, MessageStore, OrderingKey, PatientKey};
use queue::{Delivery, MemoryConfig, MemoryQueue, Queue};
use reqwest::{Method, StatusCode, header::HeaderMap};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use transform::{Config, Dependencies, Error, HookConfig};

use crate::faulty::{FaultyQueue, FaultyStore};

/// A hook of its own for one test.
pub(crate) struct TestHook {
    pub(crate) url: String,
    pub(crate) address: std::net::SocketAddr,
    pub(crate) queue: Arc<FaultyQueue>,
    pub(crate) store: Arc<FaultyStore>,
    /// Move the clocks of the hook.
    pub(crate) hands: Hands,
    pub(crate) shutdown: CancellationToken,
    pub(crate) running: JoinHandle<Result<(), Error>>,
    pub(crate) client: reqwest::Client,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl TestHook {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub(crate) async fn start_with(change: impl FnOnce(&mut HookConfig)) -> Self {
        let queue = MemoryQueue::new(MemoryConfig { max_per_group: 10, ..MemoryConfig::default() });
        let store: Arc<dyn MessageStore> = Arc::new(MemoryStore::new());
        Self::start_on(Arc::new(queue), store, change).await
    }

    pub(crate) async fn start_on(
        queue: Arc<dyn Queue>,
        store: Arc<dyn MessageStore>,
        change: impl FnOnce(&mut HookConfig),
    ) -> Self {
        crate::canary::listen();
        credentials::install_provider();
        let (queue, store) = (Arc::new(FaultyQueue::new(queue)), Arc::new(FaultyStore::new(store)));
        let mut config = Config::default();
        change(&mut config.hook);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let (clock, hands) = Clock::settable();
        let dependencies = Dependencies {
            queue: Arc::clone(&queue) as Arc<dyn Queue>,
            store: Arc::clone(&store) as Arc<dyn MessageStore>,
            clock,
        };
        #[expect(clippy::disallowed_methods, reason = "the test waits for it where it matters")]
        let running = tokio::spawn(transform::run(config, dependencies, listener, shutdown.clone()));
        Self {
            url: format!("http://{address}"),
            address,
            queue,
            store,
            hands,
            shutdown,
            running,
            client: reqwest::Client::builder().no_proxy().build().unwrap(),
        }
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url)).timeout(Duration::from_secs(20))
    }

    pub(crate) async fn post(&self, resource: &Value) -> Answer {
        answer(self.request(Method::POST, "/persistence/Patient").json(resource)).await
    }

    pub(crate) async fn put(&self, id: &str, resource: &Value) -> Answer {
        answer(self.request(Method::PUT, &format!("/persistence/Patient/{id}")).json(resource)).await
    }

    pub(crate) async fn get(&self, id: &str) -> Answer {
        answer(self.request(Method::GET, &format!("/persistence/Patient/{id}"))).await
    }

    pub(crate) async fn delete(&self, id: &str) -> Answer {
        answer(self.request(Method::DELETE, &format!("/persistence/Patient/{id}"))).await
    }

    /// Takes all messages out of the queue, in the order they are handed out.
    pub(crate) async fn queued(&self) -> Vec<Delivery> {
        let mut all = Vec::new();
        loop {
            let deliveries =
                self.queue.receive(NonZeroUsize::new(10).unwrap(), Duration::ZERO).await.unwrap();
            if deliveries.is_empty() {
                return all;
            }
            for delivery in deliveries {
                self.queue.delete(&delivery.receipt).await.unwrap();
                all.push(delivery);
            }
        }
    }

    /// Takes all messages out of the queue and makes each the current one of `id`, as an HL7 listener would.
    pub(crate) async fn deliver(&self, id: &str) -> Vec<Delivery> {
        let all = self.queued().await;
        for delivery in &all {
            let order = OrderingKey::new(&delivery.envelope.attributes.enqueued_at).unwrap();
            let body = delivery.envelope.body.clone().into();
            self.store.put_current(&PatientKey::new(id).unwrap(), &order, body).await.unwrap();
        }
        all
    }
}

impl Drop for TestHook {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

/// Sends a request and reads a JSON answer.
pub(crate) async fn answer(request: reqwest::RequestBuilder) -> Answer {
    let (client, request) = request.build_split();
    let request = request.unwrap();
    let (method, path) = (request.method().clone(), request.url().path().to_owned());
    let response = client.execute(request).await.unwrap();
    crate::openapi::check(&method, &path, response.status());
    let (status, headers) = (response.status(), response.headers().clone());
    let text = response.text().await.unwrap();
    let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
    Answer { status, headers, body }
}

impl Answer {
    /// The resource of an answer in the envelope that every answer must have.
    pub(crate) fn resource(&self) -> &Value {
        assert!(self.body["resource"].is_object(), "{self:?}");
        assert!(self.body["message"].is_string(), "{self:?}");
        assert_eq!(self.headers["content-type"], "application/json");
        &self.body["resource"]
    }

    /// The text of a refusal in the envelope.
    pub(crate) fn refusal(&self) -> (u16, &str) {
        assert_eq!(self.resource(), &json!({}), "{self:?}");
        (self.status.as_u16(), self.body["message"].as_str().unwrap())
    }

    pub(crate) fn id(&self) -> &str {
        self.resource()["id"].as_str().unwrap()
    }
}

/// The trigger events of messages, in order.
pub(crate) fn events(deliveries: &[Delivery]) -> Vec<&str> {
    deliveries.iter().map(|delivery| delivery.envelope.attributes.event.as_str()).collect()
}

pub(crate) fn patient(id: &str, family: &str) -> Value {
    json!({ "resourceType": "Patient", "id": id, "name": [{ "family": family }] })
}
