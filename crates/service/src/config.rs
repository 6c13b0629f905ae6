//! Configuration: defaults, then a TOML file, then the environment; the later one wins.
//!
//! A setting `[sender] ack_timeout` is the variable `ADT_BRIDGE__SENDER__ACK_TIMEOUT`. A table whose
//! `kind` changes in a later layer starts empty, so that one backend's keys do not linger in another's.

use std::{ffi::OsString, path::Path};

use serde::de::DeserializeOwned;
use toml::{Table, Value};

pub mod duration;
mod environment;
mod error;
mod locate;
pub mod manual;
mod origin;
mod secret;
mod source;

pub use error::{ConfigError, EXIT_CONFIG, Problem};
pub use locate::nearest;
pub use origin::{Origin, Origins, Setting};
pub use secret::Secret;
pub use source::Source;

use environment::Overrides;
use origin::variable;

/// Names the configuration file when no `--config` is given.
pub const FILE_VARIABLE: &str = "ADT_BRIDGE_CONFIG";

/// Reads a process's configuration.
///
/// `defaults` is TOML embedded in the program. Without `file`, the variable `ADT_BRIDGE_CONFIG` may name
/// one. The target type should carry `deny_unknown_fields`, so that a misspelt key is an error.
///
/// # Errors
/// All problems found, each with its place (line of the file, or the variable) and, for an unknown key,
/// the nearest known one. Values are never repeated: they may be secrets.
pub fn load<T: DeserializeOwned>(defaults: &str, file: Option<&Path>) -> Result<T, ConfigError> {
    let named = std::env::var_os(FILE_VARIABLE).map(std::path::PathBuf::from);
    load_with(defaults, file.or(named.as_deref()), std::env::vars_os())
}

/// As [`load`], with the environment given; for tests and tools.
///
/// # Errors
/// As [`load`].
pub fn load_with<T: DeserializeOwned>(
    defaults: &str,
    file: Option<&Path>,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<T, ConfigError> {
    let mut problems = Vec::new();
    let mut layers = Layers::read(defaults, file, environment, &mut problems);
    layers.deserialize(problems)
}

/// As [`load`], and remembers where each setting came from.
///
/// # Errors
/// As [`load`].
pub fn load_with_origins<T: DeserializeOwned>(
    defaults: &str,
    file: Option<&Path>,
) -> Result<(T, Origins), ConfigError> {
    Source::new(defaults, file).load()
}

/// Defaults, file and environment, not yet typed.
struct Layers {
    /// Defaults and file.
    merged: Table,
    overrides: Overrides,
    /// Name and text of the file.
    file: Option<(String, String)>,
}

impl Layers {
    fn read(
        defaults: &str,
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
        problems: &mut Vec<Problem>,
    ) -> Self {
        let mut merged = parse("the embedded defaults", defaults, problems);
        let file = file.map(|path| {
            let name = path.display().to_string();
            let text = std::fs::read_to_string(path).unwrap_or_else(|error| {
                problems.push(Problem::new(name.clone(), format!("cannot be read: {error}")));
                String::new()
            });
            merge(&mut merged, parse(&name, &text, problems));
            (name, text)
        });
        let overrides = Overrides::read(environment, problems);
        Self { merged, overrides, file }
    }

    /// Types the layers. serde stops at the first error: it is noted, its key taken out, and tried again until nothing
    /// is left to say.
    fn deserialize<T: DeserializeOwned>(&mut self, mut problems: Vec<Problem>) -> Result<T, ConfigError> {
        loop {
            let fault = match read::<T>(&self.merged, &self.overrides) {
                Ok(config) if problems.is_empty() => return Ok(config),
                Ok(_) => break,
                Err(fault) => fault,
            };
            let merged = &self.merged;
            let elsewhere = |readings: &Overrides| {
                read::<T>(merged, readings).err().is_none_or(|next| next.path != fault.path)
            };
            if self.overrides.retype(&fault.path, elsewhere) {
                continue;
            }
            problems.push(Problem::new(self.place(&fault.path), fault.text()));
            if !(self.overrides.remove(&fault.path) || remove(&mut self.merged, &fault.path)) {
                break;
            }
        }
        Err(ConfigError::new(problems))
    }

    /// Where a setting is written, or the part of its path that is.
    fn place(&self, path: &[String]) -> String {
        match (Origin::of(self, path), &self.file) {
            (Origin::Default, Some((name, text))) => {
                locate::line(text, path).map_or_else(|| name.clone(), |line| format!("{name}:{line}"))
            }
            (origin, _) => origin.to_string(),
        }
    }
}

fn read<T: DeserializeOwned>(merged: &Table, overrides: &Overrides) -> Result<T, locate::Fault> {
    let mut layered = merged.clone();
    overrides.apply(&mut layered);
    serde_path_to_error::deserialize(Value::Table(layered)).map_err(|error| locate::Fault::read(&error))
}

fn parse(name: &str, text: &str, problems: &mut Vec<Problem>) -> Table {
    text.parse().unwrap_or_else(|error: toml::de::Error| {
        let line = error.span().map_or(1, |span| locate::line_of(text, span.start));
        problems.push(Problem::new(format!("{name}:{line}"), error.message().to_owned()));
        Table::new()
    })
}

/// Lays `upper` over `lower`, key by key; tables merge unless their `kind` differs.
fn merge(lower: &mut Table, upper: Table) {
    for (key, value) in upper {
        match (lower.get_mut(&key), value) {
            (Some(Value::Table(below)), Value::Table(above)) => {
                if above.get("kind").is_some_and(|kind| below.get("kind") != Some(kind)) {
                    below.clear();
                }
                merge(below, above);
            }
            (_, value) => {
                lower.insert(key, value);
            }
        }
    }
}

/// Takes the value at `path` out; false when there is none.
fn remove(table: &mut Table, path: &[String]) -> bool {
    match path {
        [] => false,
        [last] => table.remove(last).is_some(),
        [first, rest @ ..] => match table.get_mut(first) {
            Some(Value::Table(inner)) => remove(inner, rest),
            Some(_) => table.remove(first).is_some(),
            None => false,
        },
    }
}

#[cfg(test)]
mod tests;
