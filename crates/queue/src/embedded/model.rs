//! Random histories of the embedded queue against a model: nothing lost, nothing deleted unasked, order kept. Two ready
//! groups are enough here and a page holds three messages, so that most of a history has a backlog on disk; so are two spans
//! of five records for deduplication.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    num::NonZeroUsize,
    time::Duration,
};

use proptest::prelude::*;

use crate::{
    DeadLetter, DeadLetterQueue, Delivery, EmbeddedConfig, EmbeddedQueue, Queue, Reason, Sent, Stale,
    contract::envelope,
};

const TEN: NonZeroUsize = NonZeroUsize::new(10).unwrap();

#[derive(Debug, Clone)]
enum Step {
    Send { group: u8 },
    Resend { place: usize },
    Receive { max: usize },
    Delete { place: usize },
    Release { place: usize },
    DeadLetter { place: usize },
    Redrive,
    Park { group: u8, parked: bool },
    Reopen { close: bool },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..4_u8).prop_map(|group| Step::Send { group }),
        1 => any::<usize>().prop_map(|place| Step::Resend { place }),
        4 => (1..5_usize).prop_map(|max| Step::Receive { max }),
        3 => any::<usize>().prop_map(|place| Step::Delete { place }),
        2 => any::<usize>().prop_map(|place| Step::Release { place }),
        1 => any::<usize>().prop_map(|place| Step::DeadLetter { place }),
        1 => Just(Step::Redrive),
        1 => (0..4_u8, any::<bool>()).prop_map(|(group, parked)| Step::Park { group, parked }),
        1 => any::<bool>().prop_map(|close| Step::Reopen { close }),
    ]
}

/// What must be in the queue: per group the control ids in order, and who is on lease.
#[derive(Default)]
struct Model {
    groups: BTreeMap<String, VecDeque<String>>,
    leased: Vec<(String, Delivery)>,
    parked: BTreeSet<String>,
    sent: u32,
    dead: u64,
}

impl Model {
    fn take(&mut self, place: usize) -> Option<(String, Delivery)> {
        (!self.leased.is_empty()).then(|| self.leased.remove(place % self.leased.len()))
    }

    fn receive(&mut self, deliveries: Vec<Delivery>) {
        for delivery in deliveries {
            let name = delivery.envelope.attributes.control_id.clone();
            let group = name.split('-').next().unwrap().to_owned();
            assert_eq!(delivery.envelope, envelope(&group, &name), "bytes unchanged");
            assert!(self.leased.iter().all(|(other, _)| *other != group), "one of a group at a time");
            assert_eq!(self.groups[&group].front(), Some(&name), "first in, first out");
            self.leased.push((group, delivery));
        }
    }

    /// Messages of parked groups that are not on lease.
    fn withheld(&self) -> usize {
        let lines = self.groups.iter().filter(|(group, _)| self.parked.contains(*group));
        let leased = self.leased.iter().filter(|(group, _)| self.parked.contains(group)).count();
        lines.map(|(_, line)| line.len()).sum::<usize>() - leased
    }

    /// Groups with a message that may be handed out.
    fn free_groups(&self) -> usize {
        let free = |group: &&String| self.leased.iter().all(|(leased, _)| leased != *group);
        let flows = |group: &&String| !self.parked.contains(*group);
        let waiting = self.groups.iter().filter(|(_, line)| !line.is_empty()).map(|(group, _)| group);
        waiting.filter(flows).filter(free).count()
    }
}

/// The place of a message among all that were sent.
fn number(name: &str) -> u32 {
    name.split('-').nth(1).unwrap().parse().unwrap()
}

