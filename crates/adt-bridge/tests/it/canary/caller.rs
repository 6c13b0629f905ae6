//! A FHIR server's side, with a marker in everything that it sends.

use std::net::SocketAddr;

use axum::{Router, extract::Request, http::StatusCode, response::IntoResponse};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{
    marked,
    search::{MARKER, Places},
};
use crate::bridge::DEADLINE;

/// Sends requests to a hook and keeps what its refusals say.
pub(crate) struct Caller {
    client: reqwest::Client,
    base: String,
    pub(crate) token: String,
    sent: u32,
    pub(crate) places: Places,
}

/// Whether a refusal may repeat what the request named: an id or a type in the path, the content type, the method.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Echo {
    None,
    Documented,
}

impl Caller {
    pub(crate) fn new(base: String, token: &str) -> Self {
        credentials::install_provider();
        Self {
            client: reqwest::Client::new(),
            base,
            token: token.to_owned(),
            sent: 0,
            places: Places::default(),
        }
    }

    /// The body of the answer, which must have this status.
    pub(crate) async fn ask(
        &mut self,
        echo: Echo,
        expected: u16,
        (method, path): (&str, &str),
        kind: &str,
        body: impl Into<Vec<u8>>,
    ) -> String {
        self.sent += 1;
        let marked = format!("{MARKER}-header-{}", self.sent);
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let mut request = self
            .client
            .request(method, format!("{}{path}", self.base))
            .timeout(DEADLINE)
            .bearer_auth(&self.token)
            .header("content-type", kind)
            .body(body.into());
        for name in [
            "user-agent",
            "x-request-id",
            "traceparent",
            "tracestate",
            "cookie",
            "x-forwarded-for",
            "baggage",
        ] {
            request = request.header(name, &marked);
        }
        let answer = request.send().await.expect("an answer");
        let status = answer.status().as_u16();
        let headers = format!("{:?}", answer.headers());
        let text = answer.text().await.expect("a body");
        assert_eq!(status, expected, "{path}: {text}");
        if status >= 400 && echo == Echo::None {
            self.places.add("error body", text.clone());
            self.places.add("error headers", headers);
        }
        text
    }

    pub(crate) async fn json(&mut self, expected: u16, target: (&str, &str), body: &Value) -> String {
        self.ask(Echo::None, expected, target, "application/fhir+json", body.to_string()).await
    }

    /// Health as it is told to whoever asks.
    pub(crate) async fn look(&mut self, path: &str, place: &str) {
        let answer = self.client.get(format!("{}{path}", self.base)).send().await.expect("an answer");
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        self.places.add(place, answer.text().await.expect("a body"));
    }
}

/// A FHIR server that can be read back from; its errors are marked, too.
pub(crate) async fn source() -> SocketAddr {
    let router = Router::new().fallback(async |request: Request| {
        let path = request.uri().path();
        match path.strip_prefix("/r4/Patient/") {
            Some(id) if id.contains("gone") => (StatusCode::GONE, format!("{MARKER}-gone")).into_response(),
            Some(id) if id.contains("broken") => format!("{MARKER} is no JSON").into_response(),
            Some(id) if id.contains("denied") => {
                (StatusCode::FORBIDDEN, [("www-authenticate", MARKER)], MARKER).into_response()
            }
            Some(id) => {
                let meta = json!({ "versionId": "7", "lastUpdated": "2024-01-01T00:00:00Z" });
                marked::with(marked::patient(id, MARKER), "meta", meta).to_string().into_response()
            }
            None => json!({ "resourceType": "Bundle", "type": "searchset" }).to_string().into_response(),
        }
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}
