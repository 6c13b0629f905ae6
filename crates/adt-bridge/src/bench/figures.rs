//! Percentiles.

use serde::Serialize;

/// Times of many messages, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Latency {
    pub(super) p50: f64,
    pub(super) p99: f64,
    pub(super) p99_9: f64,
    pub(super) max: f64,
}

impl Latency {
    /// Of times in nanoseconds; `None` when there are none.
    pub(super) fn of(mut nanoseconds: Vec<u64>) -> Option<Self> {
        nanoseconds.sort_unstable();
        let last = nanoseconds.len().checked_sub(1)?;
        let at = |part: f64| {
            // The nearest rank: the smallest time that at least this part of all does not exceed.
            let rank = (part * nanoseconds.len() as f64).ceil() as usize;
            nanoseconds.get(rank.saturating_sub(1).min(last)).map_or(0.0, |time| *time as f64 / 1_000.0)
        };
        Some(Self { p50: at(0.5), p99: at(0.99), p99_9: at(0.999), max: at(1.0) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_the_nearest_rank() {
        let latency = Latency::of((1..=1_000).rev().map(|microsecond| microsecond * 1_000).collect());
        assert_eq!(latency, Some(Latency { p50: 500.0, p99: 990.0, p99_9: 999.0, max: 1_000.0 }));
        assert_eq!(Latency::of(vec![7_000]).map(|latency| latency.p99_9), Some(7.0));
        assert_eq!(Latency::of(Vec::new()), None);
    }
}
