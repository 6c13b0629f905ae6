//! A collector of OpenTelemetry traces, OTLP over HTTP.

use std::sync::{Arc, Mutex};

use axum::{Router, body::Bytes, extract::State, http::HeaderMap, routing::post};
use opentelemetry_proto::tonic::{
    collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse},
    common::v1::any_value,
    trace::v1::Span,
};
use prost::Message as _;
use tokio::net::TcpListener;

#[derive(Clone, Default)]
pub(crate) struct Collector {
    address: String,
    exports: Arc<Mutex<Vec<(HeaderMap, ExportTraceServiceRequest)>>>,
}

impl Collector {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let collector = Self { address: listener.local_addr().unwrap().to_string(), exports: Arc::default() };
        let router = Router::new().route("/v1/traces", post(take)).with_state(collector.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        collector
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/v1/traces", self.address)
    }

    pub(crate) fn headers(&self) -> Vec<HeaderMap> {
        self.exports.lock().unwrap().iter().map(|(headers, _)| headers.clone()).collect()
    }

    /// With the name of the service that exported each.
    pub(crate) fn spans(&self) -> Vec<(String, Span)> {
        let exports = self.exports.lock().unwrap();
        let groups = exports.iter().flat_map(|(_, export)| &export.resource_spans);
        groups
            .flat_map(|group| {
                let resource = group.resource.as_ref().unwrap();
                let named = resource.attributes.iter().find(|pair| pair.key == "service.name").unwrap();
                let service = text(named.value.as_ref().unwrap().value.as_ref().unwrap());
                let spans = group.scope_spans.iter().flat_map(|scope| scope.spans.clone());
                spans.map(move |span| (service.clone(), span))
            })
            .collect()
    }

    /// Everything that was exported, as text.
    pub(crate) fn said(&self) -> String {
        let exports = self.exports.lock().unwrap();
        exports.iter().map(|(headers, export)| format!("{headers:?}\n{export:#?}\n")).collect()
    }
}

async fn take(State(collector): State<Collector>, headers: HeaderMap, body: Bytes) -> Vec<u8> {
    assert_eq!(headers["content-type"], "application/x-protobuf");
    let export = ExportTraceServiceRequest::decode(body).expect("an export");
    collector.exports.lock().unwrap().push((headers, export));
    ExportTraceServiceResponse::default().encode_to_vec()
}

/// An attribute of a span, as text; empty when it has none of that name.
pub(crate) fn attribute(span: &Span, name: &str) -> String {
    let pair = span.attributes.iter().find(|pair| pair.key == name);
    pair.and_then(|pair| pair.value.as_ref()?.value.as_ref()).map(text).unwrap_or_default()
}

fn text(value: &any_value::Value) -> String {
    match value {
        any_value::Value::StringValue(text) => text.clone(),
        any_value::Value::IntValue(number) => number.to_string(),
        other => panic!("an attribute of another type: {other:?}"),
    }
}
