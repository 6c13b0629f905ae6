//! `adt-bridge doctor`: looks at everything that a service stands on, says what is wrong and what to do about it.
//!
//! Harmless beside a running service: it reads files and settings, asks for a port without listening on it, makes one
//! more connection to the endpoint for a moment, and tries rights at AWS by calls that change nothing. What it writes
//! it removes: an empty file in each data folder, an object of its own in the bucket. A message goes to the endpoint only
//! with `--echo`.

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, ValueEnum};

use crate::{cli::Cli, config::Config, development_ca::DevelopmentCa, exit::Failure, output};

mod certificates;
mod clock;
mod cloud;
mod credentials;
mod echo;
mod endpoint;
mod finding;
mod folders;
mod ports;
mod process;
mod queue;
mod settings;
mod store;

use finding::{Finding, Report};

#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// Whose needs to look at
    #[arg(long, value_enum, default_value_t = Role::All)]
    role: Role,
    /// Also send one message of an invented patient to the endpoint, and check the answer
    #[arg(long)]
    echo: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Let warnings count: exit code 10
    #[arg(long)]
    strict: bool,
    /// Folder that the defaults point into
    #[arg(long, value_name = "DIR", default_value = ".adt-bridge")]
    data_dir: PathBuf,
}

/// Whose needs are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Role {
    /// The FHIR hook
    Hook,
    /// Queue to HL7 endpoint
    Sender,
    /// The test HL7 server
    Receiver,
    /// All three in one process, as `up` runs them
    All,
}

impl Role {
    fn as_str(self) -> &'static str {
        match self {
            Self::Hook => "hook",
            Self::Sender => "sender",
            Self::Receiver => "receiver",
            Self::All => "all",
        }
    }

    fn is_hook(self) -> bool {
        matches!(self, Self::Hook | Self::All)
    }

    fn is_sender(self) -> bool {
        matches!(self, Self::Sender | Self::All)
    }

    fn is_receiver(self) -> bool {
        matches!(self, Self::Receiver | Self::All)
    }
}

/// What every check may look at.
struct Examined {
    role: Role,
    config: Config,
    /// The certificates that a start makes when they are missing.
    development: DevelopmentCa,
}

pub(crate) async fn run(cli: &Cli, arguments: &DoctorArgs) -> Result<ExitCode, Failure> {
    let mut report = Report::default();
    if let Some(config) = settings::examine(cli, arguments, &mut report) {
        let development = DevelopmentCa::in_folder(&arguments.data_dir.join("tls"));
        let examined = Examined { role: arguments.role, config, development };
        credentials::examine(&examined, &mut report);
        certificates::examine(&examined, &mut report);
        let served = ports::examine(&examined, &mut report).await;
        folders::examine(&examined, &mut report);
        queue::examine(&examined, &mut report).await;
        store::examine(&examined, &mut report).await;
        if examined.role.is_sender() {
            endpoint::examine(&examined, served.receiver, arguments.echo, &mut report).await;
        }
        clock::examine(&mut report).await;
    }
    if arguments.json {
        output::line(report.as_json(arguments.role.as_str()))?;
    } else {
        output::line(report.as_text().trim_end())?;
    }
    Ok(report.code(arguments.strict).map_or(ExitCode::SUCCESS, |code| ExitCode::from(code as u8)))
}
