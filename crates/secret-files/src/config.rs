//! The `[secret]` section.

use std::{path::PathBuf, time::Duration};

use serde::Deserialize;
use service::config::{ConfigError, Problem};

/// All settings of the process with their defaults, as TOML.
pub const DEFAULTS: &str = include_str!("defaults.toml");

/// Which secret, and where to.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Name or ARN of the secret.
    pub id: String,
    /// The folder for the files; it has to exist and to be writable.
    pub directory: PathBuf,
    /// How soon a new value is seen.
    #[serde(with = "service::config::duration")]
    pub refresh: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self { id: String::new(), directory: PathBuf::from("/tls"), refresh: Duration::from_secs(300) }
    }
}

impl Config {
    /// What serde cannot check.
    ///
    /// # Errors
    /// All problems at once.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let mut problems = Vec::new();
        if self.id.is_empty() {
            problems.push(Problem::new("secret.id", "must name a secret"));
        }
        if self.refresh < Duration::from_secs(1) {
            problems.push(Problem::new("secret.refresh", "must be at least 1s: each look costs a call"));
        }
        if problems.is_empty() { Ok(()) } else { Err(ConfigError::new(problems)) }
    }
}

/// What the `secret-files` process reads.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServiceConfig {
    /// Which secret, and where to.
    pub secret: Config,
    /// Where health is told.
    pub health: service::health::Config,
    /// Logs.
    pub log: service::telemetry::Config,
}
