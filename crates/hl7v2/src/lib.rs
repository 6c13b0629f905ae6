//! HL7 v2 messages in ER7 (the `|^~\&` encoding): reading, writing, acknowledgments.
//!
//! Pure: no I/O, no clock, no randomness. Text is read through [`hl7_parser`], behind [`Text`] and
//! [`Message`], which close the gaps of that parser: it silently stops at a blank line, at a line feed and at a
//! segment without a field separator, it takes exactly four encoding characters, and its unescaping panics on
//! non-ASCII text. The parser is given the fields that have a delimiter, one repetition at a time.
//!
//! The ladder of views follows the standard and counts from 1, as the standard does:
//! [`Message`] › [`Segment`] › [`Field`] › [`Repetition`] › [`Component`] › [`Subcomponent`]. What a message
//! does not hold is an empty view, never an error, because in HL7 v2 everything after the last value may be left
//! out. [`RawSegment`] reads a few fields without taking the message apart.
//!
//! ```
//! let text = hl7v2::Text::from_bytes(b"MSH|^~\\&|A|B|C|D|20240301||ADT^A28^ADT_A05|1|T|2.5.1\rPID|1||42^^^H^MR~43\r")?;
//! let message = text.parse()?;
//! let pid = message.segment("PID").expect("a PID segment");
//! assert_eq!(pid.field(3).repetition(1).component(5).text().as_deref(), Some("MR"));
//! assert_eq!(pid.field(3).repetitions().count(), 2);
//! assert_eq!(pid.field(8).text(), None);
//! # Ok::<(), hl7v2::ParseError>(())
//! ```
#![warn(missing_docs)]
#![warn(clippy::indexing_slicing)]

pub mod build;
pub mod charset;

mod acknowledgment;
mod error;
mod escape;
mod header;
mod location;
mod message;
mod raw_segment;
mod reply;
mod separators;
mod text;
mod writer;

pub use acknowledgment::{AckCode, Acknowledgment, AcknowledgmentError, ErrorCode};
pub use charset::Charset;
pub use error::ParseError;
pub use escape::{escape, unescape};
pub use header::{Header, MessageType};
pub use location::Location;
pub use message::{Component, Field, Message, Repetition, Segment, Subcomponent};
pub use raw_segment::{RawRepetition, RawSegment};
pub use reply::{Reply, ReplyError};
pub use separators::Separators;
pub use text::Text;
pub use writer::{Mark, Writer};
