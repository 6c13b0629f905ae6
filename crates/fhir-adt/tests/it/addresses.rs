//! Section 4.4: Address and XAD; 4.1: dates.

use serde_json::{Value, json};

use crate::fixture::{back, comes_back, definition, read_pid, read_pid_of, sent, sent_with};

fn address(address: Value) -> Value {
    json!({ "address": [address] })
}

#[test]
fn all_parts_come_back() {
    comes_back(address(json!({
        "use": "home", "line": ["Hauptstraße 5", "c/o Lee"], "city": "Ulm", "state": "BW", "postalCode": "89073",
        "country": "DE", "district": "Mitte", "period": {"start": "2001-01-01", "end": "2002-02-02T10:00:00+01:00"},
        "_line": [{"extension": [{"url": definition("iso21090-ADXP-streetName"), "valueString": "Hauptstraße"},
            {"url": definition("iso21090-ADXP-houseNumber"), "valueString": "5"}]}, null]
    })).clone());
}

#[test]
fn a_use_comes_before_a_type() {
    assert_eq!(sent(address(json!({"type": "postal", "city": "A"}))).field("PID", 11), "^^A^^^^M");
    comes_back(address(json!({"type": "postal", "city": "A"})));
    let both = sent(address(json!({"use": "home", "type": "postal", "city": "A"})));
    assert_eq!(both.field("PID", 11), "^^A^^^^H");
    assert_eq!(both.told(), [("information", "not-supported", "Patient.address[0].type")]);
    let newer =
        sent_with(json!({"version": "2.7"}), address(json!({"use": "home", "type": "postal", "city": "A"})));
    assert_eq!(newer.told(), []);
}

#[test]
fn billing_has_no_code_before_2_7() {
    let billing = address(json!({"use": "billing", "city": "A"}));
    assert_eq!(sent(billing.clone()).field("PID", 11), "^^A^^^^M");
    assert!(sent(billing.clone()).tells("information", "Patient.address[0].use"));
    let newer = sent_with(json!({"version": "2.7"}), billing);
    assert_eq!((newer.field("PID", 11), newer.told()), ("^^A^^^^BI".to_owned(), vec![]));
}

#[test]
fn further_lines_are_joined_and_told() {
    let lines = sent(address(json!({"line": ["1", "2", "3", "4"]})));
    assert_eq!(lines.field("PID", 11), "1^2, 3, 4");
    assert_eq!(lines.told(), [("information", "incomplete", "Patient.address[0].line")]);
}

#[test]
fn foreign_addresses() {
    let read = |field: &str| read_pid(&[(3, "1"), (11, field)])["address"][0].clone();
    assert_eq!(read("^Second"), json!({"line": ["Second"]}));
    assert_eq!(read("&High Street&7"), read("&High Street&7^^^"));
    assert_eq!(read("&High Street&7")["line"], json!(["High Street 7"]));
    assert_eq!(read("1^^City^^^^^^County"), json!({"line": ["1"], "city": "City", "district": "County"}));
    assert_eq!(
        read_pid_of("2.4", &[(3, "1"), (11, "1^^^^^^^^^^^2001&2002")])["address"][0]["period"],
        json!({"start": "2001", "end": "2002"})
    );
    let county = read_pid(&[(3, "1"), (11, "1^^City"), (12, "County")]);
    assert_eq!(county["address"][0]["district"], json!("County"));
}

#[test]
fn country_goes_through_unless_configured() {
    let us = address(json!({"country": "US"}));
    assert_eq!(sent(us.clone()).field("PID", 11), "^^^^^US");
    assert_eq!(sent_with(json!({"country": "alpha3"}), us).field("PID", 11), "^^^^^USA");
}

