//! Keys: which bytes belong to which message or patient.

use std::fmt;

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use crate::InvalidKey;

/// A patient's logical id, checked to be a FHIR id.
///
/// `Debug` hides it: the id names a person.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PatientKey(String);

impl PatientKey {
    /// Takes `[A-Za-z0-9\-.]{1,64}` (FHIR R4 `id`), except `.` and `..`, which are steps of a path.
    ///
    /// # Errors
    /// [`InvalidKey::PatientId`].
    pub fn new(id: &str) -> Result<Self, InvalidKey> {
        let known = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
        let valid = (1..=64).contains(&id.len()) && id.bytes().all(known) && id != "." && id != "..";
        if valid { Ok(Self(id.to_owned())) } else { Err(InvalidKey::PatientId) }
    }

    /// The logical id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.0
    }

    /// `Patient/{id}`, where the current message is read and written.
    #[must_use]
    pub fn current(&self) -> String {
        format!("Patient/{}", self.0)
    }

    /// `accepted/<sha256 of id, hex>`, the record of the last accepted message.
    #[must_use]
    pub fn accepted(&self) -> String {
        format!("accepted/{}", self.digest())
    }

    /// SHA-256 of the id in lower case hex: a stand-in for the id where a person must not be named.
    #[must_use]
    pub fn digest(&self) -> String {
        HEXLOWER.encode(&Sha256::digest(self.0.as_bytes()))
    }
}

impl fmt::Debug for PatientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PatientKey").field("length", &self.0.len()).finish_non_exhaustive()
    }
}

/// The identity of a received message: `received/…`.
///
/// A control id in the form this project mints (20 characters of base32) stands as it is. Any other MSH-10 may
/// hold anything, a name too, and is replaced by a hash of sender and control id.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ReceivedKey(String);

impl ReceivedKey {
    /// `source` tells senders apart that number their messages alike (MSH-3 and MSH-4, as they stand).
    #[must_use]
    pub fn new(source: &str, control_id: &str) -> Self {
        let own = control_id.len() == 20
            && control_id.bytes().all(|byte| byte.is_ascii_uppercase() || (b'2'..=b'7').contains(&byte));
        if own {
            return Self(format!("{RECEIVED}{control_id}"));
        }
        let mut hash = Sha256::new();
        hash.update(u64::try_from(source.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(source.as_bytes());
        hash.update(control_id.as_bytes());
        Self(format!("{RECEIVED}sha256-{}", HEXLOWER.encode(&hash.finalize())))
    }

    /// Reads a key as a listing gave it.
    ///
    /// # Errors
    /// [`InvalidKey::Received`] when it is not of this family.
    pub fn parse(key: &str) -> Result<Self, InvalidKey> {
        let name = key.strip_prefix(RECEIVED).ok_or(InvalidKey::Received)?;
        let known = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if (1..=128).contains(&name.len()) && name.bytes().all(known) {
            Ok(Self(key.to_owned()))
        } else {
            Err(InvalidKey::Received)
        }
    }

    /// The whole key, with `received/`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The key without `received/`: our own control id, or `sha256-…`.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.strip_prefix(RECEIVED).unwrap_or(&self.0)
    }
}

/// Says which of two messages of one patient is newer: keys compare as bytes.
///
/// The caller makes them comparable, for example as UTC time stamps of one width. They stand in object metadata
/// and may be logged: no personal data.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderingKey(String);

impl OrderingKey {
    /// Takes 1 to 128 visible ASCII characters.
    ///
    /// # Errors
    /// [`InvalidKey::Ordering`].
    pub fn new(key: impl Into<String>) -> Result<Self, InvalidKey> {
        let key = key.into();
        let valid = (1..=128).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
        if valid { Ok(Self(key)) } else { Err(InvalidKey::Ordering) }
    }

    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// SHA-256 of a body, lower case hex.
pub(crate) fn content_hash(body: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(body))
}

pub(crate) const RECEIVED: &str = "received/";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_fhir_ids_and_nothing_else() {
        for id in ["p-204", "A.b-9", "...", "7f2c1b1e-5a6d-4c53-9a0a-0d8f7b6b1c11", &"x".repeat(64)] {
            assert!(PatientKey::new(id).is_ok(), "{id}");
        }
        for id in ["", ".", "..", "a/b", "../x", "a b", "ä", "a\0", "a_b", &"x".repeat(65)] {
            assert_eq!(PatientKey::new(id), Err(InvalidKey::PatientId), "{id}");
        }
    }

    #[test]
    fn hides_the_id_in_debug_and_in_the_accepted_key() {
        let key = PatientKey::new("very-private").unwrap();
        assert!(!format!("{key:?}").contains("private"));
        assert!(!key.accepted().contains("private"));
        assert_eq!(key.current(), "Patient/very-private");
    }

    #[test]
    fn keeps_our_own_control_ids_and_hashes_foreign_ones() {
        assert_eq!(ReceivedKey::new("X|Y", "WZOTS3ABLMXMEJW2IRGX").as_str(), "received/WZOTS3ABLMXMEJW2IRGX");
        let foreign = ReceivedKey::new("X|Y", "SMITH^JOHN");
        assert!(foreign.as_str().starts_with("received/sha256-") && !foreign.as_str().contains("SMITH"));
        assert_ne!(foreign, ReceivedKey::new("X|Z", "SMITH^JOHN"));
        assert_eq!(ReceivedKey::parse(foreign.as_str()), Ok(foreign));
        assert_eq!(ReceivedKey::parse("received/../Patient/x"), Err(InvalidKey::Received));
        assert_eq!(ReceivedKey::parse("Patient/x"), Err(InvalidKey::Received));
    }

    #[test]
    fn orders_by_bytes_and_refuses_what_no_header_can_hold() {
        assert!(OrderingKey::new("2024-03-01").unwrap() < OrderingKey::new("2024-03-02").unwrap());
        for key in ["", "a b", "a\n", "ä", &"x".repeat(129)] {
            assert_eq!(OrderingKey::new(key), Err(InvalidKey::Ordering));
        }
    }
}
