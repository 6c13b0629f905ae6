//! Section 4.5: ContactPoint and XTN.

use serde_json::{Value, json};

use crate::fixture::{
    Sent, back, back_with, comes_back, definition, foreign, members_of, read, read_pid, sent, sent_with,
};

fn telecom(points: Value) -> Value {
    json!({ "telecom": points })
}

fn one(point: Value) -> Sent {
    sent(telecom(json!([point])))
}

fn phone(value: &str) -> Value {
    json!({"system": "phone", "value": value})
}

fn read_13(field: &str) -> Value {
    read_pid(&[(3, "1"), (13, field)])["telecom"][0].clone()
}

#[test]
fn tel_1_work_goes_to_field_14() {
    let sent = sent(telecom(json!([
        {"system": "phone", "value": "111", "use": "home"}, {"system": "phone", "value": "222", "use": "work"},
        {"system": "phone", "value": "333"}, {"system": "fax", "value": "444", "use": "work"}
    ])));
    assert_eq!(sent.field("PID", 13), "^PRN^PH^^^^^^^^^111~^^PH^^^^^^^^^333");
    assert_eq!(sent.field("PID", 14), "^WPN^PH^^^^^^^^^222~^WPN^FX^^^^^^^^^444");
    let contact = crate::fixture::sent(
        json!({"contact": [{"telecom": [{"system": "phone", "value": "222", "use": "work"}, phone("333")]}]}),
    );
    assert_eq!(
        (contact.field("NK1", 5), contact.field("NK1", 6)),
        ("^^PH^^^^^^^^^333".to_owned(), "^WPN^PH^^^^^^^^^222".to_owned())
    );
}

#[test]
fn tel_2_a_missing_system_is_inferred() {
    for (value, system) in [
        ("a@b.org", "email"),
        ("https://a.org/x", "url"),
        ("555 123", "phone"),
        ("call me", "other"),
        ("12", "other"),
    ] {
        assert_eq!(
            back(telecom(json!([{"value": value}]))),
            telecom(json!([{"system": system, "value": value}])),
            "{value}"
        );
        assert_eq!(one(json!({"value": value})).told(), [], "{value}");
    }
}

#[test]
fn tel_3_equipment_type() {
    for (system, code) in [("phone", "PH"), ("fax", "FX"), ("pager", "BP")] {
        assert_eq!(
            one(json!({"system": system, "value": "5"})).field("PID", 13),
            format!("^^{code}^^^^^^^^^5")
        );
    }
    assert_eq!(
        one(json!({"system": "phone", "use": "mobile", "value": "5"})).field("PID", 13),
        "^PRN^CP^^^^^^^^^5"
    );
    assert_eq!(one(json!({"system": "other", "value": "5"})).field("PID", 13), "^^^^^^^^^^^5");
    let sms = one(json!({"system": "sms", "value": "5"}));
    assert_eq!(sms.field("PID", 13), "^PRN^CP^^^^^^^^^5");
    assert!(sms.tells("information", "Patient.telecom[0]"));
    let newer = json!({"version": "2.7"});
    assert_eq!(
        sent_with(newer.clone(), telecom(json!([{"system": "phone", "use": "mobile", "value": "5"}])))
            .field("PID", 13),
        "^PRS^CP^^^^^^^^^5"
    );
    let other = sent_with(newer, telecom(json!([{"system": "other", "value": "5"}])));
    assert_eq!(other.field("PID", 13), "^^PH^^^^^^^^^5");
    assert!(other.tells("information", "Patient.telecom[0]"));
}

#[test]
fn tel_4_use_code() {
    assert_eq!(one(json!({"system": "email", "value": "a@b"})).field("PID", 13), "^NET^Internet^a@b");
    assert_eq!(
        one(json!({"system": "email", "value": "a@b", "use": "home"})).field("PID", 13),
        "^PRN^Internet^a@b"
    );
    assert_eq!(one(json!({"system": "url", "value": "http://a"})).field("PID", 13), "^NET^Internet^http://a");
    let net = sent_with(
        json!({"email_use_code": "net"}),
        telecom(json!([{"system": "email", "value": "a@b", "use": "home"}])),
    );
    assert_eq!(net.field("PID", 13), "^NET^Internet^a@b");
    assert!(net.tells("information", "Patient.telecom[0].use"));
}

