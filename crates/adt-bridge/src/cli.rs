//! The command line: commands, flags, help.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::{
    about::{CompletionsArgs, ManArgs, VersionArgs},
    backfill::BackfillArgs,
    bench::BenchArgs,
    dead_letters::{DeadLetterArgs, QueueArgs},
    doctor::DoctorArgs,
    errors::ErrorsArgs,
    exit::Code,
    health::HealthArgs,
    look::{DiffArgs, ExplainArgs, GetArgs, LsArgs, SearchArgs, TailArgs, WaitArgs},
    reference::ReferenceArgs,
    send::SendArgs,
    settings::SettingsArgs,
    spec::SpecArgs,
};

/// FHIR Patients in, HL7 v2 ADT messages out over MLLP and TLS, and back again.
#[derive(Debug, Parser)]
#[command(name = "adt-bridge", version, after_help = after_help(), disable_help_subcommand = true)]
pub(crate) struct Cli {
    /// Settings file (TOML) [env: ADT_BRIDGE_CONFIG]
    #[arg(short, long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Log debug messages too
    #[arg(short, long, global = true, conflicts_with = "quiet")]
    pub(crate) verbose: bool,
    /// Log warnings and errors only
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// What to do; `up` when nothing is said.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start everything on this machine: hook, durable queue, sender, TLS test receiver
    #[command(after_help = UP_HELP)]
    Up(UpArgs),
    /// Take one patient through the whole path, show each message, and exit
    #[command(after_help = DEMO_HELP)]
    Demo(DemoArgs),
    /// Convert a FHIR Patient to HL7 v2, or an HL7 v2 message to a Patient
    #[command(after_help = CONVERT_HELP)]
    Convert(ConvertArgs),
    /// Send one HL7 message to an endpoint over MLLP and show what it answers
    #[command(after_help = SEND_HELP)]
    Send(SendArgs),
    /// Send history through the running hook: from a file, a FHIR server, a bulk export
    #[command(after_help = BACKFILL_HELP)]
    Backfill(Box<BackfillArgs>),
    /// Measure this machine: the whole path, the sender alone, an endpoint alone
    #[command(after_help = BENCH_HELP)]
    Bench(Box<BenchArgs>),
    /// List the newest messages
    #[command(after_help = LOOK_HELP)]
    Ls(LsArgs),
    /// Find messages by words and columns
    #[command(after_help = LOOK_HELP)]
    Search(SearchArgs),
    /// Print a message, its answer, its FHIR side or its way
    #[command(after_help = LOOK_HELP)]
    Get(GetArgs),
    /// Say what each value of a message is, and where it came from
    #[command(after_help = LOOK_HELP)]
    Explain(ExplainArgs),
    /// Say what changed since the last message of the same patient, or since another message
    #[command(after_help = LOOK_HELP)]
    Diff(DiffArgs),
    /// Print what happens to messages, as it happens
    #[command(after_help = LOOK_HELP)]
    Tail(TailArgs),
    /// Wait until a message was delivered, or was not
    #[command(after_help = LOOK_HELP)]
    Wait(WaitArgs),
    /// Look at the queue, withhold groups
    #[command(after_help = QUEUE_HELP)]
    Queue(QueueArgs),
    /// Look at the messages that were given up, send them again or let them go
    #[command(after_help = DLQ_HELP)]
    Dlq(DeadLetterArgs),
    /// Show the settings in use and who decided them, check them, write a file of all
    #[command(after_help = CONFIG_HELP)]
    Config(SettingsArgs),
    /// Look at everything a service stands on: what is wrong, and what to do about it
    #[command(after_help = DOCTOR_HELP)]
    Doctor(DoctorArgs),
    /// Ask the process beside this one whether it is alive, or ready: exit code 0 or 1
    #[command(after_help = HEALTH_HELP)]
    Health(HealthArgs),
    /// Say what a code means: why it may have come, and what to do
    #[command(after_help = ERRORS_HELP)]
    Errors(ErrorsArgs),
    /// Write the interface specification of the settings in use
    #[command(after_help = SPEC_HELP)]
    Spec(SpecArgs),
    /// Run only the FHIR hook
    #[command(after_help = ROLE_HELP)]
    Hook,
    /// Run only the sender: queue to HL7 endpoint
    #[command(after_help = ROLE_HELP)]
    Sender(SenderArgs),
    /// Run only the test HL7 server
    #[command(after_help = RECEIVER_HELP)]
    Receiver(ReceiverArgs),
    /// Print version, commit and compiler of this build
    Version(VersionArgs),
    /// Print a completion script for a shell
    Completions(CompletionsArgs),
    /// Write the manual pages into a folder
    Man(ManArgs),
    /// Write the generated pages of the reference into a folder
    #[command(hide = true)]
    Reference(ReferenceArgs),
}

