//! What a message holds, all of it in one list.
//!
//! The parser sees the fields that have a delimiter; a value needs none, and most fields of a message are empty. It sees
//! one repetition at a time, and what it makes of that is gone before the next: it makes some hundred bytes for each
//! delimiter, which for all of a long message do not fit the caches, while the list has 24 for each part.

use std::iter;
use std::ops::Range;

use hl7_parser::message::{Repeat, Separators};
use hl7_parser::parser::parse_repeat_with_separators;

use crate::{ParseError, Text};

/// A text of the message and its parts: a segment and its fields, and so on down to a subcomponent.
#[derive(Clone, Copy)]
pub(super) struct Part<'t> {
    pub(super) raw: &'t str,
    /// Where its parts stand in the list, one beside the other. A value is its own only part.
    first: u32,
    count: u32,
}

/// Where nothing is written.
pub(super) const NOTHING: &Part<'_> = &Part { raw: "", first: 0, count: 0 };

impl<'t> Part<'t> {
    /// Its parts in the list that it is of.
    pub(super) fn parts<'m>(&self, all: &'m [Self]) -> &'m [Self] {
        let first = self.first as usize;
        all.get(first..first + self.count as usize).unwrap_or_default()
    }
}

/// The parts of a message, its segments first, and how many segments there are.
pub(super) fn read(text: &Text) -> Result<(Vec<Part<'_>>, usize), ParseError> {
    let mut reader = Reader::of(text);
    let segments = reader.list(text.as_str().split('\r')).ok_or(ParseError::TooManyFields)?;
    let count = segments.len();
    for index in segments {
        reader.segment(index).ok_or(ParseError::InvalidSegment { segment: index + 1 })?;
    }
    Ok((reader.parts, count))
}

/// A message being read. Its methods give the part of that index its parts, and are `None` where the parser stops before
/// the end of a text.
struct Reader<'t> {
    parts: Vec<Part<'t>>,
    separators: Separators,
    /// The delimiters within a field.
    within: [u8; 3],
}

impl<'t> Reader<'t> {
    fn of(text: &'t Text) -> Self {
        let crate::Separators { field, component, repetition, escape, subcomponent, .. } = *text.separators();
        // All ASCII.
        let [outer, within @ ..] =
            [field, component, repetition, subcomponent].map(|c| u8::try_from(c).unwrap_or(0));
        let is_delimiter = |byte: &u8| *byte == outer || within.contains(byte);
        let delimiters = text.as_str().bytes().filter(is_delimiter).count();
        Self {
            // Each begins a part. What is cut further begins one of its own beside its first part: there are more parts,
            // in most messages by less than a third.
            parts: Vec::with_capacity(delimiters + delimiters / 2),
            separators: Separators {
                field,
                component,
                repetition,
                escape,
                subcomponent,
                lenient_newlines: false,
            },
            within,
        }
    }

    /// A line. It starts with a name and a field separator.
    fn segment(&mut self, index: usize) -> Option<()> {
        let raw = self.parts.get(index)?.raw;
        let rest = raw.get(3..)?.strip_prefix(self.separators.field)?;
        let texts = rest.split(self.separators.field);
        if index > 0 {
            return self.add(index, texts)?.try_for_each(|field| self.field(field));
        }
        // MSH-1 is the field separator itself; MSH-2 has the others.
        let fields = self.add(index, iter::once(raw.get(3..4)?).chain(texts))?;
        fields.skip(2).try_for_each(|field| self.field(field))
    }

    fn field(&mut self, index: usize) -> Option<()> {
        let field = self.parts.get_mut(index)?;
        let mut rest = field.raw;
        if rest.is_empty() {
            // It has no repetition.
            field.count = 0;
        }
        if !rest.bytes().any(|byte| self.within.contains(&byte)) {
            return Some(());
        }
        let separator = self.separators.repetition;
        let count = rest.matches(separator).count() + 1;
        for index in self.add(index, iter::repeat_n("", count))? {
            // The parser stops where the repetition ends.
            let repetition = parse_repeat_with_separators(rest, self.separators).ok()?;
            self.repetition(index, &repetition)?;
            rest = rest.get(repetition.raw_value().len()..)?;
            rest = rest.strip_prefix(separator).unwrap_or(rest);
        }
        rest.is_empty().then_some(())
    }

    fn repetition(&mut self, index: usize, parsed: &Repeat<'t>) -> Option<()> {
        self.parts.get_mut(index)?.raw = parsed.raw_value();
        let components = self.add(index, parsed.components.iter().map(|component| component.raw_value()))?;
        for (index, component) in components.zip(&parsed.components) {
            if component.subcomponents.len() > 1 {
                self.add(index, component.subcomponents.iter().map(|subcomponent| subcomponent.value))?;
            }
        }
        Some(())
    }

    /// Adds the parts of a part; where they stand.
    fn add(&mut self, of: usize, texts: impl Iterator<Item = &'t str>) -> Option<Range<usize>> {
        let added = self.list(texts)?;
        let part = self.parts.get_mut(of)?;
        part.first = u32::try_from(added.start).ok()?;
        part.count = u32::try_from(added.len()).ok()?;
        Some(added)
    }

    /// Adds texts as values.
    fn list(&mut self, texts: impl Iterator<Item = &'t str>) -> Option<Range<usize>> {
        let start = self.parts.len();
        let first = u32::try_from(start).ok()?;
        self.parts.extend((first..).zip(texts).map(|(first, raw)| Part { raw, first, count: 1 }));
        Some(start..self.parts.len())
    }
}
