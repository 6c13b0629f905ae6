//! How it goes: a bar on a terminal, a line now and then elsewhere.

use std::{
    io::{self, IsTerminal as _, Write as _},
    time::{Duration, Instant},
};

use super::state::{Position, State};

/// Writes to standard error, so that standard output holds the summary alone.
#[derive(Debug)]
pub(crate) struct Progress {
    how: How,
    /// Bytes in all, where known.
    size: Option<u64>,
    begun: Instant,
    /// Lines that were settled before this run.
    before: u64,
    shown: Option<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    Bar,
    Lines,
    Nothing,
}

impl Progress {
    pub(crate) fn new(size: Option<u64>, quiet: bool, before: u64) -> Self {
        let how = match (quiet, io::stderr().is_terminal()) {
            (true, _) => How::Nothing,
            (false, true) => How::Bar,
            (false, false) => How::Lines,
        };
        Self { how, size, begun: Instant::now(), before, shown: None }
    }

    pub(crate) fn show(&mut self, state: &State) {
        let every = if self.how == How::Bar { BAR_EVERY } else { LINE_EVERY };
        if self.how == How::Nothing || self.shown.is_some_and(|shown| shown.elapsed() < every) {
            return;
        }
        self.shown = Some(Instant::now());
        let text = line(state, self.size, self.before, self.begun.elapsed(), self.how == How::Bar);
        let mut stderr = io::stderr().lock();
        // Nobody may be there to read it.
        drop(if self.how == How::Bar {
            write!(stderr, "\r\x1b[2K{text}")
        } else {
            writeln!(stderr, "{text}")
        });
        drop(stderr.flush());
    }

    pub(crate) fn end(&self) {
        if self.how == How::Bar && self.shown.is_some() {
            drop(writeln!(io::stderr().lock()));
        }
    }
}

fn line(state: &State, size: Option<u64>, before: u64, took: Duration, bar: bool) -> String {
    let seconds = took.as_secs_f64().max(0.001);
    let rate = (state.lines - before) as f64 / seconds;
    let done = match (&state.position, size) {
        (Position::Offset(offset), Some(size)) if size > 0 => Some(*offset as f64 / size as f64),
        _ => None,
    };
    let mut text = String::new();
    if let Some(done) = done {
        let filled = ((done * WIDTH as f64) as usize).min(WIDTH);
        if bar {
            text = format!("[{}{}] ", "#".repeat(filled), "·".repeat(WIDTH - filled));
        }
        text += &format!("{:.0} %  ", (done * 100.0).min(100.0));
    }
    text +=
        &format!("{} lines  {rate:.0}/s  {} skipped  {} failed", state.lines, state.skipped, state.failed);
    text
}

const WIDTH: usize = 24;
const BAR_EVERY: Duration = Duration::from_millis(200);
const LINE_EVERY: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_how_far_and_how_fast() {
        let folder = tempfile::tempdir().unwrap();
        let mut state = State::open(folder.path(), "x", false).unwrap();
        state.position = Position::Offset(50);
        state.count(90, 6, 4, 100);
        let took = Duration::from_secs(2);
        let text = line(&state, Some(100), 20, took, true);
        assert_eq!(text, "[############············] 50 %  100 lines  40/s  6 skipped  4 failed");
        assert_eq!(line(&state, None, 20, took, false), "100 lines  40/s  6 skipped  4 failed");
    }
}