#[derive(Debug, Clone, Args)]
pub(crate) struct UpArgs {
    /// Folder for queue, messages and certificates
    #[arg(long, value_name = "DIR", default_value = ".adt-bridge")]
    pub(crate) data_dir: PathBuf,
    /// Address of the FHIR hook; port 0 takes a free one [default: 127.0.0.1:8080] [env: ADT_BRIDGE__HOOK__LISTEN]
    #[arg(long, value_name = "ADDR")]
    pub(crate) hook_listen: Option<SocketAddr>,
    /// Address of the test receiver, MLLP over TLS [default: 127.0.0.1:2575]
    #[arg(long, value_name = "ADDR")]
    pub(crate) mllp_listen: Option<SocketAddr>,
    /// Address of the inspector and its API, on this machine only [default: 127.0.0.1:8025, or a free port]
    #[arg(long, value_name = "ADDR")]
    pub(crate) inspector_listen: Option<SocketAddr>,
    /// A second address of the test receiver, MLLP without TLS
    #[arg(long, value_name = "ADDR")]
    pub(crate) mllp_plain_listen: Option<SocketAddr>,
    /// Listen on addresses that other machines reach; the hook then needs its own authentication
    #[arg(long)]
    pub(crate) allow_remote: bool,
    /// Print the start-up lines as one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

impl Default for UpArgs {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from(".adt-bridge"),
            hook_listen: None,
            mllp_listen: None,
            inspector_listen: None,
            mllp_plain_listen: None,
            allow_remote: false,
            json: false,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct SenderArgs {
    /// Folder that lets `queue` and `dlq` find this process; without it there is no operator's API
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct ReceiverArgs {
    /// Misbehave as this file says, to test a sender (docs/reference/test-server.md)
    #[arg(long, value_name = "FILE")]
    pub(crate) scenario: Option<PathBuf>,
    /// Address of the fault control, on this machine only: what was received, which faults were injected
    #[arg(long, value_name = "ADDR")]
    pub(crate) fault_admin: Option<SocketAddr>,
    /// Address of the inspector, on this machine only; without it there is none
    #[arg(long, value_name = "ADDR")]
    pub(crate) inspector_listen: Option<SocketAddr>,
    /// Folder that lets `ls`, `tail` and the like find this process
    #[arg(long, value_name = "DIR", default_value = ".adt-bridge")]
    pub(crate) data_dir: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// A FHIR Patient in JSON; synthetic data only. Without it a built-in example
    pub(crate) file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct ConvertArgs {
    /// What to produce
    #[arg(long, value_enum)]
    pub(crate) to: Target,
    /// Which message to write [default: the configured one for a new Patient]
    #[arg(long, value_enum, value_name = "EVENT", ignore_case = true)]
    pub(crate) event: Option<Event>,
    /// Patient id to use when the resource has none
    #[arg(long, value_name = "ID", default_value = "example")]
    pub(crate) id: String,
    /// Time of the message, RFC 3339 [default: now]
    #[arg(long, value_name = "TIME")]
    pub(crate) time: Option<jiff::Timestamp>,
    /// Names the request; equal names, times and input give equal messages
    #[arg(long, value_name = "NAME", default_value = "convert")]
    pub(crate) request_id: String,
    /// How to print the result
    #[arg(long, value_enum, default_value_t = Format::Plain)]
    pub(crate) format: Format,
    /// The input; - for standard input
    pub(crate) file: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// The result alone; what is to be known about it goes to standard error
    Plain,
    /// Each value of the message with the element and the rule it came from, and what is not carried
    Explain,
    /// The same as one JSON object
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Target {
    /// HL7 v2 in ER7, one segment per line
    Er7,
    /// A FHIR R4 Patient in JSON
    Fhir,
}

/// The events `convert` can be asked for, by what happened to the patient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Event {
    /// Add person information
    A28,
    /// Update person information
    A31,
    /// Delete person information
    A29,
}

fn after_help() -> String {
    format!("{AFTER_HELP}\n\nExit codes:\n{}", Code::list())
}

const AFTER_HELP: &str = "\
Examples:
  adt-bridge                      everything on this machine, until Ctrl-C
  adt-bridge demo                 one patient through the whole path
  adt-bridge convert --to er7 examples/patient.json

Every setting is also a variable: [sender] ack_timeout is ADT_BRIDGE__SENDER__ACK_TIMEOUT.
A flag wins over a variable, a variable over the file, the file over the defaults.";

const UP_HELP: &str = "\
Examples:
  adt-bridge up
  adt-bridge up --hook-listen 127.0.0.1:0 --mllp-listen 127.0.0.1:0 --json
  adt-bridge up --data-dir /var/tmp/bridge";

const DEMO_HELP: &str = "\
Examples:
  adt-bridge demo
  adt-bridge demo examples/patient.json

Exits 0 only when every step was confirmed. Uses a private folder and leaves nothing behind.";

const CONVERT_HELP: &str = "\
Examples:
  adt-bridge convert --to er7 examples/patient.json
  adt-bridge convert --to er7 --format explain examples/patient.json
  adt-bridge convert --to er7 --event A31 examples/patient.json | adt-bridge convert --to fhir -";

const SEND_HELP: &str = "\
Examples:
  adt-bridge send message.hl7 --to 127.0.0.1:2575 --ca .adt-bridge/tls/ca.pem
  adt-bridge convert --to er7 examples/patient.json | adt-bridge send - --to hl7.example:2575
  adt-bridge send message.hl7 --to 127.0.0.1:2576 --plain --count 100

Exits 0 when the endpoint accepted every one, 6 when it refused one, 5 when there is no connection, 7 when no
answer came in time.";

const BACKFILL_HELP: &str = "\
Examples:
  adt-bridge backfill patients.ndjson
  adt-bridge backfill --from main --since 2024-01-01T00:00:00Z
  adt-bridge backfill --manifest https://fhir.example/r4/export/17 --json

Stops and goes on: the same command again continues where the last one was. Versions that are known are skipped, so
nothing is sent twice. Exits 0 when every Patient was taken, 4 when some were not; the summary says why.";

const BENCH_HELP: &str = "\
Examples:
  adt-bridge bench path
  adt-bridge bench path --connections 16 --writers 16 --in-flight 16 --json
  adt-bridge bench path --url http://127.0.0.1:8080       a bridge that runs already
  adt-bridge bench sender --connections 16
  adt-bridge bench server --to hl7.example:2575 --ca ca.pem

Everything happens in a private folder, over loopback, with processes that end with it; --url and --to send test
messages to what they name. A message counts after AA with its id, and on `path` after its durable delete; the run
fails when the receiver stored another number. Measure a release build (cargo build --release).";

const QUEUE_HELP: &str = "\
Examples:
  adt-bridge queue status
  adt-bridge queue unpark 5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8";

const LOOK_HELP: &str = "\
Examples:
  adt-bridge ls
  adt-bridge search anna event:A31 ack:AE
  adt-bridge get 2AU2JTDXRDW43LSV6QE5 --side timeline
  adt-bridge explain 2AU2JTDXRDW43LSV6QE5 --only PID
  adt-bridge diff 2AU2JTDXRDW43LSV6QE5
  adt-bridge wait 2AU2JTDXRDW43LSV6QE5 && echo delivered

They ask the inspector of the running `up` or `receiver` of the folder: the same as its page shows.";

const DLQ_HELP: &str = "\
Examples:
  adt-bridge dlq ls
  adt-bridge dlq show 17
  adt-bridge dlq redrive 17
  adt-bridge dlq redrive --all
  adt-bridge dlq export letters.jsonl
  adt-bridge -c bridge.toml dlq ls        without a process: straight at the queue of the settings

`ls` prints no patient data; `show` and `export` do. Redrive goes in the order of each patient and refuses what
would put an older state over a newer one, unless --force-stale. It exits 6 when something was refused.";

const CONFIG_HELP: &str = "\
Examples:
  adt-bridge config init --role sender bridge.toml
  adt-bridge config show --origin
  adt-bridge -c bridge.toml config validate
  adt-bridge config env | grep SENDER

Exits 78 when the configuration is invalid.";

const DOCTOR_HELP: &str = "\
Examples:
  adt-bridge doctor
  adt-bridge -c bridge.toml doctor --role sender
  adt-bridge -c bridge.toml doctor --role sender --echo
  adt-bridge doctor --json --strict

It reads the settings that the services read: run it with their file, environment and user. It may run beside a
running service: it changes nothing, connects to the endpoint once, and sends a message only with --echo.

Exits 9 when something is wrong, 10 when something may go wrong and --strict is given, 0 otherwise.";

const HEALTH_HELP: &str = "\
Examples:
  adt-bridge health
  adt-bridge -c bridge.toml health --ready

It asks the address of [health] listen, or the hook where that is not set and the hook serves plain HTTP. For the health
check of a container: CMD adt-bridge health.";

const ERRORS_HELP: &str = "\
Examples:
  adt-bridge errors
  adt-bridge errors kills_peer
  adt-bridge errors tls-unknown-authority
  adt-bridge errors 503
  adt-bridge errors TEL-8

Needs no network and no settings. An unknown code ends with 8 and names the nearest one.";

const SPEC_HELP: &str = "\
Examples:
  adt-bridge spec
  adt-bridge -c bridge.toml spec --format html --out interface.html

Connection, acknowledgments, events, every field with its source and rule, code tables, what is never sent, examples.
It follows from what the mapping does with these settings, and holds no data of anybody.";

const RECEIVER_HELP: &str = "\
Examples:
  adt-bridge receiver
  adt-bridge receiver --scenario examples/scenarios/lost-acknowledgments.toml --fault-admin 127.0.0.1:2580

An `exit` in a scenario ends this process with the code it names.";

const ROLE_HELP: &str = "\
Examples:
  adt-bridge --config bridge.toml sender
  ADT_BRIDGE__QUEUE__KIND=sqs ADT_BRIDGE__QUEUE__URL=... adt-bridge sender
  adt-bridge sender --data-dir /run/adt-bridge      then: adt-bridge dlq ls --data-dir /run/adt-bridge

Processes that run apart need a queue and a store they can share: kind = \"sqs\" and \"s3\".";

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn nothing_means_up() {
        assert!(Cli::try_parse_from(["adt-bridge"]).unwrap().command.is_none());
    }

    /// What the examples of every `--help` show can be typed.
    #[test]
    fn every_example_of_the_help_is_understood() {
        let mut program = Cli::command();
        program.build();
        let mut waiting: Vec<clap::Command> = vec![program];
        let mut examples = 0;
        while let Some(command) = waiting.pop() {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            for line in help.lines().filter(|line| line.starts_with("  ")) {
                for part in line.split([';', '|', '&']).flat_map(|part| part.split("  ")) {
                    let words: Vec<&str> = part.split_whitespace().collect();
                    let Some(start) = words.iter().position(|word| *word == "adt-bridge") else { continue };
                    let typed = words.get(start..).unwrap_or_default();
                    Cli::try_parse_from(typed).unwrap_or_else(|error| panic!("{line}: {error}"));
                    examples += 1;
                }
            }
            waiting.extend(command.get_subcommands().cloned());
        }
        assert!(examples > 20, "{examples}");
    }
}
