//! Section 11: `B`, written a second time from the specification, and a test for each of its rules.

use serde_json::{Map, Value, json};

use crate::fixture::{back, patient, sent, terminology};

/// `B(patient)`: what may change in silence.
pub(crate) fn normal_form(patient: &Value) -> Value {
    let mut patient = without_empty(patient).unwrap_or_else(|| json!({}));
    remove(&mut patient["meta"], "versionId"); // B11
    unwrap_members(&mut patient); // B1
    let mut patient = without_empty(&patient).unwrap_or_else(|| json!({}));
    identifiers(&mut patient);
    for telecom in [patient.get_mut("telecom")].into_iter().flatten() {
        points(telecom);
    }
    names(&mut patient);
    for contact in members_mut(&mut patient, "contact") {
        if let Some(telecom) = contact.get_mut("telecom") {
            points(telecom);
        }
        if let Some(name) = contact.get_mut("name") {
            one_name(name);
        }
        relationships(contact);
        if let Some(identifier) = contact.pointer_mut("/organization/identifier") {
            lower_case_system(identifier);
        }
    }
    if let Some(status) = patient.get_mut("maritalStatus") {
        codings(status, &MARITAL, "v2-0002");
    }
    for practitioner in members_mut(&mut patient, "generalPractitioner") {
        if let Some(identifier) = practitioner.get_mut("identifier") {
            lower_case_system(identifier);
        }
    }
    if let Some(Value::Array(practitioners)) = patient.get_mut("generalPractitioner") {
        practitioners.sort_by_key(|reference| !is_organization(reference)); // B7
    }
    extensions(&mut patient);
    zulu(&mut patient);
    without_empty(&patient).unwrap_or_else(|| json!({}))
}

/// B1, first half. Nulls inside an array of primitives hold a place while something follows them.
pub(crate) fn without_empty(value: &Value) -> Option<Value> {
    match value {
        Value::Null => None,
        Value::String(text) => (!text.is_empty()).then(|| value.clone()),
        Value::Array(members) => {
            let holds_a_place = members.iter().any(Value::is_null) && members.iter().any(Value::is_object);
            let kept = members.iter().map(without_empty);
            let mut kept: Vec<Value> = if holds_a_place {
                kept.map(Option::unwrap_or_default).collect()
            } else {
                kept.flatten().collect()
            };
            while kept.last().is_some_and(Value::is_null) {
                kept.pop();
            }
            (!kept.is_empty()).then_some(Value::Array(kept))
        }
        Value::Object(members) => {
            let kept: Map<String, Value> = members
                .iter()
                .filter_map(|(name, member)| Some((name.clone(), without_empty(member)?)))
                .collect();
            (!kept.is_empty()).then_some(Value::Object(kept))
        }
        _ => Some(value.clone()),
    }
}

/// JSON pointers at which two resources differ, nulls and empty members aside.
pub(crate) fn differences(one: &Value, other: &Value) -> Vec<String> {
    fn walk(one: &Value, other: &Value, at: &str, found: &mut Vec<String>) {
        match (one, other) {
            (Value::Object(a), Value::Object(b)) => {
                let names: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
                for name in names {
                    walk(&one[name.as_str()], &other[name.as_str()], &format!("{at}/{name}"), found);
                }
            }
            (Value::Array(a), Value::Array(b)) => {
                for index in 0..a.len().max(b.len()) {
                    let get = |list: &[Value]| list.get(index).cloned().unwrap_or_default();
                    walk(&get(a), &get(b), &format!("{at}/{index}"), found);
                }
            }
            _ if one != other => found.push(at.to_owned()),
            _ => {}
        }
    }
    let mut found = Vec::new();
    let tidy = |value: &Value| without_empty(value).unwrap_or_default();
    walk(&tidy(one), &tidy(other), "", &mut found);
    found
}

