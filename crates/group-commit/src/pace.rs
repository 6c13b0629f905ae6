//! How many writes are worth waiting for, and how long. Pure: what was measured comes in.

use std::time::Duration;

/// As many times as long as a commit took, the next one may wait for company.
const PATIENCE: u32 = 2;

/// What a writer goes by, from one commit to the next.
///
/// Whoever was answered by a commit comes back soon: so many are expected. They are worth about what a commit takes,
/// which they save. Whoever is there already when a commit ends counts among them: with more callers than one commit
/// answers, the groups grow, and nobody waits until the last one is back. A commit that held one write has one caller to
/// answer, who would wait for nobody.
#[derive(Debug, Clone)]
pub struct Pace {
    longest: Duration,
    expected: usize,
    patience: Duration,
}

impl Pace {
    /// Waits never longer than `longest`, however slow the disk is, and at first not at all.
    #[must_use]
    pub fn new(longest: Duration) -> Self {
        Self { longest, expected: 1, patience: Duration::ZERO }
    }

    /// A commit of so many writes took so long.
    pub fn committed(&mut self, writes: usize, took: Duration) {
        self.expected = writes.max(1);
        self.patience =
            if writes > 1 { took.saturating_mul(PATIENCE).min(self.longest) } else { Duration::ZERO };
    }

    /// So many writes need not wait for others.
    #[must_use]
    pub fn expected(&self) -> usize {
        self.expected
    }

    /// How long after the last commit others are waited for. Who comes later is not one of them.
    #[must_use]
    pub fn patience(&self) -> Duration {
        self.patience
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMIT: Duration = Duration::from_micros(300);
    const LONGEST: Duration = Duration::from_millis(5);

    fn after(writes: usize, took: Duration) -> (usize, Duration) {
        let mut pace = Pace::new(LONGEST);
        pace.committed(writes, took);
        (pace.expected(), pace.patience())
    }

    #[test]
    fn the_first_write_waits_for_nobody() {
        let pace = Pace::new(LONGEST);
        assert_eq!((pace.expected(), pace.patience()), (1, Duration::ZERO));
    }

    #[test]
    fn one_at_a_time_waits_for_nobody() {
        assert_eq!(after(1, COMMIT), (1, Duration::ZERO));
    }

    #[test]
    fn those_who_were_answered_are_expected() {
        assert_eq!(after(2, COMMIT), (2, 2 * COMMIT));
        assert_eq!(after(12, COMMIT), (12, 2 * COMMIT));
    }

    #[test]
    fn a_slow_disk_is_not_made_much_slower() {
        assert_eq!(after(12, Duration::from_secs(1)), (12, LONGEST));
    }

    #[test]
    fn nobody_is_waited_for_who_did_not_come_back() {
        let mut pace = Pace::new(LONGEST);
        pace.committed(12, COMMIT);
        pace.committed(1, COMMIT);
        assert_eq!((pace.expected(), pace.patience()), (1, Duration::ZERO));
    }
}
