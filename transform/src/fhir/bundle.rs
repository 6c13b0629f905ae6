//! Bundles: transaction, batch and history, and the way to notifications.
//!
//! | type | what happens | what a failure does |
//! | --- | --- | --- |
//! | `transaction` | all entries are converted first, then queued: DELETE, POST, PUT | nothing is queued; when the queue fails half-way, 503, and a repeat sends what is missing |
//! | `batch` | each entry for itself | its entry says so |
//! | `history` | the newest entry of each patient | the whole is refused, so that its sender repeats it |
//! | notification | see [`notification`](super::notification) | as history |

mod entry;
mod reply;
mod transaction;

use std::{collections::HashMap, sync::Arc};

use axum::{
    http::{StatusCode, request::Parts},
    response::Response,
};
use futures::{StreamExt, stream};
use serde_json::{Map, Value};

use self::entry::Action;
pub(super) use self::{entry::Entry, reply::Reply};
use super::{notification, response};
use crate::{
    error::HookError,
    hook::Hook,
    negotiate,
    routes::Surface,
    source::ReadBack,
    told::Told,
    write::{self, Outcome, Write},
};

/// Answers a Bundle.
pub(crate) async fn answer(
    hook: &Arc<Hook>,
    parts: &Parts,
    bundle: &Map<String, Value>,
) -> Result<Response, HookError> {
    let entries = match bundle.get("entry") {
        None | Some(Value::Null) => &[],
        Some(Value::Array(entries)) => entries.as_slice(),
        Some(_) => return Err(HookError::Bundle { reason: "Bundle.entry must be a list." }),
    };
    if entries.len() > MOST_ENTRIES {
        return Err(HookError::TooManyEntries { limit: MOST_ENTRIES });
    }
    let entries: Vec<_> = entries
        .iter()
        .enumerate()
        .map(|(index, entry)| Entry::read(index, entry))
        .collect::<Result<_, _>>()?;
    if let Some(status) = entries.first().and_then(notification::Status::read) {
        return notification::answer(hook, parts, &status?, &entries).await;
    }
    let (kind, replies) = match bundle.get("type").and_then(Value::as_str) {
        Some("transaction") => ("transaction-response", transaction::run(hook, parts, &entries).await?),
        Some("batch") => ("batch-response", batch(hook, parts, &entries).await?),
        Some("history") => ("batch-response", history(hook, parts, &entries).await?),
        Some("subscription-notification") => {
            return Err(HookError::Bundle {
                reason: "The first entry of a notification must be its status.",
            });
        }
        kind => {
            let plain = |c: &char| c.is_ascii_alphanumeric() || *c == '-';
            let name: String = kind.unwrap_or("missing").chars().filter(plain).take(64).collect();
            return Err(HookError::BundleType { name });
        }
    };
    Ok(response(StatusCode::OK, &reply::bundle(kind, &replies)))
}

/// What a notification and a history are answered.
pub(super) fn batch_response(replies: &[Reply]) -> Value {
    reply::bundle("batch-response", replies)
}

