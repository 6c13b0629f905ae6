//! What a caller of a store can run into.

use std::error::Error as StdError;

/// Why a store did not do what it was asked.
///
/// No variant carries a key or a body: `Patient/{id}` names a person.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The backend did not answer, or refused for a reason that may pass. May be retried.
    #[error("message store is unavailable during {operation}")]
    Unavailable {
        /// What was tried, such as `put_current`.
        operation: &'static str,
        /// What the backend said.
        #[source]
        source: Box<dyn StdError + Send + Sync>,
    },
    /// No room left (disk or quota). May be retried once somebody has made room.
    #[error("message store is full")]
    Full,
    /// The record is not the one the caller has seen: read it again, then decide.
    #[error("the record changed since it was read")]
    Changed,
    /// Something is stored under the key that this crate did not write, or a disk has damaged it.
    #[error("a stored object is not readable: {reason}")]
    Corrupt {
        /// What is wrong with it, without any of its content.
        reason: &'static str,
    },
    /// The settings do not describe a usable store. Not worth a retry.
    #[error("message store settings: {reason}")]
    Config {
        /// The setting and what is wrong with it.
        reason: String,
    },
}

impl StoreError {
    /// Wraps a backend's error.
    pub(crate) fn unavailable(
        operation: &'static str,
        source: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        Self::Unavailable { operation, source: source.into() }
    }

    /// Whether the same call may succeed later without anything else being changed.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unavailable { .. } | Self::Full => true,
            Self::Changed | Self::Corrupt { .. } | Self::Config { .. } => false,
        }
    }
}

/// Why text cannot serve as a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKey {
    /// FHIR R4 §2.24.0.1 `id`: 1 to 64 of `A-Z a-z 0-9 - .`; `.` and `..` alone are refused as path steps.
    #[error("not a FHIR id")]
    PatientId,
    /// An ordering key is 1 to 128 visible ASCII characters.
    #[error("not an ordering key")]
    Ordering,
    /// Not a key of the `jobs/` family.
    #[error("not a key of a job")]
    Job,
    /// Not a key of the `refused/` family.
    #[error("not a key of a refused body")]
    Refused,
    /// Not a key of the `received/` family.
    #[error("not a key of a received message")]
    Received,
}
