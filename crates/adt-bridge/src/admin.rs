//! The operator's HTTP API of a running `up` or `sender`: queue, dead letters, parked groups. Without such a process
//! the command line serves it to itself, over the queue of the settings.
//!
//! | Request | Does |
//! |---|---|
//! | `GET /api/v1/queue` | counts |
//! | `GET /api/v1/dead-letters?group=&after=&limit=` | lists, without any content |
//! | `GET /api/v1/dead-letters/{id}` | one, with the message: patient data |
//! | `POST /api/v1/dead-letters/{id}/redrive?force_stale=` | sends it again |
//! | `DELETE /api/v1/dead-letters/{id}` | lets it go |
//! | `GET /api/v1/parked`, `PUT` and `DELETE /api/v1/parked/{group}` | withheld groups |
//!
//! It listens on loopback only, and every request needs the token that stands in the data folder: what may read
//! that folder may use it. Errors are problem details (RFC 9457). Every change leaves a line in the log.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::Path,
    sync::Arc,
    time::Duration,
};

use axum::{
    Extension, Json, Router,
    extract::{Path as Segment, Query, State},
    http::StatusCode,
    middleware,
    routing::{get, post},
};
use queue::{DeadLetterId, DeadLetterQueue, GroupId, Queue, QueueError, Stale};
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::exit::{Code, Failure};

mod access;
pub(crate) mod client;
mod problem;
pub(crate) mod wire;

use self::{
    access::{Door, Token},
    problem::Problem,
    wire::{DeadLetterFull, DeadLetterLine, DeadLetters, Parked, QueueStatus},
};

/// Listening, not yet serving.
#[derive(Debug)]
pub(crate) struct Admin {
    listener: TcpListener,
    address: SocketAddr,
    token: Token,
    /// Absent when only this process may find it.
    door: Option<Door>,
}

impl Admin {
    /// Binds, and writes address and token where the command line finds them.
    pub(crate) async fn bind(address: SocketAddr, data: &Path) -> Result<Self, Failure> {
        if !address.ip().is_loopback() {
            let text =
                format!("the admin API shows patient data and stays on this machine: not on {address}");
            return Err(Failure::new(Code::Usage, text).hint("--admin-listen 127.0.0.1:0"));
        }
        let cannot =
            |error| Failure::new(Code::CannotConnect, format!("cannot listen on {address}: {error}"));
        let listener = TcpListener::bind(address).await.map_err(cannot)?;
        let address = listener.local_addr()?;
        let token = Token::random();
        let door = Some(Door::open(data, address, &token)?);
        Ok(Self { listener, address, token, door })
    }

