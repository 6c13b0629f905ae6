//! Writers that keep a steady load on the hook: one per patient, each version after the one before was accepted.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use fault_harness::{load::Load, oracle::Mark};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::Options;

/// The running writers.
pub(crate) struct Writers {
    load: Arc<Load>,
    stop: CancellationToken,
    tracker: TaskTracker,
    started: Instant,
}

impl Writers {
    pub(crate) fn start(options: &Options, hook: String) -> std::io::Result<Self> {
        let load = Arc::new(Load::new(hook, Duration::from_secs(5)).map_err(std::io::Error::other)?);
        let (stop, tracker) = (CancellationToken::new(), TaskTracker::new());
        let period = Duration::from_secs_f64(options.groups as f64 / options.rate);
        for group in 1..=options.groups {
            let (load, stop) = (Arc::clone(&load), stop.clone());
            // Spread over one period, so that the load has no beat.
            let first = period.mul_f64(group as f64 / options.groups as f64);
            tracker.spawn(async move {
                let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + first, period);
                ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
                for version in 1.. {
                    tokio::select! {
                        () = stop.cancelled() => return,
                        _ = ticks.tick() => {}
                    }
                    // The last write is seen through, so that no answer is left open.
                    while !load.write(Mark { group, version }, Duration::from_secs(1)).await {
                        if stop.is_cancelled() {
                            return;
                        }
                    }
                }
            });
        }
        tracker.close();
        Ok(Self { load, stop, tracker, started: Instant::now() })
    }

    /// Stops writing; what was accepted, and for how long there was load.
    pub(crate) async fn stop(self) -> (Vec<Mark>, Duration) {
        self.stop.cancel();
        self.tracker.wait().await;
        (self.load.accepted(), self.started.elapsed())
    }
}
