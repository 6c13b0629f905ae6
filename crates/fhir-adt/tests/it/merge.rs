//! Section 2.2: merge (A40), and 2.3: link (A24, A37).

use fhir_adt::{Interaction, MappingContext};
use serde_json::{Value, json};

use crate::fixture::{
    Sent, Told, context, convert, field, mapper_with, nth_field, patient_in, read_back, segments,
};

fn medical_record(value: &str) -> Value {
    let kind = json!({"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MR"}]});
    json!({"type": kind, "system": "urn:oid:1.2.3", "value": value})
}

fn retired() -> Value {
    json!({
        "resourceType": "Patient", "id": "old", "meta": {"versionId": "4", "lastUpdated": "2024-03-02T20:00:00Z"},
        "identifier": [medical_record("M-old")], "active": false, "name": [{"use": "official", "family": "Retired"}],
        "link": [{"other": {"reference": "Patient/new"}, "type": "replaced-by"}]
    })
}

fn survivor() -> Value {
    json!({
        "resourceType": "Patient", "id": "new", "meta": {"versionId": "9", "lastUpdated": "2024-03-02T21:00:00Z"},
        "identifier": [medical_record("M-new")], "name": [{"use": "official", "family": "Survivor"}],
        "gender": "female", "birthDate": "1980-05-01", "address": [{"city": "Boston"}]
    })
}

fn known(reference: &str) -> Option<Value> {
    match reference {
        "Patient/new" | "new" => Some(survivor()),
        "Patient/old" | "old" => Some(retired()),
        _ => None,
    }
}

fn write(keys: Value, patient: &Value, context: &MappingContext<'_>) -> Result<Sent, Vec<Told>> {
    convert(&mapper_with(keys), patient, Interaction::Update, context)
}

fn with_lookup(keys: Value, patient: &Value) -> Sent {
    let id = patient["id"].as_str().expect("an id");
    write(keys, patient, &MappingContext { patient_id: id, lookup: Some(&known), ..context() })
        .expect("accepted")
}

fn without_lookup(patient: &Value) -> Sent {
    write(json!({}), patient, &MappingContext { patient_id: "old", ..context() }).expect("accepted")
}

fn with_link(mut patient: Value, kind: &str, target: &str) -> Value {
    patient["link"] = json!([{"other": {"reference": target}, "type": kind}]);
    patient
}

#[test]
fn mrg_a_the_writer_of_replaced_by_is_retired_and_the_target_survives() {
    let sent = with_lookup(json!({}), &retired());
    assert_eq!(sent.field("MSH", 9), "ADT^A40^ADT_A39");
    assert!(sent.field("PID", 3).starts_with("M-new^^^&1.2.3&ISO^MR~new^^^FHIR^FW"));
    assert_eq!(sent.field("PID", 5), "Survivor^^^^^^L");
    assert!(sent.field("MRG", 1).starts_with("M-old^^^&1.2.3&ISO^MR~old^^^FHIR^FW"));
    assert_eq!(sent.field("MRG", 7), "Retired^^^^^^L");
}

#[test]
fn mrg_b_the_trigger_is_configured() {
    let replacing = with_link(survivor(), "replaces", "Patient/old");
    let by_default = with_lookup(json!({}), &replacing);
    assert_eq!(by_default.field("MSH", 9), "ADT^A31^ADT_A05");

    let key = |trigger: &str| json!({"merge": {"trigger": trigger}});
    let from_survivor = with_lookup(key("replaces"), &replacing);
    assert_eq!(from_survivor.field("MSH", 9), "ADT^A40^ADT_A39");
    assert!(from_survivor.field("PID", 3).starts_with("M-new^"));
    assert!(from_survivor.field("MRG", 1).starts_with("M-old^"));
    let kept_back = with_lookup(key("replaces"), &retired());
    assert!(kept_back.messages.is_empty(), "no A31 for the retired record (MRG-I)");
    assert!(kept_back.tells("warning", "Patient.link[0]"), "{:?}", kept_back.told());

    let (one, other) = (with_lookup(key("both"), &retired()), with_lookup(key("both"), &replacing));
    assert_eq!(one.field("MSH", 9), other.field("MSH", 9));
    assert_eq!(one.field("MSH", 10), other.field("MSH", 10));
    assert_eq!((one.field("PID", 3), one.field("MRG", 1)), (other.field("PID", 3), other.field("MRG", 1)));
}

