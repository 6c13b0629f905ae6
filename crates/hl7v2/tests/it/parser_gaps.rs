//! What `hl7_parser` 0.3.0 does with real input, and what this crate makes of it.
//!
//! Each test shows the parser's behaviour first: when an upgrade closes a gap, the test fails and the code that
//! works round it can go. The write-up for the maintainers is `docs/upstream/hl7-parser.md`.

use hl7v2::{ParseError, Text};

const HEADER: &str = "MSH|^~\\&|A|B|C|D|20240301||ADT^A28^ADT_A05|1|T|2.5.1";

fn ours(message: &str) -> Result<usize, ParseError> {
    Ok(Text::from_text(message)?.parse()?.segments().count())
}

fn theirs(message: &str) -> usize {
    hl7_parser::Message::parse(message).map_or(0, |message| message.segments.len())
}

fn decoded_by_parser(value: &'static str) -> std::thread::Result<String> {
    std::panic::catch_unwind(|| {
        let separators = hl7_parser::message::Separators::default();
        separators.decode(value).to_string()
    })
}

fn decoded_by_us(value: &str) -> String {
    hl7v2::unescape(value, &hl7v2::Separators::default(), hl7v2::Charset::Utf8).into_owned()
}

#[test]
fn gap_1_a_non_ascii_character_inside_an_escape_panics() {
    assert!(decoded_by_parser("\\é\\").is_err());
    assert_eq!(decoded_by_us("\\é\\"), "\\é\\");
}

#[test]
fn gap_1_a_non_ascii_character_before_an_escape_shifts_it() {
    assert_ne!(decoded_by_parser("é\\F\\x").ok().as_deref(), Some("é|x"));
    assert_eq!(decoded_by_us("é\\F\\x"), "é|x");
}

#[test]
fn gap_2_text_after_an_unclosed_escape_vanishes() {
    assert_ne!(decoded_by_parser("C:\\dir").ok().as_deref(), Some("C:\\dir"));
    assert_eq!(decoded_by_us("C:\\dir"), "C:\\dir");
}

#[test]
fn gap_2_hexadecimal_escapes_other_than_line_ends_are_not_read() {
    assert_ne!(decoded_by_parser("\\X41\\").ok().as_deref(), Some("A"));
    assert_eq!(decoded_by_us("\\X41\\"), "A");
}

#[test]
fn gap_3_line_feeds_end_the_message_silently() {
    let message = format!("{HEADER}\nPID|1\nPV1|1\n");
    assert_eq!(theirs(&message), 1);
    assert_eq!(ours(&message), Ok(3));
}

#[test]
fn gap_3_a_blank_line_ends_the_message_silently() {
    let message = format!("{HEADER}\rPID|1\r\rPV1|1\r");
    assert_eq!(theirs(&message), 2);
    assert_eq!(ours(&message), Ok(3));
}

#[test]
fn gap_3_a_segment_without_fields_ends_the_message_silently() {
    let message = format!("{HEADER}\rPD1\rPV1|1\r");
    assert_eq!(theirs(&message), 1);
    assert_eq!(ours(&message), Ok(3));
}

#[test]
fn gap_3_a_malformed_segment_ends_the_message_silently() {
    let message = format!("{HEADER}\rthis is not a segment\rPV1|1\r");
    assert_eq!(theirs(&message), 1);
    assert_eq!(ours(&message), Err(ParseError::InvalidSegment { segment: 2 }));
}

#[test]
fn gap_4_a_fifth_encoding_character_shifts_every_header_field() {
    let message = "MSH|^~\\&#|A|B|C|D|20240301||ADT^A28^ADT_A05|1|T|2.8\r";
    let parsed = hl7_parser::Message::parse(message).unwrap();
    assert_ne!(parsed.segment("MSH").unwrap().field(3).map(|field| field.raw_value()), Some("A"));
    let text = Text::from_text(message).unwrap();
    assert_eq!(text.parse().unwrap().header().version, "2.8");
}

#[test]
fn gap_9_a_segment_name_may_be_any_three_letters_of_any_script() {
    let message = format!("{HEADER}\rдом|1\r");
    assert_eq!(theirs(&message), 2);
    assert_eq!(ours(&message), Err(ParseError::InvalidSegment { segment: 2 }));
}

#[test]
fn gap_11_only_utf_8_is_read() {
    let mut bytes = format!("{HEADER}||||||8859/1\rPID|1||||").into_bytes();
    bytes.push(0xe9);
    assert!(std::str::from_utf8(&bytes).is_err());
    let text = Text::from_bytes(&bytes).unwrap();
    let message = text.parse().unwrap();
    assert_eq!(message.segment("PID").unwrap().field(5).text().as_deref(), Some("é"));
}

#[test]
fn gap_13_memory_grows_a_few_hundred_times_with_hostile_delimiters() {
    let delimiters = "|".repeat(1000);
    let message = format!("{HEADER}\rOBX{delimiters}\r");
    let parsed = hl7_parser::Message::parse(&message).unwrap();
    assert!(parsed.segment("OBX").unwrap().fields.len() >= 1000);
    let hostile = format!("{HEADER}\rOBX{}\r", "|".repeat(Text::MAX_SEPARATORS + 1));
    assert_eq!(ours(&hostile), Err(ParseError::TooManyFields));
}
