//! Acknowledged messages on their way out of the queue: noted in the ledger, deleted, their groups let go.
//!
//! A connection goes on with its next message meanwhile. The group stays locked, and the message counts as held, until
//! its delete is durable. What waits leaves together: one write of the ledger, one call of the queue. A call that takes
//! long holds up nobody: what comes after it leaves in another one.

use std::{sync::Arc, time::Duration};

use futures::stream::{FuturesUnordered, StreamExt as _};
use tokio::{
    sync::{
        Mutex,
        mpsc::{self, UnboundedReceiver, UnboundedSender},
    },
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use crate::{
    settle::{Removal, removed, repeat},
    shared::Shared,
    table::Held,
};

/// So many leave at once although others are still on their way: what one call of SQS takes.
const ENOUGH: usize = 10;
/// The most in one call.
const MAX_BATCH: usize = 256;
/// How long the first one of fewer waits for those before it.
const PATIENCE: Duration = Duration::from_millis(20);

/// An acknowledged message, and its line for the file of the ledger.
#[derive(Debug)]
pub(crate) struct Leaver {
    pub(crate) held: Held,
    pub(crate) note: Option<String>,
}

/// The way from the connections to [`run`]. No more can wait than are held.
#[derive(Debug)]
pub(crate) struct Leavers {
    sender: UnboundedSender<Leaver>,
    inbox: Mutex<UnboundedReceiver<Leaver>>,
}

impl Leavers {
    pub(crate) fn push(&self, leaver: Leaver) {
        // The other end is ours.
        drop(self.sender.send(leaver));
    }
}

impl Default for Leavers {
    fn default() -> Self {
        let (sender, inbox) = mpsc::unbounded_channel();
        Self { sender, inbox: Mutex::new(inbox) }
    }
}

/// Runs until nothing is left after `closing`.
pub(crate) async fn run(shared: Arc<Shared>, closing: CancellationToken) {
    let mut inbox = shared.leavers.inbox.lock().await;
    let mut waiting = Vec::new();
    let mut leaving = FuturesUnordered::new();
    let mut since = Instant::now();
    loop {
        let (nobody, overdue) = (waiting.is_empty(), since + PATIENCE);
        tokio::select! {
            biased;
            _ = inbox.recv_many(&mut waiting, MAX_BATCH), if waiting.len() < MAX_BATCH => {}
            Some(()) = leaving.next() => {}
            () = tokio::time::sleep_until(overdue), if !waiting.is_empty() => {}
            () = closing.cancelled(), if waiting.is_empty() && leaving.is_empty() => return,
        }
        let now = Instant::now();
        if nobody {
            since = now;
        }
        let is_overdue = since + PATIENCE <= now;
        if !waiting.is_empty() && (leaving.is_empty() || waiting.len() >= ENOUGH || is_overdue) {
            leaving.push(leave(&shared, std::mem::take(&mut waiting)));
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
