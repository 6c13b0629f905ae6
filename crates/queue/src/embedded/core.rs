//! The state of the writer thread: database, scheduler, and what reads them.

use std::{
    collections::HashMap,
    time::{Duration, Instant, UNIX_EPOCH},
};

use clock::{Clock, Moment};
use rusqlite::{Connection, OpenFlags, OptionalExtension, config::DbConfig, params};

use super::{
    backlog::Backlog,
    deduplication::Deduplication,
    file::{Owner, Reserve},
    fresh::Fresh,
    rows::{COLUMNS, Stored, database_error, unsigned},
    schema, unavailable,
};
use crate::{
    DeadLetter, Delivery, EmbeddedConfig, QueueError, Reason, Statistics,
    scheduler::{GroupKey, Scheduler, Ticket},
};

/// Files up to this size are checked whole when they are opened; larger ones by page as they are read.
pub(super) const MAX_CHECKED_BYTES: u64 = 256 * 1024 * 1024;

pub(super) struct Core {
    // Dropped in this order: the database first, the owner lock last.
    pub(super) connection: Connection,
    pub(super) scheduler: Scheduler,
    pub(super) backlog: Backlog,
    pub(super) fresh: Fresh,
    pub(super) deduplication: Deduplication,
    pub(super) config: EmbeddedConfig,
    pub(super) reserve: Reserve,
    /// How many dead letters each group has; a delete in such a group marks them superseded.
    pub(super) dead_groups: HashMap<GroupKey, u32>,
    /// Leases that ended without a delete since the last commit, not yet added to `receive_count`.
    pub(super) uncounted: HashMap<u64, u32>,
    clock: Clock,
    started: Moment,
    /// The wall clock at the start, since 1970.
    started_at: Duration,
    _owner: Owner,
}

