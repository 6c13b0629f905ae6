//! Messages as files below one folder.
//!
//! ```text
//! format               "message-store 1"
//! received/<name>      a received message, never changed
//! Patient/<id>         a current message: ER7 text and nothing else
//! order/<sha256 of id> ordering keys of that file: one line "<sha256 of content> <key>" per possible content
//! accepted/<sha256>    an accepted record: header, empty line, message
//! jobs/<name>          a job of the hook
//! refused/<sha256>     a body that was refused, with the reason before it
//! lock/<00..3f>        empty; locked (flock) around compare and write
//! tmp/<owner>/         files being written; the owner holds a lock on tmp/<owner>/owner
//! ```
//!
//! **Writing.** A file is written under `tmp`, synced, renamed to its place, and then its folder is synced. So a name
//! always leads to a whole file. A call answers after the folder's sync; writers that wait for the same folder share
//! one sync.
//!
//! **Order beside the body.** `order/…` is replaced first and lists the key of the new content and that of the
//! content still in place. Whichever of the two a crash leaves under `Patient/`, its hash finds its key. A file
//! whose hash is not listed was put there by somebody else and is older than everything.
//!
//! **Recovery.** Nothing to replay. At start, `tmp/<owner>` folders whose owner is gone are removed. Several
//! processes may share one folder on one machine.
//!
//! **Failed syncs.** A sync that failed once proves nothing when it succeeds the next time, so after a failed sync of
//! a folder every write is refused until the store is opened again.

mod durable;
mod listing;

use std::{
    fmt, fs, io,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use bytes::Bytes;

use self::durable::{Locks, Scratch, SyncedFolder};
use crate::{
    Accepted, AcceptedRecord, Current, Job, JobKey, JobPage, MessageStore, OrderingKey, Page, PatientKey,
    Precondition, ReceivedKey, RefusedKey, Replacement, StoreError, Stored, Tag,
    file_system::{blocking, failure, make_folder, sync_folders},
    key::content_hash,
};

/// A [`MessageStore`] on a local file system. Files have mode 0600, folders 0700.
#[derive(Clone)]
pub struct DirectoryStore {
    folders: Arc<Folders>,
}

struct Folders {
    received: SyncedFolder,
    current: SyncedFolder,
    order: SyncedFolder,
    accepted: SyncedFolder,
    jobs: SyncedFolder,
    refused: SyncedFolder,
    locks: Locks,
    scratch: Scratch,
}

impl DirectoryStore {
    /// Opens the folder, makes what is missing and removes what dead writers left.
    ///
    /// # Errors
    /// `Config` when the folder holds something else, `Unavailable` or `Full` when it cannot be used.
    pub async fn open(root: PathBuf) -> Result<Self, StoreError> {
        let folders = blocking("open", move || Folders::open(&root)).await?;
        Ok(Self { folders: Arc::new(folders) })
    }

    async fn run<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&Folders) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let folders = Arc::clone(&self.folders);
        blocking(operation, move || work(&folders)).await
    }
}

