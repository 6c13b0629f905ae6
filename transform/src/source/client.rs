//! Requests to one source: nowhere else, within limits, and never further than its own answer.
//!
//! - The URL is built by [`Base`](super::address::Base); redirects are not followed, proxies not used.
//! - A host is resolved once per connection and connected to at an address that was looked at: the connector takes what
//!   our resolver gave and asks nobody else.
//! - Credentials go to URLs of the base only.

use std::{
    error::Error as StdError,
    future::Future,
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use axum::http::{
    HeaderMap, Method, Request, Response, StatusCode,
    header::{self, HeaderValue},
};
use bytes::{Bytes, BytesMut};
use credentials::{ClientTls, tls::ClientFiles};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body as _, Incoming};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{
        self,
        connect::{HttpConnector, dns::Name},
    },
    rt::{TokioExecutor, TokioTimer},
};
use serde_json::{Map, Value};
use tokio::sync::Semaphore;
use url::Url;

use super::{
    address::{Base, may_connect},
    authorize::Authorize,
    breaker::Breaker,
    config::SourceConfig,
};
use crate::{Error, body};

/// A client of one source.
#[derive(Debug)]
pub(crate) struct Client {
    base: Base,
    http: Http,
    authorize: Authorize,
    timeout: Duration,
    max_answer_bytes: usize,
    requests: Semaphore,
    breaker: Breaker,
}

/// Why there is no answer to work with. `Display` holds nothing of the answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FetchError {
    /// The breaker is open: nothing was sent.
    #[error("the source is left alone after failures")]
    LeftAlone { wait: Duration },
    /// No connection, no answer in time, or one that broke off.
    #[error("the source {0}")]
    Unreachable(&'static str),
    /// The host resolves to addresses that are not connected to.
    #[error("the host of the source has no address that may be connected to")]
    AddressRefused,
    /// Another status than 2xx.
    #[error("the source answers {status}")]
    Status { status: StatusCode, retry_after: Option<Duration> },
    #[error("the answer is over the limit of {limit} bytes")]
    TooLarge { limit: usize },
    /// Not what was asked for.
    #[error("the answer {0}")]
    Unfit(&'static str),
    /// Our own credentials cannot be had.
    #[error("credentials: {reason}")]
    Credentials { reason: &'static str, may_pass: bool },
}

/// An answer with a 2xx status.
pub(crate) struct Answer {
    pub(crate) body: Bytes,
}

impl Client {
    /// Reads the TLS files; sends nothing.
    pub(crate) fn new(config: &SourceConfig) -> Result<Self, Error> {
        let base =
            config.base().map_err(|reason| Error::Config { setting: "hook.source.base_url", reason })?;
        let tls = ClientTls::new(&config.tls.client(), base.host()).map_err(Error::SourceTls)?;
        let http = Http::new(tls, Arc::new(SystemResolver), base.allowed());
        let authorize = Authorize::new(&config.credentials, base.allowed());
        Ok(Self {
            base,
            http,
            authorize,
            timeout: config.timeout,
            max_answer_bytes: config.max_answer_bytes,
            requests: Semaphore::new(config.max_requests),
            breaker: Breaker::default(),
        })
    }

    pub(crate) fn base(&self) -> &Base {
        &self.base
    }

    pub(crate) fn breaker(&self) -> &Breaker {
        &self.breaker
    }

    /// Reads a FHIR resource, which must be of this type, and be the one with this id where one is named.
    pub(crate) async fn resource(
        &self,
        url: Url,
        kind: &'static str,
        id: Option<&str>,
    ) -> Result<Map<String, Value>, FetchError> {
        let answer = self.send(Method::GET, url, None).await?;
        resource(&answer.body, kind, id)
    }

    /// Sends a request within the limits of this source: concurrency, breaker, time, size.
    ///
    /// # Cancel safety
    /// A dropped request is given up; the source may have seen it.
    pub(crate) async fn send(
        &self,
        method: Method,
        url: Url,
        body: Option<&Value>,
    ) -> Result<Answer, FetchError> {
        if !self.base.owns(&url) {
            return Err(FetchError::Unfit("would lead to another server"));
        }
        let Ok(_permit) = self.requests.acquire().await else {
            return Err(FetchError::Unreachable("is not asked any more"));
        };
        let pass = self.breaker.ask().map_err(|wait| FetchError::LeftAlone { wait })?;
        let result = match tokio::time::timeout(self.timeout, self.exchange(method, url, body)).await {
            Ok(result) => result,
            Err(_) => Err(FetchError::Unreachable("did not answer in time")),
        };
        if !matches!(&result, Err(error) if error.is_outage()) {
            pass.answered();
        } else if pass.failed() {
            tracing::warn!(
                source = self.base.origin(),
                "the source does not work and is left alone for a while"
            );
        }
        result
    }

    /// Begins to read what may be large: the caller reads it piece by piece, and decided that `url` may be asked.
    pub(super) async fn stream(&self, url: &Url, with_token: bool) -> Result<Incoming, FetchError> {
        let http = self.http.current()?;
        let mut headers = HeaderMap::new();
        if with_token {
            self.sign(&http, &mut headers).await?;
        }
        let request = request(Method::GET, url, headers, Bytes::new())?;
        let answer = tokio::time::timeout(self.timeout, http.request(request)).await;
        let answer = answer.map_err(|_| FetchError::Unreachable("did not answer in time"))?;
        let answer = answer.map_err(|error| unreachable(&error))?;
        let status = answer.status();
        if status.is_success() {
            Ok(answer.into_body())
        } else {
            Err(FetchError::Status { status, retry_after: None })
        }
    }

    async fn exchange(&self, method: Method, url: Url, body: Option<&Value>) -> Result<Answer, FetchError> {
        let http = self.http.current()?;
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static(FHIR_JSON));
        if body.is_some() {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(FHIR_JSON));
        }
        self.sign(&http, &mut headers).await?;
        let body = body.map(Value::to_string).unwrap_or_default();
        let request = request(method, &url, headers, body.into())?;
        let answer = http.request(request).await.map_err(|error| unreachable(&error))?;
        let status = answer.status();
        if status == StatusCode::UNAUTHORIZED {
            self.authorize.forget();
        }
        if !status.is_success() {
            return Err(FetchError::Status { status, retry_after: retry_after(answer.headers()) });
        }
        Ok(Answer { body: receive(answer, self.max_answer_bytes).await? })
    }

    async fn sign(&self, http: &HttpClient, headers: &mut HeaderMap) -> Result<(), FetchError> {
        if let Some(token) = self.authorize.token(http).await? {
            let value = HeaderValue::try_from(format!("Bearer {token}"));
            let reason = "the token does not fit a header";
            let mut value = value.map_err(|_| FetchError::Credentials { reason, may_pass: true })?;
            value.set_sensitive(true);
            headers.insert(header::AUTHORIZATION, value);
        }
        Ok(())
    }
}

