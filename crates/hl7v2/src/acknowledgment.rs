//! Reading an acknowledgment (HL7 v2.5.1 §2.9, MSA §2.15.8, ERR §2.15.5).

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use crate::{ParseError, RawSegment, Text};

/// MSA-1, HL7 table 0008.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AckCode {
    /// Application accept.
    AA,
    /// Application error.
    AE,
    /// Application reject.
    AR,
    /// Commit accept (enhanced mode).
    CA,
    /// Commit error (enhanced mode).
    CE,
    /// Commit reject (enhanced mode).
    CR,
}

impl AckCode {
    /// All six, in the order of the table.
    pub const ALL: [Self; 6] = [Self::AA, Self::AE, Self::AR, Self::CA, Self::CE, Self::CR];

    /// The code as written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AA => "AA",
            Self::AE => "AE",
            Self::AR => "AR",
            Self::CA => "CA",
            Self::CE => "CE",
            Self::CR => "CR",
        }
    }
}

impl fmt::Display for AckCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for AckCode {
    type Err = AcknowledgmentError;

    fn from_str(code: &str) -> Result<Self, AcknowledgmentError> {
        Self::ALL.into_iter().find(|known| known.as_str() == code).ok_or(AcknowledgmentError::UnknownCode)
    }
}

/// ERR-3 (table 0357) and ERR-4 (table 0516). Both are cut down to what a table can hold, so that they may stand
/// in logs and metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ErrorCode {
    /// ERR-3.1 as a number, such as 207; in versions before 2.5 the code of ERR-1.4.
    pub code: u16,
    /// ERR-4: `E`, `W`, `I` or `F`; `None` where absent.
    pub severity: Option<char>,
}

/// What a peer answered. The texts of MSA-3 and ERR-7/8 may quote patient data: they are kept whole in
/// [`Acknowledgment::raw`] and printed nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct Acknowledgment {
    /// MSA-1.
    pub code: AckCode,
    /// MSA-2, the control id of the message that is answered; `None` where empty.
    pub control_id: Option<String>,
    /// One for each ERR segment with a numeric code.
    pub errors: Vec<ErrorCode>,
    /// MSH-7, the peer's time as written; may be empty.
    pub time: String,
    /// The reply in normal form. Patient data.
    pub raw: String,
}

/// Why a reply is not an acknowledgment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AcknowledgmentError {
    /// It is not an HL7 message at all.
    #[error("the reply is not an HL7 message: {0}")]
    NotHl7(#[from] ParseError),
    /// It is a message without MSA: not an answer.
    #[error("the reply has no MSA segment")]
    NoMsa,
    /// MSA-1 is not one of table 0008.
    #[error("MSA-1 is not an acknowledgment code")]
    UnknownCode,
}

impl Acknowledgment {
    /// Reads a reply as it came in a frame.
    ///
    /// # Errors
    /// [`AcknowledgmentError`] for everything that is not an acknowledgment.
    pub fn from_bytes(frame: &[u8]) -> Result<Self, AcknowledgmentError> {
        let text = Text::from_bytes(frame)?;
        let msa = text.segment("MSA").ok_or(AcknowledgmentError::NoMsa)?;
        let code = msa.text(1).unwrap_or_default().trim().parse()?;
        let control_id = msa.text(2).map(Cow::into_owned);
        let errors = errors(&text, &msa);
        let time = text.segment("MSH").and_then(|msh| msh.text(7)).map(Cow::into_owned).unwrap_or_default();
        Ok(Self { code, control_id, errors, time, raw: text.into_string() })
    }
}

impl fmt::Debug for Acknowledgment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shape = f.debug_struct("Acknowledgment");
        shape.field("code", &self.code).field("errors", &self.errors).finish_non_exhaustive()
    }
}

fn errors(text: &Text, msa: &RawSegment<'_>) -> Vec<ErrorCode> {
    let err = text.segments().filter(|segment| segment.name() == "ERR");
    let mut errors: Vec<ErrorCode> = err.filter_map(|err| error_code(&err)).collect();
    // Before 2.5 the condition may stand in MSA-6 (CE) alone.
    if errors.is_empty() {
        let code = msa.text(6).and_then(|code| code.trim().parse().ok());
        errors.extend(code.map(|code| ErrorCode { code, severity: None }));
    }
    errors
}

fn error_code(err: &RawSegment<'_>) -> Option<ErrorCode> {
    let number = |text: Option<Cow<'_, str>>| text?.trim().parse::<u16>().ok();
    let code = number(err.text(3)).or_else(|| number(err.component(1, 4)))?;
    let severity = err.text(4).and_then(|text| {
        let letter = text.chars().next()?;
        "EWIF".contains(letter).then_some(letter)
    });
    Some(ErrorCode { code, severity })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acknowledgment(rest: &str) -> Result<Acknowledgment, AcknowledgmentError> {
        Acknowledgment::from_bytes(
            format!("MSH|^~\\&|A|B|C|D|20240301||ACK^A28^ACK|9|T|2.5.1\r{rest}\r").as_bytes(),
        )
    }

    #[test]
    fn reads_every_code_of_table_0008() {
        for code in AckCode::ALL {
            let read = acknowledgment(&format!("MSA|{code}|42")).unwrap();
            assert_eq!((read.code, read.control_id.as_deref()), (code, Some("42")));
        }
    }

    #[test]
    fn reads_the_error_code_of_every_version() {
        let codes = |rest: &str| acknowledgment(rest).unwrap().errors;
        assert_eq!(
            codes("MSA|AE|42\rERR||PID^1|207^x^HL70357|W"),
            [ErrorCode { code: 207, severity: Some('W') }]
        );
        assert_eq!(codes("MSA|AE|42\rERR|PID^1^5^102&x&HL70357"), [ErrorCode { code: 102, severity: None }]);
        assert_eq!(codes("MSA|AR|42||||200^x"), [ErrorCode { code: 200, severity: None }]);
        assert_eq!(codes("MSA|AE|42\rERR||||E"), []);
    }

    #[test]
    fn says_why_a_reply_is_none() {
        assert_eq!(acknowledgment("MSA|XX|42"), Err(AcknowledgmentError::UnknownCode));
        assert_eq!(acknowledgment("PID|1"), Err(AcknowledgmentError::NoMsa));
        assert_eq!(
            Acknowledgment::from_bytes(b"hello"),
            Err(AcknowledgmentError::NotHl7(ParseError::NoHeader))
        );
    }

    #[test]
    fn a_blank_control_id_is_none() {
        assert_eq!(acknowledgment("MSA|AA").unwrap().control_id, None);
    }

    #[test]
    fn debug_shows_no_text() {
        assert!(!format!("{:?}", acknowledgment("MSA|AE|42|secret").unwrap()).contains("secret"));
    }
}
