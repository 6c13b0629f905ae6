//! Settings from environment variables, and guessing their types.
//!
//! A variable is text, a setting is typed, and the types are known only to serde. So each variable carries
//! its possible readings, narrowest first, and moves to the next one when deserialization refuses it.

use std::ffi::OsString;

use toml::{Table, Value};

use super::Problem;

pub(super) struct Overrides(Vec<Override>);

struct Override {
    variable: String,
    path: Vec<String>,
    /// Possible values, narrowest first; never empty.
    readings: Vec<Value>,
    /// The one in use.
    current: usize,
}

impl Overrides {
    pub(super) fn read(
        environment: impl IntoIterator<Item = (OsString, OsString)>,
        problems: &mut Vec<Problem>,
    ) -> Self {
        let mut overrides = Vec::new();
        for (name, value) in environment {
            let Some(name) = name.to_str().filter(|name| name.starts_with(PREFIX)) else { continue };
            let Some(value) = value.to_str() else {
                problems.push(Problem::new(format!("environment variable {name}"), "is not UTF-8"));
                continue;
            };
            let path = name.split("__").skip(1).map(str::to_ascii_lowercase).collect();
            overrides.push(Override {
                variable: name.to_owned(),
                path,
                readings: readings(value),
                current: 0,
            });
        }
        // `kind` first: it decides which other keys of its table exist.
        overrides.sort_by_key(|one| (one.path.last().is_none_or(|key| key != "kind"), one.path.clone()));
        Self(overrides)
    }

    /// Sets every override in `table`.
    pub(super) fn apply(&self, table: &mut Table) {
        for one in &self.0 {
            if let Some(value) = one.readings.get(one.current) {
                set(table, &one.path, value.clone());
            }
        }
    }

    /// Looks for readings of the overrides at or below `path` with which `fits` holds, and keeps them.
    ///
    /// All combinations are tried, because inside a table with a `kind` serde names only the table; there
    /// are few such overrides, and the search has a bound.
    pub(super) fn retype(&mut self, path: &[String], fits: impl Fn(&Self) -> bool) -> bool {
        let below: Vec<usize> = (0..self.0.len()).filter(|&i| self.0[i].path.starts_with(path)).collect();
        for _ in 0..MAX_COMBINATIONS {
            // Counts through the combinations like an odometer; all wheels back at zero means none fits.
            let turned = below.iter().any(|&i| {
                let one = &mut self.0[i];
                one.current = (one.current + 1) % one.readings.len();
                one.current != 0
            });
            if !turned {
                return false;
            }
            if fits(self) {
                return true;
            }
        }
        false
    }

    /// Drops the override at `path`, or the one above it; false when there is none.
    pub(super) fn remove(&mut self, path: &[String]) -> bool {
        let before = self.0.len();
        self.0.retain(|one| !path.starts_with(&one.path));
        self.0.len() < before
    }

    /// The variable that set `path` or a table it is in.
    pub(super) fn covering(&self, path: &[String]) -> Option<&str> {
        self.0.iter().find(|one| path.starts_with(&one.path)).map(|one| one.variable.as_str())
    }
}

fn readings(text: &str) -> Vec<Value> {
    let mut readings = Vec::new();
    readings.extend(text.parse().ok().map(Value::Integer));
    readings.extend(text.parse().ok().map(Value::Boolean));
    readings.extend(text.parse().ok().filter(|float: &f64| float.is_finite()).map(Value::Float));
    if text.starts_with(['[', '{'])
        && let Ok(mut table) = format!("value = {text}").parse::<Table>()
    {
        readings.extend(table.remove("value"));
    }
    readings.push(Value::String(text.to_owned()));
    readings
}

fn set(table: &mut Table, path: &[String], value: Value) {
    match path {
        [] => {}
        [last] => {
            if last == "kind" && table.get("kind") != Some(&value) {
                table.clear();
            }
            table.insert(last.clone(), value);
        }
        [first, rest @ ..] => {
            let inner = table.entry(first.clone()).or_insert_with(|| Value::Table(Table::new()));
            if !inner.is_table() {
                *inner = Value::Table(Table::new());
            }
            if let Value::Table(inner) = inner {
                set(inner, rest, value);
            }
        }
    }
}

pub(super) const PREFIX: &str = "ADT_BRIDGE__";
const MAX_COMBINATIONS: usize = 4096;
