//! Where a configuration comes from, kept to read it again.

use std::{
    ffi::OsString,
    fmt,
    path::{Path, PathBuf},
};

use serde::de::DeserializeOwned;

use super::{ConfigError, FILE_VARIABLE, Layers, Origins};

/// Defaults, file and environment of a process. The file is read whenever [`load`](Self::load) is called, the environment
/// once.
#[derive(Clone)]
pub struct Source {
    defaults: String,
    file: Option<PathBuf>,
    environment: Vec<(OsString, OsString)>,
}

impl Source {
    /// `defaults` is TOML embedded in the program. Without `file`, the variable `ADT_BRIDGE_CONFIG` may name one.
    pub fn new(defaults: impl Into<String>, file: Option<&Path>) -> Self {
        let named = std::env::var_os(FILE_VARIABLE).map(PathBuf::from);
        let file = file.map(Path::to_owned).or(named);
        Self { defaults: defaults.into(), file, environment: std::env::vars_os().collect() }
    }

    /// The file, where one is named.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// Reads everything, as [`load`](super::load) does.
    ///
    /// # Errors
    /// As [`load`](super::load).
    pub fn load<T: DeserializeOwned>(&self) -> Result<(T, Origins), ConfigError> {
        let mut problems = Vec::new();
        let environment = self.environment.iter().cloned();
        let mut layers = Layers::read(&self.defaults, self.file(), environment, &mut problems);
        let config = layers.deserialize(problems)?;
        Ok((config, Origins::of(layers)))
    }
}

/// Nothing of the environment, which may hold secrets.
impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("file", &self.file).finish_non_exhaustive()
    }
}
