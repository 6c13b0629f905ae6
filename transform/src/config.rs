//! The hook's settings.

use std::{net::SocketAddr, time::Duration};

use credentials::{ServerTls, ServerTlsConfig, ServerTlsOptions, TlsConfigError};
use fhir_adt::MappingConfig;
use serde::{Deserialize, Serialize};

use crate::{
    BackfillConfig, Error, JobsConfig, SourceConfig,
    auth::{AuthConfig, Authenticator, HookTlsConfig, RateConfig},
};

/// The settings of `[hook]` with their defaults and what they mean: TOML, and a manual ([`service::config::manual`]).
pub const MANUAL: &str = include_str!("hook.toml");

/// What [`run`](crate::run) needs to know.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The HTTP side.
    pub hook: HookConfig,
    /// How messages are made.
    pub message: MappingConfig,
}

/// The whole file of the `transform` program: [`Config`] and the sections of what it stands on.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The HTTP side.
    pub hook: HookConfig,
    /// How messages are made.
    pub message: MappingConfig,
    /// Where messages go.
    pub queue: queue::Config,
    /// Where messages are kept.
    pub store: message_store::Config,
    /// Where health is told over plain HTTP too: the `health` command does not speak TLS.
    #[serde(default)]
    pub health: service::health::Config,
    /// Where metrics go beside `/metrics`.
    pub metrics: service::metrics::Config,
    /// Where traces go.
    pub traces: service::traces::Config,
    /// How it logs.
    pub log: service::telemetry::Config,
}

impl Settings {
    /// The defaults of the `transform` program, as TOML.
    pub fn defaults() -> String {
        let own = [MANUAL, fhir_adt::MANUAL];
        let others = [
            queue::MANUAL,
            message_store::MANUAL,
            service::metrics::MANUAL,
            service::traces::MANUAL,
            service::health::MANUAL,
            service::telemetry::MANUAL,
        ];
        [own.as_slice(), others.as_slice()].concat().join("\n")
    }

    /// Whom the `health` command asks, and what to set where that is nobody: `health.listen`, or the hook itself where
    /// it serves plain HTTP.
    pub fn health_listen(&self) -> (&'static str, Option<SocketAddr>) {
        match (self.health.listen, &self.hook.tls) {
            (None, None) => ("hook.listen", Some(self.hook.listen)),
            (None, Some(_)) => ("the hook serves TLS: health.listen, such as \"127.0.0.1:8081\",", None),
            (listen, _) => ("health.listen", listen),
        }
    }
}

/// The `[hook]` section.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct HookConfig {
    /// Address and port to listen on.
    pub listen: SocketAddr,
    /// Whether `listen` may be an address that other machines reach although `auth` asks nobody: something in front of
    /// the hook has to, such as an API gateway with IAM.
    pub allow_remote: bool,
    /// TLS, served by the hook itself; plain HTTP when absent.
    pub tls: Option<HookTlsConfig>,
    /// Who may call.
    pub auth: AuthConfig,
    /// How often each caller may call; no limit when absent.
    pub rate: Option<RateConfig>,
    /// A path before every route, such as the stage `/prod` of an API gateway. Routes work with and without it.
    pub base_path: String,
    /// The most a request body may hold, in bytes. The router of FHIR Works on AWS lets 6 MB through.
    pub max_body_bytes: usize,
    /// The most that bodies of all requests together may hold, in bytes, as far as they have arrived; a body waits
    /// for room.
    pub max_buffered_bytes: usize,
    /// Time for a request body to arrive, waits for room included.
    #[serde(with = "service::config::duration")]
    pub body_timeout: Duration,
    /// Time for the head of a request to arrive, idle time between two requests included. Longer than a load
    /// balancer keeps an idle connection.
    #[serde(with = "service::config::duration")]
    pub idle_timeout: Duration,
    /// Time for an answer. API gateways give up after 29 s.
    #[serde(with = "service::config::duration")]
    pub request_timeout: Duration,
    /// Time for requests in flight to finish at shutdown.
    #[serde(with = "service::config::duration")]
    pub drain_timeout: Duration,
    /// Connections served at once; more wait to be accepted.
    pub max_connections: usize,
    /// Requests worked on at once; more are answered 429.
    pub max_requests: usize,
    /// Names the receiver in the message control id, so that two receivers of one write get two ids.
    pub destination: String,
    /// Which messages wait for each other.
    pub ordering: OrderingScope,
    /// What becomes of elements that R4 does not have. `Prefer: handling=…` of a request counts more.
    pub handling: Handling,
    /// Whether a transaction leaves out entries that are not Patients, instead of failing.
    pub skip_unsupported: bool,
    /// What becomes of bodies that are refused for good, on every surface but the persistence API.
    pub on_refused: OnRefused,
    /// FHIR servers that may be read from.
    pub source: Vec<SourceConfig>,
    /// Work that was promised and is not done.
    pub jobs: JobsConfig,
    /// How history is taken in.
    pub backfill: BackfillConfig,
}

