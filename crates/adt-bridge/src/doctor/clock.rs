//! The clocks: the wall clock against that of AWS, and the one that leases are measured with.

use std::time::{Duration, SystemTime};

use ::clock::Clock;
use jiff::{SignedDuration, Timestamp};

use super::{Finding, Report};

const CHECK: &str = "clock";
/// What a signature of AWS forgives.
const MOST: SignedDuration = SignedDuration::from_mins(5);
/// More than a network is late.
const MUCH: SignedDuration = SignedDuration::from_secs(5);
/// This program did not exist before.
const EARLIEST: &str = "2026-01-01T00:00:00Z";

pub(super) async fn examine(report: &mut Report) {
    let clock = Clock::system();
    let wall = Timestamp::try_from(clock.wall()).unwrap_or(Timestamp::UNIX_EPOCH);
    let earliest: Timestamp = EARLIEST.parse().unwrap_or(Timestamp::UNIX_EPOCH);
    report.add(if wall < earliest {
        Finding::failed(CHECK, format!("the wall clock says {wall:.0}, which is past"))
            .because("certificates are not valid yet, signatures are refused, messages carry wrong times")
            .fix("let a time service set the clock (chrony, systemd-timesyncd)")
    } else {
        Finding::ok(CHECK, format!("the wall clock says {wall:.0}"))
    });
    let before = clock.now();
    tokio::time::sleep(STEP).await;
    let went = clock.now().saturating_duration_since(before);
    report.add(if went < STEP / 2 || went > STEP * 100 {
        Finding::failed(CHECK, format!("CLOCK_BOOTTIME went {went:?} in {STEP:?}"))
            .because("leases are measured with it: messages would be sent twice, or late")
            .fix("this machine, or its hypervisor, keeps no time: move to another")
    } else {
        Finding::ok(CHECK, "the clock of leases (CLOCK_BOOTTIME) runs")
    });
}

/// Compares with the `Date` of an answer that came at `came`.
pub(super) fn compare(whose: &str, date: &str, came: SystemTime, report: &mut Report) {
    let theirs = jiff::fmt::rfc2822::parse(date).map(|zoned| zoned.timestamp());
    let (Ok(theirs), Ok(ours)) = (theirs, Timestamp::try_from(came)) else { return };
    // Their clock tells whole seconds.
    let apart = ours.duration_since(theirs);
    let (size, direction) = (apart.abs(), if apart.is_negative() { "behind" } else { "ahead of" });
    let found = format!("the wall clock is {} s {direction} that of {whose}", size.as_secs());
    let fix = "let a time service set the clock (chrony, systemd-timesyncd)";
    report.add(if size > MOST {
        Finding::failed(CHECK, found).because("AWS refuses signatures that old or that new").fix(fix)
    } else if size > MUCH {
        Finding::warning(CHECK, found).because("MSH-7 and EVN-2 carry it to the endpoint").fix(fix)
    } else {
        Finding::ok(CHECK, found)
    });
}

const STEP: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Severity;

    #[test]
    fn a_clock_is_wrong_by_minutes_and_odd_by_seconds() {
        let theirs = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600);
        for (ours, expected) in [
            (theirs + Duration::from_secs(1), Severity::Ok),
            (theirs + Duration::from_secs(60), Severity::Warning),
            (theirs - Duration::from_secs(60), Severity::Warning),
            (theirs + Duration::from_secs(301), Severity::Failed),
            (theirs - Duration::from_secs(301), Severity::Failed),
        ] {
            let mut report = Report::default();
            compare("S3", "Thu, 01 Jan 2026 00:00:00 GMT", ours, &mut report);
            assert_eq!(report.worst(), expected, "{}", report.as_text());
            assert!(report.as_text().contains("that of S3"));
        }
    }
}
