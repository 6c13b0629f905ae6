//! The `secret-files` process. `secret-files health --ready` asks a running one whether the files are there.

use std::{process::ExitCode, sync::Arc, time::Duration};

use secret_files::{DEFAULTS, ServiceConfig, Written, run, secrets_manager::Secret};
use service::health::{Health, Question};

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<ExitCode> {
    let question = Question::from_arguments(std::env::args_os().skip(1)).map_err(anyhow::Error::msg)?;
    let config: ServiceConfig = match service::config::load(DEFAULTS, None) {
        Ok(config) => config,
        Err(error) => return Ok(error.report()),
    };
    if let Some(question) = question {
        return Ok(question.put("health.listen", config.health.listen).await);
    }
    if let Err(error) = config.secret.validate().and(config.health.validate()) {
        return Ok(error.report());
    }
    service::telemetry::init(&config.log, "secret-files");
    let shutdown = service::shutdown_on_signal()?;
    let secret = Secret::new(config.secret.id.clone()).await;
    let written = Arc::new(Written::default());
    let seen = Arc::clone(&written);
    let health = Health::new().check("files", move || std::future::ready(seen.check()));
    let refreshing = run(&config.secret, async || secret.fetch().await, &written, &shutdown);
    let work = config.health.serve_while(health, refreshing);
    Ok(service::drain(work, shutdown.clone(), GRACE).await)
}

const GRACE: Duration = Duration::from_secs(5);
