//! End to end through the built binary: real HTTP, TLS, disk and signals.
#![expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "helpers of tests fail the test, and print what a reader of it wants to see"
)]

mod backfill;
mod benchmark;
mod bridge;
mod canary;
mod collector;
mod command_line;
mod concurrent_writers;
mod crash;
mod demonstration;
mod doctor;
mod endpoint_down;
mod exit_codes;
mod failures;
mod followed;
mod http;
mod looking;
mod metrics;
mod operator;
mod read_back;
mod sending;
mod shapes;
mod shutdown;
mod subscriptions;
mod traces;