fn request(
    method: Method,
    url: &Url,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Request<Full<Bytes>>, FetchError> {
    let request = Request::builder().method(method).uri(url.as_str()).body(Full::from(body));
    let mut request = request.map_err(|_| FetchError::Unfit("has no place that can be asked"))?;
    *request.headers_mut() = headers;
    Ok(request)
}

impl FetchError {
    /// Whether the source is to blame, not the request.
    pub(crate) fn is_outage(&self) -> bool {
        match self {
            Self::Unreachable(_) => true,
            Self::Status { status, .. } => status.is_server_error(),
            Self::Credentials { may_pass, .. } => *may_pass,
            Self::LeftAlone { .. } | Self::AddressRefused | Self::TooLarge { .. } | Self::Unfit(_) => false,
        }
    }
}

/// Reads an answer up to `limit` bytes; the caller limits the time.
pub(super) async fn receive(answer: Response<Incoming>, limit: usize) -> Result<Bytes, FetchError> {
    let mut body = answer.into_body();
    if usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX) > limit {
        return Err(FetchError::TooLarge { limit });
    }
    let mut whole = BytesMut::new();
    while let Some(chunk) = next_chunk(&mut body).await? {
        if whole.len() + chunk.len() > limit {
            return Err(FetchError::TooLarge { limit });
        }
        whole.extend_from_slice(&chunk);
    }
    Ok(whole.freeze())
}

/// The next bytes of a body; `None` at its end.
pub(super) async fn next_chunk(body: &mut Incoming) -> Result<Option<Bytes>, FetchError> {
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| FetchError::Unreachable("broke off its answer"))?;
        if let Ok(chunk) = frame.into_data() {
            return Ok(Some(chunk));
        }
    }
    Ok(None)
}

/// Reads a resource strictly and checks what it says it is.
fn resource(body: &[u8], kind: &'static str, id: Option<&str>) -> Result<Map<String, Value>, FetchError> {
    let resource = body::parse_object(body).map_err(|_| FetchError::Unfit("is not strict JSON"))?;
    if resource.get("resourceType").and_then(Value::as_str) != Some(kind) {
        return Err(FetchError::Unfit("is a resource of another type"));
    }
    if id.is_some_and(|id| resource.get("id").and_then(Value::as_str) != Some(id)) {
        return Err(FetchError::Unfit("is a resource with another id"));
    }
    Ok(resource)
}

/// HTTP/1.1 with TLS, to addresses that were looked at.
pub(super) type HttpClient = legacy::Client<HttpsConnector<HttpConnector<CheckedResolver>>, Full<Bytes>>;

/// The HTTP client, made anew when a TLS file changes.
#[derive(Debug)]
pub(super) struct Http {
    tls: ClientTls,
    resolver: CheckedResolver,
    made: Mutex<(Arc<ClientFiles>, HttpClient)>,
}

impl Http {
    pub(super) fn new(tls: ClientTls, lookup: Arc<dyn Lookup>, allowed: &[IpAddr]) -> Self {
        let resolver = CheckedResolver { lookup, allowed: allowed.into() };
        let files = tls.files().current();
        let client = client(&files, resolver.clone());
        Self { tls, resolver, made: Mutex::new((files, client)) }
    }

