//! The `[queue]` section: one backend, complete or refused.

use std::{path::PathBuf, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{EmbeddedQueue, MemoryQueue, Queue, QueueError, SqsQueue, measured::Measured};

/// The settings of `[queue]` with their defaults and what they mean, as TOML.
pub const MANUAL: &str = include_str!("queue.toml");

/// Which queue, by `kind = "embedded" | "sqs" | "memory"`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Config {
    /// One SQLite file owned by one process.
    Embedded(EmbeddedConfig),
    /// Two SQS FIFO queues.
    Sqs(SqsConfig),
    /// Nothing survives the process: tests and demonstrations only.
    Memory(MemoryConfig),
}

impl Default for Config {
    fn default() -> Self {
        Self::Embedded(EmbeddedConfig::default())
    }
}

impl Config {
    /// Opens the queue; its calls are measured.
    ///
    /// # Errors
    /// [`QueueError::Configuration`], [`QueueError::Owned`], [`QueueError::Corrupt`] or
    /// [`QueueError::Unavailable`]. SQS is not contacted here, a service starts without it.
    pub async fn connect(&self) -> Result<Arc<dyn Queue>, QueueError> {
        let backend: Arc<dyn Queue> = match self {
            Self::Memory(config) => Arc::new(MemoryQueue::new(config.clone())),
            Self::Embedded(config) => Arc::new(EmbeddedQueue::open(config).await?),
            Self::Sqs(config) => Arc::new(SqsQueue::connect(config).await?),
        };
        Ok(Arc::new(Measured::new(backend)))
    }
}

/// Settings of the embedded queue.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct EmbeddedConfig {
    /// The database file; its folder is created with mode 0700.
    pub path: PathBuf,
    /// How long a lease lasts without being extended. The default leaves time for a write and its acknowledgment
    /// after two thirds of it, when the sender extends it.
    pub visibility_seconds: u64,
    /// How long a repeated send is recognised, up to 24 h.
    pub deduplication_seconds: u64,
    /// The most messages of one group in one receive.
    pub max_per_group: usize,
    /// The most the database file may take; sends answer `Full` beyond it.
    pub max_file_bytes: u64,
    /// Disk space held back so that deletes work when the disk is full.
    pub reserve_bytes: u64,
}

impl Default for EmbeddedConfig {
    fn default() -> Self {
        Self {
            path: PathBuf::from(".adt-bridge/queue/queue.db"),
            visibility_seconds: 120,
            deduplication_seconds: 300,
            max_per_group: 1,
            max_file_bytes: 16 * 1024 * 1024 * 1024,
            reserve_bytes: 8 * 1024 * 1024,
        }
    }
}

/// Settings of the SQS queue. Credentials and region come from the AWS environment.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SqsConfig {
    /// URL of the FIFO queue.
    pub url: String,
    /// URL of the FIFO queue for dead letters.
    pub dead_letter_url: String,
    /// Another endpoint than the Region's. `AWS_ENDPOINT_URL` does the same.
    #[serde(default)]
    pub endpoint_url: Option<String>,
    /// How long a lease lasts without being extended.
    #[serde(default = "default_visibility_seconds")]
    pub visibility_seconds: u64,
    /// The most a call other than receive may take, retries included; a hook answers 503 after it.
    #[serde(default = "default_operation_timeout_seconds")]
    pub operation_timeout_seconds: u64,
}

/// Settings of the memory queue.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct MemoryConfig {
    /// How long a lease lasts without being extended.
    pub visibility_seconds: u64,
    /// How long a repeated send is recognised.
    pub deduplication_seconds: u64,
    /// The most messages of one group in one receive.
    pub max_per_group: usize,
    /// The most messages that may wait; sends answer `Full` beyond it.
    pub max_messages: usize,
}

impl Default for MemoryConfig {
    fn default() -> Self {
        Self { visibility_seconds: 120, deduplication_seconds: 300, max_per_group: 1, max_messages: 100_000 }
    }
}

fn default_visibility_seconds() -> u64 {
    120
}

fn default_operation_timeout_seconds() -> u64 {
    2
}