async fn run(steps: Vec<Step>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("queue.db");
    let config = EmbeddedConfig { path, reserve_bytes: 4096, ..EmbeddedConfig::default() };
    let mut queue = EmbeddedQueue::open(&config).await.unwrap();
    let mut model = Model::default();
    let mut sent: Vec<(String, String)> = Vec::new();
    for step in steps {
        match step {
            Step::Send { group } => {
                model.sent += 1;
                let (group, name) = (format!("g{group}"), format!("g{group}-{}", model.sent));
                queue.send(envelope(&group, &name)).await.unwrap();
                sent.push((group.clone(), name.clone()));
                model.groups.entry(group).or_default().push_back(name);
            }
            Step::Resend { place } => {
                if !sent.is_empty() {
                    let place = place % sent.len();
                    let (group, name) = &sent[place];
                    let outcome = queue.send(envelope(group, name)).await.unwrap();
                    assert_eq!(outcome, Sent::Duplicate { sequence: (place + 1).to_string() });
                }
            }
            Step::Receive { max } => {
                let expected = model.free_groups().min(max);
                let max = NonZeroUsize::new(max).unwrap();
                let deliveries = queue.receive(max, Duration::ZERO).await.unwrap();
                assert_eq!(deliveries.len(), expected);
                model.receive(deliveries);
            }
            Step::Delete { place } => {
                if let Some((group, delivery)) = model.take(place) {
                    queue.delete(&delivery.receipt).await.unwrap();
                    model.groups.get_mut(&group).unwrap().pop_front();
                }
            }
            Step::Release { place } => {
                if let Some((_, delivery)) = model.take(place) {
                    queue.change_visibility(&[delivery.receipt], Duration::ZERO).await.remove(0).unwrap();
                }
            }
            Step::DeadLetter { place } => {
                if let Some((group, delivery)) = model.take(place) {
                    queue.dead_letter(&delivery, DeadLetter::new(Reason::Expired)).await.unwrap();
                    model.groups.get_mut(&group).unwrap().pop_front();
                    model.dead += 1;
                }
            }
            Step::Redrive => {
                // The oldest dead letter. Where its group went on, it is out of its place, and refused.
                let letters = queue.list(None, None, 1).await.unwrap();
                let Some(letter) = letters.first() else { continue };
                let name = letter.attributes.control_id.clone();
                let group = name.split('-').next().unwrap().to_owned();
                let outcome = queue.redrive(&letter.id, Stale::Refuse).await;
                let newer_on_lease = model.leased.iter().any(|(leased, delivery)| {
                    *leased == group && number(&delivery.envelope.attributes.control_id) > number(&name)
                });
                assert_eq!(outcome.is_err(), letter.superseded || newer_on_lease);
                if outcome.is_ok() {
                    let line = model.groups.get_mut(&group).unwrap();
                    line.insert(line.partition_point(|other| number(other) < number(&name)), name);
                    model.dead -= 1;
                }
            }
            Step::Park { group, parked } => {
                let name = format!("g{group}");
                let group = envelope(&name, "any").group;
                if parked {
                    queue.park(&group).await.unwrap();
                    model.parked.insert(name);
                } else {
                    queue.unpark(&group).await.unwrap();
                    model.parked.remove(&name);
                }
            }
            Step::Reopen { close } => {
                if close {
                    queue.close().await.unwrap();
                }
                drop(queue);
                queue = EmbeddedQueue::open(&config).await.unwrap();
                model.leased.clear();
            }
        }
        let statistics = queue.statistics().await.unwrap();
        let live: usize = model.groups.values().map(VecDeque::len).sum();
        assert_eq!(statistics.ready + statistics.in_flight + statistics.parked, live as u64);
        assert_eq!(statistics.parked, model.withheld() as u64);
        assert_eq!((statistics.in_flight, statistics.dead), (model.leased.len() as u64, model.dead));
    }
    while let Some((_, delivery)) = model.take(0) {
        queue.change_visibility(&[delivery.receipt], Duration::ZERO).await.remove(0).unwrap();
    }
    for group in std::mem::take(&mut model.parked) {
        queue.unpark(&envelope(&group, "any").group).await.unwrap();
    }
    // Drain: everything the model holds comes, in order, and nothing else.
    while model.free_groups() > 0 {
        model.receive(queue.receive(TEN, Duration::from_secs(10)).await.unwrap());
        while let Some((group, delivery)) = model.take(0) {
            queue.delete(&delivery.receipt).await.unwrap();
            model.groups.get_mut(&group).unwrap().pop_front();
        }
    }
    assert!(queue.receive(TEN, Duration::ZERO).await.unwrap().is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn behaves_like_the_model(steps in prop::collection::vec(step(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(run(steps));
    }
}
