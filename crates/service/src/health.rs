//! `/livez` and `/readyz`, as load balancers and schedulers ask for them, and `/metrics` beside them.
//!
//! Alive means that the process answers. Ready means that every named check passes *for the role of this
//! process*: a peer that is down must not take our own process out of service.
//!
//! A container asks with the `health` command of its own binary ([`Question`]); a service that serves nothing else
//! over HTTP answers it on the address of its `[health]` section ([`Config`]).

use std::{
    collections::BTreeMap,
    fmt,
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{
    Json, Router,
    extract::{RawQuery, State},
    http::StatusCode,
    routing::get,
};
use instruments::{Family, Gauge};

use crate::metrics;

mod ask;
mod listener;

pub use ask::{AskError, Question, Status, ask};
pub use listener::{Config, MANUAL};

/// The named checks behind `/readyz`.
#[derive(Clone, Default)]
pub struct Health {
    checks: Arc<Vec<Check>>,
    details: Arc<Vec<Detail>>,
}

/// What `?verbose` tells beside the checks.
struct Detail {
    name: &'static str,
    tell: Box<dyn Fn() -> serde_json::Value + Send + Sync>,
}

/// Tells something of a peer in `/readyz?verbose` of this process, wherever that is served: a state, in a few words. The
/// same name again takes the place of the first. It does not decide whether the process is ready.
pub fn tell(name: &'static str, state: impl Fn() -> String + Send + Sync + 'static) {
    PEERS.lock().unwrap_or_else(PoisonError::into_inner).insert(name, Box::new(state));
}

/// One for a process, as its peers are.
static PEERS: Mutex<BTreeMap<&'static str, Peer>> = Mutex::new(BTreeMap::new());
type Peer = Box<dyn Fn() -> String + Send + Sync>;

struct Check {
    name: &'static str,
    run: Box<dyn Fn() -> CheckFuture + Send + Sync>,
    /// At the last look, so that a change is logged once.
    passed: AtomicBool,
}

type CheckFuture = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;

impl Health {
    /// Without checks: ready as soon as it answers.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a check. An error counts as not ready, and so does a check that takes longer than two seconds. The log tells
    /// when a check begins to fail, and when it passes again.
    ///
    /// # Panics
    /// Never: checks are added before the router is shared.
    #[must_use]
    pub fn check<F, Fut, E>(self, name: &'static str, run: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: fmt::Display,
    {
        let boxed = move || -> CheckFuture {
            let check = run();
            Box::pin(async move {
                match tokio::time::timeout(CHECK_TIMEOUT, check).await {
                    Ok(result) => result.map_err(|error| error.to_string()),
                    Err(_) => Err("no answer within two seconds".to_owned()),
                }
            })
        };
        let mut checks = Arc::into_inner(self.checks).unwrap_or_default();
        checks.push(Check { name, run: Box::new(boxed), passed: AtomicBool::new(true) });
        Self { checks: Arc::new(checks), ..self }
    }

    /// Adds something to `/readyz?verbose` that does not decide whether the process is ready: the state of a peer,
    /// counts. Nothing that names a person.
    #[must_use]
    pub fn detail(
        self,
        name: &'static str,
        tell: impl Fn() -> serde_json::Value + Send + Sync + 'static,
    ) -> Self {
        let mut details = Arc::into_inner(self.details).unwrap_or_default();
        details.push(Detail { name, tell: Box::new(tell) });
        Self { details: Arc::new(details), ..self }
    }

    /// Routes `/livez` (200 always), `/readyz` (200 or 503, the body lists the checks; `?verbose` adds the details) and
    /// `/metrics`.
    pub fn router(self) -> Router {
        Router::new()
            .route("/livez", get(|| async { "alive\n" }))
            .route("/readyz", get(ready))
            .route("/metrics", get(metrics::page))
            .with_state(self)
    }

    /// Has the checks run when the metrics of this process are read, and their results told there.
    #[must_use]
    pub fn measured(self) -> Self {
        let (health, gauges) = (self.clone(), Arc::new(metrics::READY.gauges()));
        metrics::when_read("health", move || {
            let (health, gauges) = (health.clone(), Arc::clone(&gauges));
            async move { health.measure(&gauges).await }
        });
        self
    }

    async fn measure(&self, gauges: &Family<Gauge>) {
        for check in self.checks.iter() {
            let passed = check.passes().await;
            gauges.with([check.name]).set(if passed { 1.0 } else { 0.0 });
        }
    }
}

impl Check {
    async fn passes(&self) -> bool {
        let (name, result) = (self.name, (self.run)().await);
        let passed = result.is_ok();
        match (self.passed.swap(passed, Ordering::Relaxed), result) {
            (true, Err(error)) => tracing::warn!(check = name, error, "not ready: {name}"),
            (false, Ok(())) => tracing::info!(check = name, "ready again: {name}"),
            (true, Ok(())) | (false, Err(_)) => {}
        }
        passed
    }
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.checks.iter().map(|check| check.name)).finish()
    }
}

async fn ready(
    State(health): State<Health>,
    RawQuery(query): RawQuery,
) -> (StatusCode, Json<serde_json::Value>) {
    let mut results = serde_json::Map::new();
    let mut all = true;
    for check in health.checks.iter() {
        let passed = check.passes().await;
        all &= passed;
        results.insert(check.name.to_owned(), if passed { "ok" } else { "failed" }.into());
    }
    let status = if all { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let mut answer = serde_json::json!({ "ready": all, "checks": results });
    let verbose = query.is_some_and(|query| query.split('&').any(|name| name.starts_with("verbose")));
    if verbose {
        for detail in health.details.iter() {
            answer[detail.name] = (detail.tell)();
        }
        for (name, state) in PEERS.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            answer[*name] = state().into();
        }
    }
    (status, Json(answer))
}

const CHECK_TIMEOUT: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use axum::{body::Body, http::Request};
    use tower::ServiceExt;

    use super::*;

    async fn ask(health: Health, path: &str) -> (StatusCode, String) {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = health.router().oneshot(request).await.unwrap();
        let status = response.status();
        let body = axum::body::to_bytes(response.into_body(), 10_000).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn alive_even_when_not_ready() {
        let health = Health::new().check("queue", || async { Err("away") });
        assert_eq!(ask(health, "/livez").await.0, StatusCode::OK);
    }

    #[tokio::test]
    async fn ready_lists_each_check() {
        let health = Health::new()
            .check("queue", || async { Ok::<(), &str>(()) })
            .check("store", || async { Err("secret detail") });
        let (status, body) = ask(health, "/readyz").await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(body, r#"{"checks":{"queue":"ok","store":"failed"},"ready":false}"#);
    }

    #[tokio::test]
    async fn details_are_told_on_request_and_decide_nothing() {
        let health = Health::new().detail("sources", || serde_json::json!({ "main": "away" }));
        let (status, body) = ask(health.clone(), "/readyz").await;
        assert_eq!((status, body.as_str()), (StatusCode::OK, r#"{"checks":{},"ready":true}"#));
        let (status, body) = ask(health, "/readyz?verbose").await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(body, r#"{"checks":{},"ready":true,"sources":{"main":"away"}}"#);
    }

    #[tokio::test(start_paused = true)]
    async fn a_check_that_hangs_is_not_ready() {
        let health = Health::new().check("store", std::future::pending::<Result<(), &str>>);
        assert_eq!(ask(health, "/readyz").await.0, StatusCode::SERVICE_UNAVAILABLE);
    }
}
