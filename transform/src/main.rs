//! The FHIR hook as a process of its own. `transform health [--ready]` asks a running one, over plain HTTP.

use std::{process::ExitCode, sync::Arc};

use anyhow::Context;
use clock::Clock;
use fhir_adt::MappingConfig;
use message_store::MessageStore;
use queue::Queue;
use service::config::{ConfigError, Problem, Source};
use service::health::{Health, Question};
use service::traces::Traces;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use transform::{Config, Dependencies, FollowedMessage, Settings};

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let question = Question::from_arguments(std::env::args_os().skip(1)).map_err(anyhow::Error::msg)?;
    let source = Source::new(Settings::defaults(), None);
    let (settings, origins): (Settings, _) = match source.load() {
        Ok(loaded) => loaded,
        Err(error) => return Ok(error.report()),
    };
    if let Some(question) = question {
        let (setting, address) = settings.health_listen();
        return Ok(question.put(setting, address).await);
    }
    if let Err(error) = settings.health.validate().and(settings.metrics.validate()) {
        return Ok(error.report());
    }
    let mut problems = transform::message_problems(&settings.message, &origins);
    problems.extend(settings.hook.check().err().map(|error| Problem::new("[hook]", error.to_string())));
    if !problems.is_empty() {
        return Ok(ConfigError::new(problems).report());
    }
    credentials::install_provider();
    service::telemetry::init(&settings.log, "transform");
    let tables = [
        service::metrics::METRICS,
        transform::METRICS,
        queue::METRICS,
        message_store::METRICS,
        credentials::METRICS,
    ];
    service::metrics::init(&tables, &settings.metrics);
    let traces = match Traces::start(&settings.traces, "transform") {
        Ok(traces) => traces,
        Err(error) => return Ok(error.report()),
    };
    let code = start(settings, source).await.unwrap_or_else(|error| {
        tracing::error!("failed: {error:#}");
        ExitCode::FAILURE
    });
    traces.end().await;
    Ok(code)
}

async fn start(settings: Settings, source: Source) -> anyhow::Result<ExitCode> {
    let queue = settings.queue.connect().await.context("queue")?;
    let store = settings.store.connect().await.context("store")?;
    let listener = TcpListener::bind(settings.hook.listen).await.context("hook.listen")?;
    let shutdown = service::shutdown_on_signal()?;
    tracing::info!(listen = %listener.local_addr()?, "the hook listens");
    let grace = service::grace(settings.hook.drain_timeout);
    let config = Config { hook: settings.hook, message: settings.message };
    let health = health(&queue, &store, &shutdown);
    let dependencies = Dependencies { queue: Arc::clone(&queue), store, clock: Clock::system() };
    let followed = source.file().map(|file| FollowedMessage::new(file.to_owned(), message(source.clone())));
    let serving = transform::run_following(config, followed, dependencies, listener, shutdown.clone());
    let work = async { anyhow::Ok(settings.health.serve_while(health, serving).await??) };
    let code = service::drain(work, shutdown, grace).await;
    queue.close().await.context("queue")?;
    Ok(code)
}

/// Reads `[message]` again, and says where each of its problems stands.
fn message(source: Source) -> impl Fn() -> Result<MappingConfig, ConfigError> + Send + Sync {
    move || {
        let (settings, origins): (Settings, _) = source.load()?;
        let problems = transform::message_problems(&settings.message, &origins);
        if problems.is_empty() { Ok(settings.message) } else { Err(ConfigError::new(problems)) }
    }
}

/// The checks that the hook's own `/readyz` has.
fn health(queue: &Arc<dyn Queue>, store: &Arc<dyn MessageStore>, shutdown: &CancellationToken) -> Health {
    let (queue, store, shutdown) = (Arc::clone(queue), Arc::clone(store), shutdown.clone());
    Health::new()
        .check("queue", move || {
            let queue = Arc::clone(&queue);
            async move { queue.ready().await }
        })
        .check("store", move || {
            let store = Arc::clone(&store);
            async move { store.ready().await }
        })
        .check("serving", move || {
            let draining = shutdown.is_cancelled();
            async move { if draining { Err("draining") } else { Ok(()) } }
        })
}