/// What becomes of bodies that are refused for good.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OnRefused {
    /// The sender is told.
    #[default]
    Reject,
    /// The sender is told 202, and the body is kept for an operator: for senders that repeat what was refused for ever.
    Park,
}

/// What becomes of elements that R4 does not have (FHIR R4 http §3.1.0.1.7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Handling {
    /// They are ignored, and told.
    #[default]
    Lenient,
    /// They are refused.
    Strict,
}

/// What one ordering group of the queue holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OrderingScope {
    /// The messages of one patient. A merge (A40) travels with the retired patient and may overtake, or be overtaken
    /// by, messages of the survivor.
    #[default]
    Patient,
    /// Every message: one strict order, one message at a time (mapping rule MRG-K).
    Destination,
}

impl Default for HookConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            allow_remote: false,
            tls: None,
            auth: AuthConfig::default(),
            rate: None,
            base_path: String::new(),
            max_body_bytes: 6 * 1024 * 1024,
            max_buffered_bytes: 64 * 1024 * 1024,
            body_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
            request_timeout: Duration::from_secs(20),
            drain_timeout: Duration::from_secs(5),
            max_connections: 1024,
            max_requests: 256,
            destination: "default".to_owned(),
            ordering: OrderingScope::Patient,
            handling: Handling::Lenient,
            skip_unsupported: false,
            on_refused: OnRefused::Reject,
            source: Vec::new(),
            jobs: JobsConfig::default(),
            backfill: BackfillConfig::default(),
        }
    }
}

impl HookConfig {
    /// What serde cannot check.
    ///
    /// # Errors
    /// [`Error::Config`], [`Error::Auth`] or [`Error::Tls`], naming the setting or the file.
    pub fn check(&self) -> Result<(), Error> {
        if !self.listen.ip().is_loopback() && !self.auth.asks() && !self.allow_remote {
            let reason = "can be reached from other machines and the hook does not ask who calls; \
                          [hook.auth], or hook.allow_remote = true where something in front of it asks";
            return Err(Error::Config { setting: "hook.listen", reason });
        }
        let plain = |segment: &str| {
            let known = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
            !segment.is_empty()
                && !["persistence", "fhir", "hook"].contains(&segment)
                && segment.bytes().all(known)
        };
        let base = self.base();
        let path = base.strip_prefix('/').is_some_and(|path| path.split('/').all(plain));
        if !base.is_empty() && !path {
            return Err(Error::Config { setting: "hook.base_path", reason: "is not a path such as /prod" });
        }
        let authorities = self.tls.as_ref().is_some_and(|tls| tls.client_ca_file.is_some());
        if authorities == self.auth.client_certificate.is_empty() {
            let reason = "and [hook.auth.client_certificate] go together";
            return Err(Error::Config { setting: "hook.tls.client_ca_file", reason });
        }
        let not_zero = [
            ("hook.max_body_bytes", self.max_body_bytes == 0),
            ("hook.body_timeout", self.body_timeout.is_zero()),
            ("hook.idle_timeout", self.idle_timeout.is_zero()),
            ("hook.request_timeout", self.request_timeout.is_zero()),
            ("hook.max_connections", self.max_connections == 0),
            ("hook.max_requests", self.max_requests == 0),
            ("hook.rate.per_second", self.rate.is_some_and(|rate| rate.per_second == 0)),
            ("hook.rate.burst", self.rate.is_some_and(|rate| rate.burst == 0)),
            ("hook.destination", self.destination.is_empty()),
        ];
        if self.max_buffered_bytes / 1024 < self.max_body_bytes.div_ceil(1024) {
            let reason = "must be at least hook.max_body_bytes";
            return Err(Error::Config { setting: "hook.max_buffered_bytes", reason });
        }
        self.backfill.check()?;
        for (index, source) in self.source.iter().enumerate() {
            source.check()?;
            if self.source.iter().take(index).any(|other| other.name == source.name) {
                return Err(Error::Config { setting: "hook.source.name", reason: "stands twice" });
            }
        }
        match not_zero.into_iter().find(|(_, wrong)| *wrong) {
            Some((setting, _)) => Err(Error::Config { setting, reason: "must not be zero or empty" }),
            None => {
                // Every file is read here once, so that a start that cannot succeed ends before a port is bound.
                Authenticator::new(&self.auth)?;
                self.server_tls()?;
                Ok(())
            }
        }
    }