/// Every entry for itself; those of one patient in their order.
async fn batch(hook: &Arc<Hook>, parts: &Parts, entries: &[Entry<'_>]) -> Result<Vec<Reply>, HookError> {
    let mut replies: Vec<_> = entries.iter().map(|_| Reply::nothing()).collect();
    let mut writes = Vec::new();
    for (entry, reply) in entries.iter().zip(&mut replies) {
        match entry.asked(hook, parts, &HashMap::new()) {
            Ok(Action::Write(write)) => writes.push((entry.index, *write)),
            Ok(Action::ReadBack(_) | Action::Ignore) => {}
            Err(error) => *reply = Reply::refused(&error),
        }
    }
    for (index, id, result) in perform(hook, parts, writes).await? {
        let reply = result.map_or_else(
            |error| Reply::refused(&error),
            |outcome| Reply::done(hook, &parts.headers, &id, &outcome),
        );
        if let Some(place) = replies.get_mut(index) {
            *place = reply;
        }
    }
    Ok(replies)
}

/// The newest entry of each patient.
async fn history(hook: &Arc<Hook>, parts: &Parts, entries: &[Entry<'_>]) -> Result<Vec<Reply>, HookError> {
    feed(hook, parts, entries, Vec::new()).await
}

/// What a server tells of its own changes: history or notification. Any failure is one of the whole, because nobody
/// reads what the entries of an answer say; what was done of it is recognised when it is repeated.
pub(super) async fn feed(
    hook: &Arc<Hook>,
    parts: &Parts,
    entries: &[Entry<'_>],
    mut jobs: Vec<ReadBack>,
) -> Result<Vec<Reply>, HookError> {
    let mut replies: Vec<_> = entries.iter().map(|_| Reply::nothing()).collect();
    let mut newest: HashMap<String, (usize, Write)> = HashMap::new();
    let mut refused: Option<HookError> = None;
    for entry in entries {
        match entry.told(hook, parts) {
            Ok(Action::Write(write)) => {
                let id = write.patient.id().to_owned();
                match newest.get(&id) {
                    // Histories begin with the newest version: without other knowledge the first one counts.
                    Some((_, there)) if !is_newer(&write, there) => {}
                    _ => drop(newest.insert(id, (entry.index, *write))),
                }
            }
            Ok(Action::ReadBack(job)) => jobs.push(job),
            Ok(Action::Ignore) => {}
            Err(error) => {
                refused.get_or_insert(HookError::Entry { index: entry.index, error: Box::new(error) });
            }
        }
    }
    // A resource that came with the notification need not be read.
    jobs.retain(|job| !newest.contains_key(job.patient.id()));
    hook.read_back(jobs).await?;
    for (index, id, result) in perform(hook, parts, newest.into_values().collect()).await? {
        match result {
            Ok(outcome) => {
                if let Some(place) = replies.get_mut(index) {
                    *place = Reply::done(hook, &parts.headers, &id, &outcome);
                }
            }
            Err(error) => {
                let error = HookError::Entry { index, error: Box::new(error) };
                // What may pass is worth a repeat, whatever else is wrong.
                let retry = |error: &HookError| error.answer(Surface::Fhir).status.is_server_error();
                if refused.as_ref().is_none_or(|there| retry(&error) && !retry(there)) {
                    refused = Some(error);
                }
            }
        }
    }
    refused.map_or(Ok(replies), Err)
}

fn is_newer(write: &Write, there: &Write) -> bool {
    let told = |write: &Write| write.told.clone().unwrap_or_default();
    told(write).compare(&Told::mark(&told(there))) == Some(std::cmp::Ordering::Greater)
}

/// Performs writes at once, those of one patient one after the other.
async fn perform(
    hook: &Arc<Hook>,
    parts: &Parts,
    writes: Vec<(usize, Write)>,
) -> Result<Vec<(usize, String, Result<Outcome, HookError>)>, HookError> {
    let mut groups: HashMap<String, Vec<(usize, Write)>> = HashMap::new();
    for (index, write) in writes {
        groups.entry(write.patient.id().to_owned()).or_default().push((index, write));
    }
    let trace = negotiate::trace_id(&negotiate::traceparent(&parts.headers)).to_owned();
    let shared = Arc::clone(hook);
    let work = async move {
        let group = |(id, writes): (String, Vec<(usize, Write)>)| {
            let hook = Arc::clone(&shared);
            async move {
                let mut done = Vec::with_capacity(writes.len());
                for (index, write) in writes {
                    done.push((index, id.clone(), write::perform(Arc::clone(&hook), write).await));
                }
                done
            }
        };
        let done: Vec<_> = stream::iter(groups).map(group).buffer_unordered(AT_ONCE).collect().await;
        Ok(done.into_iter().flatten().collect())
    };
    hook.run(trace, work).await
}

/// Entries of one Bundle.
const MOST_ENTRIES: usize = 1000;
/// Patients of one Bundle that are worked on at the same time.
const AT_ONCE: usize = 16;
