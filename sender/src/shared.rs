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
    cut_off::CutOff,
    leaving::{Leaver, Leavers},
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
    pub(crate) cut_off: CutOff,
    pub(crate) counts: Counts,
    pub(crate) metrics: Metrics,
    /// Messages that are settled beside the connections.
    pub(crate) beside: TaskTracker,
    pub(crate) awaiting: Awaiting,
    clock: Clock,
    clock_watch: Mutex<ClockWatch>,
    /// Held until the last task has ended.
    _turn: Option<File>,
    pub(crate) leavers: Leavers,
    table: Mutex<Table>,
    breaker: Mutex<Breaker>,
    /// Wakes one connection: there is a message to send. Whoever takes one wakes the next.
    due: Notify,
    /// Wakes the poll: there is room.
    space: Notify,
    /// Wakes all: the breaker turned.
    turned: Notify,
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
        let (table, counts) = (Mutex::default(), Counts::default());
        let (beside, awaiting, clock_watch) = (TaskTracker::new(), Awaiting::default(), Mutex::default());
        let Dependencies { queue, clock } = dependencies;
        let drain = config.drain;
        Self {
            config,
            queue,
            connector,
            ledger,
            stop_point,
            _turn: turn,
            cut_off: CutOff::new(shutdown.clone(), drain),
            shutdown,
            counts,
            metrics: Metrics::new(),
            beside,
            awaiting,
            clock,
            clock_watch,
            table,
            breaker,
            leavers: Leavers::default(),
            due: Notify::new(),
            space: Notify::new(),
            turned: Notify::new(),
        }
    }

    /// Changes the table; whoever waits for what it has now is woken.
    pub(crate) fn table<T>(&self, work: impl FnOnce(&mut Table) -> T) -> T {
        let (result, wake) = {
            let mut table = lock(&self.table);
            let result = work(&mut table);
            (result, table.has_due(Instant::now()) || table.next_due().is_some())
        };
        if wake {
            self.due.notify_one();
        }
        self.space.notify_one();
        result
    }

    /// Reads the table, or changes what nobody waits for.
    pub(crate) fn look<T>(&self, work: impl FnOnce(&mut Table) -> T) -> T {
        work(&mut lock(&self.table))
    }

    /// Hands over an acknowledged message. Its group stays locked until it has left the queue.
    pub(crate) fn leave(&self, leaver: Leaver) {
        self.look(|table| table.off_the_wire(leaver.held.group()));
        self.leavers.push(leaver);
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
            self.turned.notify_waiters();
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
            let mut due = std::pin::pin!(self.due.notified());
            let mut turned = std::pin::pin!(self.turned.notified());
            // Armed before the look, or a change between look and wait would be missed.
            due.as_mut().enable();
            turned.as_mut().enable();
            match self.take() {
                Ok(held) => return held,
                Err(next_due) => wait(due, turned, next_due).await,
            }
        }
    }

    /// The next message that may be sent now; otherwise when to look again, where that is known.
    pub(crate) fn take(&self) -> Result<Held, Option<Instant>> {
        let now = Instant::now();
        let (held, more) = {
            let mut table = lock(&self.table);
            let may_send = match lock(&self.breaker).state() {
                State::Closed => true,
                State::HalfOpen { .. } => table.active() == 0,
                State::Open { .. } => false,
            };
            let held = if may_send { table.take(now) } else { None };
            let Some(held) = held else { return Err(table.next_due().filter(|_| may_send)) };
            (held, table.has_due(now) || table.next_due().is_some())
        };
        if more {
            self.due.notify_one();
        } else {
            self.space.notify_one();
        }
        Ok(held)
    }

    /// Waits until a connection is of use: a message may be sent, or (`probing`) the breaker wants a try.
    pub(crate) async fn wanted(&self, probing: bool) {
        loop {
            let mut due = std::pin::pin!(self.due.notified());
            let mut turned = std::pin::pin!(self.turned.notified());
            due.as_mut().enable();
            turned.as_mut().enable();
            let now = Instant::now();
            let next_due = match self.breaker_state() {
                State::Closed | State::HalfOpen { .. } => {
                    let table = lock(&self.table);
                    if table.has_due(now) {
                        // Connecting takes long: another one may be quicker.
                        self.due.notify_one();
                        return;
                    }
                    table.next_due()
                }
                State::Open { probe_at, .. } if probing && probe_at <= now => return,
                State::Open { probe_at, .. } => probing.then_some(probe_at),
            };
            wait(due, turned, next_due).await;
        }
    }

    /// Waits until the queue may be asked, and for how many messages: up to `batch`, and fewer only while there is
    /// nothing to send. `asked` were asked for already.
    pub(crate) async fn room(&self, batch: usize, asked: usize) -> NonZeroUsize {
        loop {
            let mut space = std::pin::pin!(self.space.notified());
            let mut turned = std::pin::pin!(self.turned.notified());
            space.as_mut().enable();
            turned.as_mut().enable();
            let room = match self.breaker_state() {
                State::Closed => self.look(|table| {
                    let (count, bytes) = table.held();
                    let free = self.config.max_held.saturating_sub(count + asked);
                    let enough = free >= batch || !table.has_due(Instant::now());
                    if enough && bytes < MAX_HELD_BYTES { free.min(batch) } else { 0 }
                }),
                State::HalfOpen { .. } => {
                    self.look(|table| usize::from(asked == 0 && table.held().0 == table.settling()))
                }
                State::Open { .. } => 0,
            };
            if let Some(room) = NonZeroUsize::new(room) {
                return room;
            }
            wait(space, turned, None).await;
        }
    }

    /// Completes when the breaker opens.
    pub(crate) async fn opened(&self) {
        loop {
            let mut turned = std::pin::pin!(self.turned.notified());
            turned.as_mut().enable();
            if matches!(self.breaker_state(), State::Open { .. }) {
                return;
            }
            turned.await;
        }
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

async fn wait(one: impl Future<Output = ()>, other: impl Future<Output = ()>, until: Option<Instant>) {
    let timer = async {
        match until {
            Some(until) => tokio::time::sleep_until(until).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = one => {}
        () = other => {}
        () = timer => {}
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
