//! The long forms of the fault matrix: hundreds of kills, and mixed faults for half an hour.
//!
//! `soak BINARY [--rounds N] [--minutes M] [--rate MESSAGES_PER_SECOND] [--groups N] [--seed N] [--layout both|single|apart]`
//!
//! Every run is one line of the table. The exit code is 1 when a message was lost, came out of order, or was
//! repeated more often than the injected faults left a delivery unclear.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a driver for the terminal; the table is its result"
)]

use std::{io, path::PathBuf, process::ExitCode, time::Duration};

mod evidence;
mod kills;
mod mixed;
mod writers;

use evidence::Outcome;

/// What to run, and how long.
#[derive(Debug, Clone)]
struct Options {
    binary: PathBuf,
    /// Rounds of kills over the separate processes; half as many of the one process.
    rounds: u64,
    /// Mixed faults.
    minutes: f64,
    /// Writes per second.
    rate: f64,
    /// Patients.
    groups: u64,
    seed: u64,
    layout: Layout,
}

impl Options {
    /// The most that a kill of the sender can leave unclear: a message on each connection, and those that were
    /// acknowledged and whose delete is under way. A delete takes less than [`DELETE`], so that no more of these are
    /// there than came in that time.
    fn unclear(&self, connections: u64) -> u64 {
        connections + (self.rate * DELETE.as_secs_f64()).ceil() as u64
    }
}

/// Which processes are killed.
#[derive(Debug, Clone, Copy)]
enum Layout {
    /// One after the other.
    Both,
    /// Everything in one process.
    Single,
    /// Hook, sender and receiver as processes of their own.
    Apart,
}

#[tokio::main]
async fn main() -> ExitCode {
    let options = match options(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(problem) => {
            eprintln!("error: {problem}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match run(&options).await {
        Ok(outcomes) => {
            println!("{}", evidence::table(&outcomes));
            if outcomes.iter().all(Outcome::holds) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("error: the run could not be finished: {error}");
            ExitCode::from(3)
        }
    }
}

async fn run(options: &Options) -> io::Result<Vec<Outcome>> {
    let mut outcomes = Vec::new();
    if options.rounds > 0 {
        let (single, apart) = match options.layout {
            Layout::Both => (options.rounds / 2, options.rounds),
            Layout::Single => (options.rounds, 0),
            Layout::Apart => (0, options.rounds),
        };
        if single > 0 {
            outcomes.push(kills::single(options, single).await?);
        }
        if apart > 0 {
            outcomes.push(kills::apart(options, apart).await?);
        }
    }
    if options.minutes > 0.0 {
        outcomes.push(mixed::run(options, Duration::from_secs_f64(options.minutes * 60.0)).await?);
    }
    Ok(outcomes)
}

fn options(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    let binary = arguments.next().filter(|first| !first.starts_with("--")).ok_or("the binary is missing")?;
    let binary = PathBuf::from(binary).canonicalize().map_err(|error| format!("the binary: {error}"))?;
    let mut options =
        Options { binary, rounds: 500, minutes: 30.0, rate: 50.0, groups: 40, seed: 1, layout: Layout::Both };
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{name} needs a value"))?;
        let wrong = |error: &dyn std::fmt::Display| format!("{name} {value}: {error}");
        match name.as_str() {
            "--rounds" => options.rounds = value.parse().map_err(|error| wrong(&error))?,
            "--minutes" => options.minutes = value.parse().map_err(|error| wrong(&error))?,
            "--rate" => options.rate = value.parse().map_err(|error| wrong(&error))?,
            "--groups" => options.groups = value.parse().map_err(|error| wrong(&error))?,
            "--seed" => options.seed = value.parse().map_err(|error| wrong(&error))?,
            "--layout" => {
                options.layout = match value.as_str() {
                    "both" => Layout::Both,
                    "single" => Layout::Single,
                    "apart" => Layout::Apart,
                    _ => return Err(format!("--layout is both, single or apart, not {value}")),
                }
            }
            _ => return Err(format!("unknown option {name}")),
        }
    }
    if options.groups == 0 || options.rate <= 0.0 {
        return Err("--groups and --rate must be above zero".into());
    }
    Ok(options)
}

const USAGE: &str =
    "usage: soak BINARY [--rounds 500] [--minutes 30] [--rate 50] [--groups 40] [--seed 1] [--layout both]";

/// The sender collects for 20 ms what leaves the queue together.
const DELETE: Duration = Duration::from_millis(50);
