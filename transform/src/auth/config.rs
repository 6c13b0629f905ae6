//! The `[hook.auth]` section: who may call, and how they prove who they are.

use std::{collections::BTreeMap, path::PathBuf};

use serde::{Deserialize, Serialize};
use service::config::Secret;

use super::Permissions;

/// The ways to prove who calls. Each entry is one caller, named by its key; without any entry nobody is asked.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuthConfig {
    /// Whether `/fhir/metadata` and `/openapi.json` are answered without credentials. They hold no patient data.
    pub public_metadata: bool,
    /// `Authorization: Bearer` with a token agreed beforehand.
    pub bearer: BTreeMap<String, BearerConfig>,
    /// `Authorization: Bearer` with a JSON web token: SMART Backend Services, and the push tokens of Google Pub/Sub.
    pub jwt: BTreeMap<String, JwtConfig>,
    /// A client certificate, on the hook's own TLS.
    pub client_certificate: BTreeMap<String, ClientCertificateConfig>,
    /// `X-Signature`, as Medplum makes it. One caller: who it is must be known before the body is.
    pub signature: Option<SignatureConfig>,
    /// `Authorization: AWS4-HMAC-SHA256` for the service `execute-api`, as FHIR Works on AWS makes it.
    pub sigv4: BTreeMap<String, SigV4Config>,
}

impl Default for AuthConfig {
    fn default() -> Self {
        Self {
            public_metadata: true,
            bearer: BTreeMap::new(),
            jwt: BTreeMap::new(),
            client_certificate: BTreeMap::new(),
            signature: None,
            sigv4: BTreeMap::new(),
        }
    }
}

impl AuthConfig {
    /// Whether anybody has to prove who they are.
    pub fn asks(&self) -> bool {
        let Self { public_metadata: _, bearer, jwt, client_certificate, signature, sigv4 } = self;
        let none = bearer.is_empty()
            && jwt.is_empty()
            && client_certificate.is_empty()
            && signature.is_none()
            && sigv4.is_empty();
        !none
    }
}

/// One of `token` and `token_file`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct BearerConfig {
    /// The token, or `sha256:` and the hexadecimal SHA-256 of it.
    pub token: Option<Secret>,
    /// A file with one token or hash a line; each of them is valid. Read again when it changes.
    pub token_file: Option<PathBuf>,
    /// What this caller may do.
    #[serde(default)]
    pub scopes: Permissions,
}

/// One of `jwks_url` and `jwks_file`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct JwtConfig {
    /// What the claim `iss` must be.
    pub issuer: String,
    /// What the claim `aud` must be, or hold: the hook's own address, as the issuer knows it.
    pub audience: String,
    /// Where the issuer publishes its keys; https, or loopback.
    pub jwks_url: Option<String>,
    /// Authorities to trust at `jwks_url`; the system's when absent.
    pub jwks_ca_file: Option<PathBuf>,
    /// The issuer's keys in a file. Read again when it changes.
    pub jwks_file: Option<PathBuf>,
    /// Which algorithms may sign.
    #[serde(default = "algorithms")]
    pub algorithms: Vec<JwtAlgorithm>,
    /// When set, the claim `email` must be one of these, verified by the issuer (Google's push tokens).
    #[serde(default)]
    pub emails: Vec<String>,
    /// What these callers may do; the token's own scopes say when absent.
    pub scopes: Option<Permissions>,
}

/// Signature algorithms with public keys: never `none`, never one with a shared secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub enum JwtAlgorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    RS256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    RS384,
    /// ECDSA on P-384 with SHA-384.
    ES384,
}

/// One of `subject`, `dns` and `uri`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ClientCertificateConfig {
    /// The whole subject, as the log shows that of a refused certificate: `CN=hapi, O=Clinic`.
    pub subject: Option<String>,
    /// A host name among the subject alternative names.
    pub dns: Option<String>,
    /// A URI among the subject alternative names.
    pub uri: Option<String>,
    /// What this caller may do.
    #[serde(default)]
    pub scopes: Permissions,
}

/// One of `secret` and `secret_file`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SignatureConfig {
    /// Names the caller.
    #[serde(default = "medplum")]
    pub name: String,
    /// The secret that both sides know.
    pub secret: Option<Secret>,
    /// A file with one secret a line; each of them is valid. Read again when it changes.
    pub secret_file: Option<PathBuf>,
    /// What this caller may do.
    #[serde(default)]
    pub scopes: Permissions,
}

/// One of `secret_access_key` and `secret_access_key_file`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SigV4Config {
    /// Names the key in the `Authorization` header.
    pub access_key_id: String,
    /// The key itself.
    pub secret_access_key: Option<Secret>,
    /// A file with one key a line; each of them is valid. Read again when it changes.
    pub secret_access_key_file: Option<PathBuf>,
    /// The region that must have been signed for; any when absent.
    pub region: Option<String>,
    /// What this caller may do.
    #[serde(default)]
    pub scopes: Permissions,
}

/// Certificate and key of the hook's own TLS.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct HookTlsConfig {
    /// Certificate chain, the server's own first. This and the other files are read again when they change.
    pub cert_file: PathBuf,
    /// Its private key.
    pub key_file: PathBuf,
    /// Authorities that sign client certificates; goes with `[hook.auth.client_certificate]`.
    pub client_ca_file: Option<PathBuf>,
}

/// How often one caller may call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RateConfig {
    /// Requests a second that a caller may keep up.
    pub per_second: u32,
    /// Requests that a caller may send at once after a rest.
    pub burst: u32,
}

/// Why `[hook.auth]` or `[hook.tls]` cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{setting}: {reason}")]
pub struct AuthConfigError {
    setting: String,
    reason: String,
}

impl AuthConfigError {
    pub(crate) fn new(setting: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { setting: setting.into(), reason: reason.into() }
    }
}

fn medplum() -> String {
    "medplum".to_owned()
}

fn algorithms() -> Vec<JwtAlgorithm> {
    vec![JwtAlgorithm::RS384, JwtAlgorithm::ES384, JwtAlgorithm::RS256]
}
