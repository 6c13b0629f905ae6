//! Section 6: identifiers, systems, the logical id.

use serde_json::{Value, json};

use crate::fixture::{LOGICAL_ID, back, back_with, comes_back, read_pid, sent, sent_with, terminology};

fn identifier(identifier: Value) -> Value {
    json!({ "identifier": [identifier] })
}

/// PID-3 without the logical id.
fn pid_3(value: Value) -> String {
    let field = sent(identifier(value)).field("PID", 3);
    field.strip_suffix(LOGICAL_ID).expect("logical id last").trim_end_matches('~').to_owned()
}

#[test]
fn the_system_is_an_assigning_authority() {
    for (system, authority) in [
        ("http://hl7.org/fhir/sid/us-ssn", "SSA&2.16.840.1.113883.4.1&ISO^SS"),
        ("http://hl7.org/fhir/sid/us-npi", "NPI&2.16.840.1.113883.4.6&ISO^NPI"),
        ("http://hl7.org/fhir/sid/us-medicare", "&2.16.840.1.113883.4.572&ISO^MC"),
        ("urn:oid:1.2.3", "&1.2.3&ISO"),
        ("urn:uuid:53fefa32-fcbb-4ff8-8a92-55ee120877b7", "&53fefa32-fcbb-4ff8-8a92-55ee120877b7&UUID"),
        ("http://example.org/mrn", "&http://example.org/mrn&URI"),
        ("HOSPITAL", "HOSPITAL"),
    ] {
        assert_eq!(pid_3(json!({"system": system, "value": "1"})), format!("1^^^{authority}"), "{system}");
    }
    assert_eq!(pid_3(json!({"value": "1"})), "1");
    let old = sent_with(
        json!({"version": "2.4"}),
        identifier(json!({"system": "http://example.org/mrn", "value": "1"})),
    );
    assert!(old.field("PID", 3).starts_with("1^^^&http://example.org/mrn&L"));
}

#[test]
fn every_kind_of_system_comes_back() {
    for system in [
        "urn:oid:1.2.3",
        "urn:uuid:53fefa32-fcbb-4ff8-8a92-55ee120877b7",
        "http://example.org/mrn?a=b&c",
        "HOSPITAL",
        "urn:x:y",
    ] {
        comes_back(identifier(json!({"system": system, "value": "1"})));
    }
}

#[test]
fn foreign_authorities() {
    let read = |field: &str| read_pid(&[(3, field)])["identifier"][0]["system"].clone();
    assert_eq!(read("1^^^&1.2.3&ISO"), json!("urn:oid:1.2.3"));
    assert_eq!(
        read("1^^^&53FEFA32-FCBB-4FF8-8A92-55EE120877B7&GUID"),
        json!("urn:uuid:53fefa32-fcbb-4ff8-8a92-55ee120877b7")
    );
    assert_eq!(read("1^^^http://example.org/x"), json!("http://example.org/x"));
    assert_eq!(read("1^^^HOSP"), json!("HOSP"));
    assert_eq!(read("1^^^SSA"), json!("http://hl7.org/fhir/sid/us-ssn"));
    assert_eq!(read("1^^^&2.16.840.1.113883.4.1&ISO"), json!("http://hl7.org/fhir/sid/us-ssn"));
    assert_eq!(read("1^^^&1.2.3&HL7"), json!("urn:oid:1.2.3"));
    assert_eq!(read("1^^^ns&a b&DNS"), json!("urn:x-hl7v2-hd:ns:a%20b:DNS"));
}

#[test]
fn type_period_assigner_and_check_digit() {
    let kind = json!({"coding": [{"system": terminology("v2-0203"), "code": "MR"}]});
    comes_back(identifier(
        json!({"type": kind, "system": "urn:oid:1.2", "value": "1", "period": {"start": "2001-02-03", "end": "2004"},
        "assigner": {"display": "Hospital", "identifier": {"system": "urn:oid:1.9", "value": "H"}}}),
    ));
    assert_eq!(pid_3(json!({"type": {"coding": [{"code": "MR"}]}, "value": "1"})), "1^^^^MR");
    assert_eq!(
        back(identifier(json!({"type": {"coding": [{"code": "ZZZ"}]}, "value": "1"}))),
        identifier(json!({"type": {"coding": [{"code": "ZZZ"}]}, "value": "1"}))
    );
    let told = sent(identifier(
        json!({"use": "usual", "type": {"coding": [{"system": terminology("v2-0203"), "code": "MR"}], "text": "MRN"}, "value": "1"}),
    ));
    let places: Vec<&str> = told.told().iter().map(|told| told.2).collect();
    assert_eq!(places, ["Patient.identifier[0].type.text", "Patient.identifier[0].use"]);
    assert!(
        sent_with(json!({"version": "2.7"}), identifier(json!({"value": "1"})))
            .field("PID", 3)
            .starts_with("1^^^^U~")
    );
    assert_eq!(
        back_with(json!({"version": "2.7"}), identifier(json!({"value": "1"}))),
        identifier(json!({"value": "1"}))
    );
}

#[test]
fn a_missing_value_is_told_and_a_duplicate_sent_once() {
    let none = sent(identifier(json!({"system": "urn:oid:1.2"})));
    assert_eq!(none.field("PID", 3), LOGICAL_ID);
    assert!(none.tells("information", "Patient.identifier[0]"));
    let twice = json!({"identifier": [{"system": "urn:oid:1.2", "value": "1"}, {"system": "urn:oid:1.2", "value": "1"}]});
    assert_eq!(sent(twice.clone()).field("PID", 3), format!("1^^^&1.2&ISO~{LOGICAL_ID}"));
}

#[test]
fn the_logical_id_is_the_last_repetition_and_only_once() {
    assert_eq!(sent(json!({})).field("PID", 3), LOGICAL_ID);
    let own = sent(identifier(json!({"value": "p-1"})));
    assert_eq!(own.field("PID", 3), format!("p-1~{LOGICAL_ID}"));
    let marker = |value: &str| identifier(json!({"type": {"coding": [{"code": "FW"}]}, "value": value}));
    assert_eq!(sent(marker("p-1")).field("PID", 3), LOGICAL_ID);
    assert_eq!(sent(marker("p-1")).told(), []);
    let other = sent(marker("p-2"));
    assert_eq!(other.field("PID", 3), LOGICAL_ID);
    assert!(other.tells("warning", "Patient.identifier[0]"));
    let read = read_pid(&[(3, "x^^^^FW~1^^^HOSP^MR")]);
    assert_eq!(read["identifier"].as_array().unwrap().len(), 1);
}

#[test]
fn fields_that_are_only_read() {
    let read = read_pid(&[(2, "2"), (3, "3"), (4, "4"), (19, "999-00-1111"), (20, "D5^MA^20300101")]);
    let values: Vec<&Value> =
        read["identifier"].as_array().unwrap().iter().map(|identifier| &identifier["value"]).collect();
    assert_eq!(values, ["3", "2", "4", "999-00-1111", "D5"]);
    assert_eq!(read["identifier"][3]["system"], json!("http://hl7.org/fhir/sid/us-ssn"));
    assert_eq!(read["identifier"][4]["period"], json!({"end": "2030-01-01"}));
}
