//! Section 1: input checks.

use fhir_adt::Interaction;
use serde_json::json;

use crate::fixture::{
    back, comes_back, context, convert, has_error, mapper, patient, refused, refused_with, sent, sent_with,
};

#[test]
fn in_1_another_resource_is_not_supported() {
    let issues = refused_with(json!({}), &json!({"resourceType": "Observation", "id": "o"}));
    assert!(
        issues.iter().any(|issue| issue.severity == "error" && issue.code == "not-supported"),
        "{issues:?}"
    );
}

#[test]
fn in_2_a_modifier_is_never_dropped() {
    let modifier = json!([{"url": "http://example.org/not", "valueBoolean": true}]);
    let issues = refused(json!({"modifierExtension": modifier}));
    assert!(issues.iter().any(|issue| issue.code == "not-supported"), "{issues:?}");
    let issues = refused(json!({"contact": [{"modifierExtension": modifier, "name": {"family": "A"}}]}));
    assert!(issues.iter().any(|issue| issue.code == "not-supported"), "{issues:?}");
    let issues = refused(json!({"implicitRules": "http://example.org/rules"}));
    assert!(has_error(&issues, "not-supported", "Patient.implicitRules"), "{issues:?}");
}

#[test]
fn in_3_an_update_needs_a_valid_id() {
    for id in [json!("has space"), json!("a_b"), json!("x".repeat(65)), json!("é")] {
        let issues = refused(json!({ "id": id }));
        assert!(has_error(&issues, "value", "Patient.id"), "{id}: {issues:?}");
    }
    let mut without = patient(json!({"gender": "male"}));
    without.as_object_mut().unwrap().remove("id");
    let issues = refused_with(json!({}), &without);
    assert!(has_error(&issues, "value", "Patient.id"), "{issues:?}");
}

#[test]
fn in_3_a_create_takes_the_id_of_the_caller() {
    let mut without = patient(json!({"gender": "male"}));
    without.as_object_mut().unwrap().remove("id");
    let sent = convert(&mapper(), &without, Interaction::Create, &context()).unwrap();
    assert!(sent.field("PID", 3).starts_with("p-1^^^FHIR^FW"), "{}", sent.field("PID", 3));
}

#[test]
fn in_4_an_array_of_one_is_unwrapped() {
    let married = json!({"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-MaritalStatus", "code": "M"}]});
    let german = json!({"coding": [{"system": "urn:ietf:bcp:47", "code": "de"}]});
    let cases = [
        (
            "Patient.contact[0].name",
            json!({"contact": [{"name": [{"family": "A"}]}]}),
            json!({"contact": [{"name": {"family": "A"}}]}),
        ),
        (
            "Patient.contact[0].address",
            json!({"contact": [{"address": [{"city": "A"}]}]}),
            json!({"contact": [{"address": {"city": "A"}}]}),
        ),
        ("Patient.maritalStatus", json!({"maritalStatus": [married]}), json!({"maritalStatus": married})),
        (
            "Patient.communication[0].language",
            json!({"communication": [{"language": [german]}]}),
            json!({"communication": [{"language": german}]}),
        ),
        (
            "Patient.name[0].period",
            json!({"name": [{"family": "A", "period": [{"start": "2001"}]}]}),
            json!({"name": [{"family": "A", "period": {"start": "2001"}}]}),
        ),
        (
            "Patient.identifier[0].assigner",
            json!({"identifier": [{"value": "1", "assigner": [{"display": "A"}]}]}),
            json!({"identifier": [{"value": "1", "assigner": {"display": "A"}}]}),
        ),
    ];
    for (place, given, expected) in cases {
        assert_eq!(sent(given.clone()).told(), [("warning", "structure", place)], "{place}");
        assert_eq!(back(given), expected, "{place}");
    }
    let given = json!({"managingOrganization": [{"reference": "Organization/1"}]});
    assert!(sent(given.clone()).told().contains(&("warning", "structure", "Patient.managingOrganization")));
}

