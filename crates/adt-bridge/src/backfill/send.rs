//! One batch to the hook, and its answer.

use std::{path::PathBuf, time::Duration};

use bytes::{Bytes, BytesMut};
use credentials::{ClientTls, ClientTlsConfig};
use http_body_util::{BodyExt as _, Full};
use hyper::{Method, Request, Response, StatusCode, Uri, body::Incoming, header};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{self, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::Value;

use super::{BackfillArgs, Trouble};
use crate::{
    config::Config,
    exit::{Code, Failure},
};

/// The running hook.
#[derive(Debug)]
pub(crate) struct Hook {
    http: legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    url: Uri,
    token_file: Option<PathBuf>,
}

/// What the hook said of a batch.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) summary: Summary,
    pub(crate) failures: Vec<LineFailure>,
}

/// The last line of the answer.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Summary {
    pub(crate) accepted: u64,
    pub(crate) skipped: u64,
    pub(crate) failed: u64,
    /// Lines of the batch that are settled.
    pub(crate) lines: u64,
    pub(crate) complete: bool,
    pub(crate) reason: Option<String>,
}

/// Why one line was not taken.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct LineFailure {
    /// Within the batch, from 1.
    pub(crate) line: u64,
    pub(crate) reason: String,
}

impl Hook {
    pub(crate) fn new(arguments: &BackfillArgs, config: &Config) -> Result<Self, Failure> {
        let base = match &arguments.hook {
            Some(base) => base.clone(),
            None => format!("http://{}{}", config.hook.listen, config.hook.base_path),
        };
        let text = format!("{}/fhir/$backfill", base.trim_end_matches('/').trim_end_matches("/fhir"));
        let text = if arguments.replay { format!("{text}?replay=true") } else { text };
        let url: Uri = text.parse().map_err(|_| Failure::new(Code::Usage, "--hook is not a URL"))?;
        let tls = ClientTlsConfig { enabled: true, ca_file: arguments.ca.clone(), ..Default::default() };
        let tls = ClientTls::new(&tls, url.authority().map_or("", |authority| authority.as_str()))
            .map_err(|error| Failure::new(Code::ConfigInvalid, format!("--ca: {error}")))?;
        let tls = rustls::ClientConfig::clone(tls.files().current().config());
        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        connector.set_connect_timeout(Some(CONNECT));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector);
        let http = legacy::Client::builder(TokioExecutor::new()).build(connector);
        Ok(Self { http, url, token_file: arguments.token_file.clone() })
    }

    pub(super) async fn send(&self, lines: Bytes) -> Result<Answer, Trouble> {
        let mut request = Request::builder().method(Method::POST).uri(&self.url);
        request = request.header(header::CONTENT_TYPE, "application/fhir+ndjson");
        if let Some(path) = &self.token_file {
            let token = std::fs::read_to_string(path).map_err(|error| {
                let text = format!("{} cannot be read: {error}", path.display());
                Trouble::Final(Failure::new(Code::ConfigInvalid, text))
            })?;
            request = request.header(header::AUTHORIZATION, format!("Bearer {}", token.trim()));
        }
        let request = request.body(Full::from(lines));
        let request =
            request.map_err(|_| Trouble::Final(Failure::new(Code::Usage, "--hook is not a URL")))?;
        let answer = self.http.request(request);
        let answer = tokio::time::timeout(READ, answer).await.map_err(|_| self.silent())?;
        let answer = answer.map_err(|_| self.away())?;
        let status = answer.status();
        let body = self.receive(answer).await?;
        if status != StatusCode::OK {
            let body: Value = serde_json::from_slice(&body).unwrap_or_default();
            let said =
                body.pointer("/issue/0/diagnostics").and_then(Value::as_str).unwrap_or("no reason given");
            let failure = Failure::new(Code::Rejected, format!("the hook answers {status}: {said}"));
            let passes = status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED;
            return Err(if passes || status == StatusCode::TOO_MANY_REQUESTS {
                Trouble::MayPass(failure)
            } else {
                Trouble::Final(failure)
            });
        }
        read(&body).ok_or_else(|| {
            Trouble::MayPass(Failure::new(Code::CannotConnect, "the hook broke off its answer"))
        })
    }

    async fn receive(&self, answer: Response<Incoming>) -> Result<Bytes, Trouble> {
        let (mut body, mut text) = (answer.into_body(), BytesMut::new());
        loop {
            let frame = tokio::time::timeout(READ, body.frame()).await.map_err(|_| self.silent())?;
            match frame {
                None => return Ok(text.freeze()),
                Some(Ok(frame)) => text.extend_from_slice(&frame.into_data().unwrap_or_default()),
                Some(Err(_)) => return Err(self.away()),
            }
        }
    }

    fn silent(&self) -> Trouble {
        let text = format!("{} did not answer in time", self.host());
        Trouble::MayPass(Failure::new(Code::TimedOut, text))
    }

    fn away(&self) -> Trouble {
        let failure = Failure::new(Code::CannotConnect, format!("no hook answers at {}", self.host()));
        Trouble::MayPass(failure.hint("adt-bridge up, or --hook with the URL of the one that runs"))
    }

    fn host(&self) -> &str {
        self.url.authority().map_or("", |authority| authority.as_str())
    }
}

