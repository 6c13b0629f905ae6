//! How often a conversion allocates, and how much. Counted in a process of its own, so that no other test's allocations are.
#![expect(clippy::expect_used, reason = "a test may stop where it stands")]

use std::fs;

use fhir_adt::{Interaction, JsonWrite, Mapper, MappingConfig, MappingContext};

fn allocations(operation: impl FnMut()) -> u64 {
    allocation_counter::measure(operation).count_total
}

fn example(name: &str) -> String {
    fs::read_to_string(format!("{}/tests/examples/{name}", env!("CARGO_MANIFEST_DIR"))).expect("an example")
}

fn context() -> MappingContext<'static> {
    MappingContext {
        receipt_time: "2024-03-02T19:05:10Z".parse().expect("a time"),
        request_id: "r-1",
        patient_id: "p-204",
        destination: "default",
        lookup: None,
        previous: None,
    }
}

#[test]
fn a_conversion_allocates_rarely() {
    let mapper = Mapper::new(MappingConfig::default()).expect("the defaults are valid");
    let (json, context) = (example("2-update.request.json"), context());
    let write =
        JsonWrite { json: json.as_bytes(), interaction: Interaction::Update, stamp: None, read_back: false };
    // Tables that are made on first use are made here.
    mapper.patient_json_to_adt(&write, &context).expect("valid input");
    let there = allocations(|| {
        mapper.patient_json_to_adt(&write, &context).expect("valid input");
    });
    let er7 = example("2-update.a31.hl7").replace('\n', "\r");
    let parser = allocations(|| {
        hl7_parser::Message::parse(&er7).expect("a message");
    });
    let back = allocations(|| {
        let text = hl7v2::Text::from_text(&er7).expect("a message");
        let read = mapper.adt_to_patient_json(&text).expect("our own message");
        std::hint::black_box(read);
    });
    println!("FHIR → ER7 {there}; ER7 → FHIR {back}; hl7-parser alone {parser}");
    assert!(there <= 35, "{there}");
    // The parser sees the fields with delimiters only.
    assert!(back <= 190 && back < parser, "{back}, {parser}");
}

/// What the parser makes of a long message does not fit the caches; it makes it of one repetition after the other.
#[test]
fn a_long_message_takes_a_fraction_of_what_its_parser_takes() {
    let identifiers = vec!["4711^^^SSA&2.16.840.1.113883.4.1&ISO^SS"; 1000].join("~");
    let er7 = format!("MSH|^~\\&|A|B|C|D|20240301||ADT^A28^ADT_A05|1|T|2.5.1\rPID|1||{identifiers}");
    let text = hl7v2::Text::from_text(&er7).expect("a message");
    let most = |operation: &dyn Fn()| allocation_counter::measure(operation).bytes_max;
    let message = most(&|| drop(std::hint::black_box(text.parse())));
    let parser = most(&|| drop(std::hint::black_box(hl7_parser::Message::parse(&er7))));
    println!("of {} bytes {message}; hl7-parser alone {parser}", er7.len());
    assert!(message < 8 * er7.len() as u64 && message < parser / 4, "{message}, {parser}");
}

/// The corpus collects oddities; that many of it go the short way of `Mapper::patient_json_to_adt`.
#[test]
fn patients_of_the_corpus_are_ordinary() {
    let mapper = Mapper::new(MappingConfig::default()).expect("the defaults are valid");
    let folder = format!("{}/tests/corpus/fhir-patients", env!("CARGO_MANIFEST_DIR"));
    let (mut ordinary, mut all) = (0, 0);
    for entry in fs::read_dir(folder).expect("the corpus") {
        let path = entry.expect("a file").path();
        let json = fs::read(&path).expect("a file");
        let patient: serde_json::Value = serde_json::from_slice(&json).unwrap_or_default();
        let Some(id) = patient["id"].as_str() else { continue };
        let context = MappingContext { patient_id: id, ..context() };
        let write =
            JsonWrite { json: &json, interaction: Interaction::Update, stamp: None, read_back: false };
        let short = allocations(|| drop(mapper.patient_json_to_adt(&write, &context)));
        let long = allocations(|| drop(mapper.patient_to_adt(&patient, Interaction::Update, &context)));
        all += 1;
        ordinary += u32::from(short < long);
    }
    println!("{ordinary} of {all} patients are ordinary");
    assert!(ordinary >= 36, "{ordinary} of {all}");
}
