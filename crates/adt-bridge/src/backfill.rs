//! `adt-bridge backfill`: history through the running hook, in batches, so that it can stop and go on anywhere.
//!
//! The queue of a single machine belongs to one process, so this goes over HTTP like every other sender. After each
//! batch the place in the input is written down; what was sent twice around a crash is recognised by its version.

mod input;
mod progress;
mod send;
mod state;

use std::{path::PathBuf, process::ExitCode, time::Duration};

use clap::Args;
use jiff::Timestamp;
use serde_json::json;
use tokio::time::Instant;

use self::{
    input::{Batch, Input},
    progress::Progress,
    send::{Answer, Hook, Summary},
    state::State,
};
use crate::{
    cli::Cli,
    config::Config,
    exit::{Code, Failure},
    output,
};

#[derive(Debug, Args)]
pub(crate) struct BackfillArgs {
    /// Patients as NDJSON, one a line; gzip is recognised
    #[arg(required_unless_present_any = ["from", "manifest"], conflicts_with_all = ["from", "manifest"])]
    file: Option<PathBuf>,
    /// Read from this source instead: a name or base URL of [[hook.source]]
    #[arg(long, value_name = "SOURCE")]
    from: Option<String>,
    /// With --from: only what changed since then, RFC 3339 [default: everything]
    #[arg(long, value_name = "TIME", requires = "from")]
    since: Option<Timestamp>,
    /// Read the files of a bulk export; its manifest is below the base of a [[hook.source]]
    #[arg(long, value_name = "URL", conflicts_with = "from")]
    manifest: Option<String>,
    /// The running hook [default: `hook.listen`]
    #[arg(long, value_name = "URL")]
    hook: Option<String>,
    /// Holds the bearer token for the hook
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Certificates to trust the hook by [default: the system's]
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Folder where the place in the input is kept
    #[arg(long, value_name = "DIR", default_value = ".adt-bridge")]
    data_dir: PathBuf,
    /// Begin again, whatever was sent before
    #[arg(long)]
    restart: bool,
    /// Send versions again that were sent before
    #[arg(long)]
    replay: bool,
    /// Lines per request
    #[arg(long, value_name = "LINES", default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    batch: u32,
    /// How long to try while the hook does not answer, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    retry_for: u64,
    /// Print the summary as one JSON object
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(cli: &Cli, arguments: &BackfillArgs) -> Result<ExitCode, Failure> {
    let config = Config::load(cli, &arguments.data_dir)?;
    let hook = Hook::new(arguments, &config)?;
    let mut state = State::open(&arguments.data_dir, &identity(arguments)?, arguments.restart)?;
    if state.done {
        report(arguments, &state, None)?;
        return Ok(exit(&state));
    }
    let shutdown = service::shutdown_on_signal()?;
    let mut input = Input::open(arguments, &config, &state.position).await?;
    let mut progress = Progress::new(input.size(), arguments.json, state.lines);
    let begun = Instant::now();
    let patience = Duration::from_secs(arguments.retry_for);
    while !shutdown.is_cancelled() {
        let Some(batch) = retry(patience, async || input.next(arguments.batch).await).await? else {
            state.done = true;
            state.save()?;
            break;
        };
        deliver(&hook, &batch, &mut state, patience).await?;
        state.position = batch.after;
        state.save()?;
        progress.show(&state);
    }
    progress.end();
    report(arguments, &state, Some(begun.elapsed()))?;
    Ok(exit(&state))
}

/// Sends a batch until the hook has settled all of it.
async fn deliver(hook: &Hook, batch: &Batch, state: &mut State, patience: Duration) -> Result<(), Failure> {
    let mut left = batch.lines.clone();
    while !left.is_empty() {
        let Answer { summary, failures } = retry(patience, async || hook.send(left.clone()).await).await?;
        for failure in failures {
            state.note(&failure);
        }
        let Summary { accepted, skipped, failed, lines, complete, reason } = summary;
        state.count(accepted, skipped, failed, lines);
        if complete {
            return Ok(());
        }
        let before = left.len();
        left = input::after_lines(&left, lines);
        let reason = reason.unwrap_or_else(|| "no reason given".to_owned());
        tracing::debug!(reason, "the hook stopped within a batch: {reason}");
        if left.len() == before {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
    Ok(())
}

/// An error that may pass, or one that does not.
enum Trouble {
    MayPass(Failure),
    Final(Failure),
}

/// Tries until it works, it cannot work, or `patience` is over.
async fn retry<T>(
    patience: Duration,
    mut attempt: impl AsyncFnMut() -> Result<T, Trouble>,
) -> Result<T, Failure> {
    let until = Instant::now() + patience;
    let mut pause = Duration::from_millis(200);
    loop {
        match attempt().await {
            Ok(value) => return Ok(value),
            Err(Trouble::Final(failure)) => return Err(failure),
            Err(Trouble::MayPass(failure)) if Instant::now() >= until => {
                return Err(failure.hint("the same command goes on where this one stopped"));
            }
            Err(Trouble::MayPass(_)) => tokio::time::sleep(pause).await,
        }
        pause = (pause * 2).min(Duration::from_secs(5));
    }
}

/// What is backfilled: the same words mean the same place to go on at.
fn identity(arguments: &BackfillArgs) -> Result<String, Failure> {
    let since = arguments.since.map(|since| since.to_string()).unwrap_or_default();
    Ok(match (&arguments.file, &arguments.from, &arguments.manifest) {
        (Some(file), ..) => {
            let path = std::fs::canonicalize(file).map_err(|error| {
                Failure::new(Code::NotFound, format!("{} cannot be read: {error}", file.display()))
            })?;
            format!("file {}", path.display())
        }
        (None, Some(source), _) => format!("source {source} since {since}"),
        (None, None, manifest) => format!("manifest {}", manifest.as_deref().unwrap_or_default()),
    })
}

fn exit(state: &State) -> ExitCode {
    match (state.done, state.failed) {
        (true, 0) => ExitCode::SUCCESS,
        (true, _) => ExitCode::from(Code::InputInvalid as u8),
        (false, _) => ExitCode::from(Code::Internal as u8),
    }
}

fn report(arguments: &BackfillArgs, state: &State, took: Option<Duration>) -> Result<(), Failure> {
    if arguments.json {
        let summary = json!({
            "accepted": state.accepted,
            "skipped": state.skipped,
            "failed": state.failed,
            "reasons": state.reasons,
            "lines": state.lines,
            "complete": state.done,
            "seconds": took.map(|took| took.as_secs_f64()),
        });
        return Ok(output::line(summary)?);
    }
    let how = match (state.done, took) {
        (true, None) => "was through already; --restart begins again",
        (true, Some(_)) => "is through",
        (false, _) => "was interrupted; the same command goes on",
    };
    output::line(format!(
        "backfill {how}\n  {:<10} {}\n  {:<10} {}   known already, or older than what is known\n  {:<10} {}",
        "accepted", state.accepted, "skipped", state.skipped, "failed", state.failed
    ))?;
    for (reason, count) in &state.reasons {
        output::line(format!("  {count:>10} × {reason}"))?;
    }
    Ok(())
}
