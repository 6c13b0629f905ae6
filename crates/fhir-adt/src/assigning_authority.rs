//! `Identifier.system` ↔ HD, the hierarchic designator (mapping section 6.2).
//!
//! | # | system | HD |
//! | --- | --- | --- |
//! | 1 | registry entry | its namespace & universal id & type |
//! | 2 | `urn:oid:X` | `&X&ISO` |
//! | 3 | `urn:uuid:X` | `&X&UUID` |
//! | 4 | any other absolute URI | `&<uri>&URI` (up to 2.4 `L`) |
//! | 5 | anything else | namespace |
//!
//! Back, first match: registry by universal id, then by namespace; ISO, UUID and GUID, URI; a namespace.
//! HL7 v2.5.1 §2.A.33.

use std::borrow::Cow;

use crate::config::{ConfigError, ConfigProblem, MappingConfig, RegistryEntry};
use crate::fhir::Str;

/// A hierarchic designator: namespace, universal id, universal id type; absent parts are empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Designator<'a> {
    pub(crate) namespace: Str<'a>,
    pub(crate) universal_id: Str<'a>,
    pub(crate) universal_id_type: Str<'a>,
}

impl<'a> Designator<'a> {
    /// Reads `namespace[&universal id&type]`.
    pub(crate) fn parse(text: &'a str) -> Self {
        let mut parts = text.splitn(3, '&').map(Cow::Borrowed);
        let mut next = || parts.next().unwrap_or_default();
        Self { namespace: next(), universal_id: next(), universal_id_type: next() }
    }

    /// The same, borrowing its parts from this one.
    pub(crate) fn borrowed(&self) -> Designator<'_> {
        let [namespace, universal_id, universal_id_type] = self.parts().map(Cow::Borrowed);
        Designator { namespace, universal_id, universal_id_type }
    }

    /// The same, borrowing nothing.
    pub(crate) fn into_owned(self) -> Designator<'static> {
        let owned = |part: Str<'_>| Cow::Owned(part.into_owned());
        Designator {
            namespace: owned(self.namespace),
            universal_id: owned(self.universal_id),
            universal_id_type: owned(self.universal_id_type),
        }
    }

    /// Its parts, in order.
    pub(crate) fn parts(&self) -> [&str; 3] {
        [&self.namespace, &self.universal_id, &self.universal_id_type]
    }
}

/// The known identifier systems of one configuration.
#[derive(Debug)]
pub(crate) struct Registry {
    entries: Vec<RegistryEntry>,
    prefix: String,
}

impl Registry {
    /// The site's entries, then the built-in ones that the site does not replace.
    pub(crate) fn new(config: &MappingConfig) -> Result<Self, ConfigError> {
        let mut entries = config.registry.clone();
        for entry in built_in() {
            if entries.iter().any(|own| own.system == entry.system) {
                continue;
            }
            let clash = entries.iter().position(|own| {
                same(&own.namespace, &entry.namespace) || same(&own.universal_id, &entry.universal_id)
            });
            if let Some(index) = clash {
                let problem = ConfigProblem {
                    key: format!("registry[{index}]"),
                    reason: "has the namespace or universal id of a built-in system".into(),
                };
                return Err(ConfigError { problems: vec![problem] });
            }
            entries.push(entry);
        }
        Ok(Self { entries, prefix: config.hd_prefix.clone() })
    }

    /// The type that identifiers of this system have when they say none.
    pub(crate) fn default_type(&self, system: &str) -> Option<&str> {
        self.entry(system).map(|entry| entry.default_type.as_str()).filter(|code| !code.is_empty())
    }

    /// The system of the entry whose default type is `code`.
    pub(crate) fn system_of_type(&self, code: &str) -> Option<&str> {
        self.entries.iter().find(|entry| entry.default_type == code).map(|entry| entry.system.as_str())
    }

    /// The entry that a system names: by its URI, or by the OID, UUID, URI or namespace of the entry.
    fn entry(&self, system: &str) -> Option<&RegistryEntry> {
        self.entries.iter().find(|entry| entry.system == system).or_else(|| {
            let id = strip_ignore_case(system, "urn:oid:")
                .or_else(|| strip_ignore_case(system, "urn:uuid:"))
                .unwrap_or(system);
            self.entries.iter().find(|entry| {
                !entry.universal_id.is_empty() && entry.universal_id.eq_ignore_ascii_case(id)
                    || !entry.namespace.is_empty() && entry.namespace == system
            })
        })
    }