fn remove(value: &mut Value, name: &str) {
    if let Some(members) = value.as_object_mut() {
        members.remove(name);
    }
}

fn members_mut<'a>(value: &'a mut Value, name: &str) -> impl Iterator<Item = &'a mut Value> {
    value.get_mut(name).and_then(Value::as_array_mut).into_iter().flatten()
}

/// B1, second half.
pub(crate) fn unwrap_members(value: &mut Value) {
    match value {
        Value::Array(members) => members.iter_mut().for_each(unwrap_members),
        Value::Object(members) => {
            for (name, member) in members.iter_mut() {
                let single =
                    matches!(name.as_str(), "maritalStatus" | "managingOrganization" | "period" | "assigner");
                if single && let Some([only]) = member.as_array().map(Vec::as_slice) {
                    *member = only.clone();
                }
                let inner: &[&str] = match name.as_str() {
                    "contact" => &["name", "address"],
                    "communication" => &["language"],
                    _ => &[],
                };
                for object in member.as_array_mut().into_iter().flatten() {
                    for name in inner {
                        if let Some([only]) = object.get(name).and_then(Value::as_array).map(Vec::as_slice) {
                            object[*name] = only.clone();
                        }
                    }
                }
                unwrap_members(member);
            }
        }
        _ => {}
    }
}

/// B2, B3, B4, B9.
fn identifiers(patient: &mut Value) {
    let system_of_types = terminology("v2-0203");
    for identifier in members_mut(patient, "identifier") {
        if let Some(coding) = identifier.pointer_mut("/type/coding/0")
            && coding.get("system").is_none()
            && coding["code"].as_str().is_some_and(|code| {
                rows("identifier-type").any(|row| row.v2_code == code && !row.fhir_system.is_empty())
            })
        {
            coding["system"] = json!(system_of_types);
        }
        lower_case_system(identifier);
        let default = match identifier["system"].as_str() {
            Some("http://hl7.org/fhir/sid/us-ssn") => Some("SS"),
            Some("http://hl7.org/fhir/sid/us-npi") => Some("NPI"),
            Some("http://hl7.org/fhir/sid/us-medicare") => Some("MC"),
            _ => None,
        };
        if let (None, Some(code)) = (identifier.get("type"), default) {
            identifier["type"] = json!({"coding": [{"system": system_of_types, "code": code}]});
        }
    }
    if let Some(Value::Array(all)) = patient.get_mut("identifier") {
        all.retain(|identifier| identifier.pointer("/type/coding/0/code") != Some(&json!("FW")));
        let mut seen: Vec<Value> = Vec::new();
        all.retain(|identifier| {
            let new = !seen.contains(identifier);
            seen.push(identifier.clone());
            new
        });
    }
}

fn lower_case_system(identifier: &mut Value) {
    if let Some(system) = identifier["system"].as_str() {
        let lower = system.to_lowercase();
        if lower.starts_with("urn:oid:") || lower.starts_with("urn:uuid:") {
            identifier["system"] = json!(lower);
        }
    } else {
        remove(identifier, "system");
    }
    if let Some(inner) = identifier.pointer_mut("/assigner/identifier") {
        lower_case_system(inner);
    }
}

/// B5.
fn points(telecom: &mut Value) {
    let Some(points) = telecom.as_array_mut() else { return };
    for point in points.iter_mut() {
        if point.get("system").is_none()
            && let Some(value) = point["value"].as_str()
        {
            let digits = value.chars().filter(char::is_ascii_digit).count();
            let system = match value {
                _ if value.contains('@') => "email",
                _ if value.contains("://") => "url",
                _ if digits >= 3 => "phone",
                _ => "other",
            };
            point["system"] = json!(system);
        }
        if point["value"].is_null() {
            remove(point, "value");
        }
    }
    points.sort_by_key(|point| point["use"] == "work");
}

