//! The server over raw TCP and TLS.
#![expect(clippy::expect_used, clippy::unwrap_used, reason = "helpers of tests: a panic is a failed test")]
#![expect(clippy::disallowed_methods, reason = "tests spawn the other side of a conversation")]

mod admin;
mod batch;
mod codes;
mod durability;
mod faults;
mod hostile;
mod snapshots;
mod sut;
mod tls;
