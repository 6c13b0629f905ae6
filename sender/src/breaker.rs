//! Whether the endpoint gets messages: closed, open, half open. Pure: the caller brings the time.

use std::{collections::VecDeque, time::Duration};

use queue::GroupId;
use tokio::time::Instant;

use crate::backoff::jittered;

/// How many of the last messages decide whether the endpoint refuses everything.
const WINDOW: usize = 20;
/// That many of them, each of another group, refused with one code: the fault is not in the messages.
const SAME_REFUSALS: usize = WINDOW / 5;
/// Connects that fail in a row until the sender pauses.
const CONNECT_FAILURES: u32 = 3;
/// Delay before the next probe: full jitter between these, and the fixed one after a TLS failure.
const PROBE_BASE: Duration = Duration::from_secs(1);
const PROBE_CAP: Duration = Duration::from_secs(60);

/// What stands between the sender and the endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// It cannot be reached.
    Unreachable,
    /// It loses messages: connections break or no acknowledgment comes.
    Losing,
    /// It refuses different messages with the same code.
    Rejecting,
    /// TLS will fail until a certificate or a setting changes.
    Tls,
}

impl Cause {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Losing => "losing",
            Self::Rejecting => "rejecting",
            Self::Tls => "tls",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// Messages flow.
    Closed,
    /// Nothing is received or sent; a connect is tried at `probe_at`.
    Open { cause: Cause, since: Instant, probe_at: Instant },
    /// One message is tried.
    HalfOpen { cause: Cause, since: Instant },
}

#[derive(Debug)]
pub(crate) struct Breaker {
    state: State,
    limit: u32,
    connect_failures: u32,
    losses: u32,
    /// Openings since the last positive acknowledgment.
    openings: u32,
    /// The last messages: `None` for an accepted one.
    recent: VecDeque<Option<(GroupId, String)>>,
}

impl Breaker {
    /// `limit` losses in a row open it.
    pub(crate) fn new(limit: u32) -> Self {
        Self {
            state: State::Closed,
            limit,
            connect_failures: 0,
            losses: 0,
            openings: 0,
            recent: VecDeque::with_capacity(WINDOW),
        }
    }

    pub(crate) fn state(&self) -> State {
        self.state
    }

    /// Connected, and with TLS the handshake is done.
    pub(crate) fn connected(&mut self, now: Instant) {
        self.connect_failures = 0;
        match self.state {
            State::Open { cause, since, probe_at } if cause != Cause::Rejecting || probe_at <= now => {
                self.state = State::HalfOpen { cause, since };
            }
            State::Open { .. } | State::Closed | State::HalfOpen { .. } => {}
        }
    }

    pub(crate) fn connect_failed(&mut self, tls: bool, now: Instant) {
        self.connect_failures += 1;
        if tls {
            self.open(Cause::Tls, now);
        } else if self.connect_failures >= CONNECT_FAILURES || self.state != State::Closed {
            self.open(Cause::Unreachable, now);
        }
    }

    /// A message was accepted.
    pub(crate) fn accepted(&mut self) {
        self.state = State::Closed;
        (self.losses, self.openings, self.connect_failures) = (0, 0, 0);
        self.remember(None);
    }

    /// A message was lost on the way, or the answer was no answer.
    pub(crate) fn lost(&mut self, now: Instant) {
        self.losses += 1;
        if self.losses >= self.limit || self.state != State::Closed {
            self.open(Cause::Losing, now);
        }
    }

    /// A message was refused with `code`. True when the endpoint refuses everything: the message must not be
    /// given up for it.
    pub(crate) fn refused(&mut self, group: &GroupId, code: &str, now: Instant) -> bool {
        self.losses = 0;
        self.remember(Some((group.clone(), code.to_owned())));
        if let State::HalfOpen { cause, .. } = self.state {
            if cause == Cause::Rejecting {
                self.open(Cause::Rejecting, now);
                return true;
            }
            // It was unreachable and answers again: that it answers with a refusal is about the message.
            self.state = State::Closed;
        }
        let mut groups: Vec<_> =
            self.recent.iter().flatten().filter(|(_, other)| other == code).map(|(group, _)| group).collect();
        groups.sort();
        groups.dedup();
        let rejecting = groups.len() >= SAME_REFUSALS;
        if rejecting {
            self.recent.clear();
            self.open(Cause::Rejecting, now);
        }
        rejecting
    }

