//! What a conversion costs, beside what cannot be done without: `cargo bench -p fhir-adt`.
//!
//! Machines differ and are shared, so nothing is compared with a number from elsewhere: every row is a ratio of two
//! medians of one run, whose rounds alternate; time is what the thread runs. FHIR → ER7 is measured against one typed `serde_json` parse of the same
//! bytes, ER7 → FHIR against what `hl7-parser` alone takes for the same message. `tests/allocations.rs` counts the
//! allocations. `docs/explanation/performance.md` has the goals and the results.
#![expect(clippy::expect_used, reason = "a benchmark may stop where it stands")]
#![expect(clippy::print_stdout, reason = "the table is the result")]

mod subject;
mod typed;

use std::hint::black_box;

use subject::Subject;
use turns::medians;

fn main() {
    // `cargo test --all-targets` runs benchmarks too, and wants to know only that they run.
    let measured = std::env::args().any(|argument| argument == "--bench");
    let mapper = subject::mapper();
    let [one, ten, hundred] = [1, 10, 100].map(|times| Subject::new(&mapper, times));
    let typed = |subject: &Subject| {
        black_box(serde_json::from_slice::<typed::Patient<'_>>(&subject.json).expect("JSON"));
    };
    let parse = |subject: &Subject| {
        black_box(hl7_parser::Message::parse(&subject.er7).expect("a message"));
    };
    let to_adt = |subject: &Subject| {
        black_box(subject::to_adt(&mapper, &subject.json));
    };
    let to_json = |subject: &Subject| {
        black_box(subject::to_json(&mapper, &subject.er7));
    };
    let write = |subject: &Subject| {
        black_box(subject::write(&mapper, &subject.json));
    };
    let operations: [(&str, &dyn Fn()); 11] = [
        ("typed parse", &|| typed(&one)),
        ("FHIR → ER7", &|| to_adt(&one)),
        ("hl7-parser", &|| parse(&one)),
        ("ER7 → FHIR", &|| to_json(&one)),
        ("typed parse, 10 × longer", &|| typed(&ten)),
        ("FHIR → ER7, 10 × longer", &|| to_adt(&ten)),
        ("typed parse, 100 × longer", &|| typed(&hundred)),
        ("FHIR → ER7, 100 × longer", &|| to_adt(&hundred)),
        ("hl7-parser, 100 × longer", &|| parse(&hundred)),
        ("ER7 → FHIR, 100 × longer", &|| to_json(&hundred)),
        ("a write: ER7, and FHIR of it", &|| write(&one)),
    ];
    if !measured {
        operations.iter().for_each(|(_, operation)| operation());
        return;
    }
    let times = medians(&operations.map(|(_, operation)| operation));
    println!("| operation | median µs |\n| --- | --- |");
    for ((name, _), time) in operations.iter().zip(&times) {
        println!("| {name} | {:.2} |", time * 1e6);
    }
    let lengths = |subject: &Subject| subject.json.len() as f64 / one.json.len() as f64;
    println!("\n| ratio | is |\n| --- | --- |");
    for (name, ratio) in [
        ("FHIR → ER7 / typed parse", times[1] / times[0]),
        ("ER7 → FHIR / hl7-parser", times[3] / times[2]),
        ("FHIR → ER7 / typed parse, 10 × longer", times[5] / times[4]),
        ("FHIR → ER7 / typed parse, 100 × longer", times[7] / times[6]),
        ("ER7 → FHIR / hl7-parser, 100 × longer", times[9] / times[8]),
        ("JSON bytes, 100 × longer / 1 ×", lengths(&hundred)),
        ("FHIR → ER7, 100 × longer / 1 ×", times[7] / times[1]),
        ("ER7 → FHIR, 100 × longer / 1 ×", times[9] / times[3]),
        ("a write / typed parse", times[10] / times[0]),
    ] {
        println!("| {name} | {ratio:.2} |");
    }
}
