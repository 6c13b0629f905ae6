//! `adt-bridge spec`: the interface specification that a hospital asks for, of the settings in use.
//!
//! Fields, codes and examples are what the mapping sends with these settings ([`fhir_adt::Specification`]); names are
//! those of the inspector. One document, written as Markdown or as one HTML file.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, ValueEnum};
use fhir_adt::Mapper;

use crate::{
    cli::Cli,
    config::Config,
    exit::{Code, Failure},
    output,
};

mod connection;
mod content;
mod document;

use document::Document;

#[derive(Debug, Args)]
pub(crate) struct SpecArgs {
    /// How to write it
    #[arg(long, value_enum, default_value_t = Format::Markdown)]
    format: Format,
    /// The file to write [default: standard output]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// One file that a browser shows and prints; nothing is loaded from elsewhere
    Html,
    /// Markdown, tables as GitHub has them
    Markdown,
}

pub(crate) fn run(cli: &Cli, arguments: &SpecArgs) -> Result<ExitCode, Failure> {
    let config = Config::load(cli, Path::new(".adt-bridge"))?;
    let document = document(&config)?;
    let text = match arguments.format {
        Format::Html => document.as_html(),
        Format::Markdown => document.as_markdown(),
    };
    match &arguments.out {
        None => output::line(text.trim_end())?,
        Some(path) => std::fs::write(path, text)
            .map_err(|error| Failure::internal(format!("{} cannot be written: {error}", path.display())))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The whole specification.
fn document(config: &Config) -> Result<Document, Failure> {
    let mapper = Mapper::new(config.message.clone())
        .map_err(|error| Failure::new(Code::ConfigInvalid, format!("[message]: {error}")))?;
    let message = &config.message;
    let mut document = Document::new(format!(
        "Interface specification: HL7 v{} ADT from {} to {}",
        message.version.as_str(),
        message.sending_application,
        message.receiving_application
    ));
    document.text(format!(
        "Written by adt-bridge {} from the settings in use. Fields, codes and examples are what these settings send; all \
         people in it are invented.",
        service::build::BUILD.version
    ));
    connection::write(config, &mut document);
    content::write(&mapper.specification(), &mut document);
    Ok(document)
}

#[cfg(test)]
mod tests;
