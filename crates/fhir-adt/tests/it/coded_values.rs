//! Section 4.2: coded values in two triplets.

use serde_json::{Value, json};

use crate::fixture::{
    back, comes_back, concept, definition, mapper_with, members_of, read_pid, read_pid_of, read_with, sent,
    sent_with, terminology,
};

fn marital(value: Value) -> Value {
    json!({ "maritalStatus": value })
}

fn pid_16(value: Value) -> String {
    sent(marital(value)).field("PID", 16)
}

fn read_pid_16(field: &str) -> Value {
    read_pid(&[(3, "1"), (16, field)])["maritalStatus"].clone()
}

fn coding(system: &str, code: &str) -> Value {
    json!({"system": system, "code": code})
}

fn v3() -> String {
    terminology("v3-MaritalStatus")
}

fn v2() -> String {
    terminology("v2-0002")
}

const OTHER: &str = "http://example.org/ms";

#[test]
fn cd_0_text_is_where_the_second_triplet_says() {
    // CE.4 valued: CE.2 text, CE.5 display.
    let mapped =
        json!({"coding": [{"system": v3(), "code": "L", "display": "Legally Separated"}], "text": "apart"});
    assert_eq!(pid_16(mapped.clone()), "E^apart^HL70002^L^Legally Separated^99MST");
    comes_back(marital(mapped));
    // CE.4 empty: CE.2 display, CE.5 text.
    let unmapped = json!({"coding": [{"system": OTHER, "code": "zz", "display": "Zed"}], "text": "in words"});
    assert_eq!(pid_16(unmapped.clone()), "zz^Zed^http://example.org/ms^^in words");
    comes_back(marital(unmapped));
    // No code: CE.2 text.
    assert_eq!(pid_16(json!({"text": "in words"})), "^in words");
    comes_back(marital(json!({"text": "in words"})));
}

#[test]
fn cd_1_the_primary_coding_is_chosen_by_table_then_user_then_map_then_order() {
    let primary = |codings: Value| {
        let field = pid_16(json!({ "coding": codings }));
        field.split('^').next().unwrap_or_default().to_owned()
    };
    assert_eq!(primary(json!([coding(OTHER, "a"), coding(&v2(), "W")])), "W");
    assert_eq!(primary(json!([coding(OTHER, "a"), {"code": "W"}])), "W");
    let selected = json!({"system": OTHER, "code": "b", "userSelected": true});
    assert_eq!(primary(json!([coding(OTHER, "a"), coding(&v3(), "T"), selected])), "b");
    assert_eq!(primary(json!([coding(OTHER, "a"), coding(&v3(), "T")])), "P");
    assert_eq!(primary(json!([coding(OTHER, "a"), coding(OTHER, "b")])), "a");
}

#[test]
fn cd_2_a_code_of_the_v2_table_is_the_first_triplet() {
    let faith = |concept: Value| json!({"extension": [{"url": definition("patient-religion"), "valueCodeableConcept": concept}]});
    let catholic = json!({"system": terminology("v2-0006"), "code": "C", "display": "Catholic"});
    let one = faith(json!({"coding": [catholic], "text": "t"}));
    assert_eq!(sent(one.clone()).field("PID", 17), "C^Catholic^HL70006^^t");
    comes_back(one);
    let sent = sent(faith(
        json!({"coding": [catholic, {"system": OTHER, "code": "x", "display": "X"}], "text": "t"}),
    ));
    assert_eq!(sent.field("PID", 17), "C^t^HL70006^x^X^http://example.org/ms");
    assert!(sent.tells("information", "Patient.extension[0]"), "{:?}", sent.told());
}

#[test]
fn cd_3_the_source_code_survives_a_many_to_one_map() {
    let polygamous = json!({"coding": [{"system": v3(), "code": "P", "display": "Polygamous"}]});
    assert_eq!(pid_16(polygamous.clone()), "O^^HL70002^P^Polygamous^99MST");
    comes_back(marital(polygamous));
    let asked = concept(&terminology("v3-NullFlavor"), "ASKU", "");
    assert_eq!(pid_16(asked.clone()), "T^^HL70002^ASKU^^NULLFL");
    comes_back(marital(asked));
}

#[test]
fn cd_4_a_code_without_map_goes_as_it_is() {
    assert_eq!(pid_16(concept(OTHER, "zz", "Zed")), "zz^Zed^http://example.org/ms");
    let two = json!({"coding": [{"system": OTHER, "code": "a"}, {"system": "http://snomed.info/sct", "code": "1", "display": "One"}], "text": "t"});
    assert_eq!(pid_16(two.clone()), "a^t^http://example.org/ms^1^One^SCT");
}

#[test]
fn cd_5_text_alone() {
    assert_eq!(pid_16(json!({"text": "wed"})), "^wed");
}

