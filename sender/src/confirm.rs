//! Acknowledgments below and above those of HL7: the commit blocks of MLLP release 2, and what an endpoint wants to
//! hear of its own acknowledgments.

use hl7v2::{AckCode, Acknowledgment, Reply, Text};
use mllp::Frame;

use crate::{connection::Open, foreign, shared::Shared};

/// The content of a commit block (MLLP release 2 §2.2): ACK, the endpoint has the message in its custody.
const ACKNOWLEDGED: u8 = 0x06;
/// The same: NAK, it has not.
const NOT_ACKNOWLEDGED: u8 = 0x15;

/// Reads a commit block as the commit acknowledgment of the message on the wire; it names none itself.
pub(crate) fn commit_block(frame: &Frame, control_id: &str) -> Option<Acknowledgment> {
    let code = match frame.as_bytes() {
        [ACKNOWLEDGED] => AckCode::CA,
        [NOT_ACKNOWLEDGED] => AckCode::CE,
        _ => return None,
    };
    let control_id = Some(control_id.to_owned());
    Some(Acknowledgment { code, control_id, errors: Vec::new(), time: String::new(), raw: String::new() })
}

/// Confirms an application acknowledgment, where the endpoint asks for that: with a commit block under MLLP release 2,
/// or with CA where its MSH-15 says so (HL7 v2.5.1 §2.9.3).
pub(crate) async fn confirm(
    shared: &Shared,
    open: &mut Open,
    frame: &Frame,
    acknowledgment: &Acknowledgment,
) {
    if matches!(acknowledgment.code, AckCode::CA | AckCode::CE | AckCode::CR) {
        return;
    }
    let reply = match shared.config.policy.mllp_release {
        2 => Some(vec![ACKNOWLEDGED]),
        _ if asks(acknowledgment) => accept(frame),
        _ => None,
    };
    let Some(reply) = reply else { return };
    // The acknowledgment counts, whether the endpoint learns that we have it or not.
    if let Err(error) = open.connection.reply(&reply).await {
        tracing::debug!(%error, mllp.peer = %open.connection.peer(), "the confirmation was not written");
    }
}

/// Whether it may ask: a look at MSH-15 that spares nearly every acknowledgment a second reading.
fn asks(acknowledgment: &Acknowledgment) -> bool {
    let msh = acknowledgment.raw.split('\r').next().unwrap_or_default();
    let separator = msh.chars().nth(3).unwrap_or('|');
    msh.split(separator).nth(14).is_some_and(|field| !field.trim().is_empty())
}

fn accept(frame: &Frame) -> Option<Vec<u8>> {
    let text = Text::from_bytes(frame.as_bytes()).ok()?;
    let header = text.parse().ok()?.header();
    if !matches!(header.accept_acknowledgment.as_str(), "AL" | "SU") {
        return None;
    }
    let (control_id, time) = foreign::stamp(jiff::Timestamp::now());
    let reply = Reply { code: AckCode::CA, errors: &[], text: "", control_id: &control_id, time: &time };
    Some(header.charset.encode(&reply.encode(Some(&header))).0.into_owned())
}
