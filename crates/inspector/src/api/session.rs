//! What a page needs to know first, and the strip on each page.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use serde_json::{Value, json};
use std::sync::atomic::Ordering;

use super::{Answer, Shared};
use crate::access::Reading;

/// What this server can do, and whether the caller may.
pub(super) async fn session(State(inspector): Shared, headers: HeaderMap) -> Json<Value> {
    Json(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "mask": inspector.mask,
        "token": inspector.access.knows_token(&headers),
        "reading": match inspector.access.reading() { Reading::Open => "open", Reading::Token => "token" },
        "pipeline": inspector.pipeline().is_ok(),
        "faults": inspector.faults().is_ok(),
    }))
}

/// The pipeline in numbers: no values of patients.
pub(super) async fn overview(State(inspector): Shared) -> Answer<Json<Value>> {
    let counts = inspector.index.counts()?;
    let total: i64 = counts.iter().map(|(_, count)| count).sum();
    let states: serde_json::Map<String, Value> =
        counts.into_iter().map(|(state, count)| (state, count.into())).collect();
    let (queue, endpoint) = match inspector.pipeline() {
        Ok(pipeline) => (pipeline.status().await.ok(), Some(pipeline.endpoint())),
        Err(_) => (None, None),
    };
    let faults = inspector.faults().ok().map(|faults| faults.state());
    let (last, _) = inspector.index.last_step()?;
    Ok(Json(json!({
        "messages": total,
        "states": states,
        "queue": queue,
        "endpoint": endpoint,
        "faults_active": faults.is_some_and(|faults| !faults.scenario.trim().is_empty()),
        "complete": inspector.complete.load(Ordering::Relaxed),
        "step": format!("{}-{last}", inspector.epoch),
    })))
}
