//! The sender against endpoints that behave and misbehave, over real sockets.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]
#![expect(clippy::disallowed_methods, reason = "a test stops its own tasks")]

mod acknowledgments;
mod endpoint;
mod harness;
mod losses;
mod messages;
mod outage;
mod phases;
mod queue_faults;
mod shutdown;
mod tls;
