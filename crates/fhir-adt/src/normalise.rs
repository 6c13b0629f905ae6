//! `B`, the normal form of a Patient: what changes silently because no information is lost (mapping section 11).
//!
//! | # | Normalisation |
//! | --- | --- |
//! | B1 | nothing empty, single-member arrays unwrapped: done by [`crate::input`] |
//! | B2 | identifiers of the logical-id type, and exact duplicates, removed |
//! | B3 | missing `system` of codes found in 0203, 0131, 0002 |
//! | B4 | identifier `type` from the registry |
//! | B5 | telecom `system` inferred; not work before work |
//! | B6 | names by NM-2; generational suffixes first |
//! | B7 | organizations first; relationships by kind |
//! | B8 | zero offsets are `Z`; extensions in the order they are read in; race and ethnicity text |
//! | B9 | `urn:oid:` and `urn:uuid:` systems in lower case |
//! | B10 | `name.text` equal to the joined parts removed |
//! | B11 | `meta.versionId` removed |
//! | B12 | v2 codings replaced by what they map to |

mod named_systems;
mod value;

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use crate::coded;
use crate::codes::Table;
use crate::contact_point;
use crate::fhir::{self, CodeableConcept, Coding, Identifier, Patient, system, url};
use crate::identifier;
use crate::nk1;
use crate::origins::Origins;
use crate::patient_extension;
use crate::race_ethnicity::Kind;
use crate::reference;
use crate::report::{Issue, IssueType, Report};
use crate::site::Site;
use value::{
    human_name, lower_case_urn, order_extensions, order_line_extensions, race_text, rank, zero_offsets,
};

pub(crate) use named_systems::with_named_systems;

/// A Patient in normal form.
pub(crate) struct Normal {
    pub(crate) patient: Value,
    pub(crate) origins: Origins,
}

/// The normal form of a checked Patient.
pub(crate) fn normalise(checked: Value, site: &Site, report: &mut Report) -> Normal {
    let mut patient = checked;
    let mut b = Normaliser { site, origins: Origins::default() };
    zero_offsets(&mut patient);
    if let Some(members) = patient.as_object_mut() {
        without_version(members);
        b.identifiers(members, report);
        b.names(members);
        b.telecom(members, "Patient");
        b.general_practitioners(members);
        if let Some(status) = members.get_mut("maritalStatus") {
            b.concept(status, Table::MaritalStatus, true, "Patient.maritalStatus");
        }
        b.contacts(members);
        b.extensions(members);
        for address in list_mut(members, "address") {
            order_extensions(address, &[url::CENSUS_TRACT]);
            order_line_extensions(address);
        }
    }
    Normal { patient, origins: b.origins }
}

struct Normaliser<'a> {
    site: &'a Site,
    origins: Origins,
}