#[test]
fn mrg_c_contained_comes_before_the_lookup() {
    let mut patient = retired();
    patient["contained"] = json!([{"resourceType": "Patient", "id": "s", "identifier": [medical_record("M-contained")],
        "name": [{"use": "official", "family": "Contained"}]}]);
    patient["link"] = json!([{"other": {"reference": "#s"}, "type": "replaced-by"}]);
    let sent = with_lookup(json!({}), &patient);
    assert_eq!(sent.field("PID", 5), "Contained^^^^^^L");
    assert!(sent.field("PID", 3).starts_with("M-contained^"));
}

#[test]
fn mrg_c_the_identifier_of_the_link_is_used_next() {
    let mut patient = retired();
    patient["link"][0]["other"]["identifier"] = medical_record("M-link");
    let sent = without_lookup(&patient);
    assert!(
        sent.field("PID", 3).starts_with("M-link^^^&1.2.3&ISO^MR~new^^^FHIR^FW"),
        "{}",
        sent.field("PID", 3)
    );
}

#[test]
fn mrg_c_else_the_logical_id_alone_and_a_warning() {
    let sent = without_lookup(&retired());
    assert!(sent.field("PID", 3).starts_with("new^^^FHIR^FW"));
    assert_eq!(sent.field("PID", 5), "^^^^^^U");
    assert!(sent.issues.iter().any(|issue| issue.severity == "warning" && issue.code == "incomplete"));
}

#[test]
fn mrg_d_pid_carries_identifiers_name_birth_date_and_sex_only() {
    let sent = with_lookup(json!({}), &retired());
    assert_eq!((sent.field("PID", 7), sent.field("PID", 8)), ("19800501".to_owned(), "F".to_owned()));
    for number in (1..=39).filter(|number| ![1, 3, 5, 7, 8].contains(number)) {
        assert_eq!(sent.field("PID", number), "", "PID-{number}");
    }
    let mut patient = retired();
    patient["gender"] = json!("male");
    patient["birthDate"] = json!("1999-09-09");
    let unresolved = without_lookup(&patient);
    assert_eq!((unresolved.field("PID", 7), unresolved.field("PID", 8)), (String::new(), String::new()));
}

#[test]
fn mrg_e_mrg_holds_all_identifiers_and_the_logical_id_last() {
    let mut patient = retired();
    patient["identifier"] = json!([medical_record("A"), {"system": "urn:oid:1.9", "value": "B"}]);
    let sent = with_lookup(json!({}), &patient);
    let logical = "old^^^FHIR^FW^^^^FHIR Works on AWS Integration Transform";
    assert_eq!(sent.field("MRG", 1), format!("A^^^&1.2.3&ISO^MR~B^^^&1.9&ISO~{logical}"));
    for number in 2..=6 {
        assert_eq!(sent.field("MRG", number), "", "MRG-{number}");
    }
    patient.as_object_mut().unwrap().remove("name");
    assert_eq!(with_lookup(json!({}), &patient).field("MRG", 7), "");
}

#[test]
fn mrg_f_nothing_but_msh_evn_pid_mrg() {
    let mut patient = retired();
    patient["contact"] = json!([{"name": {"family": "C"}}]);
    patient["generalPractitioner"] = json!([{"reference": "Practitioner/1"}]);
    assert_eq!(with_lookup(json!({}), &patient).segments(), ["MSH", "EVN", "PID", "MRG"]);
}

#[test]
fn mrg_g_two_survivors_are_refused() {
    let mut patient = retired();
    patient["link"] = json!([
        {"other": {"reference": "Patient/new"}, "type": "replaced-by"},
        {"other": {"reference": "Patient/other"}, "type": "replaced-by"}
    ]);
    let issues =
        write(json!({}), &patient, &MappingContext { patient_id: "old", ..context() }).expect_err("refused");
    assert!(
        issues.iter().any(|issue| issue.severity == "error" && issue.code == "business-rule"),
        "{issues:?}"
    );
}

#[test]
fn mrg_h_an_identifier_type_without_partner_is_warned_about() {
    let warned = |patient: &Value| {
        let sent = with_lookup(json!({}), patient);
        sent.issues.iter().any(|issue| issue.severity == "warning" && issue.diagnostics.contains("MRG-H"))
    };
    assert!(!warned(&retired()));
    let mut patient = retired();
    patient["identifier"][0]["type"]["coding"][0]["code"] = json!("DL");
    assert!(warned(&patient));
}

