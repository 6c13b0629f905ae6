//! The sender as a process of its own.

use std::{process::ExitCode, time::Duration};

use sender::{Dependencies, config::ServiceConfig};

/// SIGTERM to exit at most; below the 30 s after which ECS kills.
const GRACE: Duration = Duration::from_secs(25);

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let config: ServiceConfig = match service::config::load(include_str!("defaults.toml"), None) {
        Ok(config) => config,
        Err(error) => return Ok(error.report()),
    };
    if let Err(error) = config.sender.validate() {
        return Ok(error.report());
    }
    service::telemetry::init(&config.log);
    let queue = config.queue.connect().await?;
    let shutdown = service::shutdown_on_signal()?;
    let deps = Dependencies { queue: queue.clone() };
    let work = async {
        let result = sender::run(config.sender, deps, shutdown.clone()).await;
        if let Err(error) = queue.close().await {
            tracing::warn!(%error, "closing the queue failed");
        }
        result
    };
    Ok(service::drain(work, shutdown.clone(), GRACE).await)
}
