//! The seam to a test server that can misbehave.

use std::fmt;

use serde::Serialize;

/// Fault control of a test server.
pub trait Faults: fmt::Debug + Send + Sync + 'static {
    /// What is in force and what was done.
    fn state(&self) -> FaultsState;

    /// Puts a scenario (TOML) in force.
    ///
    /// # Errors
    /// What is wrong with it; the old one stays.
    fn replace(&self, scenario: &str) -> Result<(), String>;
}

/// A scenario and what it did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FaultsState {
    /// The text that was put in force; empty for none.
    pub scenario: String,
    /// The last faults, newest first: what was done to which message.
    pub injected: Vec<serde_json::Value>,
}
