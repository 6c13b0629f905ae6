//! From what became of a message to the acknowledgment: the only place that knows codes.
//!
//! MSA-1 is of table 0008 (AA AE AR, or CA CE CR in enhanced mode), ERR-3 of table 0357. Nothing of the message is
//! repeated but what MSH and MSA of a reply have to carry.

use hl7v2::{AckCode, Header, Location, ParseError, Reply, ReplyError};

use crate::error::Refusal;

/// What became of a message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Durable, for the first time.
    Stored,
    /// Durable since an earlier delivery of the same bytes.
    Duplicate,
    /// Durable, but with something to complain about.
    StoredWith(Refusal),
    /// An acknowledgment: those are never answered, or two peers would talk for ever.
    Acknowledgment,
    /// Not stored.
    Refused(Refusal),
}

impl Outcome {
    /// As lists name it.
    pub(crate) fn as_str(&self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Duplicate => "duplicate",
            Self::StoredWith(_) => "stored_with_complaint",
            Self::Acknowledgment => "acknowledgment",
            Self::Refused(_) => "refused",
        }
    }
}

/// The acknowledgments to send, in order: none, one, or an accept and an application acknowledgment.
///
/// MSH-15 and MSH-16 of the message (HL7 v2.5.1 §2.9.3) say which are wanted. `control_id` gives each its own
/// MSH-10.
pub(crate) fn acknowledge(
    outcome: &Outcome,
    header: Option<&Header>,
    time: &str,
    control_id: impl Fn() -> String,
) -> Vec<Vec<u8>> {
    let Some(verdict) = verdict(outcome) else { return Vec::new() };
    let encode = |code: AckCode| {
        // An acceptance of custody says nothing yet about the content.
        let errors = if is_positive(code) { &[] } else { verdict.error.as_slice() };
        let text = if errors.is_empty() { "" } else { verdict.text };
        Reply { code, errors, text, control_id: &control_id(), time }.encode(header).into_bytes()
    };
    codes(&verdict, header).into_iter().map(encode).collect()
}

struct Verdict {
    /// In original mode, and as application acknowledgment of enhanced mode.
    application: AckCode,
    /// As accept acknowledgment of enhanced mode.
    accept: AckCode,
    error: Option<ReplyError>,
    /// MSA-3.
    text: &'static str,
}

fn verdict(outcome: &Outcome) -> Option<Verdict> {
    let (refusal, stored) = match outcome {
        Outcome::Stored | Outcome::Duplicate => {
            return Some(Verdict { application: AckCode::AA, accept: AckCode::CA, error: None, text: "" });
        }
        Outcome::Acknowledgment => return None,
        Outcome::StoredWith(refusal) => (refusal, true),
        Outcome::Refused(refusal) => (refusal, false),
    };
    let (application, code, location, text) = refused(refusal);
    let accept = match application {
        _ if stored => AckCode::CA,
        AckCode::AR | AckCode::CR => AckCode::CR,
        AckCode::AA | AckCode::AE | AckCode::CA | AckCode::CE => AckCode::CE,
    };
    let error = Some(ReplyError { code, meaning: meaning(code), location });
    Some(Verdict { application, accept, error, text })
}

