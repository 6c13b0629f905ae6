//! The specification says what messages hold, and nothing else.

use std::{collections::BTreeSet, fs, path::PathBuf};

use fhir_adt::{Interaction, Mapper, MappingContext, Specification, places};
use serde_json::{Value, json};

use crate::fixture::{context, mapper, mapper_with};

/// Place and value of everything in a message.
fn valued(er7: &str) -> Vec<(String, String)> {
    let text = hl7v2::Text::from_text(er7).expect("an own message");
    let message = text.parse().expect("an own message");
    places(&message).into_iter().map(|(place, _, value)| (place.to_string(), value)).collect()
}

/// `PID-5.1` names the same place as `PID-5` and `PID-5.1.1`.
fn whole(place: &str) -> String {
    let mut parts: Vec<&str> = place.split('.').collect();
    while parts.len() > 1 && parts.last() == Some(&"1") {
        parts.pop();
    }
    parts.join(".")
}

fn said(specification: &Specification) -> BTreeSet<String> {
    specification.fields.iter().map(|field| whole(&field.place.to_string())).collect()
}

fn patients() -> Vec<(String, Value)> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut patients = Vec::new();
    for folder in ["corpus/fhir-patients", "examples"] {
        for entry in fs::read_dir(root.join(folder)).expect("a folder") {
            let path = entry.expect("an entry").path();
            let Ok(patient) = serde_json::from_slice::<Value>(&fs::read(&path).expect("a file")) else {
                continue;
            };
            patients.push((path.display().to_string(), patient));
        }
    }
    assert!(patients.len() > 100);
    patients
}

/// Every place of every message of the corpus that a mapper sends.
fn sent(mapper: &Mapper) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (file, mut patient) in patients() {
        if patient.get("id").is_none() {
            patient["id"] = json!("assigned-1");
        }
        let id = patient["id"].as_str().unwrap_or_default().to_owned();
        for interaction in [Interaction::Create, Interaction::Update, Interaction::Delete] {
            let context = MappingContext { patient_id: &id, ..context() };
            let Ok(conversion) = mapper.patient_to_adt(&patient, interaction, &context) else { continue };
            for message in &conversion.messages {
                found.extend(valued(&message.er7).into_iter().map(|(place, _)| (place, file.clone())));
            }
        }
    }
    found
}

#[track_caller]
fn holds_whatever_the_corpus_holds(mapper: &Mapper) {
    let said = said(&mapper.specification());
    let mut missing: Vec<String> = sent(mapper)
        .into_iter()
        .filter(|(place, _)| !said.contains(&whole(place)))
        .map(|(place, file)| format!("{place} of {file}"))
        .collect();
    missing.sort();
    missing.dedup_by_key(|line| line.split(' ').next().map(str::to_owned));
    assert!(missing.is_empty(), "not in the specification:\n{}", missing.join("\n"));
}

#[test]
fn every_place_of_every_message_of_the_corpus_is_in_it() {
    for keys in [
        json!({}),
        json!({"version": "2.3.1", "profile": "pix"}),
        json!({"version": "2.7", "residue": "zfp"}),
        json!({"update_mode": "null", "ihe_strict": true, "default_authority": "HOSP"}),
    ] {
        holds_whatever_the_corpus_holds(&mapper_with(keys));
    }
}

/// All that the specification says was found in a message of the mapper: its example is such a value, and the example
/// messages are what the mapper sends.
#[test]
fn nothing_is_in_it_that_no_message_holds() {
    let specification = mapper().specification();
    assert!(specification.fields.len() > 200, "{}", specification.fields.len());
    for field in &specification.fields {
        assert!(!field.example.is_empty() && !field.events.is_empty(), "{}", field.place);
        assert!(
            !field.rules.is_empty() || field.place.segment == "ZFP" || field.events.contains("A24"),
            "{}: no rule put it there",
            field.place
        );
    }
    let events: Vec<&str> = specification.messages.iter().map(|kind| kind.event.as_str()).collect();
    assert_eq!(events, ["A28", "A31", "A29", "A40"]);
    for kind in &specification.messages {
        assert!(!valued(&kind.example).is_empty());
    }
}