/// B6, B10.
fn names(patient: &mut Value) {
    let Some(Value::Array(names)) = patient.get_mut("name") else { return };
    names.iter_mut().for_each(one_name);
    names.sort_by_key(|name| !(name["use"] == "official" && name.pointer("/period/end").is_none()));
    for name in names {
        if name["use"].is_null() {
            remove(name, "use");
        }
    }
}

fn one_name(name: &mut Value) {
    if let Some(Value::Array(suffixes)) = name.get_mut("suffix") {
        suffixes.sort_by_key(|suffix| !suffix.as_str().is_some_and(is_generational));
    }
    let part =
        |part: &str| name.get(part).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let family = name.get("family").and_then(Value::as_str);
    let words: Vec<&str> = part("prefix").chain(part("given")).chain(family).chain(part("suffix")).collect();
    if !words.is_empty() && name.get("text").and_then(Value::as_str) == Some(&words.join(" ")) {
        remove(name, "text");
    }
}

pub(crate) fn is_generational(suffix: &str) -> bool {
    let suffix = suffix.to_lowercase();
    let bare = suffix.strip_suffix('.').unwrap_or(&suffix);
    ["jr", "sr", "i", "ii", "iii", "iv", "v", "vi", "2nd", "3rd", "4th"].contains(&bare)
}

/// B3, B7, B12 of `contact.relationship`.
fn relationships(contact: &mut Value) {
    let Some(Value::Array(relationships)) = contact.get_mut("relationship") else { return };
    for relationship in relationships.iter_mut() {
        for coding in members_mut(relationship, "coding") {
            if coding.get("system").is_none()
                && coding["code"]
                    .as_str()
                    .is_some_and(|code| rows("contact-role").any(|row| row.v2_code == code))
            {
                coding["system"] = json!(terminology("v2-0131"));
            }
        }
        codings(relationship, &RELATIONSHIP, "v2-0063");
    }
    relationships.sort_by_key(|relationship| {
        relationship.pointer("/coding/0/system") == Some(&json!(terminology("v2-0131")))
    });
}

struct Table {
    file: &'static str,
    /// Codes without system that B3 completes.
    completes: bool,
}

const MARITAL: Table = Table { file: "marital-status", completes: true };
const RELATIONSHIP: Table = Table { file: "relationship", completes: false };
const RELIGION: Table = Table { file: "religion", completes: false };

/// B3 and B12 of one concept.
fn codings(concept: &mut Value, table: &Table, v2: &str) {
    let v2 = terminology(v2);
    let Some(Value::Array(codings)) = concept.get_mut("coding") else { return };
    for coding in codings.iter_mut() {
        let known = |code: &str| rows(table.file).any(|row| row.v2_code == code);
        if table.completes && coding.get("system").is_none() && coding["code"].as_str().is_some_and(known) {
            coding["system"] = json!(v2);
        }
    }
    let code = |coding: &Value| coding["code"].as_str().unwrap_or_default().to_owned();
    // A v2 coding that is the map of another coding of the concept says nothing new.
    let maps: Vec<String> = codings
        .iter()
        .filter_map(|coding| {
            let system = coding["system"].as_str()?;
            let row = rows(table.file).find(|row| {
                row.fhir_system == system && row.fhir_code == code(coding) && row.direction != "to_fhir"
            })?;
            (system != v2).then_some(row.v2_code)
        })
        .collect();
    codings.retain(|coding| !(coding["system"] == json!(v2) && maps.contains(&code(coding))));
    // Any other is read as CD-12 reads it.
    if codings.len() == 1 && codings[0]["system"] == json!(v2) {
        let original = codings[0].clone();
        let found = rows(table.file)
            .find(|row| row.v2_code == code(&original) && row.direction != "to_v2" && row.fhir_system != v2);
        if let Some(row) = found {
            let one_to_one = row.direction == "both";
            let mut mapped = json!({"system": row.fhir_system, "code": row.fhir_code});
            if let Some(display) = original.get("display") {
                mapped["display"] = display.clone();
            }
            let mut v2_coding = original;
            remove(&mut v2_coding, "display");
            *codings = if one_to_one { vec![mapped] } else { vec![mapped, v2_coding] };
        }
    }
}

