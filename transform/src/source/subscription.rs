//! Our Subscription on a source: made or refreshed at start, watched ever after, never in anybody's way.

use std::sync::Arc;

use axum::http::{Method, StatusCode};
use message_store::StoreError;
use serde_json::{Map, Value, json};
use url::Url;

use super::{Source, client::FetchError, config::SubscriptionConfig, desk::Desk, outcome::backoff};

/// How the Subscription is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum State {
    /// Not looked at yet.
    #[default]
    Unknown,
    /// What the source says: `requested`, `active`, `error` or `off`.
    Status(&'static str),
    /// The source could not be asked, or does not do it.
    Failed(String),
}

/// Keeps it, until the process ends.
pub(super) async fn keep(source: Arc<Source>, desk: Arc<Desk>, config: SubscriptionConfig) {
    let mut failures = 0;
    loop {
        let state = match ensure(&source, &config).await {
            Ok(state) => state,
            Err(error) => State::Failed(error.to_string()),
        };
        let active = state == State::Status("active");
        if source.subscription() != Some(state.clone()) {
            match &state {
                State::Status("active") => {
                    tracing::info!(source = source.name(), "the subscription is active");
                }
                state => tracing::warn!(source = source.name(), ?state, "the subscription is not active"),
            }
        }
        source.set_subscription(state);
        let wait = if active {
            failures = 0;
            trigger(&source, &desk, &config).await;
            config.check_every
        } else {
            failures += 1;
            backoff(failures).min(config.check_every)
        };
        tokio::time::sleep(wait).await;
    }
}

/// Writes the Subscription where it is missing, different or broken; then waits for what becomes of it.
async fn ensure(source: &Source, config: &SubscriptionConfig) -> Result<State, FetchError> {
    let (url, wanted) = (place(source, config), resource(config).await?);
    let there = match source.client().resource(url.clone(), "Subscription", None).await {
        Ok(there) => Some(there),
        Err(FetchError::Status { status: StatusCode::NOT_FOUND | StatusCode::GONE, .. }) => None,
        Err(error) => return Err(error),
    };
    if let Some(there) = &there
        && same(there, &wanted)
        && matches!(status(there), "active" | "requested")
    {
        return Ok(State::Status(status(there)));
    }
    source.client().send(Method::PUT, url.clone(), Some(&wanted)).await?;
    let mut state = "requested";
    for round in 0..ROUNDS {
        state = status(&source.client().resource(url.clone(), "Subscription", None).await?);
        if state != "requested" {
            break;
        }
        tokio::time::sleep(backoff(round)).await;
    }
    Ok(State::Status(state))
}

/// Asks once for all there is, where that is wanted and offered.
async fn trigger(source: &Source, desk: &Desk, config: &SubscriptionConfig) {
    let Some(id) = config.resource_id().filter(|_| config.trigger_history) else { return };
    let first = match desk.jobs().trigger_once(source.name(), &id).await {
        Ok(first) => first,
        Err(error) => return log(&error),
    };
    if !first {
        return;
    }
    let url = source.client().base().below(&["Subscription", &id, "$trigger-subscription"]);
    let search = json!({ "name": "searchUrl", "valueString": config.criteria });
    let body = json!({ "resourceType": "Parameters", "parameter": [search] });
    match source.client().send(Method::POST, url, Some(&body)).await {
        Ok(_) => tracing::info!(source = source.name(), "the source sends its history"),
        Err(error) if error.is_outage() || matches!(error, FetchError::LeftAlone { .. }) => {
            if let Err(error) = desk.jobs().not_triggered(source.name(), &id).await {
                log(&error);
            }
        }
        Err(error) => {
            tracing::warn!(source = source.name(), %error, "the source does not send its history: {error}");
        }
    }
}

fn log(error: &StoreError) {
    tracing::warn!(%error, "what was asked of a source cannot be noted: {error}");
}

fn place(source: &Source, config: &SubscriptionConfig) -> Url {
    let id = config.resource_id().unwrap_or_default();
    source.client().base().below(&["Subscription", &id])
}

/// FHIR R4 Subscription, rest-hook.
async fn resource(config: &SubscriptionConfig) -> Result<Value, FetchError> {
    let mut channel = json!({ "type": "rest-hook", "endpoint": config.endpoint });
    if !config.payload.is_empty() {
        channel["payload"] = json!(config.payload);
    }
    if let Some(path) = &config.headers_file {
        let lines = tokio::fs::read_to_string(path).await.map_err(|_| FetchError::Credentials {
            reason: "the headers file cannot be read",
            may_pass: true,
        })?;
        let lines: Vec<_> = lines.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        channel["header"] = json!(lines);
    }
    if config.send_deletes {
        channel["extension"] = json!([{ "url": SEND_DELETES, "valueBoolean": true }]);
    }
    Ok(json!({
        "resourceType": "Subscription",
        "id": config.resource_id(),
        "status": "requested",
        "reason": "adt-bridge: Patient changes as HL7 v2 ADT messages",
        "criteria": config.criteria,
        "channel": channel,
    }))
}

/// Whether what we ask for is there. A server may add to it, and may hide header lines.
fn same(there: &Map<String, Value>, wanted: &Value) -> bool {
    let channel = |name: &str| {
        let found = there.get("channel").and_then(|channel| channel.get(name));
        found == wanted["channel"].get(name) || (name == "header" && found.is_none())
    };
    there.get("criteria") == wanted.get("criteria")
        && ["endpoint", "payload", "header"].into_iter().all(channel)
}

/// As a code of ours: a server may say anything.
fn status(subscription: &Map<String, Value>) -> &'static str {
    match subscription.get("status").and_then(Value::as_str) {
        Some("requested") => "requested",
        Some("active") => "active",
        Some("off") => "off",
        _ => "error",
    }
}

impl State {
    /// For `/readyz?verbose`.
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Unknown => "unknown",
            Self::Status(status) => status,
            Self::Failed(reason) => reason,
        }
    }
}

const ROUNDS: u32 = 5;
/// HAPI FHIR and Smile CDR; an extension of the channel, not of the Subscription.
const SEND_DELETES: &str = "http://hapifhir.io/fhir/StructureDefinition/subscription-send-delete-messages";
