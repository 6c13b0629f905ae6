//! The messages on lease, by group: heads in turn, followers behind them. Pure: the caller brings the time.
//!
//! A group has at most one message on the wire. Its line is `Active` then, and the message itself is with the
//! connection; the table keeps the lease, so that the heartbeat covers it.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::OnceLock,
};

use clock::Moment;
use queue::{Delivery, GroupId, Receipt};
use tokio::time::Instant;

use crate::{disposition::History, ledger::Digest};

/// A message on lease and what happened to it so far.
#[derive(Debug)]
pub(crate) struct Held {
    digest: OnceLock<Digest>,
    pub(crate) delivery: Delivery,
    pub(crate) history: History,
    /// How many messages the endpoint had accepted when this one came or was last lost.
    pub(crate) accepted_before: u64,
}

impl Held {
    pub(crate) fn group(&self) -> &GroupId {
        &self.delivery.envelope.group
    }

    /// By which the ledger knows it.
    pub(crate) fn digest(&self) -> &Digest {
        self.digest.get_or_init(|| Digest::of(&self.delivery.envelope))
    }
}

#[derive(Debug, Default)]
pub(crate) struct Table {
    lines: HashMap<GroupId, Line>,
    turn: u64,
    /// How often something was added.
    batches: u64,
    /// The groups whose state is `Ready`, and those `Delayed` ones whose time has come, by turn.
    ready: BTreeMap<u64, GroupId>,
    /// The other groups whose state is `Delayed`.
    delayed: BTreeMap<(Instant, u64), GroupId>,
}

#[derive(Debug)]
struct Line {
    state: State,
    waiting: VecDeque<(Held, Lease)>,
    active: Option<(Lease, usize)>,
    /// The batch that brought its last message.
    batch: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Ready {
        turn: u64,
    },
    /// `turn` as for `Ready`: whoever is tried again queues up behind the others.
    Delayed {
        until: Instant,
        turn: u64,
    },
    Active,
    /// Off the wire, and not yet settled.
    OffWire,
}

#[derive(Debug, Clone)]
struct Lease {
    receipt: Receipt,
    since: Moment,
    until: Moment,
    lost: bool,
}

impl Table {
    /// Takes deliveries in, whose leases hold until `until`. A group that is delivered again had lost its leases:
    /// what the table still had of it is forgotten, but for its history.
    pub(crate) fn add(&mut self, deliveries: Vec<Delivery>, accepted: u64, now: Moment, until: Moment) {
        self.batches += 1;
        let batch = self.batches;
        for delivery in deliveries {
            let lease = Lease { receipt: delivery.receipt.clone(), since: now, until, lost: false };
            self.turn += 1;
            let turn = self.turn;
            let ready = &mut self.ready;
            let line = self.lines.entry(delivery.envelope.group.clone()).or_insert_with_key(|group| {
                ready.insert(turn, group.clone());
                // Most groups have one message at a time.
                let waiting = VecDeque::with_capacity(1);
                Line { state: State::Ready { turn }, waiting, active: None, batch }
            });
            let mut history = History::default();
            if std::mem::replace(&mut line.batch, batch) != batch {
                for (held, _) in line.waiting.drain(..) {
                    if held.delivery.sequence == delivery.sequence {
                        history = held.history;
                    }
                }
                if let Some((lease, _)) = &mut line.active {
                    lease.lost = true;
                }
            }
            let held = Held { digest: OnceLock::new(), delivery, history, accepted_before: accepted };
            line.waiting.push_back((held, lease));
        }
    }

    /// The next message to send, of the group whose turn it is longest.
    pub(crate) fn take(&mut self, now: Instant) -> Option<Held> {
        while let Some(entry) = self.delayed.first_entry().filter(|entry| entry.key().0 <= now) {
            let ((_, turn), group) = entry.remove_entry();
            self.ready.insert(turn, group);
        }
        let (_, group) = self.ready.pop_first()?;
        let line = self.lines.get_mut(&group)?;
        let (held, lease) = line.waiting.pop_front()?;
        line.active = Some((lease, held.delivery.envelope.body.len()));
        line.state = State::Active;
        Some(held)
    }

