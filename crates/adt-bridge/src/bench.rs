//! `adt-bridge bench`: how fast this build is on this machine, by loads that check what they count.
//!
//! Each part that is measured runs in a process of its own ([`part`]), so that its processor time and its memory
//! are its own. The processes tell their deliveries on standard output, and end when their standard input does.

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Subcommand};
use tokio_util::sync::CancellationToken;

mod child;
mod driver;
mod figures;
mod load;
mod measured;
mod monotonic;
mod part;
mod path;
mod progress;
mod report;
mod sender;
mod server;
mod syncs;
mod usage;
mod writers;

use crate::{
    cli::Cli,
    exit::{Code, Failure},
    output,
};
use report::Report;

#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// The whole path: HTTP writers, hook, queue, sender, TLS, test receiver, acknowledgment, delete
    Path(PathArgs),
    /// The sender: a full queue into an endpoint that only acknowledges
    Sender(SenderArgs),
    /// The test receiver, or any endpoint: messages over MLLP, each answered before the next
    Server(ServerArgs),
    /// One of the processes that the others measure
    #[command(hide = true)]
    Part(part::PartArgs),
}

/// What every load has.
#[derive(Debug, Clone, Args)]
struct Common {
    /// Stop after this many seconds and let everything that was accepted arrive
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// Stop after this many messages, however long they take
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    messages: Option<u64>,
    /// Messages before the first that counts
    #[arg(long, value_name = "N", default_value_t = 500)]
    warm_up: u64,
    /// Log level of the processes that are measured; what they say goes to a file
    #[arg(long, value_name = "LEVEL", default_value = "warn")]
    log: String,
    /// Do not count the syncs to disk in a second, shorter run
    #[arg(long)]
    no_syncs: bool,
    /// Print the result as one JSON object
    #[arg(long)]
    json: bool,
    /// A program to measure in place of this one; it has to know `bench part`
    #[arg(long, value_name = "FILE", hide = true)]
    system: Option<PathBuf>,
}

#[derive(Debug, Clone, Args)]
struct PathArgs {
    /// HTTP connections that write, each one request at a time
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    writers: u32,
    /// Connections of the sender
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..))]
    connections: u32,
    /// The most messages that were written and are not yet delivered
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..))]
    in_flight: u32,
    /// The Patient to write, in JSON; each one written gets an identifier of its own
    #[arg(long, value_name = "FILE")]
    patient: Option<PathBuf>,
    /// Write to the hook of a bridge that runs already, such as http://127.0.0.1:8080
    #[arg(long, value_name = "URL", conflicts_with_all = ["connections", "in_flight", "system"])]
    url: Option<String>,
    /// Folder of that bridge, to see its queue
    #[arg(long, value_name = "DIR", default_value = ".adt-bridge", requires = "url")]
    data_dir: PathBuf,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Clone, Args)]
struct SenderArgs {
    /// Connections of the sender
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..))]
    connections: u32,
    /// Messages that wait in the queue at the start
    #[arg(long, value_name = "N", default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(1..))]
    messages: u64,
    /// Log level of the processes that are measured
    #[arg(long, value_name = "LEVEL", default_value = "warn")]
    log: String,
    /// Do not count the syncs to disk in a second, shorter run
    #[arg(long)]
    no_syncs: bool,
    /// Print the result as one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Args)]
struct ServerArgs {
    /// Connections, each one message at a time
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..))]
    connections: u32,
    /// An endpoint to measure in place of the bundled receiver
    #[arg(long, value_name = "HOST:PORT")]
    to: Option<String>,
    /// Authorities to trust (PEM) [default: those of the system]
    #[arg(long, value_name = "FILE", requires = "to")]
    ca: Option<PathBuf>,
    /// Our certificate (PEM), for an endpoint that asks for one
    #[arg(long, value_name = "FILE", requires_all = ["key", "to"])]
    cert: Option<PathBuf>,
    /// Our private key (PEM)
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    /// Name in the endpoint's certificate [default: the host of --to]
    #[arg(long, value_name = "NAME", requires = "to")]
    server_name: Option<String>,
    /// Without TLS: everyone on the way can read it
    #[arg(long, requires = "to", conflicts_with_all = ["ca", "cert", "key", "server_name"])]
    plain: bool,
    /// Measure the endpoint of `bench sender`, which only acknowledges: what wire and TLS alone cost
    #[arg(long, conflicts_with = "to")]
    sink: bool,
    /// Connections that are opened besides and say nothing, to see what one costs
    #[arg(long, value_name = "N", default_value_t = 0)]
    idle: u32,
    #[command(flatten)]
    common: Common,
}

pub(crate) async fn run(cli: &Cli, arguments: &BenchArgs) -> Result<ExitCode, Failure> {
    if let What::Part(arguments) = &arguments.what {
        return part::run(arguments).await;
    }
    // A signal ends the run, and what it started, and removes its folder.
    let stop = service::shutdown_on_signal()?;
    let (report, json) = match &arguments.what {
        What::Path(arguments) => (within(&stop, path::run(cli, arguments)).await?, arguments.common.json),
        What::Sender(arguments) => (within(&stop, sender::run(cli, arguments)).await?, arguments.json),
        What::Server(arguments) => (within(&stop, server::run(cli, arguments)).await?, arguments.common.json),
        What::Part(_) => return Ok(ExitCode::SUCCESS),
    };
    output::line(if json { report.as_json() } else { report.as_text() })?;
    Ok(ExitCode::SUCCESS)
}

async fn within(
    stop: &CancellationToken,
    work: impl Future<Output = Result<Report, Failure>>,
) -> Result<Report, Failure> {
    tokio::select! {
        result = work => result,
        () = stop.cancelled() => Err(Failure::new(Code::Internal, "stopped before the end; nothing was measured")),
    }
}
