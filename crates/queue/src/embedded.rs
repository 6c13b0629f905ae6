//! The durable queue in one SQLite file, owned by one process.
//!
//! # Layout
//! `<path>` is the database (WAL mode, so `<path>-wal` and `<path>-shm` stand beside it while it is open),
//! `<path>.lock` carries the owner lock and the mark that the database was created, `<path>.reserve` holds disk
//! space that is given back when the disk is full, so that deletes can still be written. All are mode 0600.
//!
//! | Table | Holds |
//! |---|---|
//! | `message` | every message not deleted, by rising `seq`; `dead = 1` for dead letters |
//! | `dead_letter` | why, for each row with `dead = 1` |
//! | `recent_send` | hash of group and id of each send, by rising `seq`, until its window ends |
//! | `deduplication` | the same by hash, for those of which memory says nothing |
//! | `parked_group` | groups withheld by an operator or by policy |
//! | `schema_history` | which program made each version of the tables |
//!
//! # Invariants
//! - One writer thread owns the connection and the [`Scheduler`](crate::scheduler::Scheduler). It commits
//!   whatever waits, up to [`MAX_BATCH`] writes, in one transaction with `synchronous = FULL`, and only then
//!   answers callers and hands messages to receivers. A send counts from its commit, wherever its caller went. When
//!   writes come faster than commits, it waits for those who were answered to come back ([`group_commit::Pace`]), at
//!   most [`LONGEST_WAIT`]; receives and what else needs no commit wait for nobody.
//! - Leases live in memory: a restart frees them all. They are measured with a clock that goes on while the host
//!   is suspended. Receive counts are written when a lease ends without a
//!   delete, in the next commit; a crash forgets the count of the leases it ended.
//! - Bodies stay on disk, but for the 4 MiB sent last, and so does the backlog: memory holds what is on lease and the
//!   next messages, until 1,024 groups have one to hand out, one number per message and about 100 bytes per group. Only
//!   what stands behind parked and leased groups comes on top. Records for deduplication take 8 bytes each, at most
//!   16 MiB.
//! - A commit or sync that fails (except for lack of space) ends the queue: every later call is refused and
//!   [`Queue::failed`] completes. It is never retried, the kernel may have dropped the dirty pages.
//!
//! # Recovery
//! Opening replays the WAL, checks the file, counts what waits and reads the records for deduplication. Every row carries a
//! checksum; a row that no longer matches becomes a dead letter with the reason `damaged`.

