//! Section 5: the rest of the element map; contacts (NK1), references (4.6), extensions.

use serde_json::{Value, json};

use crate::fixture::{
    comes_back, concept, definition, foreign, members_of, read, sent, sent_with, terminology,
};

const US_CORE: &str = "http://hl7.org/fhir/us/core/StructureDefinition/";

fn contact(contact: Value) -> Value {
    json!({ "contact": [contact] })
}

#[test]
fn a_whole_contact_comes_back() {
    comes_back(json!({"contact": [{
        "relationship": [concept(&terminology("v3-RoleCode"), "MTH", "mother"), concept(&terminology("v2-0131"), "C", "Emergency")],
        "name": {"use": "official", "family": "Roe", "given": ["Jane"]},
        "telecom": [{"system": "phone", "value": "111"}, {"system": "phone", "value": "222", "use": "work"}],
        "address": {"use": "home", "line": ["1"], "city": "A"}, "gender": "female",
        "organization": {"reference": "Organization/1", "display": "Org"}, "period": {"start": "2001-01-01", "end": "2002-02-02"}
    }, {"name": {"family": "Second"}}]}));
}

#[test]
fn relationships_have_two_places() {
    let role = |code: &str| concept(&terminology("v3-RoleCode"), code, "");
    let contact_role = |code: &str| concept(&terminology("v2-0131"), code, "");
    let sent_two = sent(contact(json!({"relationship": [contact_role("N"), role("HUSB")]})));
    assert_eq!(
        (sent_two.field("NK1", 3), sent_two.field("NK1", 7)),
        ("SPO^^HL70063^HUSB^^99RCD".to_owned(), "N^^HL70131".to_owned())
    );
    assert_eq!(sent_two.told(), []);
    let three = sent(contact(json!({"relationship": [role("MTH"), contact_role("N"), role("GRMTH")]})));
    assert!(three.tells("information", "Patient.contact[0].relationship"), "{:?}", three.told());
    comes_back(contact(json!({"relationship": [{"text": "neighbour"}]})));
    let both_kinds = json!({"relationship": [{"coding": [{"system": terminology("v3-RoleCode"), "code": "MTH"}, {"system": terminology("v2-0131"), "code": "C"}]}]});
    let sent_both = sent(contact(both_kinds));
    assert!(sent_both.field("NK1", 3).starts_with("MTH^") && sent_both.field("NK1", 7).starts_with("C^"));
    assert!(!sent_both.told().is_empty());
}

#[test]
fn a_period_is_cut_to_its_dates() {
    let cut = sent(contact(json!({"name": {"family": "A"}, "period": {"start": "2001-01-01T10:00:00Z"}})));
    assert_eq!(cut.field("NK1", 8), "20010101");
    assert!(cut.tells("information", "Patient.contact[0].period"));
}

#[test]
fn a_contact_without_content_is_told() {
    let none = sent(contact(json!({"id": "c1"})));
    assert_eq!(none.field("NK1", 1), "");
    assert!(none.tells("information", "Patient.contact[0]"));
}

#[test]
fn references_are_identifiers_or_literal() {
    for practitioner in [
        json!({"reference": "Practitioner/77", "display": "Ana Vidal"}),
        json!({"identifier": {"system": "http://hl7.org/fhir/sid/us-npi", "value": "123"}, "display": "Ana"}),
        json!({"reference": "https://example.org/fhir/Practitioner/5"}),
    ] {
        comes_back(json!({"generalPractitioner": [practitioner]}));
    }
    let both = sent(
        json!({"generalPractitioner": [{"reference": "Organization/1", "display": "Clinic"}, {"reference": "Practitioner/2"}]}),
    );
    assert!(
        both.field("PD1", 3).starts_with("Clinic^") && both.field("PD1", 4).starts_with("Practitioner/2^")
    );
    let contained = sent(
        json!({"contained": [{"resourceType": "Practitioner", "id": "d", "identifier": [{"system": "urn:oid:1.2", "value": "9"}],
        "name": [{"family": "Doc", "given": ["A"]}]}], "generalPractitioner": [{"reference": "#d"}]}),
    );
    assert!(contained.field("PD1", 4).starts_with("9^Doc^A^"), "{}", contained.field("PD1", 4));
    let two =
        sent(json!({"generalPractitioner": [{"reference": "Practitioner/2", "identifier": {"value": "5"}}]}));
    assert!(two.field("PD1", 4).starts_with('5'));
    assert_eq!(two.issues.len(), 1);
    assert!(two.tells("information", "Patient.generalPractitioner[0].reference"));
}

