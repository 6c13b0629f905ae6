//! The views show what the parser sees, though it sees the fields with delimiters only.
#![expect(clippy::expect_used, reason = "a test may stop where it stands")]

use hl7v2::Text;
use proptest::collection::vec;
use proptest::prelude::*;

#[track_caller]
fn assert_as_parsed(er7: &str) {
    let text = Text::from_text(er7).expect("a message");
    let message = text.parse().expect("a message");
    let parsed = hl7_parser::Message::parse(text.as_str()).expect("a message");
    assert_eq!(message.segments().count(), parsed.segments.len());
    for (segment, expected) in message.segments().zip(&parsed.segments) {
        assert_eq!((segment.name(), segment.raw()), (expected.name, expected.raw_value()));
        for number in 0..expected.fields.len() + 2 {
            let (field, parsed) = (segment.field(number), at(&expected.fields, number));
            assert_eq!(field.raw(), parsed.map_or("", |parsed| parsed.raw_value()));
            let repeats = parsed.map(|parsed| parsed.repeats.as_slice()).unwrap_or_default();
            let written = if field.is_empty() { 0 } else { repeats.len() };
            assert_eq!(field.repetitions().count(), written);
            for number in 0..repeats.len() + 2 {
                let (repetition, parsed) = (field.repetition(number), at(repeats, number));
                assert_eq!(repetition.raw(), parsed.map_or("", |parsed| parsed.raw_value()));
                let components = parsed.map(|parsed| parsed.components.as_slice()).unwrap_or_default();
                if !repetition.is_empty() {
                    assert_eq!(repetition.len(), components.len());
                }
                for number in 0..components.len() + 2 {
                    let (component, parsed) = (repetition.component(number), at(components, number));
                    assert_eq!(component.raw(), parsed.map_or("", |parsed| parsed.raw_value()));
                    let leaves = parsed.map(|parsed| parsed.subcomponents.as_slice()).unwrap_or_default();
                    if !component.is_empty() {
                        assert_eq!(component.len(), leaves.len());
                    }
                    for number in 0..leaves.len() + 2 {
                        let leaf = at(leaves, number).map_or("", |leaf| leaf.value);
                        assert_eq!(component.subcomponent(number).raw(), leaf);
                    }
                }
            }
        }
    }
}

fn at<T>(list: &[T], number: usize) -> Option<&T> {
    list.get(number.checked_sub(1)?)
}

#[test]
fn a_header_alone_is_shown_as_parsed() {
    assert_as_parsed("MSH|^~\\&|A^B|\"\"|~|&");
    assert_as_parsed("MSH|^~\\&|\rMSH|^~\\&|A");
}

proptest! {
    #[test]
    fn every_view_is_what_the_parser_sees(
        header in r#"[|^~&\\"aé ]{0,30}"#,
        segments in vec(r#"[A-Z]{2}[A-Z0-9]\|[|^~&\\"aé ]{0,60}"#, 0..5),
    ) {
        assert_as_parsed(&format!("MSH|^~\\&|{header}\r{}", segments.join("\r")));
    }

    #[test]
    fn delimiters_of_any_kind_are_seen(segments in vec(r#"PID#[#$%!*|a]{0,60}"#, 0..3)) {
        assert_as_parsed(&format!("MSH#$%!*#a$b\r{}", segments.join("\r")));
    }
}
