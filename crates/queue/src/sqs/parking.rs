//! Which groups are withheld, and the leases that do it. Pure: the caller talks to SQS.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    time::{Duration, Instant},
};

use crate::{Delivery, GroupId, Receipt};

/// A group is withheld while it is parked, and while a redriven message of it is on its way.
#[derive(Debug, Default)]
pub(super) struct Parking {
    parked: BTreeSet<GroupId>,
    /// The leases that keep a group back, as SQS gave them last.
    held: HashMap<GroupId, Vec<Receipt>>,
    /// Redriven messages that nobody has received yet.
    waiting: VecDeque<Delivery>,
    /// Redriven messages that were handed out, until when their lease lasts.
    out: HashMap<Receipt, (GroupId, Instant)>,
}

impl Parking {
    pub(super) fn park(&mut self, group: GroupId) {
        self.parked.insert(group);
    }

    pub(super) fn is_parked(&self, group: &GroupId) -> bool {
        self.parked.contains(group)
    }

    pub(super) fn parked(&self) -> Vec<GroupId> {
        self.parked.iter().cloned().collect()
    }

    /// Lets a group flow; gives the leases to release.
    pub(super) fn unpark(&mut self, group: &GroupId) -> Vec<Receipt> {
        self.parked.remove(group);
        self.no_longer_held(group)
    }

    /// (Parked groups, messages whose leases keep groups back).
    pub(super) fn counts(&self) -> (u64, u64) {
        (self.parked.len() as u64, self.held.values().map(|receipts| receipts.len() as u64).sum())
    }

    /// Keeps a message to be handed out before anything else of its group.
    pub(super) fn redrive(&mut self, delivery: Delivery) {
        self.waiting.push_back(delivery);
    }

    /// Up to `max` redriven messages, one of a group at a time.
    pub(super) fn hand_out(&mut self, max: usize, lease: Duration) -> Vec<Delivery> {
        let now = Instant::now();
        self.out.retain(|_, (_, until)| *until > now);
        let mut taken = Vec::new();
        let mut rest = VecDeque::new();
        for delivery in self.waiting.drain(..) {
            let group = &delivery.envelope.group;
            if taken.len() < max && !self.out.values().any(|(busy, _)| busy == group) {
                self.out.insert(delivery.receipt.clone(), (group.clone(), now + lease));
                taken.push(delivery);
            } else {
                rest.push_back(delivery);
            }
        }
        self.waiting = rest;
        taken
    }

    /// The lease of a redriven message lasts until `until`.
    pub(super) fn extended(&mut self, receipt: &Receipt, until: Instant) {
        if let Some((_, end)) = self.out.get_mut(receipt) {
            *end = until;
        }
    }

    /// A redriven message was settled or given back; gives the leases to release.
    pub(super) fn ended(&mut self, receipt: &Receipt) -> Vec<Receipt> {
        match self.out.remove(receipt) {
            Some((group, _)) => self.no_longer_held(&group),
            None => Vec::new(),
        }
    }

    /// Parts what was received into what may be handed out and the leases to keep.
    pub(super) fn sort(&mut self, deliveries: Vec<Delivery>) -> (Vec<Delivery>, Vec<Receipt>) {
        let now = Instant::now();
        let (withheld, free): (Vec<_>, Vec<_>) =
            deliveries.into_iter().partition(|delivery| self.withholds(&delivery.envelope.group, now));
        let mut fresh: HashMap<GroupId, Vec<Receipt>> = HashMap::new();
        for delivery in withheld {
            fresh.entry(delivery.envelope.group).or_default().push(delivery.receipt);
        }
        let receipts = fresh.values().flatten().cloned().collect();
        // A group comes again when its old leases have ended.
        self.held.extend(fresh);
        (free, receipts)
    }

    fn withholds(&self, group: &GroupId, now: Instant) -> bool {
        self.is_parked(group)
            || self.waiting.iter().any(|delivery| delivery.envelope.group == *group)
            || self.out.values().any(|(busy, until)| busy == group && *until > now)
    }

    /// The last message first, so that the first stays ahead of it.
    fn no_longer_held(&mut self, group: &GroupId) -> Vec<Receipt> {
        if self.withholds(group, Instant::now()) {
            return Vec::new();
        }
        let mut receipts = self.held.remove(group).unwrap_or_default();
        receipts.reverse();
        receipts
    }
}