#[test]
fn cd_6_what_does_not_fit_is_told() {
    let three = json!({"coding": [coding(&v3(), "M"), coding(OTHER, "a"), coding(OTHER, "b")]});
    assert!(sent(marital(three.clone())).tells("information", "Patient.maritalStatus.coding"));
    let version = json!({"coding": [{"system": v3(), "code": "M", "version": "2.0"}]});
    assert!(sent(marital(version.clone())).tells("information", "Patient.maritalStatus.coding[0].version"));
    let selected = json!({"coding": [{"system": v3(), "code": "M", "userSelected": true}]});
    assert!(sent(marital(selected)).tells("information", "Patient.maritalStatus.coding[0].userSelected"));
    // CWE carries the version.
    let sent = sent_with(json!({"version": "2.6"}), marital(version.clone()));
    assert!(
        !sent.tells("information", "Patient.maritalStatus"),
        "{:?} {}",
        sent.told(),
        sent.field("PID", 16)
    );
}

#[test]
fn cd_7_cwe_has_a_place_for_the_text() {
    let value =
        json!({"coding": [{"system": v3(), "code": "L", "display": "Legally Separated"}], "text": "apart"});
    let sent = sent_with(json!({"version": "2.6"}), marital(value.clone()));
    let field = sent.field("PID", 16);
    let parts: Vec<&str> = field.split('^').collect();
    assert_eq!(
        (parts[0], parts[2], parts[3], parts[4], parts[5], parts[8]),
        ("E", "HL70002", "L", "Legally Separated", "99MST", "apart")
    );
    assert_ne!(parts[1], "apart");
    assert_eq!(
        members_of(read_with(&mapper_with(json!({"version": "2.6"})), sent.message())),
        marital(value)
    );
}

#[test]
fn cd_8_an_is_field_holds_the_code_only() {
    let value = json!({"coding": [{"system": v3(), "code": "M", "display": "Married"}], "text": "wed"});
    let sent = sent_with(json!({"version": "2.3"}), marital(value));
    assert_eq!(sent.field("PID", 16), "M");
    assert!(sent.tells("information", "Patient.maritalStatus"), "{:?}", sent.told());
}

#[test]
fn cd_9_system_names() {
    assert_eq!(pid_16(concept("http://snomed.info/sct", "1", "")), "1^^SCT");
    assert_eq!(pid_16(concept(&terminology("v2-0250"), "H", "")), "H^^HL70250");
    assert_eq!(pid_16(concept("urn:oid:1.2.3", "1", "")), "1^^urn:oid:1.2.3");
    assert_eq!(pid_16(json!({"coding": [{"code": "zz"}]})), "zz");
    for system in ["http://snomed.info/sct", "urn:oid:1.2.3", "http://loinc.org"] {
        comes_back(marital(concept(system, "1", "One")));
    }
    comes_back(marital(json!({"coding": [{"code": "zz", "display": "Z"}]})));
}

#[test]
fn cd_11_the_second_triplet_is_the_fhir_code() {
    assert_eq!(
        read_pid_16("P^friends^HL70002^T^Domestic partner^99MST"),
        json!({"coding": [{"system": v3(), "code": "T", "display": "Domestic partner"}], "text": "friends"})
    );
    let differs = read_pid_16("W^^HL70002^T^Domestic partner^99MST");
    assert_eq!(differs["coding"][0], json!({"system": v3(), "code": "T", "display": "Domestic partner"}));
    assert_eq!(differs["coding"].as_array().unwrap().len(), 2, "{differs}");
}

#[test]
fn cd_12_a_mapped_first_triplet() {
    for system in ["HL70002", "0002", ""] {
        let read = read_pid_16(&format!("M^Married^{system}"));
        assert_eq!(read["coding"], json!([{"system": v3(), "code": "M", "display": "Married"}]), "{system}");
    }
    let apart = read_pid_16("A^Separated^HL70002");
    assert_eq!(apart["coding"][0]["system"], json!(v3()));
    assert_eq!(apart["coding"][0]["code"], json!("L"));
    assert_eq!((&apart["coding"][1]["system"], &apart["coding"][1]["code"]), (&json!(v2()), &json!("A")));
}

#[test]
fn cd_13_a_first_triplet_without_map() {
    let read = read_pid_16("q^Queue^L");
    assert_eq!((&read["coding"][0]["code"], &read["coding"][0]["display"]), (&json!("q"), &json!("Queue")));
    let snomed = read_pid_16("1^One^SCT");
    assert_eq!(
        snomed["coding"],
        json!([{"system": "http://snomed.info/sct", "code": "1", "display": "One"}])
    );
}

#[test]
fn cd_14_where_the_text_is_read_from() {
    assert_eq!(read_pid_16("M^Married^HL70002^^wed")["text"], json!("wed"));
    assert_eq!(read_pid_16("^wed"), json!({"text": "wed"}));
    assert_eq!(read_pid_16("M^Married^HL70002")["text"], json!("Married"), "foreign: CE.2 is the text too");
}