impl Core {
    pub(super) fn open(config: EmbeddedConfig, clock: Clock) -> Result<Self, QueueError> {
        let mut owner = Owner::acquire(&config.path)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&config.path, flags).map_err(|e| database_error(&e))?;
        let started_at = clock.wall().duration_since(UNIX_EPOCH).unwrap_or_default();
        let size = config.path.metadata().map_or(0, |file| file.len());
        prepare(&connection, size, u64::try_from(started_at.as_millis()).unwrap_or(u64::MAX))?;
        owner.mark_created().map_err(|error| unavailable(&error))?;
        let mut reserve = Reserve::new(&config.path, config.reserve_bytes);
        reserve.ensure();
        let mut core = Self {
            connection,
            scheduler: Scheduler::default(),
            backlog: Backlog::unread(),
            fresh: Fresh::default(),
            deduplication: Deduplication::default(),
            reserve,
            dead_groups: HashMap::new(),
            uncounted: HashMap::new(),
            started: clock.now(),
            started_at,
            clock,
            config,
            _owner: owner,
        };
        core.recover().map_err(|error| database_error(&error))?;
        core.load()?;
        Ok(core)
    }

    /// Since the start, by the clock that only runs forward: leases end while the host is suspended.
    pub(super) fn now(&self) -> Duration {
        self.clock.now().saturating_duration_since(self.started)
    }

    /// Milliseconds since 1970, as if nobody had touched the wall clock since the start: a jump neither forgets
    /// what was sent nor makes it old. Only windows and ages depend on it, never a lease.
    pub(super) fn now_ms(&self) -> u64 {
        u64::try_from((self.started_at + self.now()).as_millis()).unwrap_or(u64::MAX)
    }

    /// When a lease lapses next, by the timer of the writer: after a suspension it may be late.
    pub(super) fn next_lapse(&self) -> Option<Instant> {
        let deadline = self.scheduler.next_deadline()?;
        Some(Instant::now() + deadline.saturating_sub(self.now()))
    }

    /// Puts back what lapsed.
    pub(super) fn expire(&mut self) {
        for sequence in self.scheduler.expire(self.now()) {
            *self.uncounted.entry(sequence).or_default() += 1;
        }
    }

    /// Leases and reads up to `max` messages.
    pub(super) fn take(&mut self, max: usize) -> Result<Vec<(Ticket, Delivery)>, QueueError> {
        let deadline = self.now() + Duration::from_secs(self.config.visibility_seconds);
        let mut tickets = Vec::new();
        // Fewer than asked for: none is ready any more, and loading goes on.
        loop {
            let loaded = self.load()?;
            tickets.extend(self.scheduler.take(max - tickets.len(), self.config.max_per_group, deadline));
            if loaded || tickets.len() == max {
                break;
            }
        }
        let mut deliveries = Vec::with_capacity(tickets.len());
        for (ticket, stored) in tickets.iter().copied().zip(self.read_all(&tickets)?) {
            if !stored.intact {
                tracing::error!(queue.sequence = ticket.sequence, "message damaged on disk, dead-lettered");
                self.scheduler.remove(ticket)?;
                self.bury(ticket.sequence, GroupKey::from(&stored.envelope.group), Reason::Damaged)?;
                continue;
            }
            let uncounted = self.uncounted.get(&ticket.sequence).copied().unwrap_or_default();
            deliveries.push((
                ticket,
                Delivery {
                    envelope: stored.envelope,
                    receipt: ticket.receipt(),
                    receive_count: stored.receive_count + uncounted + 1,
                    sequence: stored.seq.to_string(),
                },
            ));
        }
        Ok(deliveries)
    }

    pub(super) fn change_visibility(
        &mut self,
        ticket: Ticket,
        visible_in: Duration,
    ) -> Result<(), QueueError> {
        if !visible_in.is_zero() {
            return self.scheduler.extend(ticket, self.now() + visible_in);
        }
        self.scheduler.release(ticket)?;
        *self.uncounted.entry(ticket.sequence).or_default() += 1;
        Ok(())
    }

    pub(super) fn statistics(&mut self) -> Result<Statistics, QueueError> {
        let (ready, in_flight, parked) = self.counts();
        let oldest = self.connection.query_row(
            "SELECT sent_ms FROM message WHERE seq = (SELECT min(seq) FROM message WHERE dead = 0)",
            [],
            |row| row.get(0),
        );
        let oldest: Option<i64> = oldest.optional().map_err(|error| database_error(&error))?;
        let dead = self.dead_groups.values().map(|count| u64::from(*count)).sum();
        let now_ms = self.now_ms();
        let age = |sent: i64| Duration::from_millis(now_ms.saturating_sub(unsigned(sent)));
        Ok(Statistics { ready, in_flight, parked, dead, oldest_age: oldest.map(age) })
    }

    /// (waiting and not parked, on lease, parked).
    fn counts(&self) -> (u64, u64, u64) {
        let (ready, in_flight, parked) = self.scheduler.counts();
        let (more_ready, more_parked) = self.backlog.counts();
        (ready + more_ready, in_flight, parked + more_parked)
    }

    /// Whether a send would find room.
    pub(super) fn ready(&mut self) -> Result<(), QueueError> {
        let room = has_room(&self.connection, self.config.max_file_bytes);
        let room = room.map_err(|error| database_error(&error))?;
        if self.reserve.ensure() && room { Ok(()) } else { Err(QueueError::Full) }
    }

    /// Writes what is left to write and moves the WAL into the database.
    pub(super) fn close(&mut self) -> Result<(), QueueError> {
        let close = || {
            for (sequence, count) in &self.uncounted {
                let sql = "UPDATE message SET receive_count = receive_count + ?2 WHERE seq = ?1";
                self.connection.execute(sql, params![sequence.cast_signed(), count])?;
            }
            self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        };
        close().map_err(|error: rusqlite::Error| database_error(&error))
    }

    /// The messages on lease, from memory or in one transaction: each would lock and unlock the log by itself.
    fn read_all(&mut self, tickets: &[Ticket]) -> Result<Vec<Stored>, QueueError> {
        let sql = format!("SELECT {COLUMNS} FROM message WHERE seq = ?1");
        let mut messages = Vec::with_capacity(tickets.len());
        let mut reading = None;
        for Ticket { sequence, .. } in tickets {
            if let Some(envelope) = self.fresh.take(*sequence) {
                messages.push(Stored::fresh(*sequence, envelope));
                continue;
            }
            let mut read = || {
                if reading.is_none() {
                    reading = Some(self.connection.unchecked_transaction()?);
                }
                let mut message = self.connection.prepare_cached(&sql)?;
                message.query_row(params![sequence.cast_signed()], Stored::read)
            };
            messages.push(read().map_err(|error| match error {
                rusqlite::Error::QueryReturnedNoRows | rusqlite::Error::InvalidColumnType(..) => {
                    QueueError::Corrupt { reason: format!("message {sequence} cannot be read") }
                }
                error => database_error(&error),
            })?);
        }
        Ok(messages)
    }

    /// Makes a dead letter outside of a batch.
    fn bury(&mut self, sequence: u64, group: GroupKey, reason: Reason) -> Result<(), QueueError> {
        let now_ms = self.now_ms();
        let bury = |core: &mut Self| {
            let transaction = core.connection.transaction()?;
            super::dead::bury(&transaction, sequence, &DeadLetter::new(reason), now_ms)?;
            transaction.commit()
        };
        bury(self).map_err(|error| database_error(&error))?;
        *self.dead_groups.entry(group).or_default() += 1;
        Ok(())
    }

    fn recover(&mut self) -> rusqlite::Result<()> {
        self.count_backlog()?;
        self.deduplication = Deduplication::load(&self.connection, self.now_ms())?;
        let mut dead = self.connection.prepare("SELECT group_name FROM dead_letter")?;
        let mut rows = dead.query([])?;
        while let Some(row) = rows.next()? {
            *self.dead_groups.entry(GroupKey::of(row.get_ref(0)?.as_str()?)).or_default() += 1;
        }
        let (ready, _, parked) = self.counts();
        tracing::info!(queue.ready = ready, queue.parked = parked, "queue recovered");
        Ok(())
    }
}

