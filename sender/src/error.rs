//! Why the sender had to stop.

use std::path::PathBuf;

/// Nothing here is about a single message or a passing fault; those are settled while running.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The settings contradict each other.
    #[error(transparent)]
    Config(#[from] service::config::ConfigError),
    /// The TLS files cannot be used.
    #[error("sender.endpoint.tls: {0}")]
    Tls(#[from] mllp::TlsConfigError),
    /// The ledger cannot be opened.
    #[error("the ledger {} cannot be opened", path.display())]
    Ledger {
        /// Where it should be.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The lock file of `single_active` cannot be used.
    #[error("sender.single_active: {} cannot be locked", path.display())]
    Turn {
        /// Which file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The queue broke for good.
    #[error(transparent)]
    Queue(queue::QueueError),
}
