//! The JSON API, `/api/v1`, and the pages beside it. `pages/openapi.json` describes it.

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, Request};
use axum::http::HeaderValue;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Extension, Router};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::Inspector;
use crate::access::{self, Access};
use crate::pages;
use crate::problem::Problem;

mod asked;
mod events;
mod faults;
mod messages;
mod pipeline;
mod session;
mod shown;

pub use pipeline::pipeline_routes;

type Shared = axum::extract::State<Arc<Inspector>>;
type Answer<T> = Result<T, Problem>;

/// Everything below `/`.
pub(crate) fn router(inspector: Arc<Inspector>, changes: TaskTracker, shutdown: CancellationToken) -> Router {
    let access = Arc::new(inspector.access.clone());
    let api = Router::new()
        .route("/api/v1/session", get(session::session))
        .route("/api/v1/overview", get(session::overview))
        .route("/api/v1/messages", get(messages::list))
        .route("/api/v1/messages/{id}", get(messages::one))
        .route("/api/v1/messages/{id}/raw", get(messages::raw))
        .route("/api/v1/messages/{id}/explain", get(messages::explain))
        .route("/api/v1/messages/{id}/fhir", get(messages::fhir))
        .route("/api/v1/messages/{id}/ack", get(messages::acknowledgment))
        .route("/api/v1/messages/{id}/timeline", get(messages::timeline))
        .route("/api/v1/messages/{id}/changes", get(messages::changes))
        .route("/api/v1/messages/{id}/test-case", get(messages::test_case))
        .route("/api/v1/messages/{id}/resend", post(pipeline::resend))
        .route("/api/v1/events", get(events::events))
        .route("/api/v1/faults", get(faults::state).put(faults::replace).delete(faults::clear))
        .route("/api/v1/playground", post(messages::playground))
        .route("/api/v1/openapi.json", get(pages::openapi))
        .with_state(Arc::clone(&inspector))
        .merge(pipeline::routes(Arc::clone(&inspector)))
        .layer(DefaultBodyLimit::max(MOST_BODY_BYTES))
        .layer(Extension(changes))
        .layer(Extension(shutdown))
        .layer(middleware::from_fn(no_store))
        .layer(middleware::from_fn_with_state(access, access::check));
    let pages = pages::routes().layer(middleware::from_fn(access::check_local));
    api.merge(pages).fallback(not_found).layer(middleware::from_fn(guard))
}

async fn not_found() -> Problem {
    Problem::not_found("there is nothing at this address")
}

/// Every answer says that nothing else may be loaded, framed or guessed.
async fn guard(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let fixed = [
        (CONTENT_SECURITY_POLICY, CSP),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        (REFERRER_POLICY, "no-referrer"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert("cross-origin-opener-policy", HeaderValue::from_static("same-origin"));
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
    response
}

async fn no_store(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The same rule for a router that stands alone.
pub(crate) fn guarded(router: Router, access: Access) -> Router {
    router
        .fallback(not_found)
        .layer(middleware::from_fn(no_store))
        .layer(middleware::from_fn_with_state(Arc::new(access), access::check))
        .layer(middleware::from_fn(guard))
}

/// Scripts and styles are files of ours; text gets into a page as text only.
const CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                   base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
                   trusted-types 'none'";
/// Of a Patient or message in the playground.
const MOST_BODY_BYTES: usize = 4 * 1024 * 1024;