    /// TLS for the listener. A client certificate is asked for and not demanded: health needs none, and another way
    /// to prove who calls may be configured too.
    pub(crate) fn server_tls(&self) -> Result<Option<ServerTls>, TlsConfigError> {
        let Some(HookTlsConfig { cert_file, key_file, client_ca_file }) = self.tls.clone() else {
            return Ok(None);
        };
        let files = ServerTlsConfig { cert_file, key_file, client_ca_file };
        let options = ServerTlsOptions { client_certificate_optional: true, protocols: &["http/1.1"] };
        ServerTls::with_options(&files, options).map(Some)
    }

    /// The base path without a slash at its end.
    pub(crate) fn base(&self) -> &str {
        self.base_path.trim_end_matches('/')
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::BearerConfig;

    #[test]
    fn health_is_asked_where_it_is_told_in_plain() {
        let tls = [("ADT_BRIDGE__HOOK__TLS__CERT_FILE", "c"), ("ADT_BRIDGE__HOOK__TLS__KEY_FILE", "k")];
        let listen = [("ADT_BRIDGE__HEALTH__LISTEN", "127.0.0.1:2")];
        let asked = |more: &[(&str, &str)]| {
            let pairs = more.iter().map(|(name, value)| (name.into(), value.into()));
            let settings: Settings = service::config::load_with(&Settings::defaults(), None, pairs).unwrap();
            let (setting, address) = settings.health_listen();
            (setting, address.map(|address| address.port()))
        };
        assert_eq!(asked(&[]), ("hook.listen", Some(8080)));
        assert_eq!(asked(&listen), ("health.listen", Some(2)));
        assert_eq!(asked(&[&tls[..], &listen[..]].concat()), ("health.listen", Some(2)));
        let (setting, nobody) = asked(&tls);
        assert!(setting.contains("health.listen") && nobody.is_none(), "{setting}");
    }

    #[test]
    fn takes_paths_as_base_and_nothing_else() {
        for (base, valid) in [
            ("", true),
            ("/", true),
            ("/prod", true),
            ("/a/b-1/", true),
            ("prod", false),
            ("//", true),
            ("/a//b", false),
            ("/a b", false),
            ("/persistence", false),
        ] {
            let config = HookConfig { base_path: base.to_owned(), ..HookConfig::default() };
            assert_eq!(config.check().is_ok(), valid, "{base}");
        }
    }

    #[test]
    fn other_machines_reach_it_only_by_decision() {
        let listen = SocketAddr::from(([0, 0, 0, 0], 8080));
        let open = HookConfig { listen, ..HookConfig::default() };
        assert!(open.check().unwrap_err().to_string().contains("hook.listen"));
        assert!(HookConfig { allow_remote: true, ..open.clone() }.check().is_ok());
        let token = Some(service::config::Secret::new("0123456789abcdef"));
        let hapi = BearerConfig { token, token_file: None, scopes: crate::Permissions::default() };
        let auth = AuthConfig { bearer: [("hapi".to_owned(), hapi)].into(), ..AuthConfig::default() };
        assert!(HookConfig { auth, ..open }.check().is_ok());
    }

    #[test]
    fn authorities_and_known_certificates_go_together() {
        let tls = HookTlsConfig {
            cert_file: "cert.pem".into(),
            key_file: "key.pem".into(),
            client_ca_file: Some("ca.pem".into()),
        };
        let config = HookConfig { tls: Some(tls), ..HookConfig::default() };
        assert!(config.check().unwrap_err().to_string().contains("hook.tls.client_ca_file"));
    }

    #[test]
    fn refuses_limits_of_zero() {
        let config = HookConfig { max_requests: 0, ..HookConfig::default() };
        assert!(config.check().unwrap_err().to_string().contains("hook.max_requests"));
    }
}
