//! The spans of one attempt to deliver, below the one that queued the message.

use std::net::SocketAddr;

use hl7v2::Acknowledgment;
use service::traces::{Kind, Span};

use crate::{disposition::Disposition, table::Held};

/// The attempt, and the exchange with the endpoint within it.
pub(crate) struct Spans {
    attempt: Span,
    exchange: Span,
}

impl Spans {
    /// Begins both.
    pub(crate) fn begin(held: &Held, peer: SocketAddr) -> Self {
        let facts = &held.delivery.envelope.attributes;
        let attempt = Span::begin(Kind::Consumer, "process adt", facts.traceparent.as_deref());
        let exchange = attempt.child(Kind::Client, "mllp exchange");
        let mut spans = Self { attempt, exchange };
        if spans.attempt.is_recording() {
            spans.describe(held, peer);
        }
        spans
    }

    fn describe(&mut self, held: &Held, peer: SocketAddr) {
        let Self { attempt, exchange } = self;
        let facts = &held.delivery.envelope.attributes;
        attempt.set("messaging.system", "adt-bridge");
        attempt.set("messaging.destination.name", "adt");
        attempt.set("messaging.operation.name", "process");
        attempt.set("messaging.operation.type", "process");
        attempt.set("messaging.message.id", facts.control_id.clone());
        attempt.set("hl7.trigger_event", facts.event.clone());
        attempt.set("queue.receive_count", held.delivery.receive_count);
        exchange.set("network.transport", "tcp");
        exchange.set("network.protocol.name", "mllp");
        exchange.set("server.address", peer.ip().to_string());
        exchange.set("server.port", u32::from(peer.port()));
        exchange.set("hl7.control_id", facts.control_id.clone());
    }

    /// Nothing went out.
    pub(crate) fn unsent(mut self) {
        self.exchange.fail("unsent");
    }

    /// The exchange is over. The attempt is when what this gives is dropped.
    pub(crate) fn exchanged(
        mut self,
        disposition: Disposition,
        acknowledgment: Option<&Acknowledgment>,
        attempts: u32,
    ) -> Span {
        match acknowledgment {
            None => self.exchange.fail("no_acknowledgment"),
            Some(acknowledgment) => {
                self.exchange.set("hl7.ack_code", acknowledgment.code.as_str());
                if let Some(error) = acknowledgment.errors.first() {
                    self.exchange.set("hl7.error_code", error.code.to_string());
                }
            }
        }
        self.attempt.set("attempts", attempts);
        self.attempt.set("disposition", disposition.as_str());
        if !matches!(disposition, Disposition::Delivered | Disposition::AwaitApplication) {
            self.attempt.fail(disposition.as_str());
        }
        self.attempt
    }
}
