//! From a reply as told to bytes on the wire.

use std::time::Duration;

use hl7v2::{AckCode, Header, Reply};
use mllp::codec::{CARRIAGE_RETURN, END_BLOCK, START_BLOCK};
use mllp::server::Step;

use super::scenario::{BlockEnd, ReplyAction, ReplyId};

/// What a forged reply needs to know.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts<'a> {
    /// Of the message that is answered.
    pub(crate) header: Option<&'a Header>,
    /// MSH-10 of the message before.
    pub(crate) previous: &'a str,
    /// MSH-7 of the reply.
    pub(crate) time: &'a str,
}

/// The ER7 text of a forged reply with this code.
pub(crate) fn forge(code: &str, reply: &ReplyAction, facts: Facts<'_>, control_id: &str) -> Vec<u8> {
    let unknown = Header { version: "2.5.1".to_owned(), processing_id: "P".to_owned(), ..Header::default() };
    let mut header = facts.header.cloned().unwrap_or(unknown);
    match reply.id {
        ReplyId::Own => {}
        ReplyId::Blank => header.control_id.clear(),
        ReplyId::Previous => header.control_id = facts.previous.to_owned(),
        ReplyId::Wrong => header.control_id = format!("X{control_id}"),
    }
    let honest = Reply { code: AckCode::AA, errors: &[], text: "", control_id, time: facts.time };
    // MSA-1 and ERR may be anything here, so that they are written by hand.
    let mut text = honest.encode(Some(&header)).replacen("\rMSA|AA", &format!("\rMSA|{code}"), 1);
    if let Some(error) = reply.error {
        let severity = reply.severity.as_deref().unwrap_or("E");
        text.push_str(&format!("ERR|||{error}|{severity}\r"));
    }
    text.into_bytes()
}

/// One payload in the form that `reply` wants.
pub(crate) fn block(payload: &[u8], reply: &ReplyAction) -> Vec<u8> {
    let mut block = reply.before.clone().into_bytes();
    if !reply.no_start {
        block.push(START_BLOCK);
    }
    block.extend_from_slice(payload);
    block.extend_from_slice(match reply.end {
        BlockEnd::FsCr => &[END_BLOCK, CARRIAGE_RETURN],
        BlockEnd::Fs => &[END_BLOCK],
        BlockEnd::FsLf => &[END_BLOCK, b'\n'],
        BlockEnd::Cr => &[CARRIAGE_RETURN],
        BlockEnd::Lf => b"\n",
        BlockEnd::None => &[],
    });
    block.extend_from_slice(reply.after.as_bytes());
    block.truncate(reply.bytes.unwrap_or(usize::MAX));
    block
}

/// Sends at once, or byte by byte.
pub(crate) fn steps(block: Vec<u8>, gap: Option<Duration>) -> Vec<Step> {
    let Some(gap) = gap else { return vec![Step::Bytes(block)] };
    block.into_iter().flat_map(|byte| [Step::Bytes(vec![byte]), Step::Wait(gap)]).collect()
}

/// What a server too old for TLS 1.2 answers to a hello: one of TLS 1.1 (RFC 4346 §7.4.1.3).
pub(crate) fn old_hello() -> Vec<u8> {
    let mut hello = vec![0x03, 0x02];
    hello.extend_from_slice(&[7; 32]); // random
    hello.extend_from_slice(&[0, 0x00, 0x2f, 0]); // no session, AES128-SHA, no compression
    let handshake = [&[0x02, 0, 0, 38], hello.as_slice()].concat();
    [&[0x16, 0x03, 0x02, 0, 42], handshake.as_slice()].concat()
}

#[cfg(test)]
mod tests {
    use hl7v2::Acknowledgment;

    use super::*;

    fn facts(header: &Header) -> Facts<'_> {
        Facts { header: Some(header), previous: "BEFORE", time: "20240301" }
    }

    #[test]
    fn every_code_error_and_id_can_be_forged() {
        let header =
            Header { control_id: "OWN".to_owned(), version: "2.5.1".to_owned(), ..Header::default() };
        for code in AckCode::ALL {
            for (id, expected) in [
                (ReplyId::Own, Some("OWN")),
                (ReplyId::Blank, None),
                (ReplyId::Previous, Some("BEFORE")),
                (ReplyId::Wrong, Some("XR1")),
            ] {
                let reply = ReplyAction {
                    id,
                    error: Some(207),
                    severity: Some("W".to_owned()),
                    ..ReplyAction::default()
                };
                let read = Acknowledgment::from_bytes(&forge(code.as_str(), &reply, facts(&header), "R1"));
                let read = read.unwrap();
                assert_eq!((read.code, read.control_id.as_deref()), (code, expected));
                assert_eq!((read.errors[0].code, read.errors[0].severity), (207, Some('W')));
            }
        }
        let odd = forge("XX", &ReplyAction::default(), facts(&header), "R1");
        assert!(String::from_utf8(odd).unwrap().ends_with("\rMSA|XX|OWN\r"));
    }

    #[test]
    fn a_block_takes_every_form() {
        let plain = ReplyAction::default;
        let cases = [
            (plain(), &b"\x0bM\x1c\r"[..]),
            (ReplyAction { no_start: true, ..plain() }, b"M\x1c\r"),
            (ReplyAction { end: BlockEnd::Fs, ..plain() }, b"\x0bM\x1c"),
            (ReplyAction { end: BlockEnd::FsLf, ..plain() }, b"\x0bM\x1c\n"),
            (ReplyAction { end: BlockEnd::Cr, ..plain() }, b"\x0bM\r"),
            (ReplyAction { end: BlockEnd::Lf, ..plain() }, b"\x0bM\n"),
            (ReplyAction { end: BlockEnd::None, ..plain() }, b"\x0bM"),
            (ReplyAction { before: "a".into(), after: "z".into(), ..plain() }, b"a\x0bM\x1c\rz"),
            (ReplyAction { bytes: Some(2), ..plain() }, b"\x0bM"),
        ];
        for (reply, expected) in cases {
            assert_eq!(block(b"M", &reply), expected, "{reply:?}");
        }
    }
}
