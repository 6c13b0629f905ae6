//! Section 13: the worked examples, byte for byte. Their files end segments with LF; the wire has CR.

use std::fs;

use fhir_adt::{Interaction, MappingContext};
use serde_json::{Value, json};

use crate::fixture::{Sent, context, convert, mapper, mapper_with, read, read_with};

fn file(name: &str) -> String {
    fs::read_to_string(format!("{}/tests/examples/{name}", env!("CARGO_MANIFEST_DIR")))
        .expect("an example file")
}

fn resource(name: &str) -> Value {
    serde_json::from_str(&file(name)).expect("JSON")
}

/// The example as it goes over the wire.
fn wire(name: &str) -> String {
    file(name).replace('\n', "\r")
}

fn update(keys: Value) -> Sent {
    let context = MappingContext {
        receipt_time: "2024-03-02T19:05:10Z".parse().expect("a time"),
        patient_id: "p-204",
        ..context()
    };
    convert(&mapper_with(keys), &resource("2-update.request.json"), Interaction::Update, &context)
        .expect("accepted")
}

#[test]
fn create_of_the_sample_patient_of_the_earlier_service() {
    let context = MappingContext {
        patient_id: "7f2c1b1e-5a6d-4c53-9a0a-0d8f7b6b1c11",
        request_id: "01HQXS0Z3M5V8W2K4C6D7E9F0G",
        ..context()
    };
    let sent = convert(&mapper(), &resource("1-create.request.json"), Interaction::Create, &context)
        .expect("accepted");
    assert_eq!(sent.message(), wire("1-create.a28.hl7"));
    assert_eq!(
        sent.told(),
        [
            ("warning", "not-supported", "Patient.telecom[1]"),
            ("warning", "structure", "Patient.contact[0].address"),
            ("warning", "structure", "Patient.contact[0].name"),
            ("warning", "structure", "Patient.contact[1].name"),
        ]
    );
    assert_eq!(read(sent.message()), resource("1-create.response.json"));
}

#[test]
fn update_with_one_of_nearly_everything() {
    let sent = update(json!({}));
    assert_eq!(sent.message(), wire("2-update.a31.hl7"));
    let mut places: Vec<(&str, &str)> =
        sent.told().iter().map(|(severity, _, place)| (*severity, *place)).collect();
    places.sort_unstable();
    let expected = [
        "Patient.active",
        "Patient.address[0].line",
        "Patient.address[0].type",
        "Patient.communication[0].preferred",
        "Patient.extension[2]",
        "Patient.identifier[0].use",
        "Patient.telecom[1].rank",
    ];
    assert_eq!(places, expected.map(|place| ("information", place)));
    assert_eq!(read(sent.message()), resource("2-update.response.json"));
}

#[test]
fn update_with_residue() {
    let sent = update(json!({"residue": "zfp"}));
    assert_eq!(sent.message(), wire("2-update-with-zfp.a31.hl7"));
    assert_eq!(sent.issues.len(), 7);
    assert!(
        sent.issues.iter().all(|issue| issue.diagnostics.contains("carried in ZFP")),
        "{:?}",
        sent.issues
    );
    let mut expected = resource("2-update.request.json");
    expected["meta"].as_object_mut().expect("an object").remove("versionId");
    assert_eq!(read_with(&mapper_with(json!({"residue": "zfp"})), sent.message()), expected);
}

#[test]
fn delete_without_a_body() {
    let context = MappingContext {
        receipt_time: "2024-03-03T08:00:00Z".parse().expect("a time"),
        request_id: "01HR1Y2QDKX0T5N8B3V7W9Z4MA",
        patient_id: "p-204",
        ..context()
    };
    let conversion = mapper().delete_to_adt("p-204", &context).expect("accepted");
    let messages: Vec<&str> = conversion.messages.iter().map(|message| message.er7.as_str()).collect();
    assert_eq!(messages, [wire("3-delete.a29.hl7")]);
    assert!(conversion.report.issues.is_empty());
}

#[test]
fn merge_of_two_records() {
    let known = |reference: &str| -> Option<Value> {
        assert!(reference.ends_with("p-204"), "{reference}");
        let full = resource("2-update.request.json");
        Some(
            json!({"resourceType": "Patient", "id": "p-204", "identifier": full["identifier"], "name": full["name"]}),
        )
    };
    let context = MappingContext {
        receipt_time: "2024-03-02T20:00:01Z".parse().expect("a time"),
        patient_id: "p-dup-9",
        lookup: Some(&known),
        ..context()
    };
    let retired = resource("4-merge.request.json");
    let sent = convert(&mapper(), &retired, Interaction::Update, &context).expect("accepted");
    assert_eq!(sent.message(), wire("4-merge.a40.hl7"));
    assert_eq!(sent.told(), []);
    let mut expected = retired;
    expected.as_object_mut().expect("an object").remove("meta");
    assert_eq!(read(sent.message()), expected);
}
