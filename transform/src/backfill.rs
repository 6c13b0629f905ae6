//! `POST {base}/fhir/$backfill`: history as NDJSON, one Patient a line, as long as it may be.
//!
//! Lines go the way of a `PUT`, some at once, those of one patient one after the other. The answer begins at once and
//! has one OperationOutcome per line that failed; its last line says how far it got:
//!
//! ```text
//! {"resourceType":"Parameters","parameter":[{"name":"accepted","valueInteger":998},{"name":"skipped",…},
//!   {"name":"failed",…},{"name":"lines","valueInteger":1000},{"name":"complete","valueBoolean":true}]}
//! ```
//!
//! `lines` is the number of the last line that is settled: a sender whose stream broke sends the same file again with
//! `?offset={lines}`, or from its start, as versions that are known are skipped.

mod config;
mod lines;
mod pace;

use std::{collections::HashMap, sync::Arc, time::Duration};

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use message_store::PatientKey;
use serde_json::{Value, json};
use tokio::{sync::mpsc, time::Instant};
use tracing::Instrument;

pub use config::BackfillConfig;
pub(crate) use pace::Pace;

use self::lines::{Line, Lines};
use crate::{
    error::HookError,
    given::Given,
    hook::Hook,
    routes::{self, Place, Surface},
    write::{Origin, Outcome, Verb},
};

/// Answers one request.
pub(crate) fn answer(hook: &Arc<Hook>, parts: &Parts, body: Body) -> Result<Response, HookError> {
    if parts.method == Method::POST {
        return receive(hook, parts, body);
    }
    Err(routes::refused_method(Place::Backfill, &parts.method, false))
}

/// Takes a stream of lines; answers while it comes.
fn receive(hook: &Arc<Hook>, parts: &Parts, body: Body) -> Result<Response, HookError> {
    let gzip = check_headers(&parts.headers)?;
    let offset = query(parts, "offset").map_or(Ok(0), |text| text.parse());
    let offset = offset.map_err(|_| HookError::Parameter { name: "offset" })?;
    let replay = query(parts, "replay") == Some("true");
    let lines = Lines::new(body, gzip, hook.max_body_bytes(), hook.body_timeout());
    let (answer, rows) = mpsc::channel(ROWS);
    let headers = parts.headers.clone();
    let backfill = Backfill { hook: Arc::clone(hook), headers, replay, answer, tally: Tally::default() };
    hook.spawn(backfill.run(lines, offset).in_current_span());
    let rows = futures::stream::unfold(rows, |mut rows| async {
        rows.recv().await.map(|row: Bytes| (Ok::<_, std::convert::Infallible>(row), rows))
    });
    let mut response = (StatusCode::OK, Body::from_stream(rows)).into_response();
    let ndjson = HeaderValue::from_static("application/fhir+ndjson");
    response.headers_mut().insert(header::CONTENT_TYPE, ndjson);
    Ok(response)
}

/// One stream of lines.
struct Backfill {
    hook: Arc<Hook>,
    headers: HeaderMap,
    replay: bool,
    answer: mpsc::Sender<Bytes>,
    tally: Tally,
}

/// What became of the lines so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tally {
    accepted: u64,
    skipped: u64,
    failed: u64,
    /// The last line that is settled, and all before it.
    lines: u64,
}

/// What became of one line.
enum Settled {
    Accepted,
    /// Known already, or older than what is known.
    Skipped,
    Failed(HookError),
    /// Not settled, and neither are the lines after it.
    Stopped(HookError),
}

/// A line that was read: which patient, and what of it.
struct Entry {
    number: u64,
    read: Result<(PatientKey, Given), HookError>,
}

