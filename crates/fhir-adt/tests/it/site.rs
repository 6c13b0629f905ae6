//! What a site decides itself: fields left out and filled, segments of its own, code rows. The round trip holds with it.

use fhir_adt::{Interaction, JsonWrite, Mapper, MappingConfig, MappingContext};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::subsequence;
use proptest::test_runner::{Config, FileFailurePersistence};
use serde_json::{Value, json};

use crate::fixture::{Sent, context, convert, mapper_with, members_of, patient, read_with, sent_with};
use crate::generate::{self, Content};
use crate::normal_form::{normal_form, without_empty};

/// Every kind of place that can be left out.
const PLACES: [&str; 24] = [
    "PID-1", "PID-6", "PID-7", "PID-8", "PID-10", "PID-11", "PID-13", "PID-14", "PID-15", "PID-16", "PID-17",
    "PID-19", "PID-22", "PID-23", "PID-24", "PID-25", "PID-26", "PID-29", "PID-30", "PID-33", "PD1", "PD1-4",
    "NK1", "NK1-2",
];

/// Constants, code rows and a segment that change nothing of what is carried.
fn decided() -> Value {
    json!({
        "constants": {
            "MSH-8": "token", "EVN-4": "01", "PID-18": "7^^^HOSP&1.2.3&ISO~8", "PID-31": "N",
            "PD1-12": "Y", "PV1-2": "I", "PV1-44": "20240101",
        },
        "codes": [
            { "table": "0001", "code": "male", "v2": "1" },
            { "table": "0001", "code": "female", "v2": "2" },
        ],
        "z_segments": [{ "name": "ZPI", "fields": { "2": "birthDate", "1": "id" } }],
    })
}

fn example() -> Value {
    json!({
        "gender": "male",
        "birthDate": "1974-12-25",
        "name": [{ "use": "official", "family": "Example", "given": ["Anna"] }],
        "maritalStatus": { "coding": [{
            "system": "http://terminology.hl7.org/CodeSystem/v3-MaritalStatus", "code": "M",
        }] },
        "extension": [{ "url": "http://example.org/ward", "valueString": "7 | West" }],
    })
}

#[test]
fn a_field_that_is_left_out_is_told_and_nothing_else_changes() {
    let (whole, sent) =
        (sent_with(json!({}), example()), sent_with(json!({ "omit": ["PID-16"] }), example()));
    assert_eq!(sent.field("PID", 16), "");
    let lines = sent.message().split('\r').zip(whole.message().split('\r'));
    for (sent, whole) in lines.filter(|(sent, _)| !sent.starts_with("PID")) {
        assert_eq!(sent, whole);
    }
    for field in (1..=40).filter(|field| *field != 16) {
        assert_eq!(sent.field("PID", field), whole.field("PID", field), "PID-{field}");
    }
    let issue = sent.issues.iter().find(|issue| issue.expression == "Patient.maritalStatus").expect("told");
    assert_eq!((issue.severity.as_str(), issue.code.as_str()), ("information", "not-supported"));
    assert_eq!(issue.diagnostics, "12: PID-16 is left out by the configuration");
    assert_eq!(sent.issues.len(), whole.issues.len() + 1);
}

#[test]
fn a_field_without_content_can_be_left_out_and_nothing_is_told() {
    let (whole, sent) =
        (sent_with(json!({}), example()), sent_with(json!({ "omit": ["PID-19", "NK1"] }), example()));
    assert_eq!((sent.message(), sent.told()), (whole.message(), whole.told()));
}

#[test]
fn a_segment_that_is_left_out_is_not_there() {
    let contact = json!({ "contact": [{ "name": { "family": "Example" } }] });
    let keys = json!({ "omit": ["NK1"], "update_mode": "null" });
    let sent = sent_with(keys, contact);
    assert!(!sent.segments().contains(&"NK1"), "{}", sent.message());
    assert!(sent.tells("information", "Patient.contact[0]"), "{:?}", sent.issues);
}

#[test]
fn what_is_left_out_travels_in_the_residue() {
    let keys = json!({ "omit": ["PID-8"], "residue": "zfp" });
    let sent = sent_with(keys.clone(), example());
    assert_eq!(members_of(read_with(&mapper_with(keys), sent.message())), example());
    let issue = sent.issues.iter().find(|issue| issue.expression == "Patient.gender").expect("told");
    assert_eq!(issue.diagnostics, "12: PID-8 is left out by the configuration; carried in ZFP");
}

