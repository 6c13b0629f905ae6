//! A message as tokens: every value with its place, its name, what its code means, and where it came from.

use std::collections::HashMap;

use hl7v2::{Component, Message, Separators, Text};
use serde::Serialize;

use crate::dictionary::Dictionary;

/// A whole message. Patient data: no `Debug`.
#[derive(Clone, Serialize)]
pub(crate) struct Explained {
    pub(crate) kind: String,
    pub(crate) event: String,
    /// What the event means.
    pub(crate) meaning: String,
    pub(crate) version: String,
    pub(crate) control_id: String,
    pub(crate) separators: SeparatorTokens,
    pub(crate) segments: Vec<SegmentToken>,
}

#[derive(Clone, Serialize)]
pub(crate) struct SeparatorTokens {
    pub(crate) field: char,
    pub(crate) component: char,
    pub(crate) repetition: char,
    pub(crate) subcomponent: char,
}

#[derive(Clone, Serialize)]
pub(crate) struct SegmentToken {
    pub(crate) name: String,
    /// From 1, among those of the name.
    pub(crate) occurrence: usize,
    pub(crate) title: String,
    pub(crate) text: String,
    pub(crate) fields: Vec<FieldToken>,
}

#[derive(Clone, Serialize)]
pub(crate) struct FieldToken {
    pub(crate) number: usize,
    /// Such as `PID-5`.
    pub(crate) location: String,
    pub(crate) title: String,
    pub(crate) text: String,
    /// Data type.
    pub(crate) kind: String,
    /// Such as `0001 Administrative sex`.
    pub(crate) table: String,
    pub(crate) required: bool,
    pub(crate) repeats: bool,
    /// `[repetition][component][subcomponent]`; empty for an empty field.
    pub(crate) repetitions: Vec<Vec<Vec<Leaf>>>,
}

/// One value.
#[derive(Clone, Serialize)]
pub(crate) struct Leaf {
    /// Such as `PID-3[2].4.1`.
    pub(crate) location: String,
    /// Name of the component.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) title: String,
    /// As it stands in the message.
    pub(crate) raw: String,
    /// Read; absent where it is the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) value: Option<String>,
    /// What the code means.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) meaning: Option<String>,
    /// Where it came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) source: Option<Source>,
    /// Whether it says nothing about a person.
    #[serde(skip)]
    pub(crate) open: bool,
    /// Whether it is a time.
    #[serde(skip)]
    pub(crate) time: bool,
}

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Source {
    /// FHIRPath of the element; empty for what comes from the configuration.
    pub(crate) expression: String,
    /// Rule of the mapping.
    pub(crate) rule: &'static str,
}

/// Segment, its occurrence, field, repetition, component, subcomponent.
pub(crate) type Place = (String, usize, usize, usize, usize, usize);

/// Takes the message apart. `sources` says where values came from.
pub(crate) fn explain(
    text: &Text,
    message: &Message<'_>,
    dictionary: &Dictionary,
    sources: &HashMap<Place, Source>,
) -> Explained {
    let header = message.header();
    let kind = header.message_type.code.clone();
    let event = header.message_type.trigger_event.clone();
    let meaning = dictionary.meaning("0003", &event).or_else(|| dictionary.meaning("0076", &kind));
    let separators = text.separators();
    let mut counts: HashMap<&str, usize> = HashMap::new();
    let mut segments = Vec::new();
    for segment in message.segments() {
        let occurrence = counts.entry(segment.name()).or_default();
        *occurrence += 1;
        let work = Work { dictionary, sources, segment: segment.name(), occurrence: *occurrence, separators };
        let fields = (1..=segment.len()).map(|number| work.field(number, &segment.field(number)));
        segments.push(SegmentToken {
            name: segment.name().to_owned(),
            occurrence: *occurrence,
            title: dictionary.segment_name(segment.name()).to_owned(),
            text: dictionary.segment(segment.name()).map(|entry| entry.text.clone()).unwrap_or_default(),
            fields: fields.collect(),
        });
    }
    Explained {
        meaning: meaning.unwrap_or_default().to_owned(),
        version: header.version.clone(),
        control_id: header.control_id.clone(),
        kind,
        event,
        separators: SeparatorTokens {
            field: separators.field,
            component: separators.component,
            repetition: separators.repetition,
            subcomponent: separators.subcomponent,
        },
        segments,
    }
}

