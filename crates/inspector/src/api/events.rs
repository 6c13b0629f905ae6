//! Live updates by server-sent events: the rows that changed, resumable by `Last-Event-ID`.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use futures::Stream;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::shown::{self, Shown};
use super::{Answer, Shared};
use crate::Inspector;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Since {
    mask: Option<bool>,
    /// As `Last-Event-ID`, for a client that cannot set it.
    since: Option<String>,
}

/// Events: `rows` with the rows that changed; `reset` when the client has to read everything anew.
pub(super) async fn events(
    State(inspector): Shared,
    Extension(shutdown): Extension<CancellationToken>,
    Query(query): Query<Since>,
    headers: HeaderMap,
) -> Answer<Sse<impl Stream<Item = Result<Event, Infallible>>>> {
    let masked = Shown { mask: query.mask }.masked(&inspector, &headers)?;
    let (last, oldest) = inspector.index.last_step()?;
    let given =
        headers.get("last-event-id").and_then(|id| id.to_str().ok().map(str::to_owned)).or(query.since);
    let after = given.as_deref().map(|given| resume(&inspector.epoch, given, last, oldest));
    let stream = Updates {
        changed: inspector.changed.clone(),
        inspector,
        masked,
        after: after.flatten().unwrap_or(last),
        first: Some(if after == Some(None) { "reset" } else { "hello" }),
        shutdown,
    };
    let stream = futures::stream::unfold(stream, |mut stream| async {
        let event = stream.next().await?;
        Some((Ok(event), stream))
    });
    Ok(Sse::new(stream).keep_alive(KeepAlive::new().interval(Duration::from_secs(15))))
}

/// The step to go on after; `None` when steps in between are gone or are those of another index.
fn resume(epoch: &str, given: &str, last: i64, oldest: i64) -> Option<i64> {
    let number: i64 = given.strip_prefix(epoch)?.strip_prefix('-')?.parse().ok()?;
    ((oldest..=last).contains(&number) || number == last || number + 1 == oldest).then_some(number)
}

struct Updates {
    inspector: Arc<Inspector>,
    changed: watch::Receiver<u64>,
    masked: bool,
    after: i64,
    first: Option<&'static str>,
    shutdown: CancellationToken,
}

impl Updates {
    async fn next(&mut self) -> Option<Event> {
        if let Some(first) = self.first.take() {
            return Some(self.event(first).data("{}"));
        }
        loop {
            self.changed.borrow_and_update();
            let (inspector, after) = (Arc::clone(&self.inspector), self.after);
            let read = tokio::task::spawn_blocking(move || inspector.index.changed(after, STEPS)).await;
            match read {
                Ok(Ok((rows, last))) if !rows.is_empty() => {
                    self.after = last;
                    let rows: Vec<_> = rows.into_iter().map(|row| shown::row(row, self.masked)).collect();
                    return Some(self.event("rows").data(json!({ "rows": rows }).to_string()));
                }
                Ok(Ok(_)) => {}
                Ok(Err(error)) => {
                    tracing::error!(%error, "live updates ended");
                    return None;
                }
                Err(_) => return None,
            }
            tokio::select! {
                changed = self.changed.changed() => changed.ok()?,
                () = self.shutdown.cancelled() => return None,
            }
        }
    }

    fn event(&self, name: &str) -> Event {
        Event::default().event(name).id(format!("{}-{}", self.inspector.epoch, self.after))
    }
}

/// Looked at for one event.
const STEPS: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resumes_where_nothing_is_missing() {
        assert_eq!(resume("e", "e-5", 9, 3), Some(5));
        assert_eq!(resume("e", "e-2", 9, 3), Some(2), "the next one is the oldest there is");
        assert_eq!(resume("e", "e-0", 0, 0), Some(0));
        for given in ["e-1", "e-10", "f-5", "e5", "e-x", ""] {
            assert_eq!(resume("e", given, 9, 3), None, "{given}");
        }
    }
}
