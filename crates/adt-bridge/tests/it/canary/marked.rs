//! A Patient with every element of FHIR R4, and a marker in each that can hold one.

use data_encoding::BASE64;
use serde_json::{Value, json};

use super::search::MARKER;

/// Makes texts that all hold the marker and differ in their number.
#[derive(Default)]
pub(crate) struct Marks(u32);

impl Marks {
    /// Letters and digits only.
    fn word(&mut self) -> String {
        self.0 += 1;
        format!("{MARKER}{}", self.0)
    }

    /// With characters that JSON, URLs and HL7 escape.
    fn text(&mut self) -> String {
        format!("{} \"ü&|^~\\é%/", self.word())
    }

    fn url(&mut self) -> String {
        format!("http://{}.example/{}", self.word(), self.word())
    }

    fn extension(&mut self) -> Value {
        json!([
            { "url": self.url(), "valueString": self.text() },
            { "url": self.url(), "extension": [{ "url": self.word(), "valueCoding": self.coding() }] },
            { "url": "http://hl7.org/fhir/StructureDefinition/patient-mothersMaidenName", "valueString": self.text() },
            { "url": self.url(), "valueAddress": { "city": self.text() } },
            { "url": self.url(), "valueBase64Binary": BASE64.encode(self.text().as_bytes()) },
        ])
    }

    /// What stands beside a primitive element, `_family` for example.
    fn beside(&mut self) -> Value {
        json!({ "id": self.word(), "extension": [{ "url": self.url(), "valueString": self.text() }] })
    }

    fn coding(&mut self) -> Value {
        json!({
            "id": self.word(), "system": self.url(), "version": self.text(), "code": self.word(),
            "display": self.text(), "userSelected": true
        })
    }

    fn concept(&mut self) -> Value {
        json!({ "coding": [self.coding(), self.coding()], "text": self.text() })
    }

    fn period(&mut self) -> Value {
        json!({ "id": self.word(), "start": "1847-04-05", "end": "1847-04-05T01:02:03.456Z" })
    }

    fn reference(&mut self, kind: &str) -> Value {
        json!({
            "reference": format!("{kind}/{}", self.word()), "type": kind,
            "identifier": { "system": self.url(), "value": self.text() }, "display": self.text()
        })
    }

    fn identifier(&mut self) -> Value {
        json!({
            "id": self.word(), "extension": self.extension(), "use": "official", "type": self.concept(),
            "system": self.url(), "value": self.text(), "_value": self.beside(), "period": self.period(),
            "assigner": self.reference("Organization")
        })
    }

    fn name(&mut self, family: String) -> Value {
        json!({
            "id": self.word(), "extension": self.extension(), "use": "official", "text": self.text(),
            "family": family, "_family": self.beside(), "given": [self.text(), self.text()],
            "_given": [self.beside(), null], "prefix": [self.text()], "suffix": [self.text()],
            "period": self.period()
        })
    }

    fn telecom(&mut self) -> Value {
        json!([
            { "system": "phone", "value": self.text(), "use": "home", "rank": 1, "period": self.period() },
            { "system": "email", "value": format!("{}@example.org", self.word()), "_value": self.beside() },
            { "system": "url", "value": self.url(), "extension": self.extension() },
        ])
    }

    fn address(&mut self) -> Value {
        json!({
            "id": self.word(), "extension": self.extension(), "use": "home", "type": "both",
            "text": self.text(), "line": [self.text(), self.text()], "_line": [self.beside(), null],
            "city": self.text(), "district": self.text(), "state": self.text(), "postalCode": self.text(),
            "country": self.text(), "period": self.period()
        })
    }

    fn photo(&mut self) -> Value {
        json!({
            "contentType": "image/png", "language": self.word(), "data": BASE64.encode(self.text().as_bytes()),
            "url": self.url(), "size": 918_273_645, "hash": BASE64.encode(self.word().as_bytes()),
            "title": self.text(), "creation": "1847-04-05T01:02:03.456Z"
        })
    }
}

/// A patient of that id and family name.
pub(crate) fn patient(id: &str, family: &str) -> Value {
    let m = &mut Marks::default();
    json!({
        "resourceType": "Patient",
        "id": id,
        "meta": {
            "id": m.word(), "source": m.url(), "profile": [m.url()], "security": [m.coding()], "tag": [m.coding()],
            "extension": m.extension()
        },
        "language": m.word(),
        "text": {
            "status": "generated",
            "div": format!("<div xmlns=\"http://www.w3.org/1999/xhtml\"><p>{}</p></div>", m.word())
        },
        "contained": [{
            "resourceType": "Practitioner", "id": m.word(), "name": [{ "family": m.text() }],
            "identifier": [{ "system": m.url(), "value": m.text() }]
        }],
        "extension": m.extension(),
        "identifier": [m.identifier(), m.identifier()],
        "active": true,
        "_active": m.beside(),
        "name": [m.name(family.to_owned()), { "use": "nickname", "text": m.text() }],
        "telecom": m.telecom(),
        "gender": "female",
        "_gender": m.beside(),
        "birthDate": "1847-02-28",
        "_birthDate": {
            "extension": [{
                "url": "http://hl7.org/fhir/StructureDefinition/patient-birthTime",
                "valueDateTime": "1847-02-28T01:02:03.456Z"
            }]
        },
        "deceasedDateTime": "1847-03-01T01:02:03.456Z",
        "address": [m.address(), m.address()],
        "maritalStatus": m.concept(),
        "multipleBirthInteger": 918_273_645,
        "photo": [m.photo()],
        "contact": [{
            "id": m.word(), "extension": m.extension(), "relationship": [m.concept()], "name": {
                "family": m.text(), "given": [m.text()]
            },
            "telecom": m.telecom(), "address": m.address(), "gender": "other",
            "organization": m.reference("Organization"), "period": m.period()
        }],
        "communication": [{ "id": m.word(), "language": m.concept(), "preferred": true }],
        "generalPractitioner": [m.reference("Practitioner")],
        "managingOrganization": m.reference("Organization"),
        "link": [{ "id": m.word(), "other": m.reference("Patient"), "type": "seealso" }],
    })
}

/// The same, but for one element.
pub(crate) fn with(mut patient: Value, element: &str, value: Value) -> Value {
    patient[element] = value;
    patient
}
