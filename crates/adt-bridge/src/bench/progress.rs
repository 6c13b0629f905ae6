//! How it goes: one line that is written over again on a terminal, nothing elsewhere.

use std::{
    io::{self, IsTerminal as _, Write as _},
    time::{Duration, Instant},
};

/// Writes to standard error, so that standard output holds the result alone.
pub(super) struct Progress {
    shown: bool,
    begun: Instant,
    last: (Instant, u64),
}

impl Progress {
    pub(super) fn new(quiet: bool) -> Self {
        let now = Instant::now();
        Self { shown: !quiet && io::stderr().is_terminal(), begun: now, last: (now, 0) }
    }

    /// Says what is being done now.
    pub(super) fn step(&mut self, text: &str) {
        self.last = (Instant::now(), 0);
        self.begun = self.last.0;
        self.write(text);
    }

    /// `done` messages so far; `waiting` were written and are not delivered.
    pub(super) fn messages(&mut self, done: u64, waiting: u64) {
        let (then, before) = self.last;
        let took = then.elapsed();
        if took < EVERY {
            return;
        }
        let rate = done.saturating_sub(before) as f64 / took.as_secs_f64();
        self.last = (Instant::now(), done);
        let seconds = self.begun.elapsed().as_secs_f64();
        self.write(&format!("{seconds:5.1} s  {done:>9} messages  {rate:>8.0}/s  {waiting:>6} in flight"));
    }

    pub(super) fn end(&self) {
        self.write("");
    }

    fn write(&self, text: &str) {
        if self.shown {
            let mut stderr = io::stderr().lock();
            // Nobody may be there to read it.
            drop(write!(stderr, "\r\x1b[2K{text}").and_then(|()| stderr.flush()));
        }
    }
}

const EVERY: Duration = Duration::from_millis(200);