#[test]
fn extensions_with_a_home_come_back_in_their_order() {
    let cdc = |code: &str, display: &str| json!({"system": "urn:oid:2.16.840.1.113883.6.238", "code": code, "display": display});
    comes_back(json!({"extension": [
        {"url": format!("{US_CORE}us-core-race"), "extension": [
            {"url": "ombCategory", "valueCoding": cdc("2106-3", "White")}, {"url": "ombCategory", "valueCoding": cdc("2028-9", "Asian")},
            {"url": "detailed", "valueCoding": cdc("2034-7", "Chinese")}, {"url": "text", "valueString": "Mixed"}]},
        {"url": format!("{US_CORE}us-core-ethnicity"), "extension": [
            {"url": "ombCategory", "valueCoding": cdc("2135-2", "Hispanic or Latino")}, {"url": "detailed", "valueCoding": cdc("2148-5", "Mexican")},
            {"url": "text", "valueString": "Hispanic or Latino, Mexican"}]},
        {"url": definition("patient-mothersMaidenName"), "valueString": "Gómez"},
        {"url": definition("patient-birthPlace"), "valueAddress": {"city": "Boston", "state": "MA"}},
        {"url": definition("patient-religion"), "valueCodeableConcept": concept(&terminology("v3-ReligiousAffiliation"), "1041", "Roman Catholic")},
        {"url": definition("patient-citizenship"), "extension": [{"url": "code", "valueCodeableConcept": concept("urn:iso:std:iso:3166", "DE", "Germany")}]},
        {"url": definition("patient-nationality"), "extension": [{"url": "code", "valueCodeableConcept": concept("urn:iso:std:iso:3166", "FR", "France")}]},
        {"url": definition("patient-congregation"), "valueString": "St. Mary"}
    ]}));
}

#[test]
fn what_has_no_home_is_told() {
    for (place, severity, members) in [
        ("Patient.active", "warning", json!({"active": false})),
        ("Patient.active", "information", json!({"active": true})),
        ("Patient.language", "information", json!({"language": "de"})),
        (
            "Patient.text",
            "information",
            json!({"text": {"status": "generated", "div": "<div xmlns=\"http://www.w3.org/1999/xhtml\">A</div>"}}),
        ),
        ("Patient.photo", "information", json!({"photo": [{"url": "http://example.org/p.png"}]})),
        (
            "Patient.managingOrganization",
            "information",
            json!({"managingOrganization": {"reference": "Organization/1"}}),
        ),
        ("Patient.meta.tag", "information", json!({"meta": {"tag": [{"code": "a"}]}})),
        (
            "Patient.meta.security",
            "warning",
            json!({"meta": {"security": [{"system": terminology("v3-Confidentiality"), "code": "R"}]}}),
        ),
        (
            "Patient.communication[0].preferred",
            "information",
            json!({"communication": [{"language": concept("urn:ietf:bcp:47", "de", ""), "preferred": true}]}),
        ),
        (
            "Patient.communication[1]",
            "information",
            json!({"communication": [{"language": concept("urn:ietf:bcp:47", "de", "")}, {"language": concept("urn:ietf:bcp:47", "fr", "")}]}),
        ),
        (
            "Patient.extension[0]",
            "information",
            json!({"extension": [{"url": "http://example.org/x", "valueString": "y"}]}),
        ),
        (
            "Patient.extension[0]",
            "information",
            json!({"extension": [{"url": format!("{US_CORE}us-core-birthsex"), "valueCode": "F"}]}),
        ),
        ("Patient.name[0].id", "information", json!({"name": [{"id": "n1", "family": "A"}]})),
    ] {
        let sent = sent(members.clone());
        assert!(sent.tells(severity, place), "{place}: {:?}", sent.told());
        assert_eq!(sent.issues.len(), 1, "{place}: {:?}", sent.told());
    }
}

#[test]
fn ihe_strict_sends_first_repetitions_and_no_nationality() {
    let strict = json!({"ihe_strict": true, "default_authority": "HOSP"});
    let citizen = |code: &str| json!({"url": definition("patient-citizenship"), "extension": [{"url": "code", "valueCodeableConcept": concept("urn:iso:std:iso:3166", code, "")}]});
    let nation = json!({"url": definition("patient-nationality"), "extension": [{"url": "code", "valueCodeableConcept": concept("urn:iso:std:iso:3166", "FR", "")}]});
    let sent = sent_with(strict, json!({"extension": [citizen("DE"), citizen("FR"), nation]}));
    assert_eq!(sent.field("PID", 28), "");
    assert!(!sent.field("PID", 26).contains('~'));
    assert!(sent.told().len() >= 2, "{:?}", sent.told());
}

#[test]
fn foreign_contacts() {
    let nk1 = "NK1|1|Roe^Jane|MTH^Mother^HL70063|1 Main St^^City|111|222|C^Emergency^HL70131||||||Org^^9||F";
    let read = members_of(read(&foreign(
        "2.5.1",
        &["PID|1||1||Doe", nk1, "NK1|2||||||||||||Acme|||||||||||||||||King^Stephen^A|555|Box 1^^Town"],
    )));
    let contact = &read["contact"][0];
    assert_eq!(contact["name"]["family"], json!("Roe"));
    assert_eq!(contact["relationship"][0]["coding"][0]["code"], json!("MTH"));
    assert_eq!(contact["relationship"][1]["coding"][0]["code"], json!("C"));
    assert_eq!(contact["gender"], json!("female"));
    assert_eq!(contact["telecom"][1]["use"], json!("work"));
    assert_eq!(read["contact"][1]["name"]["family"], json!("King"));
    assert_eq!(read["contact"][1]["address"]["city"], json!("Town"));
    assert_eq!(read["contact"][1]["organization"]["display"], json!("Acme"));
}
