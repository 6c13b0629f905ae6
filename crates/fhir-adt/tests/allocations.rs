//! How often a conversion allocates. Counted in a process of its own, so that no other test's allocations are.
#![expect(clippy::expect_used, reason = "a test may stop where it stands")]

use std::fs;

use fhir_adt::{Interaction, Mapper, MappingConfig, MappingContext};

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
    let there = allocations(|| {
        let patient = serde_json::from_str(&json).expect("JSON");
        mapper.patient_to_adt(&patient, Interaction::Update, &context).expect("valid input");
    });
    let er7 = example("2-update.a31.hl7").replace('\n', "\r");
    let parser = allocations(|| {
        hl7_parser::Message::parse(&er7).expect("a message");
    });
    let back = allocations(|| {
        let text = hl7v2::Text::from_text(&er7).expect("a message");
        let read = mapper.adt_to_patient(&text).expect("our own message");
        std::hint::black_box(read);
    });
    println!("FHIR → ER7 {there}; ER7 → FHIR {back}, of which hl7-parser {parser}");
    assert!(there <= 3000, "{there}");
    assert!(back - parser <= 1000, "{back} - {parser}");
}
