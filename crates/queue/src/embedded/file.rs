//! The files of the queue: creation, modes, owner lock and the reserve.

use std::{
    ffi::OsString,
    fs::{DirBuilder, File, OpenOptions, TryLockError},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use super::unavailable;
use crate::QueueError;

/// Stands in the lock file once the database exists.
const CREATED: &[u8] = b"adt-bridge queue 1\n";
/// How often a missing reserve is tried again.
const RESERVE_RETRY: Duration = Duration::from_secs(1);

/// The owner lock; held as long as it lives, released by the kernel however the process ends.
#[derive(Debug)]
pub(super) struct Owner {
    lock: File,
}

impl Owner {
    /// Takes the lock and makes sure that the database file is where the last owner left it.
    pub(super) fn acquire(path: &Path) -> Result<Self, QueueError> {
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
            made.map_err(|error| unavailable(&error))?;
        }
        let mut lock = open_private(&lock_path(path)).map_err(|error| unavailable(&error))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(QueueError::Owned),
            Err(TryLockError::Error(error)) => return Err(unavailable(&error)),
        }
        let mut mark = Vec::new();
        lock.read_to_end(&mut mark).map_err(|error| unavailable(&error))?;
        let size = path.metadata().map_or(0, |metadata| metadata.len());
        if size == 0 {
            was_not_created(&mark)?;
        }
        let file = open_private(path).map_err(|error| unavailable(&error))?;
        let private = file.set_permissions(PermissionsExt::from_mode(0o600));
        private.map_err(|error| unavailable(&error))?;
        if mark != CREATED {
            sync_folders(path).map_err(|error| unavailable(&error))?;
        }
        Ok(Self { lock })
    }

    /// Notes that the database exists from now on.
    pub(super) fn mark_created(&mut self) -> io::Result<()> {
        self.lock.seek(SeekFrom::Start(0))?;
        self.lock.write_all(CREATED)?;
        self.lock.sync_all()
    }
}

/// The file that carries the lock of the queue at `path`.
pub(super) fn lock_path(path: &Path) -> PathBuf {
    beside(path, ".lock")
}

/// For a queue without a database: whether there never was one.
pub(super) fn not_lost(lock: &Path) -> Result<(), QueueError> {
    match std::fs::read(lock) {
        Ok(mark) => was_not_created(&mark),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(unavailable(&error)),
    }
}

fn was_not_created(mark: &[u8]) -> Result<(), QueueError> {
    if mark != CREATED {
        return Ok(());
    }
    let reason = "the database file is missing or empty; put it back, or remove the .lock file beside it to begin with \
                  an empty queue";
    Err(QueueError::Corrupt { reason: reason.into() })
}

/// Disk space kept for the day the disk is full.
#[derive(Debug)]
pub(super) struct Reserve {
    path: PathBuf,
    bytes: u64,
    held: bool,
    tried_at: Option<Instant>,
}

impl Reserve {
    pub(super) fn new(database: &Path, bytes: u64) -> Self {
        Self { path: beside(database, ".reserve"), bytes, held: false, tried_at: None }
    }

    /// Whether the space is held; writes the file when it is not, at most once a second.
    pub(super) fn ensure(&mut self) -> bool {
        if !self.held && self.tried_at.is_none_or(|at| at.elapsed() >= RESERVE_RETRY) {
            self.tried_at = Some(Instant::now());
            self.held = self.fill().is_ok();
            if !self.held {
                // Half a reserve would only take the space that deletes need.
                drop(std::fs::remove_file(&self.path));
            }
        }
        self.held
    }

    /// Gives the space back; false when there was none.
    pub(super) fn free(&mut self) -> bool {
        self.tried_at = Some(Instant::now());
        std::mem::take(&mut self.held) && std::fs::remove_file(&self.path).is_ok()
    }

    fn fill(&self) -> io::Result<()> {
        let mut file = open_private(&self.path)?;
        if file.metadata()?.len() == self.bytes {
            return Ok(());
        }
        file.set_len(0)?;
        io::copy(&mut io::repeat(0xFF).take(self.bytes), &mut file)?;
        file.sync_all()
    }
}

/// Makes the name of a file safe from a power failure, and those of the folders above it, which may be new too.
fn sync_folders(path: &Path) -> io::Result<()> {
    for folder in path.canonicalize()?.ancestors().skip(1) {
        match File::open(folder) {
            Ok(folder) => folder.sync_all()?,
            // Not made by us.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => break,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn open_private(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    PathBuf::from(name)
}
