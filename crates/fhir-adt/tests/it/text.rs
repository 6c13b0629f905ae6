//! Section 8: characters and explicit null.

use serde_json::{Value, json};

use crate::fixture::{
    comes_back, foreign, mapper, mapper_with, members_of, patient_in, read, read_pid, read_with, sent,
    sent_with,
};

fn family(text: &str) -> Value {
    json!({"name": [{"family": text}]})
}

fn written(text: &str) -> String {
    sent(family(text)).field("PID", 5).strip_suffix("^^^^^^U").expect("a name").to_owned()
}

fn read_name(field: &str) -> Value {
    read_pid(&[(3, "1"), (5, field)])["name"][0]["family"].clone()
}

#[test]
fn esc_1_delimiters_are_escaped_and_those_of_the_message_are_read() {
    assert_eq!(written(r"a|b^c&d~e\f"), r"a\F\b\S\c\T\d\R\e\E\f");
    comes_back(family(r"a|b^c&d~e\f \F\ \X0D\ \.br\"));
    let er7 = "MSH$%*!@$A$B$C$D$20240301093015+0000$$ADT%A31%ADT_A05$1$P$2.5.1\rPID$1$$1$$Ro|e%Ja@ne!T!!F!\r";
    let read = members_of(read(er7));
    assert_eq!(read["name"][0]["family"], json!("Ro|e"));
    assert_eq!(read["name"][0]["given"], json!(["Ja"]), "second subcomponent of XPN.2 is no given name");
}

#[test]
fn esc_2_control_characters_are_hexadecimal() {
    assert_eq!(
        written("a\rb\nc\r\nd\te\u{7f}f\u{b}g\u{1c}h\0i"),
        r"a\X0D\b\X0A\c\X0D0A\d\X09\e\X7F\f\X0B\g\X1C\h\X00\i"
    );
    for text in ["a\rb", "a\nb", "a\r\nb", "a\tb", "a\u{7f}b", "a\u{b}b", "a\u{1c}b", "a\u{1c}\rb"] {
        comes_back(family(text));
    }
}

#[test]
fn esc_3_sequences_that_are_read() {
    for (field, text) in [
        (r"\F\\S\\T\\R\\E\", r"|^&~\"),
        (r"a\X41\b", "aAb"),
        (r"\XC3A9\", "é"),
        (r"a\.br\b", "a\nb"),
        (r"\H\a\N\b", "ab"),
        (r"a\Zfoo\b", r"a\Zfoo\b"),
        (r"a\.sp2\b", r"a\.sp2\b"),
        (r"a\b", r"a\b"),
        (r"lone\", r"lone\"),
    ] {
        assert_eq!(read_name(field), json!(text), "{field}");
    }
}

#[test]
fn esc_4_two_quotes_are_not_a_delete() {
    assert_eq!(written("\"\""), r"\X2222\");
    comes_back(family("\"\""));
    comes_back(family("\"\"\""));
    comes_back(family("a\"\"b"));
}

#[test]
fn esc_5_all_code_points_go_raw_and_unchanged() {
    for text in [
        "\u{1F600}",
        "王小明",
        "Ελένη",
        "שרה",
        "علي",
        "สมชาย",
        "e\u{301}",
        "é",
        "\u{10FFFD}",
        "\u{FEFF}x",
        "\u{85}",
        "\u{2028}",
    ] {
        assert_eq!(written(text), text);
        comes_back(family(text));
    }
    let text = hl7v2::Text::from_bytes(format!("\u{FEFF}{}", foreign("2.5.1", &["PID|1||1||A"])).as_bytes())
        .unwrap();
    assert!(mapper().adt_to_patient(&text).is_ok());
}

#[test]
fn esc_6_a_smaller_charset_replaces_and_tells() {
    let latin = json!({"charset": "8859/1"});
    let name = sent_with(latin.clone(), family("é王"));
    assert_eq!(name.field("PID", 5), "é?^^^^^^U");
    assert_eq!(name.field("MSH", 18), "8859/1");
    assert!(name.tells("information", "Patient.name[0].family"), "{:?}", name.told());
    let ascii = sent_with(json!({"charset": "ASCII"}), family("é"));
    assert_eq!((ascii.field("PID", 5), ascii.field("MSH", 18)), ("?^^^^^^U".to_owned(), String::new()));
    let bytes =
        [b"MSH|^~\\&|A|B|C|D|20240301||ADT^A31^ADT_A05|1|P|2.5.1\rPID|1||1||Ren".as_slice(), b"\xE9\r"]
            .concat();
    let read = mapper().adt_to_patient(&hl7v2::Text::from_bytes(&bytes).unwrap()).unwrap();
    assert_eq!(patient_in(&read).unwrap()["name"][0]["family"], json!("René"));
}

#[test]
fn esc_7_nothing_trails_and_spaces_stay() {
    let er7 = sent(
        json!({"name": [{"family": " A ", "given": ["B"]}], "address": [{"city": "C"}], "gender": "male"}),
    );
    assert_eq!(er7.field("PID", 5), " A ^B^^^^^U");
    for line in er7.message().split('\r').filter(|line| !line.is_empty()) {
        assert!(!line.ends_with(['|', '^', '~', '&']), "{line}");
        for field in line.split('|').skip(2) {
            assert!(!field.ends_with(['^', '~', '&']), "{field}");
            assert!(!field.contains("&^") && !field.contains("^~"), "{field}");
        }
    }
    comes_back(family(" A "));
    comes_back(family(" "));
}

#[test]
fn esc_8_cr_ends_every_segment_and_lf_is_read_too() {
    let er7 = sent(family("A"));
    assert!(er7.message().ends_with('\r') && !er7.message().contains('\n'));
    let expected = read(er7.message());
    assert_eq!(read(&er7.message().replace('\r', "\n")), expected);
    assert_eq!(read(&er7.message().replace('\r', "\r\n")), expected);
}

#[test]
fn an_update_may_null_every_managed_field() {
    let null = json!({"update_mode": "null"});
    let sent = sent_with(null.clone(), json!({"gender": "male"}));
    for number in [6, 7, 10, 11, 13, 14, 15, 16, 17, 22, 23, 24, 25, 26, 28, 29, 30, 39] {
        assert_eq!(sent.field("PID", number), "\"\"", "PID-{number}");
    }
    assert_eq!(sent.field("PID", 8), "M");
    assert_eq!((sent.field("PD1", 3), sent.field("PD1", 4)), ("\"\"".to_owned(), "\"\"".to_owned()));
    assert!(sent.message().contains("\rNK1|1|\"\"\r"));
    assert_eq!(members_of(read_with(&mapper_with(null), sent.message())), json!({"gender": "male"}));
}

#[test]
fn a_null_is_read_as_absent() {
    let read = read_pid(&[(3, "1"), (5, "\"\"~Roe^\"\""), (8, "\"\""), (11, "\"\"^^\"\"^MA")]);
    assert_eq!(
        read,
        json!({"identifier": [{"value": "1"}], "name": [{"family": "Roe"}], "address": [{"state": "MA"}]})
    );
}
