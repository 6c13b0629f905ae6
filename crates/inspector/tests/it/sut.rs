//! An inspector of a test, on a free port, over a store in memory.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use fhir_adt::{Mapper, MappingConfig};
use inspector::{Arrival, Inspector, Reading, Settings, Token};
use message_store::{Config, MessageStore, ReceivedKey};
use reqwest::{Method, Response};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub(crate) struct Sut {
    pub(crate) inspector: Arc<Inspector>,
    pub(crate) store: Arc<dyn MessageStore>,
    pub(crate) token: Token,
    pub(crate) client: reqwest::Client,
    address: SocketAddr,
    stop: CancellationToken,
}

impl Drop for Sut {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// One of whose values are shown to everybody, or hidden and behind the token.
pub(crate) async fn start(private: bool, stored: &[&str]) -> Sut {
    let store = Config::Memory {}.connect().await.unwrap();
    for body in stored {
        store.put_received(&key(body), Bytes::copy_from_slice(body.as_bytes())).await.unwrap();
    }
    let token = Token::random();
    let settings = Settings {
        index: None,
        keep_messages: 1000,
        mask: private,
        reading: if private { Reading::Token } else { Reading::Open },
        token: token.clone(),
        mapper: Mapper::new(MappingConfig::default()).unwrap(),
        destination: "default".to_owned(),
    };
    let inspector = Inspector::open(settings, Arc::clone(&store)).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
    tokio::spawn(Arc::clone(&inspector).serve(listener, stop.clone()));
    credentials::install_provider();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let sut = Sut { inspector, store, token, client, address, stop };
    sut.until("api/v1/overview", |overview| overview["complete"] == true).await;
    sut
}

pub(crate) fn message(control_id: &str, event: &str, family: &str) -> String {
    format!(
        "MSH|^~\\&|LAB|H|EHR|H|20240301||ADT^{event}|{control_id}|T|2.5.1\r\
         PID|1||77^^^H^MR~p1^^^FHIR^FW||{family}^Anna||19741225|F\r"
    )
}

fn key(body: &str) -> ReceivedKey {
    let control_id = body.split('|').nth(9).unwrap();
    ReceivedKey::new("LAB|H", control_id)
}

impl Sut {
    pub(crate) async fn ask(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> Response {
        let mut request = self.client.request(method, self.url(path));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.unwrap()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }

    pub(crate) fn bearer(&self) -> String {
        format!("Bearer {}", self.token.as_str())
    }

    /// With the token.
    pub(crate) async fn json(&self, path: &str) -> Value {
        self.ask(Method::GET, path, &[("authorization", &self.bearer())]).await.json().await.unwrap()
    }

    pub(crate) async fn until(&self, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let end = Instant::now() + Duration::from_secs(30);
        loop {
            let found = self.json(path).await;
            if wanted(&found) {
                return found;
            }
            assert!(Instant::now() < end, "not in time: {path}: {found}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// As the test server tells it.
    pub(crate) fn arrive(&self, body: &str, outcome: &'static str, reply: &str) {
        self.inspector.feed().arrived(Arrival {
            body: &Bytes::copy_from_slice(body.as_bytes()),
            outcome,
            replies: &[reply.as_bytes().to_vec()],
            peer: "127.0.0.1:1".to_owned(),
            fault: None,
        });
    }
}
