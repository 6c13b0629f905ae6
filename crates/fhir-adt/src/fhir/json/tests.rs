use proptest::prelude::*;
use serde_json::Value;

use crate::fhir::{Json, Patient, Read as _};

const EXAMPLE: &str = include_str!("../../../tests/examples/2-update.request.json");

fn read(text: &str) -> Option<Patient<'_>> {
    let mut json = Json::new(text);
    let mut patient = Patient::default();
    patient.read(&mut json)?;
    json.end()?;
    Some(patient)
}

/// What is read is what `serde_json` reads, of a text that is JSON.
#[track_caller]
fn assert_true(text: &str, patient: &Patient<'_>) {
    let value: Value = serde_json::from_str(text).expect(text);
    assert!(Patient::of(&value).as_ref() == Some(patient), "{text}");
}

#[test]
fn a_patient_is_read_as_from_a_value() {
    let compact = serde_json::from_str::<Value>(EXAMPLE).unwrap().to_string();
    for text in [EXAMPLE, &compact, &EXAMPLE.replace('\n', "\r\n\t ")] {
        assert_true(text, &read(text).unwrap());
    }
}

#[test]
fn escape_sequences_are_read() {
    let text = r#"{"id":"1","text":{"div":"<a href=\"x\">\u00e9\ud83d\ude00\\\n\/</a>"}}"#;
    let patient = read(text).unwrap();
    assert_true(text, &patient);
    assert_eq!(patient.text.unwrap().div.unwrap(), "<a href=\"x\">é😀\\\n/</a>");
}

#[test]
fn numbers_keep_their_digits() {
    let text =
        r#"{"multipleBirthInteger":-2,"extension":[{"url":"u","valueDecimal":1.50e+2}],"active":false}"#;
    let patient = read(text).unwrap();
    assert_true(text, &patient);
    assert_eq!(patient.extension[0].value_decimal.as_ref().unwrap().to_string(), "1.50e+2");
}

#[test]
fn every_surprise_is_one() {
    for text in [
        "",
        "{}",
        "[]",
        "null",
        r#"{"id":"1"} x"#,
        r#"{"id":"1",}"#,
        r#"{"id":"1""#,
        r#"{"id":"1}"#,
        r#"{"id":""}"#,
        r#"{"id":null}"#,
        r#"{"id":1}"#,
        r#"{"id":"1","id":"1"}"#,
        r#"{"i\u0064":"1"}"#,
        r#"{"photo":[]}"#,
        r#"{"name":[]}"#,
        r#"{"name":[{}]}"#,
        r#"{"name":[{"given":[null]}]}"#,
        r#"{"name":[{"given":["a",]}]}"#,
        r#"{"meta":{}}"#,
        r#"{"contained":[{"id":"1"}]}"#,
        r#"{"active":truex}"#,
        r#"{"active":"true"}"#,
        r#"{"multipleBirthInteger":01}"#,
        r#"{"multipleBirthInteger":1.0}"#,
        r#"{"multipleBirthInteger":+1}"#,
        r#"{"extension":[{"url":"u","valueDecimal":1.}]}"#,
        r#"{"id":"\ud83d"}"#,
        r#"{"id":"\x"}"#,
        "{\"id\":\"a\tb\"}",
        "{\"id\":\"long enough for eight\u{1f}\"}",
        "{\u{a0}\"id\":\"1\"}",
    ] {
        assert!(read(text).is_none(), "{text}");
    }
}

#[test]
fn what_is_nested_deeply_is_a_surprise() {
    let open = r#"{"extension":["#.repeat(100_000);
    assert!(read(&open).is_none());
}

proptest! {
    /// Whatever happens to the text: what is read, `serde_json` reads as well, and as the same.
    #[test]
    fn what_is_read_is_true(
        changes in proptest::collection::vec((0..3000_usize, 0..3_u8, 0..24_usize), 1..4),
    ) {
        const PIECES: [char; 24] = [
            '"', '\\', '{', '}', '[', ']', ':', ',', ' ', '\n', '\t', '\u{1}', '\u{1f}', '\u{7f}', '\u{a0}', 'é', '😀',
            'u', 'n', '0', '-', '.', 'e', 't',
        ];
        let mut text: Vec<char> = EXAMPLE.chars().collect();
        for (at, kind, piece) in changes {
            let at = at % text.len();
            match kind {
                0 => text.insert(at, PIECES[piece]),
                1 => text[at] = PIECES[piece],
                _ => drop(text.remove(at)),
            }
        }
        let text: String = text.into_iter().collect();
        if let Some(patient) = read(&text) {
            assert_true(&text, &patient);
        }
    }
}