    /// New certificates are in use: try at once.
    pub(crate) fn probe_now(&mut self, now: Instant) {
        if let State::Open { probe_at, .. } = &mut self.state {
            *probe_at = now;
        }
    }

    fn remember(&mut self, refusal: Option<(GroupId, String)>) {
        if self.recent.len() == WINDOW {
            self.recent.pop_front();
        }
        self.recent.push_back(refusal);
    }

    fn open(&mut self, cause: Cause, now: Instant) {
        let since = match self.state {
            State::Closed => now,
            State::Open { since, .. } | State::HalfOpen { since, .. } => since,
        };
        let delay = match cause {
            Cause::Tls => PROBE_CAP,
            _ => PROBE_BASE + jittered(PROBE_BASE, PROBE_CAP - PROBE_BASE, self.openings),
        };
        self.openings = self.openings.saturating_add(1);
        self.state = State::Open { cause, since, probe_at: now + delay };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cause(breaker: &Breaker) -> Option<Cause> {
        match breaker.state() {
            State::Open { cause, .. } => Some(cause),
            State::Closed | State::HalfOpen { .. } => None,
        }
    }

    #[test]
    fn opens_after_losses_in_a_row_and_closes_on_acceptance() {
        let now = Instant::now();
        let mut breaker = Breaker::new(5);
        for _ in 0..4 {
            breaker.lost(now);
        }
        breaker.accepted();
        for _ in 0..4 {
            breaker.lost(now);
        }
        assert_eq!(breaker.state(), State::Closed);
        breaker.lost(now);
        assert_eq!(cause(&breaker), Some(Cause::Losing));
        breaker.connected(now);
        assert!(matches!(breaker.state(), State::HalfOpen { .. }));
        breaker.lost(now);
        assert_eq!(cause(&breaker), Some(Cause::Losing));
        breaker.connected(now);
        breaker.accepted();
        assert_eq!(breaker.state(), State::Closed);
    }

    #[test]
    fn opens_after_three_failed_connects_or_one_tls_failure() {
        let now = Instant::now();
        let mut breaker = Breaker::new(5);
        breaker.connect_failed(false, now);
        breaker.connect_failed(false, now);
        assert_eq!(breaker.state(), State::Closed);
        breaker.connect_failed(false, now);
        assert_eq!(cause(&breaker), Some(Cause::Unreachable));
        let mut breaker = Breaker::new(5);
        breaker.connect_failed(true, now);
        let State::Open { cause: Cause::Tls, probe_at, .. } = breaker.state() else { panic!("open") };
        assert_eq!(probe_at, now + PROBE_CAP);
        breaker.probe_now(now);
        assert!(matches!(breaker.state(), State::Open { probe_at, .. } if probe_at == now));
    }

    #[test]
    fn one_patient_cannot_stop_the_others() {
        let (now, mut breaker) = (Instant::now(), Breaker::new(5));
        for _ in 0..100 {
            assert!(!breaker.refused(&GroupId::digest(&["poison"]), "AE/101", now));
        }
        assert_eq!(breaker.state(), State::Closed);
    }

    #[test]
    fn the_same_refusal_of_different_patients_pauses() {
        let (now, mut breaker) = (Instant::now(), Breaker::new(5));
        for patient in ["a", "b", "c"] {
            assert!(!breaker.refused(&GroupId::digest(&[patient]), "AE/207", now));
            assert!(!breaker.refused(&GroupId::digest(&[patient]), "AE", now));
        }
        assert!(breaker.refused(&GroupId::digest(&["d"]), "AE/207", now));
        let State::Open { cause: Cause::Rejecting, probe_at, .. } = breaker.state() else { panic!("open") };
        breaker.connected(probe_at);
        assert!(breaker.refused(&GroupId::digest(&["e"]), "AE/207", now), "still refusing");
        assert_eq!(cause(&breaker), Some(Cause::Rejecting));
    }
}
