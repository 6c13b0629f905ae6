//! One operation of the benchmark, many times, for a profiler:
//! `valgrind --tool=callgrind target/release/examples/profile to-adt 1000`.
#![expect(clippy::expect_used, reason = "a tool for developers")]

#[path = "../benches/conversion/subject.rs"]
mod subject;
#[path = "../benches/conversion/typed.rs"]
mod typed;

use std::hint::black_box;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let operation = arguments.next().expect("an operation");
    let times: usize = arguments.next().and_then(|times| times.parse().ok()).unwrap_or(1000);
    let mapper = subject::mapper();
    let subject = subject::Subject::new(&mapper, 1);
    for _ in 0..times {
        match operation.as_str() {
            "typed" => {
                black_box(serde_json::from_slice::<typed::Patient<'_>>(&subject.json).expect("JSON"));
            }
            "to-adt" => {
                black_box(subject::to_adt(&mapper, &subject.json));
            }
            "parse" => {
                black_box(hl7_parser::Message::parse(&subject.er7).expect("a message"));
            }
            _ => {
                black_box(subject::to_json(&mapper, &subject.er7));
            }
        }
    }
}
