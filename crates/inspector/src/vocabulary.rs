//! Names of segments, fields, components and codes, for documents that are not about one message.

use crate::dictionary::Dictionary;

/// The names of HL7 v2.5.1, in our own words.
#[derive(Debug)]
pub struct Vocabulary(Dictionary);

/// A field or a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part<'v> {
    /// Its name.
    pub name: &'v str,
    /// Its data type; empty where the component has none of its own.
    pub kind: &'v str,
    /// The table of its codes, four digits.
    pub table: Option<&'v str>,
}

impl Vocabulary {
    /// Reads what is embedded in the program.
    #[must_use]
    pub fn load() -> Self {
        Self(Dictionary::load())
    }

    /// The name of a segment; empty for one that is not known.
    #[must_use]
    pub fn segment(&self, name: &str) -> &str {
        self.0.segment_name(name)
    }

    /// A field, from 1. `None` past the last one, and for segments that have no texts.
    #[must_use]
    pub fn field(&self, segment: &str, number: usize) -> Option<Part<'_>> {
        let entry = self.0.field(segment, number)?;
        Some(Part { name: &entry.name, kind: &entry.kind, table: entry.table.as_deref() })
    }

    /// A component of a data type, from 1; a subcomponent is a component of its component's type.
    #[must_use]
    pub fn component(&self, kind: &str, number: usize) -> Option<Part<'_>> {
        let entry = self.0.component(kind, number)?;
        let kind = entry.kind.as_deref().unwrap_or_default();
        Some(Part { name: &entry.name, kind, table: entry.table.as_deref() })
    }

    /// The name of a table.
    #[must_use]
    pub fn table(&self, id: &str) -> Option<&str> {
        self.0.table(id)
    }

    /// What a code of a table means.
    #[must_use]
    pub fn meaning(&self, table: &str, code: &str) -> Option<&str> {
        self.0.meaning(table, code)
    }
}
