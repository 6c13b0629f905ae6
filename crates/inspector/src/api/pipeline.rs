//! Queue and dead letters, for whoever has a queue: the inspector, or a sender on its own.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::routing::{get, post, put};
use axum::{Extension, Json, Router};
use serde::Deserialize;
use tokio_util::task::TaskTracker;

use super::{Answer, Shared, guarded};
use crate::access::Access;
use crate::pipeline::{DeadLetterFull, DeadLetters, Parked, Pipeline, PipelineError, QueueStatus, Resend};
use crate::problem::Problem;
use crate::{Inspector, index::Row, summary};

/// The routes of a process that has a queue and no inspector.
pub fn pipeline_routes(pipeline: Arc<dyn Pipeline>, access: Access, changes: TaskTracker) -> Router {
    guarded(table().with_state(Lent::Alone(pipeline)).layer(Extension(changes)), access)
}

pub(super) fn routes(inspector: Arc<Inspector>) -> Router {
    table().with_state(Lent::Inspector(inspector))
}

fn table() -> Router<Lent> {
    Router::new()
        .route("/api/v1/queue", get(status))
        .route("/api/v1/dead-letters", get(list))
        .route("/api/v1/dead-letters/{id}", get(show).delete(skip))
        .route("/api/v1/dead-letters/{id}/redrive", post(redrive))
        .route("/api/v1/parked", get(parked))
        .route("/api/v1/parked/{group}", put(park).delete(unpark))
}

/// Where the queue comes from.
#[derive(Clone)]
enum Lent {
    Alone(Arc<dyn Pipeline>),
    Inspector(Arc<Inspector>),
}

impl Lent {
    fn pipeline(&self) -> Result<Arc<dyn Pipeline>, Problem> {
        match self {
            Self::Alone(pipeline) => Ok(Arc::clone(pipeline)),
            Self::Inspector(inspector) => inspector.pipeline().cloned(),
        }
    }

    /// Notes it, so that whoever asks after the answer sees it.
    async fn note(&self, letter: &DeadLetterFull, kind: &'static str, detail: &str) {
        if let Self::Inspector(inspector) = self {
            let id = crate::Queued::id(&letter.body, &letter.line.control_id);
            inspector.feed.operated(&id, kind, detail);
            inspector.feed.settled().await;
        }
    }
}