impl Backfill {
    async fn run(mut self, mut lines: Lines, offset: u64) {
        self.tally.lines = offset;
        let stopped = self.take_in(&mut lines, offset).await;
        let Tally { accepted, skipped, failed, .. } = self.tally;
        if let Err(error) = &stopped {
            tracing::warn!(accepted, skipped, failed, %error, "backfill stopped: {error}");
        } else {
            self.tally.lines = self.tally.lines.max(lines.number());
            tracing::info!(accepted, skipped, failed, "backfill is through");
        }
        let reason = stopped.err().map(|error| error.answer(Surface::Fhir).text);
        self.say(&self.tally.parameters(reason.as_deref())).await;
    }

    async fn take_in(&mut self, lines: &mut Lines, offset: u64) -> Result<(), HookError> {
        loop {
            let mut window = Vec::new();
            let mut bytes = 0;
            let mut end = Ok(false);
            while window.len() < self.hook.backfill().at_once && bytes < WINDOW_BYTES {
                match lines.next().await {
                    Ok(Some(line)) if line.number <= offset => {}
                    Ok(Some(line)) => {
                        bytes += line.text.as_ref().map_or(0, Bytes::len);
                        window.push(self.read(line));
                    }
                    Ok(None) => {
                        end = Ok(true);
                        break;
                    }
                    Err(error) => {
                        end = Err(error);
                        break;
                    }
                }
            }
            self.settle(window).await?;
            if end? {
                return Ok(());
            }
        }
    }

    fn read(&self, line: Line) -> Entry {
        let limit = self.hook.max_body_bytes();
        let read = line.text.ok_or(HookError::BodyTooLarge { limit }).and_then(|text| {
            let resource = Given::read(&text)?;
            let id = resource.id().text().ok_or(HookError::IdMissing)?;
            Ok((PatientKey::new(id).map_err(|_| HookError::InvalidId)?, resource))
        });
        Entry { number: line.number, read }
    }

    /// Writes some lines: patients at once, the lines of one patient in their order.
    async fn settle(&mut self, window: Vec<Entry>) -> Result<(), HookError> {
        if window.is_empty() {
            return Ok(());
        }
        self.make_way(window.len()).await?;
        let mut groups: HashMap<Option<PatientKey>, Vec<Entry>> = HashMap::new();
        for entry in window {
            let patient = entry.read.as_ref().ok().map(|(patient, _)| patient.clone());
            groups.entry(patient).or_default().push(entry);
        }
        let groups = groups.into_values().map(|group| self.settle_group(group));
        let mut settled: Vec<_> = futures::future::join_all(groups).await.into_iter().flatten().collect();
        settled.sort_unstable_by_key(|(number, _)| *number);
        for (number, settled) in settled {
            match settled {
                Settled::Accepted => self.tally.accepted += 1,
                Settled::Skipped => self.tally.skipped += 1,
                Settled::Failed(error) => {
                    self.tally.failed += 1;
                    self.say(&row(number, &error)).await;
                }
                Settled::Stopped(error) => return Err(error),
            }
            self.tally.lines = number;
        }
        if self.answer.is_closed() { Err(HookError::BodyCutOff) } else { Ok(()) }
    }

    async fn settle_group(&self, group: Vec<Entry>) -> Vec<(u64, Settled)> {
        let mut done = Vec::with_capacity(group.len());
        for Entry { number, read } in group {
            let settled = match read {
                Ok((patient, resource)) => self.write(patient, resource).await,
                Err(error) => Settled::Failed(error),
            };
            let stopped = matches!(settled, Settled::Stopped(_));
            done.push((number, settled));
            if stopped {
                break;
            }
        }
        done
    }

