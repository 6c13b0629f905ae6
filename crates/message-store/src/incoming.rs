//! A message as it came from the wire, with what it says of whom.

use std::fmt;

use bytes::Bytes;

use crate::{OrderingKey, PatientKey, ReceivedKey};

/// What [`put_incoming`](crate::MessageStore::put_incoming) stores. `Debug` hides the bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Incoming {
    /// The identity of the message.
    pub received: ReceivedKey,
    /// The bytes as they came.
    pub body: Bytes,
    /// What becomes current by it; `None` when the message says nothing of a patient.
    pub current: Option<NewCurrent>,
}

/// A candidate for the current message of some patients.
#[derive(Clone, PartialEq, Eq)]
pub struct NewCurrent {
    /// Whose current message it becomes.
    pub patients: Vec<PatientKey>,
    /// How new it is.
    pub order: OrderingKey,
    /// The message in UTF-8.
    pub text: Bytes,
}

impl fmt::Debug for Incoming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Incoming")
            .field("received", &self.received)
            .field("size_bytes", &self.body.len())
            .field("current", &self.current)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for NewCurrent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewCurrent")
            .field("patients", &self.patients.len())
            .field("order", &self.order)
            .field("size_bytes", &self.text.len())
            .finish_non_exhaustive()
    }
}
