//! From rules to actions: pure, so that the same scenario and the same messages always give the same faults.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Duration;

use super::scenario::{Action, Condition, ConnectionAction, Scenario, Turn};

/// A message, as far as rules look at it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrived<'a> {
    /// From 1, over all connections.
    pub(crate) sequence: u64,
    pub(crate) connection: u64,
    pub(crate) control_id: &'a str,
    pub(crate) event: &'a str,
    /// Hashes of the patients it is about.
    pub(crate) groups: &'a [String],
}

/// What is to be done, and which rule says so.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Decision<A> {
    pub(crate) rule: String,
    pub(crate) actions: Vec<A>,
}

/// A scenario and what it has counted.
#[derive(Debug, Default)]
pub(crate) struct Decider {
    scenario: Scenario,
    messages: Vec<Count>,
    connections: Vec<Count>,
    deliveries: HashMap<u64, u64>,
}

/// How often a rule fitted, and was used.
#[derive(Debug, Clone, Copy, Default)]
struct Count {
    fitted: u64,
    used: u64,
}

impl Decider {
    pub(crate) fn new(scenario: Scenario) -> Self {
        Self {
            messages: vec![Count::default(); scenario.rules.len()],
            connections: vec![Count::default(); scenario.connections.len()],
            deliveries: HashMap::new(),
            scenario,
        }
    }

    /// The first rule that matches. Rules before it have counted the message, those after it have not.
    pub(crate) fn message(&mut self, arrived: Arrived<'_>, elapsed: Duration) -> Option<Decision<Action>> {
        let delivery = self.delivery(arrived.control_id);
        let seed = self.scenario.seed;
        for (index, (rule, count)) in self.scenario.rules.iter().zip(&mut self.messages).enumerate() {
            if fits(&rule.condition, arrived, delivery)
                && count.turn(
                    &rule.condition.turn,
                    rule.times,
                    elapsed,
                    [seed, index as u64, arrived.sequence],
                )
            {
                return Some(Decision { rule: rule.name(index), actions: rule.then.clone() });
            }
        }
        None
    }

    /// The first rule that matches a new connection.
    pub(crate) fn connection(
        &mut self,
        number: u64,
        elapsed: Duration,
    ) -> Option<Decision<ConnectionAction>> {
        let seed = !self.scenario.seed;
        for (index, (rule, count)) in self.scenario.connections.iter().zip(&mut self.connections).enumerate()
        {
            let condition = &rule.condition;
            if condition.connection.is_none_or(|wanted| wanted == number)
                && count.turn(&condition.turn, rule.times, elapsed, [seed, index as u64, number])
            {
                return Some(Decision { rule: rule.name(index), actions: rule.then.clone() });
            }
        }
        None
    }

    /// Whether connections are refused, and when that may change.
    pub(crate) fn outage(&self, elapsed: Duration) -> (bool, Option<Duration>) {
        let mut refused = false;
        let mut next: Option<Duration> = None;
        for outage in &self.scenario.outages {
            let from = outage.after.map_or(Duration::ZERO, |span| span.0);
            let to = outage.before.map(|span| span.0);
            refused |= from <= elapsed && to.is_none_or(|to| elapsed < to);
            let changes = [Some(from), to].into_iter().flatten().filter(|change| *change > elapsed);
            next = changes.chain(next).min();
        }
        (refused, next)
    }

    fn delivery(&mut self, control_id: &str) -> u64 {
        let mut hasher = DefaultHasher::new();
        control_id.hash(&mut hasher);
        if self.deliveries.len() >= MOST_DELIVERIES {
            self.deliveries.clear();
        }
        let count = self.deliveries.entry(hasher.finish()).or_default();
        *count += 1;
        *count
    }
}

impl Count {
    fn turn(&mut self, turn: &Turn, times: Option<u64>, elapsed: Duration, key: [u64; 3]) -> bool {
        let inside = turn.after.is_none_or(|after| elapsed >= after.0)
            && turn.before.is_none_or(|before| elapsed < before.0);
        if !inside {
            return false;
        }
        self.fitted += 1;
        let is_due = turn.nth.is_none_or(|nth| nth.get() == self.fitted)
            && turn.every.is_none_or(|every| self.fitted.is_multiple_of(every.get()))
            && turn.probability.is_none_or(|probability| chance(key) < probability)
            && times.is_none_or(|times| self.used < times);
        self.used += u64::from(is_due);
        is_due
    }
}

fn fits(condition: &Condition, arrived: Arrived<'_>, delivery: u64) -> bool {
    let Condition { control_id, patient, group, event, connection, delivery: wanted, turn: _ } = condition;
    let has_group = |group: &String| arrived.groups.contains(group);
    control_id.as_ref().is_none_or(|pattern| pattern.0.is_match(arrived.control_id))
        && patient.as_ref().is_none_or(|patient| has_group(&patient.0))
        && group.as_ref().is_none_or(has_group)
        && event.as_ref().is_none_or(|event| event == arrived.event)
        && connection.is_none_or(|connection| connection == arrived.connection)
        && wanted.is_none_or(|wanted| wanted == delivery)
}

/// From 0 to 1, and the same for the same key: whatever else happens changes nothing (SplitMix64).
fn chance(key: [u64; 3]) -> f64 {
    let mixed = key.into_iter().fold(0_u64, |state, part| {
        let mut z = (state ^ part).wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    });
    (mixed >> 11) as f64 / (1_u64 << 53) as f64
}

/// Control ids that are counted; then counting starts again.
const MOST_DELIVERIES: usize = 1_000_000;

#[cfg(test)]
mod tests;
