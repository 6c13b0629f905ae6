use std::time::Duration;

use clock::Clock;
use queue::{Attributes, DeduplicationId, Envelope};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};

use super::*;

fn delivery(group: &str, sequence: u32, receipt: &str) -> Delivery {
    Delivery {
        envelope: Envelope {
            body: "MSH".into(),
            group: GroupId::new(group).unwrap(),
            deduplication_id: DeduplicationId::new(sequence.to_string()).unwrap(),
            attributes: Attributes::default(),
        },
        receipt: Receipt::new(receipt),
        receive_count: 1,
        sequence: sequence.to_string(),
    }
}

fn start() -> Moment {
    Clock::system().now()
}

fn filled(messages: &[(&str, u32)]) -> (Table, Instant) {
    let (mut table, now) = (Table::default(), Instant::now());
    for (group, sequence) in messages {
        let receipt = format!("r{sequence}");
        table.add(vec![delivery(group, *sequence, &receipt)], 0, start(), start() + Duration::from_secs(60));
    }
    (table, now)
}

fn sequence(held: Option<Held>) -> Option<String> {
    held.map(|held| held.delivery.sequence)
}

#[test]
fn one_of_a_group_at_a_time_in_order() {
    let (mut table, now) = (Table::default(), Instant::now());
    let batch = vec![delivery("a", 1, "r1"), delivery("a", 2, "r2"), delivery("b", 3, "r3")];
    table.add(batch, 0, start(), start());
    let first = table.take(now).unwrap();
    assert_eq!(first.delivery.sequence, "1");
    assert_eq!(sequence(table.take(now)).as_deref(), Some("3"));
    assert!(table.take(now).is_none());
    table.finish(first.group());
    assert_eq!(sequence(table.take(now)).as_deref(), Some("2"));
    assert_eq!((table.active(), table.held().0), (2, 2));
}

#[test]
fn a_delayed_head_holds_its_followers_back() {
    let (mut table, now) = (Table::default(), Instant::now());
    table.add(vec![delivery("a", 1, "r1"), delivery("a", 2, "r2")], 0, start(), start());
    let head = table.take(now).unwrap();
    let later = now + Duration::from_secs(5);
    assert!(table.put_back(head, later));
    assert!(table.take(now).is_none() && !table.has_due(now));
    assert_eq!(table.next_due(), Some(later));
    assert_eq!(sequence(table.take(later)).as_deref(), Some("1"));
}

#[test]
fn groups_take_turns() {
    let (mut table, now) = filled(&[("a", 1), ("b", 2)]);
    let first = table.take(now).unwrap();
    table.finish(first.group());
    table.add(vec![delivery("a", 3, "r3")], 0, start(), start());
    assert_eq!(sequence(table.take(now)).as_deref(), Some("2"));
}

#[test]
fn a_long_lease_is_left_alone() {
    let (mut table, _) = filled(&[("a", 1), ("b", 2)]);
    let minute = start() + Duration::from_secs(60);
    table.extended(&Receipt::new("r1"), minute + Duration::from_secs(9));
    assert_eq!(table.ending_before(minute + Duration::from_secs(1)), [Receipt::new("r2")]);
}

#[test]
fn a_repeat_queues_up_behind_the_others() {
    let (mut table, now) = filled(&[("a", 1), ("b", 2)]);
    let first = table.take(now).unwrap();
    assert!(table.put_back(first, now));
    assert_eq!(sequence(table.take(now)).as_deref(), Some("2"));
    assert_eq!(sequence(table.take(now)).as_deref(), Some("1"));
}

#[test]
fn a_lost_lease_stops_the_group() {
    let (mut table, now) = (Table::default(), Instant::now());
    table.add(
        vec![delivery("a", 1, "r1"), delivery("a", 2, "r2")],
        0,
        start(),
        start() + Duration::from_secs(1),
    );
    let head = table.take(now).unwrap();
    assert_eq!(table.lost(&Receipt::new("r1")), [Receipt::new("r2")]);
    assert_eq!(table.active_until(head.group()), None);
    assert!(!table.put_back(head, now));
    assert_eq!(table.held(), (0, 0));
}