/// Reads the answer; `None` when its last line is missing.
fn read(text: &[u8]) -> Option<Answer> {
    let mut failures = Vec::new();
    let mut summary = None;
    for line in text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let row: Value = serde_json::from_slice(line).ok()?;
        match row.get("resourceType").and_then(Value::as_str) {
            Some("OperationOutcome") => failures.push(failure(&row)),
            Some("Parameters") => summary = Some(summary_of(&row)),
            _ => return None,
        }
    }
    summary.map(|summary| Answer { summary, failures })
}

fn failure(row: &Value) -> LineFailure {
    let location = row.pointer("/issue/0/location/0").and_then(Value::as_str).unwrap_or_default();
    let line = location.strip_prefix("line ").and_then(|line| line.parse().ok()).unwrap_or_default();
    let reason = row.pointer("/issue/0/diagnostics").and_then(Value::as_str).unwrap_or("no reason given");
    LineFailure { line, reason: reason.to_owned() }
}

fn summary_of(row: &Value) -> Summary {
    let parameters = row.get("parameter").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let find = |name: &str| parameters.iter().find(|one| one.get("name").is_some_and(|found| found == name));
    let count = |name: &str| {
        find(name).and_then(|one| one.get("valueInteger")).and_then(Value::as_u64).unwrap_or_default()
    };
    Summary {
        accepted: count("accepted"),
        skipped: count("skipped"),
        failed: count("failed"),
        lines: count("lines"),
        complete: find("complete").and_then(|one| one.get("valueBoolean")) == Some(&Value::Bool(true)),
        reason: find("reason").and_then(|one| one.get("valueString")?.as_str()).map(str::to_owned),
    }
}

const CONNECT: Duration = Duration::from_secs(5);
/// The hook waits up to 30 s for its queue before it gives a line up.
const READ: Duration = Duration::from_secs(90);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_rows_and_the_summary() {
        let text = br#"{"resourceType":"OperationOutcome","issue":[{"diagnostics":"id is missing.","location":["line 7"]}]}
{"resourceType":"Parameters","parameter":[{"name":"accepted","valueInteger":5},{"name":"skipped","valueInteger":1},{"name":"failed","valueInteger":1},{"name":"lines","valueInteger":7},{"name":"complete","valueBoolean":true}]}
"#;
        let answer = read(text).unwrap();
        assert_eq!(answer.failures, vec![LineFailure { line: 7, reason: "id is missing.".to_owned() }]);
        let expected = Summary { accepted: 5, skipped: 1, failed: 1, lines: 7, complete: true, reason: None };
        assert_eq!(answer.summary, expected);
    }

    #[test]
    fn an_answer_without_its_last_line_is_none() {
        for text in [&b""[..], b"{\"resourceType\":\"OperationOutcome\"}\n", b"{\"resourceType\":\"Para"] {
            assert!(read(text).is_none());
        }
    }
}