    /// One line, tried again while queue or store are away.
    async fn write(&self, patient: PatientKey, resource: Given) -> Settled {
        let until = Instant::now() + PATIENCE;
        let mut pause = Duration::from_millis(100);
        loop {
            let told = resource.told().clone();
            let mut write =
                self.hook.write(&self.headers, Verb::Update, patient.clone(), Some(resource.clone()));
            (write.told, write.replay, write.origin) = (Some(told), self.replay, Origin::Backfill);
            (write.if_match, write.only_if_new) = (None, false);
            let error = match self.hook.apply(write).await {
                Ok(Outcome::Written { repeated: false, .. } | Outcome::Deleted { sent: true }) => {
                    return Settled::Accepted;
                }
                Ok(
                    Outcome::Written { repeated: true, .. }
                    | Outcome::Deleted { sent: false }
                    | Outcome::Stale { .. },
                ) => return Settled::Skipped,
                Err(error) => error,
            };
            let status = error.answer(Surface::Fhir).status;
            let passes = matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS);
            if !passes {
                return Settled::Failed(error);
            }
            if self.hook.is_draining() || Instant::now() >= until || self.answer.is_closed() {
                return Settled::Stopped(error);
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(5));
        }
    }

    /// Waits for the rate, for live requests, and for room in the queue.
    async fn make_way(&self, lines: usize) -> Result<(), HookError> {
        self.hook.pace().take(lines).await;
        let until = Instant::now() + YIELD;
        while self.hook.live_requests() > 0 && Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        loop {
            if self.hook.is_draining() {
                return Err(HookError::Draining);
            }
            if self.answer.is_closed() {
                return Err(HookError::BodyCutOff);
            }
            // A queue that cannot say how full it is says so when it is sent to.
            let Ok(statistics) = self.hook.queue().statistics().await else { return Ok(()) };
            if statistics.ready < self.hook.backfill().max_queued {
                return Ok(());
            }
            tokio::time::sleep(ROOM).await;
        }
    }

    /// A line of the answer. A client that does not listen any more is noticed elsewhere.
    async fn say(&self, row: &Value) {
        let mut text = row.to_string();
        text.push('\n');
        drop(self.answer.send(text.into()).await);
    }
}

impl Tally {
    fn parameters(&self, reason: Option<&str>) -> Value {
        let count = |name: &str, value: u64| json!({ "name": name, "valueInteger": value });
        let mut parameters = vec![
            count("accepted", self.accepted),
            count("skipped", self.skipped),
            count("failed", self.failed),
            count("lines", self.lines),
            json!({ "name": "complete", "valueBoolean": reason.is_none() }),
        ];
        parameters.extend(reason.map(|reason| json!({ "name": "reason", "valueString": reason })));
        json!({ "resourceType": "Parameters", "parameter": parameters })
    }
}

/// Why a line failed, without any of it.
fn row(number: u64, error: &HookError) -> Value {
    let answer = error.answer(Surface::Fhir);
    json!({
        "resourceType": "OperationOutcome",
        "issue": [{
            "severity": "error",
            "code": answer.code,
            "diagnostics": answer.text,
            "location": [format!("line {number}")],
        }],
    })
}

/// NDJSON, gzip or not; whether it is gzip.
fn check_headers(headers: &HeaderMap) -> Result<bool, HookError> {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media = given.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if !NDJSON.contains(&media.as_str()) {
        return Err(HookError::NotNdjson);
    }
    match headers.get(header::CONTENT_ENCODING).map(HeaderValue::as_bytes) {
        None | Some(b"identity") => Ok(false),
        Some(coding) if coding.eq_ignore_ascii_case(b"gzip") => Ok(true),
        Some(_) => Err(HookError::ContentEncoding),
    }
}

/// A parameter of the query, as it stands.
fn query<'p>(parts: &'p Parts, name: &str) -> Option<&'p str> {
    let pairs = parts.uri.query()?.split('&');
    pairs.filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name).map(|(_, value)| value)
}

const NDJSON: [&str; 3] = ["application/fhir+ndjson", "application/ndjson", "application/x-ndjson"];
/// How long a line waits for queue and store before the stream ends.
const PATIENCE: Duration = Duration::from_secs(30);
/// The most that live requests hold a backfill up, so that it ends some day.
const YIELD: Duration = Duration::from_secs(1);
/// How often to look for room in the queue.
const ROOM: Duration = Duration::from_millis(100);
/// Bytes of lines at once.
const WINDOW_BYTES: usize = 4 * 1024 * 1024;
/// Rows of the answer that may wait for the client.
const ROWS: usize = 64;