#[test]
fn a_redelivery_takes_the_place_of_what_was_lost_unnoticed() {
    let (mut table, now) = filled(&[("a", 1)]);
    let mut head = table.take(now).unwrap();
    head.history.negatives = 2;
    table.put_back(head, now);
    table.add(vec![delivery("a", 1, "new")], 0, start(), start());
    assert_eq!(table.ending_before(start() + Duration::from_secs(1)), [Receipt::new("new")]);
    assert_eq!(table.take(now).unwrap().history.negatives, 2);
    // And while the old one is still on the wire, the new one waits.
    table.add(vec![delivery("a", 1, "newer")], 0, start(), start());
    assert!(table.take(now).is_none());
    assert_eq!(table.active_until(&GroupId::new("a").unwrap()), None);
}

#[test]
fn followers_of_a_lease_that_ended_do_not_overtake_it() {
    let (mut table, now) = filled(&[("a", 1)]);
    let head = table.take(now).unwrap();
    table.add(
        vec![delivery("b", 2, "r2"), delivery("b", 3, "r3"), delivery("b", 4, "r4")],
        0,
        start(),
        start(),
    );
    assert_eq!(sequence(table.take(now)).as_deref(), Some("2"));
    assert_eq!(table.give_up(&GroupId::new("b").unwrap()), [Receipt::new("r4"), Receipt::new("r3")]);
    // What came again in place of the head is no follower of it.
    table.add(vec![delivery("a", 1, "new")], 0, start(), start());
    assert!(table.give_up(head.group()).is_empty());
    assert_eq!(sequence(table.take(now)).as_deref(), Some("1"));
    assert_eq!(table.held().0, 1);
}

#[test]
fn releases_last_first() {
    let mut table = Table::default();
    let batch = vec![delivery("a", 1, "r1"), delivery("a", 2, "r2"), delivery("a", 3, "r3")];
    table.add(batch, 0, start(), start());
    let (stuck, oldest) = (start(), start().saturating_sub(Duration::from_secs(1)));
    assert_eq!(table.forget_stuck(stuck, oldest), [Receipt::new("r3"), Receipt::new("r2")]);
    assert_eq!(table.forget_all_waiting(), [Receipt::new("r1")]);
    assert_eq!(table.held(), (0, 0));
}

/// Whatever happens to the table, it knows who is next as if it had looked through all lines.
#[test]
fn knows_who_is_next_after_any_events() {
    let mut random = StdRng::seed_from_u64(7);
    let groups = ["a", "b", "c", "d"];
    for _ in 0..300 {
        let (mut table, mut now) = (Table::default(), Instant::now());
        let (mut on_the_wire, mut sequence) = (Vec::<Held>::new(), 0);
        for _ in 0..60 {
            let group = groups[random.random_range(0..groups.len())];
            let id = GroupId::new(group).unwrap();
            match random.random_range(0..9) {
                0 | 1 => {
                    sequence += 1;
                    let receipt = format!("r{sequence}");
                    let until = start() + Duration::from_secs(60);
                    table.add(vec![delivery(group, sequence, &receipt)], 0, start(), until);
                }
                2 | 3 => on_the_wire.extend(table.take(now)),
                4 if !on_the_wire.is_empty() => {
                    let held = on_the_wire.swap_remove(random.random_range(0..on_the_wire.len()));
                    table.put_back(held, now + Duration::from_secs(random.random_range(0..5)));
                }
                5 if !on_the_wire.is_empty() => {
                    let held = on_the_wire.swap_remove(random.random_range(0..on_the_wire.len()));
                    table.off_the_wire(held.group());
                    table.finish(held.group());
                }
                6 => drop(table.forget_waiting(&id)),
                7 => drop(table.lost(&Receipt::new(format!("r{}", random.random_range(0..=sequence))))),
                _ => now += Duration::from_secs(1),
            }
            let due = |line: &&Line| match line.state {
                State::Ready { .. } => true,
                State::Delayed { until, .. } => until <= now,
                State::Active | State::OffWire => false,
            };
            let lines = table.lines.values();
            assert!(lines.clone().all(|line| line.active.is_some() || !line.waiting.is_empty()));
            assert_eq!(table.has_due(now), lines.clone().any(|line| due(&line)));
            let waiting = |line: &&Line| matches!(line.state, State::Ready { .. } | State::Delayed { .. });
            assert_eq!(table.ready.len() + table.delayed.len(), lines.filter(waiting).count());
        }
    }
}
