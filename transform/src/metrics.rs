//! What the hook measures: its handles, and the table they are declared in.

use std::time::Duration;

use axum::http::{Method, StatusCode};
use fhir_adt::{Conversion, Issue, Severity};
use instruments::{Counter, Family, Histogram, Kind, LOCAL, Label, Metric, REMOTE, Unit};

use crate::{error::HookError, routes::Surface, write::Outcome};

/// The metrics of this service.
pub const METRICS: &[Metric] =
    &[REQUESTS, REQUEST_DURATION, WRITES, TRANSFORMS, TRANSFORM_DURATION, TRANSFORM_WARNINGS];

const REQUESTS: Metric = Metric {
    name: "adt_bridge_hook_requests_total",
    kind: Kind::Counter,
    unit: Unit::Count,
    labels: &[Label { name: "outcome", values: REQUEST_OUTCOMES }],
    help: "Requests to the hook by their answer: 2xx to a write, 2xx to a read, 401 and 403, 429, 503, other 5xx, and \
           every other 4xx. Health and metrics are not counted.",
    cloudwatch: true,
};

const REQUEST_DURATION: Metric = Metric {
    name: "adt_bridge_hook_request_duration_seconds",
    kind: Kind::Histogram(REMOTE),
    unit: Unit::Seconds,
    labels: &[Label { name: "outcome", values: REQUEST_OUTCOMES }],
    help: "From the head of a request to the head of its answer.",
    cloudwatch: false,
};

const WRITES: Metric = Metric {
    name: "adt_bridge_hook_writes_total",
    kind: Kind::Counter,
    unit: Unit::Count,
    labels: &[Label { name: "outcome", values: &["accepted", "duplicate", "ignored", "refused", "failed"] }],
    help: "Writes of one patient, of which a Bundle has many: durable in the queue, known already, older than what was \
           sent, refused for their content, or not done for a reason that may pass.",
    cloudwatch: false,
};

const TRANSFORMS: Metric = Metric {
    name: "adt_bridge_transform_total",
    kind: Kind::Counter,
    unit: Unit::Count,
    labels: &[
        Label { name: "event", values: &EVENTS_AND_NONE },
        Label { name: "outcome", values: TRANSFORM_OUTCOMES },
    ],
    help: "Messages made of resources; event is none where a resource was refused or nothing is sent for it.",
    cloudwatch: false,
};

const TRANSFORM_DURATION: Metric = Metric {
    name: "adt_bridge_transform_duration_seconds",
    kind: Kind::Histogram(LOCAL),
    unit: Unit::Seconds,
    labels: &[Label { name: "outcome", values: TRANSFORM_OUTCOMES }],
    help: "From a resource to its messages.",
    cloudwatch: false,
};

const TRANSFORM_WARNINGS: Metric = Metric {
    name: "adt_bridge_transform_warnings_total",
    kind: Kind::Counter,
    unit: Unit::Count,
    labels: &[
        Label { name: "severity", values: &["warning", "information"] },
        Label {
            name: "code",
            values: &[
                "invalid",
                "structure",
                "required",
                "value",
                "not-supported",
                "incomplete",
                "too-long",
                "business-rule",
            ],
        },
    ],
    help: "What messages do not carry or input was repaired in, by FHIR issue type.",
    cloudwatch: false,
};

const REQUEST_OUTCOMES: &[&str] =
    &["accepted", "read", "invalid", "unauthorized", "overloaded", "unavailable", "failed"];
const TRANSFORM_OUTCOMES: &[&str] = &["converted", "nothing", "refused"];
const EVENTS_AND_NONE: [&str; 11] = {
    let mut events = ["none"; 11];
    let mut at = 0;
    while at < instruments::EVENTS.len() {
        events[at] = instruments::EVENTS[at];
        at += 1;
    }
    events
};

/// Handles, registered at the start.
#[derive(Debug)]
pub(crate) struct Metrics {
    requests: Family<Counter>,
    request_duration: Family<Histogram>,
    writes: Family<Counter>,
    transforms: Family<Counter>,
    transform_duration: Family<Histogram>,
    warnings: Family<Counter>,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        Self {
            requests: REQUESTS.counters(),
            request_duration: REQUEST_DURATION.histograms(),
            writes: WRITES.counters(),
            transforms: TRANSFORMS.counters(),
            transform_duration: TRANSFORM_DURATION.histograms(),
            warnings: TRANSFORM_WARNINGS.counters(),
        }
    }

    pub(crate) fn request(&self, method: &Method, status: StatusCode, took: Duration) {
        let outcome = match status.as_u16() {
            401 | 403 => "unauthorized",
            429 => "overloaded",
            503 => "unavailable",
            500.. => "failed",
            400.. => "invalid",
            _ if [Method::GET, Method::HEAD, Method::OPTIONS].contains(method) => "read",
            _ => "accepted",
        };
        self.requests.with([outcome]).increment(1);
        self.request_duration.with([outcome]).record(took);
    }

    pub(crate) fn written(&self, outcome: &Outcome) {
        let outcome = match outcome {
            Outcome::Written { repeated: false, .. } | Outcome::Deleted { sent: true } => "accepted",
            Outcome::Written { repeated: true, .. } | Outcome::Deleted { sent: false } => "duplicate",
            Outcome::Stale { .. } => "ignored",
        };
        self.writes.with([outcome]).increment(1);
    }

    pub(crate) fn not_written(&self, error: &HookError) {
        let status = error.answer(Surface::Fhir).status;
        let passing = status.is_server_error()
            || matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS);
        self.writes.with([if passing { "failed" } else { "refused" }]).increment(1);
    }

    /// A resource became messages, or nothing has to be sent for it.
    pub(crate) fn converted(&self, conversion: &Conversion, took: Duration) {
        let outcome = if conversion.messages.is_empty() { "nothing" } else { "converted" };
        self.transform_duration.with([outcome]).record(took);
        if conversion.messages.is_empty() {
            self.transforms.with(["none", outcome]).increment(1);
        }
        for message in &conversion.messages {
            let event = message.event;
            let event = if instruments::EVENTS.contains(&event) { event } else { "other" };
            self.transforms.with([event, outcome]).increment(1);
        }
        for Issue { severity, code, .. } in &conversion.report.issues {
            if *severity != Severity::Error {
                self.warnings.with([severity.as_str(), code.as_str()]).increment(1);
            }
        }
    }

    /// A resource was refused.
    pub(crate) fn refused(&self, took: Duration) {
        self.transforms.with(["none", "refused"]).increment(1);
        self.transform_duration.with(["refused"]).record(took);
    }
}
