//! The `test-hl7-server` process. `--config FILE` or `ADT_BRIDGE_CONFIG` names a configuration file.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use test_hl7_server::{DEFAULTS, Dependencies, FaultControl, Listeners, ServiceConfig, run_with};

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    let file: Option<PathBuf> = match (arguments.next(), arguments.next(), arguments.next()) {
        (None, ..) => None,
        (Some(flag), Some(path), None) if flag == "--config" => Some(path.into()),
        _ => anyhow::bail!("usage: test-hl7-server [--config FILE]"),
    };
    let config: ServiceConfig = match service::config::load(DEFAULTS, file.as_deref()) {
        Ok(config) => config,
        Err(error) => return Ok(error.report()),
    };
    service::telemetry::init(&config.log);
    if let Err(error) = config.receiver.validate() {
        return Ok(error.report());
    }
    let store = config.store.connect().await.context("opening the store")?;
    let listeners = Listeners::bind(&config.receiver).await?;
    let shutdown = service::shutdown_on_signal()?;
    let drain = config.receiver.drain;
    #[expect(clippy::disallowed_methods, reason = "a scenario may want a process that dies without a drain")]
    let control = FaultControl { exit: Some(|code| std::process::exit(code)), ..FaultControl::default() };
    let work = run_with(config.receiver, Dependencies { store }, listeners, control, shutdown.clone());
    Ok(service::drain(work, shutdown, drain).await)
}
