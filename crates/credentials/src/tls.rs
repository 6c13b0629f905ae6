//! TLS of both roles, from PEM files that may be replaced while running.
//!
//! TLS 1.2 and 1.3, the `aws_lc_rs` provider, session resumption on, early data off (a replayed frame would be
//! a duplicate). There is no switch that turns verification off.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustls::client::ResolvesClientCert;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, SignatureScheme};

use crate::certificate::CertificateInfo;
use crate::config::{ClientTlsConfig, ServerTlsConfig};
use crate::error::TlsConfigError;
use crate::reload::Reloader;

mod verify;

pub use verify::{recorded, with_record};

/// TLS of a client, for one endpoint.
#[derive(Debug, Clone)]
pub struct ClientTls {
    name: ServerName<'static>,
    files: Arc<Reloader<ClientFiles>>,
}

/// What the files of a client gave.
#[derive(Debug)]
pub struct ClientFiles {
    config: Arc<rustls::ClientConfig>,
    asked: Arc<AtomicBool>,
    /// Our own certificate.
    pub certificate: Option<CertificateInfo>,
}

/// TLS of a listener.
#[derive(Debug, Clone)]
pub struct ServerTls {
    files: Arc<Reloader<ServerFiles>>,
}

/// What the files of a listener gave.
#[derive(Debug)]
pub struct ServerFiles {
    config: Arc<rustls::ServerConfig>,
    /// Our own certificate.
    pub certificate: Option<CertificateInfo>,
}

impl ClientTls {
    /// Reads the files. `address` (`host:port`) gives the server name when the configuration has none.
    ///
    /// # Errors
    /// Names the file that cannot be used; see [`TlsConfigError`].
    pub fn new(config: &ClientTlsConfig, address: &str) -> Result<Self, TlsConfigError> {
        let host = config.server_name.as_deref().unwrap_or_else(|| host(address));
        let name = ServerName::try_from(host.to_owned()).map_err(|_| TlsConfigError::ServerName)?;
        let paths = [&config.ca_file, &config.cert_file, &config.key_file];
        let paths = paths.into_iter().flatten().cloned().collect();
        let config = config.clone();
        let files = Reloader::new(paths, move || client_files(&config))?;
        Ok(Self { name, files: Arc::new(files) })
    }

    /// The files in use, and the means to read them again.
    pub fn files(&self) -> &Reloader<ClientFiles> {
        &self.files
    }

    /// The name that the server's certificate must carry.
    pub fn name(&self) -> ServerName<'static> {
        self.name.clone()
    }
}

impl ClientFiles {
    /// For the TLS library.
    pub fn config(&self) -> &Arc<rustls::ClientConfig> {
        &self.config
    }

    /// Whether a server of this endpoint has asked for a certificate.
    pub fn asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }
}

impl ServerFiles {
    /// For the TLS library.
    pub fn config(&self) -> &Arc<rustls::ServerConfig> {
        &self.config
    }
}

/// What a listener's protocol adds to its files.
#[derive(Debug, Clone, Copy, Default)]
pub struct ServerTlsOptions {
    /// Lets a client without a certificate in, where `client_ca_file` is set; one that it does show must be good.
    pub client_certificate_optional: bool,
    /// Protocol names to agree on (ALPN, RFC 7301).
    pub protocols: &'static [&'static str],
}

impl ServerTls {
    /// Reads the files.
    ///
    /// # Errors
    /// Names the file that cannot be used; see [`TlsConfigError`].
    pub fn new(config: &ServerTlsConfig) -> Result<Self, TlsConfigError> {
        Self::with_options(config, ServerTlsOptions::default())
    }

    /// As [`new`](Self::new), for a protocol that has its own wishes.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_options(config: &ServerTlsConfig, options: ServerTlsOptions) -> Result<Self, TlsConfigError> {
        let mut paths = vec![config.cert_file.clone(), config.key_file.clone()];
        paths.extend(config.client_ca_file.clone());
        let config = config.clone();
        Ok(Self { files: Arc::new(Reloader::new(paths, move || server_files(&config, options))?) })
    }

    /// The files in use, and the means to read them again.
    pub fn files(&self) -> &Reloader<ServerFiles> {
        &self.files
    }
}

/// What a PEM file says of its certificates, in its order: a server's own first, then those that signed it.
///
/// # Errors
/// [`TlsConfigError::Unreadable`] and [`TlsConfigError::NoCertificate`]. A block that is no X.509 certificate is left
/// out.
pub fn certificate_chain(path: &Path) -> Result<Vec<CertificateInfo>, TlsConfigError> {
    Ok(certificates(path)?.iter().filter_map(CertificateInfo::from_der).collect())
}

