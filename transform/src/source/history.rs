//! What a source has of the past, for a backfill: all pages of a search, or the files of a bulk export.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use jiff::Timestamp;
use serde_json::Value;
use url::Url;

use super::{
    Source, SourceConfig,
    catch_up::Search,
    client::{FetchError, next_chunk},
    outcome::{Outcome, fetch_outcome},
};
use crate::Error;

/// The Patients of a source, oldest change first.
#[derive(Debug)]
pub struct History {
    source: Source,
    search: Search,
}

/// One page of a [`History`].
pub struct Page {
    /// NDJSON: one Patient a line.
    pub lines: Bytes,
    /// Where the next page is; `None` after the last one.
    pub next: Option<String>,
}

/// The files of a bulk export (FHIR Bulk Data Access 2.0.0, manifest).
#[derive(Debug)]
pub struct Export {
    source: Source,
    files: Vec<Url>,
    /// Whether files on the source want our credentials.
    token: bool,
}

/// A file of an [`Export`], as it comes.
#[derive(Debug)]
pub struct ExportFile {
    body: hyper::body::Incoming,
    timeout: Duration,
}

/// Why a source's history cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The settings of the source cannot be used.
    #[error(transparent)]
    Config(#[from] Error),
    /// Row 52 of the hook's errors.
    #[error("{host} is not an allowed source.")]
    NotAllowed {
        /// The host that was named.
        host: String,
    },
    /// No usable answer; worth another try.
    #[error("{0}")]
    MayPass(String),
    /// No usable answer, and none to expect.
    #[error("{0}")]
    Final(String),
}

impl History {
    /// From `since` on (everything without it), or from a page whose place was kept.
    ///
    /// # Errors
    /// `Config`; `NotAllowed` for a page of another server.
    pub fn new(
        config: &SourceConfig,
        since: Option<Timestamp>,
        page: Option<&str>,
    ) -> Result<Self, HistoryError> {
        let source = Source::new(config)?;
        let search = match page {
            None => Search::from(&source, since),
            Some(page) => {
                let foreign = HistoryError::NotAllowed { host: "the next page".to_owned() };
                Search::resume(&source, page).ok_or(foreign)?
            }
        };
        Ok(Self { source, search })
    }

    /// The next page; `None` at the end. The same page again after an error.
    ///
    /// # Errors
    /// `MayPass` or `Final`.
    pub async fn next(&mut self) -> Result<Option<Page>, HistoryError> {
        let Some(url) = self.search.next.clone() else { return Ok(None) };
        let patients = self.search.read(&self.source, url.clone()).await.map_err(|error| {
            self.search.next = Some(url);
            failed(&error)
        })?;
        let mut lines = BytesMut::new();
        for (_, resource) in patients {
            lines.extend_from_slice(Value::Object(resource).to_string().as_bytes());
            lines.extend_from_slice(b"\n");
        }
        Ok(Some(Page { lines: lines.freeze(), next: self.search.next.as_ref().map(Url::to_string) }))
    }
}

impl Export {
    /// Reads the manifest.
    ///
    /// # Errors
    /// `NotAllowed` when the manifest or one of its files is on a host that is not configured.
    pub async fn open(config: &SourceConfig, manifest: &str) -> Result<Self, HistoryError> {
        let source = Source::new(config)?;
        let url =
            Url::parse(manifest).map_err(|_| HistoryError::Final("the manifest is not a URL".into()))?;
        if !source.client().base().owns(&url) {
            return Err(HistoryError::NotAllowed { host: super::host(&url) });
        }
        let answer = source.client().send(axum::http::Method::GET, url, None).await;
        let answer = answer.map_err(|error| failed(&error))?;
        let manifest: Value = serde_json::from_slice(&answer.body)
            .map_err(|_| HistoryError::Final("the manifest is not JSON".to_owned()))?;
        let token = manifest.get("requiresAccessToken").and_then(Value::as_bool).unwrap_or_default();
        let output = manifest.get("output").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let patients = |entry: &&Value| entry.get("type").and_then(Value::as_str) == Some("Patient");
        let mut files = Vec::new();
        for entry in output.iter().filter(patients) {
            let text = entry.get("url").and_then(Value::as_str).unwrap_or_default();
            let url = Url::parse(text)
                .map_err(|_| HistoryError::Final("a file of the manifest has no URL".into()))?;
            if !is_allowed(&source, &url) {
                return Err(HistoryError::NotAllowed { host: super::host(&url) });
            }
            files.push(url);
        }
        Ok(Self { source, files, token })
    }

    /// How many files of Patients there are.
    #[must_use]
    pub fn files(&self) -> usize {
        self.files.len()
    }

    /// Begins to read a file, from its start. Credentials go along only where the manifest asks for them and the file
    /// is on the source itself.
    ///
    /// # Errors
    /// `MayPass` or `Final`.
    pub async fn file(&self, index: usize) -> Result<Option<ExportFile>, HistoryError> {
        let Some(url) = self.files.get(index) else { return Ok(None) };
        let client = self.source.client();
        let with_token = self.token && client.base().owns(url);
        let body = client.stream(url, with_token).await.map_err(|error| failed(&error))?;
        Ok(Some(ExportFile { body, timeout: self.source.config.timeout }))
    }
}

impl ExportFile {
    /// The next bytes; `None` at the end.
    ///
    /// # Errors
    /// `MayPass` when the file breaks off or pauses too long.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, HistoryError> {
        let chunk = tokio::time::timeout(self.timeout, next_chunk(&mut self.body)).await;
        let broke = || HistoryError::MayPass("the file broke off".to_owned());
        chunk.map_err(|_| broke())?.map_err(|_| broke())
    }
}

/// Below the base, or on a host for export files; never without TLS but on this machine.
fn is_allowed(source: &Source, url: &Url) -> bool {
    let listed = |host: &str| source.config.export_hosts.iter().any(|allowed| allowed == host);
    source.client().base().owns(url)
        || (url.scheme() == "https" && url.username().is_empty() && url.host_str().is_some_and(listed))
}

fn failed(error: &FetchError) -> HistoryError {
    match fetch_outcome(error, 0) {
        Outcome::Retry { .. } | Outcome::Wait(_) => HistoryError::MayPass(error.to_string()),
        Outcome::Done | Outcome::Lost | Outcome::Park { .. } => HistoryError::Final(error.to_string()),
    }
}

/// Shape only: the lines hold people.
impl std::fmt::Debug for Page {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Page").field("size_bytes", &self.lines.len()).finish_non_exhaustive()
    }
}
