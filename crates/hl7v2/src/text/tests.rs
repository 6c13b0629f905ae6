use proptest::prelude::*;

use super::*;

const HEADER: &str = "MSH|^~\\&|A|B|C|D|20240301||ADT^A28^ADT_A05|1|T|2.5.1";

fn text(body: &str) -> Result<Text, ParseError> {
    Text::from_bytes(body.as_bytes())
}

#[test]
fn esc_8_reads_cr_lf_and_crlf_and_drops_blank_lines() {
    for end in ["\r", "\n", "\r\n", "\r\r", "\n\n"] {
        let text = text(&format!("{HEADER}{end}EVN||1{end}PID|1{end}")).unwrap();
        assert_eq!(text.as_str(), format!("{HEADER}\rEVN||1\rPID|1"), "{end:?}");
        assert_eq!(text.parse().unwrap().segments().count(), 3);
    }
}

#[test]
fn a_segment_without_a_field_separator_does_not_end_the_message() {
    let text = text(&format!("{HEADER}\rPD1\rPV1|1|N\r")).unwrap();
    let message = text.parse().unwrap();
    assert_eq!(message.segment("PV1").unwrap().field(2).text().as_deref(), Some("N"));
}

#[test]
fn five_encoding_characters_do_not_shift_the_fields() {
    let text = text("MSH|^~\\&#|A|B|C|D|20240301||ADT^A28|1|T|2.8\rPID|1||a\\P\\b\r").unwrap();
    let message = text.parse().unwrap();
    assert_eq!(message.segment("MSH").unwrap().field(12).text().as_deref(), Some("2.8"));
    assert_eq!(message.segment("PID").unwrap().field(3).text().as_deref(), Some("a#b"));
}

#[test]
fn rejects_what_is_not_one_message() {
    assert_eq!(text(""), Err(ParseError::NoHeader));
    assert_eq!(text("hello"), Err(ParseError::NoHeader));
    assert_eq!(text("FHS|^~\\&|\rBHS|^~\\&|\r"), Err(ParseError::Batch));
    assert_eq!(text(&format!("{HEADER}\rpid|1")), Err(ParseError::InvalidSegment { segment: 2 }));
    assert_eq!(text(&format!("{HEADER}\rEVN|\rété|1")), Err(ParseError::InvalidSegment { segment: 3 }));
    assert_eq!(text(&format!("{HEADER}\rOBX{}", "|".repeat(200_001))), Err(ParseError::TooManyFields));
}

#[test]
fn esc_5_a_byte_order_mark_is_removed() {
    assert!(text(&format!("\u{feff}{HEADER}\r")).is_ok());
}

#[test]
fn esc_6_the_charset_is_declared_or_guessed() {
    let latin = |msh_18: &str| {
        let mut bytes = format!("{HEADER}||||||{msh_18}\rPID|1||||").into_bytes();
        bytes.push(0xe9);
        Text::from_bytes(&bytes)
    };
    for known in ["8859/1", "8859/1~UNICODE", "", "ASCII"] {
        let text = latin(known).unwrap();
        assert_eq!(text.charset(), Charset::Latin1, "{known}");
        assert!(text.as_str().ends_with('é'));
    }
    assert!(matches!(latin("UNICODE UTF-8"), Err(ParseError::InvalidEncoding { .. })));
    assert_eq!(latin("ISO IR87"), Err(ParseError::UnsupportedCharset));
    assert_eq!(text(&format!("{HEADER}||||||ISO IR87\rPID|1||||é")).unwrap().charset(), Charset::Utf8);
}

#[test]
fn debug_shows_no_value() {
    assert_eq!(format!("{:?}", text(HEADER).unwrap()), "Text { bytes: 52, charset: Utf8 }");
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(text) = Text::from_bytes(&bytes) {
            prop_assert!(text.parse().is_ok());
        }
    }

    #[test]
    fn any_lines_after_a_header_are_all_kept_or_refused(lines in "([A-Z|^~&é\\\\\r\n]{0,60})") {
        let source = format!("{HEADER}\r{lines}");
        if let Ok(text) = Text::from_text(&source) {
            let expected = source.split(['\r', '\n']).filter(|line| !line.trim().is_empty()).count();
            prop_assert_eq!(text.parse().unwrap().segments().count(), expected);
        }
    }
}
