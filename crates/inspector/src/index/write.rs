//! Writing: what became known, one batch in one transaction.

use std::collections::HashSet;
use std::fmt;

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension as _, Transaction, params};

use super::IndexError;
use crate::summary::Summary;

/// The one connection that writes.
#[derive(Debug)]
pub(crate) struct Writer {
    connection: Connection,
}

/// Something that became known about a message. Holds patient data: `Debug` shows its kind and id only.
pub(crate) struct Change {
    /// The message.
    pub(crate) id: String,
    /// When, microseconds since 1970.
    pub(crate) at: i64,
    pub(crate) known: Known,
}

/// What became known.
pub(crate) enum Known {
    /// The hook accepted it and the queue has it.
    Queued { body: Bytes, group: String, accepted_at: Option<i64>, repeated: bool },
    /// The sender has it, for the n-th time.
    Leased { body: Bytes, count: u32 },
    /// Acknowledged and gone from the queue.
    Delivered,
    /// Given up.
    Dead {
        reason: String,
        ack_code: String,
        error_code: String,
        attempts: u32,
        acknowledgment: Option<Vec<u8>>,
    },
    /// It came to the test server, and was answered.
    Arrived(Arrived),
    /// It is in the store; when and how it came is not known any more.
    Found { body: Bytes },
    /// An operator did something.
    Operated { kind: &'static str, detail: String },
}

/// A message at the test server.
pub(crate) struct Arrived {
    pub(crate) body: Bytes,
    /// `stored`, `duplicate`, `refused` …
    pub(crate) outcome: String,
    pub(crate) stored: bool,
    pub(crate) acknowledgment: Option<Vec<u8>>,
    pub(crate) ack_code: String,
    pub(crate) error_code: String,
    /// Where it came from, and what was done to it on purpose.
    pub(crate) detail: String,
}

impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Change").field("id", &self.id).field("at", &self.at).finish_non_exhaustive()
    }
}

impl Writer {
    pub(super) fn new(connection: Connection) -> rusqlite::Result<Self> {
        // In memory there is no such journal; then it stays as it is.
        connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
        let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        if version == 0 {
            connection.execute_batch(include_str!("schema.sql"))?;
            connection.pragma_update(None, "user_version", VERSION)?;
        } else if version != VERSION {
            return Err(rusqlite::Error::InvalidQuery);
        }
        let check: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        if check != "ok" {
            return Err(rusqlite::Error::InvalidQuery);
        }
        Ok(Self { connection })
    }

    /// Writes all of it or nothing.
    pub(crate) fn apply(&mut self, changes: Vec<Change>) -> Result<(), IndexError> {
        let transaction = self.connection.transaction()?;
        for change in changes {
            Apply { transaction: &transaction, id: &change.id, at: change.at }.known(change.known)?;
        }
        transaction.commit()?;
        Ok(())
    }

    /// Ids of the messages that the index believes to be in the store.
    pub(crate) fn stored(&self) -> Result<HashSet<String>, IndexError> {
        let mut statement = self.connection.prepare_cached("SELECT id FROM message WHERE stored")?;
        let ids = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
        Ok(ids)
    }

    /// Forgets messages.
    pub(crate) fn forget(&mut self, ids: &[String]) -> Result<(), IndexError> {
        let transaction = self.connection.transaction()?;
        for id in ids {
            let seq: Option<i64> = transaction
                .prepare_cached("DELETE FROM message WHERE id = ? RETURNING seq")?
                .query_row([id], |row| row.get(0))
                .optional()?;
            if let Some(seq) = seq {
                transaction.prepare_cached("DELETE FROM words WHERE rowid = ?")?.execute([seq])?;
            }
        }
        transaction.commit()?;
        Ok(())
    }

    /// Keeps the newest `most` messages; says how many went.
    pub(crate) fn trim(&mut self, most: u64) -> Result<usize, IndexError> {
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let sql = "SELECT seq FROM message ORDER BY seq DESC LIMIT 1 OFFSET ?";
        let first: Option<i64> =
            self.connection.prepare_cached(sql)?.query_row([most], |row| row.get(0)).optional()?;
        let Some(first) = first else { return Ok(0) };
        let transaction = self.connection.transaction()?;
        transaction
            .execute("DELETE FROM words WHERE rowid IN (SELECT seq FROM message WHERE seq <= ?)", [first])?;
        let gone = transaction.execute("DELETE FROM message WHERE seq <= ?", [first])?;
        transaction.commit()?;
        Ok(gone)
    }
}

