//! How a command ends: what it prints and the code it exits with.

use std::{fmt, io, process::ExitCode};

use clap::ValueEnum;

/// Exit codes of every command. The texts stand in `--help` and in `docs/reference/exit-codes.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Code {
    /// done
    Done = 0,
    /// internal error, or work that did not end in time at shutdown
    Internal = 1,
    /// wrong usage: the command line
    Usage = 2,
    /// stopped with deliveries whose outcome is unknown; they are sent again
    Unsettled = 3,
    /// invalid input: FHIR, HL7, lines of a backfill
    InputInvalid = 4,
    /// cannot connect or listen; TLS fails; queue or store cannot be opened
    CannotConnect = 5,
    /// refused by the other side
    Rejected = 6,
    /// no answer in time
    TimedOut = 7,
    /// what was asked for is not there
    NotFound = 8,
    /// doctor found a fault
    DoctorFailed = 9,
    /// doctor found no fault, and something to be warned of (only with `--strict`)
    DoctorWarned = 10,
    /// invalid configuration
    ConfigInvalid = 78,
    /// ended at once by a second SIGINT
    Interrupted = 130,
    /// ended at once by a second SIGTERM
    Terminated = 143,
}

impl Code {
    /// What it means, in a few words.
    pub(crate) fn meaning(self) -> String {
        let value = self.to_possible_value();
        value.and_then(|value| value.get_help().map(ToString::to_string)).unwrap_or_default()
    }

    /// All of them, one a line, for `--help`.
    pub(crate) fn list() -> String {
        let lines =
            Self::value_variants().iter().map(|code| format!("  {:<4} {}", *code as u8, code.meaning()));
        lines.collect::<Vec<_>>().join("\n")
    }
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
