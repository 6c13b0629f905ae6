//! Looks at the file beside the process that owns it: read-only, without the owner's lock.

use std::{path::Path, time::Duration};

use rusqlite::{Connection, OpenFlags};

use super::{
    EmbeddedQueue,
    core::MAX_CHECKED_BYTES,
    file,
    rows::{database_error, unsigned},
    schema, unavailable,
};
use crate::{FileContent, FileExamination, QueueError};

impl EmbeddedQueue {
    /// Looks at the queue file at `path`: its tables and, up to 256 MiB, all of its pages. Blocks while it reads.
    ///
    /// # Errors
    /// As [`EmbeddedQueue::open`] would: [`QueueError::Corrupt`], [`QueueError::Configuration`] for a file of a newer
    /// program, [`QueueError::Unavailable`] when it cannot be read.
    pub fn examine(path: &Path) -> Result<FileExamination, QueueError> {
        let lock = file::lock_path(path);
        let size_bytes = match path.metadata() {
            Ok(metadata) => metadata.len(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => 0,
            Err(error) => return Err(unavailable(&error)),
        };
        if size_bytes == 0 {
            file::not_lost(&lock)?;
            return Ok(FileExamination { lock, content: None });
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(|error| database_error(&error))?;
        connection.busy_timeout(PATIENCE).map_err(|error| database_error(&error))?;
        let schema = schema::examine(&connection)?;
        if schema == 0 {
            // A start that did not come to its end leaves this. So does whoever takes a -wal away.
            file::not_lost(&lock)?;
            return Ok(FileExamination { lock, content: None });
        }
        let checked = size_bytes <= MAX_CHECKED_BYTES;
        if checked {
            let result = connection.pragma_query_value(None, "quick_check", |row| row.get::<_, String>(0));
            if result.map_err(|error| database_error(&error))? != "ok" {
                return Err(QueueError::Corrupt { reason: "the integrity check of SQLite failed".into() });
            }
        }
        let count = |sql| connection.query_row(sql, [], |row| row.get(0)).map(unsigned);
        let waiting = count("SELECT count(*) FROM message INDEXED BY message_waiting WHERE dead = 0");
        let dead = count("SELECT count(*) FROM dead_letter");
        let content = FileContent {
            schema,
            newest_schema: schema::VERSION,
            size_bytes,
            checked,
            waiting: waiting.map_err(|error| database_error(&error))?,
            dead: dead.map_err(|error| database_error(&error))?,
        };
        Ok(FileExamination { lock, content: Some(content) })
    }
}

/// A process that starts holds the file for a moment.
const PATIENCE: Duration = Duration::from_secs(2);
