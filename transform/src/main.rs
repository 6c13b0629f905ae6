//! The FHIR hook as a process of its own.

use std::{process::ExitCode, sync::Arc, time::Duration};

use anyhow::Context;
use tokio::net::TcpListener;
use transform::{Config, Dependencies, Settings};

#[tokio::main]
async fn main() -> ExitCode {
    let settings: Settings = match service::config::load(include_str!("defaults.toml"), None) {
        Ok(settings) => settings,
        Err(error) => return error.report(),
    };
    service::telemetry::init(&settings.log);
    start(settings).await.unwrap_or_else(|error| {
        tracing::error!("failed: {error:#}");
        ExitCode::FAILURE
    })
}

async fn start(settings: Settings) -> anyhow::Result<ExitCode> {
    let queue = settings.queue.connect().await.context("queue")?;
    let store = settings.store.connect().await.context("store")?;
    let listener = TcpListener::bind(settings.hook.listen).await.context("hook.listen")?;
    let shutdown = service::shutdown_on_signal()?;
    tracing::info!(listen = %listener.local_addr()?, "the hook listens");
    let config = Config { hook: settings.hook, message: settings.message };
    let dependencies = Dependencies { queue: Arc::clone(&queue), store };
    let work = transform::run(config, dependencies, listener, shutdown.clone());
    let code = service::drain(work, shutdown, GRACE).await;
    queue.close().await.context("queue")?;
    Ok(code)
}

/// Shorter than the 30 s that ECS waits before it kills.
const GRACE: Duration = Duration::from_secs(25);
