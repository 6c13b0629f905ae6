//! How old a message is, by a wall clock that may jump.
//!
//! The time a message was accepted comes from a wall clock, so its age needs one too. A clock that jumps, or is
//! wrong from the start, would make everything old at once. So it is never believed alone: it must run evenly with
//! the clock that only runs forward, and agree with the endpoint's, as the acknowledgments tell it in MSH-7. Until
//! then nothing has an age, and everything is sent.

use std::time::{Duration, SystemTime};

use clock::Moment;
use jiff::{Timestamp, civil::DateTime, tz::Offset};
use queue::Envelope;

/// By how much the clocks may disagree between two looks: corrections of the time service, not more.
const TOLERANCE: Duration = Duration::from_secs(60);
/// How long the wall clock must run evenly after a jump until it is believed again.
const PROBATION: Duration = Duration::from_secs(60 * 60);
/// By how much the endpoint's clock may disagree: a time zone that it does not name, and some minutes.
const FOREIGN_TOLERANCE: Duration = Duration::from_secs(15 * 60 * 60);

/// Watches the wall clock.
#[derive(Debug, Default)]
pub(crate) struct ClockWatch {
    /// The last look at both clocks.
    last: Option<(SystemTime, Moment)>,
    /// When a jump was seen.
    jumped: Option<Moment>,
    /// Whether the endpoint's clock agreed, since the last jump.
    confirmed: bool,
}

impl ClockWatch {
    /// The wall clock's time, when it can be believed.
    pub(crate) fn believe(&mut self, wall: SystemTime, now: Moment) -> Option<SystemTime> {
        self.look(wall, now);
        if self.jumped.is_some_and(|jumped| now.saturating_duration_since(jumped) < PROBATION) {
            return None;
        }
        self.jumped = None;
        self.confirmed.then_some(wall)
    }

    /// Compares with the time that the endpoint gives in MSH-7 (HL7 v2.5.1 §2.15.9.7).
    pub(crate) fn compare(&mut self, wall: SystemTime, now: Moment, foreign: &str) {
        self.look(wall, now);
        let Some(foreign) = instant(foreign) else { return };
        let off = foreign.duration_since(wall).unwrap_or_else(|error| error.duration());
        self.confirmed = off <= FOREIGN_TOLERANCE;
    }

    fn look(&mut self, wall: SystemTime, now: Moment) {
        if let Some((last_wall, last)) = self.last.replace((wall, now)) {
            let expected = last_wall + now.saturating_duration_since(last);
            let off = expected.duration_since(wall).unwrap_or_else(|error| error.duration());
            if off > TOLERANCE {
                tracing::warn!(
                    off_seconds = off.as_secs(),
                    "the clock jumped; no message expires for an hour"
                );
                self.jumped = Some(now);
                self.confirmed = false;
            }
        }
    }
}

/// The instant of an HL7 time down to the second, without an offset taken as UTC.
fn instant(time: &str) -> Option<SystemTime> {
    let digits = time.get(..14)?;
    let offset = time.find(['+', '-']).and_then(|at| time.get(at..));
    let local = DateTime::strptime("%Y%m%d%H%M%S", digits).ok()?;
    let offset = match offset {
        None => Offset::UTC,
        Some(offset) => {
            let minutes =
                offset.get(1..3)?.parse::<i32>().ok()? * 60 + offset.get(3..5)?.parse::<i32>().ok()?;
            let sign = if offset.starts_with('-') { -60 } else { 60 };
            Offset::from_seconds(sign * minutes).ok()?
        }
    };
    offset.to_timestamp(local).ok().map(SystemTime::from)
}

/// Whether the message was accepted longer ago than `max_age`. A message that does not say when never is.
pub(crate) fn is_expired(envelope: &Envelope, max_age: Duration, now: SystemTime) -> bool {
    let accepted = envelope.attributes.enqueued_at.parse::<Timestamp>().map(SystemTime::from);
    accepted.is_ok_and(|accepted| now.duration_since(accepted).is_ok_and(|age| age > max_age))
}

#[cfg(test)]
mod tests {
    use clock::Clock;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    /// A watch whose clock the endpoint agreed with.
    fn confirmed(wall: SystemTime, now: Moment) -> ClockWatch {
        let mut watch = ClockWatch::default();
        watch.compare(wall, now, &hl7(wall));
        watch
    }

