//! Exit codes, as their own reference has them.

use std::sync::LazyLock;

use clap::ValueEnum as _;

use super::Entry;
use crate::{exit::Code, reference::advice};

/// One entry for each.
pub(super) fn all() -> Vec<Entry> {
    Code::value_variants().iter().map(|code| of(*code)).collect()
}

/// The meaning and the advice stand beside the code; here are the causes.
fn of(code: Code) -> Entry {
    let (name, causes): (_, &[&str]) = match code {
        Code::Done => ("exit-0", &["everything that was asked for was done"]),
        Code::Internal => (
            "exit-1",
            &[
                "a fault of this program, of the disk, or of the machine",
                "the grace at shutdown was too short",
            ],
        ),
        Code::Usage => ("exit-2", &["a flag or a value that the command does not take"]),
        Code::Unsettled => ("exit-3", &["the endpoint did not answer before the time to stop was over"]),
        Code::InputInvalid => {
            ("exit-4", &["the input is no Patient, no HL7 message, or breaks a rule of the mapping"])
        }
        Code::CannotConnect => {
            ("exit-5", &["nobody listens there, TLS fails, a port is taken, a file has another owner"])
        }
        Code::Rejected => (
            "exit-6",
            &["the endpoint answered AE or AR", "a redrive would put an older state over a newer one"],
        ),
        Code::TimedOut => ("exit-7", &["the other side is slow, or hangs"]),
        Code::NotFound => ("exit-8", &["no message, dead letter, group, file or code of that name"]),
        Code::DoctorFailed => ("exit-9", &["at least one finding of `doctor` is `failed`"]),
        Code::DoctorWarned => {
            ("exit-10", &["at least one finding of `doctor` is `warning`, and `--strict` was given"])
        }
        Code::ConfigInvalid => ("exit-78", &["a key, a value, or settings that do not go together"]),
        Code::Interrupted => ("exit-130", &["Ctrl-C twice"]),
        Code::Terminated => ("exit-143", &["a scheduler asked twice"]),
    };
    Entry { code: name, title: meaning(code), causes, remedies: advice(code), example: "" }
}

/// The words of `--help`.
fn meaning(code: Code) -> &'static str {
    static MEANINGS: LazyLock<Vec<(Code, String)>> =
        LazyLock::new(|| Code::value_variants().iter().map(|code| (*code, code.meaning())).collect());
    MEANINGS.iter().find(|(known, _)| *known == code).map_or("", |(_, meaning)| meaning)
}
