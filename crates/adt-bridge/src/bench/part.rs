//! The processes that are measured: `adt-bridge bench part NAME FOLDER SETTINGS`.
//!
//! A part writes one JSON object when it is ready ([`Ready`]), then a line for each delivery
//! (`number acknowledged deleted`, times of `CLOCK_MONOTONIC` in nanoseconds; `dead` for a message that was given
//! up), and one JSON object at its end ([`Ended`]). It ends when its standard input does, so that it never outlives
//! who started it.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

mod bridge;
mod drain;
mod receiver;
mod sink;

use crate::{config::Config, exit::Failure, output};

#[derive(Debug, Args)]
pub(crate) struct PartArgs {
    name: Name,
    /// Folder for everything it writes
    folder: PathBuf,
    /// What it is told, in JSON
    settings: String,
}

/// Which process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Name {
    /// Hook, queue and sender
    Bridge,
    /// The test receiver with its store
    Receiver,
    /// A sender with a full queue
    Sender,
    /// An endpoint that only acknowledges
    Sink,
}

impl Name {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Bridge => "bridge",
            Self::Receiver => "receiver",
            Self::Sender => "sender",
            Self::Sink => "sink",
        }
    }
}

/// What a part is told.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Settings {
    pub(super) log: String,
    /// Where to send.
    pub(super) endpoint: Option<Endpoint>,
    /// Connections of the sender, or that an endpoint takes.
    pub(super) connections: usize,
    /// Messages that a queue is filled with.
    pub(super) messages: u64,
}

/// An endpoint of MLLP over TLS.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Endpoint {
    pub(super) address: String,
    pub(super) ca: PathBuf,
}

/// The first line.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Ready {
    pub(super) pid: u32,
    /// `host:port` of the hook.
    pub(super) http: Option<String>,
    pub(super) mllp: Option<Endpoint>,
}

/// The last line.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Ended {
    /// Messages found in the receiver's store after it had stopped.
    pub(super) stored: Option<u64>,
    /// TLS connections that were made.
    pub(super) handshakes: Option<u64>,
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    /// Times in nanoseconds of `CLOCK_MONOTONIC`.
    Delivered { number: u64, acknowledged: u64, deleted: u64 },
    /// It became a dead letter.
    GivenUp,
}

pub(super) async fn run(arguments: &PartArgs) -> Result<ExitCode, Failure> {
    let settings: Settings = serde_json::from_str(&arguments.settings).map_err(Failure::internal)?;
    let folder = &arguments.folder;
    let mut config = Config::private(folder)?;
    config.log.level.clone_from(&settings.log);
    service::telemetry::init(&config.log, "adt-bridge");
    let starter = Starter::new()?;
    let ended = match arguments.name {
        Name::Bridge => bridge::run(config, folder, &settings, starter).await?,
        Name::Receiver => receiver::run(config, folder, &settings, starter).await?,
        Name::Sender => drain::run(config, &settings, starter).await?,
        Name::Sink => sink::run(folder, starter).await?,
    };
    output::line(serde_json::to_string(&ended).map_err(Failure::internal)?)?;
    Ok(ExitCode::SUCCESS)
}

/// The side of a part that its starter sees.
struct Starter {
    /// A line of standard input each; closed at its end.
    input: UnboundedReceiver<()>,
    told: UnboundedSender<Told>,
    to_tell: UnboundedReceiver<Told>,
}

impl Starter {
    fn new() -> Result<Self, Failure> {
        let (told, to_tell) = unbounded_channel();
        let (line, input) = unbounded_channel();
        // A thread that the end of the process does not wait for, as it would for a read of tokio's.
        std::thread::Builder::new().name("starter".to_owned()).spawn(move || {
            for _ in std::io::stdin().lines().map_while(Result::ok) {
                line.send(()).ok();
            }
        })?;
        Ok(Self { input, told, to_tell })
    }

    /// Says that the part is ready, and waits until it shall begin.
    async fn ready(&mut self, ready: &Ready) -> Result<(), Failure> {
        output::line(serde_json::to_string(ready).map_err(Failure::internal)?)?;
        self.input.recv().await;
        Ok(())
    }

    /// Cancels `shutdown` when the starter lets go, and passes on what is told until then.
    fn watch(self, shutdown: CancellationToken, tasks: &TaskTracker) {
        let Self { mut input, to_tell, told } = self;
        drop(told);
        tasks.spawn(async move {
            while input.recv().await.is_some() {}
            shutdown.cancel();
        });
        tasks.spawn(tell(to_tell));
    }
}

/// Writes what waits in one go.
async fn tell(mut told: UnboundedReceiver<Told>) {
    use std::fmt::Write as _;
    let (mut batch, mut text) = (Vec::new(), String::new());
    while told.recv_many(&mut batch, MAX_LINES).await > 0 {
        text.clear();
        for one in batch.drain(..) {
            let written = match one {
                Told::Delivered { number, acknowledged, deleted } => {
                    writeln!(text, "{number} {acknowledged} {deleted}")
                }
                Told::GivenUp => writeln!(text, "dead"),
            };
            // Writing to a String does not fail.
            written.ok();
        }
        let mut stdout = std::io::stdout().lock();
        if stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).is_err() {
            return;
        }
    }
}

/// Where `bench part` keeps its certificates.
fn tls_folder(folder: &Path) -> PathBuf {
    folder.join("tls")
}

const MAX_LINES: usize = 1024;
