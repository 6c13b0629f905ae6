//! The way of spans out of the process: OTLP, protobuf over the HTTP client that everything here uses.
//!
//! The SDK keeps at most [`QUEUE`] spans that wait and drops what comes beyond, so that a collector that is slow or away
//! holds up nobody; it logs that it begins to drop, and at the end how many it dropped.

use std::{fs, path::Path, path::PathBuf, sync::OnceLock, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use credentials::{ClientTls, ClientTlsConfig};
use opentelemetry::{KeyValue, trace::TracerProvider as _};
use opentelemetry_http::{HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::{
    Resource,
    trace::{BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracer, SdkTracerProvider},
};
use reqwest::{
    Url,
    header::{HeaderMap, HeaderName, HeaderValue},
};
use tokio::runtime::Handle;

use super::Config;

/// What the spans of this process are made with, once there is an export.
static TRACER: OnceLock<SdkTracer> = OnceLock::new();

pub(super) fn tracer() -> Option<&'static SdkTracer> {
    TRACER.get()
}

/// A running export.
#[derive(Debug)]
pub(super) struct Export {
    provider: SdkTracerProvider,
}

impl Export {
    /// # Errors
    /// What is wrong with the endpoint.
    pub(super) fn start(endpoint: &str, config: &Config, role: &'static str) -> Result<Self, String> {
        let url = url(endpoint)?;
        credentials::install_provider();
        let client = Client {
            http: client(&url)?,
            headers: config.headers_file.clone(),
            runtime: Handle::try_current().map_err(|_| "needs a Tokio runtime")?,
        };
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(client)
            .with_endpoint(url)
            .with_protocol(Protocol::HttpBinary)
            .with_timeout(TIMEOUT)
            .build()
            .map_err(|error| error.to_string())?;
        let batches = BatchConfigBuilder::default().with_max_queue_size(QUEUE).with_scheduled_delay(DELAY);
        let resource = Resource::builder_empty().with_attributes([
            KeyValue::new("service.namespace", "adt-bridge"),
            KeyValue::new("service.name", role),
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
        ]);
        let ratio = Sampler::TraceIdRatioBased(config.sampling_ratio.get());
        let provider = SdkTracerProvider::builder()
            .with_span_processor(
                BatchSpanProcessor::builder(exporter).with_batch_config(batches.build()).build(),
            )
            .with_sampler(Sampler::ParentBased(Box::new(ratio)))
            .with_resource(resource.build())
            .build();
        TRACER.get_or_init(|| provider.tracer("adt-bridge"));
        Ok(Self { provider })
    }

    pub(super) async fn end(self, limit: Duration) {
        // It waits for the export's own thread, which needs this runtime.
        let ended = tokio::task::spawn_blocking(move || self.provider.shutdown_with_timeout(limit)).await;
        if let Ok(Err(error)) = ended {
            tracing::warn!(%error, "the last traces were not exported: {error}");
        }
    }
}

/// Whether an export can start.
///
/// # Errors
/// The setting and what is wrong with it.
pub(super) fn check(endpoint: &str, headers: Option<&Path>) -> Result<(), (&'static str, String)> {
    url(endpoint).map_err(|error| ("endpoint", error))?;
    headers.map_or(Ok(HeaderMap::new()), read_headers).map_err(|error| ("headers_file", error))?;
    Ok(())
}

/// With the path of OTLP where there is none.
fn url(endpoint: &str) -> Result<String, String> {
    let mut url = Url::parse(endpoint).map_err(|_| "is not a URL such as http://127.0.0.1:4318/v1/traces")?;
    if !["http", "https"].contains(&url.scheme()) || url.host_str().is_none() {
        return Err("must begin with http:// or https://".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() {
        return Err("must not hold credentials: traces.headers_file is for them".to_owned());
    }
    if url.path() == "/" {
        url.set_path("/v1/traces");
    }
    Ok(url.into())
}

fn client(url: &str) -> Result<reqwest::Client, String> {
    let url = Url::parse(url).map_err(|error| error.to_string())?;
    let mut client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).timeout(TIMEOUT);
    if url.scheme() == "https" {
        let port = url.port_or_known_default().unwrap_or(443);
        let address = format!("{}:{port}", url.host_str().unwrap_or_default());
        let tls = ClientTlsConfig { enabled: true, ..ClientTlsConfig::default() };
        let tls = ClientTls::new(&tls, &address).map_err(|error| error.to_string())?;
        client = client.use_preconfigured_tls((**tls.files().current().config()).clone());
    }
    client.build().map_err(|error| error.to_string())
}

/// Lines `name: value`; empty ones and those that begin with `#` say nothing.
fn read_headers(path: &Path) -> Result<HeaderMap, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("cannot be read: {error}"))?;
    let mut headers = HeaderMap::new();
    for (index, line) in
        text.lines().enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
    {
        let header = line.split_once(':').and_then(|(name, value)| {
            let mut value = HeaderValue::from_str(value.trim()).ok()?;
            value.set_sensitive(true);
            Some((HeaderName::from_bytes(name.trim().as_bytes()).ok()?, value))
        });
        let (name, value) = header.ok_or_else(|| format!("line {} is not `name: value`", index + 1))?;
        headers.insert(name, value);
    }
    Ok(headers)
}

/// Our HTTP client, as the exporter wants it: its thread is outside the runtime.
#[derive(Debug)]
struct Client {
    http: reqwest::Client,
    headers: Option<PathBuf>,
    runtime: Handle,
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let mut request = reqwest::Request::try_from(request)?;
        if let Some(path) = &self.headers {
            request.headers_mut().extend(read_headers(path)?);
        }
        let http = self.http.clone();
        let answer = self.runtime.spawn(async move {
            let mut answer = http.execute(request).await.map_err(reqwest::Error::without_url)?;
            let mut body = Vec::new();
            while let Some(chunk) = answer.chunk().await.map_err(reqwest::Error::without_url)? {
                if body.len() + chunk.len() > MAX_ANSWER_BYTES {
                    break;
                }
                body.extend_from_slice(&chunk);
            }
            Ok::<_, reqwest::Error>((answer.status(), body))
        });
        let (status, body) = answer.await??;
        Ok(Response::builder().status(status).body(body.into())?)
    }
}

/// Spans that may wait.
const QUEUE: usize = 4096;
/// How long they wait.
const DELAY: Duration = Duration::from_secs(1);
/// For one export.
const TIMEOUT: Duration = Duration::from_secs(5);
const MAX_ANSWER_BYTES: usize = 64 * 1024;