impl Normaliser<'_> {
    /// B2, B3, B4, B9.
    fn identifiers(&mut self, patient: &mut Map<String, Value>, report: &mut Report) {
        let id = patient.get("id").cloned();
        let Some(Value::Array(identifiers)) = patient.get_mut("identifier") else { return };
        let mut seen = HashSet::with_capacity(identifiers.len());
        let mut kept = Vec::with_capacity(identifiers.len());
        let mut order = Vec::with_capacity(identifiers.len());
        for (index, mut value) in std::mem::take(identifiers).into_iter().enumerate() {
            let typed: Identifier<'_> = fhir::of(&value).unwrap_or_default();
            let has_type = typed.r#type.is_some();
            if identifier::is_logical_id(&typed, self.site) {
                if value.get("value") != id.as_ref() {
                    let path = format!("Patient.identifier[{index}]");
                    let reason = "has the type of the logical id, but is not Patient.id; it is not sent";
                    report.push(Issue::warning(IssueType::Value, "6.3", path, reason));
                }
                continue;
            }
            self.identifier(&mut value);
            let default = (!has_type).then(|| value["system"].as_str()).flatten();
            if let Some(code) = default.and_then(|system| self.site.registry.default_type(system)) {
                value["type"] = json!(identifier::type_of(code.into()));
            }
            if seen.insert(value.to_string()) {
                kept.push(value);
                order.push(index);
            }
        }
        self.origins.note("Patient.identifier", order);
        put(patient, "identifier", kept);
    }

    /// B3 and B9 for one identifier, and the order of its extensions.
    fn identifier(&self, value: &mut Value) {
        if let Some(Value::String(uri)) = value.get_mut("system")
            && let Some(lower) = lower_case_urn(uri)
        {
            *uri = lower;
        }
        if let Some(Value::Array(codings)) = value.pointer_mut("/type/coding") {
            for coding in codings.iter_mut().filter(|coding| coding.get("system").is_none()) {
                if coding["code"].as_str().is_some_and(identifier::is_type_code) {
                    coding["system"] = Value::from(system::IDENTIFIER_TYPE);
                }
            }
        }
        if let Some(inner) = value.pointer_mut("/assigner/identifier") {
            self.identifier(inner);
        }
        order_extensions(value, &[url::CHECK_DIGIT, url::CHECK_DIGIT_SCHEME]);
    }

    /// B6 and B10; NM-2.
    fn names(&mut self, patient: &mut Map<String, Value>) {
        for name in list_mut(patient, "name") {
            human_name(name);
        }
        let is_current_official =
            |name: &Value| name["use"] == "official" && name.pointer("/period/end").is_none();
        self.sort(patient, "name", "Patient", |name| usize::from(!is_current_official(name)));
    }

    /// B5.
    fn telecom(&mut self, members: &mut Map<String, Value>, path: &str) {
        for point in list_mut(members, "telecom") {
            if point.get("system").is_none()
                && let Some(value) = point["value"].as_str()
            {
                point["system"] = Value::from(contact_point::infer_system(value));
            }
            let order = [
                url::PHONE_COUNTRY,
                url::PHONE_AREA,
                url::PHONE_LOCAL,
                url::PHONE_EXTENSION,
                url::PHONE_COMMENT,
            ];
            order_extensions(point, &order);
        }
        self.sort(members, "telecom", path, |point| usize::from(point["use"] == "work"));
    }

    /// B7.
    fn general_practitioners(&mut self, patient: &mut Map<String, Value>) {
        for reference in list_mut(patient, "generalPractitioner") {
            if let Some(identifier) = reference.get_mut("identifier") {
                self.identifier(identifier);
            }
        }
        if list_mut(patient, "generalPractitioner").len() < 2 {
            return;
        }
        let contained = list_mut(patient, "contained").to_vec();
        let typed = Patient { contained, ..Patient::default() };
        self.sort(patient, "generalPractitioner", "Patient", |value| {
            let reference: fhir::Reference<'_> = fhir::of(value).unwrap_or_default();
            usize::from(!reference::is_organization(&reference, &typed))
        });
    }

    /// B3, B5, B6, B7, B12 inside each contact.
    fn contacts(&mut self, patient: &mut Map<String, Value>) {
        for (index, contact) in list_mut(patient, "contact").iter_mut().enumerate() {
            let path = format!("Patient.contact[{index}]");
            let Some(members) = contact.as_object_mut() else { continue };
            if let Some(name) = members.get_mut("name") {
                human_name(name);
            }
            self.telecom(members, &path);
            if let Some(address) = members.get_mut("address") {
                order_extensions(address, &[url::CENSUS_TRACT]);
                order_line_extensions(address);
            }
            if let Some(identifier) = members.get_mut("organization").and_then(|o| o.get_mut("identifier")) {
                self.identifier(identifier);
            }
            for (index, concept) in list_mut(members, "relationship").iter_mut().enumerate() {
                let path = format!("{path}.relationship[{index}]");
                self.concept(concept, Table::ContactRole, true, &path);
                self.concept(concept, Table::Relationship, false, &path);
            }
            let site = self.site;
            self.sort(members, "relationship", &path, |concept| {
                let concept: CodeableConcept<'_> = fhir::of(concept).unwrap_or_default();
                nk1::kind(&concept, site) as usize
            });
        }
    }

    /// B8 and B12 in the extensions of the Patient.
    fn extensions(&mut self, patient: &mut Map<String, Value>) {
        for (index, extension) in list_mut(patient, "extension").iter_mut().enumerate() {
            let path = format!("Patient.extension[{index}].valueCodeableConcept");
            match extension["url"].as_str() {
                Some(url::RELIGION) => {
                    if let Some(concept) = extension.get_mut("valueCodeableConcept") {
                        self.concept(concept, Table::Religion, false, &path);
                    }
                }
                Some(url::RACE) => race_text(extension, Kind::Race),
                Some(url::ETHNICITY) => race_text(extension, Kind::Ethnicity),
                Some(url::ANIMAL) => order_extensions(extension, &["species", "breed"]),
                Some(url::BIRTH_PLACE) => {
                    if let Some(address) = extension.get_mut("valueAddress") {
                        order_extensions(address, &[url::CENSUS_TRACT]);
                        order_line_extensions(address);
                    }
                }
                _ => {}
            }
        }
        self.sort(patient, "extension", "Patient", |extension| rank(extension, &patient_extension::ORDER));
    }

    /// B3 (where `fill`) and B12 for one concept of a table.
    fn concept(&mut self, concept: &mut Value, table: Table, fill: bool, path: &str) {
        let Some(Value::Array(codings)) = concept.get_mut("coding") else { return };
        if fill {
            for coding in codings.iter_mut().filter(|coding| coding.get("system").is_none()) {
                if coding["code"].as_str().is_some_and(|code| self.site.codes.contains(table, code)) {
                    coding["system"] = Value::from(table.system());
                }
            }
        }
        let is_v2 = |coding: &Value| {
            coding["system"].as_str().is_some_and(|uri| table.is_system(uri)) && coding.get("code").is_some()
        };
        if !codings.iter().any(is_v2) {
            return;
        }
        let mapped_by_others: Vec<String> = codings
            .iter()
            .filter(|coding| !is_v2(coding))
            .filter_map(|coding| {
                let coding: Coding<'_> = fhir::of(coding)?;
                coded::v2_code(&coding, table, self.site).map(fhir::Str::into_owned)
            })
            .collect();
        let mut result: Vec<Value> = Vec::with_capacity(codings.len());
        let mut order = Vec::with_capacity(codings.len());
        let mut made: Vec<usize> = Vec::new();
        for (index, coding) in std::mem::take(codings).into_iter().enumerate() {
            let code = coding["code"].as_str().unwrap_or_default();
            if !is_v2(&coding) {
                let known =
                    made.iter().find(|&&at| result.get(at).is_some_and(|made| same_code(made, &coding)));
                match known.and_then(|&at| result.get_mut(at)) {
                    Some(made) => {
                        if made.get("display").is_none() && coding.get("display").is_some() {
                            made["display"] = coding["display"].clone();
                        }
                    }
                    None => {
                        result.push(coding);
                        order.push(index);
                    }
                }
                continue;
            }
            if mapped_by_others.iter().any(|mapped| mapped == code) {
                continue;
            }
            match coded::mapped_coding(code, table, self.site) {
                Some((uri, fhir_code, exact)) if !table.is_system(uri) => {
                    let mut mapped = coding.clone();
                    mapped["system"] = Value::from(uri);
                    mapped["code"] = Value::from(fhir_code);
                    let source = json!({ "system": table.system(), "code": code });
                    if !result.iter().any(|other| same_code(other, &mapped)) {
                        made.push(result.len());
                        result.push(mapped);
                        order.push(index);
                    }
                    if !exact && !result.contains(&source) {
                        result.push(source);
                        order.push(index);
                    }
                }
                _ => {
                    result.push(coding);
                    order.push(index);
                }
            }
        }
        *codings = result;
        self.origins.note(&format!("{path}.coding"), order);
    }

    /// Sorts a list by a key, keeping the order of equals, and notes where its members came from.
    fn sort(
        &mut self,
        members: &mut Map<String, Value>,
        name: &str,
        path: &str,
        key: impl Fn(&Value) -> usize,
    ) {
        let Some(Value::Array(list)) = members.get_mut(name) else { return };
        let mut numbered: Vec<(usize, Value)> = std::mem::take(list).into_iter().enumerate().collect();
        numbered.sort_by_key(|(_, value)| key(value));
        let (order, sorted): (Vec<usize>, Vec<Value>) = numbered.into_iter().unzip();
        *list = sorted;
        self.origins.note(&format!("{path}.{name}"), order);
    }
}

/// True where two codings have the same system and code.
fn same_code(a: &Value, b: &Value) -> bool {
    a["system"] == b["system"] && a["code"] == b["code"]
}

/// B11.
fn without_version(patient: &mut Map<String, Value>) {
    if let Some(Value::Object(meta)) = patient.get_mut("meta") {
        meta.remove("versionId");
        if meta.is_empty() {
            patient.remove("meta");
        }
    }
}

/// The Patient without what the server owns, as ZFP restores it.
pub(crate) fn without_version_id(checked: &Value) -> Value {
    let mut patient = checked.clone();
    if let Some(members) = patient.as_object_mut() {
        without_version(members);
    }
    patient
}

fn list_mut<'a>(members: &'a mut Map<String, Value>, name: &str) -> &'a mut [Value] {
    match members.get_mut(name) {
        Some(Value::Array(list)) => list,
        _ => &mut [],
    }
}

/// Puts a list, or nothing where it is empty.
fn put(members: &mut Map<String, Value>, name: &str, list: Vec<Value>) {
    if list.is_empty() {
        members.remove(name);
    } else {
        members.insert(name.to_owned(), Value::Array(list));
    }
}