    /// Binds for this process alone.
    async fn bind_private() -> Result<Self, Failure> {
        let listener = TcpListener::bind(FREE_ON_LOOPBACK).await?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address, token: Token::random(), door: None })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop`, then removes what [`bind`](Self::bind) wrote.
    pub(crate) async fn serve(self, queue: Arc<dyn Queue>, stop: CancellationToken) {
        let Self { listener, token, door, .. } = self;
        let changes = TaskTracker::new();
        let serving = axum::serve(listener, router(queue, token, changes.clone()))
            .with_graceful_shutdown(stop.cancelled_owned());
        if let Err(error) = serving.await {
            tracing::error!(%error, "the admin API ended");
        }
        changes.close();
        changes.wait().await;
        drop(door);
    }
}

fn router(queue: Arc<dyn Queue>, token: Token, changes: TaskTracker) -> Router {
    Router::new()
        .route("/api/v1/queue", get(status))
        .route("/api/v1/dead-letters", get(list))
        .route("/api/v1/dead-letters/{id}", get(show).delete(skip))
        .route("/api/v1/dead-letters/{id}/redrive", post(redrive))
        .route("/api/v1/parked", get(parked))
        .route("/api/v1/parked/{group}", axum::routing::put(park).delete(unpark))
        .fallback(|| async { Problem::from(QueueError::NotFound) })
        .layer(Extension(changes))
        .layer(middleware::from_fn_with_state(Arc::new(token), access::check))
        .with_state(queue)
}

type Answer<T> = Result<T, Problem>;
type Shared = State<Arc<dyn Queue>>;

async fn status(State(queue): Shared) -> Answer<Json<QueueStatus>> {
    let statistics = queue.statistics().await?;
    let parked_groups = match queue.dead_letters() {
        Some(operator) => operator.parked().await?.len(),
        None => 0,
    };
    Ok(Json(QueueStatus::new(&statistics, parked_groups)))
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

async fn list(State(queue): Shared, Query(page): Query<Page>) -> Answer<Json<DeadLetters>> {
    let group = page.group.map(GroupId::new).transpose()?;
    let after = page.after.map(DeadLetterId::new);
    let listed = operator(&*queue)?.list(group.as_ref(), after.as_ref(), page.limit.min(1000)).await?;
    Ok(Json(DeadLetters { dead_letters: listed.iter().map(DeadLetterLine::from).collect() }))
}

async fn show(State(queue): Shared, Segment(id): Segment<String>) -> Answer<Json<DeadLetterFull>> {
    let record = operator(&*queue)?.show(&DeadLetterId::new(&*id)).await?;
    tracing::info!(dead_letter.id = id, "an operator looked at a dead letter");
    Ok(Json(DeadLetterFull::from(record)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Redrive {
    #[serde(default)]
    force_stale: bool,
}

async fn redrive(
    State(queue): Shared,
    Extension(changes): Extension<TaskTracker>,
    Segment(id): Segment<String>,
    Query(how): Query<Redrive>,
) -> Answer<StatusCode> {
    let stale = if how.force_stale { Stale::Force } else { Stale::Refuse };
    let letter = DeadLetterId::new(&*id);
    let result = to_its_end(&changes, async move { operator(&*queue)?.redrive(&letter, stale).await }).await;
    tracing::info!(
        dead_letter.id = id,
        force_stale = how.force_stale,
        refused = result.as_ref().err().map(ToString::to_string),
        "an operator asked for a redrive"
    );
    result?;
    Ok(StatusCode::NO_CONTENT)
}

async fn skip(
    State(queue): Shared,
    Extension(changes): Extension<TaskTracker>,
    Segment(id): Segment<String>,
) -> Answer<StatusCode> {
    let letter = DeadLetterId::new(&*id);
    let result = to_its_end(&changes, async move { operator(&*queue)?.skip(&letter).await }).await;
    let refused = result.as_ref().err().map(ToString::to_string);
    tracing::info!(dead_letter.id = id, refused, "an operator let a dead letter go");
    result?;
    Ok(StatusCode::NO_CONTENT)
}

async fn parked(State(queue): Shared) -> Answer<Json<Parked>> {
    let groups = operator(&*queue)?.parked().await?;
    Ok(Json(Parked { groups: groups.iter().map(|group| group.as_str().to_owned()).collect() }))
}

async fn park(
    State(queue): Shared,
    Extension(changes): Extension<TaskTracker>,
    Segment(group): Segment<String>,
) -> Answer<StatusCode> {
    let id = GroupId::new(&*group)?;
    to_its_end(&changes, async move { operator(&*queue)?.park(&id).await }).await?;
    tracing::info!(queue.group = group, "an operator parked a group");
    Ok(StatusCode::NO_CONTENT)
}

async fn unpark(
    State(queue): Shared,
    Extension(changes): Extension<TaskTracker>,
    Segment(group): Segment<String>,
) -> Answer<StatusCode> {
    let id = GroupId::new(&*group)?;
    to_its_end(&changes, async move { operator(&*queue)?.unpark(&id).await }).await?;
    tracing::info!(queue.group = group, "an operator let a parked group flow");
    Ok(StatusCode::NO_CONTENT)
}

/// A change is not left half done when the one who asked goes away: then the handler ends, not this task.
async fn to_its_end(
    changes: &TaskTracker,
    change: impl Future<Output = Result<(), QueueError>> + Send + 'static,
) -> Result<(), QueueError> {
    let ended = |_| QueueError::Unavailable { reason: "the change panicked".into() };
    changes.spawn(change).await.map_err(ended)?
}

fn operator(queue: &dyn Queue) -> Result<&dyn DeadLetterQueue, QueueError> {
    queue.dead_letters().ok_or(QueueError::Unsupported)
}

/// Where it listens unless told otherwise; the command line finds it through the data folder.
pub(crate) const FREE_ON_LOOPBACK: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
/// For the last requests of an operator.
pub(crate) const ADMIN_GRACE: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests;