    fn hl7(time: SystemTime) -> String {
        Timestamp::try_from(time).unwrap().strftime("%Y%m%d%H%M%S+0000").to_string()
    }

    fn clocks() -> (SystemTime, Moment) {
        (SystemTime::now(), Clock::system().now())
    }

    #[test]
    fn an_even_clock_is_believed() {
        let (wall, now) = clocks();
        let mut watch = confirmed(wall, now);
        for minutes in 0..100 {
            let time = wall + minutes * MINUTE;
            assert_eq!(watch.believe(time, now + minutes * MINUTE), Some(time));
        }
        // Slewed by the time service.
        assert!(watch.believe(wall + 130 * MINUTE + MINUTE / 2, now + 130 * MINUTE).is_some());
    }

    #[test]
    fn a_clock_that_is_wrong_from_the_start_is_not_believed_alone() {
        let (wall, now) = clocks();
        for wrong in [wall + 2 * DAY, wall - 2 * DAY, SystemTime::UNIX_EPOCH] {
            let mut watch = ClockWatch::default();
            assert!(watch.believe(wrong, now).is_none(), "before any acknowledgment");
            watch.compare(wrong, now, &hl7(wall));
            assert!(watch.believe(wrong + DAY, now + DAY).is_none(), "however evenly it runs");
            watch.compare(wrong, now + DAY, "");
            assert!(watch.believe(wrong + DAY, now + DAY).is_none());
        }
    }

    #[test]
    fn the_endpoint_may_be_anywhere_on_earth() {
        let (wall, now) = clocks();
        let local = |hours: i8| {
            let time = Timestamp::try_from(wall).unwrap();
            jiff::tz::offset(hours).to_datetime(time).strftime("%Y%m%d%H%M%S").to_string()
        };
        for time in [local(14), local(-12), format!("{}.123+1400", local(14)), format!("{}-1200", local(-12))]
        {
            let mut watch = ClockWatch::default();
            watch.compare(wall, now, &time);
            assert!(watch.believe(wall, now).is_some(), "{time}");
        }
    }

    #[test]
    fn a_jump_in_either_direction_is_not_believed_until_the_clock_ran_evenly_for_an_hour() {
        let (wall, now) = clocks();
        // One of them is a leap of the kind that a time service slews: it is no jump.
        assert!(confirmed(wall, now).believe(wall + MINUTE + Duration::from_secs(1), now + MINUTE).is_some());
        for jumped in [wall + 2 * DAY, wall - 60 * MINUTE, wall + 60 * MINUTE] {
            let mut watch = confirmed(wall, now);
            assert!(watch.believe(wall, now).is_some());
            assert!(watch.believe(jumped + MINUTE, now + MINUTE).is_none());
            watch.compare(jumped + MINUTE, now + MINUTE, &hl7(jumped));
            assert!(watch.believe(jumped + 60 * MINUTE, now + 60 * MINUTE).is_none());
            assert!(watch.believe(jumped + 61 * MINUTE, now + 61 * MINUTE).is_some());
        }
    }

    #[test]
    fn a_clock_that_jumps_back_is_doubted_anew() {
        let (wall, now) = clocks();
        let mut watch = confirmed(wall, now);
        watch.believe(wall + DAY, now);
        assert!(watch.believe(wall + 30 * MINUTE, now + 30 * MINUTE).is_none());
        assert!(watch.believe(wall + 70 * MINUTE, now + 70 * MINUTE).is_none());
        watch.compare(wall + 70 * MINUTE, now + 70 * MINUTE, &hl7(wall));
        assert!(watch.believe(wall + 90 * MINUTE, now + 90 * MINUTE).is_some());
    }

    #[test]
    fn times_that_are_none_say_nothing() {
        for time in [
            "",
            "20260101",
            "2026010112",
            "20261301000000",
            "20260101000000+99",
            "2026\u{e4}\u{e4}\u{e4}\u{e4}\u{e4}",
        ] {
            assert_eq!(instant(time), None, "{time}");
        }
        let utc = instant("20260101120000").unwrap();
        assert_eq!(instant("20260101130000.5+0100"), Some(utc));
        assert_eq!(instant("20260101063000-0530"), Some(utc));
    }
}
