//! All problems of a configuration at once.

use std::collections::HashMap;

use super::{CodeRow, ConfigError, ConfigProblem, Direction, MappingConfig, Profile, RegistryEntry};
use crate::codes::Table;
use crate::own_fields;
use crate::z_segment;

impl MappingConfig {
    /// Checks what the types alone cannot.
    ///
    /// # Errors
    /// All problems found.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let mut problems = Problems(Vec::new());
        for (key, value) in [
            ("sending_application", &self.sending_application),
            ("sending_facility", &self.sending_facility),
            ("receiving_application", &self.receiving_application),
            ("receiving_facility", &self.receiving_facility),
        ] {
            problems.check(!value.is_empty(), key, "must not be empty (MSH-3 to MSH-6 are all required)");
        }
        for (key, value) in [
            ("sending_application", &self.sending_application),
            ("sending_facility", &self.sending_facility),
            ("receiving_application", &self.receiving_application),
            ("receiving_facility", &self.receiving_facility),
            ("event_facility", &self.event_facility),
            ("last_update_facility", &self.last_update_facility),
            ("default_authority", &self.default_authority),
            ("logical_id.authority", &self.logical_id.authority),
        ] {
            let parts = value.split('&').count();
            problems.check(parts <= 3, key, "is namespace, or namespace&universal id&type");
        }
        if self.profile == Profile::Pix {
            problems.check(!self.pix.patient_class.is_empty(), "pix.patient_class", "must not be empty");
        }
        let alpha = |text: &str, letters| {
            text.is_empty() || text.len() == letters && text.chars().all(|c| c.is_ascii_uppercase())
        };
        problems.check(alpha(&self.country_code, 3), "country_code", "is three capital letters (ISO 3166)");
        problems.check(
            alpha(&self.default_country, 2),
            "default_country",
            "is two capital letters (ISO 3166)",
        );
        problems.check(
            crate::date_time::zone(&self.timezone).is_some(),
            "timezone",
            "is neither an IANA zone nor an offset",
        );
        let type_code = &self.logical_id.type_code;
        problems.check(
            (1..=5).contains(&type_code.len()) && type_code.chars().all(|c| c.is_ascii_alphanumeric()),
            "logical_id.type_code",
            "is one to five letters or digits",
        );
        problems.check(
            type_code == "FW" || crate::codes::find_v2(Table::IdentifierType, type_code).is_none(),
            "logical_id.type_code",
            "must not be a code of table 0203",
        );
        problems.registry(&self.registry);
        problems.codes(&self.codes);
        own_fields::check(self, &mut problems);
        z_segment::check(self, &mut problems);
        let mut names = HashMap::new();
        for (uri, name) in &self.coding_systems {
            let key = format!("coding_systems.\"{uri}\"");
            problems.check(!uri.is_empty() && !name.is_empty(), &key, "must not be empty");
            problems.check(names.insert(name, uri).is_none(), &key, "has the name of another system");
        }
        if problems.0.is_empty() { Ok(()) } else { Err(ConfigError { problems: problems.0 }) }
    }
}

/// What was found so far.
pub(crate) struct Problems(Vec<ConfigProblem>);

impl Problems {
    pub(crate) fn check(&mut self, good: bool, key: &str, reason: &'static str) {
        if !good {
            self.0.push(ConfigProblem { key: key.to_owned(), reason: reason.into() });
        }
    }

    pub(crate) fn push(&mut self, key: String, reason: String) {
        self.0.push(ConfigProblem { key, reason: reason.into() });
    }

    /// Each row is used, and what is written with it reads back, unless it says one direction.
    fn codes(&mut self, rows: &[CodeRow]) {
        for (index, row) in rows.iter().enumerate() {
            let at = |field: &str| format!("codes[{index}].{field}");
            self.check(!row.code.is_empty(), &at("code"), "must not be empty");
            self.check(!row.v2.is_empty(), &at("v2"), "must not be empty");
            let Some(table) = Table::from_number(&row.table) else {
                self.check(false, &at("table"), "is not a table of the mapping");
                continue;
            };
            if row.system.is_empty() && !row.code.is_empty() {
                self.type_code(table, row, &at);
            }
            let earlier = || rows.iter().take(index).filter(|other| other.table == row.table);
            let to_v2 = |row: &CodeRow| row.direction != Direction::ToFhir;
            let to_fhir = |row: &CodeRow| row.direction != Direction::ToV2;
            let is_written = |other: &CodeRow| {
                to_v2(other) && to_v2(row) && (&other.system, &other.code) == (&row.system, &row.code)
            };
            self.check(!earlier().any(is_written), &at("code"), "has an earlier row that writes it");
            let is_read = |other: &CodeRow| to_fhir(other) && to_fhir(row) && other.v2 == row.v2;
            self.check(
                !earlier().any(is_read),
                &at("v2"),
                "is read as the code of an earlier row; direction = \"to_v2\" where that is meant",
            );
        }
    }

