//! Fault control over HTTP, for tests on the same machine.
//!
//! | Request | Answer |
//! |---|---|
//! | `GET /received?group=HASH` | the messages that came, with what became of them |
//! | `GET /faults` | the faults that were injected |
//! | `PUT /scenario`, body TOML | 204, or 400 with the reason |
//! | `DELETE /scenario` | 204: no faults any more |

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{StatusCode, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, put};
use axum::{Json, Router};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::Control;

pub(crate) async fn serve(listener: TcpListener, control: Arc<Control>, shutdown: CancellationToken) {
    let serving = async { axum::serve(listener, router(control)).await };
    if let Some(Err(error)) = shutdown.run_until_cancelled(serving).await {
        tracing::error!(%error, "fault control over HTTP ended");
    }
}

fn router(control: Arc<Control>) -> Router {
    Router::new()
        .route("/received", get(received))
        .route("/faults", get(faults))
        .route("/scenario", put(replace).delete(clear))
        .layer(middleware::from_fn(local_only))
        .with_state(control)
}

async fn received(State(control): State<Arc<Control>>, uri: Uri) -> Response {
    let pairs = uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
    let mut group = None;
    for pair in pairs {
        match pair.split_once('=') {
            Some(("group", value)) => group = Some(value),
            _ => return (StatusCode::BAD_REQUEST, "the only parameter is group\n").into_response(),
        }
    }
    Json(control.journal(|journal| journal.received(group))).into_response()
}

async fn faults(State(control): State<Arc<Control>>) -> Response {
    Json(control.journal(|journal| journal.faults())).into_response()
}

async fn replace(State(control): State<Arc<Control>>, body: String) -> Response {
    match control.replace(&body) {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => (StatusCode::BAD_REQUEST, format!("{error}\n")).into_response(),
    }
}

async fn clear(State(control): State<Arc<Control>>) -> Response {
    match control.replace("") {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// A web page whose name was made to point here must not reach this: its requests carry its own name.
async fn local_only(request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let host = host.rsplit_once(':').filter(|(_, port)| !port.ends_with(']')).map_or(host, |(host, _)| host);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    if host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback()) {
        next.run(request).await
    } else {
        (StatusCode::FORBIDDEN, "only for this machine\n").into_response()
    }
}
