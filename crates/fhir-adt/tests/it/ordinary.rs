//! The short way of an ordinary Patient, from its bytes, against the long way of any: the same messages, the same
//! report, the same reading. The long way is the oracle: it reads its own message back and compares.

use std::fs;
use std::sync::LazyLock;

use fhir_adt::{Interaction, JsonError, JsonWrite, Mapper, MappingContext, VersionStamp};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, FileFailurePersistence};
use serde_json::{Value, json};

use crate::fixture::{context, mapper_with, patient_in, read_back};
use crate::generate::{Content, patient};

const SETTINGS: [&str; 5] = [
    "{}",
    r#"{"update_mode": "null"}"#,
    r#"{"profile": "pix", "version": "2.5"}"#,
    r#"{"length": "reject"}"#,
    r#"{"constants": {"MSH-8": "x", "EVN-4": "01", "PID-18": "a^b&c~d", "PD1-12": "Y", "PV1-2": "I"}}"#,
];

static MAPPERS: LazyLock<[Mapper; 5]> =
    LazyLock::new(|| SETTINGS.map(|settings| mapper_with(serde_json::from_str(settings).expect("settings"))));

static RICH: LazyLock<Value> = LazyLock::new(rich);

/// Goes both ways and compares.
#[track_caller]
fn assert_same(mapper: &Mapper, patient: &Value, interaction: Interaction) {
    let id = patient["id"].as_str().unwrap_or("p-1");
    let context = MappingContext { patient_id: id, ..context() };
    let long = mapper.patient_to_adt(patient, interaction, &context);
    let json = serde_json::to_vec(patient).expect("JSON");
    let write = JsonWrite { json: &json, interaction, stamp: None, read_back: true };
    match (mapper.patient_json_to_adt(&write, &context), long) {
        (Ok(mut short), Ok(long)) => {
            let read = short.read_back.take();
            assert_eq!(short.messages.len(), long.messages.len());
            for (short, long) in short.messages.iter().zip(&long.messages) {
                assert_eq!(short.er7, long.er7, "{patient:#}");
            }
            assert_eq!(short.report.issues, long.report.issues, "{patient:#}");
            assert_eq!(short, long);
            let read: Option<Value> = read.map(|read| serde_json::from_slice(&read).expect("JSON"));
            let expected = long.messages.first().map(|message| read_back(mapper, &message.er7));
            let expected = expected.as_ref().and_then(patient_in);
            assert_eq!(read.as_ref(), expected, "{patient:#}");
        }
        (Err(JsonError::Rejected(short)), Err(long)) => assert_eq!(short, long),
        (short, long) => panic!("one way refuses: {:?} {:?}\n{patient:#}", short.is_ok(), long.is_ok()),
    }
}