#[test]
fn cd_15_a_code_that_the_map_would_lose_is_kept_in_an_extension() {
    let read = read_pid(&[(3, "1"), (8, "A")]);
    let kept = json!({"extension": [{"url": definition("alternate-codes"),
        "valueCodeableConcept": {"coding": [{"system": terminology("v2-0001"), "code": "A"}]}}]});
    assert_eq!((&read["gender"], &read["_gender"]), (&json!("other"), &kept));
    let sent = sent(json!({"gender": "other", "_gender": kept}));
    assert_eq!(sent.field("PID", 8), "A");
    assert_eq!(sent.told(), []);
    let name = read_pid(&[(3, "1"), (5, "Roe^Jane^^^^^B")]);
    assert_eq!(name["name"][0]["use"], json!("maiden"));
    assert_eq!(name["name"][0]["_use"]["extension"][0]["url"], json!(definition("alternate-codes")));
    comes_back(name_only(name));
    let alias = read_pid(&[(3, "1"), (5, "Roe^Jane^^^^^A")]);
    assert_eq!(alias["name"][0].get("use"), None);
    comes_back(name_only(alias));
}

fn name_only(read: Value) -> Value {
    json!({"name": read["name"]})
}

#[test]
fn cd_15_an_unknown_sex_is_told_and_kept() {
    let read = read_pid(&[(3, "1"), (8, "X")]);
    assert_eq!(read.get("gender"), None);
    assert_eq!(read["_gender"]["extension"][0]["valueCodeableConcept"]["coding"][0]["code"], json!("X"));
}

#[test]
fn cd_16_race_and_ethnicity_have_no_text_of_their_own() {
    let url = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-ethnicity";
    let category = json!({"url": "ombCategory", "valueCoding":
        {"system": "urn:oid:2.16.840.1.113883.6.238", "code": "2135-2", "display": "Hispanic or Latino"}});
    let text = json!({"url": "text", "valueString": "Hispanic or Latino"});
    let members = json!({"extension": [{"url": url, "extension": [category, text]}]});
    assert_eq!(sent(members.clone()).field("PID", 22), "H^^HL70189^2135-2^Hispanic or Latino^CDCREC");
    comes_back(members);
}

#[test]
fn a_language_keeps_its_subtags() {
    let swiss = json!({"communication": [{"language": concept("urn:ietf:bcp:47", "de-CH", "")}]});
    assert_eq!(sent(swiss.clone()).field("PID", 15), "de^^HL70296^de-CH^^99BCP");
    comes_back(swiss);
    let read = read_pid_of("2.5.1", &[(3, "1"), (15, "ger^German^HL70296")]);
    assert_eq!(read["communication"][0]["language"]["coding"][0]["code"], json!("de"));
}

#[test]
fn a_v2_code_and_its_own_map_are_one() {
    let both = json!({"coding": [coding(&v2(), "M"), coding(&v3(), "M")]});
    assert_eq!(back(marital(both)), marital(json!({"coding": [coding(&v3(), "M")]})));
}

#[test]
fn cd_2_a_code_of_the_table_that_stands_twice_is_sent_once() {
    // A contact's role has no other system that it could be mapped to. Found by fuzzing: both were sent, and the
    // message changed when what was read of it was sent again.
    let role = json!([{"code": "S"}, {"code": "S", "display": "State"}]);
    let contact = json!({"contact": [{"name": {"family": "A"}, "relationship": [{"coding": role}]}]});
    assert_eq!(sent(contact).field("NK1", 7), "S^^HL70131");
}

#[test]
fn a_race_without_system_is_written_the_same_when_it_comes_back() {
    for (name, code, field, written) in [
        ("us-core-race", "2028-9", 10, "2028-9^^CDCREC"),
        ("us-core-race", "UNK", 10, "UNK^^NULLFL"),
        ("us-core-race", "other", 10, "other"),
        ("us-core-ethnicity", "H", 22, "H^^HL70189^2135-2^^CDCREC"),
        ("us-core-ethnicity", "2148-5", 22, "2148-5^^CDCREC"),
    ] {
        let url = format!("http://hl7.org/fhir/us/core/StructureDefinition/{name}");
        let part = json!({"url": "detailed", "valueCoding": {"code": code}});
        let members = json!({"extension": [{"url": url, "extension": [part]}]});
        assert_eq!(sent(members.clone()).field("PID", field), written);
        assert_eq!(sent(back(members)).field("PID", field), written);
    }
}

#[test]
fn a_language_without_system_is_written_the_same_when_it_comes_back() {
    for language in [
        json!({"coding": [{"code": "MR", "display": "Special"}], "text": "M11"}),
        json!({"coding": [{"code": "mr", "display": "Marathi"}]}),
        json!({"coding": [{"code": "ENG"}], "text": "t"}),
        json!({"coding": [{"code": "qqq", "display": "Q"}], "text": "t"}),
        json!({"coding": [{"system": terminology("v2-0296"), "code": "DE", "display": "D"}], "text": "t"}),
    ] {
        let members = json!({"communication": [{ "language": language }]});
        let written = sent(members.clone()).field("PID", 15);
        assert_eq!(sent(back(members.clone())).field("PID", 15), written, "{members}");
    }
}
