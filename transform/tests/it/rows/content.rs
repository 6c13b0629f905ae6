//! Rows 14 to 23: what the patient holds.

use reqwest::Method;
use serde_json::{Value, json};

use super::{JSON, asked, envelope, of, refused};
use crate::hook::{Answer, TestHook, patient};

fn with(members: &Value) -> String {
    let mut resource = patient("p-1", "A");
    for (name, value) in members.as_object().unwrap() {
        resource[name] = value.clone();
    }
    resource.to_string()
}

async fn put(hook: &TestHook, members: &Value) -> (u16, String, String, String) {
    refused(hook, Method::PUT, "/fhir/Patient/p-1", JSON, with(members)).await
}

async fn taken(hook: &TestHook, members: &Value, prefer: &str) -> Answer {
    let headers = [("content-type", "application/fhir+json"), ("prefer", prefer)];
    let answer = asked(hook, Method::PUT, "/fhir/Patient/p-1", &headers, with(members)).await;
    assert!(answer.status.is_success(), "{answer:?}");
    answer
}

#[tokio::test]
async fn row_14_a_date_that_is_none() {
    let hook = TestHook::start().await;
    let text = "Patient.birthDate is not a FHIR date.";
    for date in ["28.02.1983", "1983-02-30"] {
        let members = json!({ "birthDate": date });
        assert_eq!(put(&hook, &members).await, of(422, "value", text, "Patient.birthDate"));
        let sample = envelope(&hook, Method::PUT, "/persistence/Patient/p-1", with(&members)).await;
        assert_eq!(sample, (400, format!("Unable to parse resource Patient: {text}")));
    }
}

#[tokio::test]
async fn row_15_a_partial_date_keeps_its_precision() {
    for (date, sent) in [("1983", "|1983|"), ("1983-02", "|198302|")] {
        let hook = TestHook::start().await;
        let answer = taken(&hook, &json!({ "birthDate": date }), "return=representation").await;
        assert_eq!(answer.body["birthDate"], date);
        assert!(hook.queued().await[0].envelope.body.contains(sent), "{date}");
    }
}

#[tokio::test]
async fn row_16_another_json_type() {
    let hook = TestHook::start().await;
    let refused = put(&hook, &json!({ "name": "Secret" })).await;
    assert_eq!(refused, of(400, "structure", "Patient.name must be a list.", "Patient.name"));
    let refused = put(&hook, &json!({ "active": "yes" })).await;
    assert_eq!(refused, of(400, "structure", "Patient.active must be true or false.", "Patient.active"));
}

#[tokio::test]
async fn row_17_an_array_of_one_where_an_object_belongs() {
    let hook = TestHook::start().await;
    let contact = json!({ "contact": [{ "name": [{ "family": "B" }], "address": [{ "city": "C" }] }] });
    let answer = taken(&hook, &contact, "return=OperationOutcome").await;
    let issues = answer.body["issue"].as_array().unwrap();
    let warned = |place: &str| {
        issues.iter().any(|issue| issue["severity"] == "warning" && issue["expression"][0] == place)
    };
    assert!(warned("Patient.contact[0].name") && warned("Patient.contact[0].address"), "{issues:?}");
}

#[tokio::test]
async fn row_18_a_code_of_no_value_set() {
    let text = "Patient.gender is not a code of administrative-gender.";
    let refused = put(&TestHook::start().await, &json!({ "gender": "M" })).await;
    assert_eq!(refused, of(422, "code-invalid", text, "Patient.gender"));
}