#[test]
fn mrg_i_no_update_is_sent_for_the_retired_record_and_its_changes_are_told() {
    let mut patient = retired();
    patient["gender"] = json!("male");
    patient["birthDate"] = json!("1999-09-09");
    let sent = with_lookup(json!({}), &patient);
    assert_eq!(sent.messages.len(), 1);
    assert_eq!(sent.field("MSH", 9), "ADT^A40^ADT_A39");
    let places: Vec<&str> = sent.issues.iter().map(|issue| issue.expression.as_str()).collect();
    assert!(places.contains(&"Patient.gender") && places.contains(&"Patient.birthDate"), "{places:?}");
}

#[test]
fn mrg_j_an_unmerge_is_an_update_and_a_warning() {
    let mut patient = retired();
    patient.as_object_mut().unwrap().remove("link");
    let previous = retired();
    let context = MappingContext { patient_id: "old", previous: Some(&previous), ..context() };
    let sent = write(json!({}), &patient, &context).expect("accepted");
    assert_eq!(sent.field("MSH", 9), "ADT^A31^ADT_A05");
    assert!(
        sent.told().iter().any(|told| told.0 == "warning"
            && told.1 == "not-supported"
            && told.2.starts_with("Patient.link")),
        "{:?}",
        sent.told()
    );
}

#[test]
fn mrg_reads_back_as_the_retired_record_of_section_2_5() {
    let sent = with_lookup(json!({}), &retired());
    let expected = json!({
        "resourceType": "Patient", "id": "old", "identifier": [medical_record("M-old")], "active": false,
        "name": [{"use": "official", "family": "Retired"}],
        "link": [{"other": {"reference": "Patient/new"}, "type": "replaced-by"}]
    });
    let read = read_back(&mapper_with(json!({})), sent.message());
    assert_eq!(patient_in(&read), Some(&expected));
    assert_eq!(sent.told(), []);
}

#[test]
fn seealso_is_told_by_default_and_sent_as_a24_when_configured() {
    let linked = with_link(survivor(), "seealso", "Patient/old");
    let told = with_lookup(json!({}), &linked);
    assert_eq!(told.field("MSH", 9), "ADT^A31^ADT_A05");
    assert!(told.tells("warning", "Patient.link[0]"), "{:?}", told.told());

    let sent = with_lookup(json!({"link": {"seealso": "a24"}}), &linked);
    assert_eq!(sent.messages.len(), 2);
    let link = &sent.messages[1];
    assert_eq!(field(link, "MSH", 9), "ADT^A24^ADT_A24");
    assert_eq!(segments(link), ["MSH", "EVN", "PID", "PID"]);
    assert_eq!(
        (nth_field(link, "PID", 0, 1), nth_field(link, "PID", 1, 1)),
        ("1".to_owned(), "2".to_owned())
    );
    assert!(
        nth_field(link, "PID", 0, 3).starts_with("M-new^")
            && nth_field(link, "PID", 1, 3).starts_with("M-old^")
    );
    assert_ne!(field(&sent.messages[0], "MSH", 10), field(link, "MSH", 10));
}

#[test]
fn a_removed_seealso_is_sent_as_a37() {
    let linked = with_link(survivor(), "seealso", "Patient/old");
    let context =
        MappingContext { patient_id: "new", lookup: Some(&known), previous: Some(&linked), ..context() };
    let sent = write(json!({"link": {"seealso": "a24"}}), &survivor(), &context).expect("accepted");
    assert_eq!(sent.messages.len(), 2);
    assert_eq!(field(&sent.messages[0], "MSH", 9), "ADT^A31^ADT_A05");
    assert_eq!(field(&sent.messages[1], "MSH", 9), "ADT^A37^ADT_A37");
}

#[test]
fn other_links_are_told() {
    for kind in ["refer", "replaces"] {
        let sent = with_lookup(json!({}), &with_link(survivor(), kind, "Patient/old"));
        assert_eq!(sent.field("MSH", 9), "ADT^A31^ADT_A05");
        assert!(sent.tells("warning", "Patient.link[0]"), "{kind}: {:?}", sent.told());
    }
}
