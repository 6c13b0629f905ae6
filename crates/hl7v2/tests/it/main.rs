//! Integration tests of the `hl7v2` crate.

mod parser_gaps;
mod views;
