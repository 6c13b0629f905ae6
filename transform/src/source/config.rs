//! The `[[hook.source]]` list: servers that may be read from.

use std::{net::IpAddr, path::PathBuf, time::Duration};

use credentials::ClientTlsConfig;
use serde::{Deserialize, Serialize};

use super::address::Base;
use crate::Error;

/// A FHIR server that notifies us and that we may read from.
///
/// ```toml
/// [[hook.source]]
/// name = "main"
/// base_url = "https://fhir.example/r4"
/// credentials = { kind = "bearer", token_file = "/run/secrets/fhir-token" }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SourceConfig {
    /// Names the source in logs and in jobs. Letters, digits and hyphens.
    #[serde(default = "main")]
    pub name: String,
    /// The FHIR base. `https`, except for a server of this machine.
    pub base_url: String,
    /// Private addresses that the host of `base_url` may resolve to. Without them only public ones are connected to.
    #[serde(default)]
    pub allow_addresses: Vec<IpAddr>,
    /// How we say who we are.
    #[serde(default)]
    pub credentials: CredentialsConfig,
    /// Trusted authorities, and our certificate where the source asks for one (mutual TLS).
    #[serde(default)]
    pub tls: SourceTls,
    /// Time for one request, its whole answer included.
    #[serde(default = "ten_seconds", with = "service::config::duration")]
    pub timeout: Duration,
    /// The most that one answer may hold, in bytes.
    #[serde(default = "answer_bytes")]
    pub max_answer_bytes: usize,
    /// Requests to this source at once.
    #[serde(default = "four")]
    pub max_requests: usize,
    /// How long a read-back is tried before it is parked.
    #[serde(default = "a_day", with = "service::config::duration")]
    pub retry_for: Duration,
    /// Hosts that files of a bulk export may be on, beside the host of `base_url`. They get no credentials.
    #[serde(default)]
    pub export_hosts: Vec<String>,
    /// Searches for what changed.
    #[serde(default)]
    pub catch_up: CatchUpConfig,
    /// The Subscription we keep on the source; none when absent.
    #[serde(default)]
    pub subscription: Option<SubscriptionConfig>,
}

/// How we say who we are to a source.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum CredentialsConfig {
    /// Not at all, or by our TLS certificate alone.
    None {},
    /// `Authorization: Bearer`, from a file that may be replaced while running.
    Bearer {
        /// Holds the token and nothing else.
        token_file: PathBuf,
    },
    /// SMART Backend Services: a signed assertion buys an access token (`private_key_jwt`).
    SmartBackend(SmartBackend),
}

impl Default for CredentialsConfig {
    fn default() -> Self {
        Self::None {}
    }
}

/// SMART Backend Services (SMART App Launch 2.2, client-confidential-asymmetric).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SmartBackend {
    /// Where tokens are bought. The same rules as for `base_url`.
    pub token_url: String,
    /// `iss` and `sub` of the assertion.
    pub client_id: String,
    /// Our private key, PKCS#8 PEM: P-384 for ES384, RSA for RS384.
    pub key_file: PathBuf,
    /// `kid` of the assertion, as our published key set has it.
    pub key_id: String,
    /// ES384 or RS384.
    #[serde(default)]
    pub algorithm: AssertionAlgorithm,
    /// What to ask for.
    #[serde(default = "read_patients")]
    pub scope: String,
}

/// Algorithms that SMART Backend Services asks servers to support.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub enum AssertionAlgorithm {
    /// ECDSA on P-384 with SHA-384.
    #[default]
    #[serde(rename = "ES384")]
    Es384,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    #[serde(rename = "RS384")]
    Rs384,
}

/// TLS files of a source; PEM, read again when they change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct SourceTls {
    /// Certificates of the authorities to trust; the system's when absent.
    pub ca_file: Option<PathBuf>,
    /// Our own certificate chain. Goes with `key_file`.
    pub cert_file: Option<PathBuf>,
    /// Our own private key. Goes with `cert_file`.
    pub key_file: Option<PathBuf>,
}

/// Searches by `_lastUpdated`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct CatchUpConfig {
    /// Whether to search at every start for what changed since the last search.
    pub at_start: bool,
    /// How far before the mark a search begins: a server may commit out of the order of its clock.
    #[serde(with = "service::config::duration")]
    pub overlap: Duration,
    /// Patients per page.
    pub page: u32,
}

