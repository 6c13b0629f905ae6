//! How fast history may come in: below a rate, and below live traffic.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// Shared by all backfills of a process: a bucket that fills with `rate` tokens a second and holds one second's worth.
#[derive(Debug)]
pub(crate) struct Pace {
    every: Duration,
    /// When the next token is there; in the past as far as the bucket is full.
    next: Mutex<Option<Instant>>,
}

impl Pace {
    pub(crate) fn new(rate: u32) -> Self {
        Self { every: Duration::from_secs(1) / rate.max(1), next: Mutex::new(None) }
    }

    /// Takes `count` tokens, and waits until they are there.
    pub(super) async fn take(&self, count: usize) {
        let wait = {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            let full = now.checked_sub(BURST).unwrap_or(now);
            let from = next.unwrap_or(full).max(full);
            let cost = self.every.saturating_mul(u32::try_from(count).unwrap_or(u32::MAX));
            *next = Some(from + cost);
            from + cost
        };
        tokio::time::sleep_until(wait).await;
    }
}

const BURST: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn lets_a_burst_through_and_then_the_rate() {
        let pace = Pace::new(100);
        let start = Instant::now();
        for _ in 0..10 {
            pace.take(10).await;
        }
        assert_eq!(start.elapsed(), Duration::ZERO, "a second's worth was there");
        for _ in 0..30 {
            pace.take(10).await;
        }
        let elapsed = start.elapsed().as_secs_f64();
        assert!((2.9..=3.1).contains(&elapsed), "{elapsed}");
        tokio::time::advance(Duration::from_secs(100)).await;
        let start = Instant::now();
        pace.take(100).await;
        assert_eq!(start.elapsed(), Duration::ZERO);
        pace.take(100).await;
        assert!(start.elapsed() > Duration::from_millis(900), "no more than a second's worth is saved up");
    }
}
