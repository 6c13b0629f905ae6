//! What the secret holds.

use std::{fmt, time::SystemTime};

use credentials::CertificateInfo;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use serde::Deserialize;

/// One part of the secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Certificates of the authorities to trust.
    Ca,
    /// Our own certificate chain.
    Certificate,
    /// Its private key.
    Key,
}

impl Kind {
    /// Its key in the JSON, and its file's name without `.pem`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ca => "ca",
            Self::Certificate => "certificate",
            Self::Key => "key",
        }
    }
}

/// The value of the secret: a JSON object whose values are PEM.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Value {
    ca: Option<String>,
    certificate: Option<String>,
    key: Option<String>,
}

/// Why a value cannot be used. Never repeats any of it.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// Not the JSON that it has to be.
    #[error("the secret is not a JSON object of \"ca\", \"certificate\" and \"key\" with text values")]
    Shape,
    /// Nothing in it.
    #[error("the secret has neither \"ca\" nor \"certificate\"")]
    Empty,
    /// One half of a pair.
    #[error("\"certificate\" and \"key\" go together, one of them is missing")]
    HalfPair,
    /// A value that is not what its key says.
    #[error("\"{0}\" is not PEM of that kind")]
    NotPem(&'static str),
    /// The key belongs to another certificate.
    #[error("\"key\" is not the key of \"certificate\"")]
    Mismatch,
}

impl Value {
    /// Reads and checks the whole value.
    ///
    /// # Errors
    /// The first thing wrong with it.
    pub fn read(text: &str) -> Result<Self, ValueError> {
        let value: Self = serde_json::from_str(text).map_err(|_| ValueError::Shape)?;
        if value.ca.is_none() && value.certificate.is_none() {
            return Err(ValueError::Empty);
        }
        if let Some(ca) = &value.ca {
            chain(Kind::Ca, ca)?;
        }
        match (&value.certificate, &value.key) {
            (None, None) => {}
            (Some(certificate), Some(key)) => {
                let key = PrivateKeyDer::from_pem_slice(key.as_bytes())
                    .map_err(|_| ValueError::NotPem(Kind::Key.as_str()))?;
                let provider = rustls::crypto::aws_lc_rs::default_provider();
                rustls::sign::CertifiedKey::from_der(chain(Kind::Certificate, certificate)?, key, &provider)
                    .map_err(|_| ValueError::Mismatch)?;
            }
            _ => return Err(ValueError::HalfPair),
        }
        Ok(value)
    }

    /// The parts that are there.
    pub fn parts(&self) -> impl Iterator<Item = (Kind, &str)> {
        [(Kind::Ca, &self.ca), (Kind::Key, &self.key), (Kind::Certificate, &self.certificate)]
            .into_iter()
            .filter_map(|(kind, part)| Some((kind, part.as_deref()?)))
    }

    /// When the first certificate of each chain expires.
    pub fn expiries(&self) -> impl Iterator<Item = (Kind, SystemTime)> {
        self.parts().filter(|(kind, _)| *kind != Kind::Key).filter_map(|(kind, pem)| {
            let chain = chain(kind, pem).ok()?;
            Some((kind, chain.iter().filter_map(CertificateInfo::from_der).map(|info| info.not_after).min()?))
        })
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.parts().map(|(kind, _)| kind)).finish()
    }
}

/// At least one certificate, each of them X.509.
fn chain(kind: Kind, pem: &str) -> Result<Vec<CertificateDer<'static>>, ValueError> {
    let wrong = || ValueError::NotPem(kind.as_str());
    let chain: Vec<_> =
        CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<_, _>>().map_err(|_| wrong())?;
    if chain.is_empty() || chain.iter().any(|one| CertificateInfo::from_der(one).is_none()) {
        return Err(wrong());
    }
    Ok(chain)
}
