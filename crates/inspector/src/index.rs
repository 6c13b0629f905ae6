//! The index: one row per message, every word of it, and each step of its way. SQLite with FTS5.
//!
//! Everything in it can be had again from the message store, so nothing is synced to disk, and a file of another
//! version is thrown away. One thread writes, batch by batch; reads have connections of their own.
//!
//! A row's number is the time it was first seen, in microseconds, made unique: newest first is one walk from the end,
//! also through a full-text search.

use std::fmt;
use std::fs::{DirBuilder, OpenOptions};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

mod query;
mod read;
mod row;
mod write;

pub(crate) use query::Query;

pub(crate) use row::{Row, Step};
pub(crate) use write::{Arrived, Change, Known, Writer};

/// Where the index is.
#[derive(Debug)]
pub(crate) struct Index {
    place: Place,
    readers: Vec<Mutex<Connection>>,
    next: AtomicU64,
}

#[derive(Debug, Clone)]
enum Place {
    File(PathBuf),
    Memory(String),
}

/// Why the index cannot be opened. Its name says all a caller can do about it.
#[derive(Debug, thiserror::Error)]
#[error("the inspector's index cannot be opened: {0}")]
pub struct OpenError(String);

/// Why the index did not answer. Holds no value: SQLite's own texts name columns only.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IndexError {
    #[error("{0}")]
    Sqlite(String),
    #[error("the thread that asked ended")]
    Stopped,
}

impl From<rusqlite::Error> for IndexError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(
            error.sqlite_error_code().map_or_else(|| "unexpected row".to_owned(), |code| format!("{code:?}")),
        )
    }
}

impl Index {
    /// Opens or makes it; `None` keeps it in memory.
    pub(crate) fn open(path: Option<&Path>) -> Result<(Self, Writer), OpenError> {
        let failed = |error: &dyn fmt::Display| OpenError(error.to_string());
        let place = match path {
            None => {
                Place::Memory(format!("file:/inspector-{}?vfs=memdb", NUMBER.fetch_add(1, Ordering::Relaxed)))
            }
            Some(path) => {
                prepare(path).map_err(|error| failed(&error))?;
                Place::File(path.to_owned())
            }
        };
        let open = || place.connect().and_then(Writer::new);
        let writer = match open() {
            Ok(writer) => writer,
            Err(error) => {
                // Of another version, or damaged: it holds nothing that the store does not.
                let Place::File(path) = &place else { return Err(failed(&error)) };
                tracing::warn!(%error, "the inspector's index is made anew");
                remove(path).and_then(|()| prepare(path)).map_err(|error| failed(&error))?;
                open().map_err(|error| failed(&error))?
            }
        };
        let readers = (0..READERS).map(|_| place.connect().map(Mutex::new)).collect::<Result<_, _>>();
        let readers = readers.map_err(|error| failed(&error))?;
        Ok((Self { place, readers, next: AtomicU64::new(0) }, writer))
    }

    /// One of the connections that read.
    fn reader(&self) -> MutexGuard<'_, Connection> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let index = usize::try_from(number).unwrap_or_default() % self.readers.len();
        #[expect(clippy::indexing_slicing, reason = "the index is below the length")]
        self.readers[index].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it outlives the process.
    pub(crate) fn is_kept(&self) -> bool {
        matches!(self.place, Place::File(_))
    }
}

impl Place {
    fn connect(&self) -> rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_URI
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = match self {
            Self::File(path) => Connection::open_with_flags(path, flags & !OpenFlags::SQLITE_OPEN_URI)?,
            Self::Memory(name) => Connection::open_with_flags(name, flags)?,
        };
        connection.busy_timeout(BUSY)?;
        connection.set_prepared_statement_cache_capacity(64);
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.pragma_update(None, "synchronous", "OFF")?;
        connection.pragma_update(None, "temp_store", "MEMORY")?;
        Ok(connection)
    }
}

fn prepare(path: &Path) -> std::io::Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    // SQLite gives its other files the mode of this one.
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
    file.set_permissions(PermissionsExt::from_mode(0o600))
}

fn remove(path: &Path) -> std::io::Result<()> {
    for suffix in ["", "-wal", "-shm", "-journal"] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        match std::fs::remove_file(PathBuf::from(name)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Tells the indexes of one process apart.
static NUMBER: AtomicU64 = AtomicU64::new(0);
const READERS: usize = 2;
const BUSY: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests;
