//! Certificates and keys of AWS Secrets Manager as files, kept fresh.
//!
//! ECS hands secrets to a container as environment variables, once, at its start. Our services read PEM files and
//! read them again when they change. This process stands beside a service in its task, has the only right to read the
//! secret, and writes what it holds into a folder that both share. A new value is there within `refresh`, without a
//! restart; a value that cannot be used changes nothing and is said in the log.
//!
//! The log says every time how many days each certificate has left, which is what the expiry alarms count.
#![warn(missing_docs)]

mod config;
mod files;
mod value;

pub mod secrets_manager;

use std::{
    fmt,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, SystemTime},
};

use tokio_util::sync::CancellationToken;

pub use config::{Config, DEFAULTS, ServiceConfig};
pub use value::{Kind, Value, ValueError};

/// Whether the files are there, for `/readyz`.
#[derive(Debug, Default)]
pub struct Written(AtomicBool);

impl Written {
    /// Whether they are.
    ///
    /// # Errors
    /// Not yet.
    pub fn check(&self) -> Result<(), &'static str> {
        if self.0.load(Ordering::Acquire) { Ok(()) } else { Err("no usable value of the secret yet") }
    }
}

/// Fetches and writes until `shutdown`; failures are logged and tried again.
pub async fn run<E: fmt::Display>(
    config: &Config,
    fetch: impl AsyncFn() -> Result<String, E>,
    written: &Written,
    shutdown: &CancellationToken,
) {
    let mut failures = 0;
    loop {
        let pause = match refresh(config, &fetch).await {
            Ok(value) => {
                failures = 0;
                written.0.store(true, Ordering::Release);
                tell(&value, SystemTime::now());
                config.refresh
            }
            Err(reason) => {
                failures += 1;
                tracing::error!(failures, reason, "the files stay as they are");
                config.refresh.min(FIRST_RETRY * 2_u32.saturating_pow(failures.min(10) - 1))
            }
        };
        if shutdown.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
            return;
        }
    }
}

async fn refresh<E: fmt::Display>(
    config: &Config,
    fetch: &impl AsyncFn() -> Result<String, E>,
) -> Result<Value, String> {
    let text = fetch().await.map_err(|error| error.to_string())?;
    let value = Value::read(&text).map_err(|error| error.to_string())?;
    for name in files::write(&config.directory, &value).map_err(|error| error.to_string())? {
        tracing::info!(file = name, "written");
    }
    Ok(value)
}

/// One line per certificate; the alarms read `days_left`.
fn tell(value: &Value, now: SystemTime) {
    for (kind, expires) in value.expiries() {
        let left = expires.duration_since(now).unwrap_or(Duration::ZERO);
        tracing::info!(
            certificate = kind.as_str(),
            days_left = left.as_secs() / 86_400,
            "certificate in use"
        );
    }
}

const FIRST_RETRY: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
