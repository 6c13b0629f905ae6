//! The `test-hl7-server` process. `--config FILE` or `ADT_BRIDGE_CONFIG` names a configuration file.
//! `test-hl7-server health [--ready]` asks a running one.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use service::health::{Health, Question};
use service::traces::Traces;
use test_hl7_server::{Dependencies, Equipment, Inspection, Listeners, ServiceConfig, run_with};

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let question = Question::from_arguments(std::env::args_os().skip(1)).map_err(anyhow::Error::msg)?;
    let mut arguments = std::env::args_os().skip(if question.is_some() { usize::MAX } else { 1 });
    let file: Option<PathBuf> = match (arguments.next(), arguments.next(), arguments.next()) {
        (None, ..) => None,
        (Some(flag), Some(path), None) if flag == "--config" => Some(path.into()),
        _ => anyhow::bail!("usage: test-hl7-server [--config FILE]"),
    };
    let config: ServiceConfig = match service::config::load(&ServiceConfig::defaults(), file.as_deref()) {
        Ok(config) => config,
        Err(error) => return Ok(error.report()),
    };
    if let Some(question) = question {
        return Ok(question.put("health.listen", config.health.listen).await);
    }
    service::telemetry::init(&config.log, "test-hl7-server");
    let tables =
        [service::metrics::METRICS, test_hl7_server::METRICS, message_store::METRICS, credentials::METRICS];
    service::metrics::init(&tables, &config.metrics);
    if let Err(error) =
        config.receiver.validate().and(config.health.validate()).and(config.metrics.validate())
    {
        return Ok(error.report());
    }
    let traces = match Traces::start(&config.traces, "test-hl7-server") {
        Ok(traces) => traces,
        Err(error) => return Ok(error.report()),
    };
    let store = config.store.connect().await.context("opening the store")?;
    let listeners = Listeners::bind(&config.receiver).await?;
    let inspection = Inspection::of(&config.inspector, config.message, store.clone()).await?;
    let shutdown = service::shutdown_on_signal()?;
    let drain = config.receiver.drain;
    #[expect(clippy::disallowed_methods, reason = "a scenario may want a process that dies without a drain")]
    let equipment = Equipment { inspection, exit: Some(|code| std::process::exit(code)), admin: None };
    let ready = store.clone();
    let health = Health::new().check("store", move || {
        let store = ready.clone();
        async move { store.ready().await }
    });
    let serving = run_with(config.receiver, Dependencies { store }, listeners, equipment, shutdown.clone());
    let work = async { anyhow::Ok(config.health.serve_while(health, serving).await??) };
    let code = service::drain(work, shutdown, drain).await;
    traces.end().await;
    Ok(code)
}