/// The Subscription we keep on a source (FHIR R4 rest-hook).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SubscriptionConfig {
    /// Logical id of the Subscription, chosen by us. `_` becomes `-`, which FHIR ids may hold.
    #[serde(default = "subscription_id")]
    pub id: String,
    /// Our URL as the source reaches it: `https://bridge.example/fhir`.
    pub endpoint: String,
    /// What to be told of.
    #[serde(default = "all_patients")]
    pub criteria: String,
    /// Media type of the notification's body; an empty one asks for notifications without a body.
    #[serde(default = "fhir_json")]
    pub payload: String,
    /// A file with the header lines that the source is to send, such as `Authorization: Bearer …`.
    #[serde(default)]
    pub headers_file: Option<PathBuf>,
    /// Asks HAPI FHIR and Smile CDR to tell deletes too (an extension on the channel).
    #[serde(default = "yes")]
    pub send_deletes: bool,
    /// Once the Subscription is active for the first time, has the source send all that matches, where it offers
    /// `$trigger-subscription`.
    #[serde(default)]
    pub trigger_history: bool,
    /// How often to look whether it is still active.
    #[serde(default = "an_hour", with = "service::config::duration")]
    pub check_every: Duration,
}

impl Default for CatchUpConfig {
    fn default() -> Self {
        Self { at_start: true, overlap: Duration::from_secs(60), page: 100 }
    }
}

impl SourceConfig {
    /// What serde cannot check.
    ///
    /// # Errors
    /// [`Error::Config`], naming the setting.
    pub fn check(&self) -> Result<(), Error> {
        let fail = |setting, reason| Err(Error::Config { setting, reason });
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if !(1..=64).contains(&self.name.len()) || !self.name.bytes().all(plain) {
            return fail("hook.source.name", "must be 1 to 64 letters, digits and hyphens");
        }
        if let Err(reason) = self.base() {
            return fail("hook.source.base_url", reason);
        }
        if let CredentialsConfig::SmartBackend(smart) = &self.credentials
            && let Err(reason) = Base::new(&smart.token_url, &self.allow_addresses)
        {
            return fail("hook.source.credentials.token_url", reason);
        }
        if self.tls.cert_file.is_some() != self.tls.key_file.is_some() {
            return fail("hook.source.tls", "needs cert_file and key_file, or neither");
        }
        let zero = self.timeout.is_zero() || self.max_answer_bytes == 0 || self.max_requests == 0;
        if zero || self.catch_up.page == 0 {
            return fail("hook.source", "limits must not be zero");
        }
        if let Some(subscription) = &self.subscription {
            if subscription.resource_id().is_none() {
                return fail("hook.source.subscription.id", "is not a FHIR id");
            }
            if url::Url::parse(&subscription.endpoint).is_err() {
                return fail("hook.source.subscription.endpoint", "is not a URL");
            }
        }
        Ok(())
    }

    pub(crate) fn base(&self) -> Result<Base, &'static str> {
        Base::new(&self.base_url, &self.allow_addresses)
    }
}

impl SubscriptionConfig {
    /// The id as FHIR takes it.
    pub(crate) fn resource_id(&self) -> Option<String> {
        let id = self.id.replace('_', "-");
        message_store::PatientKey::new(&id).is_ok().then_some(id)
    }
}

impl SourceTls {
    pub(crate) fn client(&self) -> ClientTlsConfig {
        ClientTlsConfig {
            enabled: true,
            ca_file: self.ca_file.clone(),
            server_name: None,
            cert_file: self.cert_file.clone(),
            key_file: self.key_file.clone(),
        }
    }
}

fn main() -> String {
    "main".to_owned()
}

fn ten_seconds() -> Duration {
    Duration::from_secs(10)
}

fn answer_bytes() -> usize {
    6 * 1024 * 1024
}

fn four() -> usize {
    4
}

fn a_day() -> Duration {
    Duration::from_secs(24 * 60 * 60)
}

fn an_hour() -> Duration {
    Duration::from_secs(60 * 60)
}

fn read_patients() -> String {
    "system/Patient.rs".to_owned()
}

fn subscription_id() -> String {
    "adt-bridge".to_owned()
}

fn all_patients() -> String {
    "Patient?".to_owned()
}

fn fhir_json() -> String {
    "application/fhir+json".to_owned()
}

fn yes() -> bool {
    true
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn credentials_of_a_kind_have_no_keys_of_another() {
        let none = serde_json::from_value::<CredentialsConfig>(json!({ "kind": "none" }));
        assert_eq!(none.unwrap(), CredentialsConfig::default());
        for kind in ["none", "smart-backend"] {
            let settings = json!({ "kind": kind, "token_file": "x" });
            let error = serde_json::from_value::<CredentialsConfig>(settings).unwrap_err();
            assert!(error.to_string().starts_with("unknown field"), "{kind}: {error}");
        }
    }
}
