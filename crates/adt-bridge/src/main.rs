//! All three services in one process, and the command line.

use std::process::ExitCode;

use clap::Parser as _;

mod about;
mod admin;
mod backfill;
mod bench;
mod cli;
mod config;
mod convert;
mod dead_letters;
mod demo;
mod development_ca;
mod doctor;
mod errors;
mod exit;
mod explain;
mod health;
mod inspection;
mod look;
mod metrics;
mod observed;
mod operated;
mod output;
mod reference;
mod role;
mod send;
mod settings;
mod spec;
mod stack;
mod up;

use cli::{Cli, Command};

#[tokio::main]
async fn main() -> ExitCode {
    credentials::install_provider();
    let mut cli = Cli::parse();
    let result = match cli.command.take().unwrap_or_else(|| Command::Up(cli::UpArgs::default())) {
        Command::Up(arguments) => up::run(&cli, &arguments).await,
        Command::Demo(arguments) => demo::run(&cli, &arguments).await,
        Command::Convert(arguments) => convert::run(&cli, &arguments),
        Command::Send(arguments) => send::run(&arguments).await,
        Command::Backfill(arguments) => backfill::run(&cli, &arguments).await,
        Command::Bench(arguments) => bench::run(&cli, &arguments).await,
        Command::Queue(arguments) => dead_letters::queue(&cli, &arguments).await,
        Command::Dlq(arguments) => dead_letters::dead_letters(&cli, &arguments).await,
        Command::Config(arguments) => settings::run(&cli, &arguments),
        Command::Doctor(arguments) => doctor::run(&cli, &arguments).await,
        Command::Errors(arguments) => errors::run(&arguments),
        Command::Spec(arguments) => spec::run(&cli, &arguments),
        Command::Version(arguments) => about::version(&arguments),
        Command::Completions(arguments) => about::completions(&arguments),
        Command::Man(arguments) => about::man(&arguments),
        Command::Reference(arguments) => reference::run(&arguments),
        Command::Ls(arguments) => look::ls(&arguments).await,
        Command::Search(arguments) => look::search(&arguments).await,
        Command::Get(arguments) => look::get(&arguments).await,
        Command::Explain(arguments) => look::explain(&arguments).await,
        Command::Diff(arguments) => look::diff(&arguments).await,
        Command::Tail(arguments) => look::tail(&arguments).await,
        Command::Wait(arguments) => look::wait(&arguments).await,
        Command::Health(arguments) => health::run(&cli, &arguments).await,
        Command::Hook => role::hook(&cli).await,
        Command::Sender(arguments) => role::sender(&cli, &arguments).await,
        Command::Receiver(arguments) => role::receiver(&cli, &arguments).await,
    };
    result.unwrap_or_else(|failure| failure.report())
}