/// MSA-1, ERR-3, ERR-2 and MSA-3.
fn refused(refusal: &Refusal) -> (AckCode, u16, Option<Location>, &'static str) {
    use AckCode::{AE, AR};
    let msh = |field| Some(Location::field("MSH", field));
    match refusal {
        Refusal::Unreadable(error) => match error {
            ParseError::NoHeader => (AR, 100, None, "not an HL7 message"),
            ParseError::Batch => (AR, 200, None, "not a batch of this form"),
            ParseError::InvalidSeparators => (AR, 100, msh(2), "invalid separators"),
            ParseError::InvalidEncoding { .. } => (AE, 102, msh(18), "invalid character encoding"),
            ParseError::UnsupportedCharset => (AE, 103, msh(18), "character set not supported"),
            ParseError::InvalidSegment { .. } => (AE, 100, None, "invalid segment"),
            ParseError::TooManyFields => (AR, 207, None, "too many fields"),
            ParseError::Required { location } => (AE, 101, Some(*location), "required field missing"),
        },
        Refusal::TooLarge => (AR, 207, None, "message too large"),
        Refusal::MalformedBatch => (AR, 100, None, "malformed batch, nothing stored"),
        Refusal::MessageType => (AR, 200, msh(9), "message type not supported"),
        Refusal::Event => (AR, 201, msh(9), "trigger event not supported"),
        Refusal::ProcessingId => (AR, 202, msh(11), "processing id not supported"),
        Refusal::Version => (AR, 203, msh(12), "version not supported"),
        Refusal::Required(location) => (AE, 101, Some(*location), "required field missing"),
        Refusal::PatientId(location) => (AE, 102, Some(*location), "not a logical id"),
        Refusal::ControlIdReused => (AE, 205, msh(10), "control id used before"),
        Refusal::NotStored => (AE, 207, None, "not stored"),
    }
}

/// Table 0357.
fn meaning(code: u16) -> &'static str {
    match code {
        100 => "Segment sequence error",
        101 => "Required field missing",
        102 => "Data type error",
        103 => "Table value not found",
        200 => "Unsupported message type",
        201 => "Unsupported event code",
        202 => "Unsupported processing id",
        203 => "Unsupported version id",
        205 => "Duplicate key identifier",
        _ => "Application internal error",
    }
}

fn codes(verdict: &Verdict, header: Option<&Header>) -> Vec<AckCode> {
    let Some(header) = header.filter(|header| header.is_enhanced()) else {
        return vec![verdict.application];
    };
    let accept = is_wanted(&header.accept_acknowledgment, verdict.accept).then_some(verdict.accept);
    // What was refused custody is not processed, so that nothing follows CE or CR.
    let is_processed = is_positive(verdict.accept) || accept.is_none();
    let application = is_processed && is_wanted(&header.application_acknowledgment, verdict.application);
    accept.into_iter().chain(application.then_some(verdict.application)).collect()
}

/// Table 0155. An unknown condition is answered: silence would look like a loss.
fn is_wanted(condition: &str, code: AckCode) -> bool {
    match condition {
        "NE" | "" => false,
        "ER" => !is_positive(code),
        "SU" => is_positive(code),
        _ => true,
    }
}

fn is_positive(code: AckCode) -> bool {
    matches!(code, AckCode::AA | AckCode::CA)
}

#[cfg(test)]
mod tests {
    use hl7v2::{Acknowledgment, Text};

    use super::*;

    fn header(msh_15: &str, msh_16: &str) -> Header {
        let text = format!("MSH|^~\\&|A|B|C|D|2024||ADT^A28^ADT_A05|MSG-1|T|2.5.1|||{msh_15}|{msh_16}\r");
        Text::from_text(&text).unwrap().parse().unwrap().header()
    }

    /// The codes sent, such as `CA` and `AE 101`.
    fn sent(outcome: &Outcome, header: Option<&Header>) -> Vec<String> {
        acknowledge(outcome, header, "20240301", || "R1".to_owned())
            .iter()
            .map(|bytes| {
                let read = Acknowledgment::from_bytes(bytes).unwrap();
                assert_eq!(read.control_id.is_some(), header.is_some(), "MSA-2");
                let codes = read.errors.iter().map(|error| format!(" {}", error.code));
                codes.fold(read.code.as_str().to_owned(), |text, code| text + &code)
            })
            .collect()
    }

