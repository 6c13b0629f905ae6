//! HTTP on a listener: limits, one log line per request, and the way out.

use std::{any::Any, convert::Infallible, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, header},
    middleware,
    response::Response,
    routing::get,
};
use credentials::{CertificateInfo, POLL_INTERVAL, ServerTls};
use futures::FutureExt as _;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use service::{
    health::Health,
    traces::{Kind, Span},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt as _;
use tracing::Instrument;

use crate::{
    HookConfig,
    audit::Caller,
    auth::PeerCertificate,
    error::HookError,
    gate::{self, Gate},
    hook::Hook,
    negotiate, openapi,
    routes::{self, Surface},
};

/// Serves until `shutdown`; then refuses, finishes and returns.
pub(crate) async fn serve(
    hook: Arc<Hook>,
    gate: Arc<Gate>,
    tls: Option<ServerTls>,
    config: &HookConfig,
    listener: TcpListener,
    shutdown: CancellationToken,
) {
    let site = Arc::new(Site::new(Arc::clone(&hook), Arc::clone(&gate)));
    let limit = Arc::new(Semaphore::new(config.max_connections));
    let connections = TaskTracker::new();
    connections.spawn(gate.watch(shutdown.clone()));
    {
        let (hook, shutdown) = (Arc::clone(&hook), shutdown.clone());
        connections.spawn(async move { hook.watch_mapping(shutdown).await });
    }
    if let Some(tls) = tls.clone() {
        let shutdown = shutdown.clone();
        connections.spawn(async move { tls.files().watch(POLL_INTERVAL, shutdown).await });
    }
    let drain = CancellationToken::new();
    let abandon = CancellationToken::new();
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = accept(&listener, &limit) => accepted,
        };
        let (stream, permit) = accepted;
        let connection = Connection {
            site: Arc::clone(&site),
            tls: tls.clone(),
            certificate: None,
            idle: config.idle_timeout,
            drain: drain.clone(),
        };
        let abandon = abandon.clone();
        connections.spawn(async move {
            let _permit = permit;
            tokio::select! {
                () = connection.serve(stream) => {}
                () = abandon.cancelled() => {}
            }
        });
    }

    hook.begin_drain();
    drop(listener);
    drain.cancel();
    connections.close();
    if tokio::time::timeout(config.drain_timeout, connections.wait()).await.is_err() {
        tracing::warn!(connections = connections.len(), "closing connections that are not done");
        abandon.cancel();
        connections.wait().await;
    }
    hook.settled().await;
}

/// Waits for a connection, once there is room for one. Errors (too many open files, a peer that went away) back off.
async fn accept(listener: &TcpListener, limit: &Arc<Semaphore>) -> (TcpStream, Option<OwnedSemaphorePermit>) {
    let permit = Arc::clone(limit).acquire_owned().await.ok();
    let mut pause = Duration::from_millis(5);
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return (stream, permit),
            Err(error) => {
                tracing::warn!(%error, "cannot accept: {error}");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(1));
            }
        }
    }
}

struct Connection {
    site: Arc<Site>,
    tls: Option<ServerTls>,
    certificate: Option<PeerCertificate>,
    idle: Duration,
    drain: CancellationToken,
}

impl Connection {
    async fn serve(mut self, stream: TcpStream) {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "cannot set TCP_NODELAY: {error}");
        }
        let Some(tls) = self.tls.take() else { return self.serve_http(stream).await };
        let acceptor = TlsAcceptor::from(Arc::clone(tls.files().current().config()));
        match tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => {
                let chain = stream.get_ref().1.peer_certificates();
                let certificate = chain.and_then(<[_]>::first).and_then(CertificateInfo::from_der);
                self.certificate = certificate.map(|certificate| PeerCertificate(Arc::new(certificate)));
                self.serve_http(stream).await;
            }
            Ok(Err(error)) => tracing::info!(%error, "TLS handshake failed: {error}"),
            Err(_) => tracing::info!("TLS handshake did not finish in time"),
        }
    }

    async fn serve_http(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let service = service_fn(|request: hyper::Request<Incoming>| {
            let site = Arc::clone(&self.site);
            let mut request = request.map(Body::new);
            if let Some(certificate) = &self.certificate {
                request.extensions_mut().insert(certificate.clone());
            }
            async move { Ok::<_, Infallible>(site.answer(request).await) }
        });
        let mut connection = std::pin::pin!(
            http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(self.idle)
                .max_buf_size(MAX_HEAD_BYTES)
                .max_header_size(MAX_HEAD_BYTES)
                .serve_connection(TokioIo::new(stream), service)
        );
        let result = tokio::select! {
            result = connection.as_mut() => result,
            () = self.drain.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = result {
            tracing::debug!(%error, "connection ended: {error}");
        }
    }
}

/// What every connection serves.
struct Site {
    hook: Arc<Hook>,
    gate: Arc<Gate>,
    router: Router,
}

impl Site {
    fn new(hook: Arc<Hook>, gate: Arc<Gate>) -> Self {
        let router = router(Arc::clone(&hook), Arc::clone(&gate));
        Self { hook, gate, router }
    }

