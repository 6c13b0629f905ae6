//! When a stop no longer waits for what is in flight.

use std::{sync::OnceLock, time::Duration};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// One moment for everybody, however often and late it is asked for.
#[derive(Debug)]
pub(crate) struct CutOff {
    shutdown: CancellationToken,
    drain: Duration,
    at: OnceLock<Instant>,
}

impl CutOff {
    pub(crate) fn new(shutdown: CancellationToken, drain: Duration) -> Self {
        Self { shutdown, drain, at: OnceLock::new() }
    }

    /// Completes `drain` after shutdown was asked for: to the first who waits for it.
    pub(crate) async fn reached(&self) {
        self.shutdown.cancelled().await;
        let at = *self.at.get_or_init(|| Instant::now() + self.drain);
        tokio::time::sleep_until(at).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRAIN: Duration = Duration::from_secs(20);
    const PAUSE: Duration = Duration::from_secs(5);

    #[tokio::test(start_paused = true)]
    async fn nothing_is_cut_off_before_the_shutdown() {
        let cut_off = CutOff::new(CancellationToken::new(), DRAIN);
        assert!(tokio::time::timeout(10 * DRAIN, cut_off.reached()).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_asks_again_and_again_is_cut_off_with_the_others() {
        let shutdown = CancellationToken::new();
        let cut_off = CutOff::new(shutdown.clone(), DRAIN);
        shutdown.cancel();
        let began = Instant::now();
        while tokio::time::timeout(PAUSE, cut_off.reached()).await.is_err() {
            assert!(began.elapsed() < 2 * DRAIN);
        }
        assert_eq!(began.elapsed(), DRAIN);
        cut_off.reached().await;
        assert_eq!(began.elapsed(), DRAIN, "later ones do not wait at all");
    }
}