#[test]
fn in_4_of_several_the_first_is_sent_and_the_others_told() {
    let sent = sent(json!({"contact": [{"name": [{"family": "First"}, {"family": "Second"}]}]}));
    assert_eq!(sent.field("NK1", 2), "First^^^^^^U");
    assert!(sent.tells("warning", "Patient.contact[0].name"));
    assert!(
        sent.issues.iter().any(|issue| issue.expression == "Patient.contact[0].name[1]"),
        "{:?}",
        sent.told()
    );
    assert!(!sent.message().contains("Second"));
}

#[test]
fn in_5_what_is_not_valid_is_refused_at_its_place() {
    let cases = [
        ("Patient.birthDate", json!({"birthDate": 1974})),
        ("Patient.birthDate", json!({"birthDate": "1974-13-01"})),
        ("Patient.birthDate", json!({"birthDate": "1974-02-30"})),
        ("Patient.birthDate", json!({"birthDate": "19740101"})),
        ("Patient.deceasedDateTime", json!({"deceasedDateTime": "2024-01-01T25:00:00Z"})),
        ("Patient.deceasedDateTime", json!({"deceasedDateTime": "2024-01-01T10:00"})),
        ("Patient.gender", json!({"gender": "M"})),
        ("Patient.gender", json!({"gender": ["male"]})),
        ("Patient.name[0].use", json!({"name": [{"use": "legal", "family": "A"}]})),
        ("Patient.name[0].family", json!({"name": [{"family": ["A"]}]})),
        ("Patient.name[0].given", json!({"name": [{"given": "A"}]})),
        ("Patient.name", json!({"name": {"family": "A"}})),
        ("Patient.telecom[0].system", json!({"telecom": [{"system": "tel", "value": "1"}]})),
        ("Patient.telecom[0].rank", json!({"telecom": [{"system": "phone", "value": "1", "rank": "1"}]})),
        ("Patient.active", json!({"active": "true"})),
        ("Patient.multipleBirthInteger", json!({"multipleBirthInteger": 1.5})),
        ("Patient.unknownElement", json!({"unknownElement": 1})),
        ("Patient.address[0].use", json!({"address": [{"use": "holiday", "city": "A"}]})),
        ("Patient.link[0].type", json!({"link": [{"type": "same", "other": {"reference": "Patient/2"}}]})),
    ];
    for (place, members) in cases {
        let issues = refused(members.clone());
        assert!(has_error(&issues, "invalid", place), "{members}: {issues:?}");
    }
}

#[test]
fn in_5_without_strict_the_element_is_dropped_and_told() {
    let lenient = json!({"strict": false});
    let sent = sent_with(lenient, json!({"birthDate": "soon", "gender": "male", "flavour": 1}));
    assert_eq!((sent.field("PID", 7), sent.field("PID", 8)), (String::new(), "M".to_owned()));
    assert!(sent.issues.iter().any(|issue| issue.expression == "Patient.birthDate"));
    assert!(sent.issues.iter().any(|issue| issue.expression == "Patient.flavour"));
}

#[test]
fn in_6_null_and_empty_are_absent() {
    let empty = sent(json!({
        "gender": null, "birthDate": "", "name": [], "maritalStatus": {}, "telecom": [{}], "address": [{"line": [], "city": ""}],
        "extension": [], "contact": [{"name": {"family": null}}], "multipleBirthInteger": null
    }));
    assert_eq!(empty.told(), []);
    assert_eq!(empty.message(), sent(json!({})).message());
}

#[test]
fn in_7_broken_invariants_are_accepted() {
    let role = json!({"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0131", "code": "N"}]});
    comes_back(json!({"contact": [{"relationship": [role]}]}));
    assert_eq!(
        back(json!({"telecom": [{"value": "a@example.org"}]})),
        json!({"telecom": [{"system": "email", "value": "a@example.org"}]})
    );
}