/// One segment being taken apart.
struct Work<'a> {
    dictionary: &'a Dictionary,
    sources: &'a HashMap<Place, Source>,
    segment: &'a str,
    occurrence: usize,
    separators: &'a Separators,
}

impl Work<'_> {
    fn field(&self, number: usize, field: &hl7v2::Field<'_>) -> FieldToken {
        let entry = self.dictionary.field(self.segment, number);
        let table = entry
            .and_then(|entry| entry.table.as_deref())
            .map(|id| self.dictionary.table(id).map_or_else(|| id.to_owned(), |name| format!("{id} {name}")));
        FieldToken {
            number,
            location: self.location(number, 1, 0, 0),
            title: entry.map(|entry| entry.name.clone()).unwrap_or_default(),
            text: entry.map(|entry| entry.text.clone()).unwrap_or_default(),
            kind: entry.map(|entry| entry.kind.clone()).unwrap_or_default(),
            table: table.unwrap_or_default(),
            required: entry.is_some_and(|entry| entry.required),
            repeats: entry.is_some_and(|entry| entry.repeats),
            repetitions: self.repetitions(number, field),
        }
    }

    fn repetitions(&self, number: usize, field: &hl7v2::Field<'_>) -> Vec<Vec<Vec<Leaf>>> {
        let literal = |raw: String| {
            let location = self.location(number, 1, 0, 0);
            let leaf = Leaf {
                location,
                title: String::new(),
                raw,
                value: None,
                meaning: None,
                source: None,
                open: true,
                time: false,
            };
            vec![vec![vec![leaf]]]
        };
        // The separators themselves are not to be taken apart.
        match (self.segment, number) {
            ("MSH", 1) => return literal(self.separators.field.to_string()),
            ("MSH", 2) => return literal(self.separators.encoding_characters()),
            _ => {}
        }
        let repetitions = field.repetitions().enumerate().map(|(index, repetition)| {
            let count = repetition.len();
            (1..=count)
                .map(|component| {
                    self.component(number, index + 1, component, count, &repetition.component(component))
                })
                .collect()
        });
        repetitions.collect()
    }

    fn component(
        &self,
        field: usize,
        repetition: usize,
        number: usize,
        count: usize,
        component: &Component<'_>,
    ) -> Vec<Leaf> {
        let entry = self.dictionary.field(self.segment, field);
        let kind = entry.map_or("", |entry| entry.kind.as_str());
        let part = self.dictionary.component(kind, number);
        let open = self.dictionary.is_open(self.segment, field) || part.is_some_and(|part| part.open);
        let subcomponents = component.len();
        let leaf = |sub: usize| {
            let leaf = component.subcomponent(sub);
            let raw = leaf.raw().to_owned();
            let value = leaf.text().map(std::borrow::Cow::into_owned).filter(|value| *value != raw);
            let inner = part.and_then(|part| part.kind.as_deref()).filter(|_| subcomponents > 1);
            let inner = inner.and_then(|kind| self.dictionary.component(kind, sub));
            let table = match (inner, part) {
                (Some(inner), _) => inner.table.as_deref(),
                (None, Some(part)) => part.table.as_deref(),
                (None, None) => None,
            };
            let table = table.or(entry.filter(|_| number == 1).and_then(|entry| entry.table.as_deref()));
            let code = value.as_deref().unwrap_or(&raw);
            let title = [part.map(|part| part.name.as_str()), inner.map(|inner| inner.name.as_str())];
            let shown_component = if count > 1 || number > 1 || subcomponents > 1 { number } else { 0 };
            Leaf {
                location: self.location(
                    field,
                    repetition,
                    shown_component,
                    if subcomponents > 1 { sub } else { 0 },
                ),
                title: title.into_iter().flatten().collect::<Vec<_>>().join(" · "),
                meaning: if raw == "\"\"" {
                    Some("explicit null: delete what is there".to_owned())
                } else {
                    table.and_then(|table| self.dictionary.meaning(table, code)).map(str::to_owned)
                },
                source: self
                    .sources
                    .get(&(self.segment.to_owned(), self.occurrence, field, repetition, number, sub))
                    .cloned(),
                raw,
                value,
                open,
                time: matches!(kind, "TS" | "DT"),
            }
        };
        (1..=subcomponents).map(leaf).collect()
    }

    fn location(&self, field: usize, repetition: usize, component: usize, subcomponent: usize) -> String {
        let mut text = self.segment.to_owned();
        if self.occurrence > 1 {
            text.push_str(&format!("({})", self.occurrence));
        }
        text.push_str(&format!("-{field}"));
        if repetition > 1 {
            text.push_str(&format!("[{repetition}]"));
        }
        for part in [component, subcomponent].into_iter().filter(|part| *part > 0) {
            text.push_str(&format!(".{part}"));
        }
        text
    }
}

