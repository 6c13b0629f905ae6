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
    /// When those leases must be made longer.
    renew_at: Option<Instant>,
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

    /// The leases to make longer now, at most once in `every`.
    pub(super) fn renewal(&mut self, every: Duration) -> Vec<Receipt> {
        let now = Instant::now();
        if self.held.is_empty() || self.renew_at.is_none_or(|at| at > now) {
            return Vec::new();
        }
        self.renew_at = Some(now + every);
        self.held.values().flatten().cloned().collect()
    }

    /// A lease that kept a group back has ended.
    pub(super) fn lost(&mut self, receipt: &Receipt) {
        for receipts in self.held.values_mut() {
            receipts.retain(|held| held != receipt);
        }
        self.held.retain(|_, receipts| !receipts.is_empty());
    }

    /// Parts what was received into what may be handed out and the leases to keep, first renewed after `every`.
    pub(super) fn sort(
        &mut self,
        deliveries: Vec<Delivery>,
        every: Duration,
    ) -> (Vec<Delivery>, Vec<Receipt>) {
        let now = Instant::now();
        let (withheld, free): (Vec<_>, Vec<_>) =
            deliveries.into_iter().partition(|delivery| self.withholds(&delivery.envelope.group, now));
        let mut fresh: HashMap<GroupId, Vec<Receipt>> = HashMap::new();
        for delivery in withheld {
            fresh.entry(delivery.envelope.group).or_default().push(delivery.receipt);
        }
        let receipts = fresh.values().flatten().cloned().collect();
        if self.held.is_empty() {
            self.renew_at = Some(now + every);
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Attributes, DeduplicationId, Envelope};

    const MINUTE: Duration = Duration::from_secs(60);

    fn delivery(group: &str, receipt: &str) -> Delivery {
        let envelope = Envelope {
            body: "MSH".into(),
            group: GroupId::digest(&[group]),
            deduplication_id: DeduplicationId::digest(&[receipt]),
            attributes: Attributes::default(),
        };
        Delivery { envelope, receipt: Receipt::new(receipt), receive_count: 1, sequence: "1".into() }
    }

    fn receipts(deliveries: &[Delivery]) -> Vec<&str> {
        deliveries.iter().map(|delivery| delivery.receipt.as_str()).collect()
    }

    fn names(receipts: &[Receipt]) -> Vec<&str> {
        receipts.iter().map(Receipt::as_str).collect()
    }

    #[test]
    fn keeps_parked_groups_and_gives_the_first_back_last() {
        let mut parking = Parking::default();
        let group = GroupId::digest(&["a"]);
        parking.park(group.clone());
        let (free, held) =
            parking.sort(vec![delivery("a", "1"), delivery("b", "2"), delivery("a", "3")], MINUTE);
        assert_eq!((receipts(&free), names(&held)), (vec!["2"], vec!["1", "3"]));
        assert_eq!(parking.counts(), (1, 2));
        assert_eq!(names(&parking.unpark(&group)), ["3", "1"]);
        assert_eq!(parking.counts(), (0, 0));
        assert_eq!(receipts(&parking.sort(vec![delivery("a", "4")], MINUTE).0), ["4"]);
    }

    #[test]
    fn a_group_that_comes_again_is_held_by_its_new_leases() {
        let mut parking = Parking::default();
        let group = GroupId::digest(&["a"]);
        parking.park(group.clone());
        parking.sort(vec![delivery("a", "old")], MINUTE);
        parking.sort(vec![delivery("a", "new")], MINUTE);
        assert_eq!(names(&parking.unpark(&group)), ["new"]);
    }

    #[test]
    fn a_redriven_message_keeps_its_group_back_until_it_is_settled() {
        let mut parking = Parking::default();
        let group = GroupId::digest(&["a"]);
        parking.park(group.clone());
        parking.redrive(delivery("a", "first"));
        parking.redrive(delivery("a", "second"));
        assert!(parking.unpark(&group).is_empty());
        assert_eq!(names(&parking.sort(vec![delivery("a", "later")], MINUTE).1), ["later"]);
        assert_eq!(receipts(&parking.hand_out(10, MINUTE)), ["first"], "one of a group at a time");
        assert!(parking.hand_out(10, MINUTE).is_empty());
        assert!(parking.ended(&Receipt::new("first")).is_empty(), "the second is still to come");
        assert_eq!(receipts(&parking.hand_out(10, MINUTE)), ["second"]);
        assert_eq!(names(&parking.ended(&Receipt::new("second"))), ["later"]);
    }

    #[test]
    fn a_redriven_message_that_is_never_settled_keeps_its_group_no_longer_than_its_lease() {
        let mut parking = Parking::default();
        parking.redrive(delivery("a", "first"));
        parking.hand_out(10, Duration::ZERO);
        assert_eq!(receipts(&parking.sort(vec![delivery("a", "later")], MINUTE).0), ["later"]);
        parking.extended(&Receipt::new("first"), Instant::now() + MINUTE);
        assert_eq!(names(&parking.sort(vec![delivery("a", "later")], MINUTE).1), ["later"]);
    }

    #[test]
    fn leases_of_parked_groups_are_renewed_in_time_and_lost_ones_are_not() {
        let mut parking = Parking::default();
        parking.park(GroupId::digest(&["a"]));
        parking.sort(vec![delivery("a", "1"), delivery("a", "2")], MINUTE);
        assert!(parking.renewal(MINUTE).is_empty(), "not yet");
        parking.renew_at = Some(Instant::now());
        assert_eq!(names(&parking.renewal(MINUTE)), ["1", "2"]);
        assert!(parking.renewal(MINUTE).is_empty(), "not again");
        parking.lost(&Receipt::new("1"));
        parking.renew_at = Some(Instant::now());
        assert_eq!(names(&parking.renewal(MINUTE)), ["2"]);
        parking.lost(&Receipt::new("2"));
        assert_eq!(parking.counts(), (1, 0));
    }
}