    /// One line per request: the pattern of its path, never the path.
    async fn answer(&self, mut request: Request) -> Response {
        let Self { hook, gate, .. } = self;
        let started = Instant::now();
        let verb = request.method().clone();
        let (method, route) = (method(&request), routes::pattern(hook.base(), request.uri().path()));
        let mut trace = trace(method, route, request.headers());
        // What is done for this request goes below our span where there is one, else below the caller's.
        let own = trace.as_ref().and_then(Span::traceparent);
        let traceparent = own.unwrap_or_else(|| negotiate::traceparent(request.headers()));
        let trace_id = negotiate::trace_id(&traceparent).to_owned();
        let span = tracing::info_span!("request", trace_id, http.method = method, http.route = route);
        let caller = gate.asks().then(Caller::default);
        if let Some(caller) = &caller {
            request.extensions_mut().insert(caller.clone());
        }
        if let Ok(value) = traceparent.parse() {
            request.headers_mut().insert("traceparent", value);
        }
        let answered = AssertUnwindSafe(self.route(route, request)).catch_unwind().instrument(span.clone());
        let response = answered.await.unwrap_or_else(panicked);
        let duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        if !OPERATIONAL.contains(&route) {
            hook.metrics().request(&verb, response.status(), started.elapsed());
        }
        if let Some(trace) = &mut trace {
            trace.set("http.response.status_code", u32::from(response.status().as_u16()));
            if response.status().is_server_error() {
                trace.fail("server_error");
            }
        }
        let closes = response.headers().contains_key(header::CONNECTION);
        span.in_scope(|| {
            tracing::info!(http.status = response.status().as_u16(), duration_ms, closes, "answered");
            if let Some(caller) = &caller {
                caller.record(method, route, response.status().as_u16(), &trace_id);
            }
        });
        response
    }

    async fn route(&self, route: &'static str, request: Request) -> Response {
        if OPERATIONAL.contains(&route) || route == openapi::PATH {
            return self.router.clone().oneshot(request).await.unwrap_or_else(|never| match never {});
        }
        // The hook's: its way does not lead through the router, which would come to the same and costs more than it.
        self.gate.guard(request, |request| self.hook.handle(request)).await
    }
}

/// Health with and without the base path; everything else is the hook's.
fn router(hook: Arc<Hook>, gate: Arc<Gate>) -> Router {
    let (queue, store, draining) =
        (Arc::clone(hook.queue()), Arc::clone(hook.shared_store()), Arc::clone(&hook));
    let health = Health::new()
        .check("queue", move || {
            let queue = Arc::clone(&queue);
            async move { queue.ready().await }
        })
        .check("store", move || {
            let store = Arc::clone(&store);
            async move { store.ready().await }
        })
        .check("serving", move || {
            let draining = draining.is_draining();
            async move { if draining { Err("draining") } else { Ok(()) } }
        });
    let sources = hook.sources().clone();
    let health = health.detail("sources", move || sources.state());
    #[cfg(feature = "planted-leaks")]
    let health = health.detail("planted", crate::planted::detail);
    let health = health.measured();
    let base = hook.base();
    let mut behind_the_gate = Router::new().route(openapi::PATH, get(openapi::document));
    if !base.is_empty() {
        behind_the_gate = behind_the_gate.route(&format!("{base}{}", openapi::PATH), get(openapi::document));
    }
    let mut router = behind_the_gate
        .fallback(handle)
        .with_state(Arc::clone(&hook))
        .layer(middleware::from_fn_with_state(gate, gate::gate))
        .merge(health.clone().router());
    if !base.is_empty() {
        router = router.nest(base, health.router());
    }
    router
}

async fn handle(State(hook): State<Arc<Hook>>, request: Request) -> Response {
    hook.handle(request).await
}

/// What the panic said stays unsaid: it may hold anything.
fn panicked(_: Box<dyn Any + Send>) -> Response {
    let trace = format!("{:032x}", rand::random::<u128>());
    tracing::error!(trace_id = trace, "a request panicked");
    HookError::Internal { trace, reason: "a request panicked" }.respond(Surface::Fhir)
}

/// The span of a request, below its caller's. None for those that only ask how we are.
fn trace(method: &'static str, route: &'static str, headers: &HeaderMap) -> Option<Span> {
    if OPERATIONAL.contains(&route) {
        return None;
    }
    let mut span =
        Span::begin(Kind::Server, format_args!("{method} {route}"), negotiate::given_traceparent(headers));
    span.set("http.request.method", if method == "other" { "_OTHER" } else { method });
    span.set("http.route", route);
    Some(span)
}

/// A method of the standard by name; any other one is text of the client.
fn method(request: &Request) -> &'static str {
    const KNOWN: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT"];
    KNOWN.into_iter().find(|known| request.method() == *known).unwrap_or("other")
}

/// Asked by machines all day long: no requests to speak of.
const OPERATIONAL: [&str; 3] = ["/livez", "/metrics", "/readyz"];
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
const MAX_HEAD_BYTES: usize = 64 * 1024;
