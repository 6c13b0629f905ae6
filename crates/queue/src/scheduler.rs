//! Which message may be handed out next: group locks, leases, round robin. Pure: time comes in as the
//! [`Duration`] since a fixed start of a clock that only runs forward, bodies stay with the backend.
//!
//! Invariants: a sequence is either in `waiting` of its group or in `leases`; a group stands in `ready` at most
//! once, and whenever it has something waiting, nothing on lease and is not parked; a group without messages is
//! forgotten unless parked.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    time::Duration,
};

use sha2::{Digest, Sha256};

use crate::{GroupId, QueueError};

/// The first half of the SHA-256 of a group id: fixed size, whatever a million groups are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct GroupKey([u8; 16]);

impl From<&GroupId> for GroupKey {
    fn from(group: &GroupId) -> Self {
        Self::of(group.as_str())
    }
}

impl GroupKey {
    pub(crate) fn of(group: &str) -> Self {
        let mut key = [0; 16];
        key.copy_from_slice(&Sha256::digest(group)[..16]);
        Self(key)
    }
}

/// A lease that was just taken or is being presented; becomes a [`Receipt`](crate::Receipt).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Ticket {
    pub(crate) sequence: u64,
    token: u64,
}

impl Ticket {
    pub(crate) fn parse(receipt: &crate::Receipt) -> Result<Self, QueueError> {
        let parse = |(sequence, token): (&str, &str)| {
            Some(Self { sequence: sequence.parse().ok()?, token: token.parse().ok()? })
        };
        receipt.as_str().split_once('-').and_then(parse).ok_or(QueueError::Stale)
    }

    pub(crate) fn receipt(self) -> crate::Receipt {
        crate::Receipt::new(format!("{}-{}", self.sequence, self.token))
    }
}

#[derive(Debug, Default)]
pub(crate) struct Scheduler {
    groups: HashMap<GroupKey, Group>,
    ready: VecDeque<GroupKey>,
    leases: HashMap<u64, Lease>,
    deadlines: BTreeSet<(Duration, u64)>,
    waiting: u64,
    next_token: u64,
}

#[derive(Debug, Default)]
struct Group {
    waiting: VecDeque<u64>,
    leased: u32,
    parked: bool,
    in_ready: bool,
}

#[derive(Debug)]
struct Lease {
    token: u64,
    group: GroupKey,
    deadline: Duration,
}

impl Scheduler {
    /// Adds a message; one with a lower sequence than others of its group goes before them.
    pub(crate) fn push(&mut self, group: GroupKey, sequence: u64) {
        let line = &mut self.groups.entry(group).or_default().waiting;
        match line.back() {
            Some(last) if *last > sequence => {
                let place = line.partition_point(|other| *other < sequence);
                line.insert(place, sequence);
            }
            _ => line.push_back(sequence),
        }
        self.waiting += 1;
        self.refresh(group);
    }

    /// Leases up to `max` messages until `deadline`, at most `max_per_group` of one group, groups in turn.
    pub(crate) fn take(&mut self, max: usize, max_per_group: usize, deadline: Duration) -> Vec<Ticket> {
        let mut taken = Vec::new();
        while taken.len() < max
            && let Some(key) = self.ready.pop_front()
        {
            let Some(group) = self.groups.get_mut(&key) else { continue };
            group.in_ready = false;
            if group.parked || group.leased > 0 {
                continue;
            }
            for _ in 0..max_per_group.min(max - taken.len()) {
                let Some(sequence) = group.waiting.pop_front() else { break };
                self.next_token += 1;
                group.leased += 1;
                self.waiting -= 1;
                self.leases.insert(sequence, Lease { token: self.next_token, group: key, deadline });
                self.deadlines.insert((deadline, sequence));
                taken.push(Ticket { sequence, token: self.next_token });
            }
        }
        taken
    }

    /// The group of a lease that still holds.
    pub(crate) fn holder(&self, ticket: Ticket) -> Result<GroupKey, QueueError> {
        let lease = self.leases.get(&ticket.sequence).filter(|lease| lease.token == ticket.token);
        lease.map(|lease| lease.group).ok_or(QueueError::Stale)
    }

    /// Removes a leased message for good.
    pub(crate) fn remove(&mut self, ticket: Ticket) -> Result<GroupKey, QueueError> {
        let group = self.holder(ticket)?;
        self.end_lease(ticket.sequence);
        self.refresh(group);
        Ok(group)
    }

    /// Moves the end of a lease.
    pub(crate) fn extend(&mut self, ticket: Ticket, deadline: Duration) -> Result<(), QueueError> {
        self.holder(ticket)?;
        if let Some(lease) = self.leases.get_mut(&ticket.sequence) {
            self.deadlines.remove(&(lease.deadline, ticket.sequence));
            lease.deadline = deadline;
            self.deadlines.insert((deadline, ticket.sequence));
        }
        Ok(())
    }

    /// Ends a lease and puts the message back at its place.
    pub(crate) fn release(&mut self, ticket: Ticket) -> Result<(), QueueError> {
        let group = self.holder(ticket)?;
        self.end_lease(ticket.sequence);
        self.push(group, ticket.sequence);
        Ok(())
    }

    /// Puts back every message whose lease ended at or before `now`, and names them.
    pub(crate) fn expire(&mut self, now: Duration) -> Vec<u64> {
        let mut lapsed = Vec::new();
        while let Some((_, sequence)) = self.deadlines.first().copied().filter(|(end, _)| *end <= now) {
            if let Some(group) = self.end_lease(sequence) {
                self.push(group, sequence);
                lapsed.push(sequence);
            }
        }
        lapsed
    }

