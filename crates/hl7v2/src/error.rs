//! Why bytes are not an HL7 v2 message.

use crate::Location;

/// Why bytes are not an HL7 v2 message. Carries places, never values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// No MSH segment at the start.
    #[error("the message does not start with an MSH segment")]
    NoHeader,
    /// A batch or file header (FHS, BHS) stands where a message should (HL7 v2.5.1 §2.10.3).
    #[error("this is a batch, not a single message")]
    Batch,
    /// MSH-1 and MSH-2 are missing, too short, too long or repeat a character (HL7 v2.5.1 §2.5.4).
    #[error("invalid separators in MSH-1 or MSH-2")]
    InvalidSeparators,
    /// Bytes that are not text in the message's character set; `offset` counts bytes from the start.
    #[error("byte {offset} is not valid in the message's character set")]
    InvalidEncoding {
        /// Bytes from the start of the message.
        offset: usize,
    },
    /// MSH-18 names a character set that is not supported and the bytes are not UTF-8.
    #[error("the character set in MSH-18 is not supported")]
    UnsupportedCharset,
    /// A segment does not begin with a three-character name; `segment` counts from 1.
    #[error("segment {segment} has no valid name")]
    InvalidSegment {
        /// Position of the segment in the message, from 1.
        segment: usize,
    },
    /// More fields, repetitions, components and subcomponents than [`crate::Text::MAX_SEPARATORS`].
    #[error("the message has too many fields")]
    TooManyFields,
    /// A required field is empty.
    #[error("{location} is required but empty")]
    Required {
        /// Where the value should stand.
        location: Location,
    },
}
