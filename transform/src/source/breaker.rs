//! Leaves a source alone that does not work, so that it costs nobody else anything.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// Counts failures in a row; after [`FAILURES`] of them no request goes out for a while, then one as a trial.
#[derive(Debug, Default)]
pub(crate) struct Breaker {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    failures: u32,
    /// How often it opened since the last success.
    opened: u32,
    open_until: Option<Instant>,
    /// A trial is under way: the others wait for its outcome.
    trial: bool,
}

/// Leave to send one request. Dropped without a word (the caller was cancelled), it gives a trial back.
#[derive(Debug)]
pub(crate) struct Pass<'b> {
    breaker: &'b Breaker,
    told: bool,
}

impl Breaker {
    /// Leave to send, or how long to wait before asking again.
    pub(crate) fn ask(&self) -> Result<Pass<'_>, Duration> {
        let mut state = self.state();
        let now = Instant::now();
        match state.open_until {
            Some(until) if until > now => Err(until - now),
            Some(_) if state.trial => Err(TRIAL),
            open => {
                state.trial = open.is_some();
                Ok(Pass { breaker: self, told: false })
            }
        }
    }

    /// Whether requests are held back.
    pub(crate) fn is_open(&self) -> bool {
        self.state().open_until.is_some()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pass<'_> {
    /// The source answered, whatever it said of the request.
    pub(crate) fn answered(mut self) {
        self.told = true;
        *self.breaker.state() = State::default();
    }

    /// The source did not answer, or said that it is not well. True when this opened the breaker.
    pub(crate) fn failed(mut self) -> bool {
        self.told = true;
        let mut state = self.breaker.state();
        state.failures = state.failures.saturating_add(1);
        state.trial = false;
        if state.failures < FAILURES {
            return false;
        }
        let opens = state.open_until.is_none();
        state.open_until = Some(Instant::now() + (SHORTEST * 2_u32.pow(state.opened.min(6))).min(LONGEST));
        state.opened = state.opened.saturating_add(1);
        opens
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        if !self.told {
            self.breaker.state().trial = false;
        }
    }
}

const FAILURES: u32 = 5;
const SHORTEST: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_secs(120);
/// How often to look whether a trial has ended.
const TRIAL: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use super::*;

    fn fail(breaker: &Breaker, times: u32) {
        for _ in 0..times {
            breaker.ask().unwrap().failed();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn opens_after_failures_in_a_row_and_tries_one_request_later() {
        let breaker = Breaker::default();
        fail(&breaker, FAILURES - 1);
        breaker.ask().unwrap().answered();
        fail(&breaker, FAILURES - 1);
        assert!(!breaker.is_open());
        assert!(breaker.ask().unwrap().failed(), "the fifth in a row");
        assert_eq!(breaker.ask().unwrap_err(), SHORTEST);
        tokio::time::advance(SHORTEST).await;
        let trial = breaker.ask().unwrap();
        assert_eq!(breaker.ask().unwrap_err(), TRIAL, "one at a time");
        assert!(!trial.failed(), "it was open before");
        assert_eq!(breaker.ask().unwrap_err(), 2 * SHORTEST);
        tokio::time::advance(2 * SHORTEST).await;
        breaker.ask().unwrap().answered();
        assert!(!breaker.is_open());
        fail(&breaker, FAILURES);
        assert_eq!(breaker.ask().unwrap_err(), SHORTEST, "a success forgets");
    }

    #[tokio::test(start_paused = true)]
    async fn a_trial_that_was_cancelled_lets_the_next_one_in() {
        let breaker = Breaker::default();
        fail(&breaker, FAILURES);
        tokio::time::advance(SHORTEST).await;
        drop(breaker.ask().unwrap());
        assert!(breaker.ask().is_ok());
    }
}
