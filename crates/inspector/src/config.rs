//! The `[inspector]` section.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The settings of `[inspector]` with their defaults and what they mean, as TOML.
pub const MANUAL: &str = include_str!("inspector.toml");

/// Where the inspector listens and what it keeps.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Loopback address of pages and API; none: no inspector.
    pub listen: Option<SocketAddr>,
    /// The index, a SQLite file that can be rebuilt from the store at any time; none: in memory.
    pub index: Option<PathBuf>,
    /// The file that holds the token for changes, made where there is none; without it nobody can make any. `adt-bridge`
    /// keeps its own.
    pub token_file: Option<PathBuf>,
    /// Whether values of patients are hidden until somebody asks for them.
    pub mask: Option<bool>,
    /// Messages in the index; the oldest go first. The store keeps its own.
    pub keep_messages: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self { listen: None, index: None, token_file: None, mask: None, keep_messages: 200_000 }
    }
}
