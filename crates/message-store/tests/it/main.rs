//! The contract on every backend, and what a store on this machine has to show besides.
#![expect(clippy::unwrap_used, reason = "a failed expectation is how a test fails")]

mod contract;
mod crash;
mod directory;
mod embedded;
