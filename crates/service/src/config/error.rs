//! What is wrong with a configuration: every problem at once.

use std::{fmt, io::Write, process::ExitCode};

/// Exit code of a process whose configuration is invalid (`EX_CONFIG` of sysexits.h).
pub const EXIT_CONFIG: u8 = 78;

/// One thing to mend, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    place: String,
    text: String,
}

impl Problem {
    /// `place` is a file and line, a variable, or a section; `text` must not repeat the value.
    pub fn new(place: impl Into<String>, text: impl Into<String>) -> Self {
        Self { place: place.into(), text: text.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.text)
    }
}

/// The configuration cannot be used. `Display` lists every problem, one per line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    problems: Vec<Problem>,
}

impl ConfigError {
    /// Also for checks across sections, which only the caller can make.
    pub fn new(problems: Vec<Problem>) -> Self {
        Self { problems }
    }

    /// What to mend, in the order found.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Writes the problems to standard error and gives the exit code for `main`.
    pub fn report(&self) -> ExitCode {
        // Standard error may be closed; the exit code still tells.
        drop(writeln!(std::io::stderr().lock(), "{self}"));
        ExitCode::from(EXIT_CONFIG)
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.problems.len() == 1 { "problem" } else { "problems" };
        write!(f, "error: the configuration has {} {plural}", self.problems.len())?;
        self.problems.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

impl std::error::Error for ConfigError {}
