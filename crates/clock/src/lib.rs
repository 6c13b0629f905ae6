//! The clocks a process goes by, handed in as a dependency: the wall clock, which people set and time services
//! correct, and one that only runs forward.
//!
//! The second one is `CLOCK_BOOTTIME`: it goes on while the host is suspended, which `CLOCK_MONOTONIC` (and with it
//! [`std::time::Instant`] and the timers of tokio) does not. Leases are measured with it, because whoever granted
//! one does not stop with us. The wall clock only labels things: no lease, no order and no timer depends on it.
//!
//! ```
//! use std::time::Duration;
//!
//! let (clock, hands) = clock::Clock::settable();
//! let before = clock.now();
//! hands.suspend(Duration::from_secs(90));
//! assert!(clock.now().saturating_duration_since(before) >= Duration::from_secs(90));
//! ```
#![warn(missing_docs)]

use std::{
    ops::Add,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use tokio::time::Instant;

/// Tells the time. Clones tell the same time.
#[derive(Debug, Clone)]
pub struct Clock(Source);

#[derive(Debug, Clone)]
enum Source {
    System,
    Settable(Arc<Settable>),
}

impl Clock {
    /// The clocks of the machine.
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// Clocks for tests: they follow the clock of tokio, which tests may pause, and what the [`Hands`] do.
    pub fn settable() -> (Self, Hands) {
        let settable =
            Arc::new(Settable { started: Instant::now(), wall: SystemTime::now(), moved: Mutex::default() });
        (Self(Source::Settable(Arc::clone(&settable))), Hands(settable))
    }

    /// The time of the clock that only runs forward.
    pub fn now(&self) -> Moment {
        Moment(match &self.0 {
            Source::System => since_boot(),
            Source::Settable(settable) => settable.started.elapsed() + settable.moved().forward,
        })
    }

    /// The wall clock's time. It may jump, in either direction, and may be wrong from the start.
    pub fn wall(&self) -> SystemTime {
        match &self.0 {
            Source::System => SystemTime::now(),
            Source::Settable(settable) => {
                let moved = *settable.moved();
                settable.wall + settable.started.elapsed() + moved.forward + moved.wall_ahead
                    - moved.wall_behind
            }
        }
    }
}

/// A point on the clock that only runs forward; means nothing beyond this boot of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(Duration);

impl Moment {
    /// The time from `earlier` to this; zero when that is later.
    pub fn saturating_duration_since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    /// The moment that long before; at most back to the boot.
    pub fn saturating_sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(duration))
    }
}

impl Add<Duration> for Moment {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration))
    }
}

/// Moves the clocks of [`Clock::settable`].
#[derive(Debug)]
pub struct Hands(Arc<Settable>);

impl Hands {
    /// As if the host had slept: both clocks move on, no timer has run.
    pub fn suspend(&self, duration: Duration) {
        self.0.moved().forward += duration;
    }

    /// Somebody sets the wall clock ahead.
    pub fn set_ahead(&self, duration: Duration) {
        self.0.moved().wall_ahead += duration;
    }

    /// Somebody sets the wall clock back.
    pub fn set_back(&self, duration: Duration) {
        self.0.moved().wall_behind += duration;
    }
}

#[derive(Debug)]
struct Settable {
    started: Instant,
    wall: SystemTime,
    moved: Mutex<Moved>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Moved {
    forward: Duration,
    wall_ahead: Duration,
    wall_behind: Duration,
}

impl Settable {
    fn moved(&self) -> MutexGuard<'_, Moved> {
        self.moved.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn since_boot() -> Duration {
    #[cfg(target_os = "linux")]
    const ID: rustix::time::ClockId = rustix::time::ClockId::Boottime;
    // Elsewhere the service is only developed.
    #[cfg(not(target_os = "linux"))]
    const ID: rustix::time::ClockId = rustix::time::ClockId::Monotonic;
    let time = rustix::time::clock_gettime(ID);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or_default(),
        u32::try_from(time.tv_nsec).unwrap_or_default(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(60 * 60);

    #[test]
    fn the_clocks_of_the_machine_run() {
        let clock = Clock::system();
        let (before, wall) = (clock.now(), clock.wall());
        std::thread::sleep(Duration::from_millis(2));
        assert!(clock.now() > before && clock.wall() >= wall);
        assert!(clock.now().saturating_duration_since(before) < HOUR);
    }

    #[tokio::test(start_paused = true)]
    async fn follows_the_timers_and_the_hands() {
        let (clock, hands) = Clock::settable();
        let (start, wall) = (clock.now(), clock.wall());
        tokio::time::sleep(HOUR).await;
        assert_eq!((clock.now(), clock.wall()), (start + HOUR, wall + HOUR));
        hands.suspend(HOUR);
        assert_eq!((clock.now(), clock.wall()), (start + 2 * HOUR, wall + 2 * HOUR));
        hands.set_ahead(48 * HOUR);
        assert_eq!((clock.now(), clock.wall()), (start + 2 * HOUR, wall + 50 * HOUR));
        hands.set_back(49 * HOUR);
        assert_eq!((clock.clone().now(), clock.wall()), (start + 2 * HOUR, wall + HOUR));
    }

    #[test]
    fn moments_neither_overflow_nor_turn_back() {
        let now = Clock::system().now();
        assert!(now + Duration::MAX > now);
        assert_eq!((now + HOUR).saturating_sub(HOUR), now);
        assert_eq!(now.saturating_duration_since(now + HOUR), Duration::ZERO);
        assert!(now.saturating_sub(Duration::MAX) <= now);
    }
}