fn client_files(config: &ClientTlsConfig) -> Result<ClientFiles, TlsConfigError> {
    let provider = provider();
    let roots = match &config.ca_file {
        Some(path) => authorities(path)?,
        None => system_authorities()?,
    };
    let verifier = verify::Recording::new(roots, Arc::clone(&provider))?;
    let pair = match (&config.cert_file, &config.key_file) {
        (None, None) => None,
        (Some(cert), Some(key)) => Some(pair(cert, key, &provider)?),
        (Some(_), None) | (None, Some(_)) => return Err(TlsConfigError::HalfPair),
    };
    let certificate = pair.as_ref().and_then(|pair| pair.cert.first()).and_then(CertificateInfo::from_der);
    let asked = Arc::new(AtomicBool::new(false));
    let resolver = ClientCertificate { pair: pair.map(Arc::new), asked: Arc::clone(&asked) };
    let verifier: Arc<dyn ServerCertVerifier> = Arc::new(verifier);
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
        .dangerous() // the verifier below checks everything: it is the usual one, and remembers what it saw
        .with_custom_certificate_verifier(verifier)
        .with_client_cert_resolver(Arc::new(resolver));
    Ok(ClientFiles { config: Arc::new(config), asked, certificate })
}

fn server_files(config: &ServerTlsConfig, options: ServerTlsOptions) -> Result<ServerFiles, TlsConfigError> {
    let provider = provider();
    let builder = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?;
    let builder = match &config.client_ca_file {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let roots = Arc::new(authorities(path)?);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(&provider));
            let verifier =
                if options.client_certificate_optional { verifier.allow_unauthenticated() } else { verifier };
            let verifier = verifier.build().map_err(|error| TlsConfigError::NoAuthority(Some(error)))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let pair = pair(&config.cert_file, &config.key_file, &provider)?;
    let certificate = pair.cert.first().and_then(CertificateInfo::from_der);
    let resolver = rustls::sign::SingleCertAndKey::from(pair);
    let mut config = builder.with_cert_resolver(Arc::new(resolver));
    config.alpn_protocols = options.protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    Ok(ServerFiles { config: Arc::new(config), certificate })
}

/// Shows our certificate, when there is one, and remembers that it was asked for.
#[derive(Debug)]
struct ClientCertificate {
    pair: Option<Arc<CertifiedKey>>,
    asked: Arc<AtomicBool>,
}

impl ResolvesClientCert for ClientCertificate {
    fn resolve(&self, _issuers: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.asked.store(true, Ordering::Relaxed);
        self.pair.clone()
    }

    fn has_certs(&self) -> bool {
        self.pair.is_some()
    }
}

/// Makes aws-lc-rs the provider of TLS clients in this process that bring none, once and for good. An HTTP client asks
/// for one even when it never speaks TLS.
pub fn install_provider() {
    // An error says that another call was first.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

fn authorities(path: &Path) -> Result<RootCertStore, TlsConfigError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate)?;
    }
    Ok(roots)
}

fn system_authorities() -> Result<RootCertStore, TlsConfigError> {
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if added == 0 { Err(TlsConfigError::NoAuthority(None)) } else { Ok(roots) }
}

fn pair(cert: &Path, key: &Path, provider: &CryptoProvider) -> Result<CertifiedKey, TlsConfigError> {
    let chain = certificates(cert)?;
    let der = PrivateKeyDer::from_pem_file(key).map_err(|error| unreadable(key, &error))?;
    CertifiedKey::from_der(chain, der, provider).map_err(|source| TlsConfigError::Pair {
        cert: cert.to_owned(),
        key: key.to_owned(),
        source,
    })
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsConfigError> {
    let certificates: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error| unreadable(path, &error))?;
    if certificates.is_empty() {
        return Err(TlsConfigError::NoCertificate { path: path.to_owned() });
    }
    Ok(certificates)
}

fn unreadable(path: &Path, error: &rustls::pki_types::pem::Error) -> TlsConfigError {
    use rustls::pki_types::pem::Error;
    // A PEM error may quote the file, which may be a private key: only its kind is told.
    let reason = match error {
        Error::Io(error) => error.to_string(),
        Error::NoItemsFound => "no PEM item of the expected kind".to_owned(),
        _ => "not valid PEM".to_owned(),
    };
    TlsConfigError::Unreadable { path: path.to_owned(), reason }
}

fn host(address: &str) -> &str {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    host.trim_start_matches('[').trim_end_matches(']')
}