fn is_organization(reference: &Value) -> bool {
    let literal = reference["reference"].as_str().unwrap_or_default();
    literal.starts_with("Organization/")
        || literal.contains("/Organization/")
        || reference["type"] == "Organization"
}

/// B8: order, and the text of race and ethnicity.
fn extensions(patient: &mut Value) {
    const ORDER: [&str; 11] = [
        "us-core-race",
        "us-core-ethnicity",
        "us-core-tribal-affiliation",
        "patient-mothersMaidenName",
        "patient-birthPlace",
        "patient-religion",
        "patient-citizenship",
        "patient-nationality",
        "patient-animal",
        "patient-disability",
        "patient-congregation",
    ];
    let Some(Value::Array(extensions)) = patient.get_mut("extension") else { return };
    let rank = |extension: &Value| {
        let name =
            extension["url"].as_str().and_then(|url| url.rsplit('/').next()).unwrap_or_default().to_owned();
        ORDER.iter().position(|known| *known == name).unwrap_or(ORDER.len())
    };
    extensions.sort_by_key(rank);
    for extension in extensions {
        match rank(extension) {
            0 | 1 => add_text(extension),
            5 => codings(&mut extension["valueCodeableConcept"], &RELIGION, "v2-0006"),
            _ => {}
        }
    }
}

fn add_text(extension: &mut Value) {
    let Some(Value::Array(parts)) = extension.get_mut("extension") else { return };
    if parts.iter().any(|part| part["url"] == "text") {
        return;
    }
    let displays: Vec<&str> = ["ombCategory", "detailed"]
        .iter()
        .flat_map(|url| parts.iter().filter(move |part| part["url"] == **url))
        .filter_map(|part| part.pointer("/valueCoding/display").and_then(Value::as_str))
        .collect();
    if !displays.is_empty() {
        let text = displays.join(", ");
        parts.push(json!({"url": "text", "valueString": text}));
    }
}

/// B8: one way to write UTC, in the elements that hold a time.
fn zulu(value: &mut Value) {
    match value {
        Value::String(text) => {
            let time = text.as_bytes().get(10) == Some(&b'T') && text.len() <= 40;
            if let (true, Some(head)) =
                (time, text.strip_suffix("+00:00").or_else(|| text.strip_suffix("-00:00")))
            {
                *text = format!("{head}Z");
            }
        }
        Value::Array(members) => members.iter_mut().for_each(zulu),
        Value::Object(members) => members.values_mut().for_each(zulu),
        _ => {}
    }
}

/// One row of a code table.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) fhir_system: String,
    pub(crate) fhir_code: String,
    pub(crate) v2_code: String,
    pub(crate) direction: String,
    pub(crate) note: String,
}

/// The rows of `tables/<name>.csv`, read with a few lines of our own.
pub(crate) fn rows(name: &str) -> impl Iterator<Item = Row> + use<> {
    thread_local! {
        static TABLES: std::cell::RefCell<std::collections::HashMap<String, Vec<Row>>> = std::cell::RefCell::default();
    }
    let rows = TABLES.with_borrow_mut(|tables| {
        tables
            .entry(name.to_owned())
            .or_insert_with(|| {
                let file = format!("{}/tables/{name}.csv", env!("CARGO_MANIFEST_DIR"));
                let text = std::fs::read_to_string(&file).expect("a code table");
                text.lines()
                    .skip(1)
                    .map(|line| {
                        let cells: Vec<&str> = line.splitn(6, ',').collect();
                        let cell = |index: usize| cells.get(index).copied().unwrap_or_default().to_owned();
                        Row {
                            fhir_system: cell(0),
                            fhir_code: cell(1),
                            v2_code: cell(3),
                            direction: cell(4),
                            note: cell(5).trim_matches('"').to_owned(),
                        }
                    })
                    .collect()
            })
            .clone()
    });
    rows.into_iter()
}

