//! Messages as rows of one SQLite file.
//!
//! # Layout
//! `<path>` is the database (WAL mode, so `<path>-wal` and `<path>-shm` stand beside it while it is open),
//! `<path>.lock` is locked (flock) by whoever opens or writes, and carries the mark that the database was made.
//! All are mode 0600, the folder 0700.
//!
//! | Table | Holds |
//! |---|---|
//! | `object` | one row per object under the key it has in S3, such as `Patient/p-204`: body, hash, time, ordering key |
//! | `schema_history` | which program made each version of the tables |
//!
//! # Invariants
//! - One thread of each process writes. It takes the lock, puts whatever waits, up to [`MAX_BATCH`] writes, into one
//!   transaction with `synchronous = FULL`, and answers after the commit. When writes come faster than commits, it waits
//!   for those who were answered to come back ([`group_commit::Pace`]), at most [`LONGEST_WAIT`]. Several processes of
//!   one machine may share the file: a comparison and what follows from it are in one transaction.
//! - Reads see what is committed, on connections of their own, and wait for nobody.
//! - The hash covers key, ordering key and body. A row that does not match it is `Corrupt`, never an answer.
//! - A commit or sync that fails, except for lack of space, ends the writing of this process: the kernel may have
//!   dropped the dirty pages, so a later success would prove nothing. Every later write is refused until a restart.
//!
//! # Recovery
//! Opening replays the WAL and checks the file. A file of a newer program is refused and left as it is.