    pub(super) fn current(&self) -> Result<HttpClient, FetchError> {
        // Files that cannot be read leave the old ones in use; the reloader says so.
        drop(self.tls.files().reload_if_changed());
        let files = self.tls.files().current();
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if !Arc::ptr_eq(&made.0, &files) {
            *made = (Arc::clone(&files), client(&files, self.resolver.clone()));
        }
        Ok(made.1.clone())
    }
}

fn client(files: &ClientFiles, resolver: CheckedResolver) -> HttpClient {
    let mut connector = HttpConnector::new_with_resolver(resolver);
    connector.enforce_http(false);
    connector.set_connect_timeout(Some(CONNECT));
    connector.set_nodelay(true);
    let tls = rustls::ClientConfig::clone(files.config());
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http()
        .enable_http1()
        .wrap_connector(connector);
    legacy::Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE)
        .build(connector)
}

/// Finds the addresses of a name.
pub(super) trait Lookup: std::fmt::Debug + Send + Sync {
    fn lookup(&self, name: String) -> Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;
}

/// The system's resolver.
#[derive(Debug)]
pub(super) struct SystemResolver;

impl Lookup for SystemResolver {
    fn lookup(&self, name: String) -> Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>> {
        Box::pin(async move {
            Ok(tokio::net::lookup_host((name, 0)).await?.map(|address| address.ip()).collect())
        })
    }
}

/// Gives the addresses of a name that may be connected to.
#[derive(Clone, Debug)]
pub(super) struct CheckedResolver {
    lookup: Arc<dyn Lookup>,
    allowed: Arc<[IpAddr]>,
}

type Resolving = Result<std::vec::IntoIter<SocketAddr>, Box<dyn StdError + Send + Sync>>;

impl tower::Service<Name> for CheckedResolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = Box<dyn StdError + Send + Sync>;
    type Future = Pin<Box<dyn Future<Output = Resolving> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let found = self.lookup.lookup(name.as_str().to_owned());
        let allowed = Arc::clone(&self.allowed);
        Box::pin(async move {
            let mut addresses = found.await?;
            addresses.retain(|address| may_connect(*address, &allowed));
            if addresses.is_empty() {
                return Err(NoAddress.into());
            }
            let addresses: Vec<_> =
                addresses.into_iter().map(|address| SocketAddr::new(address, 0)).collect();
            Ok(addresses.into_iter())
        })
    }
}

/// Marks the refusal within the errors of the HTTP client.
#[derive(Debug, thiserror::Error)]
#[error("no address that may be connected to")]
struct NoAddress;

/// What to say of a failed exchange: never its text, which may hold the URL.
pub(super) fn unreachable(error: &legacy::Error) -> FetchError {
    let mut source: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(inner) = source {
        if inner.is::<NoAddress>() {
            return FetchError::AddressRefused;
        }
        let within = inner.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if within.is_some_and(|within| within.is::<rustls::Error>()) {
            return FetchError::Unreachable("has no TLS connection with us");
        }
        source = inner.source();
    }
    FetchError::Unreachable(if error.is_connect() {
        "cannot be connected to"
    } else {
        "broke off its answer"
    })
}

/// `Retry-After` in seconds; dates are not worth their code.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(LONGEST_WAIT))
}

const FHIR_JSON: &str = "application/fhir+json";
const CONNECT: Duration = Duration::from_secs(5);
const IDLE: Duration = Duration::from_secs(30);
const LONGEST_WAIT: Duration = Duration::from_secs(600);

#[cfg(test)]
mod tests {
    use credentials::ClientTlsConfig;

    use super::*;

    /// Knows one name.
    #[derive(Debug)]
    struct OneName(&'static str);

    impl Lookup for OneName {
        fn lookup(&self, _: String) -> Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>> {
            let address = self.0.parse().unwrap();
            Box::pin(async move { Ok(vec![address]) })
        }
    }

    async fn connect(address: &'static str, allowed: &[IpAddr]) -> FetchError {
        let tls = ClientTlsConfig { enabled: true, ..ClientTlsConfig::default() };
        let tls = ClientTls::new(&tls, "fhir.example").unwrap();
        let http = Http::new(tls, Arc::new(OneName(address)), allowed).current().unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let request = http.get(format!("http://fhir.example:{port}/").parse().unwrap());
        tokio::select! {
            answer = request => unreachable(&answer.unwrap_err()),
            accepted = listener.accept() => {
                drop(accepted.unwrap());
                FetchError::Unreachable("was connected to")
            }
        }
    }

    #[tokio::test]
    async fn a_name_that_leads_to_a_private_address_is_not_connected_to() {
        for address in ["127.0.0.1", "169.254.169.254", "10.0.0.1", "fd00:ec2::254", "::1", "0.0.0.0"] {
            assert_eq!(connect(address, &[]).await, FetchError::AddressRefused, "{address}");
        }
        let allowed = ["127.0.0.1".parse().unwrap()];
        let connected = connect("127.0.0.1", &allowed).await;
        assert_eq!(connected, FetchError::Unreachable("was connected to"), "it was written down");
        assert_eq!(connect("127.0.0.2", &allowed).await, FetchError::AddressRefused, "that very address");
    }
}