#[test]
fn what_is_always_there_is_there_for_a_patient_without_anything() {
    let specification = mapper().specification();
    let always: BTreeSet<String> = specification
        .fields
        .iter()
        .filter(|field| field.always)
        .map(|field| whole(&field.place.to_string()))
        .collect();
    for expected in
        ["MSH-3", "MSH-7", "MSH-9", "MSH-9.2", "MSH-10", "MSH-12", "EVN-2", "PID-3", "PV1-2", "NK1-1"]
    {
        assert!(always.contains(expected), "{expected} in {always:?}");
    }
    for other in ["PID-7", "PID-8", "PID-11", "PID-13"] {
        assert!(!always.contains(other), "{other}");
    }
}

#[test]
fn every_setting_shows_in_it() {
    let example = |keys: Value, place: &str| {
        let specification = mapper_with(keys).specification();
        let field = specification.fields.iter().find(|field| field.place.to_string() == place);
        field.map(|field| field.example.clone())
    };
    assert_eq!(example(json!({"sending_application": "NORTH"}), "MSH-3").as_deref(), Some("NORTH"));
    assert_eq!(example(json!({"receiving_facility": "WEST"}), "MSH-6").as_deref(), Some("WEST"));
    assert_eq!(example(json!({"version": "2.4"}), "MSH-12").as_deref(), Some("2.4"));
    assert_eq!(example(json!({"processing_id": "P"}), "MSH-11").as_deref(), Some("P"));
    assert_eq!(example(json!({}), "PID-28.1").as_deref(), Some("DE"));
    assert_eq!(example(json!({"ihe_strict": true, "default_authority": "HOSP"}), "PID-28.1"), None);
    assert_eq!(example(json!({}), "ZFP-1"), None);
    assert_eq!(example(json!({"residue": "zfp"}), "ZFP-1").as_deref(), Some("1"));

    let events = |keys: Value| {
        let specification = mapper_with(keys).specification();
        specification.messages.iter().map(|kind| kind.event.clone()).collect::<Vec<_>>()
    };
    assert_eq!(events(json!({"profile": "pix"})), ["A04", "A08", "A29", "A40"]);
    assert_eq!(events(json!({"delete_event": "none"})), ["A28", "A31", "A40"]);
    assert_eq!(events(json!({"link": {"seealso": "a24"}})), ["A28", "A31", "A29", "A40", "A24", "A37"]);

    let codes = |keys: Value| {
        let specification = mapper_with(keys).specification();
        specification.tables.iter().find(|table| table.number == "0001").expect("0001").rows.clone()
    };
    let own = json!({"codes": [{"table": "0001", "system": "http://hl7.org/fhir/administrative-gender", "code": "other", "v2": "A", "direction": "both"}]});
    assert_eq!(codes(own)[0][2], "A");
    assert_eq!(codes(json!({}))[0][2], "M");
}

#[test]
fn elements_are_named_as_readers_of_fhir_know_them() {
    let specification = mapper().specification();
    let elements = |place: &str| {
        let field = specification.fields.iter().find(|field| whole(&field.place.to_string()) == place);
        field.unwrap_or_else(|| panic!("{place}")).elements.iter().cloned().collect::<Vec<_>>().join(" ")
    };
    assert!(elements("PID-5.2").contains("Patient.name.given"), "{}", elements("PID-5.2"));
    assert!(elements("PID-17").contains("patient-religion"), "{}", elements("PID-17"));
    assert!(elements("NK1-2.2").contains("Patient.contact.name.given"), "{}", elements("NK1-2.2"));
    assert!(specification.not_carried.contains_key("Patient.active"), "{:?}", specification.not_carried);
    assert!(
        specification.fields.iter().all(|field| field.elements.iter().all(|element| !element.contains('[')))
    );
}
