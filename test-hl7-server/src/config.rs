//! The `[receiver]` section.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use mllp::{ServerConfig, ServerTlsConfig};
use serde::{Deserialize, Serialize};
use service::config::{ConfigError, Problem};

use crate::Scenario;

/// The settings of `[receiver]` with their defaults and what they mean: TOML, and a manual ([`service::config::manual`]).
pub const MANUAL: &str = include_str!("receiver.toml");

/// Where to listen and what to accept.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Address of MLLP over TLS; used when `tls` is set.
    pub listen: String,
    /// Address of MLLP in clear, if there is to be one.
    pub listen_plain: Option<String>,
    /// Message types (MSH-9.1) that are accepted.
    pub message_types: Vec<String>,
    /// CX.5 of the repetition that holds a patient's logical id.
    pub patient_id_type: String,
    /// Whether a message that ought to name a patient, and does not, is answered with AE 101.
    pub require_patient_id: bool,
    /// For storing one message, in two tries.
    #[serde(with = "service::config::duration")]
    pub store_timeout: Duration,
    /// What replies in flight may take after a shutdown was asked for.
    #[serde(with = "service::config::duration")]
    pub drain: Duration,
    /// Certificate and key.
    pub tls: Option<ServerTlsConfig>,
    /// The limits of each listener.
    pub limits: ServerConfig,
    /// Faults on demand, for testing senders.
    pub faults: FaultsConfig,
}

/// Faults on demand; none unless `enable` or `scenario` says so.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct FaultsConfig {
    /// Allows faults; a scenario may come later, over `admin`.
    pub enable: bool,
    /// The scenario to begin with (see `docs/reference/test-server.md`); implies `enable`.
    pub scenario: Option<PathBuf>,
    /// Loopback address for fault control over HTTP.
    pub admin: Option<SocketAddr>,
}

impl FaultsConfig {
    /// Whether faults were asked for.
    pub fn is_enabled(&self) -> bool {
        self.enable || self.scenario.is_some()
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:2575".to_owned(),
            listen_plain: None,
            message_types: vec!["ADT".to_owned()],
            patient_id_type: "FW".to_owned(),
            require_patient_id: true,
            store_timeout: Duration::from_secs(5),
            drain: Duration::from_secs(25),
            tls: None,
            limits: ServerConfig::default(),
            faults: FaultsConfig::default(),
        }
    }
}

impl Config {
    /// Checks that need more than one setting. Call it before anything is opened.
    ///
    /// # Errors
    /// All problems at once.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let mut problems = Vec::new();
        let mut problem =
            |key: &str, text: &str| problems.push(Problem::new(format!("receiver.{key}"), text));
        if self.tls.is_none() && self.listen_plain.is_none() {
            problem("tls", "nothing to listen on: set `receiver.tls` for TLS, or `receiver.listen_plain`");
        }
        let limits = &self.limits;
        let positive = [
            ("limits.max_connections", limits.max_connections > 0),
            ("limits.max_frame_bytes", limits.max_frame_bytes > 0),
            ("limits.idle_timeout_seconds", limits.idle_timeout_seconds > 0),
            ("limits.byte_timeout_seconds", limits.byte_timeout_seconds > 0),
            ("limits.frame_timeout_seconds", limits.frame_timeout_seconds > 0),
            ("limits.handshake_timeout_seconds", limits.handshake_timeout_seconds > 0),
            ("limits.write_timeout_seconds", limits.write_timeout_seconds > 0),
            ("store_timeout", !self.store_timeout.is_zero()),
        ];
        for (key, is_positive) in positive {
            if !is_positive {
                problem(key, "must be above zero");
            }
        }
        let FaultsConfig { enable, scenario, admin } = &self.faults;
        if admin.is_some_and(|address| !address.ip().is_loopback()) {
            problem("faults.admin", "must be a loopback address: whoever reaches it controls the server");
        }
        if admin.is_some() && !self.faults.is_enabled() {
            problem("faults.admin", "needs `receiver.faults.enable = true`");
        }
        if *enable && admin.is_none() && scenario.is_none() {
            problem("faults.enable", "without a scenario or an admin address there are no faults to come");
        }
        if let Some(Err(error)) = scenario.as_deref().map(Scenario::load) {
            problem("faults.scenario", &error.to_string());
        }
        if self.patient_id_type.is_empty() {
            problem("patient_id_type", "must not be empty");
        }
        if problems.is_empty() { Ok(()) } else { Err(ConfigError::new(problems)) }
    }
}

/// What the `test-hl7-server` process reads.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceConfig {
    /// Listening and accepting.
    #[serde(default)]
    pub receiver: Config,
    /// Where messages are kept.
    pub store: message_store::Config,
    /// Pages and API over what was received.
    #[serde(default)]
    pub inspector: inspector::Config,
    /// How the inspector maps messages to Patients.
    #[serde(default)]
    pub message: fhir_adt::MappingConfig,
    /// Where health is told.
    #[serde(default)]
    pub health: service::health::Config,
    /// Where metrics go beside `/metrics`.
    #[serde(default)]
    pub metrics: service::metrics::Config,
    /// Where traces go.
    #[serde(default)]
    pub traces: service::traces::Config,
    /// Logs.
    #[serde(default)]
    pub log: service::telemetry::Config,
}

impl ServiceConfig {
    /// The defaults of the `test-hl7-server` program, as TOML.
    pub fn defaults() -> String {
        let others = [
            inspector::MANUAL,
            fhir_adt::MANUAL,
            service::metrics::MANUAL,
            service::traces::MANUAL,
            service::health::MANUAL,
            service::telemetry::MANUAL,
        ];
        [&[MANUAL], others.as_slice(), &[STORE]].concat().join("\n")
    }
}

/// Beside the program, not below the folder of `adt-bridge`.
const STORE: &str = "[store]\nkind = \"embedded\"\npath = \"./received-messages/messages.db\"\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_defaults_are_the_defaults() {
        let read: ServiceConfig = service::config::load_with(&ServiceConfig::defaults(), None, []).unwrap();
        assert_eq!(read.receiver, Config::default());
        assert_eq!(read.log, service::telemetry::Config::default());
    }

    #[test]
    fn reports_all_problems_at_once() {
        let mut config = Config { store_timeout: Duration::ZERO, ..Config::default() };
        config.limits.max_connections = 0;
        let text = config.validate().unwrap_err().to_string();
        for key in ["receiver.tls", "receiver.limits.max_connections", "receiver.store_timeout"] {
            assert!(text.contains(key), "{text}");
        }
        assert!(Config { listen_plain: Some("127.0.0.1:0".into()), ..Config::default() }.validate().is_ok());
    }
}
