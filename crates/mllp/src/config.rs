//! The settings of both roles: integers, with the unit in the name.

use credentials::ClientTlsConfig;
use serde::{Deserialize, Serialize};

use crate::codec::{DEFAULT_MAX_FRAME_BYTES, Trailer};

/// How to reach an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClientConfig {
    /// `host:port`; the name is resolved again for every connection.
    pub address: String,
    /// For the name lookup, and again for each address it gives.
    pub connect_timeout_seconds: u64,
    /// For the TLS handshake.
    pub handshake_timeout_seconds: u64,
    /// For one frame.
    pub write_timeout_seconds: u64,
    /// From the last byte of a frame to its reply; also `TCP_USER_TIMEOUT`.
    pub acknowledgment_timeout_seconds: u64,
    /// Largest reply that is read.
    pub max_acknowledgment_bytes: usize,
    /// Which ends of a block are accepted in replies.
    pub trailer: Trailer,
    /// TLS; plain TCP when not enabled.
    pub tls: ClientTlsConfig,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            address: "127.0.0.1:2575".to_owned(),
            connect_timeout_seconds: 5,
            handshake_timeout_seconds: 10,
            write_timeout_seconds: 30,
            acknowledgment_timeout_seconds: 30,
            max_acknowledgment_bytes: 1024 * 1024,
            trailer: Trailer::Lenient,
            tls: ClientTlsConfig::default(),
        }
    }
}

/// The limits of a listener. Every peer has all of them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServerConfig {
    /// Connections at a time.
    pub max_connections: usize,
    /// Largest payload.
    pub max_frame_bytes: usize,
    /// From the end of one frame (or of the handshake) to the start of the next.
    pub idle_timeout_seconds: u64,
    /// Between two reads inside a frame.
    pub byte_timeout_seconds: u64,
    /// For a whole frame, from its first byte.
    pub frame_timeout_seconds: u64,
    /// For the TLS handshake.
    pub handshake_timeout_seconds: u64,
    /// For one reply.
    pub write_timeout_seconds: u64,
    /// Which ends of a block are accepted.
    pub trailer: Trailer,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            max_connections: 64,
            max_frame_bytes: DEFAULT_MAX_FRAME_BYTES,
            idle_timeout_seconds: 600,
            byte_timeout_seconds: 30,
            frame_timeout_seconds: 60,
            handshake_timeout_seconds: 10,
            write_timeout_seconds: 30,
            trailer: Trailer::Lenient,
        }
    }
}
