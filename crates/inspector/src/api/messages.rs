//! Messages: listing and search, one of them, and every side of it.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use hl7v2::Text;
use serde::Deserialize;
use serde_json::{Value, json};

use super::asked::Asked;
use super::shown::{self, Shown};
use super::{Answer, Shared};
use crate::changes;
use crate::explain::{Explained, explain as explain_message};
use crate::index::{self, Row};
use crate::mask::{self, Pseudonyms};
use crate::playground::{Input, Output};
use crate::problem::Problem;
use crate::{Inspector, playground as trial, sources, summary};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Listed {
    #[serde(default)]
    q: String,
    before: Option<i64>,
    limit: Option<usize>,
    mask: Option<bool>,
}

/// Newest first; `q` searches.
pub(super) async fn list(
    State(inspector): Shared,
    Query(listed): Query<Listed>,
    headers: HeaderMap,
) -> Answer<Json<Value>> {
    let masked = Shown { mask: listed.mask }.masked(&inspector, &headers)?;
    let limit = listed.limit.unwrap_or(50).clamp(1, 500);
    let (step, _) = inspector.index.last_step()?;
    let epoch = inspector.epoch.clone();
    let query = index::Query::parse(&listed.q);
    let listing =
        blocking(&inspector, move |inspector| Ok(inspector.index.list(&query, listed.before, limit)?))
            .await?;
    let rows: Vec<Row> = listing.rows.into_iter().map(|row| shown::row(row, masked)).collect();
    // A client that follows the events from `step` on misses nothing of what came after this.
    Ok(Json(json!({ "messages": rows, "next": listing.next, "step": format!("{epoch}-{step}") })))
}

/// One message: its row, and its neighbours of the same patient.
pub(super) async fn one(State(inspector): Shared, Asked { row, masked }: Asked) -> Answer<Json<Value>> {
    let (previous, next) = inspector.index.neighbours(&row)?;
    let resendable = !row.queue_group.is_empty() && inspector.pipeline().is_ok();
    Ok(Json(json!({
        "message": shown::row(row, masked),
        "previous": previous.map(|row| shown::row(row, masked)),
        "next": next.map(|row| shown::row(row, masked)),
        "resendable": resendable,
    })))
}

/// Byte for byte as it came; with masking, text with dots.
pub(super) async fn raw(State(inspector): Shared, Asked { row, masked }: Asked) -> Answer<Response> {
    let body = inspector.body(&row).await?;
    let content = if masked { masked_text(&inspector, &body).into() } else { body };
    Ok(er7(content, &format!("{}.hl7", row.id)))
}

/// The last answer, as tokens and as text.
pub(super) async fn acknowledgment(
    State(inspector): Shared,
    Asked { row, masked }: Asked,
) -> Answer<Json<Value>> {
    let Some(bytes) = inspector.index.acknowledgment(row.seq)? else {
        return Err(Problem::not_found(
            "no answer is known: it was not given here, or before the inspector was there",
        ));
    };
    let explained = take_apart(&inspector, &bytes, masked);
    let text = match &explained {
        Some(explained) => explained.to_er7(),
        None if masked => mask::text(&String::from_utf8_lossy(&bytes)),
        None => String::from_utf8_lossy(&bytes).into_owned(),
    };
    Ok(Json(json!({ "er7": text, "explained": explained })))
}

/// Every value with its place, name, meaning and source.
pub(super) async fn explain(State(inspector): Shared, Asked { row, masked }: Asked) -> Answer<Response> {
    let body = inspector.body(&row).await?;
    let explained =
        blocking(&inspector, move |inspector| take_apart(inspector, &body, masked).ok_or_else(unreadable));
    Ok(Json(explained.await?).into_response())
}

/// What the message says, as a FHIR Patient.
pub(super) async fn fhir(State(inspector): Shared, Asked { row, masked }: Asked) -> Answer<Json<Value>> {
    let body = inspector.body(&row).await?;
    let text = summary::read(&body).map_err(|_| unreadable())?;
    let message = text.parse().map_err(|_| unreadable())?;
    let mut found = sources::find(&inspector.mapper, &inspector.destination, &text, &message);
    if masked && let Some(patient) = &mut found.patient {
        mask::resource(patient);
    }
    Ok(Json(json!({ "patient": found.patient, "reason": found.reason, "findings": found.findings })))
}