fn example(path: &str) -> Value {
    let path = format!("{}/tests/{path}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_slice(&fs::read(path).expect("a file")).expect("JSON")
}

/// One of nearly everything that an ordinary Patient has, and that is not carried of one.
fn rich() -> Value {
    let mut patient = example("examples/2-update.request.json");
    let more = json!({
        "language": "en",
        "text": { "status": "generated", "div": "<div>x</div>" },
        "meta": {
            "lastUpdated": "2024-03-02T14:05:09.12+00:00",
            "profile": ["http://a.example/p"],
            "source": "http://a.example",
            "security": [{ "system": "http://a.example/labels", "code": "N" }],
            "tag": [{ "system": "http://a.example/tags", "code": "a", "display": "A" }, { "system": "urn:x" }],
        },
        "photo": [
            { "contentType": "image/png", "data": "iVBORw0KGgo=", "size": 8, "creation": "2020-01-01" },
            { "title": "x", "url": "https://a.example/photo" },
        ],
        "active": false,
        "birthDate": "1980-05-04",
        "_birthDate": { "extension": [{
            "url": "http://hl7.org/fhir/StructureDefinition/patient-birthTime",
            "valueDateTime": "1980-05-04T03:02:01.5+00:00",
        }] },
        "link": [
            { "other": { "reference": "Patient/7" }, "type": "refer" },
            { "other": { "reference": "Patient/8", "display": "x" }, "type": "seealso" },
        ],
        "deceasedDateTime": "2024-02-01T00:00:00+00:00",
        "managingOrganization": { "reference": "Organization/1" },
        "contact": [{
            "relationship": [
                { "coding": [{ "system": "http://terminology.hl7.org/CodeSystem/v3-RoleCode", "code": "MTH" }], "text": "mum" },
                { "coding": [{ "system": "http://terminology.hl7.org/CodeSystem/v2-0131", "code": "N" }] },
            ],
            "name": { "family": "du Marché", "given": ["Bénédicte"], "text": "B. du Marché" },
            "telecom": [
                { "system": "phone", "value": "+33 (237) 998327", "use": "work", "rank": 2 },
                { "system": "fax", "value": "1 2 3 4", "use": "home" },
            ],
            "address": { "use": "home", "type": "both", "line": ["534 Erewhon St", "b", "c"], "city": "x", "text": "y" },
            "gender": "female",
            "period": { "start": "2012" },
        }],
    });
    for (name, value) in more.as_object().expect("an object") {
        patient[name] = value.clone();
    }
    let list = |name: &str| patient[name].as_array().cloned().expect("a list");
    let (mut telecom, mut address, mut identifier) = (list("telecom"), list("address"), list("identifier"));
    let (mut name, mut extension, mut practitioner) =
        (list("name"), list("extension"), list("generalPractitioner"));
    telecom.insert(0, json!({ "system": "phone", "value": "(03) 5555 6473", "use": "work" }));
    telecom.push(json!({ "system": "url", "value": "https://a.example", "period": { "start": "2020" } }));
    address.push(json!({
        "line": ["1 High St"],
        "district": "Middlesex",
        "extension": [{
            "url": "http://hl7.org/fhir/StructureDefinition/geolocation",
            "extension": [{ "url": "latitude", "valueDecimal": 42.10 }, { "url": "longitude", "valueDecimal": -71 }],
        }],
    }));
    identifier.push(json!({
        "use": "official",
        "type": {
            "coding": [{ "system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "DL", "display": "Driver" }],
            "text": "Licence",
        },
        "system": "https://a.example/dl",
        "value": "S99",
        "period": { "end": "2030-01" },
        "assigner": { "display": "Registry" },
    }));
    identifier.push(json!({ "system": "http://hl7.org/fhir/sid/us-ssn", "value": "999" }));
    identifier.push(json!({
        "type": { "text": "EPI" },
        "system": "urn:oid:1.2.3.4",
        "value": "E1",
        "assigner": { "reference": "Organization/1", "display": "General" },
    }));
    identifier.push(json!({
        "type": {
            "coding": [
                { "system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MR" },
                { "system": "http://a.example/types", "code": "MRN", "display": "Number" },
            ],
        },
        "value": "M2",
        "assigner": { "reference": "Organization/2" },
    }));
    identifier.push(json!({
        "type": { "coding": [{ "system": "http://a.example/types", "code": "X" }], "text": "x" },
        "system": "https://a.example/x",
        "value": "X1",
    }));
    name.push(json!({ "use": "maiden", "text": "Ana", "family": "Li", "period": { "end": "2001-02-03T04:05:06Z" } }));
    name.push(json!({ "family": "Li", "given": ["Ana"], "text": "Ana Li" }));
    extension.insert(0, json!({ "url": "http://a.example/daly", "valueDecimal": 1.5 }));
    extension.push(json!({ "url": "http://a.example/flag", "valueBoolean": true }));
    extension.push(json!({
        "url": "http://hl7.org/fhir/StructureDefinition/patient-religion",
        "valueCodeableConcept": {
            "coding": [{
                "system": "http://terminology.hl7.org/CodeSystem/v3-ReligiousAffiliation",
                "code": "1013",
                "display": "Christian",
            }],
            "text": "christian",
        },
    }));
    practitioner.insert(0, json!({ "reference": "Organization/3", "display": "Clinic" }));
    for (name, list) in [
        ("telecom", telecom),
        ("address", address),
        ("identifier", identifier),
        ("name", name),
        ("extension", extension),
        ("generalPractitioner", practitioner),
    ] {
        patient[name] = Value::Array(list);
    }
    patient
}

/// Changes something somewhere: a text, a member that goes, comes twice or changes its place.
fn mutate(patient: &mut Value, dice: &mut impl Iterator<Item = u8>) {
    let mut places = Vec::new();
    collect(patient, String::new(), &mut places);
    let mut roll = |sides: usize| {
        let high = usize::from(dice.next().unwrap_or(0));
        (high << 8 | usize::from(dice.next().unwrap_or(0))) % sides.max(1)
    };
    let place = &places[roll(places.len())];
    let kind = roll(8);
    let Some(target) = patient.pointer_mut(place) else { return };
    match target {
        Value::String(text) => {
            let pieces = [
                "",
                " ",
                "|^~\\&",
                "\"\"",
                "a b",
                "x, y",
                "\u{1F600}",
                "\r\n",
                "é",
                "official",
                "work",
                "old",
                "temp",
                "2020-02-30",
                "2020-01-01T10:00:00.12345Z",
                "1999",
                "urn:oid:1.2",
                "URN:OID:1.2",
                "HL70002",
                "Jr.",
                "MD",
                "U",
                "N",
                "http://x y",
                "sms",
                "other",
                "unknown",
                "+1 617 555 0147",
                "UNK",
                "2106-3",
                "urn:oid:2.16.840.1.113883.4.1",
                "SSA",
                "FW",
                "en",
                "EN-us",
                "zz",
                "text",
                "detailed",
            ];
            let piece = pieces[roll(pieces.len())];
            if kind < 3 { text.push_str(piece) } else { piece.clone_into(text) }
        }
        Value::Array(list) if !list.is_empty() => {
            let (from, to) = (roll(list.len()), roll(list.len()));
            match kind {
                0 => list.swap(from, to),
                1 => list.push(list[from].clone()),
                2 => drop(list.remove(from)),
                3 => list.push(Value::Null),
                4 => list.clear(),
                _ => list.insert(to, list[from].clone()),
            }
        }
        Value::Object(members) => {
            let names: Vec<String> = members.keys().cloned().collect();
            let name = names.get(roll(names.len())).cloned().unwrap_or_default();
            match kind {
                0 => drop(members.insert("id".to_owned(), json!("x1"))),
                1 => drop(
                    members.insert("extension".to_owned(), json!([{ "url": "http://x", "valueCode": "y" }])),
                ),
                2 => {
                    drop(members.insert("period".to_owned(), json!({ "start": "2020-01-01T00:00:00+00:00" })))
                }
                3 => drop(members.insert("use".to_owned(), json!("old"))),
                4 => drop(members.insert(name, Value::Null)),
                _ => drop(members.remove(&name)),
            }
        }
        other => {
            *other = [json!(false), json!(7), json!("x"), json!([]), json!({}), json!(1.50)][kind % 6].clone()
        }
    }
}

fn collect(value: &Value, path: String, places: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members.iter().filter(|(name, _)| *name != "resourceType") {
                collect(member, format!("{path}/{}", name.replace('~', "~0").replace('/', "~1")), places);
            }
        }
        Value::Array(members) => {
            for (index, member) in members.iter().enumerate() {
                collect(member, format!("{path}/{index}"), places);
            }
        }
        _ => {}
    }
    if !path.is_empty() {
        places.push(path);
    }
}

#[test]
fn the_worked_examples_go_both_ways_alike() {
    for mapper in &*MAPPERS {
        for patient in [
            rich(),
            example("examples/1-create.request.json"),
            example("examples/2-update.request.json"),
            example("examples/4-merge.request.json"),
        ] {
            for interaction in [Interaction::Create, Interaction::Update, Interaction::Delete] {
                assert_same(mapper, &patient, interaction);
            }
        }
    }
}

/// Else the two ways that are compared would be one.
#[test]
fn the_rich_patient_is_ordinary() {
    let json = serde_json::to_vec(&*RICH).expect("JSON");
    let write = JsonWrite { json: &json, interaction: Interaction::Update, stamp: None, read_back: true };
    let context = MappingContext { patient_id: RICH["id"].as_str().expect("an id"), ..context() };
    for mapper in &MAPPERS[..4] {
        assert!(mapper.ordinary_to_adt(&write, &context).is_some());
    }
}

#[test]
fn the_corpus_goes_both_ways_alike() {
    let mapper = mapper_with(json!({}));
    let folder = format!("{}/tests/corpus/fhir-patients", env!("CARGO_MANIFEST_DIR"));
    let mut count = 0;
    for entry in fs::read_dir(folder).expect("the corpus") {
        let Ok(patient) = serde_json::from_slice(&fs::read(entry.expect("a file").path()).expect("a file"))
        else {
            continue;
        };
        assert_same(&mapper, &patient, Interaction::Update);
        count += 1;
    }
    assert!(count > 100, "{count}");
}

#[test]
fn a_server_stamps_what_it_was_given() {
    let mapper = mapper_with(json!({}));
    let given =
        json!({ "resourceType": "Patient", "id": "other", "meta": { "versionId": "3" }, "gender": "male" });
    // The second is not ordinary.
    for given in [given.clone(), {
        let mut given = given;
        given["extension"] = json!([{ "url": "http://a.example", "valueUri": "http://b.example" }]);
        given
    }] {
        let json = serde_json::to_vec(&given).expect("JSON");
        let time = "2024-05-06T07:08:09.1Z";
        let write = JsonWrite {
            json: &json,
            interaction: Interaction::Update,
            stamp: Some(VersionStamp { last_updated: time, version_id: None, shown_as: None }),
            read_back: true,
        };
        let conversion = mapper.patient_json_to_adt(&write, &context()).expect("accepted");
        assert!(conversion.messages[0].er7.contains("EVN||20240506070809.1+0000"));
        let read: Value = serde_json::from_slice(&conversion.read_back.expect("a reading")).expect("JSON");
        assert_eq!(
            read,
            json!({ "resourceType": "Patient", "id": "p-1", "meta": { "lastUpdated": time }, "gender": "male" })
        );

        let stamp = VersionStamp { last_updated: time, version_id: Some("7"), shown_as: Some("7 of ours") };
        let write = JsonWrite { stamp: Some(stamp), ..write };
        let named = mapper.patient_json_to_adt(&write, &context()).expect("accepted");
        let mut stamped = serde_json::from_slice::<Value>(&json).expect("JSON");
        stamped["id"] = "p-1".into();
        stamped["meta"] = json!({ "versionId": "7", "lastUpdated": time });
        let long = mapper.patient_to_adt(&stamped, Interaction::Update, &context()).expect("accepted");
        assert_eq!(named.messages, long.messages);
        assert_ne!(named.messages[0].control_id, conversion.messages[0].control_id);
        let read: Value = serde_json::from_slice(&named.read_back.expect("a reading")).expect("JSON");
        assert_eq!(read["meta"], json!({ "versionId": "7 of ours", "lastUpdated": time }));
    }
}

#[test]
fn what_is_not_json_is_said_to_be_so() {
    let write =
        JsonWrite { json: b"{\"a\":", interaction: Interaction::Update, stamp: None, read_back: false };
    let refused = mapper_with(json!({})).patient_json_to_adt(&write, &context());
    assert!(matches!(refused, Err(JsonError::NotJson(_))));
}

fn cases(cases: u32) -> Config {
    Config {
        cases,
        failure_persistence: Some(Box::new(FileFailurePersistence::Off)),
        max_shrink_iters: 20_000,
        ..Config::default()
    }
}

proptest! {
    #![proptest_config(cases(1_000))]

    #[test]
    fn generated_patients_go_both_ways_alike(bytes in vec(any::<u8>(), 0..400), free in any::<bool>()) {
        let content = if free { Content::Free } else { Content::Lossless };
        assert_same(&MAPPERS[0], &patient(&bytes, content), Interaction::Update);
    }
}

proptest! {
    #![proptest_config(cases(1_500))]

    #[test]
    fn nearly_ordinary_patients_go_both_ways_alike(bytes in vec(any::<u8>(), 4..40), settings in 0..4_usize) {
        let mut patient = RICH.clone();
        let mut dice = bytes.into_iter();
        while dice.len() >= 8 {
            mutate(&mut patient, &mut dice);
        }
        assert_same(&MAPPERS[settings], &patient, Interaction::Update);
    }
}
