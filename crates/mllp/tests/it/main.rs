//! The client and the server over real sockets, each also against raw bytes.
#![expect(clippy::expect_used, clippy::unwrap_used, reason = "helpers of tests: a panic is a failed test")]
#![expect(clippy::disallowed_methods, reason = "tests spawn the other side of a conversation")]

mod client;
mod listener;
mod pki;
mod reload;
mod server;
mod steps;
mod tls;
