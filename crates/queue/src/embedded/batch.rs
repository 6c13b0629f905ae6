//! One commit: sends, deletes and dead letters that waited together.

use rusqlite::{Transaction, params};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::{
    core::{self, Core},
    dead,
    deduplication::{Change, Deduplication, identity},
    rows::{self, database_error, signed},
};
use crate::{
    DeadLetter, Envelope, QueueError, Sent,
    scheduler::{GroupKey, Ticket},
};

/// How many old deduplication records leave with each new one: fewer than two, and a queue that takes messages faster
/// than it forgets them grows for ever.
const SWEEP: usize = 2;

type Reply<T> = oneshot::Sender<Result<T, QueueError>>;

/// What one commit writes.
#[derive(Default)]
pub(super) struct Batch {
    sends: Vec<Send>,
    removals: Vec<Removal>,
}

struct Send {
    envelope: Envelope,
    reply: Reply<Sent>,
    _permit: OwnedSemaphorePermit,
}

/// What became of a send, with its sequence or that of the earlier one.
#[derive(PartialEq, Eq)]
enum Outcome {
    New(u64),
    Duplicate(u64),
}

struct Removal {
    sequence: u64,
    group: GroupKey,
    /// `None` deletes the message.
    letter: Option<DeadLetter>,
    reply: Reply<()>,
}

impl Batch {
    pub(super) fn send(&mut self, envelope: Envelope, permit: OwnedSemaphorePermit, reply: Reply<Sent>) {
        self.sends.push(Send { envelope, reply, _permit: permit });
    }

    /// Takes the message off its lease at once: the same receipt is stale from here on. The group flows again,
    /// but nothing is handed out before the commit.
    pub(super) fn remove(
        &mut self,
        core: &mut Core,
        ticket: Ticket,
        letter: Option<DeadLetter>,
        reply: Reply<()>,
    ) {
        match core.scheduler.remove(ticket) {
            Ok(group) => self.removals.push(Removal { sequence: ticket.sequence, group, letter, reply }),
            Err(stale) => drop(reply.send(Err(stale))),
        }
    }

    /// Writes everything, then answers. An error is final for the queue.
    pub(super) fn commit(self, core: &mut Core) -> Result<(), QueueError> {
        if self.sends.is_empty() && self.removals.is_empty() {
            return Ok(());
        }
        let room = self.sends.is_empty() || core.reserve.ensure();
        let sends = if room { self.sends.as_slice() } else { &[] };
        let written = match write(core, sends, &self.removals) {
            // No space: the sends are refused, the removals must still be recorded.
            Err(QueueError::Full) => {
                let retried = write(core, &[], &self.removals);
                if retried == Err(QueueError::Full) && core.reserve.free() {
                    tracing::error!("disk full, the queue uses its reserve");
                    write(core, &[], &self.removals)
                } else {
                    retried
                }
            }
            written => written,
        };
        match written {
            Ok(outcomes) => {
                self.settle(core, outcomes);
                Ok(())
            }
            Err(error) => {
                let error = match error {
                    QueueError::Full => {
                        QueueError::Unavailable { reason: "disk full, no reserve left".into() }
                    }
                    error => error,
                };
                self.refuse(&error);
                Err(error)
            }
        }
    }

    /// Answers every caller with the same error.
    pub(super) fn refuse(self, error: &QueueError) {
        // Callers that went away need no answer.
        self.sends.into_iter().for_each(|send| drop(send.reply.send(Err(error.clone()))));
        self.removals.into_iter().for_each(|removal| drop(removal.reply.send(Err(error.clone()))));
    }

    fn settle(self, core: &mut Core, outcomes: Vec<Outcome>) {
        for removal in self.removals {
            core.uncounted.remove(&removal.sequence);
            if removal.letter.is_some() {
                *core.dead_groups.entry(removal.group).or_default() += 1;
            }
            drop(removal.reply.send(Ok(())));
        }
        let mut outcomes = outcomes.into_iter();
        for Send { envelope, reply, .. } in self.sends {
            let sent = match outcomes.next() {
                Some(Outcome::New(sequence)) => {
                    core.sent(sequence, envelope);
                    Ok(Sent::New { sequence: sequence.to_string() })
                }
                Some(Outcome::Duplicate(sequence)) => Ok(Sent::Duplicate { sequence: sequence.to_string() }),
                None => Err(QueueError::Full),
            };
            drop(reply.send(sent));
        }
    }
}

/// One transaction; on an error nothing of it stays.
fn write(core: &mut Core, sends: &[Send], removals: &[Removal]) -> Result<Vec<Outcome>, QueueError> {
    try_write(core, sends, removals).map_err(|error| database_error(&error))
}

fn try_write(core: &mut Core, sends: &[Send], removals: &[Removal]) -> rusqlite::Result<Vec<Outcome>> {
    let now_ms = core.now_ms();
    let window_ms = core.config.deduplication_seconds * 1000;
    let transaction = core.connection.transaction()?;
    let room = sends.is_empty() || core::has_room(&transaction, core.config.max_file_bytes)?;
    let sends = if room { sends } else { &[] };
    let mut deleted = Vec::with_capacity(removals.len());
    for Removal { sequence, group, letter, .. } in removals {
        if let Some(letter) = letter {
            dead::bury(&transaction, *sequence, letter, now_ms)?;
            continue;
        }
        if core.dead_groups.contains_key(group) {
            dead::supersede(&transaction, *sequence)?;
        }
        deleted.push(signed(*sequence));
    }
    delete(&transaction, deleted)?;
    let mut records = Change::default();
    let outcomes = if sends.is_empty() {
        Vec::new()
    } else {
        let outcomes = insert(&transaction, sends, &core.deduplication, &mut records, now_ms, window_ms)?;
        core.deduplication.sweep(&mut records, &transaction, now_ms, SWEEP * sends.len())?;
        outcomes
    };
    for (sequence, count) in &core.uncounted {
        let sql = "UPDATE message SET receive_count = receive_count + ?2 WHERE seq = ?1";
        transaction.prepare_cached(sql)?.execute(params![signed(*sequence), count])?;
    }
    transaction.commit()?;
    core.uncounted.clear();
    core.deduplication.committed(records);
    Ok(outcomes)
}

fn insert(
    transaction: &Transaction<'_>,
    sends: &[Send],
    known: &Deduplication,
    records: &mut Change,
    now_ms: u64,
    window_ms: u64,
) -> rusqlite::Result<Vec<Outcome>> {
    let mut last = rows::last_sequence(transaction)?;
    let mut outcomes = Vec::with_capacity(sends.len());
    for Send { envelope, .. } in sends {
        let identity = identity(envelope);
        if let Some(earlier) = known.find(records, transaction, &identity, now_ms)? {
            outcomes.push(Outcome::Duplicate(earlier));
            continue;
        }
        last += 1;
        rows::insert(transaction, envelope, last, now_ms)?;
        records.add(transaction, identity, last, now_ms.saturating_add(window_ms))?;
        outcomes.push(Outcome::New(last));
    }
    Ok(outcomes)
}

/// Neighbours leave by one statement.
fn delete(transaction: &Transaction<'_>, mut sequences: Vec<i64>) -> rusqlite::Result<()> {
    sequences.sort_unstable();
    let mut delete = transaction.prepare_cached("DELETE FROM message WHERE seq BETWEEN ?1 AND ?2")?;
    for neighbours in sequences.chunk_by(|one, next| one + 1 == *next) {
        delete.execute(params![neighbours.first(), neighbours.last()])?;
    }
    Ok(())
}