#[test]
fn a_constant_stands_in_every_message_as_it_was_given() {
    let mapper = mapper_with(decided());
    for interaction in [Interaction::Create, Interaction::Update, Interaction::Delete] {
        let sent = convert(&mapper, &patient(example()), interaction, &context()).expect("accepted");
        for (segment, field, value) in [
            ("EVN", 4, "01"),
            ("PID", 18, "7^^^HOSP&1.2.3&ISO~8"),
            ("PID", 31, "N"),
            ("PV1", 2, "I"),
            ("PV1", 44, "20240101"),
        ] {
            assert_eq!(sent.field(segment, field), value, "{segment}-{field} of {interaction:?}");
        }
        // The only message of a delete has no PD1.
        let expected = if interaction == Interaction::Delete { "" } else { "Y" };
        let pd1 = sent.message().split('\r').find(|line| line.starts_with("PD1"));
        assert_eq!(pd1.and_then(|line| line.split('|').nth(12)).unwrap_or_default(), expected);
    }
}

#[test]
fn constants_leave_the_short_way_open() {
    let constants = json!({ "constants": decided()["constants"] });
    let (with, without) = (mapper_with(constants), mapper_with(json!({})));
    let json = serde_json::to_vec(&patient(example())).expect("JSON");
    let write = JsonWrite { json: &json, interaction: Interaction::Update, stamp: None, read_back: true };
    let converted = |mapper: &Mapper| mapper.patient_json_to_adt(&write, &context()).expect("accepted");
    let (with, without) = (converted(&with), converted(&without));
    assert_eq!(with.read_back, without.read_back);
    assert_eq!(with.report, without.report);
    assert!(with.messages[0].er7.contains("|token|"));
}

#[test]
fn a_segment_of_the_site_says_what_its_paths_find() {
    let ward = "extension('http://example.org/ward').valueString";
    let fields = json!({ "1": ward, "3": "gender", "4": "photo[0].title", "10": "name[0].given[0]" });
    let sent = sent_with(json!({ "z_segments": [{ "name": "ZPI", "fields": fields }] }), example());
    assert_eq!(sent.segments().last(), Some(&"ZPI"));
    assert!(sent.message().ends_with("\rZPI|7 \\F\\ West||male|||||||Anna\r"), "{}", sent.message());
    let issue = sent.issues.iter().find(|issue| issue.expression == "Patient.extension[0]").expect("told");
    assert!(issue.diagnostics.ends_with("; sent in ZPI-1, which is not read back"), "{}", issue.diagnostics);
    let nothing = json!({ "z_segments": [{ "name": "ZPI", "fields": { "1": "photo.title" } }] });
    assert!(!sent_with(nothing, example()).segments().contains(&"ZPI"));
}

#[test]
fn the_provenance_names_what_the_site_decided() {
    let mapper = mapper_with(decided()).traced();
    let sent = mapper.patient_to_adt(&patient(example()), Interaction::Update, &context()).expect("accepted");
    let from = |place: &str| {
        let value = sent.provenance().iter().find(|value| value.location.to_string() == place);
        value.map(|value| (value.expression.as_str(), value.rule))
    };
    assert_eq!(from("ZPI-2"), Some(("Patient.birthDate", "12")));
    assert_eq!(from("PV1-2"), Some(("", "12")));
}

#[test]
fn a_local_code_reads_back_as_the_code_of_fhir() {
    let sent = sent_with(decided(), example());
    assert_eq!(sent.field("PID", 8), "1");
    assert_eq!(members_of(read_with(&mapper_with(decided()), sent.message()))["gender"], "male");
    // What is written with a row of one direction reads back as the other row says, and that is told.
    let one_way = json!({ "codes": [
        { "table": "0001", "code": "female", "v2": "F" },
        { "table": "0001", "code": "other", "v2": "F", "direction": "to_v2" },
    ] });
    let sent = sent_with(one_way, json!({ "gender": "other" }));
    assert_eq!(sent.told(), [("information", "incomplete", "Patient.gender")]);
}

