//! Why files cannot be used.

use std::path::PathBuf;

/// Why TLS files cannot be used. The text names the file and the setting to look at.
#[derive(Debug, thiserror::Error)]
pub enum TlsConfigError {
    /// The file cannot be read, or is not PEM.
    #[error("cannot read {}: {reason}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why, without content.
        reason: String,
    },
    /// The file holds no certificate.
    #[error("{} holds no certificate", path.display())]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// The private key does not belong to the certificate, or one of them cannot be used.
    #[error("{} and {} cannot be used together", cert.display(), key.display())]
    Pair {
        /// The certificate file.
        cert: PathBuf,
        /// The key file.
        key: PathBuf,
        /// The error of the TLS library.
        #[source]
        source: rustls::Error,
    },
    /// Only one of `cert_file` and `key_file` is set.
    #[error("cert_file and key_file go together")]
    HalfPair,
    /// No authority to trust.
    #[error("no usable certificate authority")]
    NoAuthority(#[source] Option<rustls::server::VerifierBuilderError>),
    /// The server name is neither a DNS name nor an IP address.
    #[error("server_name is neither a host name nor an IP address")]
    ServerName,
    /// The TLS library refused the settings.
    #[error("TLS settings cannot be used")]
    Library(#[from] rustls::Error),
}
