//! The way from the callers to the thread that commits.

use std::{
    mem,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::Pace;

/// The thread that commits is gone, and what was handed in with it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the writer is gone")]
pub struct Gone;

/// Makes both ends. No commit gets more than `most` writes.
#[must_use]
pub fn channel<W, C>(pace: Pace, most: usize) -> (Sender<W, C>, Inbox<W, C>) {
    let state = State { writes: Vec::new(), calls: Vec::new(), sleeps_until: None, gone: false };
    let shared = Arc::new(Shared { state: Mutex::new(state), woken: Condvar::new() });
    (Sender(Arc::clone(&shared)), Inbox { shared, pace, most, commit: None, since: None })
}

/// Hands in writes `W`, which may wait for the commit of others, and calls `C`, which may not.
#[derive(Debug)]
pub struct Sender<W, C>(Arc<Shared<W, C>>);

impl<W, C> Sender<W, C> {
    /// Hands in a write.
    ///
    /// # Errors
    /// [`Gone`].
    pub fn write(&self, write: W) -> Result<(), Gone> {
        self.hand_in(|state| state.writes.push(write))
    }

    /// Hands in writes that are to share a commit.
    ///
    /// # Errors
    /// [`Gone`].
    pub fn write_all(&self, mut writes: Vec<W>) -> Result<(), Gone> {
        self.hand_in(|state| state.writes.append(&mut writes))
    }

    /// Hands in what the thread has to see at once.
    ///
    /// # Errors
    /// [`Gone`].
    pub fn call(&self, call: C) -> Result<(), Gone> {
        self.hand_in(|state| state.calls.push(call))
    }

    /// The thread is woken only for what it sleeps for.
    fn hand_in(&self, add: impl FnOnce(&mut State<W, C>)) -> Result<(), Gone> {
        let mut state = self.0.state();
        if state.gone {
            return Err(Gone);
        }
        add(&mut state);
        let enough = |writes| !state.calls.is_empty() || state.writes.len() >= writes;
        if state.sleeps_until.is_some_and(enough) {
            state.sleeps_until = None;
            drop(state);
            self.0.woken.notify_one();
        }
        Ok(())
    }
}

impl<W, C> Clone for Sender<W, C> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// The end of the thread that commits.
#[derive(Debug)]
pub struct Inbox<W, C> {
    shared: Arc<Shared<W, C>>,
    pace: Pace,
    most: usize,
    /// How many writes were handed out last, and when; until the next call they are being committed.
    commit: Option<(usize, Instant)>,
    /// When the last commit had ended.
    since: Option<Instant>,
}

impl<W, C> Inbox<W, C> {
    /// Sleeps until there is something to do, at most until `wake_at`, and moves it to the end of `writes` and `calls`:
    /// calls at once, writes when those are there who are worth waiting for. Nothing is left of either when the time
    /// is over.
    ///
    /// The time from here to the next call is taken for what the commit of the writes took.
    pub fn next(&mut self, wake_at: Option<Instant>, writes: &mut Vec<W>, calls: &mut Vec<C>) {
        let mut state = self.shared.state();
        let mut now = Instant::now();
        if let Some((committed, began)) = self.commit.take() {
            self.pace.committed(committed, now - began);
            self.since = Some(now);
        }
        let patient_until = self.since.map(|since| since + self.pace.patience());
        loop {
            let patient_until = patient_until.filter(|until| now < *until);
            let enough = patient_until.map_or(1, |_| self.pace.expected().min(self.most));
            let is_time = wake_at.is_some_and(|at| at <= now);
            if state.writes.len() >= enough {
                state.move_writes(writes, self.most);
                self.commit = Some((writes.len(), now));
            } else if state.calls.is_empty() && !is_time {
                state.sleeps_until = Some(enough);
                // Without a write there is nothing to be impatient about: the first one after that is handed out.
                let until = patient_until.into_iter().chain(wake_at).min();
                state = self.shared.sleep(state, until.map(|until| until - now));
                state.sleeps_until = None;
                now = Instant::now();
                continue;
            }
            calls.append(&mut state.calls);
            return;
        }
    }

    /// Moves the writes that are there to the end of `writes`, for a last commit.
    pub fn take_writes(&mut self, writes: &mut Vec<W>) {
        let mut state = self.shared.state();
        state.move_writes(writes, usize::MAX);
    }
}

impl<W, C> Drop for Inbox<W, C> {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.gone = true;
        // What somebody waits for may run code of its own when it is dropped.
        let left = (mem::take(&mut state.writes), mem::take(&mut state.calls));
        drop(state);
        drop(left);
    }
}

