//! Dead letters and parked groups in the database.

use rusqlite::{OptionalExtension, Row, Transaction, params};

use super::{
    core::Core,
    rows::{COLUMNS, Stored, database_error, signed, unsigned},
};
use crate::{
    DeadLetter, DeadLetterRecord, DeadLetterSummary, GroupId, QueueError, Reason, Stale, scheduler::GroupKey,
};

const LETTER_COLUMNS: &str = "reason, ack_code, error_code, attempts, text, since_ms, superseded";

/// Turns a message into a dead letter; the row stays where it is.
pub(super) fn bury(
    transaction: &Transaction<'_>,
    sequence: u64,
    letter: &DeadLetter,
    now_ms: u64,
) -> rusqlite::Result<()> {
    let insert = "INSERT OR REPLACE INTO dead_letter (seq, group_name, reason, ack_code, error_code, attempts, text, \
                  since_ms) SELECT seq, group_name, ?2, ?3, ?4, ?5, ?6, ?7 FROM message WHERE seq = ?1";
    transaction.prepare_cached(insert)?.execute(params![
        signed(sequence),
        letter.reason.as_str(),
        letter.ack_code,
        letter.error_code,
        letter.attempts,
        letter.text,
        signed(now_ms),
    ])?;
    transaction
        .prepare_cached("UPDATE message SET dead = 1 WHERE seq = ?1")?
        .execute(params![signed(sequence)])?;
    Ok(())
}

/// Notes that a newer message of the group leaves the queue.
pub(super) fn supersede(transaction: &Transaction<'_>, sequence: u64) -> rusqlite::Result<()> {
    let sql = "UPDATE dead_letter SET superseded = 1 WHERE seq < ?1 \
               AND group_name = (SELECT group_name FROM message WHERE seq = ?1)";
    transaction.prepare_cached(sql)?.execute([signed(sequence)])?;
    Ok(())
}

impl Core {
    pub(super) fn list_dead(
        &mut self,
        group: Option<&GroupId>,
        after: u64,
        limit: u32,
    ) -> Result<Vec<DeadLetterSummary>, QueueError> {
        let sql = format!(
            "SELECT {COLUMNS}, {LETTER_COLUMNS} FROM dead_letter JOIN message USING (seq) WHERE seq > ?1 \
             AND (?2 IS NULL OR dead_letter.group_name = ?2) ORDER BY seq LIMIT ?3"
        );
        let list = || {
            let mut statement = self.connection.prepare_cached(&sql)?;
            let rows =
                statement.query_map(params![signed(after), group.map(GroupId::as_str), limit], record)?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        };
        let records = list().map_err(|error| database_error(&error))?;
        records.into_iter().map(|record| record.map(|record| record.summary)).collect()
    }

    pub(super) fn show_dead(&mut self, id: u64) -> Result<DeadLetterRecord, QueueError> {
        let sql = format!(
            "SELECT {COLUMNS}, {LETTER_COLUMNS} FROM dead_letter JOIN message USING (seq) WHERE seq = ?1"
        );
        let show = self.connection.query_row(&sql, params![signed(id)], record).optional();
        show.map_err(|error| database_error(&error))?.ok_or(QueueError::NotFound)?
    }

    pub(super) fn redrive(&mut self, id: u64, stale: Stale) -> Result<(), QueueError> {
        let record = self.show_dead(id)?;
        let group = &record.summary.group;
        let key = GroupKey::from(group);
        if stale == Stale::Refuse {
            if record.summary.superseded || self.scheduler.newer_on_lease(key, id) {
                return Err(QueueError::Superseded);
            }
            let older = self.list_dead(Some(group), 0, 1)?;
            if older.first().is_some_and(|first| first.id != record.summary.id) {
                return Err(QueueError::OutOfOrder);
            }
        }
        self.exhume(id, "UPDATE message SET dead = 0, receive_count = 0 WHERE seq = ?1", key)?;
        self.waits(key, id);
        Ok(())
    }

    pub(super) fn skip(&mut self, id: u64) -> Result<(), QueueError> {
        let key = GroupKey::from(&self.show_dead(id)?.summary.group);
        self.exhume(id, "DELETE FROM message WHERE seq = ?1", key)
    }

    pub(super) fn set_parked(&mut self, group: &GroupId, parked: bool) -> Result<(), QueueError> {
        let sql = if parked {
            "INSERT OR IGNORE INTO parked_group (name) VALUES (?1)"
        } else {
            "DELETE FROM parked_group WHERE name = ?1"
        };
        self.connection.execute(sql, params![group.as_str()]).map_err(|error| database_error(&error))?;
        self.withhold(group.as_str(), parked).map_err(|error| database_error(&error))
    }

    pub(super) fn parked(&mut self) -> Result<Vec<GroupId>, QueueError> {
        let list = || {
            let mut statement =
                self.connection.prepare_cached("SELECT name FROM parked_group ORDER BY name")?;
            let rows = statement.query_map([], |row| row.get::<_, String>(0))?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        };
        list().map_err(|error| database_error(&error))?.into_iter().map(GroupId::new).collect()
    }

    /// Takes a record out of the dead letters and does `to_message` in the same commit.
    fn exhume(&mut self, id: u64, to_message: &str, group: GroupKey) -> Result<(), QueueError> {
        let mut exhume = || {
            let transaction = self.connection.transaction()?;
            transaction.execute("DELETE FROM dead_letter WHERE seq = ?1", params![signed(id)])?;
            transaction.execute(to_message, params![signed(id)])?;
            transaction.commit()
        };
        exhume().map_err(|error| database_error(&error))?;
        if let Some(count) = self.dead_groups.get_mut(&group) {
            *count -= 1;
            if *count == 0 {
                self.dead_groups.remove(&group);
            }
        }
        Ok(())
    }
}

/// A row of [`COLUMNS`] and [`LETTER_COLUMNS`].
fn record(row: &Row<'_>) -> rusqlite::Result<Result<DeadLetterRecord, QueueError>> {
    let stored = Stored::read(row)?;
    let reason: Result<Reason, QueueError> = row.get::<_, String>(11)?.parse();
    let (ack_code, error_code): (Option<String>, Option<String>) = (row.get(12)?, row.get(13)?);
    let (attempts, text, since) = (row.get(14)?, row.get(15)?, row.get(16)?);
    let superseded = row.get(17)?;
    Ok(reason.map(|reason| DeadLetterRecord {
        summary: DeadLetterSummary {
            id: stored.seq.into(),
            group: stored.envelope.group.clone(),
            attributes: stored.envelope.attributes.clone(),
            reason,
            ack_code: ack_code.clone(),
            error_code: error_code.clone(),
            dead_since_ms: unsigned(since),
            superseded,
        },
        envelope: stored.envelope,
        letter: DeadLetter { reason, ack_code, error_code, attempts, text },
    }))
}