    /// When [`expire`](Self::expire) has something to do next.
    pub(crate) fn next_deadline(&self) -> Option<Duration> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    /// Withholds a group, or lets it flow again.
    pub(crate) fn set_parked(&mut self, group: GroupKey, parked: bool) {
        self.groups.entry(group).or_default().parked = parked;
        self.refresh(group);
    }

    /// Whether a message of `group` above `sequence` is on lease.
    pub(crate) fn newer_on_lease(&self, group: GroupKey, sequence: u64) -> bool {
        self.leases.iter().any(|(leased, lease)| lease.group == group && *leased > sequence)
    }

    /// The most groups that have a message to hand out; those parked meanwhile count too.
    pub(crate) fn ready_groups(&self) -> usize {
        self.ready.len()
    }

    /// (waiting and not parked, on lease, parked).
    pub(crate) fn counts(&self) -> (u64, u64, u64) {
        let parked = self.groups.values().filter(|group| group.parked);
        let parked: u64 = parked.map(|group| group.waiting.len() as u64).sum();
        (self.waiting - parked, self.leases.len() as u64, parked)
    }

    fn end_lease(&mut self, sequence: u64) -> Option<GroupKey> {
        let lease = self.leases.remove(&sequence)?;
        self.deadlines.remove(&(lease.deadline, sequence));
        if let Some(group) = self.groups.get_mut(&lease.group) {
            group.leased -= 1;
        }
        Some(lease.group)
    }

    /// Restores the invariants of one group after a change.
    fn refresh(&mut self, key: GroupKey) {
        let Some(group) = self.groups.get_mut(&key) else { return };
        if group.waiting.is_empty() && group.leased == 0 && !group.parked && !group.in_ready {
            self.groups.remove(&key);
        } else if !group.waiting.is_empty() && group.leased == 0 && !group.parked && !group.in_ready {
            group.in_ready = true;
            self.ready.push_back(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn sequences(tickets: &[Ticket]) -> Vec<u64> {
        tickets.iter().map(|ticket| ticket.sequence).collect()
    }

    fn filled(groups: &[&str]) -> Scheduler {
        let mut scheduler = Scheduler::default();
        for (sequence, group) in (1..).zip(groups) {
            scheduler.push(GroupKey::of(group), sequence);
        }
        scheduler
    }

    #[test]
    fn takes_groups_in_turn() {
        let mut scheduler = filled(&["a", "a", "a", "b", "b", "c"]);
        let first = scheduler.take(2, 1, MINUTE);
        assert_eq!(sequences(&first), [1, 4]);
        for ticket in first {
            scheduler.remove(ticket).unwrap();
        }
        assert_eq!(sequences(&scheduler.take(9, 1, MINUTE)), [6, 2, 5]);
    }

    #[test]
    fn withholds_a_group_while_any_of_it_is_on_lease() {
        let mut scheduler = filled(&["a", "a", "a"]);
        let leased = scheduler.take(2, 2, MINUTE);
        assert_eq!(sequences(&leased), [1, 2]);
        scheduler.remove(leased[0]).unwrap();
        assert!(scheduler.take(9, 9, MINUTE).is_empty());
        scheduler.release(leased[1]).unwrap();
        assert_eq!(sequences(&scheduler.take(9, 9, MINUTE)), [2, 3]);
    }

    #[test]
    fn a_lapsed_lease_makes_its_ticket_stale() {
        let mut scheduler = filled(&["a"]);
        let old = scheduler.take(1, 1, MINUTE)[0];
        assert!(scheduler.expire(MINUTE - Duration::from_millis(1)).is_empty());
        assert_eq!(scheduler.expire(MINUTE), [1]);
        assert_eq!(scheduler.remove(old), Err(QueueError::Stale));
        let new = scheduler.take(1, 1, 2 * MINUTE)[0];
        assert_eq!(scheduler.extend(old, 3 * MINUTE), Err(QueueError::Stale));
        scheduler.extend(new, 3 * MINUTE).unwrap();
        assert!(scheduler.expire(2 * MINUTE).is_empty());
        assert_eq!(scheduler.next_deadline(), Some(3 * MINUTE));
    }

    #[test]
    fn parked_groups_wait() {
        let mut scheduler = filled(&["a", "b"]);
        scheduler.set_parked(GroupKey::of("a"), true);
        assert_eq!(sequences(&scheduler.take(9, 9, MINUTE)), [2]);
        assert_eq!(scheduler.counts(), (0, 1, 1));
        scheduler.set_parked(GroupKey::of("a"), false);
        assert_eq!(sequences(&scheduler.take(9, 9, MINUTE)), [1]);
    }

    #[test]
    fn a_lower_sequence_goes_first() {
        let mut scheduler = filled(&["a", "a", "a"]);
        scheduler.push(GroupKey::of("a"), 0);
        assert_eq!(sequences(&scheduler.take(9, 9, MINUTE)), [0, 1, 2, 3]);
    }

    #[test]
    fn forgets_groups_without_messages() {
        let mut scheduler = filled(&["a", "b"]);
        for ticket in scheduler.take(9, 9, MINUTE) {
            scheduler.remove(ticket).unwrap();
        }
        assert!(scheduler.groups.is_empty() && scheduler.leases.is_empty() && scheduler.deadlines.is_empty());
    }
}
