//! One SQLite table with group commit: a thread writes whatever waits in one transaction.

use std::{path::Path, sync::mpsc, thread};

use rusqlite::{Connection, params};
use tokio::sync::oneshot;

use crate::Error;

/// What the thread does.
pub(crate) enum Job {
    /// Answers when the row is durable, with its id.
    Insert(String, oneshot::Sender<i64>),
    /// Calls back when the row is durably gone.
    Delete(i64, Box<dyn FnOnce() + Send>),
}

pub(crate) fn open(path: &Path) -> Result<mpsc::Sender<Job>, Error> {
    let mut connection = Connection::open(path)?;
    connection.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
         CREATE TABLE IF NOT EXISTS message (id INTEGER PRIMARY KEY, body TEXT NOT NULL);",
    )?;
    let (jobs, inbox) = mpsc::channel();
    thread::Builder::new().name("store".to_owned()).spawn(move || {
        while let Ok(first) = inbox.recv() {
            let batch = std::iter::once(first).chain(inbox.try_iter().take(MOST - 1)).collect();
            if let Err(error) = write(&mut connection, batch) {
                println!("store: {error}");
                return;
            }
        }
    })?;
    Ok(jobs)
}

pub(crate) fn count(path: &Path) -> Result<u64, Error> {
    let count: i64 =
        Connection::open(path)?.query_row("SELECT count(*) FROM message", [], |row| row.get(0))?;
    Ok(count.try_into()?)
}

fn write(connection: &mut Connection, batch: Vec<Job>) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    let mut answers: Vec<Box<dyn FnOnce() + Send>> = Vec::with_capacity(batch.len());
    {
        let mut insert = transaction.prepare_cached("INSERT INTO message (body) VALUES (?1)")?;
        let mut delete = transaction.prepare_cached("DELETE FROM message WHERE id = ?1")?;
        for job in batch {
            match job {
                Job::Insert(body, answer) => {
                    let id = insert.insert(params![body])?;
                    answers.push(Box::new(move || {
                        answer.send(id).ok();
                    }));
                }
                Job::Delete(id, answer) => {
                    delete.execute(params![id])?;
                    answers.push(answer);
                }
            }
        }
    }
    transaction.commit()?;
    answers.into_iter().for_each(|answer| answer());
    Ok(())
}

const MOST: usize = 512;
