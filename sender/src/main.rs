//! The sender as a process of its own. `sender health [--ready]` asks a running one.

use std::process::ExitCode;

use clock::Clock;
use sender::{Dependencies, config::ServiceConfig};
use service::{
    health::{Health, Question},
    traces::Traces,
};

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let question = Question::from_arguments(std::env::args_os().skip(1)).map_err(anyhow::Error::msg)?;
    let config: ServiceConfig = match service::config::load(&ServiceConfig::defaults(), None) {
        Ok(config) => config,
        Err(error) => return Ok(error.report()),
    };
    if let Some(question) = question {
        return Ok(question.put("health.listen", config.health.listen).await);
    }
    if let Err(error) = config.sender.validate().and(config.health.validate()).and(config.metrics.validate())
    {
        return Ok(error.report());
    }
    service::telemetry::init(&config.log, "sender");
    let tables = [service::metrics::METRICS, sender::METRICS, queue::METRICS, credentials::METRICS];
    service::metrics::init(&tables, &config.metrics);
    let traces = match Traces::start(&config.traces, "sender") {
        Ok(traces) => traces,
        Err(error) => return Ok(error.report()),
    };
    let queue = config.queue.connect().await?;
    let shutdown = service::shutdown_on_signal()?;
    let deps = Dependencies { queue: queue.clone(), clock: Clock::system() };
    let ready = queue.clone();
    let health = Health::new().check("queue", move || {
        let queue = ready.clone();
        async move { queue.ready().await }
    });
    let grace = service::grace(config.sender.drain);
    let work = async {
        let sending = sender::run(config.sender, deps, shutdown.clone());
        let result = config.health.serve_while(health, sending).await.map_err(anyhow::Error::from);
        let result = result.and_then(|sent| sent.map_err(anyhow::Error::from));
        if let Err(error) = queue.close().await {
            tracing::warn!(%error, "closing the queue failed");
        }
        result
    };
    let code = service::drain(work, shutdown.clone(), grace).await;
    traces.end().await;
    Ok(code)
}
