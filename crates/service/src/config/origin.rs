//! Where each setting came from.

use std::fmt;

use serde::Serialize;
use toml::Value;

use super::{Layers, environment::PREFIX, locate};

/// The layer that decided a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nothing said otherwise.
    Default,
    /// The settings file, at this line (from 1).
    File {
        /// As it was named.
        name: String,
        /// From 1.
        line: usize,
    },
    /// An environment variable.
    Variable {
        /// Its name.
        name: String,
    },
}

impl Origin {
    /// Looks from the highest layer down.
    pub(super) fn of(layers: &Layers, path: &[String]) -> Self {
        if let Some(name) = layers.overrides.covering(path) {
            return Self::Variable { name: name.to_owned() };
        }
        let written =
            layers.file.as_ref().and_then(|(name, text)| Some((name, locate::exact_line(text, path)?)));
        match written {
            Some((name, line)) => Self::File { name: name.clone(), line },
            None => Self::Default,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("the embedded defaults"),
            Self::File { name, line } => write!(f, "{name}:{line}"),
            Self::Variable { name } => write!(f, "environment variable {name}"),
        }
    }
}

/// What decided the settings of one configuration.
pub struct Origins(Layers);

impl Origins {
    pub(super) fn of(layers: Layers) -> Self {
        Self(layers)
    }

    /// Every setting of `config` that has a value, in the order of its sections.
    ///
    /// A secret shows as its length, because that is how [`Secret`](super::Secret) serializes.
    ///
    /// # Errors
    /// When `config` cannot be written as TOML.
    pub fn settings(&self, config: &impl Serialize) -> Result<Vec<Setting>, toml::ser::Error> {
        let mut settings = Vec::new();
        self.collect(&mut Vec::new(), Value::try_from(config)?, &mut settings);
        Ok(settings)
    }

    /// Where a setting, or the part of its path that is written, stands; a position in a list is a step of its own.
    pub fn place(&self, path: &[String]) -> String {
        self.0.place(path)
    }

    fn collect(&self, path: &mut Vec<String>, value: Value, settings: &mut Vec<Setting>) {
        match value {
            Value::Table(table) => {
                for (key, value) in table {
                    path.push(key);
                    self.collect(path, value, settings);
                    path.pop();
                }
            }
            value => settings.push(Setting { origin: Origin::of(&self.0, path), path: path.clone(), value }),
        }
    }
}

impl fmt::Debug for Origins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Origins").finish_non_exhaustive()
    }
}

/// One setting in use.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting {
    /// Section, sub-sections, key.
    pub path: Vec<String>,
    /// A secret is its length.
    pub value: Value,
    /// Who decided it.
    pub origin: Origin,
}

impl Setting {
    /// `sender.endpoint.address`.
    pub fn name(&self) -> String {
        self.path.join(".")
    }

    /// `ADT_BRIDGE__SENDER__ENDPOINT__ADDRESS`.
    pub fn variable(&self) -> String {
        variable(&self.path)
    }
}

/// The environment variable of a setting.
pub(super) fn variable<'n>(path: impl IntoIterator<Item = &'n String>) -> String {
    let names: Vec<&str> = path.into_iter().map(String::as_str).collect();
    format!("{PREFIX}{}", names.join("__").to_ascii_uppercase())
}
