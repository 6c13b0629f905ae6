//! The inspector of one process: its index, its parts, and what runs it.

use std::collections::HashSet;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use fhir_adt::Mapper;
use message_store::{MessageStore, ReceivedEntry, ReceivedKey};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::access::{Access, Reading, Token};
use crate::api;
use crate::dictionary::Dictionary;
use crate::faults::Faults;
use crate::feed::{Feed, Told};
use crate::index::{Change, Index, IndexError, Known, OpenError, Row, Writer};
use crate::pipeline::Pipeline;
use crate::problem::Problem;

/// What an inspector is made of.
#[derive(Debug)]
pub struct Settings {
    /// The index file; none: in memory.
    pub index: Option<PathBuf>,
    /// Messages in the index.
    pub keep_messages: u64,
    /// Whether values of patients are hidden until somebody asks.
    pub mask: bool,
    /// Whether reading needs the token too. Changes always do.
    pub reading: Reading,
    /// Of this run; whoever knows it may change things.
    pub token: Token,
    /// How Patients and messages are mapped.
    pub mapper: Mapper,
    /// Name of the destination, part of the control ids of the playground.
    pub destination: String,
}

/// Everything the API answers from.
#[derive(Debug)]
pub struct Inspector {
    pub(crate) index: Index,
    pub(crate) store: Arc<dyn MessageStore>,
    pub(crate) dictionary: Dictionary,
    pub(crate) mapper: Mapper,
    pub(crate) destination: String,
    pub(crate) mask: bool,
    pub(crate) access: Access,
    pub(crate) feed: Feed,
    /// Rises when the index changed.
    pub(crate) changed: watch::Receiver<u64>,
    /// Tells the steps of this index from those of another one.
    pub(crate) epoch: String,
    pipeline: OnceLock<Arc<dyn Pipeline>>,
    faults: OnceLock<Arc<dyn Faults>>,
    writing: std::sync::Mutex<Option<Writing>>,
    keep_messages: u64,
    /// Whether the store was looked through since the start.
    pub(crate) complete: AtomicBool,
}

/// What the task that writes needs.
#[derive(Debug)]
struct Writing {
    /// Away while it writes.
    writer: Option<Writer>,
    changes: mpsc::Receiver<Told>,
    behind: Arc<AtomicBool>,
    notify: watch::Sender<u64>,
}

impl Inspector {
    /// Opens the index; nothing runs before [`serve`](Self::serve).
    ///
    /// # Errors
    /// The index file cannot be made.
    pub fn open(settings: Settings, store: Arc<dyn MessageStore>) -> Result<Arc<Self>, OpenError> {
        let Settings { index, keep_messages, mask, reading, token, mapper, destination } = settings;
        let (index, writer) = Index::open(index.as_deref())?;
        let (feed, changes, behind) = Feed::new(CHANGES);
        let (notify, changed) = watch::channel(0);
        let epoch = if index.is_kept() { "file".to_owned() } else { Token::random().short() };
        Ok(Arc::new(Self {
            index,
            store,
            dictionary: Dictionary::load(),
            mapper: mapper.traced(),
            destination,
            mask,
            access: Access::new(token, reading),
            feed,
            changed,
            epoch,
            pipeline: OnceLock::new(),
            faults: OnceLock::new(),
            writing: std::sync::Mutex::new(Some(Writing { writer: Some(writer), changes, behind, notify })),
            keep_messages,
            complete: AtomicBool::new(false),
        }))
    }

    /// Where to tell what happens.
    pub fn feed(&self) -> Feed {
        self.feed.clone()
    }

    /// Lends it the queue of the process; the first one stays.
    pub fn set_pipeline(&self, pipeline: Arc<dyn Pipeline>) {
        self.pipeline.set(pipeline).ok();
    }

    /// Lends it the fault control of the test server; the first one stays.
    pub fn set_faults(&self, faults: Arc<dyn Faults>) {
        self.faults.set(faults).ok();
    }

    pub(crate) fn pipeline(&self) -> Result<&Arc<dyn Pipeline>, Problem> {
        self.pipeline
            .get()
            .ok_or_else(|| Problem::unavailable("this process has no queue: adt-bridge up has"))
    }

    pub(crate) fn faults(&self) -> Result<&Arc<dyn Faults>, Problem> {
        self.faults.get().ok_or_else(|| Problem::unavailable("this test server takes no faults"))
    }

    /// Serves pages and API on `listener`, and keeps the index, until `shutdown`.
    pub async fn serve(self: Arc<Self>, listener: TcpListener, shutdown: CancellationToken) {
        let tasks = TaskTracker::new();
        let taken = self.writing.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        if let Some(writing) = taken {
            tasks.spawn(Arc::clone(&self).write(writing, shutdown.clone()));
        }
        let changes = TaskTracker::new();
        let router = api::router(Arc::clone(&self), changes.clone(), shutdown.clone());
        let serving =
            axum::serve(listener, router).with_graceful_shutdown(shutdown.clone().cancelled_owned());
        let serving = async {
            let ended = tokio::select! {
                ended = std::future::IntoFuture::into_future(serving) => ended,
                // A page that stays open must not hold the process.
                () = async { shutdown.cancelled().await; tokio::time::sleep(LAST_ANSWERS).await } => Ok(()),
            };
            if let Err(error) = ended {
                tracing::error!(%error, "the inspector ended");
            }
        };
        serving.await;
        shutdown.cancelled().await;
        changes.close();
        changes.wait().await;
        tasks.close();
        tasks.wait().await;
    }

