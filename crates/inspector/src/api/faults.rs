//! Fault control of the test server.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use super::{Answer, Shared};
use crate::faults::FaultsState;
use crate::problem::Problem;

pub(super) async fn state(State(inspector): Shared) -> Answer<Json<FaultsState>> {
    Ok(Json(inspector.faults()?.state()))
}

/// The body is a scenario in TOML.
pub(super) async fn replace(State(inspector): Shared, scenario: String) -> Answer<Json<FaultsState>> {
    let faults = inspector.faults()?;
    faults.replace(&scenario).map_err(|reason| Problem::new(StatusCode::BAD_REQUEST, "scenario", reason))?;
    tracing::warn!("an operator put a fault scenario in force");
    Ok(Json(faults.state()))
}

pub(super) async fn clear(State(inspector): Shared) -> Answer<StatusCode> {
    let faults = inspector.faults()?;
    faults
        .replace("")
        .map_err(|reason| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "scenario", reason))?;
    tracing::info!("an operator ended the faults");
    Ok(StatusCode::NO_CONTENT)
}