#[test]
fn everything_that_is_wrong_is_said_at_once_with_what_was_meant() {
    let keys = json!({
        "codes": [
            { "table": "0001", "code": "mal", "v2": "1" },
            { "table": "0001", "code": "female", "v2": "2" },
            { "table": "0001", "code": "other", "v2": "2" },
            { "table": "0001", "code": "female", "v2": "3", "direction": "to_v2" },
            { "table": "0002", "code": "M", "v2": "1" },
        ],
        "omit": ["PDI-19", "PID-3", "PID-41", "PV1-2", "PID", "PID-8"],
        "constants": { "PID-8": "M", "PV1-2": "a|b", "PD1": "x", "MSH-3": "x", "PD1-12": "" },
        "z_segments": [
            { "name": "ZFP", "fields": { "1": "gender" } },
            { "name": "ZPI", "fields": { "0": "gendr" } },
            { "name": "ZPI", "fields": {} },
        ],
    });
    let config: MappingConfig = serde_json::from_value(keys).expect("readable");
    let said: Vec<String> =
        Mapper::new(config).expect_err("refused").problems.iter().map(ToString::to_string).collect();
    let expected = [
        "message.codes[0].code: is not a code of the element; did you mean `male`?",
        "message.codes[2].v2: is read as the code of an earlier row; direction = \"to_v2\" where that is meant",
        "message.codes[3].code: has an earlier row that writes it",
        "message.codes[4].system: must be set: the element is a coding",
        "message.omit[0]: names no segment; did you mean `PID-19`?",
        "message.omit[1]: is needed by every receiver",
        "message.omit[2]: names no field; PID-1 to PID-40 are",
        "message.omit[3]: cannot be left out: fields of PID, PD1 and NK1 can",
        "message.omit[4]: is needed; its fields can be left out",
        "message.constants.\"MSH-3\": is written by the mapping; see the other settings of [message]",
        "message.constants.\"PD1\": names a segment; a constant is one field",
        "message.constants.\"PD1-12\": must be a value without | and control characters",
        "message.constants.\"PID-8\": is a field that the mapping writes or reads",
        "message.constants.\"PV1-2\": must be a value without | and control characters",
        "message.z_segments[0].name: is Z and two capital letters or digits, and not ZFP",
        "message.z_segments[1].fields.\"0\": is no field: 1 to 99 are",
        "message.z_segments[1].fields.\"0\": has an element `gendr` that R4 does not have there; did you mean `gender`?",
        "message.z_segments[2].name: is the name of an earlier entry",
        "message.z_segments[2].fields: must not be empty",
    ];
    assert_eq!(said, expected);
}

fn write(mapper: &Mapper, patient: &Value) -> Sent {
    let id = patient["id"].as_str().unwrap_or_default();
    convert(mapper, patient, Interaction::Update, &MappingContext { patient_id: id, ..context() })
        .unwrap_or_else(|issues| panic!("refused: {issues:?}\n{patient:#}"))
}

fn losses(sent: &Sent) -> usize {
    sent.issues.iter().filter(|issue| issue.code != "too-long").count()
}

fn tidy(value: &Value) -> Value {
    without_empty(value).unwrap_or_default()
}

fn without_control_id(er7: &str) -> String {
    let (header, rest) = er7.split_once('\r').unwrap_or((er7, ""));
    let fields: Vec<&str> =
        header.split('|').enumerate().map(|(n, field)| if n == 9 { "" } else { field }).collect();
    format!("{}\r{rest}", fields.join("|"))
}

proptest! {
    #![proptest_config(Config {
        cases: 1_000,
        failure_persistence: Some(Box::new(FileFailurePersistence::Off)),
        ..Config::default()
    })]

    #[test]
    fn rt_1_constants_and_codes_change_nothing_of_what_comes_back(bytes in vec(any::<u8>(), 0..400)) {
        let (mapper, given) = (mapper_with(decided()), generate::patient(&bytes, Content::Lossless));
        let sent = write(&mapper, &given);
        prop_assert_eq!(losses(&sent), 0, "{:?}\n{:#}\n{}", sent.told(), given, sent.message());
        prop_assert_eq!(tidy(&read_with(&mapper, sent.message())), tidy(&given), "{}", sent.message());
    }

    #[test]
    fn rt_3_4_5_hold_whatever_is_left_out(
        bytes in vec(any::<u8>(), 0..400),
        places in subsequence(PLACES.to_vec(), 0..PLACES.len()),
    ) {
        let mut keys = decided();
        keys["omit"] = json!(places);
        if places.contains(&"PD1") {
            keys["constants"].as_object_mut().expect("a table").remove("PD1-12");
        }
        let (mapper, given) = (mapper_with(keys), generate::patient(&bytes, Content::Free));
        let first = write(&mapper, &given);
        let once = read_with(&mapper, first.message());
        let same = tidy(&normal_form(&given)) == tidy(&once);
        prop_assert_eq!(losses(&first) == 0, same, "{:?}\ngiven {:#}\nread {:#}\n{}", first.told(), given, once, first.message());
        let second = write(&mapper, &once);
        prop_assert_eq!(losses(&second), 0, "{:?}\n{:#}\n{}", second.told(), once, first.message());
        prop_assert_eq!(read_with(&mapper, second.message()), once, "{}", first.message());
        // ZPI-2 holds what PID-7 does; EVN-2 is of the time that PID-33 holds.
        if !places.contains(&"PID-7") && !places.contains(&"PID-33") {
            prop_assert_eq!(without_control_id(second.message()), without_control_id(first.message()), "{:#}", given);
        }
    }
}
