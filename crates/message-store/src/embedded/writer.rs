//! The writing thread: collects what waits, commits it, then answers.

use std::{
    fs::File,
    time::{Duration, SystemTime},
};

use group_commit::Inbox;
use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::{
    file::{Files, GONE},
    rows,
};
use crate::StoreError;

/// A write and whoever waits for it.
pub(super) trait Waiting: Send {
    /// Does its part inside of the transaction.
    fn run(&mut self, connection: &Connection, clock: &mut Clock) -> rusqlite::Result<()>;

    /// Answers, after the commit or instead of it.
    fn answer(self: Box<Self>, committed: Result<(), &Failure>);
}

/// The writing thread is to end with what waits.
#[derive(Debug)]
pub(super) struct Close;

/// A [`Waiting`] write.
pub(super) struct Work<F, T> {
    operation: &'static str,
    work: F,
    outcome: Option<Result<T, StoreError>>,
    reply: oneshot::Sender<Result<T, StoreError>>,
    _permit: OwnedSemaphorePermit,
}

impl<F, T> Work<F, T> {
    pub(super) fn new(
        operation: &'static str,
        work: F,
        reply: oneshot::Sender<Result<T, StoreError>>,
        permit: OwnedSemaphorePermit,
    ) -> Self {
        Self { operation, work, outcome: None, reply, _permit: permit }
    }
}

impl<F, T> Waiting for Work<F, T>
where
    F: Fn(&Connection, &mut Clock) -> rusqlite::Result<Result<T, StoreError>> + Send,
    T: Send,
{
    fn run(&mut self, connection: &Connection, clock: &mut Clock) -> rusqlite::Result<()> {
        self.outcome = Some((self.work)(connection, clock)?);
        Ok(())
    }

    fn answer(self: Box<Self>, committed: Result<(), &Failure>) {
        let outcome = match committed {
            Ok(()) => {
                self.outcome.unwrap_or_else(|| Err(StoreError::unavailable(self.operation, "not done")))
            }
            Err(failure) => Err(failure.told(self.operation)),
        };
        // A caller that went away does not want the answer.
        drop(self.reply.send(outcome));
    }
}

/// Why a transaction was not committed; told to everybody whose write was in it.
#[derive(Debug)]
pub(super) enum Failure {
    Full,
    Corrupt,
    /// Says what happened, and nothing of what was written.
    Unavailable(String),
}

impl Failure {
    fn told(&self, operation: &'static str) -> StoreError {
        match self {
            Self::Full => StoreError::Full,
            Self::Corrupt => StoreError::Corrupt { reason: rows::DAMAGED },
            Self::Unavailable(reason) => StoreError::unavailable(operation, reason.clone()),
        }
    }
}

/// Gives each object a later time than the one before.
#[derive(Debug, Default)]
pub(super) struct Clock {
    newest: Duration,
}

impl Clock {
    pub(super) fn now(&mut self) -> Duration {
        let clock = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        self.newest = clock.max(self.newest + Duration::from_nanos(1));
        self.newest
    }
}

/// Runs until it is told to [`Close`]. After a failure that proves the file untrustworthy it only refuses.
pub(super) fn run(
    mut connection: Connection,
    lock: &File,
    files: &Files,
    mut inbox: Inbox<Box<dyn Waiting>, Close>,
) {
    let mut clock = Clock::default();
    let mut broken = None;
    let (mut batch, mut close) = (Vec::new(), Vec::new());
    while close.is_empty() {
        inbox.next(None, &mut batch, &mut close);
        if !close.is_empty() {
            inbox.take_writes(&mut batch);
        }
        if batch.is_empty() {
            continue;
        }
        let result = match broken {
            Some(failure) => Err((failure, true)),
            None => commit(&mut connection, lock, files, &mut clock, &mut batch),
        };
        broken = match result {
            Ok(()) => {
                batch.drain(..).for_each(|work| work.answer(Ok(())));
                None
            }
            Err((failure, is_final)) => {
                batch.drain(..).for_each(|work| work.answer(Err(&failure)));
                is_final.then_some(failure)
            }
        };
    }
}

/// One transaction; on an error nothing of it stays. Says whether the error is final for this process.
fn commit(
    connection: &mut Connection,
    lock: &File,
    files: &Files,
    clock: &mut Clock,
    batch: &mut [Box<dyn Waiting>],
) -> Result<(), (Failure, bool)> {
    // Not SQLite's own lock alone: whoever waits for that one sleeps and tries again.
    lock.lock().map_err(|error| (Failure::Unavailable(format!("lock: {error}")), false))?;
    let result = write(connection, files, clock, batch);
    if let Err((failure, true)) = &result {
        tracing::error!(?failure, "the store writes no more until a restart");
    }
    // Closing the file unlocks it too; nothing else can go wrong with an unlock.
    drop(lock.unlock());
    result
}

fn write(
    connection: &mut Connection,
    files: &Files,
    clock: &mut Clock,
    batch: &mut [Box<dyn Waiting>],
) -> Result<(), (Failure, bool)> {
    if !files.is_there() {
        return Err((Failure::Unavailable(GONE.to_owned()), true));
    }
    let write = || {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for work in batch {
            work.run(&transaction, clock)?;
        }
        transaction.commit()
    };
    write().map_err(|error| {
        use rusqlite::ErrorCode;
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => (Failure::Full, false),
            // A tool of somebody else holds the file.
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                (Failure::Unavailable(error.to_string()), false)
            }
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => (Failure::Corrupt, true),
            _ => (Failure::Unavailable(error.to_string()), true),
        }
    })
}
