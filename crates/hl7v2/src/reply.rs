//! Writing an acknowledgment for a received message.

use crate::{AckCode, Header, Location, Separators, Writer};

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
        let unknown;
        let header = match header {
            Some(header) => header,
            None => {
                unknown = Header {
                    version: "2.5.1".to_owned(),
                    processing_id: "P".to_owned(),
                    ..Header::default()
                };
                &unknown
            }
        };
        let mut writer = Writer::with_capacity(Separators::default(), USUAL_BYTES);
        self.msh(header, &mut writer);
        self.msa(header, &mut writer);
        self.errors.iter().for_each(|error| err(error, &mut writer));
        writer.finish()
    }

    fn msh(&self, header: &Header, writer: &mut Writer) {
        writer.segment("MSH");
        let [sending_application, sending_facility, receiving_application, receiving_facility] =
            &header.parties;
        for (field, party) in [
            (3, receiving_application),
            (4, receiving_facility),
            (5, sending_application),
            (6, sending_facility),
        ] {
            writer.repetition(field);
            for (component, subcomponent, value) in party.values() {
                writer.value(component, subcomponent, value);
            }
        }
        writer.field(7, self.time);
        writer.field(9, "ACK");
        writer.value(2, 1, &header.message_type.trigger_event);
        if !matches!(header.version.as_str(), "2.1" | "2.2" | "2.3" | "2.3.1") {
            writer.value(3, 1, "ACK");
        }
        writer.field(10, self.control_id);
        writer.field(11, &header.processing_id);
        writer.field(12, &header.version);
        writer.field(18, &header.charset_name);
    }

    fn msa(&self, header: &Header, writer: &mut Writer) {
        writer.segment("MSA");
        writer.field(1, self.code.as_str());
        writer.field(2, &header.control_id);
        writer.field(3, self.text);
    }
}

fn err(error: &ReplyError, writer: &mut Writer) {
    writer.segment("ERR");
    if let Some(location) = &error.location {
        writer.field(2, location.segment);
        writer.value(2, 1, &location.occurrence.max(1).to_string());
        let places = [location.field, location.repetition, location.component, location.subcomponent];
        for (component, place) in (3..).zip(places).filter(|(_, place)| *place > 0) {
            writer.value(component, 1, &place.to_string());
        }
    }
    writer.field(3, &error.code.to_string());
    writer.value(2, 1, error.meaning);
    writer.value(3, 1, "HL70357");
    writer.field(4, "E");
}

/// What a reply without errors takes, and some more.
const USUAL_BYTES: usize = 256;

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