#[tokio::test]
async fn row_19_elements_that_r4_does_not_have() {
    let unknown = json!({ "shoeSize": 42, "contact": [{ "gender": "male", "fax": "1" }] });
    let hook = TestHook::start().await;
    let answer = taken(&hook, &unknown, "return=OperationOutcome").await;
    let told: Vec<_> =
        answer.body["issue"].as_array().unwrap().iter().map(|issue| &issue["expression"][0]).collect();
    assert!(told.contains(&&json!("Patient.shoeSize")) && told.contains(&&json!("Patient.contact[0].fax")));
    assert!(!answer.body.to_string().contains("42"));
    assert_eq!(hook.queued().await.len(), 1);

    let headers = [("content-type", "application/fhir+json"), ("prefer", "handling=strict")];
    let fresh = TestHook::start().await;
    let strict = refused(&fresh, Method::PUT, "/fhir/Patient/p-1", &headers, with(&unknown)).await;
    assert_eq!((strict.0, strict.1.as_str()), (400, "structure"));
    assert!(strict.2.ends_with(" is not an R4 element."), "{}", strict.2);

    let strict = TestHook::start_with(|config| config.handling = transform::Handling::Strict).await;
    assert_eq!(put(&strict, &unknown).await.0, 400);
    taken(&strict, &unknown, "handling=lenient").await;
    // What is wrong beside them is refused for what it is.
    let refused = put(&hook, &json!({ "shoeSize": 42, "birthDate": "x" })).await;
    assert_eq!((refused.0, refused.3.as_str()), (422, "Patient.birthDate"));
}

#[tokio::test]
async fn row_20_what_must_be_understood() {
    let hook = TestHook::start().await;
    let plain = json!({ "extension": [{ "url": "http://example.org/x", "valueString": "y" }] });
    taken(&hook, &plain, "return=minimal").await;
    let modifier = json!({ "modifierExtension": [{ "url": "http://secret.example", "valueBoolean": true }] });
    let refused = put(&hook, &modifier).await;
    let expected =
        of(422, "extension", "Patient.modifierExtension is not understood.", "Patient.modifierExtension");
    assert_eq!(refused, expected);
    let refused = put(&hook, &json!({ "implicitRules": "http://example.org/rules" })).await;
    assert_eq!((refused.0, refused.3.as_str()), (422, "Patient.implicitRules"));
}

/// Every character of FHIR's strings travels, escaped where HL7 v2 or MLLP need it (mapping section 3, ESC): what a
/// receiver could take for the end of a frame is never on the wire as itself.
#[tokio::test]
async fn row_21_control_characters_are_carried_escaped() {
    let hook = TestHook::start().await;
    let family = "A\u{b}B\u{1c}C\rD\nE";
    let answer = taken(&hook, &json!({ "name": [{ "family": family }] }), "return=representation").await;
    assert_eq!(answer.body["name"][0]["family"], family);
    let body = hook.queued().await.remove(0).envelope.body;
    assert!(!body.contains(['\u{b}', '\u{1c}', '\n']), "{body:?}");
}

#[tokio::test]
async fn row_22_nothing_to_name_the_patient_by() {
    let hook = TestHook::start().await;
    let body = json!({ "resourceType": "Patient", "id": "p-1" }).to_string();
    let answer = asked(&hook, Method::PUT, "/fhir/Patient/p-1", JSON, body).await;
    assert_eq!(answer.status, 201);
    let message = hook.queued().await.remove(0).envelope.body;
    let pid = message.split('\r').find(|segment| segment.starts_with("PID")).unwrap().to_owned();
    assert!(pid.split('|').nth(3).unwrap().starts_with("p-1^"), "{pid}");
}

#[tokio::test]
async fn row_23_a_message_too_long_for_the_queue() {
    let hook = TestHook::start().await;
    let refused = put(&hook, &json!({ "name": [{ "family": "x".repeat(queue::MAX_BODY_BYTES) }] })).await;
    assert_eq!((refused.0, refused.1.as_str()), (413, "too-long"));
    let (size, text) = refused.2.strip_prefix("Message is ").unwrap().split_once(' ').unwrap();
    assert!(size.parse::<usize>().unwrap() > queue::MAX_BODY_BYTES);
    assert_eq!(text, "bytes, the queue takes 1048576.");
}