    /// Without a system, the element is of type code, and its codes are known.
    fn type_code(&mut self, table: Table, row: &CodeRow, at: &dyn Fn(&str) -> String) {
        let of_type_code =
            [Table::AdministrativeSex, Table::NameUse, Table::TelecomUse, Table::TelecomSystem];
        if !of_type_code.contains(&table) {
            return self.check(false, &at("system"), "must be set: the element is a coding");
        }
        let known = || table.rows().iter().map(|row| &*row.code).filter(|code| !code.is_empty());
        if !known().any(|code| code == row.code) {
            let near = nearest(&row.code, known());
            let meant = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            self.push(at("code"), format!("is not a code of the element{meant}"));
        }
    }

    /// System, namespace and universal id are each unique over the registry.
    fn registry(&mut self, entries: &[RegistryEntry]) {
        for (index, entry) in entries.iter().enumerate() {
            let at = |field: &str| format!("registry[{index}].{field}");
            self.check(!entry.system.is_empty(), &at("system"), "must not be empty");
            self.check(
                !entry.namespace.is_empty() || !entry.universal_id.is_empty(),
                &at("namespace"),
                "or universal_id must be set",
            );
            self.check(
                entry.universal_id.is_empty() == entry.universal_id_type.is_empty(),
                &at("universal_id_type"),
                "goes together with universal_id",
            );
            let earlier = entries.iter().take(index);
            for (field, value, of) in [
                ("system", &entry.system, (|e| &e.system) as fn(&RegistryEntry) -> &String),
                ("namespace", &entry.namespace, |e| &e.namespace),
                ("universal_id", &entry.universal_id, |e| &e.universal_id),
            ] {
                let repeated = !value.is_empty() && earlier.clone().any(|other| of(other) == value);
                self.check(!repeated, &at(field), "is used by an earlier entry");
            }
        }
    }
}

/// The known name within a third of the length in edits.
pub(crate) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (name.chars().count() / 3).max(2);
    let edits = known.map(|known| (strsim::levenshtein(name, known), known));
    edits.filter(|(edits, _)| *edits <= limit).min().map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use crate::{Mapper, MappingConfig};

    fn problems(toml: &str) -> Vec<String> {
        let config: MappingConfig = toml::from_str(toml).unwrap();
        match Mapper::new(config) {
            Ok(_) => Vec::new(),
            Err(error) => error.problems.into_iter().map(|problem| problem.key).collect(),
        }
    }

    #[test]
    fn the_defaults_are_valid() {
        assert_eq!(problems(""), Vec::<String>::new());
    }

    #[test]
    fn all_problems_are_reported_at_once() {
        let keys = problems(
            r#"
            sending_application = ""
            timezone = "Mars/Olympus"
            country_code = "us"
            [logical_id]
            type_code = "MR"
            [[registry]]
            system = "urn:a"
            namespace = "A"
            [[registry]]
            system = "urn:b"
            namespace = "A"
            universal_id = "1.2"
            [[codes]]
            table = "9999"
            code = "x"
            v2 = "y"
            "#,
        );
        let expected = [
            "sending_application",
            "country_code",
            "timezone",
            "logical_id.type_code",
            "registry[1].universal_id_type",
            "registry[1].namespace",
            "codes[0].table",
        ];
        assert_eq!(keys, expected);
    }

    #[test]
    fn unknown_keys_and_values_are_refused() {
        assert!(toml::from_str::<MappingConfig>("colour = 'red'").is_err());
        assert!(toml::from_str::<MappingConfig>("version = '2.9'").is_err());
        assert!(toml::from_str::<MappingConfig>("[merge]\ntrigger = 'never'").is_err());
    }
}