impl fmt::Debug for DirectoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DirectoryStore")
            .field("received", &self.folders.received.path())
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl MessageStore for DirectoryStore {
    async fn put_received(&self, key: &ReceivedKey, body: Bytes) -> Result<Stored, StoreError> {
        let key = key.clone();
        self.run("put_received", move |folders| folders.put_received(&key, &body)).await
    }

    async fn received(&self, key: &ReceivedKey) -> Result<Option<Bytes>, StoreError> {
        let key = key.clone();
        self.run("received", move |folders| read("received", &folders.received.path().join(key.name()))).await
    }

    async fn list_received(
        &self,
        after: Option<&ReceivedKey>,
        max: NonZeroUsize,
    ) -> Result<Page, StoreError> {
        let after = after.cloned();
        self.run("list_received", move |folders| listing::page(folders.received.path(), after.as_ref(), max))
            .await
    }

    async fn put_current(
        &self,
        patient: &PatientKey,
        order: &OrderingKey,
        body: Bytes,
    ) -> Result<Replacement, StoreError> {
        let (patient, order) = (patient.clone(), order.clone());
        self.run("put_current", move |folders| folders.put_current(&patient, &order, &body)).await
    }

    async fn current(&self, patient: &PatientKey) -> Result<Option<Current>, StoreError> {
        let patient = patient.clone();
        self.run("current", move |folders| {
            let _lock = folders.locks.shared(&patient.digest())?;
            folders.current(&patient)
        })
        .await
    }

    async fn accepted(&self, patient: &PatientKey) -> Result<Option<Accepted>, StoreError> {
        let patient = patient.clone();
        self.run("accepted", move |folders| {
            let Some(text) = read("accepted", &folders.accepted.path().join(patient.digest()))? else {
                return Ok(None);
            };
            Ok(Some(Accepted { record: AcceptedRecord::from_text(&text)?, tag: Tag::of(&text) }))
        })
        .await
    }

    async fn put_accepted(
        &self,
        patient: &PatientKey,
        record: AcceptedRecord,
        precondition: Precondition,
    ) -> Result<Tag, StoreError> {
        let patient = patient.clone();
        self.run("put_accepted", move |folders| folders.put_accepted(&patient, &record, &precondition)).await
    }

    async fn put_job(
        &self,
        key: &JobKey,
        body: Bytes,
        precondition: Precondition,
    ) -> Result<Tag, StoreError> {
        let key = key.clone();
        self.run("put_job", move |folders| folders.put_job(&key, &body, &precondition)).await
    }

    async fn job(&self, key: &JobKey) -> Result<Option<Job>, StoreError> {
        let key = key.clone();
        self.run("job", move |folders| {
            let body = read("job", &folders.jobs.path().join(key.name()))?;
            Ok(body.map(|body| Job { tag: Tag::of(&body), body }))
        })
        .await
    }

    async fn delete_job(&self, key: &JobKey) -> Result<(), StoreError> {
        let key = key.clone();
        self.run("delete_job", move |folders| match fs::remove_file(folders.jobs.path().join(key.name())) {
            Ok(()) => folders.jobs.sync(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(failure("delete_job", error)),
        })
        .await
    }

    async fn list_jobs(&self, after: Option<&JobKey>, max: NonZeroUsize) -> Result<JobPage, StoreError> {
        let after = after.cloned();
        self.run("list_jobs", move |folders| listing::jobs(folders.jobs.path(), after.as_ref(), max)).await
    }

    async fn put_refused(&self, key: &RefusedKey, body: Bytes) -> Result<(), StoreError> {
        let key = key.clone();
        self.run("put_refused", move |folders| {
            let path = folders.refused.path().join(key.name());
            if read("put_refused", &path)?.is_none() {
                folders.scratch.write(&body)?.place(&path)?;
            }
            folders.refused.sync()
        })
        .await
    }

    async fn refused(&self, key: &RefusedKey) -> Result<Option<Bytes>, StoreError> {
        let key = key.clone();
        self.run("refused", move |folders| read("refused", &folders.refused.path().join(key.name()))).await
    }

    async fn ready(&self) -> Result<(), StoreError> {
        self.run("ready", |folders| {
            for folder in
                [&folders.received, &folders.current, &folders.order, &folders.accepted, &folders.jobs]
            {
                folder.check()?;
            }
            folders.scratch.probe()
        })
        .await
    }
}

impl Folders {
    fn open(root: &Path) -> Result<Self, StoreError> {
        let failed = |error| failure("open", error);
        make_folder(root).map_err(failed)?;
        let locks = Locks::open(&root.join("lock")).map_err(failed)?;
        let _opening = locks.exclusive("open")?;
        let format = root.join("format");
        match fs::read_to_string(&format) {
            Ok(found) => check_format(&found)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound && root.join("messages.db").exists() => {
                return Err(embedded(root));
            }
            // The folders above may be new too.
            Err(error) if error.kind() == io::ErrorKind::NotFound => sync_folders(root).map_err(failed)?,
            Err(error) => return Err(failed(error)),
        }
        let folder = |name: &str| SyncedFolder::open(root.join(name)).map_err(failed);
        let folders = Self {
            received: folder("received")?,
            current: folder("Patient")?,
            order: folder("order")?,
            accepted: folder("accepted")?,
            jobs: folder("jobs")?,
            refused: folder("refused")?,
            scratch: Scratch::open(&root.join("tmp")).map_err(failed)?,
            locks,
        };
        let top = SyncedFolder::open(root.to_owned()).map_err(failed)?;
        folders.scratch.write(format!("message-store {VERSION}\n").as_bytes())?.place(&format)?;
        top.sync()?;
        Ok(folders)
    }

    fn put_received(&self, key: &ReceivedKey, body: &Bytes) -> Result<Stored, StoreError> {
        let path = self.received.path().join(key.name());
        let mut stored = self.compare(&path, body)?;
        if stored.is_none() {
            let file = self.scratch.write(body)?;
            let _lock = self.locks.exclusive(&content_hash(key.name().as_bytes()))?;
            stored = self.compare(&path, body)?;
            if stored.is_none() {
                file.place(&path)?;
            }
        }
        // A duplicate too waits for the folder: the first writer may not have come that far.
        self.received.sync()?;
        Ok(stored.unwrap_or(Stored::New))
    }

    /// What is under `path` already, next to `body`.
    fn compare(&self, path: &Path, body: &Bytes) -> Result<Option<Stored>, StoreError> {
        let there = read("put_received", path)?;
        Ok(there.map(|there| if there == body { Stored::Duplicate } else { Stored::Conflict }))
    }

    fn put_current(
        &self,
        patient: &PatientKey,
        order: &OrderingKey,
        body: &Bytes,
    ) -> Result<Replacement, StoreError> {
        let digest = patient.digest();
        let _lock = self.locks.exclusive(&digest)?;
        let there = self.current(patient)?;
        let mut lines = format!("{} {}\n", content_hash(body), order.as_str());
        if let Some(Current { body, order: Some(there) }) = &there {
            if there > order {
                return Ok(Replacement::KeptNewer);
            }
            lines.push_str(&format!("{} {}\n", content_hash(body), there.as_str()));
        }
        self.scratch.write(lines.as_bytes())?.place(&self.order.path().join(&digest))?;
        self.order.sync()?;
        self.scratch.write(body)?.place(&self.current.path().join(patient.id()))?;
        self.current.sync()?;
        Ok(Replacement::Replaced)
    }

    /// The caller holds the patient's lock.
    fn current(&self, patient: &PatientKey) -> Result<Option<Current>, StoreError> {
        let Some(body) = read("current", &self.current.path().join(patient.id()))? else { return Ok(None) };
        let lines = read("current", &self.order.path().join(patient.digest()))?.unwrap_or_default();
        let hash = content_hash(&body);
        let order = String::from_utf8_lossy(&lines)
            .lines()
            .filter_map(|line| line.split_once(' '))
            .find(|(content, _)| *content == hash)
            .and_then(|(_, key)| OrderingKey::new(key).ok());
        Ok(Some(Current { body, order }))
    }

    fn put_accepted(
        &self,
        patient: &PatientKey,
        record: &AcceptedRecord,
        precondition: &Precondition,
    ) -> Result<Tag, StoreError> {
        let text = record.to_text()?;
        let file = self.scratch.write(&text)?;
        let digest = patient.digest();
        let path = self.accepted.path().join(&digest);
        let lock = self.locks.exclusive(&digest)?;
        let there = read("put_accepted", &path)?.map(|there| Tag::of(&there));
        if !precondition.holds(there.as_ref()) {
            return Err(StoreError::Changed);
        }
        file.place(&path)?;
        drop(lock);
        self.accepted.sync()?;
        Ok(Tag::of(&text))
    }
}

impl Folders {
    fn put_job(&self, key: &JobKey, body: &Bytes, precondition: &Precondition) -> Result<Tag, StoreError> {
        let file = self.scratch.write(body)?;
        let path = self.jobs.path().join(key.name());
        let lock = self.locks.exclusive(key.name())?;
        if !precondition.holds(read("put_job", &path)?.map(|there| Tag::of(&there)).as_ref()) {
            return Err(StoreError::Changed);
        }
        file.place(&path)?;
        drop(lock);
        self.jobs.sync()?;
        Ok(Tag::of(body))
    }
}

fn read(operation: &'static str, path: &Path) -> Result<Option<Bytes>, StoreError> {
    match fs::read(path) {
        Ok(content) => Ok(Some(content.into())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failure(operation, error)),
    }
}

/// Whether this program can work with what it finds. There is one format so far; an older one would be changed here.
fn check_format(found: &str) -> Result<(), StoreError> {
    let version = found.strip_prefix("message-store ").and_then(|text| text.trim_end().parse::<u32>().ok());
    let reason = match version {
        Some(VERSION) => return Ok(()),
        Some(version) => format!(
            "the folder has format {version}, this program knows format {VERSION}; start the program that wrote it"
        ),
        None => "the folder holds something else than a message store".to_owned(),
    };
    Err(StoreError::Config { reason })
}

/// A store of the other kind must not become invisible because a setting changed.
fn embedded(root: &Path) -> StoreError {
    let reason = format!(
        "{0} holds an embedded store: set store.kind to \"embedded\" and store.path to {0}/messages.db, or store.path to \
         another folder to begin with an empty store",
        root.display()
    );
    StoreError::Config { reason }
}

/// Of the layout described above; stands in `format` as `message-store 1`.
const VERSION: u32 = 1;