impl Explained {
    /// Every value.
    pub(crate) fn leaves_mut(&mut self) -> impl Iterator<Item = &mut Leaf> {
        let fields = self.segments.iter_mut().flat_map(|segment| segment.fields.iter_mut());
        fields.flat_map(|field| field.repetitions.iter_mut().flatten().flatten())
    }

    /// The message again, from its tokens: segments ended by CR.
    pub(crate) fn to_er7(&self) -> String {
        let separators = &self.separators;
        let mut text = String::new();
        for segment in &self.segments {
            text.push_str(&segment.name);
            for field in &segment.fields {
                let is_separator = segment.name == "MSH" && field.number == 1;
                if is_separator {
                    continue;
                }
                text.push(separators.field);
                for (r, repetition) in field.repetitions.iter().enumerate() {
                    push_if(&mut text, r > 0, separators.repetition);
                    for (c, component) in repetition.iter().enumerate() {
                        push_if(&mut text, c > 0, separators.component);
                        for (s, leaf) in component.iter().enumerate() {
                            push_if(&mut text, s > 0, separators.subcomponent);
                            text.push_str(&leaf.raw);
                        }
                    }
                }
            }
            text.push('\r');
        }
        text
    }
}

fn push_if(text: &mut String, wanted: bool, separator: char) {
    if wanted {
        text.push(separator);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: &str = "MSH|^~\\&|A|B|C|D|20240301||ADT^A28^ADT_A05|1|T|2.5.1\r\
        PID|1||12^^^&1.2&ISO^MR~34^^^H^PI||Ex\\T\\ample^Anna~\"\"||1974|F\rOBX|1|ST|GLU^Glucose||5\r";

    fn explained() -> Explained {
        let text = Text::from_text(MESSAGE).unwrap();
        explain(&text, &text.parse().unwrap(), &Dictionary::load(), &HashMap::new())
    }

    #[test]
    fn the_tokens_are_the_message() {
        assert_eq!(explained().to_er7(), MESSAGE);
    }

    #[test]
    fn names_and_meanings() {
        let mut explained = explained();
        let (title, segment) = (explained.meaning.clone(), explained.segments[1].title.clone());
        assert_eq!((title.as_str(), segment.as_str()), ("add person", "Patient identification"));
        let mut found =
            |location: &str| explained.leaves_mut().find(|leaf| leaf.location == location).unwrap().clone();
        let authority = found("PID-3.4.3");
        assert_eq!(authority.title, "assigning authority · universal id type");
        assert_eq!(authority.meaning.as_deref(), Some("object identifier (OID)"));
        assert_eq!(found("PID-3[2].5").meaning.as_deref(), Some("patient internal id"));
        assert_eq!(found("PID-8").meaning.as_deref(), Some("female"));
        assert_eq!(found("PID-5.1").value.as_deref(), Some("Ex&ample"));
        assert!(found("PID-5[2]").meaning.unwrap().contains("null"));
        assert!(
            found("MSH-9.1").open && !found("PID-5.1").open && !found("OBX-5").open && found("PID-3.5").open
        );
        assert!(found("PID-7").time);
    }
}
