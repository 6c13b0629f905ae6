//! `Coding.system` ↔ the name of a coding system in CE.3 and CE.6 (CD-9; HL7 table 0396).
//!
//! `http://terminology.hl7.org/CodeSystem/v2-nnnn` ↔ `HL7nnnn`; others by `coding-system-names.csv` and the
//! configuration; an unknown URI is sent as itself. A name nobody knows is read as the system itself.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::assigning_authority::without_blanks;
use crate::codes::{self, Table};
use crate::fhir::{Str, system};

/// The known names.
#[derive(Debug)]
pub(crate) struct SystemNames {
    /// (URI, name), the site's first.
    site: Vec<(String, String)>,
}

impl SystemNames {
    pub(crate) fn new(site: &BTreeMap<String, String>) -> Self {
        Self { site: site.iter().map(|(uri, name)| (uri.clone(), name.clone())).collect() }
    }

    /// The name of a system.
    pub(crate) fn name<'a>(&'a self, uri: &'a str) -> Cow<'a, str> {
        if let Some((_, name)) = self.site.iter().find(|(known, _)| known == uri) {
            return Cow::Borrowed(name);
        }
        if let Some(number) = uri.strip_prefix(system::V2)
            && is_table_number(number)
        {
            let is_name = |name: &str| name.strip_prefix("HL7") == Some(number);
            // A table that is read as another system goes by that system's name, so that it is written the same
            // when it comes back.
            let read_as = codes::CODING_SYSTEM_NAMES
                .iter()
                .find(|row| row.to_fhir && is_name(&row.v2) && row.system != uri);
            return match (read_as, Table::from_number(number)) {
                (Some(row), _) => self.name(&row.system),
                (None, Some(table)) => Cow::Borrowed(table.name()),
                (None, None) => Cow::Owned(format!("HL7{number}")),
            };
        }
        codes::CODING_SYSTEM_NAMES
            .iter()
            .find(|row| row.to_v2 && row.system == uri && is_plain(&row.v2))
            .map_or(Cow::Borrowed(uri), |row| Cow::Borrowed(&*row.v2))
    }

    /// True where a system is itself the name of another one.
    pub(crate) fn is_name(&self, system: &str) -> bool {
        self.site.iter().any(|(uri, name)| name == system && uri != system)
            || table_number(system).is_some()
            || codes::CODING_SYSTEM_NAMES
                .iter()
                .any(|row| row.to_fhir && row.v2 == system && row.system != system && is_plain(&row.v2))
    }

    /// The system of a name; `None` for no name. As with identifiers, blanks stay in an own message (`verbatim`).
    pub(crate) fn uri<'a>(&'a self, name: Str<'a>, verbatim: bool) -> Option<Str<'a>> {
        if name.is_empty() {
            return None;
        }
        if let Some((uri, _)) = self.site.iter().find(|(_, known)| *known == name) {
            return Some(Cow::Borrowed(uri));
        }
        let row =
            codes::CODING_SYSTEM_NAMES.iter().find(|row| row.to_fhir && row.v2 == name && is_plain(&row.v2));
        if let Some(row) = row {
            return Some(Cow::Borrowed(&*row.system));
        }
        Some(match table_number(&name) {
            Some(number) => match Table::from_number(number) {
                Some(table) => Cow::Borrowed(table.system()),
                None => Cow::Owned(format!("{}{number}", system::V2)),
            },
            None if verbatim => name,
            None => without_blanks(name),
        })
    }
}

/// The table that a coding system name stands for: `HL70002` or `0002`.
pub(crate) fn table_number(name: &str) -> Option<&str> {
    Some(name.strip_prefix("HL7").unwrap_or(name)).filter(|number| is_table_number(number))
}

fn is_table_number(text: &str) -> bool {
    text.len() == 4 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Rows that are patterns are handled by code.
fn is_plain(name: &str) -> bool {
    name != "*" && name != "HL7nnnn"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> SystemNames {
        SystemNames::new(&BTreeMap::from([("http://a.example/cs".to_owned(), "99AEX".to_owned())]))
    }

    #[test]
    fn cd_9_names_go_there_and_back() {
        for (uri, name) in [
            ("http://terminology.hl7.org/CodeSystem/v2-0002", "HL70002"),
            ("urn:oid:2.16.840.1.113883.6.238", "CDCREC"),
            ("http://terminology.hl7.org/CodeSystem/v3-MaritalStatus", "99MST"),
            ("urn:ietf:bcp:47", "99BCP"),
            ("http://a.example/cs", "99AEX"),
            ("http://unknown.example", "http://unknown.example"),
        ] {
            assert_eq!(names().name(uri), name);
            assert_eq!(names().uri(name.into(), false).as_deref(), Some(uri));
        }
    }

    #[test]
    fn cd_9_a_table_that_is_read_as_another_system_has_its_name() {
        let name = |uri: &str| names().name(uri).into_owned();
        assert_eq!(name("http://terminology.hl7.org/CodeSystem/v2-0296"), "99BCP");
        assert_eq!(name("http://terminology.hl7.org/CodeSystem/v2-0005"), "CDCREC");
    }

    #[test]
    fn cd_9_other_names_of_a_system_are_read() {
        assert_eq!(
            names().uri("0002".into(), false).as_deref(),
            Some("http://terminology.hl7.org/CodeSystem/v2-0002")
        );
        assert_eq!(names().uri("HL70005".into(), false).as_deref(), Some("urn:oid:2.16.840.1.113883.6.238"));
        assert_eq!(names().uri("ISO639".into(), false).as_deref(), Some("urn:ietf:bcp:47"));
        assert_eq!(names().uri("my list".into(), false).as_deref(), Some("my%20list"));
        assert_eq!(names().uri("".into(), false), None);
    }
}
