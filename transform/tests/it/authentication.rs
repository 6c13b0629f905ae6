//! Who may call: rows 27 to 29 and 39 of the table of errors, for each way to prove who calls.

mod client_certificate;
mod rows;
mod signed;
mod token;

use reqwest::{Method, RequestBuilder};
use serde_json::json;
use service::config::Secret;
use transform::{AuthConfig, BearerConfig, HookConfig};

use crate::hook::{Answer, TestHook, answer, patient};

pub(crate) const TOKEN: &str = "a-token-of-hapi-1234";

/// One caller with a token; `scopes` as in the configuration.
fn bearer(token: &str, scopes: &[&str]) -> BearerConfig {
    let scopes = serde_json::from_value(json!(scopes)).unwrap();
    BearerConfig { token: Some(Secret::new(token)), token_file: None, scopes }
}

/// `hapi` may do everything, `reader` may read.
fn two_callers(config: &mut HookConfig) {
    config.auth = AuthConfig {
        bearer: [
            ("hapi".to_owned(), bearer(TOKEN, &["system/*.*"])),
            ("reader".to_owned(), bearer("a-token-of-reader-1234", &["system/Patient.r"])),
        ]
        .into(),
        ..AuthConfig::default()
    };
}

fn put(hook: &TestHook, id: &str) -> RequestBuilder {
    hook.request(Method::PUT, &format!("/fhir/Patient/{id}"))
        .header("content-type", "application/fhir+json")
        .body(patient(id, "Family").to_string())
}

/// Status, issue code and text of an OperationOutcome.
fn outcome(answer: &Answer) -> (u16, &str, &str) {
    let issue = &answer.body["issue"][0];
    (answer.status.as_u16(), issue["code"].as_str().unwrap(), issue["diagnostics"].as_str().unwrap())
}

const NOT_VALID: (u16, &str, &str) = (401, "login", "Credentials are not valid.");

/// Nothing may have happened.
async fn nothing_queued(hook: &TestHook) {
    assert!(hook.queued().await.is_empty());
}

/// Sends until the answer has that status; a changed file is noticed within seconds.
async fn until(status: u16, request: impl Fn() -> RequestBuilder) {
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(20);
    while answer(request()).await.status != status {
        assert!(tokio::time::Instant::now() < deadline, "not {status} in time");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}
