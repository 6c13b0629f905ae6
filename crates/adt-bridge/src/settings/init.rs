//! `adt-bridge config init`: a settings file with every key, and the reference page of the same source.

use std::{
    fs::OpenOptions,
    io::{ErrorKind, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, ValueEnum};
use service::config::manual::Manual;
use toml::{Table, Value};

use crate::{
    config::Config,
    exit::{Code, Failure},
    output,
};

#[derive(Debug, Args)]
pub(super) struct InitArgs {
    /// The sections of one role alone
    #[arg(long, value_enum, default_value_t = Role::All)]
    role: Role,
    /// The file to write; never one that exists. Standard output without it, or for -
    file: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Role {
    /// Everything, for `adt-bridge up`
    All,
    /// The FHIR hook
    Hook,
    /// Queue to HL7 endpoint
    Sender,
    /// The test HL7 server
    Receiver,
}

impl Role {
    fn sections(self) -> &'static [&'static str] {
        match self {
            Self::All => &[
                "hook",
                "message",
                "queue",
                "store",
                "sender",
                "receiver",
                "inspector",
                "metrics",
                "traces",
                "health",
                "log",
            ],
            Self::Hook => &["hook", "message", "queue", "store", "metrics", "traces", "health", "log"],
            Self::Sender => &["sender", "queue", "metrics", "traces", "health", "log"],
            Self::Receiver => {
                &["receiver", "inspector", "message", "store", "metrics", "traces", "health", "log"]
            }
        }
    }
}

pub(super) fn run(arguments: &InitArgs, data: &Path) -> Result<ExitCode, Failure> {
    let text = text(arguments.role, data)?;
    match arguments.file.as_deref().filter(|file| *file != Path::new("-")) {
        None => output::line(text.trim_end())?,
        Some(file) => {
            write_new(file, &text)?;
            output::line(format_args!("wrote {}", file.display()))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The reference page.
pub(crate) fn page() -> String {
    let made = manual().and_then(|manual| Ok(manual.to_page(&defaults(Path::new(".adt-bridge"))?)));
    format!("{PAGE_HEAD}{}", made.unwrap_or_else(|failure| failure.to_string()))
}

fn text(role: Role, data: &Path) -> Result<String, Failure> {
    let settings = manual()?.only(role.sections()).to_file(&defaults(data)?);
    let note = if role == Role::Sender { SENDER_NOTE } else { "" };
    Ok(format!("{HEAD}{note}{settings}"))
}

/// What every section means.
fn manual() -> Result<Manual, Failure> {
    let texts = [
        transform::MANUAL,
        fhir_adt::MANUAL,
        queue::MANUAL,
        message_store::MANUAL,
        sender::MANUAL,
        test_hl7_server::MANUAL,
        inspector::MANUAL,
        service::telemetry::MANUAL,
        service::metrics::MANUAL,
        service::traces::MANUAL,
        service::health::MANUAL,
    ];
    Manual::parse(&texts).map_err(Failure::internal)
}

/// The defaults, below a folder.
fn defaults(data: &Path) -> Result<Table, Failure> {
    match Value::try_from(Config::private(data)?).map_err(Failure::internal)? {
        Value::Table(table) => Ok(table),
        _ => Err(Failure::internal("the settings are no table")),
    }
}

fn write_new(file: &Path, text: &str) -> Result<(), Failure> {
    let opened = OpenOptions::new().write(true).create_new(true).open(file);
    match opened.and_then(|mut file| file.write_all(text.as_bytes())) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let text = format!("{} exists and is left as it is", file.display());
            Err(Failure::new(Code::InputInvalid, text).hint("another name, or - for standard output"))
        }
        Err(error) => {
            Err(Failure::new(Code::InputInvalid, format!("cannot write {}: {error}", file.display())))
        }
    }
}

const HEAD: &str = "\
# Settings of adt-bridge, written by `adt-bridge config init`.
#
# Every key may be left out. The values are the defaults; a key or section that begins with # has none, or is absent
# by default, and its value is an example. A variable wins over this file, a flag over both.
# `adt-bridge config validate` says everything that is wrong, `config show --origin` what is in use and why.
";

const SENDER_NOTE: &str = "\
#
# To be set: address in [sender.endpoint]. A sender alone has no bundled test server.
";

const PAGE_HEAD: &str = "\
# Configuration

Every setting, from the same source as `adt-bridge config init`, which writes a file with all of them.

A flag wins over a variable, a variable over the file (`--config` or `ADT_BRIDGE_CONFIG`), the file over the defaults. An
unknown key is refused with its line and the nearest name; all problems are told at once, with exit code 78. Lists and
tables in a variable are written in TOML. `adt-bridge config show --origin` says what is in use and who decided it.

The defaults are those of `adt-bridge`. The single program `test-hl7-server` keeps its store in `./received-messages/messages.db`.
A secret shows as its length. A file that is read again takes effect within two seconds; a broken one is told in the log,
and the last good one stays in use.
";

#[cfg(test)]
mod tests;
