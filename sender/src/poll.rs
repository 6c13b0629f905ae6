//! Keeps the table filled from the queue, as far as the breaker allows.

use std::{
    num::NonZeroUsize,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use clock::Moment;
use futures::stream::{FuturesUnordered, StreamExt as _};
use queue::{Delivery, QueueError};
use tokio::time::Instant;

use crate::{backoff::jittered, shared::Shared};

/// The most messages in one call; more only delays the first.
const MAX_BATCH: usize = 32;

/// What one call brought.
struct Received {
    asked: usize,
    result: Result<Vec<Delivery>, QueueError>,
    /// When it came.
    at: Moment,
}

/// Runs until shutdown. A call that brings all it asked for makes room for one more beside it, as far as the queue
/// gains by that; one that does not ends that.
pub(crate) async fn run(shared: Arc<Shared>) {
    let batch = MAX_BATCH.min(shared.queue.max_batch()).min(shared.config.max_held.max(1));
    let mut calls = FuturesUnordered::new();
    let (mut wanted, mut asked, mut failures) = (1, 0, 0);
    let mut not_before = Instant::now();
    loop {
        // Calls may be dropped: every queue hands such messages out again.
        let received = tokio::select! {
            biased;
            () = shared.shutdown.cancelled() => return,
            () = shared.opened(), if !calls.is_empty() => {
                calls.clear();
                (wanted, asked) = (1, 0);
                continue;
            }
            Some(received) = calls.next() => received,
            room = room(&shared, batch, asked, not_before), if calls.len() < wanted => {
                calls.push(receive(&shared, room));
                asked += room.get();
                continue;
            }
        };
        asked -= received.asked;
        match received.result {
            Ok(deliveries) => {
                failures = 0;
                shared.metrics.polled(shared.wall());
                let most = shared.queue.receives_at_once();
                wanted = if deliveries.len() == received.asked { (wanted + 1).min(most) } else { 1 };
                if !deliveries.is_empty() {
                    let until = received.at + shared.queue.visibility();
                    let accepted = shared.counts.delivered.load(Ordering::Relaxed);
                    shared.table(|table| table.add(deliveries, accepted, received.at, until));
                }
            }
            Err(error) => {
                let delay = jittered(Duration::from_millis(250), Duration::from_secs(30), failures);
                tracing::warn!(%error, delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX), "receiving from the queue failed");
                failures += 1;
                wanted = 1;
                not_before = Instant::now() + delay;
            }
        }
    }
}

async fn receive(shared: &Shared, max: NonZeroUsize) -> Received {
    let result = shared.queue.receive(max, shared.config.poll_wait).await;
    Received { asked: max.get(), result, at: shared.now() }
}

async fn room(shared: &Shared, batch: usize, asked: usize, not_before: Instant) -> NonZeroUsize {
    tokio::time::sleep_until(not_before).await;
    shared.room(batch, asked).await
}