async fn status(State(lent): State<Lent>) -> Answer<Json<QueueStatus>> {
    Ok(Json(lent.pipeline()?.status().await?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    group: Option<String>,
    after: Option<String>,
    #[serde(default = "default_limit")]
    limit: u32,
}

fn default_limit() -> u32 {
    100
}

async fn list(State(lent): State<Lent>, Query(page): Query<Page>) -> Answer<Json<DeadLetters>> {
    let pipeline = lent.pipeline()?;
    let listed =
        pipeline.dead_letters(page.group.as_deref(), page.after.as_deref(), page.limit.min(1000)).await?;
    Ok(Json(listed))
}

/// The only one of these answers with patient data: an operator asked for the message.
async fn show(
    State(lent): State<Lent>,
    Path(id): Path<String>,
    headers: axum::http::HeaderMap,
) -> Answer<Json<DeadLetterFull>> {
    if let Lent::Inspector(inspector) = &lent
        && !inspector.access.knows_token(&headers)
    {
        return Err(Problem::new(StatusCode::UNAUTHORIZED, "token", "needs the token of this run"));
    }
    let letter = lent.pipeline()?.dead_letter(&id).await?;
    tracing::info!(dead_letter.id = id, "an operator looked at a dead letter");
    Ok(Json(letter))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Force {
    #[serde(default)]
    force_stale: bool,
}

async fn redrive(
    State(lent): State<Lent>,
    Extension(changes): Extension<TaskTracker>,
    Path(id): Path<String>,
    Query(force): Query<Force>,
) -> Answer<StatusCode> {
    let (pipeline, name, force_stale) = (lent.pipeline()?, id.clone(), force.force_stale);
    let letter = pipeline.dead_letter(&id).await?;
    // Noted before it goes: its delivery may be told first otherwise.
    let noted = lent.clone();
    let result = to_its_end(&changes, async move {
        pipeline.redrive(&name, force_stale).await?;
        noted.note(&letter, "redriven", if force_stale { "over a newer state" } else { "" }).await;
        Ok(())
    })
    .await;
    let refused = result.as_ref().err().map(ToString::to_string);
    tracing::info!(dead_letter.id = id, force_stale, refused, "an operator asked for a redrive");
    result?;
    Ok(StatusCode::NO_CONTENT)
}

async fn skip(
    State(lent): State<Lent>,
    Extension(changes): Extension<TaskTracker>,
    Path(id): Path<String>,
) -> Answer<StatusCode> {
    let (pipeline, name) = (lent.pipeline()?, id.clone());
    let letter = pipeline.dead_letter(&id).await;
    let result = to_its_end(&changes, async move { pipeline.skip(&name).await }).await;
    let refused = result.as_ref().err().map(ToString::to_string);
    tracing::info!(dead_letter.id = id, refused, "an operator let a dead letter go");
    result?;
    if let Ok(letter) = letter {
        lent.note(&letter, "skipped", "").await;
    }
    Ok(StatusCode::NO_CONTENT)
}

async fn parked(State(lent): State<Lent>) -> Answer<Json<Parked>> {
    Ok(Json(lent.pipeline()?.parked().await?))
}

async fn park(
    State(lent): State<Lent>,
    Extension(changes): Extension<TaskTracker>,
    Path(group): Path<String>,
) -> Answer<StatusCode> {
    let (pipeline, name) = (lent.pipeline()?, group.clone());
    to_its_end(&changes, async move { pipeline.park(&name).await }).await?;
    tracing::info!(queue.group = group, "an operator parked a group");
    Ok(StatusCode::NO_CONTENT)
}

async fn unpark(
    State(lent): State<Lent>,
    Extension(changes): Extension<TaskTracker>,
    Path(group): Path<String>,
) -> Answer<StatusCode> {
    let (pipeline, name) = (lent.pipeline()?, group.clone());
    to_its_end(&changes, async move { pipeline.unpark(&name).await }).await?;
    tracing::info!(queue.group = group, "an operator let a parked group flow");
    Ok(StatusCode::NO_CONTENT)
}

/// Queues a message once more, the same bytes. Refuses what would put an old state over a newer one, unless told to.
pub(super) async fn resend(
    State(inspector): Shared,
    Extension(changes): Extension<TaskTracker>,
    Path(id): Path<String>,
    Query(force): Query<Force>,
) -> Answer<StatusCode> {
    let pipeline = Arc::clone(inspector.pipeline()?);
    let row = inspector.index.row(&id)?.ok_or_else(|| Problem::not_found("there is no such message"))?;
    if !force.force_stale && inspector.index.neighbours(&row)?.1.is_some() {
        let detail = "a newer message of this patient is there: sending this one again would put its older state over it";
        return Err(Problem::new(StatusCode::CONFLICT, "stale", detail));
    }
    let resend = resendable(&inspector, &row).await?;
    to_its_end(&changes, async move { pipeline.resend(resend).await }).await?;
    inspector.feed.operated(&row.id, "resent", if force.force_stale { "over a newer state" } else { "" });
    inspector.feed.settled().await;
    tracing::info!(hl7.message = row.id, force_stale = force.force_stale, "an operator sent a message again");
    Ok(StatusCode::ACCEPTED)
}

async fn resendable(inspector: &Inspector, row: &Row) -> Answer<Resend> {
    let refused = |detail| Problem::new(StatusCode::CONFLICT, "refused", detail);
    if row.queue_group.is_empty() {
        return Err(refused("this bridge did not send the message, so it cannot send it again"));
    }
    if matches!(row.state.as_str(), "queued" | "sending" | "dead") {
        return Err(refused("it is on its way, or a dead letter: redrive that one"));
    }
    let bytes = inspector.body(row).await?;
    // The queue holds text; the sender writes it in the character set of MSH-18 again.
    let text = summary::read(&bytes).map_err(|_| refused("the message cannot be read any more"))?;
    let body = match String::from_utf8(bytes.to_vec()) {
        Ok(body) => body,
        Err(_) => format!("{}\r", text.as_str()),
    };
    Ok(Resend {
        body,
        control_id: row.control_id.clone(),
        event: format!("{}^{}", row.kind, row.event),
        group: row.queue_group.clone(),
    })
}

/// A change is not left half done when the one who asked goes away: then the handler ends, not this task.
async fn to_its_end(
    changes: &TaskTracker,
    change: impl Future<Output = Result<(), PipelineError>> + Send + 'static,
) -> Result<(), PipelineError> {
    let ended = |_| PipelineError::Failed { reason: "the change panicked".to_owned() };
    changes.spawn(change).await.map_err(ended)?
}
