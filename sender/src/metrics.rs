//! What the sender measures: its handles, and the table they are declared in.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use instruments::{Counter, Family, Gauge, Histogram, Kind, Label, Metric, PATIENT, REMOTE, Unit};
use jiff::Timestamp;
use mllp::MllpError;
use queue::Attributes;

use crate::breaker::{Cause, State};

/// The metrics of this service.
pub const METRICS: &[Metric] = &[
    CONNECTIONS,
    CONNECTS,
    TLS_HANDSHAKE,
    ACK_DURATION,
    ACKS,
    RETRIES,
    DEAD_LETTERED,
    LATENCY,
    PAUSED,
    POLL,
    HEARTBEAT,
];

const CONNECTIONS: Metric = Metric {
    name: "adt_bridge_sender_connections",
    kind: Kind::Gauge,
    unit: Unit::Count,
    labels: &[Label { name: "state", values: &["connecting", "idle", "busy"] }],
    help: "Connections to the HL7 endpoint, by what they do; none while nothing waits.",
    cloudwatch: false,
};

const CONNECTS: Metric = Metric {
    name: "adt_bridge_sender_connects_total",
    kind: Kind::Counter,
    unit: Unit::Count,
    labels: &[Label { name: "outcome", values: &["ok", "dns", "refused", "timeout", "tls", "other"] }],
    help: "Attempts to connect to the HL7 endpoint; refused stands for every answer that the network gives.",
    cloudwatch: true,
};

const TLS_HANDSHAKE: Metric = Metric {
    name: "adt_bridge_sender_tls_handshake_duration_seconds",
    kind: Kind::Histogram(REMOTE),
    unit: Unit::Seconds,
    labels: &[],
    help: "From the connection to the end of its TLS handshake, of those that succeeded.",
    cloudwatch: false,
};

const ACK_DURATION: Metric = Metric {
    name: "adt_bridge_sender_ack_duration_seconds",
    kind: Kind::Histogram(REMOTE),
    unit: Unit::Seconds,
    labels: &[Label { name: "code", values: CODES }],
    help: "From the last byte of a message to its acknowledgment.",
    cloudwatch: false,
};

const ACKS: Metric = Metric {
    name: "adt_bridge_sender_acks_total",
    kind: Kind::Counter,
    unit: Unit::Count,
    labels: &[Label {
        name: "code",
        values: &["AA", "AE", "AR", "CA", "CE", "CR", "mismatch", "malformed", "timeout", "closed"],
    }],
    help: "Answers of the HL7 endpoint by MSA-1, and what came instead of one.",
    cloudwatch: true,
};

const RETRIES: Metric = Metric {
    name: "adt_bridge_sender_retries_total",
    kind: Kind::Counter,
    unit: Unit::Count,
    labels: &[Label { name: "reason", values: &["refused", "lost", "unsent", "rejecting"] }],
    help: "Messages that will be tried again: refused for now, in doubt, not sent at all, or refused by an endpoint \
           that refuses everything.",
    cloudwatch: false,
};

const DEAD_LETTERED: Metric = Metric {
    name: "adt_bridge_dead_lettered_total",
    kind: Kind::Counter,
    unit: Unit::Count,
    labels: &[Label {
        name: "reason",
        values: &[
            "negative_acknowledgment",
            "retries_exhausted",
            "app_negative",
            "kills_peer",
            "expired",
            "too_large",
            "unsendable",
            "receive_limit",
            "parked",
            "damaged",
        ],
    }],
    help: "Messages given up, which stand in the dead letters.",
    cloudwatch: true,
};

const LATENCY: Metric = Metric {
    name: "adt_bridge_delivery_latency_seconds",
    kind: Kind::Histogram(PATIENT),
    unit: Unit::Seconds,
    labels: &[Label { name: "event", values: instruments::EVENTS }],
    help: "From the hook's acceptance of a write to the positive acknowledgment of its message.",
    cloudwatch: false,
};

const PAUSED: Metric = Metric {
    name: "adt_bridge_sender_paused",
    kind: Kind::Gauge,
    unit: Unit::Flag,
    labels: &[Label { name: "cause", values: CAUSES }],
    help: "Whether the HL7 endpoint gets no messages for now, and why: it cannot be reached, loses messages, refuses all \
           of them, or TLS fails.",
    cloudwatch: true,
};

const POLL: Metric = Metric {
    name: "adt_bridge_sender_poll_timestamp_seconds",
    kind: Kind::Gauge,
    unit: Unit::Timestamp,
    labels: &[],
    help: "When the queue last answered a request for messages; stands still while paused or full.",
    cloudwatch: false,
};

const HEARTBEAT: Metric = Metric {
    name: "adt_bridge_sender_heartbeat_timestamp_seconds",
    kind: Kind::Gauge,
    unit: Unit::Timestamp,
    labels: &[],
    help: "When every lease that had to be extended last was, or none had to be.",
    cloudwatch: false,
};

