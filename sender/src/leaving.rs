//! Acknowledged messages on their way out of the queue: noted in the ledger, deleted, their groups let go.
//!
//! A connection goes on with its next message meanwhile. The group stays locked, and the message counts as held, until
//! its delete is durable. What comes while a call of the queue is under way leaves together after it: one write of the
//! ledger, one call. Only as many as fill a call leave beside it, and those for whom it takes too long.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::stream::{FuturesUnordered, StreamExt as _};
use tokio::{sync::Notify, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::{
    settle::{Removal, removed, repeat},
    shared::Shared,
    table::Held,
};

/// The most that wait for the end of the call before theirs, where a call of the queue takes more.
const MAX_BATCH: usize = 64;
/// How long fewer wait for the end of the call before theirs.
const PATIENCE: Duration = Duration::from_millis(20);

/// An acknowledged message, and its line for the file of the ledger.
#[derive(Debug)]
pub(crate) struct Leaver {
    pub(crate) held: Held,
    pub(crate) note: Option<String>,
}

/// The way from the connections to [`run`]. No more can wait than are held.
#[derive(Debug, Default)]
pub(crate) struct Leavers {
    waiting: Mutex<Waiting>,
    /// Wakes [`run`]: enough wait.
    enough: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    leavers: Vec<Leaver>,
    /// So many are enough.
    enough: usize,
}

impl Leavers {
    /// Wakes nobody while others are still to come with it.
    pub(crate) fn push(&self, leaver: Leaver) {
        let is_enough = {
            let mut waiting = self.waiting();
            waiting.leavers.push(leaver);
            waiting.leavers.len() == waiting.enough
        };
        if is_enough {
            self.enough.notify_one();
        }
    }

    /// All that wait, if they are `enough`; otherwise [`run`] is woken as soon as they are.
    fn take(&self, enough: usize) -> Vec<Leaver> {
        let mut waiting = self.waiting();
        waiting.enough = enough;
        if waiting.leavers.len() < enough { Vec::new() } else { std::mem::take(&mut waiting.leavers) }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs until nothing is left after `closing`.
pub(crate) async fn run(shared: Arc<Shared>, closing: CancellationToken) {
    let one_call = shared.queue.max_batch().min(MAX_BATCH);
    let mut leaving = FuturesUnordered::new();
    let mut overdue = std::pin::pin!(tokio::time::sleep(PATIENCE));
    loop {
        let is_overdue = overdue.is_elapsed();
        let leavers = shared.leavers.take(if leaving.is_empty() || is_overdue { 1 } else { one_call });
        if is_overdue || !leavers.is_empty() {
            overdue.as_mut().reset(Instant::now() + PATIENCE);
            if !leavers.is_empty() {
                leaving.push(leave(&shared, leavers));
            }
            continue;
        }
        tokio::select! {
            biased;
            () = shared.leavers.enough.notified() => {}
            Some(()) = leaving.next() => {}
            () = &mut overdue, if !leaving.is_empty() => {}
            () = closing.cancelled(), if leaving.is_empty() => return,
        }
    }
}

async fn leave(shared: &Arc<Shared>, mut leavers: Vec<Leaver>) {
    let notes: String = leavers.iter_mut().filter_map(|leaver| leaver.note.take()).collect();
    if let Err(error) = shared.ledger.write(notes).await {
        // The acknowledgment stands; without the note a failed delete may cost a repeat.
        tracing::error!(%error, "writing the ledger failed");
    }
    let calls = FuturesUnordered::new();
    while !leavers.is_empty() {
        let rest = leavers.split_off(shared.queue.max_batch().min(leavers.len()));
        calls.push(delete(shared, std::mem::replace(&mut leavers, rest)));
    }
    calls.collect::<()>().await;
}

/// One call, and its groups go on.
async fn delete(shared: &Arc<Shared>, leavers: Vec<Leaver>) {
    let receipts: Vec<_> = leavers.iter().map(|leaver| leaver.held.delivery.receipt.clone()).collect();
    let results = shared.queue.delete_all(&receipts).await;
    let mut gone = Vec::with_capacity(leavers.len());
    for (Leaver { held, .. }, result) in leavers.into_iter().zip(results) {
        if removed(&held, result) {
            gone.push(held);
        } else {
            repeat(shared, held, Removal::Delete);
        }
    }
    shared.table(|table| gone.iter().for_each(|held| table.finish(held.group())));
}
