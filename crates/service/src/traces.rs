//! OpenTelemetry traces: the `[traces]` section, and spans from the hook's request to the acknowledgment.
//!
//! Only builds with the feature `otel` export; without it a [`Span`] is nothing, and an `endpoint` in the
//! configuration is an error. A span holds the attributes that it is given and nothing else, no log line and no field
//! of one: nothing that was not meant to leave does. Never give it a value of a patient.
//!
//! The trace goes from process to process as a W3C `traceparent`: a header of the request, then an attribute of the
//! queued message.

use std::{fmt, path::PathBuf, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::config::{ConfigError, Problem};

#[cfg(feature = "otel")]
mod export;
mod span;

pub use span::{Kind, Span, Value};

/// The settings of `[traces]` with their defaults and what they mean, as TOML.
pub const MANUAL: &str = include_str!("traces.toml");

/// The `[traces]` section.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where spans are sent: OTLP over HTTP, such as `http://127.0.0.1:4318/v1/traces`. Nowhere when absent.
    pub endpoint: Option<String>,
    /// How many of the traces that begin here are sent, from 0 to 1. What others began is sent as they decided.
    pub sampling_ratio: Ratio,
    /// A file with headers for `endpoint`, one `name: value` a line: secrets. Read again for every export.
    pub headers_file: Option<PathBuf>,
}

/// A number from 0 to 1, kept in millionths.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Ratio(u32);

impl Ratio {
    /// From 0 to 1; `None` for anything else.
    pub fn new(ratio: f64) -> Option<Self> {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is between 0 and a million"
        )]
        (0.0..=1.0).contains(&ratio).then(|| Self((ratio * MILLION).round() as u32))
    }

    /// The number.
    pub fn get(self) -> f64 {
        f64::from(self.0) / MILLION
    }
}

impl Default for Ratio {
    /// Everything.
    fn default() -> Self {
        Self(1_000_000)
    }
}

impl fmt::Debug for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

impl<'de> Deserialize<'de> for Ratio {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(f64::deserialize(deserializer)?).ok_or_else(|| D::Error::custom("must be between 0 and 1"))
    }
}

impl Serialize for Ratio {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.get())
    }
}

impl Config {
    /// What serde cannot check.
    ///
    /// # Errors
    /// An `endpoint` in a build that exports nothing, or one that is no URL; a `headers_file` that cannot be used.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.validate_in(cfg!(feature = "otel"))
    }

    /// In a build that exports traces, or in one that does not.
    fn validate_in(&self, exports: bool) -> Result<(), ConfigError> {
        let wrong = |setting: &str, text: String| {
            Err(ConfigError::new(vec![Problem::new(format!("traces.{setting}"), text)]))
        };
        match &self.endpoint {
            None => Ok(()),
            Some(_) if !exports => {
                let text = "this build exports no traces; `cargo build --features otel` makes one that does";
                wrong("endpoint", text.to_owned())
            }
            #[cfg(feature = "otel")]
            Some(endpoint) => export::check(endpoint, self.headers_file.as_deref())
                .or_else(|(setting, text)| wrong(setting, text)),
            #[cfg(not(feature = "otel"))]
            Some(_) => Ok(()),
        }
    }
}

/// Exports the spans of this process until it is ended.
#[derive(Debug, Default)]
#[must_use = "spans that wait are lost unless it is ended"]
pub struct Traces {
    #[cfg(feature = "otel")]
    export: Option<export::Export>,
}

impl Traces {
    /// Starts the export for this process, as the service `role`; nothing without an `endpoint`. Call it once, inside
    /// a Tokio runtime: later calls are of no effect on spans.
    ///
    /// # Errors
    /// As [`Config::validate`].
    pub fn start(config: &Config, role: &'static str) -> Result<Self, ConfigError> {
        config.validate()?;
        #[cfg(feature = "otel")]
        {
            let export = match &config.endpoint {
                None => None,
                Some(endpoint) => {
                    let started = export::Export::start(endpoint, config, role);
                    let failed = |text: String| ConfigError::new(vec![Problem::new("traces.endpoint", text)]);
                    Some(started.map_err(failed)?)
                }
            };
            Ok(Self { export })
        }
        #[cfg(not(feature = "otel"))]
        {
            // It would be the name of the service.
            let _ = role;
            Ok(Self::default())
        }
    }

    /// Sends what waits, for two seconds at most. A collector that is away is logged, and holds up nobody any longer.
    ///
    /// # Cancel safety
    /// Spans that wait may be lost.
    pub async fn end(self) {
        #[cfg(feature = "otel")]
        if let Some(export) = self.export {
            export.end(LAST_EXPORT).await;
        }
    }
}

const MILLION: f64 = 1_000_000.0;
/// Within the time that schedulers leave after a drain.
#[cfg_attr(not(feature = "otel"), expect(dead_code, reason = "nothing is exported"))]
const LAST_EXPORT: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests;