#[derive(Debug)]
struct Shared<W, C> {
    state: Mutex<State<W, C>>,
    woken: Condvar,
}

#[derive(Debug)]
struct State<W, C> {
    writes: Vec<W>,
    calls: Vec<C>,
    /// The thread sleeps until there is a call, or so many writes.
    sleeps_until: Option<usize>,
    gone: bool,
}

impl<W, C> Shared<W, C> {
    fn state(&self) -> MutexGuard<'_, State<W, C>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sleep<'state>(
        &self,
        state: MutexGuard<'state, State<W, C>>,
        longest: Option<Duration>,
    ) -> MutexGuard<'state, State<W, C>> {
        match longest {
            Some(longest) => {
                self.woken.wait_timeout(state, longest).unwrap_or_else(PoisonError::into_inner).0
            }
            None => self.woken.wait(state).unwrap_or_else(PoisonError::into_inner),
        }
    }
}

impl<W, C> State<W, C> {
    fn move_writes(&mut self, to: &mut Vec<W>, most: usize) {
        if self.writes.len() <= most {
            to.append(&mut self.writes);
        } else {
            to.extend(self.writes.drain(..most));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(60 * 60);

    type Ends = (Sender<u32, &'static str>, Inbox<u32, &'static str>);

    /// As after a commit that makes others worth waiting for, for an hour.
    fn expecting(writes: usize) -> Ends {
        let mut pace = Pace::new(HOUR);
        pace.committed(writes, HOUR);
        let (sender, mut inbox) = channel(pace, 512);
        inbox.since = Some(Instant::now());
        (sender, inbox)
    }

    fn next(inbox: &mut Inbox<u32, &'static str>) -> (Vec<u32>, Vec<&'static str>) {
        let (mut writes, mut calls) = (Vec::new(), Vec::new());
        inbox.next(None, &mut writes, &mut calls);
        (writes, calls)
    }

    #[test]
    fn a_write_wakes_the_thread_that_expects_nobody() {
        let (sender, mut inbox) = channel(Pace::new(HOUR), 512);
        let writer = std::thread::spawn(move || next(&mut inbox));
        sender.write(1).unwrap();
        assert_eq!(writer.join().unwrap(), (vec![1], vec![]));
    }

    #[test]
    fn writes_wait_for_those_who_are_expected_and_calls_for_nobody() {
        let (sender, mut inbox) = expecting(3);
        let (told, tell) = std::sync::mpsc::channel();
        let writer = std::thread::spawn(move || {
            for _ in 0..2 {
                told.send(next(&mut inbox)).unwrap();
            }
        });
        sender.write_all(vec![1, 2]).unwrap();
        sender.call("now").unwrap();
        assert_eq!(tell.recv().unwrap(), (vec![], vec!["now"]));
        sender.write(3).unwrap();
        assert_eq!(tell.recv().unwrap(), (vec![1, 2, 3], vec![]));
        writer.join().unwrap();
    }

    #[test]
    fn nobody_is_waited_for_when_the_patience_is_over() {
        let (sender, mut inbox) = expecting(3);
        inbox.since = Instant::now().checked_sub(HOUR);
        sender.write(1).unwrap();
        assert_eq!(next(&mut inbox), (vec![1], vec![]));
    }

    #[test]
    fn a_time_to_wake_leaves_the_writes_to_wait() {
        let (sender, mut inbox) = expecting(3);
        sender.write(1).unwrap();
        let (mut writes, mut calls) = (Vec::new(), Vec::new());
        inbox.next(Some(Instant::now()), &mut writes, &mut calls);
        assert!(writes.is_empty() && calls.is_empty());
        inbox.take_writes(&mut writes);
        assert_eq!(writes, [1]);
    }

    #[test]
    fn no_commit_gets_more_than_the_most() {
        let (sender, mut inbox) = channel(Pace::new(HOUR), 2);
        sender.write_all(vec![1, 2, 3, 4, 5]).unwrap();
        sender.call("close").unwrap();
        assert_eq!(next(&mut inbox), (vec![1, 2], vec!["close"]));
        assert_eq!(next(&mut inbox), (vec![3, 4], vec![]));
        assert_eq!(next(&mut inbox), (vec![5], vec![]));
    }

    #[test]
    fn whoever_waits_for_a_thread_that_went_away_is_told() {
        let (sender, inbox) = channel::<Arc<()>, ()>(Pace::new(HOUR), 2);
        let write = Arc::new(());
        sender.write(Arc::clone(&write)).unwrap();
        drop(inbox);
        assert_eq!(Arc::strong_count(&write), 1, "dropped");
        assert_eq!((sender.write(write), sender.call(())), (Err(Gone), Err(Gone)));
    }
}