    /// The designator of a system.
    pub(crate) fn to_designator<'a>(&'a self, system: &'a str, uri_type: &'a str) -> Designator<'a> {
        if let Some(entry) = self.entry(system) {
            return Designator {
                namespace: Cow::Borrowed(&entry.namespace),
                universal_id: Cow::Borrowed(&entry.universal_id),
                universal_id_type: Cow::Borrowed(&entry.universal_id_type),
            };
        }
        let universal = |id: Str<'a>, kind: &'a str| Designator {
            universal_id: id,
            universal_id_type: Cow::Borrowed(kind),
            ..Designator::default()
        };
        if let Some(oid) = strip_ignore_case(system, "urn:oid:") {
            return universal(Cow::Borrowed(oid), "ISO");
        }
        if let Some(uuid) = strip_ignore_case(system, "urn:uuid:") {
            return universal(lower_case(uuid), "UUID");
        }
        let namespace = match system.strip_prefix(self.prefix.as_str()) {
            Some(rest) if !self.prefix.is_empty() && !rest.is_empty() => rest,
            _ if is_absolute_uri(system) => return universal(Cow::Borrowed(system), uri_type),
            _ => system,
        };
        Designator { namespace: Cow::Borrowed(namespace), ..Designator::default() }
    }

    /// The system that a designator names; `None` for an empty one. The second value is true where a namespace was
    /// left aside for the universal id. A FHIR uri has no blanks; those of a foreign message are percent-encoded, an
    /// own message has only what a Patient had (`verbatim`).
    pub(crate) fn to_system<'a>(
        &'a self,
        designator: &Designator<'a>,
        verbatim: bool,
    ) -> (Option<Str<'a>>, bool) {
        let without_blanks = |text: Str<'a>| if verbatim { text } else { without_blanks(text) };
        let [namespace, id, kind] = designator.parts();
        let known = self
            .entries
            .iter()
            .find(|entry| !id.is_empty() && entry.universal_id.eq_ignore_ascii_case(id))
            .or_else(|| self.entries.iter().find(|entry| same(&entry.namespace, namespace)));
        if let Some(entry) = known {
            return (Some(Cow::Borrowed(&entry.system)), false);
        }
        let aside = !namespace.is_empty() && !id.is_empty();
        let system = match kind {
            _ if id.is_empty() => {
                if namespace.is_empty() {
                    return (None, false);
                }
                if self.prefix.is_empty() || is_absolute_uri(namespace) {
                    without_blanks(designator.namespace.clone())
                } else {
                    without_blanks(Cow::Owned(format!("{}{namespace}", self.prefix)))
                }
            }
            "ISO" => without_blanks(Cow::Owned(format!("urn:oid:{id}"))),
            "UUID" | "GUID" => without_blanks(Cow::Owned(format!("urn:uuid:{}", id.to_lowercase()))),
            "URI" => without_blanks(designator.universal_id.clone()),
            _ if is_absolute_uri(id) => without_blanks(designator.universal_id.clone()),
            _ if is_oid(id) => Cow::Owned(format!("urn:oid:{id}")),
            _ => {
                let part = percent_encoded;
                let system = format!("urn:x-hl7v2-hd:{}:{}:{}", part(namespace), part(id), part(kind));
                return (Some(Cow::Owned(system)), false);
            }
        };
        (Some(system), aside)
    }

    /// True where the designator of a system reads back as that system, which needs no change to be written.
    pub(crate) fn is_carried(&self, system: &str) -> bool {
        if let Some(entry) = self.entry(system) {
            return entry.system == system;
        }
        if let Some(oid) = system.strip_prefix("urn:oid:") {
            return !oid.is_empty();
        }
        if let Some(uuid) = system.strip_prefix("urn:uuid:") {
            return !uuid.is_empty() && matches!(lower_case(uuid), Cow::Borrowed(_));
        }
        is_absolute_uri(system) && !system.get(..4).is_some_and(|scheme| scheme.eq_ignore_ascii_case("urn:"))
    }

    /// A system in one component, for CX.10.3 (the text form of a designator).
    pub(crate) fn to_text<'a>(&'a self, system: &'a str) -> &'a str {
        match self.entry(system) {
            Some(entry) if !entry.namespace.is_empty() => &entry.namespace,
            Some(entry) => &entry.system,
            None => system,
        }
    }

    /// The system that the text form names.
    pub(crate) fn system_of_text<'a>(&'a self, text: Str<'a>, verbatim: bool) -> Str<'a> {
        let known = self.entries.iter().find(|entry| entry.namespace == text || entry.universal_id == text);
        match known {
            Some(entry) => Cow::Borrowed(&entry.system),
            None if verbatim => text,
            None => without_blanks(text),
        }
    }
}

fn lower_case(text: &str) -> Str<'_> {
    if text.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase()) {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(text.to_lowercase())
    }
}