/// Nothing is told, and what comes back is both what the test says and what `normal_form` says.
#[track_caller]
fn silently(given: Value, expected: Value) {
    assert_eq!(sent(given.clone()).told(), []);
    assert_eq!(back(given.clone()), expected);
    assert_eq!(normal_form(&patient(given)), normal_form(&patient(expected)));
}

#[test]
fn b1_null_and_empty_go() {
    let given =
        json!({"gender": null, "name": [{"family": "A", "given": [], "prefix": null}], "birthDate": ""});
    silently(given, json!({"name": [{"family": "A"}]}));
    assert_eq!(
        back(json!({"contact": [{"name": [{"family": "A"}]}]})),
        json!({"contact": [{"name": {"family": "A"}}]})
    );
}

#[test]
fn b2_the_logical_id_and_duplicates_go() {
    let one = json!({"system": "urn:oid:1.2", "value": "1"});
    let logical = json!({"type": {"coding": [{"code": "FW"}]}, "value": "p-1"});
    silently(json!({"identifier": [one, logical, one]}), json!({"identifier": [one]}));
}

#[test]
fn b3_missing_code_systems_are_filled() {
    let identifier = |coding: Value| json!({"identifier": [{"type": {"coding": [coding]}, "value": "1"}]});
    silently(
        identifier(json!({"code": "MR"})),
        identifier(json!({"system": terminology("v2-0203"), "code": "MR"})),
    );
    let contact = |coding: Value| json!({"contact": [{"relationship": [{"coding": [coding]}]}]});
    silently(contact(json!({"code": "N"})), contact(json!({"system": terminology("v2-0131"), "code": "N"})));
    let status = |coding: Value| json!({"maritalStatus": {"coding": [coding]}});
    silently(
        status(json!({"code": "E"})),
        status(json!({"system": terminology("v3-MaritalStatus"), "code": "L"})),
    );
}

#[test]
fn b4_the_default_type_of_the_registry() {
    let ssn = |kind: Option<Value>| {
        let mut identifier = json!({"system": "http://hl7.org/fhir/sid/us-ssn", "value": "1"});
        if let Some(kind) = kind {
            identifier["type"] = kind;
        }
        json!({"identifier": [identifier]})
    };
    silently(ssn(None), ssn(Some(json!({"coding": [{"system": terminology("v2-0203"), "code": "SS"}]}))));
}

#[test]
fn b5_telecom_systems_and_order() {
    silently(
        json!({"telecom": [{"value": "555", "use": "work"}, {"value": "a@b"}], "contact": [{"telecom": [{"value": "555", "use": "work"}, {"value": "666"}]}]}),
        json!({"telecom": [{"system": "email", "value": "a@b"}, {"system": "phone", "value": "555", "use": "work"}],
            "contact": [{"telecom": [{"system": "phone", "value": "666"}, {"system": "phone", "value": "555", "use": "work"}]}]}),
    );
}

#[test]
fn b6_order_of_names_and_suffixes() {
    silently(
        json!({"name": [{"family": "A", "suffix": ["MD", "Jr."]}, {"use": "official", "family": "B"}]}),
        json!({"name": [{"use": "official", "family": "B"}, {"family": "A", "suffix": ["Jr.", "MD"]}]}),
    );
}

#[test]
fn b7_organizations_and_relatives_first() {
    silently(
        json!({"generalPractitioner": [{"reference": "Practitioner/1"}, {"reference": "Organization/2"}]}),
        json!({"generalPractitioner": [{"reference": "Organization/2"}, {"reference": "Practitioner/1"}]}),
    );
    let role = |system: &str, code: &str| json!({"coding": [{"system": terminology(system), "code": code}]});
    silently(
        json!({"contact": [{"relationship": [role("v2-0131", "N"), role("v3-RoleCode", "MTH")]}]}),
        json!({"contact": [{"relationship": [role("v3-RoleCode", "MTH"), role("v2-0131", "N")]}]}),
    );
}

