//! The server over raw TCP and TLS.
#![expect(clippy::expect_used, clippy::unwrap_used, reason = "helpers of tests: a panic is a failed test")]
#![expect(clippy::disallowed_methods, reason = "tests spawn the other side of a conversation")]

mod admin;
mod batch;
mod codes;
mod durability;
#[path = "../../examples/fault_certificates.rs"]
#[expect(dead_code, reason = "an example that runs by itself, too")]
mod fault_certificates;
mod faults;
mod hostile;
mod process;
mod scenarios;
mod snapshots;
mod sut;
mod tls;
mod tls_faults;
