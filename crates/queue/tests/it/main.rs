//! Every backend against the contract, and what only the embedded queue promises.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod embedded;
mod memory;
mod sqs;
