//! Certificates made for one test, in a folder of its own.

use std::path::PathBuf;

use credentials::{ClientTls, ClientTlsConfig};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType};
use tempfile::TempDir;
use transform::HookTlsConfig;

pub(crate) struct Pki {
    folder: TempDir,
    authority: Issuer<'static, KeyPair>,
}

impl Pki {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "Test CA");
        std::fs::write(folder.path().join("ca.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
        Self { folder, authority: Issuer::new(params, key) }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes `{name}.pem` and `{name}.key`: subject `CN={name}`, host names localhost and `{name}.example.org`.
    pub(crate) fn issue(&self, name: &str) {
        let hosts = vec!["localhost".to_owned(), format!("{name}.example.org")];
        let mut params = CertificateParams::new(hosts).unwrap();
        let uri = format!("spiffe://example.org/{name}");
        params.subject_alt_names.push(SanType::URI(uri.try_into().unwrap()));
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.authority).unwrap();
        std::fs::write(self.path(&format!("{name}.key")), key.serialize_pem()).unwrap();
        std::fs::write(self.path(&format!("{name}.pem")), certificate.pem()).unwrap();
    }

    pub(crate) fn server(&self) -> HookTlsConfig {
        self.issue("server");
        HookTlsConfig {
            cert_file: self.path("server.pem"),
            key_file: self.path("server.key"),
            client_ca_file: Some(self.path("ca.pem")),
        }
    }

    /// A client that trusts this authority and shows the certificate of that name.
    pub(crate) fn client(&self, name: Option<&str>) -> reqwest::Client {
        let config = ClientTlsConfig {
            enabled: true,
            ca_file: Some(self.path("ca.pem")),
            server_name: None,
            cert_file: name.map(|name| self.path(&format!("{name}.pem"))),
            key_file: name.map(|name| self.path(&format!("{name}.key"))),
        };
        let tls = ClientTls::new(&config, "localhost:0").unwrap();
        let config = (**tls.files().current().config()).clone();
        reqwest::Client::builder().no_proxy().use_preconfigured_tls(config).build().unwrap()
    }
}
