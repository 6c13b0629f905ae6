//! What segments, fields, components and codes mean: `data/*.toml`, our own words.

use std::collections::BTreeMap;

use serde::Deserialize;

/// Everything that is known of segments. Made once.
#[derive(Debug)]
pub(crate) struct Dictionary {
    segments: BTreeMap<String, SegmentEntry>,
    names: BTreeMap<String, String>,
    types: BTreeMap<String, Vec<ComponentEntry>>,
    tables: BTreeMap<String, TableEntry>,
}

/// One segment.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SegmentEntry {
    pub(crate) name: String,
    pub(crate) text: String,
    #[serde(default)]
    open: bool,
    fields: Vec<FieldEntry>,
}

/// One field.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FieldEntry {
    pub(crate) name: String,
    /// Data type.
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) text: String,
    pub(crate) table: Option<String>,
    #[serde(default)]
    pub(crate) required: bool,
    #[serde(default)]
    pub(crate) repeats: bool,
    open: Option<bool>,
}

/// One component of a data type.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ComponentEntry {
    pub(crate) name: String,
    #[serde(rename = "type")]
    pub(crate) kind: Option<String>,
    pub(crate) table: Option<String>,
    #[serde(default)]
    pub(crate) open: bool,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct TableEntry {
    name: String,
    values: BTreeMap<String, String>,
}

impl Dictionary {
    pub(crate) fn load() -> Self {
        Self {
            segments: read(include_str!("../data/segments.toml")),
            names: read(include_str!("../data/names.toml")),
            types: read(include_str!("../data/types.toml")),
            tables: read(include_str!("../data/tables.toml")),
        }
    }

    pub(crate) fn segment(&self, name: &str) -> Option<&SegmentEntry> {
        self.segments.get(name)
    }

    /// The name alone, of segments that have no texts too.
    pub(crate) fn segment_name(&self, name: &str) -> &str {
        let known = self.segments.get(name).map(|entry| &entry.name).or_else(|| self.names.get(name));
        known.map_or(if name.starts_with('Z') { "Site-defined segment" } else { "" }, String::as_str)
    }

    pub(crate) fn field(&self, segment: &str, number: usize) -> Option<&FieldEntry> {
        self.segments.get(segment)?.fields.get(number.checked_sub(1)?)
    }

    /// Whether a field says nothing about a person.
    pub(crate) fn is_open(&self, segment: &str, number: usize) -> bool {
        let Some(entry) = self.segments.get(segment) else { return false };
        self.field(segment, number).and_then(|field| field.open).unwrap_or(entry.open)
    }

    pub(crate) fn component(&self, kind: &str, number: usize) -> Option<&ComponentEntry> {
        self.types.get(kind)?.get(number.checked_sub(1)?)
    }

    /// Name of a table.
    pub(crate) fn table(&self, id: &str) -> Option<&str> {
        self.tables.get(id).map(|table| table.name.as_str())
    }

    /// What a code of a table means.
    pub(crate) fn meaning(&self, table: &str, code: &str) -> Option<&str> {
        self.tables.get(table)?.values.get(code).map(String::as_str)
    }
}

/// The data is part of the program, and a test reads all of it.
#[expect(clippy::expect_used, reason = "embedded, and read by a test")]
fn read<T: for<'de> Deserialize<'de>>(text: &str) -> T {
    toml::from_str(text).expect("the embedded dictionary is valid")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_and_type_that_is_named_is_there_or_simple() {
        let dictionary = Dictionary::load();
        let simple = ["ST", "SI", "ID", "IS", "NM", "DT", "TX", "FC", "DLD", "JCC", "ELD"];
        // Tables of a country or a site: the code stands for itself.
        let elsewhere = ["0005", "0006", "0211"];
        for (segment, entry) in &dictionary.segments {
            for field in &entry.fields {
                assert!(!field.text.is_empty() && field.text.len() < 110, "{segment} {}", field.name);
                let kind = field.kind.as_str();
                assert!(simple.contains(&kind) || dictionary.types.contains_key(kind), "{segment}: {kind}");
                let table = field.table.as_deref().unwrap_or("0001");
                assert!(
                    elsewhere.contains(&table) || dictionary.tables.contains_key(table),
                    "{segment}: {table}"
                );
            }
        }
        for component in dictionary.types.values().flatten() {
            let table = component.table.as_deref().unwrap_or("0001");
            assert!(dictionary.tables.contains_key(table), "{}: {table}", component.name);
        }
        let sizes = ["MSH", "EVN", "PID", "PD1", "NK1", "PV1", "MRG", "MSA", "ERR"]
            .map(|segment| dictionary.segment(segment).unwrap().fields.len());
        assert_eq!(sizes, [21, 7, 39, 21, 39, 52, 7, 6, 12], "fields of HL7 v2.5.1");
    }

    #[test]
    fn only_what_is_said_to_be_open_is() {
        let dictionary = Dictionary::load();
        assert!(dictionary.is_open("MSH", 3) && dictionary.is_open("PID", 8) && dictionary.is_open("MSA", 2));
        assert!(
            !dictionary.is_open("PID", 5) && !dictionary.is_open("MSA", 3) && !dictionary.is_open("EVN", 5)
        );
        assert!(!dictionary.is_open("OBX", 5) && !dictionary.is_open("ZZZ", 1));
    }
}
