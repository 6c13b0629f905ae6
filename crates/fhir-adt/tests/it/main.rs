//! The mapping against its specification: everything here goes through the public interface.
//!
//! | module | what it checks |
//! |---|---|
//! | `fixture` | a patient in, messages and read-back out: the few lines that every test needs |
//! | `rule_ids` | every rule of `tests/rule-ids.txt` has a test named after it |
//! | `examples` | the worked examples of the specification, byte for byte |
//! | `input`, `events`, `merge` | IN, the event table, MRG |
//! | `coded_values`, `names`, `addresses`, `telecom`, `identifiers`, `contacts`, `text` | CD, NM, TEL, ESC and the element map |
//! | `tables` | every row of `tables/*.csv`, in its direction |
//! | `normal_form` | B1 to B12, and an independent `B` for the round trip |
//! | `round_trip` | RT-1 to RT-5 over generated patients (`generate`), hostile text included |
//! | `ordinary` | the short way from bytes gives what the long way gives |
//! | `site` | fields and segments that a site decides, and the round trip with them |
//! | `corpus` | collected patients and messages under `tests/corpus`, with an independent `validity` check |
#![expect(
    clippy::expect_used,
    reason = "a test may stop where it stands; clippy allows it in #[test] functions only"
)]

mod addresses;
mod coded_values;
mod contacts;
mod corpus;
mod events;
mod examples;
mod fixture;
mod generate;
mod identifiers;
mod input;
mod merge;
mod names;
mod normal_form;
mod ordinary;
mod round_trip;
mod rule_ids;
mod site;
mod specification;
mod tables;
mod telecom;
mod text;
mod validity;
