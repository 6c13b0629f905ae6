//! What the tasks of one sender share.

use std::{
    fs::File,
    num::NonZeroUsize,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use clock::{Clock, Moment};
use mllp::Connector;
use queue::{Queue, Receipt};
use tokio::{sync::Notify, time::Instant};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    Dependencies,
    age::ClockWatch,
    application::Awaiting,
    breaker::{Breaker, State},
    config::Config,
    ledger::Ledger,
    metrics::Metrics,
    stop_point::StopPoint,
    table::{Held, Table},
};

/// Bodies held in memory at most, about.
const MAX_HELD_BYTES: usize = 64 * 1024 * 1024;

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) queue: Arc<dyn Queue>,
    pub(crate) connector: Connector,
    pub(crate) ledger: Ledger,
    pub(crate) stop_point: StopPoint,
    pub(crate) shutdown: CancellationToken,
    pub(crate) counts: Counts,
    pub(crate) metrics: Metrics,
    /// Messages that are settled beside the connections.
    pub(crate) beside: TaskTracker,
    pub(crate) awaiting: Awaiting,
    clock: Clock,
    clock_watch: Mutex<ClockWatch>,
    /// Held until the last task has ended.
    _turn: Option<File>,
    table: Mutex<Table>,
    breaker: Mutex<Breaker>,
    changed: Notify,
}

/// What happened since the start.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) delivered: AtomicU64,
    pub(crate) dead: AtomicU64,
    /// Messages on the wire without an answer when the sender stopped.
    pub(crate) ambiguous: AtomicU64,
    /// Connections made, their TLS handshakes included.
    pub(crate) connections: AtomicU64,
}

impl Shared {
    pub(crate) fn new(
        config: Config,
        dependencies: Dependencies,
        connector: Connector,
        ledger: Ledger,
        stop_point: StopPoint,
        turn: Option<File>,
        shutdown: CancellationToken,
    ) -> Self {
        let breaker = Mutex::new(Breaker::new(config.policy.pause_after_failures));
        let (table, changed, counts) = (Mutex::default(), Notify::new(), Counts::default());
        let (beside, awaiting, clock_watch) = (TaskTracker::new(), Awaiting::default(), Mutex::default());
        let Dependencies { queue, clock } = dependencies;
        Self {
            config,
            queue,
            connector,
            ledger,
            stop_point,
            _turn: turn,
            shutdown,
            counts,
            metrics: Metrics::new(),
            beside,
            awaiting,
            clock,
            clock_watch,
            table,
            breaker,
            changed,
        }
    }

    /// Reads or changes the table; whoever waits for a change looks again.
    pub(crate) fn table<T>(&self, work: impl FnOnce(&mut Table) -> T) -> T {
        let result = work(&mut lock(&self.table));
        self.changed.notify_waiters();
        result
    }

    pub(crate) fn breaker_state(&self) -> State {
        lock(&self.breaker).state()
    }

    /// Tells the breaker what happened; logs when it changes.
    pub(crate) fn breaker<T>(&self, work: impl FnOnce(&mut Breaker, Instant) -> T) -> T {
        let (before, after, result) = {
            let mut breaker = lock(&self.breaker);
            let before = breaker.state();
            let result = work(&mut breaker, Instant::now());
            (before, breaker.state(), result)
        };
        match (before, after) {
            (State::Closed | State::HalfOpen { .. }, State::Open { cause, .. }) => {
                tracing::warn!(breaker.cause = cause.as_str(), "paused: the endpoint gets no messages");
            }
            (State::Open { cause, since, .. } | State::HalfOpen { cause, since }, State::Closed) => {
                let paused_ms = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
                tracing::info!(breaker.cause = cause.as_str(), paused_ms, "the endpoint gets messages again");
            }
            _ => {}
        }
        if before != after {
            self.metrics.breaker(after);
            self.changed.notify_waiters();
        }
        result
    }