#[test]
fn tel_5_a_value_goes_to_one_place() {
    assert_eq!(one(json!({"system": "email", "value": "a@b"})).field("PID", 13).split('^').count(), 4);
    let odd = one(phone("see a@b.org"));
    assert_eq!(odd.field("PID", 13), "^^PH^^^^^^^^^see a@b.org");
    let old = sent_with(json!({"version": "2.4"}), telecom(json!([phone("5")])));
    assert_eq!(old.field("PID", 13), "5^^PH");
    assert_eq!(
        back_with(json!({"version": "2.4"}), telecom(json!([phone("5")]))),
        telecom(json!([phone("5")]))
    );
}

#[test]
fn tel_6_parts_only_when_certain() {
    for (value, field) in [
        ("+1 (617) 555-0147 x12", "^^PH^^1^617^5550147^12^^^^+1 (617) 555-0147 x12"),
        ("+1 617 555 0147;ext=9", "^^PH^^1^617^5550147^9^^^^+1 617 555 0147;ext=9"),
        ("+33 (237) 998327", "^^PH^^33^^237998327^^^^^+33 (237) 998327"),
        ("+44 (0)20 7946 0000", "^^PH^^^^^^^^^+44 (0)20 7946 0000"),
        ("617 555 0147", "^^PH^^^^^^^^^617 555 0147"),
        ("+1 117 555 0147", "^^PH^^^^^^^^^+1 117 555 0147"),
        ("+999 1234567890", "^^PH^^^^^^^^^+999 1234567890"),
        ("+49 030 123456", "^^PH^^^^^^^^^+49 030 123456"),
    ] {
        assert_eq!(one(phone(value)).field("PID", 13), field, "{value}");
        comes_back(telecom(json!([phone(value)])));
    }
    let nanp = sent_with(json!({"default_country": "US"}), telecom(json!([phone("617-555-0147")])));
    assert_eq!(nanp.field("PID", 13), "^^PH^^^617^5550147^^^^^617-555-0147");
}

#[test]
fn tel_7_extensions_override_the_split() {
    let point = json!({"system": "phone", "value": "+1 617 555 0147", "extension": [
        {"url": definition("contactpoint-country"), "valueString": "1"},
        {"url": definition("contactpoint-area"), "valueString": "61"},
        {"url": definition("contactpoint-local"), "valueString": "75550147"},
        {"url": definition("contactpoint-extension"), "valueString": "3"},
        {"url": definition("contactpoint-comment"), "valueString": "after six"}]});
    assert_eq!(one(point.clone()).field("PID", 13), "^^PH^^1^61^75550147^3^after six^^^+1 617 555 0147");
    comes_back(telecom(json!([point])));
}

#[test]
fn tel_8_a_dead_number_is_not_sent() {
    let old =
        telecom(json!([{"system": "phone", "use": "old", "value": "5", "period": {"end": "2001-01-01"}}]));
    let withheld = sent(old.clone());
    assert_eq!(withheld.field("PID", 13), "");
    assert_eq!(withheld.told(), [("warning", "not-supported", "Patient.telecom[0]")]);
    let newer = sent_with(json!({"version": "2.7"}), old);
    assert!(newer.field("PID", 13).ends_with("^5^^20010101"), "{}", newer.field("PID", 13));
    let without_end = sent_with(
        json!({"version": "2.7"}),
        telecom(json!([{"system": "phone", "use": "old", "value": "5"}])),
    );
    assert_eq!(without_end.field("PID", 13), "");
}

#[test]
fn tel_9_temporary_has_no_code() {
    let temp = one(json!({"system": "phone", "use": "temp", "value": "5"}));
    assert_eq!(temp.field("PID", 13), "^^PH^^^^^^^^^5");
    assert_eq!(temp.told(), [("information", "not-supported", "Patient.telecom[0].use")]);
}

#[test]
fn tel_10_rank_and_period_are_told_before_2_6() {
    let points = telecom(
        json!([{"system": "phone", "value": "5", "rank": 2, "period": {"start": "2001"}}, {"system": "phone", "value": "6", "rank": 1}]),
    );
    let old = sent(points.clone());
    assert_eq!(old.field("PID", 13), "^^PH^^^^^^^^^5~^^PH^^^^^^^^^6");
    let places: Vec<&str> = old.told().iter().map(|told| told.2).collect();
    assert_eq!(places, ["Patient.telecom[0].period", "Patient.telecom[0].rank", "Patient.telecom[1].rank"]);
    assert_eq!(sent_with(json!({"version": "2.6"}), points.clone()).told(), []);
    assert_eq!(back_with(json!({"version": "2.6"}), points.clone()), points);
}

