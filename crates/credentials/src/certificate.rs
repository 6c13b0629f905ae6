//! What an error or a metric says about a certificate.

use std::fmt;
use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::pki_types::CertificateDer;
use x509_parser::prelude::{ASN1Time, FromDer, GeneralName, X509Certificate};

/// Subject, issuer and validity of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateInfo {
    /// Distinguished name of the holder.
    pub subject: String,
    /// Distinguished name of the authority that signed it.
    pub issuer: String,
    /// Start of the validity.
    pub not_before: SystemTime,
    /// End of the validity.
    pub not_after: SystemTime,
    /// Host names of the holder (subject alternative names of type DNS).
    pub dns_names: Vec<String>,
    /// Addresses of the holder (subject alternative names of type IP address).
    pub ip_addresses: Vec<IpAddr>,
    /// URIs of the holder (subject alternative names of type URI), such as a SPIFFE id.
    pub uris: Vec<String>,
}

impl CertificateInfo {
    /// Reads an X.509 certificate; `None` when it is not one.
    pub fn from_der(der: &CertificateDer<'_>) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let validity = certificate.validity();
        Some(Self {
            subject: certificate.subject().to_string(),
            issuer: certificate.issuer().to_string(),
            not_before: system_time(validity.not_before),
            not_after: system_time(validity.not_after),
            dns_names: names(&certificate, |name| match name {
                GeneralName::DNSName(name) => Some((*name).to_owned()),
                _ => None,
            }),
            ip_addresses: names(&certificate, |name| match name {
                GeneralName::IPAddress(bytes) => address(bytes),
                _ => None,
            }),
            uris: names(&certificate, |name| match name {
                GeneralName::URI(uri) => Some((*uri).to_owned()),
                _ => None,
            }),
        })
    }
}

impl fmt::Display for CertificateInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { subject, issuer, .. } = self;
        write!(f, "subject \"{subject}\", issuer \"{issuer}\", valid ")?;
        write!(f, "{} to {}", display(self.not_before), display(self.not_after))
    }
}

/// Subject alternative names of one kind; none when the extension is missing or broken.
fn names<'c, T>(
    certificate: &'c X509Certificate<'c>,
    kind: impl Fn(&GeneralName<'c>) -> Option<T>,
) -> Vec<T> {
    let extension = certificate.subject_alternative_name().ok().flatten();
    let names = extension.map(|extension| &extension.value.general_names);
    names.into_iter().flatten().filter_map(kind).collect()
}

/// Four or sixteen bytes, in the order of the network.
fn address(bytes: &[u8]) -> Option<IpAddr> {
    <[u8; 4]>::try_from(bytes)
        .map(IpAddr::from)
        .or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from))
        .ok()
}

fn system_time(time: ASN1Time) -> SystemTime {
    match u64::try_from(time.timestamp()) {
        Ok(seconds) => UNIX_EPOCH + Duration::from_secs(seconds),
        Err(_) => UNIX_EPOCH,
    }
}

fn display(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    i64::try_from(seconds)
        .ok()
        .and_then(|seconds| ASN1Time::from_timestamp(seconds).ok())
        .map_or_else(|| "?".to_owned(), |time| time.to_string())
}
