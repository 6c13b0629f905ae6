//! The FHIR hook as a process of its own. `transform health [--ready]` asks a running one.

use std::{process::ExitCode, sync::Arc, time::Duration};

use anyhow::Context;
use clock::Clock;
use service::config::{ConfigError, Problem};
use service::health::Question;
use tokio::net::TcpListener;
use transform::{Config, Dependencies, Settings};

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let question = Question::from_arguments(std::env::args_os().skip(1)).map_err(anyhow::Error::msg)?;
    let settings: Settings = match service::config::load(include_str!("defaults.toml"), None) {
        Ok(settings) => settings,
        Err(error) => return Ok(error.report()),
    };
    if let Some(question) = question {
        return Ok(question.put("hook.listen", Some(settings.hook.listen)).await);
    }
    if let Err(error) = settings.hook.check() {
        return Ok(ConfigError::new(vec![Problem::new("[hook]", error.to_string())]).report());
    }
    credentials::install_provider();
    service::telemetry::init(&settings.log);
    Ok(start(settings).await.unwrap_or_else(|error| {
        tracing::error!("failed: {error:#}");
        ExitCode::FAILURE
    }))
}

async fn start(settings: Settings) -> anyhow::Result<ExitCode> {
    let queue = settings.queue.connect().await.context("queue")?;
    let store = settings.store.connect().await.context("store")?;
    let listener = TcpListener::bind(settings.hook.listen).await.context("hook.listen")?;
    let shutdown = service::shutdown_on_signal()?;
    tracing::info!(listen = %listener.local_addr()?, "the hook listens");
    let config = Config { hook: settings.hook, message: settings.message };
    let dependencies = Dependencies { queue: Arc::clone(&queue), store, clock: Clock::system() };
    let work = transform::run(config, dependencies, listener, shutdown.clone());
    let code = service::drain(work, shutdown, GRACE).await;
    queue.close().await.context("queue")?;
    Ok(code)
}

/// Shorter than the 30 s that ECS waits before it kills.
const GRACE: Duration = Duration::from_secs(25);