fn built_in() -> [RegistryEntry; 3] {
    let entry = |system: &str, namespace: &str, oid: &str, default_type: &str| RegistryEntry {
        system: system.to_owned(),
        namespace: namespace.to_owned(),
        universal_id: oid.to_owned(),
        universal_id_type: "ISO".to_owned(),
        default_type: default_type.to_owned(),
    };
    [
        entry("http://hl7.org/fhir/sid/us-ssn", "SSA", "2.16.840.1.113883.4.1", "SS"),
        entry("http://hl7.org/fhir/sid/us-npi", "NPI", "2.16.840.1.113883.4.6", "NPI"),
        entry("http://hl7.org/fhir/sid/us-medicare", "", "2.16.840.1.113883.4.572", "MC"),
    ]
}

fn same(a: &str, b: &str) -> bool {
    !a.is_empty() && a == b
}

/// True for `scheme:rest` (RFC 3986 §3.1).
pub(crate) fn is_absolute_uri(text: &str) -> bool {
    text.split_once(':').is_some_and(|(scheme, rest)| {
        !rest.is_empty()
            && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
    })
}

fn is_oid(text: &str) -> bool {
    text.contains('.')
        && text.split('.').all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
}

/// What follows `prefix`, whatever the case of the prefix.
pub(crate) fn strip_ignore_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (head, rest) = text.split_at_checked(prefix.len())?;
    (head.eq_ignore_ascii_case(prefix) && !rest.is_empty()).then_some(rest)
}

/// A FHIR uri has no white space; what a foreign message puts there is percent-encoded.
pub(crate) fn without_blanks(text: Str<'_>) -> Str<'_> {
    if !text.contains(char::is_whitespace) {
        return text;
    }
    Cow::Owned(text.chars().fold(String::new(), |mut out, c| {
        push_encoded(&mut out, c, !c.is_whitespace());
        out
    }))
}

fn percent_encoded(text: &str) -> Cow<'_, str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    if text.chars().all(plain) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().fold(String::new(), |mut out, c| {
        push_encoded(&mut out, c, plain(c));
        out
    }))
}

fn push_encoded(out: &mut String, c: char, plain: bool) {
    if plain {
        out.push(c);
    } else {
        for byte in c.encode_utf8(&mut [0; 4]).bytes() {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registry(prefix: &str) -> Registry {
        Registry::new(&MappingConfig { hd_prefix: prefix.to_owned(), ..MappingConfig::default() }).unwrap()
    }

    fn text(system: &str) -> String {
        registry("").to_designator(system, "URI").parts().join("&")
    }

    fn system(hd: &str) -> Option<String> {
        registry("").to_system(&Designator::parse(hd), false).0.map(Cow::into_owned)
    }

    #[test]
    fn each_kind_of_system_goes_there_and_back() {
        for (uri, hd) in [
            ("http://hl7.org/fhir/sid/us-ssn", "SSA&2.16.840.1.113883.4.1&ISO"),
            ("http://hl7.org/fhir/sid/us-medicare", "&2.16.840.1.113883.4.572&ISO"),
            ("urn:oid:1.2.3", "&1.2.3&ISO"),
            ("urn:uuid:aa-bb", "&aa-bb&UUID"),
            ("https://a.example/ids", "&https://a.example/ids&URI"),
            ("HOSP", "HOSP&&"),
        ] {
            assert_eq!(text(uri), hd);
            assert_eq!(system(hd).as_deref(), Some(uri));
        }
    }

    #[test]
    fn foreign_designators_become_valid_systems() {
        assert_eq!(system("HOSP&1.2.3&ISO").as_deref(), Some("urn:oid:1.2.3"));
        assert_eq!(system("&AA-BB&GUID").as_deref(), Some("urn:uuid:aa-bb"));
        assert_eq!(system("http://a.example&&").as_deref(), Some("http://a.example"));
        assert_eq!(system("&1.2.3&M").as_deref(), Some("urn:oid:1.2.3"));
        assert_eq!(system("A B&x.org&DNS").as_deref(), Some("urn:x-hl7v2-hd:A%20B:x.org:DNS"));
        assert_eq!(system("St Mary&&").as_deref(), Some("St%20Mary"));
        assert_eq!(system("SSA&&").as_deref(), Some("http://hl7.org/fhir/sid/us-ssn"));
        assert_eq!(system("&&"), None);
    }

    #[test]
    fn a_prefix_makes_namespaces_into_uris_and_back() {
        let registry = registry("urn:hosp:");
        assert_eq!(registry.to_designator("urn:hosp:A", "URI").parts(), ["A", "", ""]);
        assert_eq!(registry.to_system(&Designator::parse("A"), false).0.as_deref(), Some("urn:hosp:A"));
    }

    #[test]
    fn an_oid_of_the_registry_is_written_as_its_entry() {
        assert_eq!(text("urn:oid:2.16.840.1.113883.4.1"), "SSA&2.16.840.1.113883.4.1&ISO");
    }
}
