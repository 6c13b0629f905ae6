//! The `[metrics]` section.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::{ConfigError, Problem, duration};

/// The settings of `[metrics]` with their defaults and what they mean, as TOML.
pub const MANUAL: &str = include_str!("../metrics.toml");

/// Where metrics go beside `/metrics`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Whether what alarms need is written to standard output in CloudWatch's embedded metric format.
    pub emf: bool,
    /// How often; ten seconds at least.
    #[serde(with = "duration")]
    pub emf_interval: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self { emf: false, emf_interval: Duration::from_secs(60) }
    }
}

impl Config {
    /// What serde cannot check.
    ///
    /// # Errors
    /// An interval that costs more than it tells.
    pub fn validate(&self) -> Result<(), ConfigError> {
        if self.emf_interval >= SHORTEST {
            return Ok(());
        }
        Err(ConfigError::new(vec![Problem::new("metrics.emf_interval", "must be 10s or more")]))
    }
}

const SHORTEST: Duration = Duration::from_secs(10);
