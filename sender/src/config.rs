//! The `[sender]` section.

use std::{net::IpAddr, path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};
use service::config::{ConfigError, Problem};

/// The settings of `[sender]` with their defaults and what they mean: TOML, and a manual ([`service::config::manual`]).
pub const MANUAL: &str = include_str!("sender.toml");

/// How messages are delivered to the endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The endpoint, its TLS and the timeouts of one exchange.
    pub endpoint: mllp::ClientConfig,
    /// Whether messages may go out in clear to another machine than this one. They are patient data.
    pub allow_plaintext: bool,
    /// Connections to the endpoint; many hospital listeners accept one.
    pub connections: usize,
    /// The most messages held on lease.
    pub max_held: usize,
    /// How long one poll of the queue waits.
    #[serde(with = "service::config::duration")]
    pub poll_wait: Duration,
    /// An idle connection is replaced after this; network equipment forgets idle flows silently.
    #[serde(with = "service::config::duration")]
    pub idle_timeout: Duration,
    /// Any connection is replaced after this.
    #[serde(with = "service::config::duration")]
    pub max_connection_age: Duration,
    /// The least time between two messages on one connection.
    #[serde(with = "service::config::duration")]
    pub min_gap: Duration,
    /// How long a message on the wire may still be answered after a shutdown was asked for.
    #[serde(with = "service::config::duration")]
    pub drain: Duration,
    /// Where acknowledged messages are noted before they leave the queue. Of use with SQS, whose delete can fail
    /// for long; the embedded queue needs none.
    pub ledger: Option<PathBuf>,
    /// A file whose lock the active one of several senders holds; the others wait. For SQS, where several can
    /// deliver at once, and endpoints that do not compare versions. The file system has to keep the lock for a
    /// process that is stopped: any local one does. The embedded queue has one owner without this.
    pub single_active: Option<PathBuf>,
    /// What acknowledgments and failures mean.
    pub policy: Policy,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            endpoint: mllp::ClientConfig::default(),
            allow_plaintext: false,
            connections: 1,
            max_held: 256,
            poll_wait: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(300),
            max_connection_age: Duration::from_secs(60 * 60),
            min_gap: Duration::ZERO,
            drain: Duration::from_secs(20),
            ledger: None,
            single_active: None,
            policy: Policy::default(),
        }
    }
}

/// The rules by which acknowledgments and failures are judged, where an endpoint may need others.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// Take a positive acknowledgment without MSA-2 as ours. Safe only because one message is on the wire at a
    /// time; for endpoints that cannot do better.
    pub accept_blank_control_id: bool,
    /// Release of MLLP that the endpoint speaks, 1 or 2. With 2 the blocks `0x06` and `0x15` are its commit
    /// acknowledgments, which name no message, and its own acknowledgments are confirmed with `0x06`.
    pub mllp_release: u8,
    /// Tries of a message that is answered with an error without a clear cause.
    pub max_errors: u32,
    /// Tries of a message that is rejected without a clear cause.
    pub max_rejects: u32,
    /// Tries of a message for which the endpoint reports a passing fault (206 locked, 207 internal).
    pub max_passing_faults: u32,
    /// Lost connections of one message, others being accepted in between, until it is given up as a killer.
    pub max_peer_losses: u32,
    /// Receives of one message until it is given up: a process that dies of it must not die for ever.
    pub max_receives: u32,
    /// First delay of a repeated message; doubles each time, with full jitter.
    #[serde(with = "service::config::duration")]
    pub retry_base: Duration,
    /// Longest delay of a repeated message.
    #[serde(with = "service::config::duration")]
    pub retry_cap: Duration,
    /// Events after whose dead letter the group is parked until an operator decides, because later messages
    /// build on them.
    pub park_events: Vec<String>,
    /// A message that was accepted longer ago than this is given up instead of sent; zero for never.
    #[serde(with = "service::config::duration")]
    pub max_age: Duration,
    /// How long the application acknowledgment may take after a commit accept, where MSH-16 asks for one. The
    /// group waits for it, the connection does not.
    #[serde(with = "service::config::duration")]
    pub application_timeout: Duration,
    /// Failures of the endpoint in a row until the sender pauses.
    pub pause_after_failures: u32,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            accept_blank_control_id: false,
            mllp_release: 1,
            max_errors: 5,
            max_rejects: 3,
            max_passing_faults: 20,
            max_peer_losses: 3,
            max_receives: 1000,
            retry_base: Duration::from_secs(1),
            retry_cap: Duration::from_secs(300),
            park_events: vec!["ADT^A40".to_owned()],
            max_age: Duration::ZERO,
            application_timeout: Duration::from_secs(600),
            pause_after_failures: 5,
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
        let mut problem = |key: &str, text: &str| problems.push(Problem::new(format!("sender.{key}"), text));
        if self.connections == 0 {
            problem("connections", "must be at least 1");
        }
        if self.max_held < self.connections {
            problem("max_held", "must be at least `connections`");
        }
        if self.policy.retry_cap < self.policy.retry_base || self.policy.retry_base.is_zero() {
            problem("policy.retry_base", "must be above zero and at most `retry_cap`");
        }
        if !matches!(self.policy.mllp_release, 1 | 2) {
            problem("policy.mllp_release", "must be 1 or 2");
        }
        if !self.endpoint.tls.enabled && !self.allow_plaintext && !is_loopback(&self.endpoint.address) {
            problem(
                "endpoint.tls.enabled",
                "the endpoint is on another machine: enable TLS, or set `allow_plaintext` for a network that \
                 is protected otherwise",
            );
        }
        if problems.is_empty() { Ok(()) } else { Err(ConfigError::new(problems)) }
    }
}

/// What the `sender` process reads.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServiceConfig {
    /// Delivery.
    pub sender: Config,
    /// Where messages come from.
    pub queue: queue::Config,
    /// Where health is told.
    pub health: service::health::Config,
    /// Where metrics go beside `/metrics`.
    pub metrics: service::metrics::Config,
    /// Where traces go.
    pub traces: service::traces::Config,
    /// Logs.
    pub log: service::telemetry::Config,
}

impl ServiceConfig {
    /// The defaults of the `sender` program, as TOML.
    pub fn defaults() -> String {
        [
            MANUAL,
            queue::MANUAL,
            service::metrics::MANUAL,
            service::traces::MANUAL,
            service::health::MANUAL,
            service::telemetry::MANUAL,
        ]
        .join("\n")
    }
}

/// `localhost` or a loopback address; any other name may resolve to anything.
fn is_loopback(address: &str) -> bool {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plaintext_leaves_this_machine_only_when_allowed() {
        for (address, allow_plaintext, valid) in [
            ("127.0.0.1:2575", false, true),
            ("[::1]:2575", false, true),
            ("localhost:2575", false, true),
            ("localhost.example:2575", false, false),
            ("10.0.0.1:2575", false, false),
            ("10.0.0.1:2575", true, true),
        ] {
            let mut config = Config { allow_plaintext, ..Config::default() };
            config.endpoint.address = address.to_owned();
            assert_eq!(config.validate().is_ok(), valid, "{address}");
        }
    }

    #[test]
    fn reports_every_problem() {
        let config = Config { connections: 0, max_held: 0, ..Config::default() };
        assert_eq!(config.validate().unwrap_err().problems().len(), 1);
        let config = Config {
            connections: 2,
            max_held: 1,
            policy: Policy { retry_base: Duration::ZERO, ..Policy::default() },
            ..Config::default()
        };
        assert_eq!(config.validate().unwrap_err().problems().len(), 2);
    }
}
