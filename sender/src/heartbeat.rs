//! Keeps the leases alive, and lets go of messages that wait for too long.

use std::{sync::Arc, time::Duration};

use queue::QueueError;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{breaker::State, shared::Shared};

/// How often there is something to look at.
const TICK: Duration = Duration::from_secs(5);
/// After this, followers of a stuck head, and everything while the endpoint is away, go back to the queue.
const PATIENCE: Duration = Duration::from_secs(30);
/// SQS ends every lease after 12 h; until then the message is back.
const MAX_LEASE: Duration = Duration::from_secs(11 * 60 * 60);

/// Runs until `done`, which is after the last message on the wire is settled.
pub(crate) async fn run(shared: Arc<Shared>, done: CancellationToken) {
    let interval = shared.queue.visibility() / 3;
    let mut extend_at = shared.now() + interval;
    loop {
        // Short naps: the timer stands still while the host is suspended, the leases do not.
        let nap = extend_at.saturating_duration_since(shared.now()).min(TICK);
        tokio::select! {
            () = done.cancelled() => return,
            () = tokio::time::sleep(nap) => {}
        }
        let now = Instant::now();
        let mut released = match shared.breaker_state() {
            State::Open { since, .. } if since + PATIENCE <= now => {
                shared.table(|table| table.forget_all_waiting())
            }
            State::Open { .. } | State::Closed | State::HalfOpen { .. } => Vec::new(),
        };
        let leased = shared.now();
        let (stuck, oldest) = (leased.saturating_sub(PATIENCE), leased.saturating_sub(MAX_LEASE));
        released.extend(shared.table(|table| table.forget_stuck(stuck, oldest)));
        shared.release(&released).await;
        if extend_at <= shared.now() {
            extend_at = shared.now() + interval;
            extend(&shared).await;
        }
    }
}

async fn extend(shared: &Shared) {
    // A lease that was made longer for one exchange must not be made shorter.
    let asked = shared.now();
    let receipts = shared.table(|table| table.ending_before(asked + shared.queue.visibility()));
    if receipts.is_empty() {
        shared.metrics.extended(shared.wall());
        return;
    }
    let results = shared.queue.change_visibility(&receipts, shared.queue.visibility()).await;
    let mut failed = 0;
    let mut released = Vec::new();
    for (receipt, result) in receipts.iter().zip(results) {
        match result {
            Ok(()) => shared.look(|table| table.extended(receipt, asked + shared.queue.visibility())),
            Err(QueueError::Stale) => {
                failed += 1;
                released.extend(shared.table(|table| table.lost(receipt)));
            }
            // The lease still runs; whoever wants to send checks what is left of it.
            Err(_) => failed += 1,
        }
    }
    if failed == 0 {
        shared.metrics.extended(shared.wall());
    } else {
        tracing::warn!(failed, held = receipts.len(), "leases could not be extended");
    }
    shared.release(&released).await;
}