use std::{
    fmt,
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use clock::Clock;
use group_commit::Pace;
use tokio::sync::{Semaphore, oneshot, watch};

use crate::{
    DeadLetter, DeadLetterId, DeadLetterQueue, DeadLetterRecord, DeadLetterSummary, Delivery, EmbeddedConfig,
    Envelope, GroupId, Queue, QueueError, Receipt, Sent, Stale, Statistics, scheduler::Ticket,
};

mod backlog;
mod batch;
mod core;
mod dead;
mod deduplication;
mod examine;
mod file;
mod fresh;
mod rows;
mod schema;
mod writer;

use self::{
    core::Core,
    writer::{Call, Commands, Handover, Write},
};

/// The most writes in one commit.
const MAX_BATCH: usize = 512;
/// The longest that a commit waits for others to share it.
const LONGEST_WAIT: Duration = Duration::from_millis(5);
/// The most bytes of sends that may wait for their commit, in KiB.
const MAX_PENDING_KIB: usize = 64 * 1024;

/// Handle to the writer thread. Dropping it waits for the running commit and lets go of the file.
pub struct EmbeddedQueue {
    commands: Commands,
    pending: Arc<Semaphore>,
    failure: watch::Receiver<Option<QueueError>>,
    visibility: Duration,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl EmbeddedQueue {
    /// Opens or creates the file and starts the writer thread.
    ///
    /// # Errors
    /// [`QueueError::Configuration`], [`QueueError::Owned`], [`QueueError::Corrupt`], or
    /// [`QueueError::Unavailable`] when the file system refuses.
    pub async fn open(config: &EmbeddedConfig) -> Result<Self, QueueError> {
        Self::open_with_clock(config, Clock::system()).await
    }

    /// The same, by other clocks than the machine's.
    ///
    /// # Errors
    /// As [`EmbeddedQueue::open`].
    pub async fn open_with_clock(config: &EmbeddedConfig, clock: Clock) -> Result<Self, QueueError> {
        if config.visibility_seconds == 0 || config.max_per_group == 0 {
            let reason = "visibility_seconds and max_per_group must be at least 1".into();
            return Err(QueueError::Configuration { reason });
        }
        if config.deduplication_seconds > 24 * 60 * 60 {
            return Err(QueueError::Configuration { reason: "deduplication_seconds is over 24 h".into() });
        }
        let (commands, inbox) = group_commit::channel(Pace::new(LONGEST_WAIT), MAX_BATCH);
        let (broken, failure) = watch::channel(None);
        let (opened, open) = oneshot::channel();
        let (settings, undo) = (config.clone(), commands.clone());
        let run = move || match Core::open(settings, clock) {
            Ok(core) => {
                if opened.send(Ok(())).is_ok() {
                    writer::run(core, inbox, &undo, &broken);
                }
            }
            Err(error) => drop(opened.send(Err(error))),
        };
        let writer = std::thread::Builder::new().name("queue-writer".into()).spawn(run);
        let writer = writer.map_err(|error| unavailable(&error))?;
        open.await.map_err(|_| gone())??;
        Ok(Self {
            commands,
            pending: Arc::new(Semaphore::new(MAX_PENDING_KIB)),
            failure,
            visibility: Duration::from_secs(config.visibility_seconds),
            writer: Mutex::new(Some(writer)),
        })
    }

    /// Hands in a write and waits for its commit.
    async fn write<T>(
        &self,
        write: impl FnOnce(oneshot::Sender<Result<T, QueueError>>) -> Write,
    ) -> Result<T, QueueError> {
        let (reply, answer) = oneshot::channel();
        self.commands.write(write(reply)).map_err(|_| self.broken())?;
        answer.await.map_err(|_| self.broken())?
    }

    /// Calls the writer and waits for its answer.
    async fn call<T>(
        &self,
        call: impl FnOnce(oneshot::Sender<Result<T, QueueError>>) -> Call,
    ) -> Result<T, QueueError> {
        let (reply, answer) = oneshot::channel();
        self.commands.call(call(reply)).map_err(|_| self.broken())?;
        answer.await.map_err(|_| self.broken())?
    }

    /// Runs `work` on the writer thread, between two commits.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Core) -> Result<T, QueueError> + Send + 'static,
    ) -> Result<T, QueueError> {
        self.call(|reply| {
            Call::Work(Box::new(move |core| {
                // A caller that went away does not want the answer.
                drop(reply.send(core.and_then(work)));
            }))
        })
        .await
    }

    fn broken(&self) -> QueueError {
        self.failure.borrow().clone().unwrap_or_else(gone)
    }
}

#[async_trait]
impl Queue for EmbeddedQueue {
    async fn send(&self, envelope: Envelope) -> Result<Sent, QueueError> {
        envelope.validate(self.max_body_bytes())?;
        let kib = u32::try_from(envelope.body.len() / 1024 + 1).unwrap_or(u32::MAX);
        let permit = Arc::clone(&self.pending).acquire_many_owned(kib).await.map_err(|_| self.broken())?;
        self.write(|reply| Write::Send { envelope, permit, reply }).await
    }

    async fn receive(&self, max: NonZeroUsize, wait: Duration) -> Result<Vec<Delivery>, QueueError> {
        let until = Instant::now() + wait;
        let handover: Handover = self.call(|reply| Call::Receive { max: max.get(), until, reply }).await?;
        Ok(handover.accept())
    }

    async fn delete(&self, receipt: &Receipt) -> Result<(), QueueError> {
        let ticket = Ticket::parse(receipt)?;
        self.write(|reply| Write::Delete { ticket, reply }).await
    }

    /// All are handed in together: one commit.
    async fn delete_all(&self, receipts: &[Receipt]) -> Vec<Result<(), QueueError>> {
        let mut deletes = Vec::with_capacity(receipts.len());
        let ask = |receipt| {
            let ticket = Ticket::parse(receipt)?;
            let (reply, answer) = oneshot::channel();
            deletes.push(Write::Delete { ticket, reply });
            Ok(answer)
        };
        let asked: Vec<Result<_, QueueError>> = receipts.iter().map(ask).collect();
        if self.commands.write_all(deletes).is_err() {
            return receipts.iter().map(|_| Err(self.broken())).collect();
        }
        let mut results = Vec::with_capacity(asked.len());
        // From the last one on, which wakes the caller once: by then the others are answered too.
        for answer in asked.into_iter().rev() {
            results.push(match answer {
                Ok(answer) => answer.await.map_err(|_| self.broken()).flatten(),
                Err(error) => Err(error),
            });
        }
        results.reverse();
        results
    }

    async fn change_visibility(
        &self,
        receipts: &[Receipt],
        visible_in: Duration,
    ) -> Vec<Result<(), QueueError>> {
        let tickets: Vec<_> = receipts.iter().map(Ticket::parse).collect();
        let change = move |core: &mut Core| {
            Ok(tickets.into_iter().map(|ticket| core.change_visibility(ticket?, visible_in)).collect())
        };
        match self.run(change).await {
            Ok(results) => results,
            Err(error) => receipts.iter().map(|_| Err(error.clone())).collect(),
        }
    }

    async fn dead_letter(&self, delivery: &Delivery, letter: DeadLetter) -> Result<(), QueueError> {
        let ticket = Ticket::parse(&delivery.receipt)?;
        self.write(|reply| Write::DeadLetter { ticket, letter, reply }).await
    }

    async fn statistics(&self) -> Result<Statistics, QueueError> {
        self.run(|core| core.statistics()).await
    }

    async fn ready(&self) -> Result<(), QueueError> {
        self.run(|core| core.ready()).await
    }

    fn visibility(&self) -> Duration {
        self.visibility
    }

    fn dead_letters(&self) -> Option<&dyn DeadLetterQueue> {
        Some(self)
    }

    async fn failed(&self) -> QueueError {
        let mut failure = self.failure.clone();
        let error = failure.wait_for(Option::is_some).await.ok().and_then(|error| error.clone());
        match error {
            Some(error) => error,
            // The writer ended in good order: there is nothing to report, ever.
            None => std::future::pending().await,
        }
    }

    async fn close(&self) -> Result<(), QueueError> {
        self.call(|reply| Call::Close { reply: Some(reply) }).await
    }
}

#[async_trait]
impl DeadLetterQueue for EmbeddedQueue {
    async fn list(
        &self,
        group: Option<&GroupId>,
        after: Option<&DeadLetterId>,
        limit: u32,
    ) -> Result<Vec<DeadLetterSummary>, QueueError> {
        let group = group.cloned();
        let after = after.map_or(Ok(0), DeadLetterId::place)?;
        self.run(move |core| core.list_dead(group.as_ref(), after, limit)).await
    }

    async fn show(&self, id: &DeadLetterId) -> Result<DeadLetterRecord, QueueError> {
        let place = id.place()?;
        self.run(move |core| core.show_dead(place)).await
    }

    async fn redrive(&self, id: &DeadLetterId, stale: Stale) -> Result<(), QueueError> {
        let place = id.place()?;
        self.run(move |core| core.redrive(place, stale)).await
    }

    async fn skip(&self, id: &DeadLetterId) -> Result<(), QueueError> {
        let place = id.place()?;
        self.run(move |core| core.skip(place)).await
    }

    async fn park(&self, group: &GroupId) -> Result<(), QueueError> {
        let group = group.clone();
        self.run(move |core| core.set_parked(&group, true)).await
    }

    async fn unpark(&self, group: &GroupId) -> Result<(), QueueError> {
        let group = group.clone();
        self.run(move |core| core.set_parked(&group, false)).await
    }

    async fn parked(&self) -> Result<Vec<GroupId>, QueueError> {
        self.run(|core| core.parked()).await
    }
}

impl Drop for EmbeddedQueue {
    fn drop(&mut self) {
        // An error means that the writer is gone already.
        drop(self.commands.call(Call::Close { reply: None }));
        let writer = self.writer.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if writer.is_some_and(|writer| writer.join().is_err()) {
            tracing::error!("the queue writer panicked");
        }
    }
}

impl fmt::Debug for EmbeddedQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmbeddedQueue").field("failure", &*self.failure.borrow()).finish_non_exhaustive()
    }
}

fn unavailable(error: &std::io::Error) -> QueueError {
    QueueError::Unavailable { reason: error.to_string() }
}

fn gone() -> QueueError {
    QueueError::Unavailable { reason: "the queue is closed".into() }
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
