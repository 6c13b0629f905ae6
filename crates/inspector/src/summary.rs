//! What the index keeps of a message: who, what, and every word of it.

use std::fmt;

use hl7v2::{Header, Message, Repetition, Segment, Text};

/// The columns and the words of one message. Patient data: `Debug` shows the type only.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Summary {
    pub(crate) control_id: String,
    /// MSH-9.1.
    pub(crate) kind: String,
    /// MSH-9.2.
    pub(crate) event: String,
    pub(crate) version: String,
    /// MSH-3 and MSH-4.
    pub(crate) sender: String,
    /// MSH-5 and MSH-6.
    pub(crate) receiver: String,
    /// Equal for messages about one patient; empty where the message names none.
    pub(crate) patient: String,
    /// PID-5 as people write it.
    pub(crate) name: String,
    /// The first identifier of PID-3 that is not the logical id.
    pub(crate) mrn: String,
    /// Every name in the message.
    pub(crate) names: String,
    /// Every identifier.
    pub(crate) ids: String,
    /// Every value.
    pub(crate) words: String,
}

impl Summary {
    /// Reads a message of any sender; what cannot be read has no columns, but is found by its words.
    pub(crate) fn of(body: &[u8]) -> Self {
        let Ok(text) = read(body) else { return Self::unreadable(body) };
        let Ok(message) = text.parse() else { return Self::unreadable(body) };
        let header = message.header();
        let mut summary = Self::of_header(&header, &message);
        if let Some(pid) = message.segment("PID") {
            summary.patient(&pid);
        }
        if let Some(mrg) = message.segment("MRG") {
            collect(&mrg, 1, &mut summary.ids);
        }
        words(&message, &mut summary.words);
        summary
    }

    fn of_header(header: &Header, message: &Message<'_>) -> Self {
        let msh = message.segment("MSH");
        let party = |number: usize| {
            let field = msh.map(|msh| msh.field(number));
            field.and_then(|field| Some(field.text()?.into_owned())).unwrap_or_default()
        };
        let join = |one: String, two: String| {
            [one, two].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" · ")
        };
        Self {
            control_id: header.control_id.clone(),
            kind: header.message_type.code.clone(),
            event: header.message_type.trigger_event.clone(),
            version: header.version.clone(),
            sender: join(party(3), party(4)),
            receiver: join(party(5), party(6)),
            ids: header.control_id.clone(),
            ..Self::default()
        }
    }

    fn patient(&mut self, pid: &Segment<'_>) {
        let value =
            |cx: &Repetition<'_>, component| cx.component(component).text().unwrap_or_default().into_owned();
        let mut logical = None;
        let mut first = None;
        for cx in pid.field(3).repetitions() {
            let (id, kind) = (value(&cx, 1), value(&cx, 5));
            if id.is_empty() {
                continue;
            }
            let key = format!("{id}^{}^{kind}", cx.component(4).raw());
            if kind == "FW" {
                logical.get_or_insert(key);
            } else {
                first.get_or_insert((key, id));
            }
        }
        self.mrn = first.as_ref().map(|(_, id)| id.clone()).unwrap_or_default();
        self.patient = logical.or(first.map(|(key, _)| key)).unwrap_or_default();
        self.name = name(&pid.field(5).repetition(1));
        for number in [2, 3, 4, 18, 19] {
            collect(pid, number, &mut self.ids);
        }
        for number in [5, 6, 9] {
            collect(pid, number, &mut self.names);
        }
    }

    fn unreadable(body: &[u8]) -> Self {
        let words = String::from_utf8_lossy(body).chars().take(MOST_WORD_BYTES).collect();
        Self { kind: "unreadable".to_owned(), words, ..Self::default() }
    }
}

impl fmt::Debug for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Summary")
            .field("kind", &self.kind)
            .field("event", &self.event)
            .finish_non_exhaustive()
    }
}

/// Bytes as they came over the wire, or as the queue holds them.
pub(crate) fn read(body: &[u8]) -> Result<Text, hl7v2::ParseError> {
    Text::from_bytes(body)
}

fn name(xpn: &Repetition<'_>) -> String {
    let part = |component| xpn.component(component).text().unwrap_or_default().into_owned();
    match (part(1), part(2)) {
        (family, given) if given.is_empty() => family,
        (family, given) if family.is_empty() => given,
        (family, given) => format!("{family}, {given}"),
    }
}

/// The first two components of each repetition: values, not types.
fn collect(segment: &Segment<'_>, number: usize, into: &mut String) {
    for repetition in segment.field(number).repetitions() {
        for component in 1..=3 {
            if let Some(text) = repetition.component(component).text() {
                into.push(' ');
                into.push_str(&text);
            }
        }
    }
}

fn words(message: &Message<'_>, into: &mut String) {
    for segment in message.segments() {
        for number in 1..=segment.len() {
            for repetition in segment.field(number).repetitions() {
                for component in 1..=repetition.len() {
                    let component = repetition.component(component);
                    for subcomponent in 1..=component.len() {
                        let Some(text) = component.subcomponent(subcomponent).text() else { continue };
                        if into.len() + text.len() > MOST_WORD_BYTES {
                            // A document in OBX-5 is not worth an index of its own size.
                            continue;
                        }
                        into.push(' ');
                        into.push_str(&text);
                    }
                }
            }
        }
    }
}

/// Words kept of one message.
const MOST_WORD_BYTES: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_who_and_what() {
        let summary = Summary::of(
            b"MSH|^~\\&|LAB|H1|EHR|H2|2024||ORU^R01^ORU_R01|77|P|2.5.1\rPID|1||p-1^^^FHIR^FW~123^^^H^MR||Ex\\T\\ample^Anna\rOBX|1|ST|GLU||5.4",
        );
        assert_eq!((summary.kind.as_str(), summary.event.as_str()), ("ORU", "R01"));
        assert_eq!((summary.sender.as_str(), summary.receiver.as_str()), ("LAB · H1", "EHR · H2"));
        assert_eq!((summary.name.as_str(), summary.mrn.as_str()), ("Ex&ample, Anna", "123"));
        assert_eq!(summary.patient, "p-1^FHIR^FW");
        assert!(summary.words.contains("GLU") && summary.ids.contains("77"));
        assert!(!format!("{summary:?}").contains("Anna"));
    }

    #[test]
    fn what_is_no_message_is_still_found() {
        let summary = Summary::of(b"hello\xff world");
        assert_eq!(summary.kind, "unreadable");
        assert!(summary.words.contains("hello"));
    }
}