use std::{
    fmt,
    num::NonZeroUsize,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    thread::JoinHandle,
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use group_commit::{Pace, Sender};
use rusqlite::Connection;
use tokio::sync::{Semaphore, oneshot};

use crate::{
    Accepted, AcceptedRecord, Current, Incoming, Job, JobKey, JobPage, MessageStore, OrderingKey, Page,
    PatientKey, Precondition, ReceivedEntry, ReceivedKey, RefusedKey, Replacement, StoreError, Stored, Tag,
    file_system::{self, blocking},
    job::JOBS,
    key::RECEIVED,
};

mod file;
mod rows;
mod schema;
mod writer;

use self::{
    file::Files,
    rows::{Object, Row},
    writer::{Close, Waiting, Work},
};

/// The most writes in one commit.
const MAX_BATCH: usize = 512;
/// The longest that a commit waits for others to share it.
const LONGEST_WAIT: Duration = Duration::from_millis(5);
/// The most bytes that may wait for their commit, in KiB.
const MAX_PENDING_KIB: usize = 64 * 1024;
/// Connections that are kept for the next read.
const IDLE_READERS: usize = 4;

/// A [`MessageStore`] in one SQLite file. Dropping the last clone waits for the running commit.
#[derive(Clone)]
pub struct EmbeddedStore {
    shared: Arc<Shared>,
}

struct Shared {
    files: Files,
    writes: Sender<Box<dyn Waiting>, Close>,
    pending: Arc<Semaphore>,
    readers: Mutex<Vec<Connection>>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl EmbeddedStore {
    /// Opens or makes the file and starts the writing thread.
    ///
    /// # Errors
    /// `Config` when the file is not ours, of a newer program, or lies in the folder of a directory store; `Corrupt`
    /// when it is damaged or gone; `Unavailable` or `Full` when the file system refuses.
    pub async fn open(path: PathBuf) -> Result<Self, StoreError> {
        let open = move || {
            let files = Files::new(path);
            let connection = files.open()?;
            Ok((files, connection))
        };
        let (files, connection) = blocking("open", open).await?;
        let (writes, inbox) = group_commit::channel(Pace::new(LONGEST_WAIT), MAX_BATCH);
        let lock = files.lock_file()?;
        let path = files.clone();
        let run = move || writer::run(connection, &lock, &path, inbox);
        let writer = std::thread::Builder::new().name("store-writer".into()).spawn(run);
        let writer = writer.map_err(|error| file_system::failure("open", error))?;
        let shared = Shared {
            files,
            writes,
            pending: Arc::new(Semaphore::new(MAX_PENDING_KIB)),
            readers: Mutex::default(),
            writer: Mutex::new(Some(writer)),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Has `work` done in the next transaction, and waits for its commit.
    async fn write<T: Send + 'static>(
        &self,
        operation: &'static str,
        size_bytes: usize,
        work: impl Fn(&Connection, &mut writer::Clock) -> rusqlite::Result<Result<T, StoreError>> + Send + 'static,
    ) -> Result<T, StoreError> {
        let gone = || StoreError::unavailable(operation, "the store is closed");
        let kib = u32::try_from(size_bytes / 1024 + 1).unwrap_or(u32::MAX).min(MAX_PENDING_KIB as u32);
        let permit = Arc::clone(&self.shared.pending).acquire_many_owned(kib).await.map_err(|_| gone())?;
        let (reply, answer) = oneshot::channel();
        let work: Box<dyn Waiting> = Box::new(Work::new(operation, work, reply, permit));
        self.shared.writes.write(work).map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }

    /// Runs `work` on a connection that only reads.
    async fn read<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&Connection) -> rusqlite::Result<Result<T, StoreError>> + Send + 'static,
    ) -> Result<T, StoreError> {
        let shared = Arc::clone(&self.shared);
        blocking(operation, move || {
            shared.files.check(operation)?;
            let idle = shared.readers().pop();
            let connection = match idle {
                Some(connection) => connection,
                None => shared.files.connect_reader()?,
            };
            // A connection whose read failed is not used again.
            let outcome = work(&connection).map_err(|error| rows::failure(operation, error))?;
            let mut readers = shared.readers();
            if readers.len() < IDLE_READERS {
                readers.push(connection);
            }
            outcome
        })
        .await
    }

    async fn object(&self, operation: &'static str, key: String) -> Result<Option<Row>, StoreError> {
        self.read(operation, move |connection| rows::find(connection, &key)).await
    }

    /// Writes an object if what is there is what `precondition` says.
    async fn replace(
        &self,
        operation: &'static str,
        key: String,
        body: Bytes,
        precondition: Precondition,
    ) -> Result<Tag, StoreError> {
        let object = Object::new(key, None, body);
        let tag = object.tag();
        self.write(operation, object.body.len(), move |connection, clock| {
            let put = rows::put_if(connection, &object, &precondition, clock.now())?;
            Ok(if put { Ok(()) } else { Err(StoreError::Changed) })
        })
        .await?;
        Ok(tag)
    }
}

impl Shared {
    fn readers(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.readers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl MessageStore for EmbeddedStore {
    async fn put_incoming(&self, incoming: &Incoming) -> Result<Stored, StoreError> {
        let Incoming { received, body, current } = incoming;
        let received = [(received.as_str().to_owned(), None)];
        let mut objects = match current {
            None => Object::several(received, body),
            Some(current) => {
                let order = current.order.as_str();
                let keys = current.patients.iter().map(|patient| (patient.current(), Some(order.to_owned())));
                // Most often the text is the body.
                if current.text == *body {
                    Object::several(received.into_iter().chain(keys), body)
                } else {
                    let mut objects = Object::several(received, body);
                    objects.extend(Object::several(keys, &current.text));
                    objects
                }
            }
        };
        let current = objects.split_off(1);
        let Some(received) = objects.pop() else {
            return Err(StoreError::unavailable("put_incoming", "no message"));
        };
        let size = received.body.len() * (1 + current.len());
        self.write("put_incoming", size, move |connection, clock| {
            let stored = rows::put_once(connection, &received, clock.now())?;
            if stored == Stored::New {
                for object in &current {
                    rows::put_newer(connection, object, clock.now())?;
                }
            }
            Ok(Ok(stored))
        })
        .await
    }

    async fn put_received(&self, key: &ReceivedKey, body: Bytes) -> Result<Stored, StoreError> {
        let object = Object::new(key.as_str().to_owned(), None, body);
        self.write("put_received", object.body.len(), move |connection, clock| {
            rows::put_once(connection, &object, clock.now()).map(Ok)
        })
        .await
    }

    async fn received(&self, key: &ReceivedKey) -> Result<Option<Bytes>, StoreError> {
        let row = self.object("received", key.as_str().to_owned()).await?;
        Ok(row.map(|row| row.body))
    }

    async fn list_received(
        &self,
        after: Option<&ReceivedKey>,
        max: NonZeroUsize,
    ) -> Result<Page, StoreError> {
        let after = after.map_or_else(|| RECEIVED.to_owned(), |after| after.as_str().to_owned());
        let listed = move |connection: &Connection| rows::list(connection, RECEIVED, &after, max).map(Ok);
        let (rows, more) = self.read("list_received", listed).await?;
        let entries: Vec<_> = rows
            .into_iter()
            .filter_map(|row| {
                Some(ReceivedEntry {
                    key: ReceivedKey::parse(&row.key).ok()?,
                    received_at: row.written_at,
                    size_bytes: row.size_bytes,
                })
            })
            .collect();
        let next = entries.last().filter(|_| more).map(|entry| entry.key.clone());
        Ok(Page { entries, next })
    }

    async fn put_current(
        &self,
        patient: &PatientKey,
        order: &OrderingKey,
        body: Bytes,
    ) -> Result<Replacement, StoreError> {
        let object = Object::new(patient.current(), Some(order.as_str().to_owned()), body);
        self.write("put_current", object.body.len(), move |connection, clock| {
            rows::put_newer(connection, &object, clock.now()).map(Ok)
        })
        .await
    }

    async fn current(&self, patient: &PatientKey) -> Result<Option<Current>, StoreError> {
        let row = self.object("current", patient.current()).await?;
        Ok(row.map(|row| Current {
            body: row.body,
            order: row.order.and_then(|order| OrderingKey::new(order).ok()),
        }))
    }

    async fn accepted(&self, patient: &PatientKey) -> Result<Option<Accepted>, StoreError> {
        let Some(row) = self.object("accepted", patient.accepted()).await? else { return Ok(None) };
        Ok(Some(Accepted { record: AcceptedRecord::from_text(&row.body)?, tag: row.tag }))
    }

    async fn put_accepted(
        &self,
        patient: &PatientKey,
        record: AcceptedRecord,
        precondition: Precondition,
    ) -> Result<Tag, StoreError> {
        self.replace("put_accepted", patient.accepted(), record.to_text()?, precondition).await
    }

    async fn put_job(
        &self,
        key: &JobKey,
        body: Bytes,
        precondition: Precondition,
    ) -> Result<Tag, StoreError> {
        self.replace("put_job", key.as_str().to_owned(), body, precondition).await
    }

    async fn job(&self, key: &JobKey) -> Result<Option<Job>, StoreError> {
        let row = self.object("job", key.as_str().to_owned()).await?;
        Ok(row.map(|row| Job { body: row.body, tag: row.tag }))
    }

    async fn delete_job(&self, key: &JobKey) -> Result<(), StoreError> {
        let key = key.as_str().to_owned();
        self.write("delete_job", 0, move |connection, _| rows::delete(connection, &key).map(Ok)).await
    }

    async fn list_jobs(&self, after: Option<&JobKey>, max: NonZeroUsize) -> Result<JobPage, StoreError> {
        let after = after.map_or_else(|| JOBS.to_owned(), |after| after.as_str().to_owned());
        let listed = move |connection: &Connection| rows::list(connection, JOBS, &after, max).map(Ok);
        let (rows, more) = self.read("list_jobs", listed).await?;
        let keys: Vec<_> = rows.iter().filter_map(|row| JobKey::parse(&row.key).ok()).collect();
        let next = keys.last().filter(|_| more).cloned();
        Ok(JobPage { keys, next })
    }

    async fn put_refused(&self, key: &RefusedKey, body: Bytes) -> Result<(), StoreError> {
        let object = Object::new(key.as_str().to_owned(), None, body);
        self.write("put_refused", object.body.len(), move |connection, clock| {
            rows::put_once(connection, &object, clock.now())?;
            Ok(Ok(()))
        })
        .await
    }

    async fn refused(&self, key: &RefusedKey) -> Result<Option<Bytes>, StoreError> {
        let row = self.object("refused", key.as_str().to_owned()).await?;
        Ok(row.map(|row| row.body))
    }

    async fn ready(&self) -> Result<(), StoreError> {
        // Through the lock and an empty transaction; whether there is room shows with the first write.
        self.write("ready", 0, |_, _| Ok(Ok(()))).await?;
        self.read("ready", |connection| {
            connection.query_row("SELECT count(*) FROM schema_history", [], |_| Ok(Ok(())))
        })
        .await
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // An error means that the writer is gone already.
        drop(self.writes.call(Close));
        let writer = self.writer.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if writer.is_some_and(|writer| writer.join().is_err()) {
            tracing::error!("the writer of the store panicked");
        }
    }
}

impl fmt::Debug for EmbeddedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmbeddedStore").field("path", &self.shared.files.path()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
