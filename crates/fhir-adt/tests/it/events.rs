//! Sections 2.1 to 2.6 and 3: events, segments, versions, MSH and EVN.

use fhir_adt::{Interaction, MappingContext};
use serde_json::{Value, json};

use crate::fixture::{context, convert, mapper_with, patient, sent, sent_with};

fn with(keys: Value, interaction: Interaction) -> crate::fixture::Sent {
    let patient = patient(
        json!({"meta": {"lastUpdated": "2024-02-29T01:02:03.45+05:30"}, "generalPractitioner": [{"reference": "Practitioner/1"}],
        "contact": [{"name": {"family": "C"}}]}),
    );
    convert(&mapper_with(keys), &patient, interaction, &context()).expect("accepted")
}

#[test]
fn an_interaction_decides_the_event() {
    let pam = |interaction| with(json!({}), interaction).field("MSH", 9);
    assert_eq!(pam(Interaction::Create), "ADT^A28^ADT_A05");
    assert_eq!(pam(Interaction::Update), "ADT^A31^ADT_A05");
    assert_eq!(pam(Interaction::Delete), "ADT^A29^ADT_A21");
    let pix = |interaction| with(json!({"profile": "pix"}), interaction).field("MSH", 9);
    assert_eq!(pix(Interaction::Create), "ADT^A04^ADT_A01");
    assert_eq!(pix(Interaction::Update), "ADT^A08^ADT_A01");
    assert_eq!(pix(Interaction::Delete), "ADT^A29^ADT_A21");
    assert_eq!(with(json!({"delete_event": "A23"}), Interaction::Delete).field("MSH", 9), "ADT^A23^ADT_A21");
}

#[test]
fn a_delete_may_be_kept_back() {
    let none = with(json!({"delete_event": "none"}), Interaction::Delete);
    assert!(none.messages.is_empty());
    assert!(none.tells("warning", "Patient"), "{:?}", none.told());
}

#[test]
fn segments_by_structure() {
    assert_eq!(with(json!({}), Interaction::Update).segments(), ["MSH", "EVN", "PID", "PD1", "NK1", "PV1"]);
    assert_eq!(with(json!({}), Interaction::Delete).segments(), ["MSH", "EVN", "PID", "PV1"]);
    assert_eq!(sent(json!({})).segments(), ["MSH", "EVN", "PID", "PV1"]);
    assert_eq!(sent(json!({})).field("PV1", 2), "N");
    let pix = sent_with(json!({"profile": "pix"}), json!({}));
    assert_eq!((pix.field("PV1", 1), pix.field("PV1", 2)), ("1".to_owned(), "O".to_owned()));
    let class = sent_with(json!({"profile": "pix", "pix": {"patient_class": "R"}}), json!({}));
    assert_eq!(class.field("PV1", 2), "R");
}

#[test]
fn inactivation_may_be_a_delete() {
    let kept = sent(json!({"active": false}));
    assert_eq!(kept.field("MSH", 9), "ADT^A31^ADT_A05");
    assert!(kept.tells("warning", "Patient.active"));
    let deleted = sent_with(json!({"inactive_event": "A29"}), json!({"active": false}));
    assert_eq!(deleted.field("MSH", 9), "ADT^A29^ADT_A21");
}

#[test]
fn header_and_event_fields() {
    let update = with(json!({}), Interaction::Update);
    let expected = [
        (1, "|"),
        (2, "^~\\&"),
        (3, "FHIRTRANSFORM"),
        (4, "FHIR"),
        (5, "HL7RCV"),
        (6, "HL7RCV"),
        (7, "20240301093015+0000"),
        (8, ""),
        (11, "T"),
        (12, "2.5.1"),
        (13, ""),
        (15, ""),
        (16, ""),
        (17, ""),
        (18, "UNICODE UTF-8"),
        (19, ""),
    ];
    for (number, value) in expected.into_iter().skip(1) {
        assert_eq!(update.field("MSH", number), value, "MSH-{number}");
    }
    for number in [2, 6] {
        assert_eq!(update.field("EVN", number), "20240229010203.45+0530", "EVN-{number}");
    }
    assert_eq!(update.field("PID", 33), "20240229010203.45+0530");
    assert_eq!(sent(json!({})).field("EVN", 2), "20240301093015+0000");
    let configured = sent_with(
        json!({"ack": "enhanced", "processing_id": "P", "country_code": "DEU", "timezone": "America/New_York"}),
        json!({}),
    );
    assert_eq!(
        (configured.field("MSH", 15), configured.field("MSH", 16)),
        ("AL".to_owned(), "NE".to_owned())
    );
    assert_eq!(
        (configured.field("MSH", 11), configured.field("MSH", 17)),
        ("P".to_owned(), "DEU".to_owned())
    );
    assert_eq!(configured.field("MSH", 7), "20240301043015-0500");
    let history = sent_with(json!({"processing_mode": "I"}), json!({}));
    assert_eq!(history.field("MSH", 11), "T^I");
}

