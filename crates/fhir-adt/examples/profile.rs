//! One operation of the benchmark, many times, for a profiler:
//! `valgrind --tool=callgrind target/release/examples/profile to-adt 1000`, or `… to-adt 10 100` for a Patient that is 100
//! times as long.
#![expect(clippy::expect_used, reason = "a tool for developers")]

#[path = "../benches/conversion/subject.rs"]
mod subject;
#[path = "../benches/conversion/typed.rs"]
mod typed;

use std::hint::black_box;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let operation = arguments.next().expect("an operation");
    let mut number = |or: usize| arguments.next().and_then(|number| number.parse().ok()).unwrap_or(or);
    let (times, longer) = (number(1000), number(1));
    let mapper = subject::mapper();
    let subject = subject::Subject::new(&mapper, longer);
    for _ in 0..times {
        match operation.as_str() {
            "typed" => {
                black_box(serde_json::from_slice::<typed::Patient<'_>>(&subject.json).expect("JSON"));
            }
            "to-adt" => {
                black_box(subject::to_adt(&mapper, &subject.json));
            }
            "write" => {
                black_box(subject::write(&mapper, &subject.json));
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
