//! The mapping that is in use, and the settings file it follows.

use std::{fmt, path::PathBuf, sync::Arc};

use credentials::{POLL_INTERVAL, Reloader};
use fhir_adt::MappingConfig;
use service::config::{ConfigError, Origins, Problem};
use tokio_util::sync::CancellationToken;

use crate::{Error, mapping::Mapping};

/// Reads `[message]` of a settings file again when the file changes, or at SIGHUP.
///
/// A version that cannot be used is told in the log and counted; the last good one stays.
#[derive(Clone)]
pub struct FollowedMessage {
    file: PathBuf,
    read: Arc<dyn Fn() -> Result<MappingConfig, ConfigError> + Send + Sync>,
}

impl FollowedMessage {
    /// `read` gives the section as `file`, and whatever else decides it, has it now.
    pub fn new(
        file: PathBuf,
        read: impl Fn() -> Result<MappingConfig, ConfigError> + Send + Sync + 'static,
    ) -> Self {
        Self { file, read: Arc::new(read) }
    }
}

impl fmt::Debug for FollowedMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FollowedMessage").field("file", &self.file).finish_non_exhaustive()
    }
}

/// What is wrong with a `[message]` section, each with its place; nothing where the hook can use it.
pub fn message_problems(config: &MappingConfig, origins: &Origins) -> Vec<Problem> {
    let Err(error) = fhir_adt::Mapper::new(config.clone()) else { return Vec::new() };
    let placed = |problem: &fhir_adt::ConfigProblem| {
        let path: Vec<String> = std::iter::once("message".to_owned()).chain(problem.path()).collect();
        Problem::new(origins.place(&path), problem.to_string())
    };
    error.problems.iter().map(placed).collect()
}

/// The mapping of this moment.
pub(crate) struct CurrentMapping(Reloader<Mapping, Error>);

impl CurrentMapping {
    /// Makes the mapping of `config`, and with `followed` a new one whenever the file has another section.
    ///
    /// # Errors
    /// A section that cannot be used.
    pub(crate) fn new(
        config: MappingConfig,
        followed: Option<FollowedMessage>,
        make: impl Fn(MappingConfig) -> Result<Mapping, Error> + Send + Sync + 'static,
    ) -> Result<Self, Error> {
        let Some(FollowedMessage { file, read }) = followed else {
            return Reloader::new(Vec::new(), move || make(config.clone())).map(Self);
        };
        Reloader::new(vec![file], move || make(read().map_err(Error::Settings)?)).map(Self)
    }

    pub(crate) fn get(&self) -> Arc<Mapping> {
        self.0.current()
    }

    pub(crate) async fn watch(&self, shutdown: CancellationToken) {
        self.0.watch(POLL_INTERVAL, shutdown).await;
    }
}
