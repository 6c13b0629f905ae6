//! `adt-bridge version | completions | man`: what the program says of itself.

use std::{
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
};

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;
use serde_json::json;

use crate::{cli::Cli, exit::Failure, output};

#[derive(Debug, Args)]
pub(crate) struct VersionArgs {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell to complete for
    shell: Shell,
}

#[derive(Debug, Args)]
pub(crate) struct ManArgs {
    /// Folder to write the pages into; made when it is missing
    folder: PathBuf,
}

pub(crate) fn version(arguments: &VersionArgs) -> Result<ExitCode, Failure> {
    let build = service::build::BUILD;
    if arguments.json {
        let text = json!({ "version": build.version, "commit": build.commit, "rust": build.rust });
        output::line(text)?;
    } else {
        output::line(format_args!("adt-bridge {build}"))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes the completion script to standard output.
pub(crate) fn completions(arguments: &CompletionsArgs) -> Result<ExitCode, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command(), NAME, &mut script);
    match io::stdout().write_all(&script) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(ExitCode::SUCCESS),
    }
}

/// Writes one page for the program and one for each command.
pub(crate) fn man(arguments: &ManArgs) -> Result<ExitCode, Failure> {
    std::fs::create_dir_all(&arguments.folder)?;
    clap_mangen::generate_to(Cli::command(), &arguments.folder)?;
    Ok(ExitCode::SUCCESS)
}

const NAME: &str = "adt-bridge";
