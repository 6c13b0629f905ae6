//! The usual verification of a server certificate, which also remembers whose certificate it was: an error
//! that names subject and expiry saves its reader a packet capture.

use std::cell::RefCell;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use crate::certificate::CertificateInfo;
use crate::error::TlsConfigError;

tokio::task_local! {
    /// The certificate seen by the handshake that runs in this scope. One verifier serves all connections (a
    /// new one would lose session resumption), so what it saw cannot be kept in the verifier.
    static SEEN: RefCell<Option<CertificateInfo>>;
}

/// Runs a handshake with a place for what the verifier sees; ask [`recorded`] inside it.
pub async fn with_record<F: Future>(handshake: F) -> F::Output {
    SEEN.scope(RefCell::new(None), handshake).await
}

/// The certificate that was verified in this scope.
pub fn recorded() -> Option<CertificateInfo> {
    SEEN.try_with(|seen| seen.borrow_mut().take()).ok().flatten()
}

#[derive(Debug)]
pub(crate) struct Recording(Arc<WebPkiServerVerifier>);

impl Recording {
    pub(crate) fn new(roots: RootCertStore, provider: Arc<CryptoProvider>) -> Result<Self, TlsConfigError> {
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .map(Self)
            .map_err(|error| TlsConfigError::NoAuthority(Some(error)))
    }
}

impl ServerCertVerifier for Recording {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified = self.0.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        if verified.is_err() {
            let info = CertificateInfo::from_der(end_entity);
            // Outside a scope there is nobody to tell.
            drop(SEEN.try_with(|seen| seen.replace(info)));
        }
        verified
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}
