//! Certificates made for one test, in a folder of its own.

use std::path::{Path, PathBuf};

use mllp::{ClientTlsConfig, ServerTlsConfig};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use tempfile::TempDir;

pub(crate) struct Pki {
    folder: TempDir,
    authority: Issuer<'static, KeyPair>,
}

/// A certificate to be made.
pub(crate) struct Leaf<'a> {
    pub(crate) names: &'a [&'a str],
    /// First and last year of its validity.
    pub(crate) years: (i32, i32),
}

pub(crate) const GOOD: Leaf<'_> = Leaf { names: &["localhost", "127.0.0.1"], years: (2020, 2090) };

impl Pki {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "Test CA");
        let certificate = params.self_signed(&key).expect("a certificate");
        std::fs::write(folder.path().join("ca.pem"), certificate.pem()).expect("a written file");
        Self { folder, authority: Issuer::new(params, key) }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes `{name}.pem` and `{name}.key`.
    pub(crate) fn issue(&self, name: &str, leaf: &Leaf<'_>) {
        let names: Vec<String> = leaf.names.iter().copied().map(str::to_owned).collect();
        let mut params = CertificateParams::new(names).expect("parameters");
        params.distinguished_name.push(DnType::CommonName, format!("Test {name}"));
        params.not_before = date_time_ymd(leaf.years.0, 1, 1);
        params.not_after = date_time_ymd(leaf.years.1, 1, 1);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.authority).expect("a certificate");
        std::fs::write(self.path(&format!("{name}.pem")), certificate.pem()).expect("a written file");
        std::fs::write(self.path(&format!("{name}.key")), key.serialize_pem()).expect("a written file");
    }

    pub(crate) fn server(&self, leaf: &Leaf<'_>) -> ServerTlsConfig {
        self.issue("server", leaf);
        ServerTlsConfig {
            cert_file: self.path("server.pem"),
            key_file: self.path("server.key"),
            client_ca_file: None,
        }
    }

    pub(crate) fn client(&self) -> ClientTlsConfig {
        ClientTlsConfig { enabled: true, ca_file: Some(self.path("ca.pem")), ..ClientTlsConfig::default() }
    }
}

pub(crate) fn copy(from: &Path, to: &Path) {
    std::fs::copy(from, to).expect("a copied file");
}
