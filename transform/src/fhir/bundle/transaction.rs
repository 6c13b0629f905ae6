//! A transaction: everything is converted before the first message is queued.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use axum::http::request::Parts;
use message_store::PatientKey;

use super::{Entry, Reply, entry::Action};
use crate::{
    error::HookError,
    hook::{self, Hook},
    negotiate,
    write::{self, Outcome, Prepared, Verb, Write},
};

pub(super) async fn run(
    hook: &Arc<Hook>,
    parts: &Parts,
    entries: &[Entry<'_>],
) -> Result<Vec<Reply>, HookError> {
    let named = created(parts, entries)?;
    let mut writes = Vec::new();
    for entry in entries {
        match entry.asked(hook, parts, &named) {
            Ok(Action::Write(write)) => writes.push((entry.index, *write)),
            Ok(Action::ReadBack(_) | Action::Ignore) => {}
            Err(HookError::UnsupportedType { .. }) if hook.skips_unsupported() => {}
            Err(error) => return Err(HookError::Entry { index: entry.index, error: Box::new(error) }),
        }
    }
    let mut seen = HashSet::new();
    if writes.iter().any(|(_, write)| !seen.insert(write.patient.id().to_owned())) {
        return Err(HookError::Bundle { reason: "A transaction names a patient once." });
    }
    let trace = negotiate::trace_id(&negotiate::traceparent(&parts.headers)).to_owned();
    let done = hook.run(trace, commit(Arc::clone(hook), writes)).await?;
    let mut replies: Vec<_> = entries.iter().map(|_| Reply::nothing()).collect();
    for (index, id, outcome) in done {
        if let Some(reply) = replies.get_mut(index) {
            *reply = Reply::done(hook, &parts.headers, &id, &outcome);
        }
    }
    Ok(replies)
}

/// Ids for what the Bundle creates, by the `fullUrl` that its other entries may refer to.
fn created(parts: &Parts, entries: &[Entry<'_>]) -> Result<HashMap<String, PatientKey>, HookError> {
    let mut named = HashMap::new();
    for entry in entries.iter().filter(|entry| entry.method() == Some("POST")) {
        let Some(url) = entry.full_url.filter(|url| url.starts_with("urn:")) else { continue };
        let content = format!("{} {url}", entry.index);
        let request = hook::fingerprint(&parts.headers, Verb::Create, content.as_bytes());
        named.insert(url.to_owned(), hook::new_patient(request.as_deref())?);
    }
    Ok(named)
}

type Done = (usize, String, Outcome);

async fn commit(hook: Arc<Hook>, mut writes: Vec<(usize, Write)>) -> Result<Vec<Done>, HookError> {
    // Two transactions that wait for each other's patients would wait for ever.
    writes.sort_unstable_by(|(_, a), (_, b)| a.patient.id().cmp(b.patient.id()));
    let mut prepared = Vec::with_capacity(writes.len());
    for (index, write) in writes {
        let (verb, id) = (write.verb, write.patient.id().to_owned());
        match write::prepare(&hook, write).await {
            Ok(ready) => prepared.push((verb, index, id, ready)),
            Err(error) => {
                for (_, _, _, ready) in prepared {
                    ready.abandon(&hook).await;
                }
                return Err(HookError::Entry { index, error: Box::new(error) });
            }
        }
    }
    // FHIR R4 http §3.1.0.11.2: DELETE, POST, PUT.
    prepared.sort_by_key(|(verb, index, ..)| {
        let place = match verb {
            Verb::Delete => 0,
            Verb::Create => 1,
            Verb::Update => 2,
        };
        (place, *index)
    });
    let mut done = Vec::with_capacity(prepared.len());
    let mut prepared = prepared.into_iter();
    while let Some((_, index, id, ready)) = prepared.next() {
        match ready.commit(&hook).await {
            Ok(outcome) => done.push((index, id, outcome)),
            Err(error) => {
                for (_, _, _, ready) in prepared {
                    ready.abandon(&hook).await;
                }
                return Err(HookError::Entry { index, error: Box::new(error) });
            }
        }
    }
    Ok(done)
}

impl Prepared {
    async fn commit(self, hook: &Arc<Hook>) -> Result<Outcome, HookError> {
        match self {
            Self::Done(outcome) => Ok(outcome),
            Self::Ready(ready) => ready.commit(hook).await,
        }
    }

    async fn abandon(self, hook: &Arc<Hook>) {
        if let Self::Ready(ready) = self {
            ready.abandon(hook).await;
        }
    }
}