    #[test]
    fn every_outcome_has_its_code() {
        let pid_3 = Location::field("PID", 3);
        let unreadable = |error| Outcome::Refused(Refusal::Unreadable(error));
        let cases = [
            (Outcome::Stored, "AA"),
            (Outcome::Duplicate, "AA"),
            (Outcome::StoredWith(Refusal::Required(pid_3)), "AE 101"),
            (Outcome::StoredWith(Refusal::PatientId(pid_3)), "AE 102"),
            (unreadable(ParseError::NoHeader), "AR 100"),
            (unreadable(ParseError::Batch), "AR 200"),
            (unreadable(ParseError::InvalidSeparators), "AR 100"),
            (unreadable(ParseError::InvalidEncoding { offset: 3 }), "AE 102"),
            (unreadable(ParseError::UnsupportedCharset), "AE 103"),
            (unreadable(ParseError::InvalidSegment { segment: 2 }), "AE 100"),
            (unreadable(ParseError::TooManyFields), "AR 207"),
            (unreadable(ParseError::Required { location: pid_3 }), "AE 101"),
            (Outcome::Refused(Refusal::TooLarge), "AR 207"),
            (Outcome::Refused(Refusal::MalformedBatch), "AR 100"),
            (Outcome::Refused(Refusal::MessageType), "AR 200"),
            (Outcome::Refused(Refusal::Event), "AR 201"),
            (Outcome::Refused(Refusal::ProcessingId), "AR 202"),
            (Outcome::Refused(Refusal::Version), "AR 203"),
            (Outcome::Refused(Refusal::Required(Location::field("MSH", 10))), "AE 101"),
            (Outcome::Refused(Refusal::ControlIdReused), "AE 205"),
            (Outcome::Refused(Refusal::NotStored), "AE 207"),
        ];
        for (outcome, expected) in cases {
            assert_eq!(sent(&outcome, Some(&header("", ""))), [expected], "{outcome:?}");
            assert_eq!(sent(&outcome, None), [expected], "{outcome:?}");
        }
        assert!(sent(&Outcome::Acknowledgment, None).is_empty());
    }

    #[test]
    fn enhanced_mode_sends_what_is_asked_for() {
        let complaint = Outcome::StoredWith(Refusal::Required(Location::field("PID", 3)));
        let away = Outcome::Refused(Refusal::NotStored);
        let version = Outcome::Refused(Refusal::Version);
        let cases: [(&Outcome, &str, &str, &[&str]); 16] = [
            (&Outcome::Stored, "AL", "NE", &["CA"]),
            (&Outcome::Stored, "AL", "", &["CA"]),
            (&Outcome::Stored, "AL", "AL", &["CA", "AA"]),
            (&Outcome::Stored, "NE", "AL", &["AA"]),
            (&Outcome::Stored, "NE", "NE", &[]),
            (&Outcome::Stored, "ER", "ER", &[]),
            (&Outcome::Stored, "SU", "SU", &["CA", "AA"]),
            (&complaint, "AL", "AL", &["CA", "AE 101"]),
            (&complaint, "AL", "NE", &["CA"]),
            (&complaint, "ER", "ER", &["AE 101"]),
            (&away, "AL", "AL", &["CE 207"]),
            (&away, "ER", "NE", &["CE 207"]),
            (&away, "NE", "AL", &["AE 207"]),
            (&version, "AL", "AL", &["CR 203"]),
            (&version, "SU", "NE", &[]),
            (&version, "XX", "", &["CR 203"]),
        ];
        for (outcome, msh_15, msh_16, expected) in cases {
            assert_eq!(
                sent(outcome, Some(&header(msh_15, msh_16))),
                expected,
                "{outcome:?} {msh_15} {msh_16}"
            );
        }
    }

    #[test]
    fn a_control_id_with_a_framing_byte_is_repeated_escaped() {
        let mut header = header("", "");
        header.control_id = "A\u{1c}B".to_owned();
        let sent = acknowledge(&Outcome::Stored, Some(&header), "20240301", || "R1".to_owned());
        let [reply] = sent.as_slice() else { panic!("one reply") };
        assert!(mllp::codec::encode(reply).is_ok());
        assert_eq!(Acknowledgment::from_bytes(reply).unwrap().control_id.as_deref(), Some("A\u{1c}B"));
    }
}