#[test]
fn a_birth_place_is_not_a_residence() {
    let place = |value: Value| json!({"extension": [{"url": definition("patient-birthPlace"), "valueAddress": value}]});
    let structured = sent(place(json!({"city": "Boston", "state": "MA", "country": "US"})));
    assert_eq!(structured.field("PID", 23), "Boston, MA, US");
    assert_eq!(structured.field("PID", 11), "^^Boston^MA^^US^N");
    let text = sent(place(json!({"text": "Boston"})));
    assert_eq!((text.field("PID", 23), text.field("PID", 11)), ("Boston".to_owned(), String::new()));
    for value in [json!({"text": "Boston"}), json!({"city": "Boston", "country": "US"})] {
        comes_back(place(value));
    }
    assert_eq!(sent_with(json!({"birthplace_xad": false}), place(json!({"city": "B"}))).field("PID", 11), "");
}

#[test]
fn dates_keep_their_precision_and_offset() {
    for (date, field) in [("1980", "1980"), ("1980-05", "198005"), ("1980-05-06", "19800506")] {
        assert_eq!(sent(json!({"birthDate": date})).field("PID", 7), field);
        comes_back(json!({"birthDate": date}));
    }
    for (time, field) in [
        ("2024-03-02T14:05:09.120-05:00", "20240302140509.120-0500"),
        ("2024-03-02T14:05:09Z", "20240302140509+0000"),
        ("2024-03-02", "20240302"),
    ] {
        let sent = sent(json!({"deceasedDateTime": time}));
        assert_eq!((sent.field("PID", 29), sent.field("PID", 30)), (field.to_owned(), "Y".to_owned()));
        comes_back(json!({"deceasedDateTime": time}));
    }
    let cut = sent(json!({"deceasedDateTime": "2024-03-02T14:05:09.123456Z"}));
    assert_eq!(cut.field("PID", 29), "20240302140509.1234+0000");
    assert!(cut.tells("information", "Patient.deceasedDateTime"));
}

#[test]
fn a_birth_time_goes_with_its_own_date_only() {
    let with = |time: &str| {
        json!({"birthDate": "1980-05-06",
        "_birthDate": {"extension": [{"url": definition("patient-birthTime"), "valueDateTime": time}]}})
    };
    assert_eq!(sent(with("1980-05-06T07:08:09+02:00")).field("PID", 7), "19800506070809+0200");
    comes_back(with("1980-05-06T07:08:09+02:00"));
    let other = sent(with("1980-05-07T07:08:09+02:00"));
    assert_eq!(other.field("PID", 7), "19800506");
    assert!(!other.told().is_empty());
}

#[test]
fn foreign_dates() {
    let died = |field: &str| read_pid(&[(3, "1"), (29, field)])["deceasedDateTime"].clone();
    assert_eq!(died("202403021405-0500"), json!("2024-03-02T14:05:00-05:00"));
    assert_eq!(died("2024030214"), json!("2024-03-02"));
    assert_eq!(died("20240302140509"), json!("2024-03-02T14:05:09Z"), "offset of MSH-7");
    assert_eq!(died("20240302140509-0500^D"), json!("2024-03-02"));
    for wrong in ["20241302", "20240230", "x", "20240302250000", "123"] {
        assert_eq!(died(wrong), Value::Null, "{wrong}");
    }
    assert_eq!(
        read_pid(&[(3, "1"), (7, "19800506000000")]),
        json!({"identifier": [{"value": "1"}], "birthDate": "1980-05-06"})
    );
}

#[test]
fn death_and_birth_order_are_read_with_care() {
    assert_eq!(read_pid(&[(3, "1"), (30, "N")])["deceasedBoolean"], json!(false));
    assert_eq!(read_pid(&[(3, "1"), (29, "20240302"), (30, "N")])["deceasedDateTime"], json!("2024-03-02"));
    assert_eq!(read_pid(&[(3, "1"), (24, "N"), (25, "2")])["multipleBirthBoolean"], json!(false));
    assert_eq!(read_pid(&[(3, "1"), (25, "2")])["multipleBirthInteger"], json!(2));
    for members in [
        json!({"multipleBirthBoolean": true}),
        json!({"multipleBirthInteger": 3}),
        json!({"deceasedBoolean": false}),
        json!({"deceasedBoolean": true}),
    ] {
        comes_back(members);
    }
    assert_eq!(back(json!({"multipleBirthInteger": 3})), json!({"multipleBirthInteger": 3}));
}
