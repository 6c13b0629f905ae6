//! How far each subscription has got: gaps and repeats in its event numbers.
//!
//! Kept in memory, for this process alone. It is never what order or repeats of writes depend on (those are told by the
//! versions): a gap is worth a search, and a repeat that is recognised here is work saved.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::status::{Event, Status};

/// What was seen of all subscriptions.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    subscriptions: Mutex<HashMap<String, Seen>>,
}

#[derive(Debug, Default)]
struct Seen {
    highest: Option<u64>,
    /// The last events that were taken, by number and time: a subscription that starts anew counts from 1 again.
    taken: HashSet<(u64, String)>,
    order: VecDeque<(u64, String)>,
}

/// How a notification stands to those before it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Next,
    /// All of its events were taken before.
    Repeat,
    /// Events before it have not come.
    Gap {
        missing: u64,
    },
}

impl Progress {
    /// Notes that the subscription is alive.
    pub(crate) fn seen(&self, status: &Status) {
        let mut subscriptions = self.subscriptions();
        entry(&mut subscriptions, &status.subscription);
    }

    pub(crate) fn step(&self, status: &Status) -> Step {
        let subscriptions = self.subscriptions();
        let Some(seen) = subscriptions.get(&status.subscription) else { return Step::Next };
        let known =
            |event: &Event| key(event).is_some_and(|key| !key.1.is_empty() && seen.taken.contains(&key));
        if !status.events.is_empty() && status.events.iter().all(known) {
            return Step::Repeat;
        }
        let first = status.events.iter().filter_map(|event| event.number).min();
        match (first, seen.highest) {
            (Some(first), Some(highest)) if first > highest + 1 => Step::Gap { missing: first - highest - 1 },
            _ => Step::Next,
        }
    }

    /// Notes that all of its events are dealt with.
    pub(crate) fn taken(&self, status: &Status) {
        let mut subscriptions = self.subscriptions();
        let seen = entry(&mut subscriptions, &status.subscription);
        let numbers = || status.events.iter().filter_map(|event| event.number);
        if let (Some(first), Some(last)) = (numbers().min(), numbers().max()) {
            // From 1 again: it was started anew.
            let anew = first == 1;
            seen.highest = Some(if anew { last } else { seen.highest.unwrap_or(0).max(last) });
        }
        for key in status.events.iter().filter_map(key) {
            if seen.taken.insert(key.clone()) {
                seen.order.push_back(key);
            }
        }
        while seen.order.len() > REMEMBERED {
            if let Some(oldest) = seen.order.pop_front() {
                seen.taken.remove(&oldest);
            }
        }
    }

    fn subscriptions(&self) -> MutexGuard<'_, HashMap<String, Seen>> {
        self.subscriptions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The entry of a subscription; names are those of callers, so there are not more than a few.
fn entry<'s>(subscriptions: &'s mut HashMap<String, Seen>, name: &str) -> &'s mut Seen {
    if !subscriptions.contains_key(name) && subscriptions.len() >= SUBSCRIPTIONS {
        subscriptions.clear();
    }
    subscriptions.entry(name.chars().take(256).collect()).or_default()
}

fn key(event: &Event) -> Option<(u64, String)> {
    Some((event.number?, event.timestamp.chars().take(40).collect()))
}

const REMEMBERED: usize = 1024;
const SUBSCRIPTIONS: usize = 64;

#[cfg(test)]
mod tests {
    use super::{super::status::Kind, *};

    fn status(numbers: &[u64]) -> Status {
        let event = |number: &u64| Event {
            number: Some(*number),
            timestamp: format!("2024-03-01T00:00:{number:02}Z"),
            focus: None,
        };
        Status {
            subscription: "Subscription/s".to_owned(),
            kind: Kind::Event,
            events: numbers.iter().map(event).collect(),
        }
    }

    #[test]
    fn gaps_and_repeats_are_told_apart() {
        let progress = Progress::default();
        assert_eq!(progress.step(&status(&[5])), Step::Next, "nothing is known before the first");
        progress.taken(&status(&[5]));
        assert_eq!(progress.step(&status(&[5])), Step::Repeat);
        assert_eq!(progress.step(&status(&[5, 6])), Step::Next, "half of it is new");
        assert_eq!(progress.step(&status(&[9])), Step::Gap { missing: 3 });
        progress.taken(&status(&[9]));
        assert_eq!(progress.step(&status(&[7])), Step::Next, "late, and not taken yet");
    }

    #[test]
    fn a_subscription_that_starts_anew_is_not_taken_for_a_repeat() {
        let progress = Progress::default();
        progress.taken(&status(&[7]));
        let mut anew = status(&[7]);
        anew.events[0].timestamp = "2024-04-01T00:00:00Z".to_owned();
        assert_eq!(progress.step(&anew), Step::Next);
        progress.taken(&status(&[1]));
        assert_eq!(progress.step(&status(&[2])), Step::Next);
    }
}
