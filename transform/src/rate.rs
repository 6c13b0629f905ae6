//! How often one caller may call: a bucket of requests for each, filled at a steady rate.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::auth::RateConfig;

#[derive(Debug)]
pub(crate) struct Rate {
    /// Time that one request costs.
    cost: Duration,
    /// Time that may be owed: a full bucket.
    credit: Duration,
    /// Per caller: until when what it sent is paid for. One that owes nothing needs no entry.
    paid_until: Mutex<HashMap<String, Instant>>,
}

impl Rate {
    pub(crate) fn new(config: RateConfig) -> Self {
        let cost = Duration::from_secs(1) / config.per_second.max(1);
        Self { cost, credit: cost * config.burst.max(1), paid_until: Mutex::default() }
    }

    /// Whether the caller may send one more request now.
    pub(crate) fn take(&self, caller: &str, now: Instant) -> bool {
        let mut all = self.paid_until.lock().unwrap_or_else(PoisonError::into_inner);
        let paid_until = all.get(caller).copied().unwrap_or(now).max(now) + self.cost;
        if paid_until > now + self.credit {
            return false;
        }
        if all.len() >= MANY && !all.contains_key(caller) {
            all.retain(|_, until| *until > now);
        }
        all.insert(caller.to_owned(), paid_until);
        true
    }
}

/// When to look for entries that nobody needs.
const MANY: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_and_then_the_rate_each_caller_for_itself() {
        let rate = Rate::new(RateConfig { per_second: 10, burst: 3 });
        let start = Instant::now();
        let taken = |caller, after| (0..9).filter(|_| rate.take(caller, start + after)).count();
        assert_eq!(taken("a", Duration::ZERO), 3);
        assert_eq!(taken("b", Duration::ZERO), 3);
        assert_eq!(taken("a", Duration::from_millis(99)), 0);
        assert_eq!(taken("a", Duration::from_millis(200)), 2);
        assert_eq!(taken("a", Duration::from_secs(60)), 3, "rest does not add up");
    }

    #[test]
    fn callers_who_rest_are_forgotten() {
        let rate = Rate::new(RateConfig { per_second: 1, burst: 1 });
        let start = Instant::now();
        for index in 0..MANY {
            assert!(rate.take(&index.to_string(), start));
        }
        assert!(rate.take("new", start + Duration::from_secs(2)));
        assert_eq!(rate.paid_until.lock().unwrap().len(), 1);
    }
}
