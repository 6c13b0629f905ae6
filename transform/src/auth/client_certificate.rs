//! Client certificates: which of those that our authorities signed are callers.

use credentials::CertificateInfo;

use super::{
    AuthError, Principal,
    config::{AuthConfigError, ClientCertificateConfig},
};

/// One caller and how its certificate is recognised.
#[derive(Debug)]
pub(super) struct KnownCertificate {
    principal: Principal,
    mark: Mark,
}

#[derive(Debug)]
enum Mark {
    Subject(String),
    Dns(String),
    Uri(String),
}

impl KnownCertificate {
    pub(super) fn new(name: &str, config: &ClientCertificateConfig) -> Result<Self, AuthConfigError> {
        let mark = match (&config.subject, &config.dns, &config.uri) {
            (Some(subject), None, None) => Mark::Subject(subject.clone()),
            (None, Some(dns), None) => Mark::Dns(dns.clone()),
            (None, None, Some(uri)) => Mark::Uri(uri.clone()),
            _ => {
                let setting = format!("hook.auth.client_certificate.{name}");
                return Err(AuthConfigError::new(setting, "needs one of subject, dns and uri"));
            }
        };
        Ok(Self { principal: Principal::new(name, config.scopes), mark })
    }

    fn is(&self, certificate: &CertificateInfo) -> bool {
        match &self.mark {
            Mark::Subject(subject) => *subject == certificate.subject,
            Mark::Dns(dns) => certificate.dns_names.iter().any(|name| name.eq_ignore_ascii_case(dns)),
            Mark::Uri(uri) => certificate.uris.contains(uri),
        }
    }
}

/// Whose certificate this is; TLS has verified it already.
pub(super) fn principal(
    known: &[KnownCertificate],
    certificate: &CertificateInfo,
) -> Result<Principal, AuthError> {
    match known.iter().find(|known| known.is(certificate)) {
        Some(known) => Ok(known.principal.clone()),
        None => {
            tracing::info!(subject = certificate.subject, "no caller is configured for this certificate");
            Err(AuthError::Invalid("client certificate is nobody's"))
        }
    }
}
