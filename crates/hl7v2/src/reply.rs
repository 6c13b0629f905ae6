//! Writing an acknowledgment for a received message.

use crate::build::{Repetition, SegmentBuilder, encode};
use crate::{AckCode, Header, Location, Separators};

/// One ERR segment of a reply (HL7 v2.5.1 §2.15.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplyError {
    /// ERR-3.1, table 0357.
    pub code: u16,
    /// ERR-3.2, the meaning of the code; never a value of the message.
    pub meaning: &'static str,
    /// ERR-2, where the error is.
    pub location: Option<Location>,
}

/// An acknowledgment to be written.
#[derive(Clone, Debug)]
pub struct Reply<'a> {
    /// MSA-1.
    pub code: AckCode,
    /// ERR segments, severity E.
    pub errors: &'a [ReplyError],
    /// MSA-3; never a value of the message.
    pub text: &'a str,
    /// MSH-10 of the reply.
    pub control_id: &'a str,
    /// MSH-7 of the reply, an HL7 time stamp.
    pub time: &'a str,
}

impl Reply<'_> {
    /// The reply in ER7, each segment ended by CR. `header` is that of the message answered; without one (the
    /// bytes were not HL7) MSA-2 stays empty.
    #[must_use]
    pub fn encode(&self, header: Option<&Header>) -> String {
        let unknown =
            Header { version: "2.5.1".to_owned(), processing_id: "P".to_owned(), ..Header::default() };
        let header = header.unwrap_or(&unknown);
        let mut segments = vec![self.msh(header), self.msa(header)];
        segments.extend(self.errors.iter().map(err));
        encode(&segments, &Separators::default())
    }

    fn msh(&self, header: &Header) -> SegmentBuilder {
        let mut msh = SegmentBuilder::new("MSH");
        let [sending_application, sending_facility, receiving_application, receiving_facility] =
            &header.parties;
        for (field, party) in [
            (3, receiving_application),
            (4, receiving_facility),
            (5, sending_application),
            (6, sending_facility),
        ] {
            msh.push(field, party.clone());
        }
        msh.set(7, self.time);
        let trigger_event = header.message_type.trigger_event.as_str();
        let mut message_type = Repetition::of("ACK").with(2, trigger_event);
        if !matches!(header.version.as_str(), "2.1" | "2.2" | "2.3" | "2.3.1") {
            message_type.set(3, "ACK");
        }
        msh.push(9, message_type);
        msh.set(10, self.control_id);
        msh.set(11, header.processing_id.as_str());
        msh.set(12, header.version.as_str());
        msh.set(18, header.charset_name.as_str());
        msh
    }

    fn msa(&self, header: &Header) -> SegmentBuilder {
        let mut msa = SegmentBuilder::new("MSA");
        msa.set(1, self.code.as_str());
        msa.set(2, header.control_id.as_str());
        msa.set(3, self.text);
        msa
    }
}

fn err(error: &ReplyError) -> SegmentBuilder {
    let mut err = SegmentBuilder::new("ERR");
    if let Some(location) = &error.location {
        let number = |value: usize| if value == 0 { String::new() } else { value.to_string() };
        let place = Repetition::of(location.segment)
            .with(2, location.occurrence.max(1).to_string())
            .with(3, number(location.field))
            .with(4, number(location.repetition))
            .with(5, number(location.component))
            .with(6, number(location.subcomponent));
        err.push(2, place);
    }
    err.push(3, Repetition::of(error.code.to_string()).with(2, error.meaning).with(3, "HL70357"));
    err.set(4, "E");
    err
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Acknowledgment, Text};

    fn reply(code: AckCode, errors: &[ReplyError]) -> Reply<'_> {
        Reply { code, errors, text: "", control_id: "R1", time: "20240301093015+0000" }
    }

    #[test]
    fn turns_the_parties_round_and_answers_the_control_id() {
        let text = Text::from_text(
            "MSH|^~\\&|A^1.2^ISO|B|C|D|2024||ADT^A28^ADT_A05|4\\F\\2|T|2.5.1||||||UNICODE UTF-8\r",
        );
        let text = text.unwrap();
        let header = text.parse().unwrap().header();
        let written = reply(AckCode::AA, &[]).encode(Some(&header));
        assert_eq!(
            written,
            "MSH|^~\\&|C|D|A^1.2^ISO|B|20240301093015+0000||ACK^A28^ACK|R1|T|2.5.1||||||UNICODE UTF-8\rMSA|AA|4\\F\\2\r"
        );
        assert_eq!(
            Acknowledgment::from_bytes(written.as_bytes()).unwrap().control_id.as_deref(),
            Some("4|2")
        );
    }

    #[test]
    fn answers_in_its_own_separators() {
        let text = Text::from_text("MSH#$%!*#A$1*2#B#C#D#2024##ADT$A28#42#T#2.3\r").unwrap();
        let header = text.parse().unwrap().header();
        let written = reply(AckCode::AA, &[]).encode(Some(&header));
        assert!(written.starts_with("MSH|^~\\&|C|D|A^1|B|"), "{written:?}");
        assert!(written.contains("||ACK^A28|R1|T|2.3\r"), "{written:?}");
    }

    #[test]
    fn names_the_error_and_its_place() {
        let error = ReplyError {
            code: 101,
            meaning: "Required field missing",
            location: Some(Location::field("PID", 3)),
        };
        let written = reply(AckCode::AE, &[error]).encode(None);
        assert!(
            written.ends_with("MSA|AE\rERR||PID^1^3|101^Required field missing^HL70357|E\r"),
            "{written:?}"
        );
    }
}
