//! Which messages were sent a short time ago, so that a repeat is recognised.
//!
//! A record is written in the order of the sequences, behind the ones before it, and leaves from the other end: both
//! touch a page or two, however many there are. What is looked for is found through the [`Span`]s in memory, which say
//! where a record may be; the record itself, with the whole hash, says whether it is. Beyond [`MOST_SPANS`] the oldest
//! records move to a table that is searched by the hash itself: that costs a page for each, but no memory. Records of a
//! file of schema version 2 stand there too.

mod span;

use std::collections::{HashMap, VecDeque};

use rusqlite::{Connection, OptionalExtension, params};
use sha2::{Digest, Sha256};

use self::span::Span;
use super::rows::{signed, unsigned};
use crate::Envelope;

/// The most spans whose records are found through memory: two million records, 16 MiB.
const MOST_SPANS: usize = if cfg!(test) { 2 } else { 32 };

/// The SHA-256 of group and id: two messages that share it are one.
pub(super) type Identity = [u8; 32];

pub(super) fn identity(envelope: &Envelope) -> Identity {
    let mut hash = Sha256::new();
    hash.update(envelope.group.as_str());
    hash.update([0]);
    hash.update(envelope.deduplication_id.as_str());
    hash.finalize().into()
}

/// Knows where the committed records may be.
#[derive(Debug, Default)]
pub(super) struct Deduplication {
    spans: VecDeque<Span>,
    /// Whether there may be records in the table that is searched by hash.
    by_hash: bool,
}

/// What a transaction does to the records. Counts once it is committed.
#[derive(Debug, Default)]
pub(super) struct Change {
    added: HashMap<Identity, u64>,
    /// No record below is left among those in the order of the sequences.
    first: u64,
    /// Whether there may be records by hash from now on, where that changes.
    by_hash: Option<bool>,
}

impl Deduplication {
    /// Reads the records of a file that was just opened.
    pub(super) fn load(connection: &Connection, now_ms: u64) -> rusqlite::Result<Self> {
        let mut known = Self { spans: VecDeque::new(), by_hash: any_by_hash(connection)? };
        let mut records =
            connection.prepare("SELECT seq, key FROM recent_send WHERE expires_ms > ?1 ORDER BY seq")?;
        let mut rows = records.query([signed(now_ms)])?;
        while let Some(row) = rows.next()? {
            // What is no hash any more is nobody's.
            if let Ok(identity) = row.get::<_, Identity>(1) {
                known.add(unsigned(row.get(0)?), &identity);
            }
        }
        Ok(known)
    }

    /// The sequence under which the same was sent, if its window still lasts.
    pub(super) fn find(
        &self,
        change: &Change,
        connection: &Connection,
        identity: &Identity,
        now_ms: u64,
    ) -> rusqlite::Result<Option<u64>> {
        if let Some(sequence) = change.added.get(identity) {
            return Ok(Some(*sequence));
        }
        for sequence in self.spans.iter().flat_map(|span| span.places(identity)) {
            let sql = "SELECT 1 FROM recent_send WHERE seq = ?1 AND key = ?2 AND expires_ms > ?3";
            let found = params![signed(sequence), identity, signed(now_ms)];
            if connection.prepare_cached(sql)?.exists(found)? {
                return Ok(Some(sequence));
            }
        }
        if !self.by_hash {
            return Ok(None);
        }
        let sql = "SELECT seq FROM deduplication WHERE key = ?1 AND expires_ms > ?2";
        let mut find = connection.prepare_cached(sql)?;
        find.query_row(params![identity, signed(now_ms)], |row| row.get(0).map(unsigned)).optional()
    }

    /// Lets go of what expired, and moves what is too much for memory: the oldest records first, at most so many.
    pub(super) fn sweep(
        &self,
        change: &mut Change,
        connection: &Connection,
        now_ms: u64,
        most: usize,
    ) -> rusqlite::Result<()> {
        let too_many = self.spans.len() > MOST_SPANS;
        let mut leaving = None;
        let mut oldest = connection.prepare_cached("SELECT seq, expires_ms FROM recent_send ORDER BY seq")?;
        let mut rows = oldest.query([])?;
        for _ in 0..most {
            let Some(row) = rows.next()? else { break };
            if !too_many && unsigned(row.get(1)?) > now_ms {
                break;
            }
            leaving = Some(row.get::<_, i64>(0)?);
        }
        drop(rows);
        let mut by_hash = self.by_hash;
        if let Some(last) = leaving {
            if too_many {
                let sql = "INSERT OR REPLACE INTO deduplication (key, seq, expires_ms) \
                           SELECT key, seq, expires_ms FROM recent_send WHERE seq <= ?1 AND expires_ms > ?2";
                by_hash |= connection.prepare_cached(sql)?.execute([last, signed(now_ms)])? > 0;
            }
            connection.prepare_cached("DELETE FROM recent_send WHERE seq <= ?1")?.execute([last])?;
            change.first = unsigned(last) + 1;
        }
        if by_hash {
            let sql = "DELETE FROM deduplication WHERE key IN \
                       (SELECT key FROM deduplication WHERE expires_ms <= ?1 LIMIT ?2)";
            let most = i64::try_from(most).unwrap_or(i64::MAX);
            connection.prepare_cached(sql)?.execute([signed(now_ms), most])?;
            change.by_hash = Some(any_by_hash(connection)?);
        }
        Ok(())
    }

    /// The transaction of this change is committed.
    pub(super) fn committed(&mut self, change: Change) {
        while self.spans.front().is_some_and(|span| span.end() <= change.first) {
            self.spans.pop_front();
        }
        self.by_hash = change.by_hash.unwrap_or(self.by_hash);
        let mut added: Vec<_> = change.added.into_iter().collect();
        added.sort_unstable_by_key(|(_, sequence)| *sequence);
        for (identity, sequence) in added {
            self.add(sequence, &identity);
        }
    }

    /// Sequences rise.
    fn add(&mut self, sequence: u64, identity: &Identity) {
        match self.spans.back_mut().filter(|span| sequence < span.end()) {
            Some(span) => span.add(sequence, identity),
            None => {
                let mut span = Span::new(sequence);
                span.add(sequence, identity);
                self.spans.push_back(span);
            }
        }
    }
}

impl Change {
    /// Writes a record behind all others.
    pub(super) fn add(
        &mut self,
        connection: &Connection,
        identity: Identity,
        sequence: u64,
        expires_ms: u64,
    ) -> rusqlite::Result<()> {
        let sql = "INSERT INTO recent_send (seq, key, expires_ms) VALUES (?1, ?2, ?3)";
        let record = params![signed(sequence), identity, signed(expires_ms)];
        connection.prepare_cached(sql)?.execute(record)?;
        self.added.insert(identity, sequence);
        Ok(())
    }
}

fn any_by_hash(connection: &Connection) -> rusqlite::Result<bool> {
    connection.prepare_cached("SELECT 1 FROM deduplication")?.exists([])
}

#[cfg(test)]
mod tests;