#[test]
fn the_version_decides_the_form() {
    for (version, kind, charset, event) in [
        ("2.3", "ADT^A31", "UNICODE", "A31"),
        ("2.3.1", "ADT^A31", "UNICODE", "A31"),
        ("2.4", "ADT^A31^ADT_A05", "UNICODE", "A31"),
        ("2.5", "ADT^A31^ADT_A05", "UNICODE UTF-8", ""),
        ("2.5.1", "ADT^A31^ADT_A05", "UNICODE UTF-8", ""),
        ("2.6", "ADT^A31^ADT_A05", "UNICODE UTF-8", ""),
        ("2.7", "ADT^A31^ADT_A05", "UNICODE UTF-8", ""),
        ("2.8", "ADT^A31^ADT_A05", "UNICODE UTF-8", ""),
    ] {
        let sent = with(json!({"version": version}), Interaction::Update);
        assert_eq!(sent.field("MSH", 9), kind, "{version}");
        assert_eq!(sent.field("MSH", 12), version);
        assert_eq!(sent.field("MSH", 18), charset, "{version}");
        assert_eq!(sent.field("EVN", 1), event, "{version}");
        assert_eq!(sent.field("PID", 33).is_empty(), version.starts_with("2.3"), "{version}");
        for number in [2, 4, 9, 12, 19, 20] {
            assert_eq!(sent.field("PID", number), "", "{version} PID-{number}");
        }
    }
}

fn control_id(patient: &Value, context: &MappingContext<'_>) -> String {
    convert(&mapper_with(json!({})), patient, Interaction::Update, context)
        .expect("accepted")
        .field("MSH", 10)
}

#[test]
fn the_control_id_depends_on_the_write_and_not_on_the_content() {
    let version = |version: &str, family: &str| {
        patient(json!({"meta": {"versionId": version}, "name": [{"family": family}]}))
    };
    let id = control_id(&version("1", "A"), &context());
    assert!(
        id.len() == 20 && id.bytes().all(|byte| byte.is_ascii_uppercase() || (b'2'..=b'7').contains(&byte)),
        "{id}"
    );
    assert_eq!(id, control_id(&version("1", "B"), &context()));
    assert_eq!(id, control_id(&version("1", "A"), &MappingContext { request_id: "other", ..context() }));
    assert_ne!(id, control_id(&version("2", "A"), &context()));
    assert_ne!(id, control_id(&version("1", "A"), &MappingContext { destination: "other", ..context() }));
    let unversioned = patient(json!({}));
    assert_ne!(
        control_id(&unversioned, &context()),
        control_id(&unversioned, &MappingContext { request_id: "other", ..context() })
    );
    let timed = patient(json!({"meta": {"lastUpdated": "2024-01-01T00:00:00Z"}}));
    assert_eq!(
        control_id(&timed, &context()),
        control_id(&timed, &MappingContext { request_id: "other", ..context() })
    );
}

#[test]
fn a_long_field_is_sent_whole_and_told() {
    let family = "x".repeat(300);
    let sent = sent(json!({"name": [{"family": family}]}));
    assert!(sent.field("PID", 5).starts_with(&family));
    assert!(sent.told().iter().any(|told| told.0 == "warning" && told.1 == "too-long"), "{:?}", sent.told());
    let issues = crate::fixture::refused_with(
        json!({"length": "reject"}),
        &patient(json!({"name": [{"family": family}]})),
    );
    assert!(issues.iter().any(|issue| issue.severity == "error" && issue.code == "too-long"), "{issues:?}");
}