/// One change being written.
struct Apply<'a> {
    transaction: &'a Transaction<'a>,
    id: &'a str,
    at: i64,
}

impl Apply<'_> {
    fn known(&self, known: Known) -> Result<(), IndexError> {
        match known {
            Known::Queued { body, group, accepted_at, repeated } => {
                let seq = self.row(&body, "queued", Some(&body))?;
                // It may have been sent, even stored, before the one who queued it came to tell.
                let is_first = self.group(seq)?.is_empty();
                self.set(
                    "UPDATE message SET queue_group = ?2, accepted_us = coalesce(accepted_us, ?3) WHERE seq = ?1",
                    params![seq, group, accepted_at.unwrap_or(self.at)],
                )?;
                if let Some(accepted) = accepted_at.filter(|_| is_first) {
                    self.step_at(seq, accepted, "accepted", "")?;
                }
                // Whoever sent it had it from the queue.
                let lease = if is_first { self.first_lease(seq)? } else { None };
                let at = lease.map_or(self.at, |lease| self.at.min(lease - 1));
                self.step_at(seq, at, "queued", if repeated { "the same write again: queued once" } else { "" })
            }
            Known::Leased { body, count } => {
                self.row(&body, "sending", Some(&body))?;
                self.update(
                    "UPDATE message SET attempts = max(attempts, ?2), \
                     state = CASE WHEN state IN ('queued', 'dead') THEN 'sending' ELSE state END WHERE seq = ?1",
                    &[&count],
                    "sending",
                    &format!("attempt {count}"),
                )
            }
            Known::Delivered => self.update(
                "UPDATE message SET state = 'delivered', settled_us = coalesce(settled_us, ?2) WHERE seq = ?1",
                &[&self.at],
                "delivered",
                "",
            ),
            Known::Dead { reason, ack_code, error_code, attempts, acknowledgment } => self.update(
                "UPDATE message SET state = 'dead', ack_code = ?2, error_code = ?3, attempts = max(attempts, ?4), \
                 acknowledgment = coalesce(?5, acknowledgment) WHERE seq = ?1",
                &[&ack_code, &error_code, &attempts, &acknowledgment],
                "dead",
                &reason,
            ),
            Known::Arrived(arrived) => self.arrived(arrived),
            Known::Found { body } => {
                if self.seq()?.is_none() {
                    let seq = self.row(&body, "stored", None)?;
                    self.set("UPDATE message SET received_us = ?2, deliveries = 1 WHERE seq = ?1", params![seq, self.at])?;
                    self.step(seq, "stored", "found in the store")?;
                }
                self.set("UPDATE message SET stored = 1, body = NULL WHERE id = ?1", params![self.id])
            }
            Known::Operated { kind, detail } => {
                let Some(seq) = self.seq()? else { return Ok(()) };
                let state = match kind {
                    "redriven" => "queued",
                    "skipped" => "skipped",
                    _ => "dead",
                };
                // What is sent again has not been answered yet; its timeline keeps what was said before.
                self.set(
                    "UPDATE message SET state = ?2, ack_code = iif(?2 = 'queued', '', ack_code), \
                     error_code = iif(?2 = 'queued', '', error_code) WHERE seq = ?1 AND state = 'dead'",
                    params![seq, state],
                )?;
                self.step(seq, kind, &detail)
            }
        }
    }

    fn arrived(&self, arrived: Arrived) -> Result<(), IndexError> {
        let Arrived { body, outcome, stored, acknowledgment, ack_code, error_code, detail } = arrived;
        let state = match outcome.as_str() {
            "stored" | "duplicate" | "stored_with_complaint" => "stored",
            "dropped" => "dropped",
            _ => "refused",
        };
        let seq = self.row(&body, state, (!stored).then_some(&body))?;
        // What is under way is settled by the queue; what only arrived, by its answer.
        self.set(
            "UPDATE message SET received_us = coalesce(received_us, ?2), deliveries = deliveries + 1, ack_code = ?3, \
             error_code = ?4, acknowledgment = ?5, stored = max(stored, ?6), \
             body = CASE WHEN max(stored, ?6) THEN NULL ELSE body END, \
             state = CASE WHEN queue_group <> '' OR state IN ('sending', 'delivered', 'stored') THEN state ELSE ?7 END \
             WHERE seq = ?1",
            params![seq, self.at, ack_code, error_code, acknowledgment, stored, state],
        )?;
        self.step(seq, "received", &detail)?;
        let answer = if ack_code.is_empty() { outcome } else { format!("{outcome}, answered {ack_code}") };
        self.step(seq, if stored { "stored" } else { "answered" }, &answer)
    }

    /// The row of the message, made where there is none.
    fn row(&self, body: &Bytes, state: &str, keep: Option<&Bytes>) -> Result<i64, IndexError> {
        if let Some(seq) = self.seq()? {
            return Ok(seq);
        }
        let summary = Summary::of(body);
        let mut seq = self.at;
        while self.is_taken(seq)? {
            seq += 1;
        }
        self.transaction
            .prepare_cached(
                "INSERT INTO message (seq, id, control_id, kind, event, version, sender, receiver, patient, name, mrn, \
                 state, size, stored, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
            )?
            .execute(params![
                seq,
                self.id,
                summary.control_id,
                summary.kind,
                summary.event,
                summary.version,
                summary.sender,
                summary.receiver,
                summary.patient,
                summary.name,
                summary.mrn,
                state,
                i64::try_from(body.len()).unwrap_or(i64::MAX),
                keep.is_none(),
                keep.map(|body| body.as_ref()),
            ])?;
        self.transaction
            .prepare_cached("INSERT INTO words (rowid, names, ids, anything) VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![seq, summary.names, summary.ids, summary.words])?;
        Ok(seq)
    }

    fn seq(&self) -> Result<Option<i64>, IndexError> {
        let mut statement = self.transaction.prepare_cached("SELECT seq FROM message WHERE id = ?")?;
        Ok(statement.query_row([self.id], |row| row.get(0)).optional()?)
    }

    fn group(&self, seq: i64) -> Result<String, IndexError> {
        let mut statement =
            self.transaction.prepare_cached("SELECT queue_group FROM message WHERE seq = ?")?;
        Ok(statement.query_row([seq], |row| row.get(0))?)
    }

    fn first_lease(&self, seq: i64) -> Result<Option<i64>, IndexError> {
        let sql = "SELECT min(at_us) FROM step WHERE seq = ? AND kind = 'sending'";
        Ok(self.transaction.prepare_cached(sql)?.query_row([seq], |row| row.get(0))?)
    }

    fn is_taken(&self, seq: i64) -> Result<bool, IndexError> {
        Ok(self.transaction.prepare_cached("SELECT 1 FROM message WHERE seq = ?")?.exists([seq])?)
    }

    /// Changes a message that is known, and notes the step. One that is not known (its words came before the index
    /// was opened) is nothing to note.
    fn update(
        &self,
        sql: &str,
        values: &[&dyn rusqlite::ToSql],
        kind: &str,
        detail: &str,
    ) -> Result<(), IndexError> {
        let Some(seq) = self.seq()? else { return Ok(()) };
        let mut all: Vec<&dyn rusqlite::ToSql> = vec![&seq];
        all.extend(values);
        self.set(sql, all.as_slice())?;
        self.step(seq, kind, detail)
    }

    fn set(&self, sql: &str, values: impl rusqlite::Params) -> Result<(), IndexError> {
        self.transaction.prepare_cached(sql)?.execute(values)?;
        Ok(())
    }

    fn step(&self, seq: i64, kind: &str, detail: &str) -> Result<(), IndexError> {
        self.step_at(seq, self.at, kind, detail)
    }

    fn step_at(&self, seq: i64, at: i64, kind: &str, detail: &str) -> Result<(), IndexError> {
        self.set(
            "INSERT INTO step (seq, at_us, kind, detail) VALUES (?1, ?2, ?3, ?4)",
            params![seq, at, kind, detail],
        )
    }
}

/// Of the schema; another one is thrown away.
const VERSION: i64 = 1;
