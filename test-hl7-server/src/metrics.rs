//! What the test server measures: its handles, and the table they are declared in.

use hl7v2::ParseError;
use instruments::{Counter, Family, Kind, Label, Metric, Unit};
use mllp::server::Count;

use crate::acknowledge::Outcome;
use crate::error::Refusal;

/// The metrics of this service.
pub const METRICS: &[Metric] = &[MESSAGES, BYTES, FRAMES_REJECTED, CONNECTIONS, PROBES];

const MESSAGES: Metric = Metric {
    name: "adt_bridge_receiver_messages_total",
    kind: Kind::Counter,
    unit: Unit::Count,
    labels: &[Label { name: "outcome", values: OUTCOMES }],
    help: "Messages received, by what became of them.",
    cloudwatch: true,
};

const BYTES: Metric = Metric {
    name: "adt_bridge_receiver_bytes_total",
    kind: Kind::Counter,
    unit: Unit::Bytes,
    labels: &[Label { name: "outcome", values: OUTCOMES }],
    help: "Bytes of these messages.",
    cloudwatch: false,
};

const FRAMES_REJECTED: Metric = Metric {
    name: "adt_bridge_receiver_frames_rejected_total",
    kind: Kind::Counter,
    unit: Unit::Count,
    labels: &[Label {
        name: "reason",
        values: &["too_large", "no_start", "no_end", "charset", "unparsable"],
    }],
    help: "What came and was no readable message: over the limit, without start or end of a block, in a character set \
           that is not known or not kept to, or not HL7.",
    cloudwatch: false,
};

const CONNECTIONS: Metric = Metric {
    name: "adt_bridge_receiver_connections_total",
    kind: Kind::Counter,
    unit: Unit::Count,
    labels: &[Label {
        name: "event",
        values: &["accepted", "tls_failed", "idle", "slow", "evicted", "accept_failed"],
    }],
    help: "Connections accepted, and what was done to some: refused in the handshake, closed for silence, for slowness, or \
           to make room; and accepts that failed.",
    cloudwatch: false,
};

const PROBES: Metric = Metric {
    name: "adt_bridge_receiver_probe_connections_total",
    kind: Kind::Counter,
    unit: Unit::Count,
    labels: &[],
    help: "Connections without a byte: health checks of load balancers.",
    cloudwatch: false,
};

const OUTCOMES: &[&str] =
    &["stored", "duplicate", "stored_with_complaint", "acknowledgment", "not_stored", "refused"];

/// Handles, registered at the start.
#[derive(Debug)]
pub(crate) struct Metrics {
    messages: Family<Counter>,
    bytes: Family<Counter>,
    frames_rejected: Family<Counter>,
    connections: Family<Counter>,
    probes: Family<Counter>,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        Self {
            messages: MESSAGES.counters(),
            bytes: BYTES.counters(),
            frames_rejected: FRAMES_REJECTED.counters(),
            connections: CONNECTIONS.counters(),
            probes: PROBES.counters(),
        }
    }

    pub(crate) fn message(&self, outcome: &Outcome, size_bytes: usize) {
        let name = match outcome {
            // Not the message's fault: the store is away.
            Outcome::Refused(Refusal::NotStored) => "not_stored",
            outcome => outcome.as_str(),
        };
        self.messages.with([name]).increment(1);
        self.bytes.with([name]).increment(u64::try_from(size_bytes).unwrap_or(u64::MAX));
        if let Outcome::Refused(Refusal::Unreadable(error)) = outcome {
            let reason = match error {
                ParseError::InvalidEncoding { .. } | ParseError::UnsupportedCharset => "charset",
                _ => "unparsable",
            };
            self.frames_rejected.with([reason]).increment(1);
        }
    }

    pub(crate) fn counted(&self, count: Count) {
        let connection = |event: &str| self.connections.with([event]).increment(1);
        let frame = |reason: &str| self.frames_rejected.with([reason]).increment(1);
        match count {
            Count::Connection => connection("accepted"),
            Count::HandshakeFailure => connection("tls_failed"),
            Count::Idle => connection("idle"),
            Count::Slow => connection("slow"),
            Count::Evicted => connection("evicted"),
            Count::AcceptError => connection("accept_failed"),
            Count::Probe => self.probes.with([]).increment(1),
            Count::TooLarge => frame("too_large"),
            Count::Junk => frame("no_start"),
            Count::Truncated => frame("no_end"),
            // A frame that is read becomes a message; who does not wait for a reply has what it asked for.
            Count::Frame | Count::ReplyFailure => {}
        }
    }
}
