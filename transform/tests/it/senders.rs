//! What real senders send, byte for byte as far as a test can, and what each of them needs back.
//!
//! The requests stand in `senders/requests`; `{name}` in them is filled in, `{length}` with the length of the body.

mod azure;
mod backport;
mod fhir_works;
mod google;
mod hapi;
mod medplum_aidbox;

use std::time::Duration;

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::hook::TestHook;

/// An answer, read from the wire.
pub(crate) struct Raw {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) text: String,
}

impl Raw {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {}\n{}", self.head, self.text))
    }

    /// A FHIR resource, or nothing with 204: what a client that parses every JSON answer as one can live with.
    pub(crate) fn is_fhir(&self) -> bool {
        match self.status {
            204 => self.text.is_empty(),
            _ => {
                self.head.contains("content-type: application/fhir+json")
                    && self.json()["resourceType"].is_string()
            }
        }
    }
}

/// Sends a request as it stands in its file, with what is in braces filled in, and reads the answer.
pub(crate) async fn send(hook: &TestHook, request: &str, values: &[(&str, &str)]) -> Raw {
    let mut text = request.to_owned();
    for (name, value) in values {
        text = text.replace(&format!("{{{name}}}"), value);
    }
    let (head, body) = text.split_once("\n\n").unwrap();
    let body = body.trim_end_matches('\n');
    let head = head.replace("{length}", &body.len().to_string()).replace('\n', "\r\n");
    let bytes = format!("{head}\r\n\r\n{body}");
    let mut stream = TcpStream::connect(hook.address).await.unwrap();
    stream.write_all(bytes.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    timeout(Duration::from_secs(10), stream.read_to_end(&mut answer)).await.unwrap().unwrap();
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Raw { status, head: head.to_ascii_lowercase(), text: body.to_owned() }
}

/// What the OperationOutcome of an answer says.
pub(crate) fn said(answer: &Raw) -> (u16, String, String) {
    let outcome = answer.json();
    assert_eq!(outcome["resourceType"], "OperationOutcome", "{outcome}");
    let issue = &outcome["issue"][0];
    let text = |name: &str| issue[name].as_str().unwrap_or_default().to_owned();
    (answer.status, text("code"), text("diagnostics"))
}

/// The 501 of a hook that has nobody to ask.
pub(crate) fn needs_source(answer: &Raw) {
    let expected =
        (501, "not-supported".to_owned(), "Id-only notifications need a source server.".to_owned());
    assert_eq!(said(answer), expected);
}
