//! The contract on every backend, and what only the directory store has to show.
#![expect(clippy::unwrap_used, reason = "a failed expectation is how a test fails")]

mod contract;
mod crash;
mod directory;
