//! The table of errors, row by row: each has a test whose name begins with `row_` and its number. The rows are those of
//! `docs/reference/errors.md`.

mod bodies;
mod bundles;
mod conditions;
mod content;
mod elsewhere;
mod paths;
mod service;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use reqwest::Method;
use serde_json::Value;

use crate::hook::{Answer, TestHook, answer};

/// Sends to the FHIR surface and takes the refusal apart: status, issue code, text, expression.
pub(crate) async fn refused(
    hook: &TestHook,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<Vec<u8>>,
) -> (u16, String, String, String) {
    let answer = asked(hook, method, path, headers, body).await;
    let outcome = &answer.body;
    assert_eq!(outcome["resourceType"], "OperationOutcome", "{answer:?}");
    assert_eq!(outcome["issue"][0]["severity"], "error", "{answer:?}");
    assert!(answer.headers["content-type"].to_str().unwrap().starts_with("application/fhir+json"));
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let issue = &outcome["issue"][0];
    (answer.status.as_u16(), text(&issue["code"]), text(&issue["diagnostics"]), text(&issue["expression"][0]))
}

pub(crate) async fn asked(
    hook: &TestHook,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<Vec<u8>>,
) -> Answer {
    let mut request = hook.request(method, path).body(body.into());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    answer(request).await
}

/// The answer of the persistence surface to the same.
pub(crate) async fn envelope(
    hook: &TestHook,
    method: Method,
    path: &str,
    body: impl Into<Vec<u8>>,
) -> (u16, String) {
    let answer = asked(hook, method, path, &[("content-type", "application/json")], body).await;
    let (status, text) = answer.refusal();
    (status, text.to_owned())
}

pub(crate) fn of(status: u16, code: &str, text: &str, expression: &str) -> (u16, String, String, String) {
    (status, code.to_owned(), text.to_owned(), expression.to_owned())
}

pub(crate) const JSON: &[(&str, &str)] = &[("content-type", "application/fhir+json")];

#[test]
fn every_row_has_a_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut names = BTreeSet::new();
    for folder in ["src", "tests", "../crates/adt-bridge/tests"] {
        sources(&root.join(folder), &mut |text| test_names(text, &mut names));
    }
    let tested = |row: u32| names.iter().any(|name| name.starts_with(&format!("row_{row:02}_")));
    let missing: Vec<u32> = (1..=55).filter(|row| !tested(*row)).collect();
    assert!(missing.is_empty(), "rows without a test: {missing:?}");
}

/// Calls `read` with every Rust source below `folder`.
fn sources(folder: &Path, read: &mut dyn FnMut(&str)) {
    let entries: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    for path in entries {
        if path.is_dir() {
            sources(&path, read);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            read(&fs::read_to_string(&path).unwrap());
        }
    }
}

/// Names of the functions that follow a line `#[test]` or `#[tokio::test...]`.
fn test_names(text: &str, names: &mut BTreeSet<String>) {
    let mut is_test = false;
    for line in text.lines().map(str::trim) {
        is_test |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
        if let Some((_, rest)) =
            line.split_once("fn ").filter(|(before, _)| is_test && !before.contains("//"))
        {
            names.insert(rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect());
            is_test = false;
        }
    }
}
