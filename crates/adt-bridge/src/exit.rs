//! How a command ends: what it prints and the code it exits with.

use std::{fmt, io, process::ExitCode};

/// Exit codes of every command; listed in `--help`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    Internal = 1,
    Usage = 2,
    InputInvalid = 4,
    CannotConnect = 5,
    Rejected = 6,
    TimedOut = 7,
    NotFound = 8,
    ConfigInvalid = 78,
}

/// Why a command did not succeed, for a person: what happened, and what to do about it.
#[derive(Debug)]
pub(crate) struct Failure {
    code: Code,
    text: String,
    hint: Option<String>,
}

impl Failure {
    pub(crate) fn new(code: Code, text: impl fmt::Display) -> Self {
        Self { code, text: text.to_string(), hint: None }
    }

    pub(crate) fn internal(error: impl fmt::Display) -> Self {
        Self::new(Code::Internal, error)
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(crate) fn code(&self) -> Code {
        self.code
    }

    /// What happened, without the hint.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Prints itself to standard error.
    pub(crate) fn report(&self) -> ExitCode {
        use io::Write as _;
        let mut stderr = io::stderr().lock();
        // Standard error may be closed; the exit code still tells.
        drop(writeln!(stderr, "{self}"));
        ExitCode::from(self.code as u8)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.text)?;
        self.hint.iter().try_for_each(|hint| write!(f, "\n  try: {hint}"))
    }
}

impl From<service::config::ConfigError> for Failure {
    fn from(error: service::config::ConfigError) -> Self {
        let text = error.to_string();
        Self::new(Code::ConfigInvalid, text.strip_prefix("error: ").unwrap_or(&text))
    }
}

/// What the hook says of its settings before it runs.
impl From<transform::Error> for Failure {
    fn from(error: transform::Error) -> Self {
        Self::new(Code::ConfigInvalid, error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::internal(error)
    }
}