/// Whether the database may grow.
pub(super) fn has_room(connection: &Connection, max_bytes: u64) -> rusqlite::Result<bool> {
    let value = |sql| connection.prepare_cached(sql)?.query_row([], |row| row.get(0)).map(unsigned);
    let (size, pages) = (value("PRAGMA page_size")?, value("PRAGMA page_count")?);
    let used = || Ok::<_, rusqlite::Error>(pages.saturating_sub(value("PRAGMA freelist_count")?));
    Ok(pages * size < max_bytes || used()? * size < max_bytes)
}

/// Recognises the file, sets up the connection, and checks or makes what is in it.
fn prepare(connection: &Connection, size: u64, now_ms: u64) -> Result<(), QueueError> {
    schema::recognise(connection)?;
    let settings = || {
        connection.busy_timeout(Duration::from_secs(5))?;
        // A plan does not depend on what is bound. Else a bound LIMIT is planned anew each time.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        connection.set_prepared_statement_cache_capacity(32);
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "cell_size_check", true)?;
        connection.pragma_update(None, "secure_delete", "FAST")?;
        connection.pragma_update(None, "trusted_schema", false)
    };
    settings().map_err(|error| database_error(&error))?;
    if size <= MAX_CHECKED_BYTES {
        let check = connection.pragma_query_value(None, "quick_check", |row| row.get::<_, String>(0));
        let result = check.map_err(|error| database_error(&error))?;
        if result != "ok" {
            return Err(QueueError::Corrupt { reason: "the integrity check of SQLite failed".into() });
        }
    }
    schema::bring_forward(connection, now_ms)
}
