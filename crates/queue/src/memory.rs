//! The queue in memory: for tests and demonstrations, nothing survives the process.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
    num::NonZeroUsize,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, UNIX_EPOCH},
};

use async_trait::async_trait;
use clock::{Clock, Moment};
use tokio::{sync::Notify, time::Instant};

use crate::{
    DeadLetter, DeadLetterId, DeadLetterQueue, DeadLetterRecord, DeadLetterSummary, Delivery, Envelope,
    GroupId, MemoryConfig, Queue, QueueError, Receipt, Sent, Stale, Statistics,
    scheduler::{GroupKey, Scheduler, Ticket},
};

/// Holds everything in memory.
pub struct MemoryQueue {
    config: MemoryConfig,
    clock: Clock,
    started: Moment,
    changed: Notify,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    scheduler: Scheduler,
    messages: BTreeMap<u64, Message>,
    dead: BTreeMap<u64, Dead>,
    parked: BTreeSet<GroupId>,
    /// Group and id of recent sends, with their sequence and the end of their window.
    recent: HashMap<(String, String), (u64, Duration)>,
    next_sequence: u64,
}

struct Dead {
    message: Message,
    letter: DeadLetter,
    since_ms: u64,
    superseded: bool,
}

struct Message {
    envelope: Envelope,
    receive_count: u32,
    sent_at: Duration,
}

impl MemoryQueue {
    /// An empty queue.
    pub fn new(config: MemoryConfig) -> Self {
        Self::with_clock(config, Clock::system())
    }

    /// An empty queue that goes by other clocks than the machine's.
    pub fn with_clock(config: MemoryConfig, clock: Clock) -> Self {
        let (started, changed) = (clock.now(), Notify::new());
        Self { config, clock, started, changed, state: Mutex::default() }
    }

    /// The dead letters, by their place in the queue.
    pub fn dead(&self) -> Vec<(Envelope, DeadLetter)> {
        let pair = |dead: &Dead| (dead.message.envelope.clone(), dead.letter.clone());
        self.lock().dead.values().map(pair).collect()
    }

    fn now(&self) -> Duration {
        self.clock.now().saturating_duration_since(self.started)
    }

    /// The state with lapsed leases already returned.
    fn lock(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.scheduler.expire(self.now());
        state
    }

    fn take(&self, max: usize) -> (Vec<Delivery>, Option<Duration>) {
        let mut state = self.lock();
        let deadline = self.now() + self.visibility();
        let tickets = state.scheduler.take(max, self.config.max_per_group, deadline);
        let deliver = |ticket: Ticket| {
            let message = state.messages.get_mut(&ticket.sequence)?;
            message.receive_count += 1;
            Some(Delivery {
                envelope: message.envelope.clone(),
                receipt: ticket.receipt(),
                receive_count: message.receive_count,
                sequence: ticket.sequence.to_string(),
            })
        };
        let deliveries = tickets.into_iter().filter_map(deliver).collect();
        (deliveries, state.scheduler.next_deadline())
    }
}

#[async_trait]
impl Queue for MemoryQueue {
    async fn send(&self, envelope: Envelope) -> Result<Sent, QueueError> {
        envelope.validate(self.max_body_bytes())?;
        let mut state = self.lock();
        let now = self.now();
        let identity = (envelope.group.as_str().to_owned(), envelope.deduplication_id.as_str().to_owned());
        if let Some((sequence, _)) = state.recent.get(&identity).filter(|(_, end)| *end > now) {
            return Ok(Sent::Duplicate { sequence: sequence.to_string() });
        }
        if state.messages.len() >= self.config.max_messages {
            return Err(QueueError::Full);
        }
        state.next_sequence += 1;
        let sequence = state.next_sequence;
        state.recent.retain(|_, (_, end)| *end > now);
        state
            .recent
            .insert(identity, (sequence, now + Duration::from_secs(self.config.deduplication_seconds)));
        let group = GroupKey::from(&envelope.group);
        state.messages.insert(sequence, Message { envelope, receive_count: 0, sent_at: now });
        state.scheduler.push(group, sequence);
        drop(state);
        self.changed.notify_waiters();
        Ok(Sent::New { sequence: sequence.to_string() })
    }

    async fn receive(&self, max: NonZeroUsize, wait: Duration) -> Result<Vec<Delivery>, QueueError> {
        let end = Instant::now() + wait;
        loop {
            // Armed before the look, or a send between look and wait would be missed.
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            let (deliveries, next_lapse) = self.take(max.get());
            if !deliveries.is_empty() {
                // Others may have to wake earlier now, when these leases end.
                self.changed.notify_waiters();
                return Ok(deliveries);
            }
            if Instant::now() >= end {
                return Ok(deliveries);
            }
            let lapses = |lapse: Duration| Instant::now() + lapse.saturating_sub(self.now());
            let until = next_lapse.map_or(end, |lapse| end.min(lapses(lapse)));
            tokio::select! {
                () = changed => {}
                () = tokio::time::sleep_until(until) => {}
            }
        }
    }

    async fn delete(&self, receipt: &Receipt) -> Result<(), QueueError> {
        let ticket = Ticket::parse(receipt)?;
        let mut state = self.lock();
        let group = state.scheduler.remove(ticket)?;
        state.messages.remove(&ticket.sequence);
        for (_, dead) in state.dead.range_mut(..ticket.sequence) {
            dead.superseded |= GroupKey::from(&dead.message.envelope.group) == group;
        }
        drop(state);
        self.changed.notify_waiters();
        Ok(())
    }

