//! What went wrong, by what the caller can do about it.

use std::io;

use credentials::CertificateInfo;
use rustls::{AlertDescription, CertificateError, InvalidMessage};

use crate::codec::CodecError;

/// Why a connection could not be made, or a frame not be sent or answered.
#[derive(Debug, thiserror::Error)]
pub enum MllpError {
    /// The host name has no address. Retry later; the name is resolved again each time.
    #[error("the endpoint's name cannot be resolved")]
    Resolve(#[source] io::Error),
    /// No address accepted the connection. Retry later.
    #[error("the endpoint cannot be reached")]
    Connect(#[source] io::Error),
    /// Nothing answered in time. Retry later.
    #[error("the endpoint did not accept a connection in time")]
    ConnectTimeout,
    /// TLS failed and will fail again until a certificate or a setting changes. Nothing was delivered.
    #[error("TLS: {cause}{}", describe(.certificate.as_deref()))]
    Tls {
        /// What is wrong.
        cause: TlsCause,
        /// The peer's certificate, when it sent one.
        certificate: Option<Box<CertificateInfo>>,
        /// The error of the TLS library.
        #[source]
        source: io::Error,
    },
    /// TLS did not finish in time: a stalled peer, or a plaintext port that waits for a frame. Retry later.
    #[error("the TLS handshake did not finish in time")]
    HandshakeTimeout,
    /// The frame cannot be sent or is larger than allowed. The message is to be refused.
    #[error("the message cannot be framed")]
    Unwritable(#[source] CodecError),
    /// The peer had gone, or had sent bytes nobody asked for, before a byte was written. Reconnect and send.
    #[error("the connection was no longer usable")]
    Stale,
    /// Writing failed. When `started`, the peer may or may not have the message.
    #[error("writing failed")]
    Write {
        /// Whether the first byte had been accepted by the socket.
        started: bool,
        /// The error of the socket.
        #[source]
        source: io::Error,
    },
    /// Writing took too long. When `started`, the peer may or may not have the message.
    #[error("writing did not finish in time")]
    WriteTimeout {
        /// Whether the first byte had been accepted by the socket.
        started: bool,
    },
    /// No reply in time. The peer may or may not have the message.
    #[error("no reply in time")]
    ReplyTimeout,
    /// The peer closed or reset the connection instead of replying. It may or may not have the message.
    #[error("the connection ended before a reply")]
    Closed(#[source] Option<io::Error>),
    /// What came back is not MLLP, or too large. The peer may or may not have the message.
    #[error("the reply is not a usable frame")]
    Reply(#[source] CodecError),
}

impl MllpError {
    /// Whether the peer may have received the message although no reply was read. Such a message must be sent
    /// again, byte for byte, on a new connection.
    pub fn is_ambiguous(&self) -> bool {
        match self {
            Self::Write { started, .. } | Self::WriteTimeout { started } => *started,
            Self::ReplyTimeout | Self::Closed(_) | Self::Reply(_) => true,
            Self::Resolve(_)
            | Self::Connect(_)
            | Self::ConnectTimeout
            | Self::Tls { .. }
            | Self::HandshakeTimeout
            | Self::Unwritable(_)
            | Self::Stale => false,
        }
    }

    /// Whether trying again is useless until a certificate or a setting changes, here or at the peer.
    pub fn needs_configuration(&self) -> bool {
        match self {
            Self::Tls { cause, .. } => !matches!(cause, TlsCause::Aborted),
            _ => false,
        }
    }

    /// TLS by its cause when the error holds one, else what `otherwise` makes of it.
    pub(crate) fn from_io(error: io::Error, otherwise: impl FnOnce(io::Error) -> Self) -> Self {
        match TlsCause::of(&error) {
            Some(cause) => Self::Tls { cause, certificate: None, source: error },
            None => otherwise(error),
        }
    }
}

/// What is wrong with TLS. "The peer" is the other side, whichever role we have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TlsCause {
    /// Renew the peer's certificate.
    #[error("the peer's certificate has expired")]
    Expired,
    /// Check the clocks, or wait.
    #[error("the peer's certificate is not valid yet")]
    NotYetValid,
    /// Set the server name to one that the certificate carries.
    #[error("the peer's certificate is for another name")]
    WrongName,
    /// Add the issuing authority to the trusted ones.
    #[error("the peer's certificate is signed by an unknown authority")]
    UnknownAuthority,
    /// The peer's certificate is not acceptable for another reason.
    #[error("the peer's certificate cannot be used")]
    BadCertificate,
    /// The side that must show a certificate has none: set a client certificate and key.
    #[error("a client certificate is required")]
    ClientCertificateRequired,
    /// The peer does not accept the certificate we show.
    #[error("the peer refused our certificate")]
    CertificateRefused,
    /// The peer does not speak TLS on this port.
    #[error("the peer does not speak TLS")]
    Plaintext,
    /// No common protocol version or cipher: the peer is older than TLS 1.2.
    #[error("no TLS version or cipher in common (1.2 and 1.3 are offered)")]
    Incompatible,
    /// The peer ended the connection in the middle of the handshake.
    #[error("the peer ended the handshake")]
    Aborted,
    /// Anything else that the TLS library refused.
    #[error("the handshake failed")]
    Other,
}

impl TlsCause {
    /// The cause inside an error of a TLS stream; `None` when it is not about TLS.
    pub fn of(error: &io::Error) -> Option<Self> {
        let inner = error.get_ref()?.downcast_ref::<rustls::Error>()?;
        Some(match inner {
            rustls::Error::InvalidCertificate(certificate) => Self::of_certificate(certificate),
            rustls::Error::NoCertificatesPresented => Self::ClientCertificateRequired,
            rustls::Error::AlertReceived(alert) => Self::of_alert(*alert),
            rustls::Error::PeerIncompatible(_) => Self::Incompatible,
            rustls::Error::InvalidMessage(
                InvalidMessage::InvalidContentType
                | InvalidMessage::UnknownProtocolVersion
                | InvalidMessage::MessageTooLarge
                | InvalidMessage::InvalidEmptyPayload,
            ) => Self::Plaintext,
            _ => Self::Other,
        })
    }

    fn of_certificate(error: &CertificateError) -> Self {
        match error {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => Self::Expired,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => Self::NotYetValid,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                Self::WrongName
            }
            CertificateError::UnknownIssuer | CertificateError::BadSignature => Self::UnknownAuthority,
            _ => Self::BadCertificate,
        }
    }

    fn of_alert(alert: AlertDescription) -> Self {
        match alert {
            AlertDescription::CertificateRequired | AlertDescription::NoCertificate => {
                Self::ClientCertificateRequired
            }
            AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::DecryptError
            | AlertDescription::AccessDenied => Self::CertificateRefused,
            AlertDescription::ProtocolVersion
            | AlertDescription::HandshakeFailure
            | AlertDescription::InsufficientSecurity => Self::Incompatible,
            AlertDescription::CloseNotify | AlertDescription::UserCanceled => Self::Aborted,
            _ => Self::Other,
        }
    }
}

fn describe(certificate: Option<&CertificateInfo>) -> String {
    certificate.map(|certificate| format!(" ({certificate})")).unwrap_or_default()
}
