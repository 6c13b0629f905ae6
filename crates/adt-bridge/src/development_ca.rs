//! Certificates for this machine: an authority made on first start, and a server certificate signed by it.
//!
//! The authority may sign for loopback names only (X.509 name constraints), so that trusting it elsewhere by
//! mistake gives nobody a name that matters.
//!
//! ```text
//! tls/ca.pem          what a client trusts        tls/ca-key.pem      0600
//! tls/server.pem      what the test server shows  tls/server-key.pem  0600
//! ```

use std::{
    fs,
    io::{self, Write as _},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DnType, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, NameConstraints,
};
use rustls::pki_types::{CertificateDer, pem::PemObject as _};

/// The files of one machine's development certificates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DevelopmentCa {
    pub(crate) ca_file: PathBuf,
    ca_key_file: PathBuf,
    pub(crate) cert_file: PathBuf,
    pub(crate) key_file: PathBuf,
}

/// What [`DevelopmentCa::ensure`] had to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Made {
    Nothing,
    ServerCertificate,
    Everything,
}

/// Why there are no certificates.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DevelopmentCaError {
    #[error("cannot write {path}")]
    Write { path: PathBuf, source: io::Error },
    #[error("cannot make a certificate")]
    Certificate(#[from] rcgen::Error),
}

impl DevelopmentCa {
    /// The files below `folder`, which need not exist yet.
    pub(crate) fn in_folder(folder: &Path) -> Self {
        Self {
            ca_file: folder.join("ca.pem"),
            ca_key_file: folder.join("ca-key.pem"),
            cert_file: folder.join("server.pem"),
            key_file: folder.join("server-key.pem"),
        }
    }

    /// What a client needs to trust the server.
    pub(crate) fn client(&self) -> mllp::ClientTlsConfig {
        mllp::ClientTlsConfig { enabled: true, ca_file: Some(self.ca_file.clone()), ..Default::default() }
    }

    /// What the server shows.
    pub(crate) fn server(&self) -> mllp::ServerTlsConfig {
        mllp::ServerTlsConfig {
            cert_file: self.cert_file.clone(),
            key_file: self.key_file.clone(),
            client_ca_file: None,
        }
    }

    /// Makes what is missing, unreadable or within [`RENEW_BEFORE`] of its end.
    pub(crate) fn ensure(&self, now: SystemTime) -> Result<Made, DevelopmentCaError> {
        let authority = if lasts(&self.ca_file, now) { self.read_authority() } else { None };
        if authority.is_some() && lasts(&self.cert_file, now) && self.key_file.exists() {
            return Ok(Made::Nothing);
        }
        let made = if authority.is_some() { Made::ServerCertificate } else { Made::Everything };
        let authority = match authority {
            Some(authority) => authority,
            None => self.make_authority(now)?,
        };
        self.make_server(&authority, now)?;
        Ok(made)
    }

    fn read_authority(&self) -> Option<Issuer<'static, KeyPair>> {
        let key = KeyPair::from_pem(&fs::read_to_string(&self.ca_key_file).ok()?).ok()?;
        Issuer::from_ca_cert_pem(&fs::read_to_string(&self.ca_file).ok()?, key).ok()
    }

    fn make_authority(&self, now: SystemTime) -> Result<Issuer<'static, KeyPair>, DevelopmentCaError> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "adt-bridge development CA, this machine only");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.name_constraints = Some(NameConstraints {
            permitted_subtrees: vec![
                GeneralSubtree::DnsName("localhost".to_owned()),
                GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(
                    Ipv4Addr::new(127, 0, 0, 0).into(),
                    8,
                )),
                GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(Ipv6Addr::LOCALHOST.into(), 128)),
            ],
            excluded_subtrees: Vec::new(),
        });
        set_validity(&mut params, now, CA_DAYS);
        let key = KeyPair::generate()?;
        write(&self.ca_key_file, &key.serialize_pem())?;
        write(&self.ca_file, &params.self_signed(&key)?.pem())?;
        Ok(Issuer::new(params, key))
    }

    fn make_server(
        &self,
        authority: &Issuer<'_, KeyPair>,
        now: SystemTime,
    ) -> Result<(), DevelopmentCaError> {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()])?;
        for address in [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)] {
            params.subject_alt_names.push(rcgen::SanType::IpAddress(address));
        }
        params.distinguished_name.push(DnType::CommonName, "adt-bridge test HL7 server");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.insert_extended_key_usage(ExtendedKeyUsagePurpose::ServerAuth);
        params.use_authority_key_identifier_extension = true;
        set_validity(&mut params, now, SERVER_DAYS);
        let key = KeyPair::generate()?;
        write(&self.key_file, &key.serialize_pem())?;
        write(&self.cert_file, &params.signed_by(&key, authority)?.pem())
    }
}

