//! Keeps the table filled from the queue, as far as the breaker allows.

use std::{
    num::NonZeroUsize,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use crate::{backoff::jittered, shared::Shared};

/// The most messages in one call; more only delays the first.
const MAX_BATCH: usize = 32;

/// Runs until shutdown.
pub(crate) async fn run(shared: Arc<Shared>) {
    let mut failures = 0;
    loop {
        let room = tokio::select! {
            biased;
            () = shared.shutdown.cancelled() => return,
            room = shared.room() => room,
        };
        let max = NonZeroUsize::new(room.get().min(MAX_BATCH)).unwrap_or(NonZeroUsize::MIN);
        // The receive may be dropped: every queue hands such messages out again.
        let received = tokio::select! {
            biased;
            () = shared.shutdown.cancelled() => return,
            () = shared.opened() => continue,
            received = shared.queue.receive(max, shared.config.poll_wait) => received,
        };
        match received {
            Ok(deliveries) => {
                failures = 0;
                shared.metrics.polled(shared.wall());
                if !deliveries.is_empty() {
                    let now = shared.now();
                    let until = now + shared.queue.visibility();
                    let accepted = shared.counts.delivered.load(Ordering::Relaxed);
                    shared.table(|table| table.add(deliveries, accepted, now, until));
                }
            }
            Err(error) => {
                let delay = jittered(Duration::from_millis(250), Duration::from_secs(30), failures);
                tracing::warn!(%error, delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX), "receiving from the queue failed");
                failures += 1;
                tokio::select! {
                    () = shared.shutdown.cancelled() => return,
                    () = tokio::time::sleep(delay) => {}
                }
            }
        }
    }
}
