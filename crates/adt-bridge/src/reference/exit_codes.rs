//! The exit codes, from [`Code`].

use clap::ValueEnum as _;

use super::cell;
use crate::exit::Code;

pub(super) fn page() -> String {
    let mut text = String::from(BEFORE);
    for code in Code::value_variants() {
        let number = *code as u8;
        let meaning = cell(&code.meaning());
        text.push_str(&format!("| {number} | {meaning} | {} |\n", cell(&advice(*code).join("; "))));
    }
    text + AFTER
}

/// What whoever started the program does next.
pub(crate) fn advice(code: Code) -> &'static [&'static str] {
    match code {
        Code::Done => &["nothing"],
        Code::Internal => &["read standard error and the log; starting again may help"],
        Code::Usage => &["change the command; `--help` shows it"],
        Code::Unsettled => &["start it again: what was unknown is sent again, byte for byte"],
        Code::InputInvalid => &["correct the input; the same one is refused again"],
        Code::CannotConnect => &["see that the other side runs and is reachable, then try again"],
        Code::Rejected => &["read the reason; the same request is refused again until that is gone"],
        Code::TimedOut => &["try again, or with more time"],
        Code::NotFound => &["look for it with `ls`, `dlq ls` or `queue parked`"],
        Code::DoctorFailed => &["do what the findings say; standard output has them"],
        Code::DoctorWarned => &["do what the findings say, or leave `--strict` away"],
        Code::ConfigInvalid => &["correct the settings; `config validate` lists everything that is wrong"],
        Code::Interrupted | Code::Terminated => &["start it again: what was not settled is sent again"],
    }
}

const BEFORE: &str = "\
# Exit codes

Every command of `adt-bridge` ends with one of these. `transform`, `sender`, `test-hl7-server` and `secret-files` use 0,
1, 3, 78, 130 and 143 with the same meaning. `crates/adt-bridge/tests/it/exit_codes.rs` provokes each row.

| Code | Meaning | What to do |
| --- | --- | --- |
";

const AFTER: &str = "
An `exit` in a scenario of the test server ends that process with the code it names. A process that was killed has no
code of its own; a shell shows 137 for SIGKILL.
";
