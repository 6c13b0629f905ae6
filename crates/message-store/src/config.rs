//! The `[store]` section: which backend, and where.

use std::{path::PathBuf, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    DirectoryStore, EmbeddedStore, MemoryStore, MessageStore, S3Store, StoreError, measured::Measured,
};

/// The settings of `[store]` with their defaults and what they mean, as TOML.
pub const MANUAL: &str = include_str!("store.toml");

/// Which store to use, told apart by `kind`.
///
/// ```toml
/// [store]
/// kind = "embedded"
/// path = "/var/lib/adt-bridge/store/messages.db"
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Config {
    /// Rows of one SQLite file of this machine.
    Embedded(EmbeddedConfig),
    /// Files below a folder of this machine.
    Directory(DirectoryConfig),
    /// An S3 bucket.
    S3(S3Config),
    /// Nothing outlives the process. Braces, as serde lets unknown keys stand beside a plain name.
    Memory {},
}

impl Default for Config {
    fn default() -> Self {
        Self::Embedded(EmbeddedConfig::default())
    }
}

/// Settings of `kind = "embedded"`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct EmbeddedConfig {
    /// The file; it and its folder are made when they are missing.
    pub path: PathBuf,
}

impl Default for EmbeddedConfig {
    fn default() -> Self {
        Self { path: PathBuf::from(".adt-bridge/store/messages.db") }
    }
}

/// Settings of `kind = "directory"`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct DirectoryConfig {
    /// The folder; made with mode 0700 when it is missing.
    pub path: PathBuf,
}

impl Default for DirectoryConfig {
    fn default() -> Self {
        Self { path: PathBuf::from(".adt-bridge/store") }
    }
}

/// Settings of `kind = "s3"`. Credentials and Region come from the usual AWS sources.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct S3Config {
    /// Name of the bucket.
    pub bucket: String,
    /// Comes before every key, for example `bridge/`; empty by default, as the contract's `Patient/{id}` asks.
    #[serde(default)]
    pub prefix: String,
    /// Another endpoint than the Region's. `AWS_ENDPOINT_URL` does the same.
    #[serde(default)]
    pub endpoint_url: Option<String>,
    /// `https://host/bucket/key` instead of `https://bucket.host/key`. By default only with another endpoint.
    #[serde(default)]
    pub force_path_style: Option<bool>,
    /// KMS key for server-side encryption; by default the bucket's own setting decides.
    #[serde(default)]
    pub kms_key_id: Option<String>,
    /// Time for one attempt of one call, in seconds.
    #[serde(default = "attempt_seconds")]
    pub attempt_timeout_seconds: u64,
    /// Time for one call with its retries, in seconds.
    #[serde(default = "operation_seconds")]
    pub operation_timeout_seconds: u64,
}

impl Config {
    /// Opens the store. Does not talk to S3; [`MessageStore::ready`] does.
    ///
    /// # Errors
    /// `Config` for settings that make no sense, `Unavailable` or `Full` when the folder cannot be used.
    pub async fn connect(&self) -> Result<Arc<dyn MessageStore>, StoreError> {
        let backend: Arc<dyn MessageStore> = match self {
            Self::Embedded(config) => Arc::new(EmbeddedStore::open(config.path.clone()).await?),
            Self::Directory(config) => Arc::new(DirectoryStore::open(config.path.clone()).await?),
            Self::S3(config) => Arc::new(S3Store::connect(config).await?),
            Self::Memory {} => Arc::new(MemoryStore::new()),
        };
        Ok(Arc::new(Measured::new(backend)))
    }
}

fn attempt_seconds() -> u64 {
    3
}

fn operation_seconds() -> u64 {
    8
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[tokio::test]
    async fn a_backend_without_its_settings_is_refused() {
        let config = S3Config {
            bucket: String::new(),
            prefix: String::new(),
            endpoint_url: None,
            force_path_style: None,
            kms_key_id: None,
            attempt_timeout_seconds: attempt_seconds(),
            operation_timeout_seconds: operation_seconds(),
        };
        let error = Config::S3(config).connect().await.unwrap_err();
        assert!(error.to_string().contains("store.bucket"), "{error}");
        assert!(!error.is_transient());
    }

    #[test]
    fn a_key_that_a_backend_does_not_have_is_refused() {
        for backend in ["embedded", "directory", "memory"] {
            let settings = serde_json::json!({ "kind": backend, "path": "x", "pth": "x" });
            let error = serde_json::from_value::<Config>(settings).unwrap_err();
            assert!(error.to_string().starts_with("unknown field"), "{backend}: {error}");
        }
    }

    #[test]
    fn an_embedded_store_is_the_default() {
        let Config::Embedded(config) = Config::default() else { panic!("not embedded") };
        assert_eq!(config.path, Path::new(".adt-bridge/store/messages.db"));
    }
}
