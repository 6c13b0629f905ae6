//! `adt-bridge health`: asks the process beside it, as a scheduler does whose container has no shell and no curl.

use std::{path::Path, process::ExitCode};

use clap::Args;
use service::health::Question;

use crate::{cli::Cli, config::Config, exit::Failure};

#[derive(Debug, Args)]
pub(crate) struct HealthArgs {
    /// Ask whether everything works that the process stands on, not only whether it answers
    #[arg(long)]
    ready: bool,
}

pub(crate) async fn run(cli: &Cli, arguments: &HealthArgs) -> Result<ExitCode, Failure> {
    let config = Config::load(cli, Path::new(".adt-bridge"))?;
    let question = if arguments.ready { Question::Ready } else { Question::Alive };
    // A hook that speaks plain HTTP is its own answer.
    let hook = config.hook.tls.is_none().then_some(config.hook.listen);
    Ok(question.put("health.listen", config.health.listen.or(hook)).await)
}
