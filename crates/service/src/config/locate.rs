//! Where a configuration problem is: the key, the line, the key that was probably meant.

use toml::de::{DeArray, DeTable, DeValue};

/// One refusal of serde, without the value it refused.
pub(super) struct Fault {
    pub(super) path: Vec<String>,
    message: String,
}

impl Fault {
    pub(super) fn read(error: &serde_path_to_error::Error<toml::de::Error>) -> Self {
        use serde_path_to_error::Segment;
        let mut path: Vec<String> = error
            .path()
            .iter()
            .map_while(|segment| match segment {
                Segment::Map { key } => Some(key.clone()),
                // An element of a list, or the inside of a variant: the key before it is the place.
                Segment::Seq { .. } | Segment::Enum { .. } | Segment::Unknown => None,
            })
            .collect();
        let message = error.inner().message().to_owned();
        // Tables with a `kind` are read in two steps and lose the last part of the path; the text has it.
        if let Some(unknown) = message.strip_prefix("unknown field `").and_then(|rest| rest.split('`').next())
            && path.last().is_none_or(|last| last != unknown)
        {
            path.push(unknown.to_owned());
        }
        Self { path, message: without_value(&message) }
    }

    pub(super) fn text(&self) -> String {
        let key = self.path.join(".");
        if !self.message.starts_with("unknown field") {
            return if key.is_empty() { self.message.clone() } else { format!("{key}: {}", self.message) };
        }
        let last = self.path.last().map_or("", String::as_str);
        match nearest(last, known_keys(&self.message)) {
            Some(near) => format!("unknown key `{key}`; did you mean `{near}`?"),
            None => format!("unknown key `{key}`{}", expectation(&self.message)),
        }
    }
}

/// serde quotes strings it refuses (`invalid type: string "…", expected u16`); they may be secret.
fn without_value(message: &str) -> String {
    match (message.strip_prefix("invalid "), message.rsplit_once(", expected ")) {
        (Some(rest), Some((_, expected))) => {
            let found =
                rest.split_once(": ").and_then(|(_, found)| found.split(' ').next()).unwrap_or("value");
            format!("found {found}, expected {expected}")
        }
        _ => message.to_owned(),
    }
}

fn known_keys(message: &str) -> impl Iterator<Item = &str> {
    let expected = message.split_once("expected").map_or("", |(_, expected)| expected);
    expected.split('`').skip(1).step_by(2)
}

fn expectation(message: &str) -> String {
    message.split_once(", ").map_or(String::new(), |(_, rest)| format!(", {rest}"))
}

/// The known name that was probably meant: the nearest one, within a third of the length in edits.
pub fn nearest<'a>(key: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (key.chars().count() / 3).max(2);
    known
        .map(|name| (strsim::levenshtein(key, name), name))
        .filter(|(edits, _)| *edits <= limit)
        .min()
        .map(|(_, name)| name)
}

/// The line (from 1) on which `path`, or the longest part of it that exists, is written.
pub(super) fn line(text: &str, path: &[String]) -> Option<usize> {
    written(text, path).last().copied()
}

/// The line (from 1) on which `path` itself is written.
pub(super) fn exact_line(text: &str, path: &[String]) -> Option<usize> {
    let lines = written(text, path);
    lines.last().copied().filter(|_| lines.len() == path.len())
}

/// The lines of the keys of `path`, as far as they are written.
fn written(text: &str, path: &[String]) -> Vec<usize> {
    let mut lines = Vec::new();
    let Ok(root) = DeTable::parse(text) else { return lines };
    let mut value: Option<&DeValue<'_>> = None;
    for key in path {
        let found = match value {
            None => member(root.get_ref(), key),
            Some(DeValue::Table(table)) => member(table, key),
            Some(DeValue::Array(list)) => element(list, key),
            Some(_) => None,
        };
        let Some((start, inner)) = found else { break };
        lines.push(line_of(text, start));
        value = Some(inner);
    }
    lines
}

/// Where a key stands, and its value.
fn member<'t, 'i>(table: &'t DeTable<'i>, key: &str) -> Option<(usize, &'t DeValue<'i>)> {
    let (name, value) = table.iter().find(|(name, _)| name.get_ref().as_ref() == key)?;
    Some((name.span().start, value.get_ref()))
}

/// Where an element of a list stands, and its value.
fn element<'t, 'i>(list: &'t DeArray<'i>, index: &str) -> Option<(usize, &'t DeValue<'i>)> {
    let element = list.get(index.parse::<usize>().ok()?)?;
    Some((element.span().start, element.get_ref()))
}

/// The line (from 1) of a byte offset.
pub(super) fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}