    /// The time that leases are measured with.
    pub(crate) fn now(&self) -> Moment {
        self.clock.now()
    }

    /// The wall clock's time, believed or not.
    pub(crate) fn wall(&self) -> SystemTime {
        self.clock.wall()
    }

    /// The wall clock's time, when it can be believed.
    pub(crate) fn wall_time(&self) -> Option<SystemTime> {
        lock(&self.clock_watch).believe(self.clock.wall(), self.clock.now())
    }

    /// Notes the time that the endpoint gave in an answer.
    pub(crate) fn endpoint_time(&self, time: &str) {
        lock(&self.clock_watch).compare(self.clock.wall(), self.clock.now(), time);
    }

    /// Waits for the next message that may be sent now.
    ///
    /// # Cancel safety
    /// Safe: a message is taken only by the poll that returns it.
    pub(crate) async fn next(&self) -> Held {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            // Armed before the look, or a change between look and wait would be missed.
            changed.as_mut().enable();
            let (held, due) = {
                let mut table = lock(&self.table);
                let may_send = match lock(&self.breaker).state() {
                    State::Closed => true,
                    State::HalfOpen { .. } => table.active() == 0,
                    State::Open { .. } => false,
                };
                let held = if may_send { table.take(Instant::now()) } else { None };
                (held, table.next_due().filter(|_| may_send))
            };
            if let Some(held) = held {
                return held;
            }
            wait(changed, due).await;
        }
    }

    /// Waits until a connection is of use: a message may be sent, or (`probing`) the breaker wants a try.
    pub(crate) async fn wanted(&self, probing: bool) {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            let now = Instant::now();
            let due = match self.breaker_state() {
                State::Closed | State::HalfOpen { .. } => {
                    let table = lock(&self.table);
                    if table.has_due(now) {
                        return;
                    }
                    table.next_due()
                }
                State::Open { probe_at, .. } if probing && probe_at <= now => return,
                State::Open { probe_at, .. } => probing.then_some(probe_at),
            };
            wait(changed, due).await;
        }
    }

    /// Waits until the queue may be asked, and for how many messages.
    pub(crate) async fn room(&self) -> NonZeroUsize {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            let (count, bytes, unsettled) = {
                let table = lock(&self.table);
                let (count, bytes) = table.held();
                (count, bytes, count - table.settling())
            };
            let room = match self.breaker_state() {
                State::Closed if bytes < MAX_HELD_BYTES => self.config.max_held.saturating_sub(count),
                State::HalfOpen { .. } if unsettled == 0 => 1,
                State::Closed | State::HalfOpen { .. } | State::Open { .. } => 0,
            };
            if let Some(room) = NonZeroUsize::new(room) {
                return room;
            }
            changed.await;
        }
    }

    /// Completes when the breaker opens.
    pub(crate) async fn opened(&self) {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            if matches!(self.breaker_state(), State::Open { .. }) {
                return;
            }
            changed.await;
        }
    }

    /// Completes `drain` after shutdown was asked for.
    pub(crate) async fn cut_off(&self) {
        self.shutdown.cancelled().await;
        tokio::time::sleep(self.config.drain).await;
    }

    /// Hands messages back to the queue. A failure is not worse than the lease running out.
    pub(crate) async fn release(&self, receipts: &[Receipt]) {
        if receipts.is_empty() {
            return;
        }
        let results = self.queue.change_visibility(receipts, Duration::ZERO).await;
        let failed = results.iter().filter(|result| result.is_err()).count();
        tracing::debug!(released = receipts.len() - failed, failed, "handed messages back to the queue");
    }
}

impl Counts {
    pub(crate) fn add(count: &AtomicU64) {
        count.fetch_add(1, Ordering::Relaxed);
    }
}

async fn wait(changed: impl Future<Output = ()>, due: Option<Instant>) {
    match due {
        Some(due) => tokio::select! {
            () = changed => {}
            () = tokio::time::sleep_until(due) => {}
        },
        None => changed.await,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
