//! What stops the server, and what makes it refuse a message.

use std::io;

use hl7v2::{Location, ParseError};

/// Why the server did not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address cannot be bound.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// `host:port`.
        address: String,
        /// Why.
        source: io::Error,
    },
    /// The TLS files cannot be used.
    #[error("receiver.tls: {0}")]
    Tls(#[from] mllp::TlsConfigError),
    /// The scenario cannot be used.
    #[error("receiver.faults.scenario: {0}")]
    Scenario(#[from] crate::ScenarioError),
    /// Fault control would be open to other machines.
    #[error("receiver.faults.admin must be a loopback address")]
    AdminNotLocal,
    /// The inspector cannot be opened.
    #[error("inspector: {reason}")]
    Inspector {
        /// Why.
        reason: String,
    },
    /// A TLS listener without certificate and key.
    #[error("a TLS listener needs receiver.tls")]
    NoTls,
}

/// Why a message is not accepted. Carries places, never values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error(transparent)]
    Unreadable(#[from] ParseError),
    #[error("the frame is over the limit")]
    TooLarge,
    /// Headers, trailers and counts of a batch do not fit together; nothing of it is stored.
    #[error("the batch is malformed")]
    MalformedBatch,
    #[error("the message type in MSH-9 is not supported")]
    MessageType,
    #[error("the trigger event in MSH-9 is not supported")]
    Event,
    #[error("the processing id in MSH-11 is not supported")]
    ProcessingId,
    #[error("the version in MSH-12 is not supported")]
    Version,
    #[error("{0} is required but empty")]
    Required(Location),
    #[error("{0} is not a logical id")]
    PatientId(Location),
    /// Another message with this control id is stored.
    #[error("the control id has been used for another message")]
    ControlIdReused,
    #[error("the message could not be stored")]
    NotStored,
}