/// Whether the file holds a certificate that is valid now and for a while.
fn lasts(path: &Path, now: SystemTime) -> bool {
    CertificateDer::from_pem_file(path)
        .ok()
        .and_then(|der| mllp::CertificateInfo::from_der(&der))
        .is_some_and(|info| info.not_before <= now && now + RENEW_BEFORE < info.not_after)
}

/// Valid from a day ago (clocks differ) for `days` from now.
fn set_validity(params: &mut CertificateParams, now: SystemTime, days: u32) {
    let since_epoch = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    params.not_before = epoch + since_epoch.saturating_sub(DAY);
    params.not_after = epoch + since_epoch + DAY * days;
}

/// Writes beside the file and renames, so that a reader never sees half of it. Mode 0600.
fn write(path: &Path, text: &str) -> Result<(), DevelopmentCaError> {
    let failed = |source| DevelopmentCaError::Write { path: path.to_owned(), source };
    if let Some(folder) = path.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
    }
    let beside = path.with_extension("new");
    let written = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&beside)
        .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()));
    written.and_then(|()| fs::rename(&beside, path)).map_err(failed)
}

const DAY: Duration = Duration::from_secs(86_400);
const CA_DAYS: u32 = 3650;
const SERVER_DAYS: u32 = 90;
/// A start within this time of the end makes a new certificate.
const RENEW_BEFORE: Duration = Duration::from_secs(7 * 86_400);

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn folder() -> (tempfile::TempDir, DevelopmentCa) {
        let folder = tempfile::tempdir().unwrap();
        let ca = DevelopmentCa::in_folder(&folder.path().join("tls"));
        (folder, ca)
    }

    #[test]
    fn makes_everything_once() {
        let (_folder, ca) = folder();
        let now = SystemTime::now();
        assert_eq!(ca.ensure(now).unwrap(), Made::Everything);
        let before = fs::read(&ca.cert_file).unwrap();
        assert_eq!(ca.ensure(now).unwrap(), Made::Nothing);
        assert_eq!(fs::read(&ca.cert_file).unwrap(), before);
    }

    #[test]
    fn keeps_keys_to_the_owner() {
        let (_folder, ca) = folder();
        ca.ensure(SystemTime::now()).unwrap();
        for file in [&ca.ca_key_file, &ca.key_file] {
            assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
        }
        let folder = ca.ca_file.parent().unwrap();
        assert_eq!(fs::metadata(folder).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn renews_the_server_certificate_before_its_end_under_the_same_authority() {
        let (_folder, ca) = folder();
        let now = SystemTime::now();
        ca.ensure(now).unwrap();
        let authority = fs::read(&ca.ca_file).unwrap();
        assert_eq!(ca.ensure(now + DAY * 80).unwrap(), Made::Nothing);
        assert_eq!(ca.ensure(now + DAY * 84).unwrap(), Made::ServerCertificate);
        assert_eq!(fs::read(&ca.ca_file).unwrap(), authority);
        assert_eq!(ca.ensure(now + DAY * 84).unwrap(), Made::Nothing);
    }

    #[test]
    fn starts_over_when_the_authority_ends_or_is_damaged() {
        let (_folder, ca) = folder();
        let now = SystemTime::now();
        ca.ensure(now).unwrap();
        assert_eq!(ca.ensure(now + DAY * (CA_DAYS + 1)).unwrap(), Made::Everything);
        fs::write(&ca.ca_key_file, "not a key").unwrap();
        assert_eq!(ca.ensure(now + DAY * (CA_DAYS + 1)).unwrap(), Made::Everything);
    }

    #[test]
    fn the_files_are_what_mllp_reads() {
        let (_folder, ca) = folder();
        ca.ensure(SystemTime::now()).unwrap();
        assert!(mllp::ClientTls::new(&ca.client(), "127.0.0.1:2575").is_ok());
        assert!(mllp::ServerTls::new(&ca.server()).is_ok());
    }
}