/// What happened to it, in order.
pub(super) async fn timeline(State(inspector): Shared, Path(id): Path<String>) -> Answer<Json<Value>> {
    let row = find(&inspector, &id)?;
    Ok(Json(json!({ "state": row.state, "steps": inspector.index.steps(row.seq)? })))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Compared {
    /// Another message; the previous one of the same patient when absent.
    with: Option<String>,
    /// Places that are not compared, such as `MSH-7,MSH-10`.
    ignore: Option<String>,
    mask: Option<bool>,
}

/// What changed since the previous message of the patient, or since another message.
pub(super) async fn changes(
    State(inspector): Shared,
    Path(id): Path<String>,
    Query(compared): Query<Compared>,
    headers: HeaderMap,
) -> Answer<Json<Value>> {
    let masked = Shown { mask: compared.mask }.masked(&inspector, &headers)?;
    let row = find(&inspector, &id)?;
    let other = match &compared.with {
        Some(other) => Some(find(&inspector, other)?),
        None => inspector.index.neighbours(&row)?.0,
    };
    let Some(other) = other else {
        return Err(Problem::not_found("there is no earlier message of this patient"));
    };
    let ignored = compared.ignore.map(|list| {
        list.split(',').map(|place| place.trim().to_owned()).filter(|place| !place.is_empty()).collect()
    });
    let ignored = ignored.unwrap_or_else(changes::always_different);
    let (before, after) = (inspector.body(&other).await?, inspector.body(&row).await?);
    let parts = |body: &Bytes, masked| take_apart(&inspector, body, masked).ok_or_else(unreadable);
    let (clear_before, clear_after) = (parts(&before, false)?, parts(&after, false)?);
    let (shown_before, shown_after) = (parts(&before, masked)?, parts(&after, masked)?);
    let changes = changes::compare(&clear_before, &clear_after, [&shown_before, &shown_after], &ignored);
    Ok(Json(json!({
        "before": shown::row(other, masked),
        "after": shown::row(row, masked),
        "changes": changes.changes,
        "unchanged": changes.unchanged,
        "ignored": changes.ignored,
    })))
}

/// The message with made-up values, the Patient it reads as, and how to run it: a bug report that names nobody.
pub(super) async fn test_case(State(inspector): Shared, Path(id): Path<String>) -> Answer<Response> {
    let row = find(&inspector, &id)?;
    let body = inspector.body(&row).await?;
    let mut explained = take_apart(&inspector, &body, false).ok_or_else(unreadable)?;
    Pseudonyms::new().message(&mut explained);
    let er7_text = explained.to_er7();
    let text = Text::from_text(&er7_text).map_err(|_| unreadable())?;
    let message = text.parse().map_err(|_| unreadable())?;
    let found = sources::find(&inspector.mapper, &inspector.destination, &text, &message);
    let case = json!({
        "about": "A masked message: values are made up, shapes and codes are those of the original.",
        "event": format!("{}^{}", row.kind, row.event),
        "message": er7_text,
        "patient": found.patient,
        "findings": found.findings,
        "run": "adt-bridge convert --to fhir FILE  (message)   adt-bridge convert --to er7 --format explain FILE  (patient)",
    });
    let content = serde_json::to_vec_pretty(&case).map_err(|_| unreadable())?;
    let mut response = content.into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    attach(&mut response, "test-case.json");
    Ok(response)
}

/// Converts what was typed; nothing of it is kept.
pub(super) async fn playground(State(inspector): Shared, Json(input): Json<Input>) -> Answer<Json<Output>> {
    Ok(Json(blocking(&inspector, move |inspector| trial::run(inspector, &input)).await?))
}

/// By its own id or by its control id.
pub(super) fn find(inspector: &Inspector, id: &str) -> Answer<Row> {
    let row = match inspector.index.row(id)? {
        Some(row) => Some(row),
        None => inspector.index.by_control_id(id)?,
    };
    row.ok_or_else(|| Problem::not_found("there is no such message"))
}

fn take_apart(inspector: &Inspector, body: &[u8], masked: bool) -> Option<Explained> {
    let text = summary::read(body).ok()?;
    let message = text.parse().ok()?;
    let found = sources::find(&inspector.mapper, &inspector.destination, &text, &message);
    let mut explained = explain_message(&text, &message, &inspector.dictionary, &found.sources);
    if masked {
        mask::message(&mut explained);
    }
    Some(explained)
}

fn masked_text(inspector: &Inspector, body: &[u8]) -> Vec<u8> {
    let masked = take_apart(inspector, body, true).map(|explained| explained.to_er7());
    masked.unwrap_or_else(|| mask::text(&String::from_utf8_lossy(body))).into_bytes()
}

fn unreadable() -> Problem {
    Problem::invalid("this is not a message that can be taken apart; look at it raw", Vec::new())
}

fn er7(content: Bytes, name: &str) -> Response {
    let mut response = content.into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/hl7-v2"));
    attach(&mut response, name);
    response
}

/// Saved, never shown: bytes of others must not become a page of ours.
fn attach(response: &mut Response, name: &str) {
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")) {
        response.headers_mut().insert(CONTENT_DISPOSITION, value);
    }
}

async fn blocking<T: Send + 'static>(
    inspector: &Arc<Inspector>,
    work: impl FnOnce(&Inspector) -> Answer<T> + Send + 'static,
) -> Answer<T> {
    let inspector = Arc::clone(inspector);
    let ended = |_| Problem::from(index::IndexError::Stopped);
    tokio::task::spawn_blocking(move || work(&inspector)).await.map_err(ended)?
}
