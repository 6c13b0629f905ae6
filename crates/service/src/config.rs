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
mod secret;

pub use error::{ConfigError, EXIT_CONFIG, Problem};
pub use secret::Secret;

use environment::Overrides;

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
    let mut merged = parse("the embedded defaults", defaults, &mut problems);
    let mut text = String::new();
    if let Some(path) = file {
        let name = path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(read) => text = read,
            Err(error) => problems.push(Problem::new(name.clone(), format!("cannot be read: {error}"))),
        }
        merge(&mut merged, parse(&name, &text, &mut problems));
    }
    let mut overrides = Overrides::read(environment, &mut problems);
    let file_name = file.map(|path| path.display().to_string());
    let origin = |path: &[String], overrides: &Overrides| match overrides.covering(path) {
        Some(variable) => format!("environment variable {variable}"),
        None => {
            let name = file_name.as_deref().unwrap_or("the embedded defaults");
            locate::line(&text, path).map_or_else(|| name.to_owned(), |line| format!("{name}:{line}"))
        }
    };

    // serde stops at the first error: note it, take the key out, and try again until nothing is left to say.
    loop {
        let fault = match read::<T>(&merged, &overrides) {
            Ok(config) if problems.is_empty() => return Ok(config),
            Ok(_) => break,
            Err(fault) => fault,
        };
        let elsewhere = |readings: &Overrides| {
            read::<T>(&merged, readings).err().is_none_or(|next| next.path != fault.path)
        };
        if overrides.retype(&fault.path, elsewhere) {
            continue;
        }
        problems.push(Problem::new(origin(&fault.path, &overrides), fault.text()));
        if !(overrides.remove(&fault.path) || remove(&mut merged, &fault.path)) {
            break;
        }
    }
    Err(ConfigError::new(problems))
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
