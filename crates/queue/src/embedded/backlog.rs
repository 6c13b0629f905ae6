//! The messages that wait on disk only.
//!
//! The scheduler knows every message that waits up to a place, and none behind it. What is sent while enough groups are
//! ready stays behind the place; a receive moves the place on, by pages, until enough groups are ready again. So the
//! order of a group is the order of its sequences, wherever the place is, and a message behind a leased or parked group
//! never keeps those of others back.

use std::collections::HashMap;

use rusqlite::params;

use super::{
    core::Core,
    rows::{database_error, signed, unsigned},
};
use crate::{Envelope, QueueError, scheduler::GroupKey};

/// As many groups with a message to hand out are enough; with fewer the next page is loaded.
const READY_GROUPS: usize = if cfg!(test) { 2 } else { 1024 };
/// The most messages loaded at a time.
const PAGE: u32 = if cfg!(test) { 3 } else { 4096 };
/// The place behind which there is nothing.
const END: i64 = i64::MAX;

/// What the scheduler does not know.
#[derive(Debug)]
pub(super) struct Backlog {
    /// The last sequence that was loaded, as SQLite counts; [`END`] when all are.
    loaded_to: i64,
    /// Messages behind it that wait.
    waiting: u64,
    /// How many of them each parked group has. Every parked group stands here.
    parked: HashMap<GroupKey, u64>,
}

impl Backlog {
    /// Of a file of which nothing was read.
    pub(super) fn unread() -> Self {
        Self { loaded_to: i64::MIN, waiting: 0, parked: HashMap::new() }
    }

    /// (waiting and not parked, parked).
    pub(super) fn counts(&self) -> (u64, u64) {
        let parked = self.parked.values().sum();
        (self.waiting.saturating_sub(parked), parked)
    }

    fn is_loaded(&self) -> bool {
        self.loaded_to == END
    }

    fn add(&mut self, group: GroupKey) {
        self.waiting += 1;
        if let Some(parked) = self.parked.get_mut(&group) {
            *parked += 1;
        }
    }

    fn take(&mut self, group: GroupKey) {
        self.waiting = self.waiting.saturating_sub(1);
        if let Some(parked) = self.parked.get_mut(&group) {
            *parked = parked.saturating_sub(1);
        }
    }
}

impl Core {
    /// A message was sent: its sequence is higher than any before.
    pub(super) fn sent(&mut self, sequence: u64, envelope: Envelope) {
        if self.backlog.is_loaded() && self.scheduler.ready_groups() >= READY_GROUPS {
            self.backlog.loaded_to = signed(sequence) - 1;
        }
        self.waits(GroupKey::from(&envelope.group), sequence);
        if self.backlog.is_loaded() {
            self.fresh.keep(sequence, envelope);
        }
    }

    /// A message waits, at its place.
    pub(super) fn waits(&mut self, group: GroupKey, sequence: u64) {
        if signed(sequence) <= self.backlog.loaded_to {
            self.scheduler.push(group, sequence);
        } else {
            self.backlog.add(group);
        }
    }

    /// Loads until enough groups have a message to hand out. True when nothing is left on disk only.
    pub(super) fn load(&mut self) -> Result<bool, QueueError> {
        while !self.backlog.is_loaded() && self.scheduler.ready_groups() < READY_GROUPS {
            self.load_page().map_err(|error| database_error(&error))?;
        }
        Ok(self.backlog.is_loaded())
    }

    fn load_page(&mut self) -> rusqlite::Result<()> {
        let sql = "SELECT seq, group_name FROM message INDEXED BY message_waiting \
                   WHERE dead = 0 AND seq > ?1 ORDER BY seq LIMIT ?2";
        let mut page = self.connection.prepare_cached(sql)?;
        let mut rows = page.query(params![self.backlog.loaded_to, PAGE])?;
        let mut count = 0;
        while let Some(row) = rows.next()? {
            let (sequence, group) = (row.get(0)?, String::from_utf8_lossy(row.get_ref(1)?.as_bytes()?));
            let group = GroupKey::of(&group);
            self.scheduler.push(group, unsigned(sequence));
            self.backlog.take(group);
            self.backlog.loaded_to = sequence;
            count += 1;
        }
        if count < PAGE {
            self.backlog.loaded_to = END;
        }
        Ok(())
    }

    /// Withholds a group, or lets it flow again.
    pub(super) fn withhold(&mut self, group: &str, parked: bool) -> rusqlite::Result<()> {
        let key = GroupKey::of(group);
        if !parked {
            self.backlog.parked.remove(&key);
        } else if !self.backlog.parked.contains_key(&key) {
            let sql = "SELECT count(*) FROM message INDEXED BY message_waiting \
                       WHERE dead = 0 AND seq > ?1 AND group_name = ?2";
            let mut count = self.connection.prepare_cached(sql)?;
            let waiting = count.query_row(params![self.backlog.loaded_to, group], |row| row.get(0))?;
            self.backlog.parked.insert(key, unsigned(waiting));
        }
        self.scheduler.set_parked(key, parked);
        Ok(())
    }

    /// Counts what waits in a file that was just opened, and withholds what was parked.
    pub(super) fn count_backlog(&mut self) -> rusqlite::Result<()> {
        let sql = "SELECT count(*) FROM message INDEXED BY message_waiting WHERE dead = 0";
        self.backlog.waiting = self.connection.query_row(sql, [], |row| row.get(0)).map(unsigned)?;
        let sql = "SELECT name, count(seq) FROM parked_group LEFT JOIN \
                   (SELECT seq, group_name FROM message INDEXED BY message_waiting WHERE dead = 0) \
                   ON group_name = name GROUP BY name";
        let mut groups = self.connection.prepare(sql)?;
        let mut rows = groups.query([])?;
        while let Some(row) = rows.next()? {
            let key = GroupKey::of(row.get_ref(0)?.as_str()?);
            self.backlog.parked.insert(key, unsigned(row.get(1)?));
            self.scheduler.set_parked(key, true);
        }
        Ok(())
    }
}
