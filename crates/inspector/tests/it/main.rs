//! The API over real HTTP: who may ask, what is answered, and that the description is the truth.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "helpers of tests fail the test, and a test may spawn"
)]

mod access;
mod api;
mod sut;
