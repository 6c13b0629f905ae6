//! The hook over real HTTP, on memory backends that can be made to fail.
#![expect(clippy::unwrap_used, reason = "a failed expectation is how a test fails")]

mod authentication;
mod backfill;
mod canary;
mod durable;
mod faulty;
mod health;
mod history;
mod hook;
mod limits;
mod openapi;
mod park;
mod persistence;
mod pki;
mod read_back;
mod refusals;
mod replicas;
mod rows;
mod senders;
mod source;
mod versions;