const CODES: &[&str] = &["AA", "AE", "AR", "CA", "CE", "CR"];
const CAUSES: &[&str] = &["unreachable", "losing", "rejecting", "tls"];

/// Handles, registered at the start.
#[derive(Debug)]
pub(crate) struct Metrics {
    connections: Family<Gauge>,
    connects: Family<Counter>,
    handshake: Family<Histogram>,
    pub(crate) ack_duration: Family<Histogram>,
    pub(crate) acks: Family<Counter>,
    pub(crate) retries: Family<Counter>,
    pub(crate) dead_lettered: Family<Counter>,
    latency: Family<Histogram>,
    paused: Family<Gauge>,
    poll: Family<Gauge>,
    heartbeat: Family<Gauge>,
}

/// One connection in the gauge, from construction to drop.
pub(crate) struct Counted<'m> {
    connections: &'m Family<Gauge>,
    state: &'static str,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let metrics = Self {
            connections: CONNECTIONS.gauges(),
            connects: CONNECTS.counters(),
            handshake: TLS_HANDSHAKE.histograms(),
            ack_duration: ACK_DURATION.histograms(),
            acks: ACKS.counters(),
            retries: RETRIES.counters(),
            dead_lettered: DEAD_LETTERED.counters(),
            latency: LATENCY.histograms(),
            paused: PAUSED.gauges(),
            poll: POLL.gauges(),
            heartbeat: HEARTBEAT.gauges(),
        };
        metrics.breaker(State::Closed);
        metrics
    }

    pub(crate) fn connection(&self, state: &'static str) -> Counted<'_> {
        self.connections.with([state]).increment(1.0);
        Counted { connections: &self.connections, state }
    }

    pub(crate) fn connected(&self, connection: &mllp::Connection) {
        self.connects.with(["ok"]).increment(1);
        if let Some(took) = connection.handshake() {
            self.handshake.with([]).record(took);
        }
        if let Some(certificate) = connection.certificate() {
            credentials::tell_expiry("endpoint", certificate);
        }
    }

    pub(crate) fn connect_failed(&self, error: &MllpError) {
        let outcome = match error {
            MllpError::Resolve(_) => "dns",
            MllpError::Connect(_) => "refused",
            MllpError::ConnectTimeout | MllpError::HandshakeTimeout => "timeout",
            MllpError::Tls { .. } => "tls",
            MllpError::Unwritable(_)
            | MllpError::Stale
            | MllpError::Write { .. }
            | MllpError::WriteTimeout { .. }
            | MllpError::ReplyTimeout
            | MllpError::Closed(_)
            | MllpError::Reply(_) => "other",
        };
        self.connects.with([outcome]).increment(1);
    }

    /// No answer came for a message.
    pub(crate) fn unanswered(&self, error: &MllpError) {
        let code = match error {
            MllpError::ReplyTimeout | MllpError::WriteTimeout { .. } => "timeout",
            MllpError::Reply(_) => "malformed",
            _ => "closed",
        };
        self.acks.with([code]).increment(1);
    }

    /// A message was acknowledged, `wall` being now.
    pub(crate) fn delivered(&self, facts: &Attributes, wall: SystemTime) {
        // Who accepted a message writes the time down; somebody else's has none.
        let Ok(accepted) = facts.enqueued_at.parse::<Timestamp>() else { return };
        let latency = wall.duration_since(accepted.into()).unwrap_or_default();
        let event = facts.event.strip_prefix("ADT^").unwrap_or(&facts.event);
        self.latency.with_or(event, "other").record(latency);
    }

    pub(crate) fn breaker(&self, state: State) {
        let open: Option<Cause> = match state {
            State::Closed => None,
            State::Open { cause, .. } | State::HalfOpen { cause, .. } => Some(cause),
        };
        for cause in CAUSES {
            let is = open.is_some_and(|open| open.as_str() == *cause);
            self.paused.with([cause]).set(if is { 1.0 } else { 0.0 });
        }
    }

    pub(crate) fn polled(&self, wall: SystemTime) {
        self.poll.with([]).set(seconds(wall));
    }

    pub(crate) fn extended(&self, wall: SystemTime) {
        self.heartbeat.with([]).set(seconds(wall));
    }
}

impl Counted<'_> {
    pub(crate) fn becomes(&mut self, state: &'static str) {
        if self.state == state {
            return;
        }
        self.connections.with([self.state]).decrement(1.0);
        self.connections.with([state]).increment(1.0);
        self.state = state;
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.connections.with([self.state]).decrement(1.0);
    }
}

fn seconds(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs_f64()
}

#[cfg(test)]
mod tests {
    use queue::Reason;

    use super::*;

    #[test]
    fn every_reason_and_cause_is_declared() {
        let declared = DEAD_LETTERED.labels[0].values;
        assert_eq!(declared, Reason::ALL.map(Reason::as_str));
        for cause in [Cause::Unreachable, Cause::Losing, Cause::Rejecting, Cause::Tls] {
            assert!(CAUSES.contains(&cause.as_str()));
        }
    }
}
