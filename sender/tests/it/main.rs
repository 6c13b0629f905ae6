//! The sender against endpoints that behave and misbehave, over real sockets.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod acknowledgments;
mod endpoint;
mod harness;
mod losses;
mod shutdown;
mod tls;
