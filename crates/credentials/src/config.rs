//! Which files: paths only, so that a configuration holds no secret.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// TLS of a client. Files are PEM and are read again when they change.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClientTlsConfig {
    /// Whether to use TLS at all.
    pub enabled: bool,
    /// Certificates of the authorities to trust; the system's when absent.
    pub ca_file: Option<PathBuf>,
    /// Name (or IP address) that the peer's certificate must carry; the host of the address when absent.
    pub server_name: Option<String>,
    /// Our own certificate chain, when the endpoint asks for one. Goes with `key_file`.
    pub cert_file: Option<PathBuf>,
    /// Our own private key. Goes with `cert_file`.
    pub key_file: Option<PathBuf>,
}

/// TLS of a listener. Files are PEM and are read again when they change.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ServerTlsConfig {
    /// Certificate chain, the server's own first.
    pub cert_file: PathBuf,
    /// Its private key.
    pub key_file: PathBuf,
    /// When set, a client must show a certificate signed by one of these authorities.
    #[serde(default)]
    pub client_ca_file: Option<PathBuf>,
}
