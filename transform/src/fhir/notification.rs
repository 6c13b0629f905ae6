//! Notifications of the Subscriptions Backport guide (R4, R4B) and of R5: a Bundle whose first entry is the status of
//! the subscription.
//!
//! What is done follows from what the Bundle holds, not from what the subscription promised: resources are written,
//! resources that are only named are read back, and where nothing is named, what changed is searched for.

mod progress;
mod status;

use std::{collections::HashSet, sync::Arc};

use axum::{
    http::{StatusCode, request::Parts},
    response::Response,
};

pub(crate) use self::{progress::Progress, status::Status};
use self::{progress::Step, status::Kind};
use super::{
    bundle::{self, Entry, Reply},
    reference::Target,
    response,
};
use crate::{error::HookError, hook::Hook, negotiate, source::ReadBack};

/// Answers a notification: a `batch-response` with one entry for each of its own, the one shape that every sender takes.
pub(super) async fn answer(
    hook: &Arc<Hook>,
    parts: &Parts,
    status: &Status,
    entries: &[Entry<'_>],
) -> Result<Response, HookError> {
    let replies = match status.kind {
        // Answered at once: a subscription must become active before anything else is up.
        Kind::Handshake | Kind::Heartbeat | Kind::Other => {
            hook.progress().seen(status);
            tracing::info!(kind = status.kind.as_str(), "subscription notification");
            entries.iter().map(|_| Reply::nothing()).collect()
        }
        Kind::Event => events(hook, parts, status, entries).await?,
    };
    Ok(response(StatusCode::OK, &bundle::batch_response(&replies)))
}

async fn events(
    hook: &Arc<Hook>,
    parts: &Parts,
    status: &Status,
    entries: &[Entry<'_>],
) -> Result<Vec<Reply>, HookError> {
    let traceparent = negotiate::traceparent(&parts.headers);
    match hook.progress().step(status) {
        Step::Next => {}
        Step::Repeat => {
            tracing::info!("a notification that was taken before is dropped");
            return Ok(entries.iter().map(|_| Reply::nothing()).collect());
        }
        // Another process may have taken them.
        Step::Gap { .. } if hook.store().is_shared() => {}
        Step::Gap { missing } => {
            tracing::warn!(missing, "notifications are missing");
            // What was missed is searched for where there is somebody to ask.
            if let Err(error) = hook.catch_up(&traceparent).await {
                tracing::warn!(%error, "no catch-up after missing notifications: {error}");
            }
        }
    }
    let covered: HashSet<&str> = entries.iter().filter_map(|entry| entry.target()?.id).collect();
    let mut jobs = Vec::new();
    let mut named = false;
    for focus in status.focuses() {
        let Some(target) = Target::parse(focus) else { continue };
        named = true;
        if target.is_patient() && !target.id.is_some_and(|id| covered.contains(id)) {
            jobs.push(ReadBack {
                base: target.base.map(str::to_owned),
                patient: target.patient()?,
                version_id: target.version.map(str::to_owned),
                traceparent: traceparent.clone(),
            });
        }
    }
    if !named && entries.len() <= 1 {
        hook.catch_up(&traceparent).await?;
    }
    let replies = bundle::feed(hook, parts, entries, jobs).await?;
    hook.progress().taken(status);
    Ok(replies)
}