#[test]
fn tel_11_without_value_nothing_is_sent() {
    let none = one(json!({"system": "phone", "use": "home"}));
    assert_eq!(none.field("PID", 13), "");
    assert!(none.tells("information", "Patient.telecom[0]"));
}

#[test]
fn tel_12_the_mirror_for_old_receivers() {
    let mirrored = sent_with(json!({"xtn1_mirror": true}), telecom(json!([phone("5")])));
    assert_eq!(mirrored.field("PID", 13), "5^^PH^^^^^^^^^5");
    assert_eq!(
        back_with(json!({"xtn1_mirror": true}), telecom(json!([phone("5")]))),
        telecom(json!([phone("5")]))
    );
}

#[test]
fn tel_21_where_the_value_is_read() {
    assert_eq!(read_13("x^^Internet^a@b")["value"], json!("a@b"));
    assert_eq!(read_13("x^^^a@b")["value"], json!("a@b"));
    assert_eq!(read_13("111^^PH^^^^^^^^^222")["value"], json!("222"));
    assert_eq!(read_13("111^^PH")["value"], json!("111"));
    assert_eq!(read_13("^^PH^^1^617^5550147^12")["value"], json!("+1 617 5550147 X12"));
}

#[test]
fn tel_22_the_system_that_is_read() {
    let system = |field: &str| read_13(field)["system"].clone();
    assert_eq!(system("^^Internet^a@b"), json!("email"));
    assert_eq!(system("^^Internet^http://a.org"), json!("url"));
    assert_eq!(system("^^X.400^a@b"), json!("email"));
    assert_eq!(system("^^^a@b"), json!("email"));
    assert_eq!(system("111^BPN"), json!("pager"));
    assert_eq!(system("111"), json!("phone"));
    for (code, expected) in [
        ("PH", "phone"),
        ("FX", "fax"),
        ("BP", "pager"),
        ("CP", "phone"),
        ("MD", "other"),
        ("TDD", "other"),
        ("TTY", "other"),
    ] {
        assert_eq!(system(&format!("111^^{code}")), json!(expected), "{code}");
    }
    comes_back(telecom(json!([{"system": "other", "value": "telegram"}])));
}

#[test]
fn tel_23_the_use_that_is_read() {
    let read = read_pid(&[(3, "1"), (13, "111~222^^CP~333^WPN"), (14, "444~555^PRN")]);
    let uses: Vec<&Value> = read["telecom"].as_array().unwrap().iter().map(|point| &point["use"]).collect();
    assert_eq!(uses, ["home", "mobile", "work", "work", "home"]);
    let own = foreign(
        "2.5.1",
        &[
            &format!("PID|1||{}||||||||||^^PH^^^^^^^^^111|^^PH^^^^^^^^^222", crate::fixture::LOGICAL_ID),
            "PV1|1|N",
        ],
    );
    assert_eq!(
        members_of(read_of(&own)),
        telecom(json!([phone("111"), {"system": "phone", "value": "222", "use": "work"}]))
    );
}

fn read_of(er7: &str) -> Value {
    read(er7)
}

#[test]
fn tel_24_parts_that_say_nothing_new_are_not_extensions() {
    assert_eq!(read_13("^^PH^^1^617^5550147^^^^^+1 617 555 0147").get("extension"), None);
    let other = read_13("^^PH^^1^61^75550147^^^^^+1 617 555 0147");
    let urls: Vec<&Value> =
        other["extension"].as_array().unwrap().iter().map(|extension| &extension["url"]).collect();
    assert_eq!(
        urls,
        [
            &json!(definition("contactpoint-country")),
            &json!(definition("contactpoint-area")),
            &json!(definition("contactpoint-local"))
        ]
    );
}

#[test]
fn tel_25_order_of_the_fields() {
    let read = read_pid_28(&[(3, "1"), (13, "1~2"), (14, "3"), (40, "4^^PH")]);
    let values: Vec<&Value> =
        read["telecom"].as_array().unwrap().iter().map(|point| &point["value"]).collect();
    assert_eq!(values, ["1", "2", "3", "4"]);
}

fn read_pid_28(fields: &[(usize, &str)]) -> Value {
    crate::fixture::read_pid_of("2.8", fields)
}
