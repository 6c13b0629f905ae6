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

#[test]
fn gap_5_a_repetition_is_shown_with_its_components_as_repetitions() {
    let message = format!("{HEADER}\rPID|1||A^B\r");
    let parsed = hl7_parser::Message::parse(&message).unwrap();
    let field = parsed.segment("PID").unwrap().field(3).unwrap();
    assert_eq!(field.repeat(1).unwrap().display(&parsed.separators).to_string(), "A~B");
    let text = Text::from_text(&message).unwrap();
    let message = text.parse().unwrap();
    assert_eq!(message.segment("PID").unwrap().field(3).repetition(1).raw(), "A^B");
}

#[test]
fn gap_6_a_message_that_is_rebuilt_is_escaped_twice() {
    let message = format!("{HEADER}\rPID|1||A\\T\\B\r");
    let parsed = hl7_parser::Message::parse(&message).unwrap();
    let rebuilt = hl7_parser::builder::MessageBuilder::from(&parsed).to_string();
    assert!(rebuilt.contains("A\\E\\T\\E\\B"), "{rebuilt}");
    // We never rebuild: what was read is kept as text, and what is written comes from plain values.
    let text = Text::from_text(&message).unwrap();
    let message = text.parse().unwrap();
    let value = message.segment("PID").unwrap().field(3).text().unwrap().into_owned();
    let mut pid = hl7v2::build::SegmentBuilder::new("PID");
    pid.set(3, value);
    assert_eq!(hl7v2::build::encode([&pid], &hl7v2::Separators::default()), "PID|||A\\T\\B\r");
}

#[test]
fn gap_7_and_8_a_segment_without_fields_and_the_last_carriage_return() {
    let mut builder = hl7_parser::builder::MessageBuilder::new(hl7_parser::message::Separators::default());
    builder.push_segment(hl7_parser::builder::SegmentBuilder::new("PD1"));
    assert_eq!(builder.to_string(), "PD1", "neither a field separator nor a carriage return");
    let pv1 = hl7v2::build::SegmentBuilder::new("PV1");
    assert!(hl7v2::build::encode([&pv1], &hl7v2::Separators::default()).ends_with('\r'));
    assert_eq!(ours(&format!("{HEADER}\rPD1\rPV1|1")), Ok(3), "and it is read");
}

#[test]
fn gap_10_a_cursor_is_counted_in_bytes() {
    let message = format!("{HEADER}\rPID|1||éé|Z\r");
    let characters = message.chars().position(|c| c == 'Z').unwrap();
    let parsed = hl7_parser::Message::parse(&message).unwrap();
    let located = parsed.locate_cursor(characters).unwrap();
    assert_ne!(located.field.map(|(number, _)| number), Some(4), "a character offset drifts");
    // Places are named, not counted: a location is segment, field, repetition, component.
    let text = Text::from_text(&message).unwrap();
    let message = text.parse().unwrap();
    assert_eq!(message.segment("PID").unwrap().field(4).text().as_deref(), Some("Z"));
}

#[test]
fn gap_12_line_breaks_are_hexadecimal_and_a_break_sequence_is_read_as_a_line_feed() {
    let separators = hl7_parser::message::Separators::default();
    assert_eq!(separators.encode("a\nb").to_string(), "a\\X0A\\b");
    assert_eq!(decoded_by_parser("a\\.br\\b").ok().as_deref(), Some("a\rb"), "a carriage return");
    assert_eq!(decoded_by_us("a\\.br\\b"), "a\nb");
}
