//! Messages that the endpoint sends on our connection. It is for ours only: they are refused, so that the endpoint
//! learns it, and our message goes on waiting for its answer.

use hl7v2::{AckCode, Header, Reply, ReplyError, Text};
use mllp::Frame;

use crate::connection::Open;

/// Answers a message with AR. False when the frame is no message, or a broken answer to ours.
pub(crate) async fn refuse(open: &mut Open, frame: &Frame) -> bool {
    let header = Text::from_bytes(frame.as_bytes()).and_then(|text| Ok(text.parse()?.header()));
    let Some(header) = header.ok().filter(|header| !matches!(header.message_type.code.as_str(), "" | "ACK"))
    else {
        return false;
    };
    tracing::warn!(mllp.peer = %open.connection.peer(), "the endpoint sends messages on our connection, refused");
    let reply = refusal(&header, jiff::Timestamp::now());
    // A connection that cannot be written to brings no answer either; the wait for it ends by itself.
    let written = open.connection.reply(&header.charset.encode(&reply).0).await;
    if let Err(error) = written {
        tracing::debug!(%error, "the refusal was not written");
    }
    true
}

fn refusal(header: &Header, now: jiff::Timestamp) -> String {
    let (control_id, time) = stamp(now);
    let errors = [ReplyError { code: 200, meaning: "Unsupported message type", location: None }];
    let reply = Reply { code: AckCode::AR, errors: &errors, text: "", control_id: &control_id, time: &time };
    reply.encode(Some(header))
}

/// MSH-10 and MSH-7 of what we answer.
pub(crate) fn stamp(now: jiff::Timestamp) -> (String, String) {
    (format!("{:x}", now.as_nanosecond()), now.strftime("%Y%m%d%H%M%S+0000").to_string())
}