    /// When [`take`](Self::take) will have something; `None` when something must happen first.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.delayed.keys().next().map(|(until, _)| *until)
    }

    /// Whether [`take`](Self::take) has something.
    pub(crate) fn has_due(&self, now: Instant) -> bool {
        !self.ready.is_empty() || self.next_due().is_some_and(|until| until <= now)
    }

    /// Puts a message back at the head of its line, not to be taken before `until`. False when its lease was
    /// lost meanwhile: it will come again from the queue.
    pub(crate) fn put_back(&mut self, held: Held, until: Instant) -> bool {
        let group = held.group().clone();
        self.turn += 1;
        let Some(line) = self.lines.get_mut(&group) else { return false };
        let kept = match line.active.take() {
            Some((lease, _)) if !lease.lost => {
                line.waiting.push_front((held, lease));
                line.state = State::Delayed { until, turn: self.turn };
                self.delayed.insert((until, self.turn), group.clone());
                true
            }
            _ => false,
        };
        if !kept {
            self.next_in_line(&group);
        }
        kept
    }

    /// The active message of `group` is off the wire, but not yet settled.
    pub(crate) fn off_the_wire(&mut self, group: &GroupId) {
        if let Some(line) = self.lines.get_mut(group).filter(|line| line.active.is_some()) {
            line.state = State::OffWire;
        }
    }

    /// The active message of `group` is settled; its followers are next.
    pub(crate) fn finish(&mut self, group: &GroupId) {
        if let Some(line) = self.lines.get_mut(group) {
            line.active = None;
        }
        self.next_in_line(group);
    }

    /// Gives up the active message of `group`, whose lease ended, and gives its followers to release: they may
    /// still be ours, and must not overtake it. What was delivered in its place stays.
    pub(crate) fn give_up(&mut self, group: &GroupId) -> Vec<Receipt> {
        let replaced = self.active_until(group).is_none();
        let followers = if replaced { Vec::new() } else { self.forget_waiting(group) };
        self.finish(group);
        followers
    }

    /// Forgets the waiting messages of `group` and gives their receipts, last first.
    pub(crate) fn forget_waiting(&mut self, group: &GroupId) -> Vec<Receipt> {
        let Some(line) = self.lines.get_mut(group) else { return Vec::new() };
        let receipts = line.waiting.drain(..).rev().map(|(_, lease)| lease.receipt).collect();
        if line.active.is_none() {
            let state = line.state;
            self.lines.remove(group);
            self.strike(state);
        }
        receipts
    }

    /// Forgets everything that is not on the wire and gives the receipts, of each group the last first.
    pub(crate) fn forget_all_waiting(&mut self) -> Vec<Receipt> {
        let groups: Vec<_> = self.lines.keys().cloned().collect();
        groups.iter().flat_map(|group| self.forget_waiting(group)).collect()
    }

    /// Forgets followers whose head is held since before `since`, and waiting messages leased before `oldest`.
    pub(crate) fn forget_stuck(&mut self, since: Moment, oldest: Moment) -> Vec<Receipt> {
        let (mut receipts, mut gone) = (Vec::new(), Vec::new());
        self.lines.retain(|_, line| {
            let head_since = line.active.as_ref().map(|(lease, _)| lease.since);
            let head_since = head_since.or_else(|| line.waiting.front().map(|(_, lease)| lease.since));
            let heads = usize::from(line.active.is_none());
            let keep = match head_since {
                Some(at) if at <= oldest => 0,
                Some(at) if at <= since => heads,
                _ => line.waiting.len(),
            };
            receipts.extend(
                line.waiting.drain(keep.min(line.waiting.len())..).rev().map(|(_, lease)| lease.receipt),
            );
            let stays = line.active.is_some() || !line.waiting.is_empty();
            if !stays {
                gone.push(line.state);
            }
            stays
        });
        gone.into_iter().for_each(|state| self.strike(state));
        receipts
    }

    /// The leases that end before `until`, those on the wire included.
    pub(crate) fn ending_before(&self, until: Moment) -> Vec<Receipt> {
        let mut receipts = Vec::new();
        for line in self.lines.values() {
            let active = line.active.iter().map(|(lease, _)| lease);
            let leases = active.chain(line.waiting.iter().map(|(_, lease)| lease));
            receipts.extend(leases.filter(|lease| lease.until < until).map(|lease| lease.receipt.clone()));
        }
        receipts
    }

    /// Notes that a lease now holds until `until`.
    pub(crate) fn extended(&mut self, receipt: &Receipt, until: Moment) {
        for line in self.lines.values_mut() {
            let active = line.active.iter_mut().map(|(lease, _)| lease);
            let waiting = line.waiting.iter_mut().map(|(_, lease)| lease);
            for lease in active.chain(waiting).filter(|lease| lease.receipt == *receipt) {
                lease.until = until;
            }
        }
    }

    /// Notes that a lease is gone: nothing of its group is sent any more. Gives the followers to release.
    pub(crate) fn lost(&mut self, receipt: &Receipt) -> Vec<Receipt> {
        let Some((group, line)) = self.lines.iter_mut().find(|(_, line)| {
            line.active.iter().any(|(lease, _)| lease.receipt == *receipt)
                || line.waiting.iter().any(|(_, lease)| lease.receipt == *receipt)
        }) else {
            return Vec::new();
        };
        if let Some((lease, _)) = &mut line.active {
            lease.lost = true;
        }
        let group = group.clone();
        let mut receipts = self.forget_waiting(&group);
        receipts.retain(|other| other != receipt);
        receipts
    }

    /// Until when the message of `group` on the wire is ours; `None` when the lease was lost.
    pub(crate) fn active_until(&self, group: &GroupId) -> Option<Moment> {
        let (lease, _) = self.lines.get(group)?.active.as_ref()?;
        (!lease.lost).then_some(lease.until)
    }

    /// Messages on lease and their bytes.
    pub(crate) fn held(&self) -> (usize, usize) {
        let add = |(count, bytes): (usize, usize), line: &Line| {
            let waiting: usize = line.waiting.iter().map(|(held, _)| held.delivery.envelope.body.len()).sum();
            let active = line.active.as_ref().map_or(0, |(_, bytes)| *bytes);
            (count + line.waiting.len() + usize::from(line.active.is_some()), bytes + waiting + active)
        };
        self.lines.values().fold((0, 0), add)
    }

    /// Groups with a message on the wire.
    pub(crate) fn active(&self) -> usize {
        self.lines.values().filter(|line| line.state == State::Active).count()
    }

    /// Groups whose message is off the wire and not yet settled.
    pub(crate) fn settling(&self) -> usize {
        self.lines.values().filter(|line| line.state == State::OffWire).count()
    }

    fn next_in_line(&mut self, group: &GroupId) {
        self.turn += 1;
        match self.lines.get_mut(group) {
            Some(line) if !line.waiting.is_empty() => {
                let before = std::mem::replace(&mut line.state, State::Ready { turn: self.turn });
                self.ready.insert(self.turn, group.clone());
                self.strike(before);
            }
            Some(line) => {
                let before = line.state;
                self.lines.remove(group);
                self.strike(before);
            }
            None => {}
        }
    }

    /// The line in that state waits for its turn no more.
    fn strike(&mut self, state: State) {
        match state {
            State::Ready { turn } => drop(self.ready.remove(&turn)),
            State::Delayed { until, turn } => {
                self.delayed.remove(&(until, turn));
                self.ready.remove(&turn);
            }
            State::Active | State::OffWire => {}
        }
    }
}

#[cfg(test)]
mod tests;
