//! A FHIR server of our own making, which answers as a test says and remembers what it was asked.

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    body::Body,
    extract::Request,
    http::{HeaderMap, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use transform::SourceConfig;

/// What was asked.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: Method,
    /// Path and query.
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    pub(crate) text: bytes::Bytes,
    /// `null` when it is no JSON.
    pub(crate) body: Value,
}

type Answering = Box<dyn Fn(&Asked) -> Response + Send>;

pub(crate) struct FakeSource {
    /// `http://127.0.0.1:port`.
    pub(crate) origin: String,
    shared: Arc<Shared>,
}

struct Shared {
    answering: Mutex<Answering>,
    asked: Mutex<Vec<Asked>>,
}

impl FakeSource {
    pub(crate) async fn start(answering: impl Fn(&Asked) -> Response + Send + 'static) -> Self {
        let shared = Arc::new(Shared { answering: Mutex::new(Box::new(answering)), asked: Mutex::default() });
        let state = Arc::clone(&shared);
        let router = Router::new().fallback(move |request: Request| {
            let state = Arc::clone(&state);
            async move {
                let (parts, body) = request.into_parts();
                let body = axum::body::to_bytes(body, 1_000_000).await.unwrap();
                let asked = Asked {
                    method: parts.method,
                    target: parts.uri.to_string(),
                    headers: parts.headers,
                    body: serde_json::from_slice(&body).unwrap_or_default(),
                    text: body,
                };
                let answer = (state.answering.lock().unwrap())(&asked);
                state.asked.lock().unwrap().push(asked);
                answer
            }
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        #[expect(clippy::disallowed_methods, reason = "ends with the test")]
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { origin, shared }
    }

    /// Answers differently from now on.
    pub(crate) fn answer(&self, answering: impl Fn(&Asked) -> Response + Send + 'static) {
        *self.shared.answering.lock().unwrap() = Box::new(answering);
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.shared.asked.lock().unwrap().clone()
    }

    /// `{origin}/r4`, as the hook's only source.
    pub(crate) fn config(&self) -> SourceConfig {
        serde_json::from_value(json!({ "base_url": format!("{}/r4", self.origin), "timeout": "2s" })).unwrap()
    }
}

pub(crate) fn resource(resource: &Value) -> Response {
    ([(header::CONTENT_TYPE, "application/fhir+json")], resource.to_string()).into_response()
}

pub(crate) fn status(code: u16) -> Response {
    StatusCode::from_u16(code).unwrap().into_response()
}

/// A searchset of these Patients, with a link to a next page.
pub(crate) fn searchset(patients: &[Value], next: Option<&str>) -> Response {
    let entries: Vec<_> = patients.iter().map(|patient| json!({ "resource": patient })).collect();
    let links: Vec<_> = next.iter().map(|url| json!({ "relation": "next", "url": url })).collect();
    resource(&json!({ "resourceType": "Bundle", "type": "searchset", "entry": entries, "link": links }))
}

/// Begins an answer and never ends it.
pub(crate) fn endless() -> Response {
    let chunk = bytes::Bytes::from_static(b"{\"resourceType\":\"Patient\",");
    let stream = futures::stream::once(async move { Ok::<_, std::io::Error>(chunk) });
    let stream = futures::StreamExt::chain(stream, futures::stream::pending());
    Body::from_stream(stream).into_response()
}
