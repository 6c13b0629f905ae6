//! What can be made to go wrong.

use std::time::Duration;

/// A fault for calls of one operation.
#[derive(Debug, Clone, Copy)]
pub struct Fault {
    /// Name of the operation: `SendMessage`, `PutObject`; `*` for all.
    pub operation: &'static str,
    /// How many calls; `None` until [`AwsStub::heal`](super::AwsStub::heal).
    pub times: Option<u64>,
    /// What happens to them.
    pub kind: FaultKind,
}

/// What happens to a call.
#[derive(Debug, Clone, Copy)]
pub enum FaultKind {
    /// This HTTP status with this error code; nothing is done.
    Status(u16, &'static str),
    /// No answer; nothing is done.
    Hang,
    /// Done and answered, this much later.
    Slow(Duration),
    /// The connection is reset; nothing is done.
    ResetBefore,
    /// Done, and the connection is reset instead of the answer.
    ResetAfter,
    /// Every entry of a batch fails with this code; nothing is done.
    FailEntries(&'static str),
    /// A receipt handle is answered as expired; nothing is done.
    ExpiredReceipt,
}

impl Fault {
    /// For all calls until healed.
    pub fn always(operation: &'static str, kind: FaultKind) -> Self {
        Self { operation, times: None, kind }
    }

    /// For the next calls.
    pub fn times(times: u64, operation: &'static str, kind: FaultKind) -> Self {
        Self { operation, times: Some(times), kind }
    }
}