    async fn change_visibility(
        &self,
        receipts: &[Receipt],
        visible_in: Duration,
    ) -> Vec<Result<(), QueueError>> {
        let mut state = self.lock();
        let deadline = self.now() + visible_in;
        let change = |receipt| {
            let ticket = Ticket::parse(receipt)?;
            if visible_in.is_zero() {
                state.scheduler.release(ticket)
            } else {
                state.scheduler.extend(ticket, deadline)
            }
        };
        let results = receipts.iter().map(change).collect();
        self.changed.notify_waiters();
        results
    }

    async fn dead_letter(&self, delivery: &Delivery, letter: DeadLetter) -> Result<(), QueueError> {
        let ticket = Ticket::parse(&delivery.receipt)?;
        let mut state = self.lock();
        state.scheduler.remove(ticket)?;
        if let Some(message) = state.messages.remove(&ticket.sequence) {
            let wall = self.clock.wall().duration_since(UNIX_EPOCH).unwrap_or_default();
            let since_ms = u64::try_from(wall.as_millis()).unwrap_or(u64::MAX);
            state.dead.insert(ticket.sequence, Dead { message, letter, since_ms, superseded: false });
        }
        drop(state);
        self.changed.notify_waiters();
        Ok(())
    }

    async fn statistics(&self) -> Result<Statistics, QueueError> {
        let state = self.lock();
        let (ready, in_flight, parked) = state.scheduler.counts();
        let oldest = state.messages.first_key_value();
        let oldest_age = oldest.map(|(_, message)| self.now().saturating_sub(message.sent_at));
        Ok(Statistics { ready, in_flight, parked, dead: state.dead.len() as u64, oldest_age })
    }

    async fn ready(&self) -> Result<(), QueueError> {
        Ok(())
    }

    fn visibility(&self) -> Duration {
        Duration::from_secs(self.config.visibility_seconds)
    }

    fn dead_letters(&self) -> Option<&dyn DeadLetterQueue> {
        Some(self)
    }
}

#[async_trait]
impl DeadLetterQueue for MemoryQueue {
    async fn list(
        &self,
        group: Option<&GroupId>,
        after: Option<&DeadLetterId>,
        limit: u32,
    ) -> Result<Vec<DeadLetterSummary>, QueueError> {
        let after = after.map_or(Ok(0), DeadLetterId::place)?;
        let state = self.lock();
        let later = state.dead.range(after + 1..).map(|(sequence, dead)| dead.summary(*sequence));
        let wanted = later.filter(|summary| group.is_none_or(|group| *group == summary.group));
        Ok(wanted.take(limit as usize).collect())
    }

    async fn show(&self, id: &DeadLetterId) -> Result<DeadLetterRecord, QueueError> {
        let sequence = id.place()?;
        let state = self.lock();
        let dead = state.dead.get(&sequence).ok_or(QueueError::NotFound)?;
        Ok(DeadLetterRecord {
            summary: dead.summary(sequence),
            envelope: dead.message.envelope.clone(),
            letter: dead.letter.clone(),
        })
    }

    async fn redrive(&self, id: &DeadLetterId, stale: Stale) -> Result<(), QueueError> {
        let sequence = id.place()?;
        let mut state = self.lock();
        let dead = state.dead.get(&sequence).ok_or(QueueError::NotFound)?;
        let key = GroupKey::from(&dead.message.envelope.group);
        if stale == Stale::Refuse {
            if dead.superseded || state.scheduler.newer_on_lease(key, sequence) {
                return Err(QueueError::Superseded);
            }
            let mut older = state.dead.range(..sequence);
            if older.any(|(_, other)| GroupKey::from(&other.message.envelope.group) == key) {
                return Err(QueueError::OutOfOrder);
            }
        }
        if let Some(dead) = state.dead.remove(&sequence) {
            state.messages.insert(sequence, Message { receive_count: 0, ..dead.message });
            state.scheduler.push(key, sequence);
        }
        drop(state);
        self.changed.notify_waiters();
        Ok(())
    }

    async fn skip(&self, id: &DeadLetterId) -> Result<(), QueueError> {
        self.lock().dead.remove(&id.place()?).map(drop).ok_or(QueueError::NotFound)
    }

    async fn park(&self, group: &GroupId) -> Result<(), QueueError> {
        let mut state = self.lock();
        state.scheduler.set_parked(GroupKey::from(group), true);
        state.parked.insert(group.clone());
        Ok(())
    }

    async fn unpark(&self, group: &GroupId) -> Result<(), QueueError> {
        let mut state = self.lock();
        state.scheduler.set_parked(GroupKey::from(group), false);
        state.parked.remove(group);
        drop(state);
        self.changed.notify_waiters();
        Ok(())
    }

    async fn parked(&self) -> Result<Vec<GroupId>, QueueError> {
        Ok(self.lock().parked.iter().cloned().collect())
    }
}

impl Dead {
    fn summary(&self, sequence: u64) -> DeadLetterSummary {
        DeadLetterSummary {
            id: sequence.into(),
            group: self.message.envelope.group.clone(),
            attributes: self.message.envelope.attributes.clone(),
            reason: self.letter.reason,
            ack_code: self.letter.ack_code.clone(),
            error_code: self.letter.error_code.clone(),
            dead_since_ms: self.since_ms,
            superseded: self.superseded,
        }
    }
}

impl fmt::Debug for MemoryQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryQueue").field("messages", &self.lock().messages.len()).finish_non_exhaustive()
    }
}