#[test]
fn b8_utc_extension_order_and_race_text() {
    silently(
        json!({"deceasedDateTime": "2024-01-01T00:00:00+00:00"}),
        json!({"deceasedDateTime": "2024-01-01T00:00:00Z"}),
    );
    silently(
        json!({"deceasedDateTime": "2024-01-01T00:00:00-00:00"}),
        json!({"deceasedDateTime": "2024-01-01T00:00:00Z"}),
    );
    let maiden = json!({"url": "http://hl7.org/fhir/StructureDefinition/patient-mothersMaidenName", "valueString": "A"});
    let category = json!({"url": "ombCategory", "valueCoding": {"system": "urn:oid:2.16.840.1.113883.6.238", "code": "2106-3", "display": "White"}});
    let text = json!({"url": "text", "valueString": "White"});
    let race = |parts: Value| json!({"url": "http://hl7.org/fhir/us/core/StructureDefinition/us-core-race", "extension": parts});
    silently(
        json!({"extension": [maiden, race(json!([category]))]}),
        json!({"extension": [race(json!([category, text])), maiden]}),
    );
}

#[test]
fn b9_case_of_object_identifiers() {
    let system = |system: &str| json!({"identifier": [{"system": system, "value": "1"}]});
    silently(
        system("urn:uuid:53FEFA32-FCBB-4FF8-8A92-55EE120877B7"),
        system("urn:uuid:53fefa32-fcbb-4ff8-8a92-55ee120877b7"),
    );
    silently(system("URN:OID:1.2.3"), system("urn:oid:1.2.3"));
}

#[test]
fn b10_a_text_that_repeats_the_parts() {
    silently(
        json!({"name": [{"text": "Dr. A B C Jr.", "prefix": ["Dr."], "given": ["A", "B"], "family": "C", "suffix": ["Jr."]}]}),
        json!({"name": [{"prefix": ["Dr."], "given": ["A", "B"], "family": "C", "suffix": ["Jr."]}]}),
    );
}

#[test]
fn b11_the_version_is_the_servers() {
    silently(
        json!({"meta": {"versionId": "3", "lastUpdated": "2024-01-01T00:00:00Z"}}),
        json!({"meta": {"lastUpdated": "2024-01-01T00:00:00Z"}}),
    );
    silently(json!({"meta": {"versionId": "3"}}), json!({}));
}

#[test]
fn b12_codings_of_the_v2_table() {
    let status = |codings: Value| json!({"maritalStatus": {"coding": codings}});
    let v2 = |code: &str| json!({"system": terminology("v2-0002"), "code": code});
    let v3 = |code: &str| json!({"system": terminology("v3-MaritalStatus"), "code": code});
    silently(status(json!([v2("E")])), status(json!([v3("L")])));
    silently(status(json!([v2("A")])), status(json!([v3("L"), v2("A")])));
    silently(status(json!([v2("P"), v3("T")])), status(json!([v3("T")])));
    let faith = |code: &str, system: &str| {
        json!({"extension": [{"url": "http://hl7.org/fhir/StructureDefinition/patient-religion",
        "valueCodeableConcept": {"coding": [{"system": terminology(system), "code": code}]}}]})
    };
    silently(faith("CAT", "v2-0006"), faith("1041", "v3-ReligiousAffiliation"));
    let contact = |code: &str, system: &str| json!({"contact": [{"relationship": [{"coding": [{"system": terminology(system), "code": code}]}]}]});
    silently(contact("SPO", "v2-0063"), contact("SPS", "v3-RoleCode"));
}
