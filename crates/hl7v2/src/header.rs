//! MSH, as far as it says what a message is and how to answer it.

use std::fmt;

use crate::build::Repetition;
use crate::{Charset, RawSegment, Text};

/// MSH-9: message code, trigger event, message structure, such as `ADT^A28^ADT_A05`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MessageType {
    /// MSH-9.1, such as `ADT`.
    pub code: String,
    /// MSH-9.2, such as `A28`.
    pub trigger_event: String,
    /// MSH-9.3, such as `ADT_A05`; empty before version 2.3.1.
    pub structure: String,
}

impl fmt::Display for MessageType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.code)?;
        if !self.trigger_event.is_empty() {
            write!(f, "^{}", self.trigger_event)?;
        }
        Ok(())
    }
}

/// The fields of MSH that an answer depends on (HL7 v2.5.1 §2.15.9). Absent fields are empty strings.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Header {
    /// MSH-3 to MSH-6: sending application and facility, receiving application and facility.
    pub parties: [Repetition; 4],
    /// MSH-7 date and time of the message.
    pub time: String,
    /// MSH-9.
    pub message_type: MessageType,
    /// MSH-10.
    pub control_id: String,
    /// MSH-11.1.
    pub processing_id: String,
    /// MSH-12.1.
    pub version: String,
    /// MSH-15: when the sender wants an accept (commit) acknowledgment: `AL`, `NE`, `ER`, `SU` or empty.
    pub accept_acknowledgment: String,
    /// MSH-16: when the sender wants an application acknowledgment.
    pub application_acknowledgment: String,
    /// MSH-18, first repetition, as written.
    pub charset_name: String,
    /// The character set the message was read in.
    pub charset: Charset,
}

impl Header {
    pub(crate) fn read(message: &Text) -> Self {
        let charset = message.charset();
        let Some(msh) = message.segment("MSH") else { return Self { charset, ..Self::default() } };
        let field = |number| text(&msh, number, 1);
        Self {
            parties: [3, 4, 5, 6].map(|number| party(&msh, number)),
            time: field(7),
            message_type: MessageType {
                code: field(9),
                trigger_event: text(&msh, 9, 2),
                structure: text(&msh, 9, 3),
            },
            control_id: field(10),
            processing_id: field(11),
            version: field(12),
            accept_acknowledgment: field(15),
            application_acknowledgment: field(16),
            charset_name: field(18),
            charset,
        }
    }

    /// True where MSH-15 or MSH-16 is valued: the sender expects the enhanced acknowledgment mode
    /// (HL7 v2.5.1 §2.9.3).
    #[must_use]
    pub fn is_enhanced(&self) -> bool {
        !self.accept_acknowledgment.is_empty() || !self.application_acknowledgment.is_empty()
    }
}

/// Shape only: a foreign header may hold anything.
impl fmt::Debug for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Header").field("charset", &self.charset).finish_non_exhaustive()
    }
}

fn text(msh: &RawSegment<'_>, field: usize, component: usize) -> String {
    msh.component(field, component).unwrap_or_default().into_owned()
}

/// A hierarchic designator, its components unescaped.
fn party(msh: &RawSegment<'_>, number: usize) -> Repetition {
    let Some(first) = msh.repetitions(number).next() else { return Repetition::new() };
    (1..)
        .zip(first.components())
        .fold(Repetition::new(), |party, (component, value)| party.with(component, value.unwrap_or_default()))
}