    /// Takes what happens, batch by batch; looks through the store first, and whenever something was left out.
    async fn write(self: Arc<Self>, mut writing: Writing, shutdown: CancellationToken) {
        writing.behind.store(true, Ordering::Relaxed);
        loop {
            let mut batch = Vec::with_capacity(BATCH);
            let stopped = tokio::select! {
                biased;
                count = writing.changes.recv_many(&mut batch, BATCH) => count == 0,
                () = shutdown.cancelled() => true,
                () = std::future::ready(()), if writing.behind.load(Ordering::Relaxed) => false,
            };
            if stopped {
                return;
            }
            let result = if batch.is_empty() {
                writing.behind.store(false, Ordering::Relaxed);
                self.look_through(&mut writing, &shutdown).await
            } else {
                writing.apply(batch, self.keep_messages).await
            };
            if let Err(error) = result {
                tracing::error!(%error, "the inspector's index was not written");
            }
        }
    }

    /// Brings the index in line with the store.
    async fn look_through(
        &self,
        writing: &mut Writing,
        shutdown: &CancellationToken,
    ) -> Result<(), IndexError> {
        let Some(page) = NonZeroUsize::new(PAGE) else { return Ok(()) };
        let mut known = writing.with(|writer| writer.stored()).await?;
        let mut missing: Vec<ReceivedEntry> = Vec::new();
        let mut after = None;
        loop {
            let listed = match self.store.list_received(after.as_ref(), page).await {
                Ok(listed) => listed,
                Err(error) => {
                    tracing::warn!(%error, "the inspector could not list the store");
                    return Ok(());
                }
            };
            missing.extend(listed.entries.into_iter().filter(|entry| !known.remove(entry.key.name())));
            match listed.next {
                Some(next) if !shutdown.is_cancelled() => after = Some(next),
                Some(_) => return Ok(()),
                None => break,
            }
        }
        // What is left of the known is not in the store any more; what arrived meanwhile may only be missing here.
        self.forget_gone(writing, known).await?;
        missing.sort_by_key(|entry| std::cmp::Reverse(entry.received_at));
        missing.truncate(usize::try_from(self.keep_messages).unwrap_or(usize::MAX));
        let count = missing.len();
        for part in missing.chunks(BATCH) {
            let mut batch = Vec::with_capacity(part.len());
            for entry in part {
                if let Some(body) = self.stored(&entry.key).await {
                    batch.push(Told::Change(Change {
                        id: entry.key.name().to_owned(),
                        at: microseconds(entry.received_at),
                        known: Known::Found { body },
                    }));
                }
            }
            writing.apply(batch, self.keep_messages).await?;
            if shutdown.is_cancelled() {
                return Ok(());
            }
            // What happens now comes before what happened then.
            let mut live = Vec::new();
            while live.len() < BATCH
                && let Ok(change) = writing.changes.try_recv()
            {
                live.push(change);
            }
            writing.apply(live, self.keep_messages).await?;
        }
        if count > 0 {
            tracing::info!(messages = count, "the inspector read the store");
        }
        self.complete.store(true, Ordering::Relaxed);
        Ok(())
    }

    async fn forget_gone(&self, writing: &mut Writing, known: HashSet<String>) -> Result<(), IndexError> {
        let mut gone = Vec::new();
        for id in known {
            let Ok(key) = ReceivedKey::parse(&format!("received/{id}")) else { continue };
            if matches!(self.store.received(&key).await, Ok(None)) {
                gone.push(id);
            }
        }
        writing.with(move |writer| writer.forget(&gone)).await
    }

    async fn stored(&self, key: &ReceivedKey) -> Option<Bytes> {
        match self.store.received(key).await {
            Ok(body) => body,
            Err(error) => {
                tracing::warn!(%error, "the inspector could not read a stored message");
                None
            }
        }
    }

    /// The bytes of a message: from the store, or from the index where it never got there.
    pub(crate) async fn body(&self, row: &Row) -> Result<Bytes, Problem> {
        if let Some(body) = self.index.body(row.seq)? {
            return Ok(body.into());
        }
        let gone = || Problem::not_found("the store does not have this message any more");
        let key = ReceivedKey::parse(&format!("received/{}", row.id)).map_err(|_| gone())?;
        self.store.received(&key).await?.ok_or_else(gone)
    }
}

impl Writing {
    async fn apply(&mut self, batch: Vec<Told>, keep: u64) -> Result<(), IndexError> {
        if batch.is_empty() {
            return Ok(());
        }
        let write = move |writer: &mut Writer| {
            let (changes, waiting) = Told::sort(batch);
            let written = writer.apply(changes).and_then(|()| writer.trim(keep));
            drop(waiting);
            written
        };
        let written = self.with(write).await;
        self.notify.send_modify(|version| *version += 1);
        written.map(drop)
    }

    /// Works with the connection off the async threads.
    async fn with<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Writer) -> Result<T, IndexError> + Send + 'static,
    ) -> Result<T, IndexError> {
        let mut writer = self.writer.take().ok_or(IndexError::Stopped)?;
        let done = tokio::task::spawn_blocking(move || {
            let result = work(&mut writer);
            (writer, result)
        });
        let (writer, result) = done.await.map_err(|_| IndexError::Stopped)?;
        self.writer = Some(writer);
        result
    }
}

fn microseconds(time: SystemTime) -> i64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

/// What may wait for the index.
const CHANGES: usize = 16_384;
/// Written at once.
const BATCH: usize = 256;
/// Listed at once.
const PAGE: usize = 1000;
/// For answers that are under way when the process ends.
const LAST_ANSWERS: Duration = Duration::from_secs(2);
