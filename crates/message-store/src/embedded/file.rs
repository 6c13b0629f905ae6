//! The files of the store: making, modes, the lock between processes.

use std::{
    ffi::OsString,
    fs::{File, OpenOptions},
    io::{self, Read as _, Seek as _, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt},
    path::{Path, PathBuf},
    sync::OnceLock,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rusqlite::{Connection, OpenFlags};

use super::{rows, schema};
use crate::{
    StoreError,
    file_system::{failure, make_folder, sync_folders},
};

/// Stands in the lock file once the database exists.
const CREATED: &[u8] = b"message-store embedded 1\n";
/// Files up to this size are checked whole when they are opened, the index of keys against the rows too; of larger ones
/// each object as it is read.
const MAX_CHECKED_BYTES: u64 = 256 * 1024 * 1024;
/// What is said when somebody took the file away.
pub(super) const GONE: &str = "the database file was removed or replaced";

/// Where they are, and which file was opened there.
#[derive(Clone, Debug)]
pub(super) struct Files {
    path: PathBuf,
    /// Device and inode.
    opened: OnceLock<(u64, u64)>,
}

impl Files {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, opened: OnceLock::new() }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes what is missing, brings forward what is old, and checks it. Returns the connection that writes.
    pub(super) fn open(&self) -> Result<Connection, StoreError> {
        let failed = |error| failure("open", error);
        if let Some(folder) = self.path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            make_folder(folder).map_err(failed)?;
            not_a_directory_store(folder)?;
        }
        let mut lock = self.lock_file()?;
        lock.lock().map_err(failed)?;
        let mut mark = Vec::new();
        lock.read_to_end(&mut mark).map_err(failed)?;
        let size = self.path.metadata().map_or(0, |metadata| metadata.len());
        if mark == CREATED && size == 0 {
            let reason = "the database file is missing or empty; put it back, or remove the .lock file beside it to \
                          begin with an empty store";
            return Err(StoreError::Corrupt { reason });
        }
        let file = open_private(&self.path).map_err(failed)?;
        file.set_permissions(PermissionsExt::from_mode(0o600)).map_err(failed)?;
        if mark != CREATED {
            sync_folders(&self.path).map_err(failed)?;
        }
        let connection = self.connect()?;
        schema::recognise(&connection)?;
        settle(&connection).map_err(|error| rows::failure("open", error))?;
        if size <= MAX_CHECKED_BYTES {
            let check = connection.pragma_query_value(None, "integrity_check", |row| row.get::<_, String>(0));
            if check.map_err(|error| rows::failure("open", error))? != "ok" {
                return Err(StoreError::Corrupt { reason: "the integrity check of SQLite failed" });
            }
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        schema::bring_forward(&connection, now)?;
        if mark != CREATED {
            lock.rewind().map_err(failed)?;
            lock.write_all(CREATED).map_err(failed)?;
            lock.sync_all().map_err(failed)?;
        }
        self.opened.get_or_init(|| identity(&self.path).unwrap_or_default());
        Ok(connection)
    }

    /// A connection that cannot write.
    pub(super) fn connect_reader(&self) -> Result<Connection, StoreError> {
        let connection = self.connect()?;
        let set = connection.pragma_update(None, "query_only", true);
        set.map_err(|error| rows::failure("open", error))?;
        Ok(connection)
    }

    fn connect(&self) -> Result<Connection, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let open = || {
            let connection = Connection::open_with_flags(&self.path, flags)?;
            connection.busy_timeout(Duration::from_secs(5))?;
            connection.set_prepared_statement_cache_capacity(16);
            Ok(connection)
        };
        open().map_err(|error| rows::failure("open", error))
    }

    /// The file that is locked by whoever opens or writes.
    pub(super) fn lock_file(&self) -> Result<File, StoreError> {
        let mut name = OsString::from(&self.path);
        name.push(".lock");
        open_private(Path::new(&name)).map_err(|error| failure("open", error))
    }

    /// Whether the file that was opened is still the one under its name.
    pub(super) fn is_there(&self) -> bool {
        self.opened.get().is_some_and(|opened| identity(&self.path).is_ok_and(|found| found == *opened))
    }

    /// The same as a result.
    pub(super) fn check(&self, operation: &'static str) -> Result<(), StoreError> {
        if self.is_there() { Ok(()) } else { Err(StoreError::unavailable(operation, GONE)) }
    }
}

/// A store of the other kind must not become invisible because a setting changed.
fn not_a_directory_store(folder: &Path) -> Result<(), StoreError> {
    if !std::fs::read(folder.join("format")).is_ok_and(|format| format.starts_with(b"message-store ")) {
        return Ok(());
    }
    let reason = format!(
        "{} holds a directory store: set store.kind to \"directory\" and store.path to that folder, or store.path to a \
         file elsewhere to begin with an empty store",
        folder.display()
    );
    Err(StoreError::Config { reason })
}

fn settle(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "cell_size_check", true)?;
    connection.pragma_update(None, "secure_delete", "FAST")?;
    connection.pragma_update(None, "trusted_schema", false)
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    path.metadata().map(|metadata| (metadata.dev(), metadata.ino()))
}

fn open_private(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}
