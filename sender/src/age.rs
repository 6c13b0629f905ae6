//! How old a message is, by a wall clock that may jump.
//!
//! The time a message was accepted comes from a wall clock, so its age needs one too. A clock that jumps would
//! make everything old at once: the watch compares it with a monotonic clock, and while the two disagree nothing
//! has an age.

use std::time::{Duration, SystemTime};

use queue::Envelope;
use tokio::time::Instant;

/// By how much the clocks may disagree between two looks: corrections of the time service, not more.
const TOLERANCE: Duration = Duration::from_secs(60);
/// How long the wall clock must run evenly after a jump until it is believed again.
const PROBATION: Duration = Duration::from_secs(60 * 60);

/// Watches the wall clock.
#[derive(Debug, Default)]
pub(crate) struct ClockWatch {
    /// The last look at both clocks.
    last: Option<(SystemTime, Instant)>,
    /// When a jump was seen.
    jumped: Option<Instant>,
}

impl ClockWatch {
    /// The wall clock's time, when it can be believed.
    pub(crate) fn believe(&mut self, wall: SystemTime, now: Instant) -> Option<SystemTime> {
        if let Some((last_wall, last)) = self.last.replace((wall, now)) {
            let expected = last_wall + now.duration_since(last);
            let off = expected.duration_since(wall).unwrap_or_else(|error| error.duration());
            if off > TOLERANCE {
                tracing::warn!(
                    off_seconds = off.as_secs(),
                    "the clock jumped; no message expires for an hour"
                );
                self.jumped = Some(now);
            }
        }
        if self.jumped.is_some_and(|jumped| now.duration_since(jumped) < PROBATION) {
            return None;
        }
        self.jumped = None;
        Some(wall)
    }
}

/// Whether the message was accepted longer ago than `max_age`. A message that does not say when never is.
pub(crate) fn is_expired(envelope: &Envelope, max_age: Duration, now: SystemTime) -> bool {
    let accepted = envelope.attributes.enqueued_at.parse::<jiff::Timestamp>().map(SystemTime::from);
    accepted.is_ok_and(|accepted| now.duration_since(accepted).is_ok_and(|age| age > max_age))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    #[test]
    fn an_even_clock_is_believed() {
        let (mut watch, wall, now) = (ClockWatch::default(), SystemTime::now(), Instant::now());
        for minutes in 0..100 {
            let time = wall + minutes * MINUTE;
            assert_eq!(watch.believe(time, now + minutes * MINUTE), Some(time));
        }
        // Slewed by the time service.
        assert!(watch.believe(wall + 130 * MINUTE + MINUTE / 2, now + 130 * MINUTE).is_some());
    }

    #[test]
    fn a_jump_in_either_direction_is_not_believed_until_the_clock_ran_evenly_for_an_hour() {
        let (wall, now) = (SystemTime::now(), Instant::now());
        for jumped in [wall + 2 * DAY, wall - 60 * MINUTE, wall + 60 * MINUTE] {
            let mut watch = ClockWatch::default();
            assert!(watch.believe(wall, now).is_some());
            assert!(watch.believe(jumped + MINUTE, now + MINUTE).is_none());
            assert!(watch.believe(jumped + 60 * MINUTE, now + 60 * MINUTE).is_none());
            assert!(watch.believe(jumped + 61 * MINUTE, now + 61 * MINUTE).is_some());
        }
    }

    #[test]
    fn a_clock_that_jumps_back_is_doubted_anew() {
        let (mut watch, wall, now) = (ClockWatch::default(), SystemTime::now(), Instant::now());
        watch.believe(wall, now);
        watch.believe(wall + DAY, now);
        assert!(watch.believe(wall + 30 * MINUTE, now + 30 * MINUTE).is_none());
        assert!(watch.believe(wall + 70 * MINUTE, now + 70 * MINUTE).is_none());
        assert!(watch.believe(wall + 90 * MINUTE, now + 90 * MINUTE).is_some());
    }
}
