//! Section 4.3: HumanName and XPN.

use serde_json::{Value, json};

use crate::fixture::{back, back_with, comes_back, definition, read_pid, read_pid_of, sent, sent_with};

fn names(names: Value) -> Value {
    json!({ "name": names })
}

fn pid_5(name: Value) -> String {
    sent(names(json!([name]))).field("PID", 5)
}

#[test]
fn nm_1_a_part_with_spaces_is_sent_and_told() {
    let name = json!({"family": "A", "given": ["B", "C D"], "prefix": ["Rev. Dr."], "suffix": ["of York"]});
    let sent = sent(names(json!([name])));
    assert_eq!(sent.field("PID", 5), "A^B^C D^^Rev. Dr.^^U^^^^^^^of York");
    for part in ["given", "prefix", "suffix"] {
        assert!(sent.tells("information", &format!("Patient.name[0].{part}")), "{part}: {:?}", sent.told());
    }
    comes_back(names(json!([{"family": "A", "given": ["Anna Maria"]}])));
}

#[test]
fn nm_2_current_official_names_come_first() {
    let given = names(json!([
        {"use": "usual", "family": "U"}, {"use": "official", "family": "Past", "period": {"end": "2001"}},
        {"use": "official", "family": "O1"}, {"use": "maiden", "family": "M"}, {"use": "official", "family": "O2"}
    ]));
    let families = |field: String| -> Vec<String> {
        field.split('~').map(|name| name.split('^').next().unwrap_or_default().to_owned()).collect()
    };
    assert_eq!(families(sent(given.clone()).field("PID", 5)), ["O1", "O2", "U", "Past", "M"]);
    assert_eq!(sent(given).told(), []);
}

#[test]
fn nm_3_no_usable_name() {
    assert_eq!(sent(json!({})).field("PID", 5), "^^^^^^U");
    assert_eq!(back(json!({})), json!({}));
    let absent = json!({"extension": [{"url": definition("data-absent-reason"), "valueCode": "unknown"}]});
    assert_eq!(pid_5(absent), "^^^^^^U");
}

#[test]
fn nm_4_old_and_temporary_have_no_code_before_2_7() {
    for name_use in ["old", "temp"] {
        let given = names(json!([{"use": name_use, "family": "A"}]));
        let told = sent(given.clone());
        assert_eq!(told.field("PID", 5), "A^^^^^^U");
        assert_eq!(told.told(), [("information", "not-supported", "Patient.name[0].use")], "{name_use}");
        let newer = sent_with(json!({"version": "2.7"}), given.clone());
        assert_eq!(
            newer.field("PID", 5),
            format!("A^^^^^^{}", if name_use == "old" { "NOUSE" } else { "TEMP" })
        );
        assert_eq!(back_with(json!({"version": "2.7"}), given.clone()), given);
    }
}

#[test]
fn nm_5_suffixes_may_go_where_older_receivers_look() {
    let name = json!([{"family": "A", "suffix": ["Jr.", "MD"]}]);
    let sent = sent_with(json!({"degree_component": "6"}), names(name.clone()));
    assert_eq!(sent.field("PID", 5), "A^^^Jr.^^MD^U");
    assert_eq!(back_with(json!({"degree_component": "6"}), names(name.clone())), names(name));
}

#[test]
fn all_parts_come_back() {
    comes_back(names(json!([{
        "use": "official", "family": "van Hentenryck", "given": ["Karen", "L.", "M."], "prefix": ["Dr.", "h.c."],
        "suffix": ["III", "PhD", "MD"], "period": {"start": "2001-02-03", "end": "2002"},
        "_family": {"extension": [
            {"url": definition("humanname-own-prefix"), "valueString": "van"},
            {"url": definition("humanname-own-name"), "valueString": "Hentenryck"},
            {"url": definition("humanname-partner-prefix"), "valueString": "de"},
            {"url": definition("humanname-partner-name"), "valueString": "Vries"}]},
        "extension": [
            {"url": definition("humanname-assembly-order"), "valueCode": "F"},
            {"url": definition("iso21090-EN-representation"), "valueCode": "IDE"}]
    }])));
}

#[test]
fn a_text_that_says_the_parts_again_is_silent_and_another_is_told() {
    let parts = json!({"prefix": ["Dr."], "given": ["A"], "family": "B", "text": "Dr. A B"});
    assert_eq!(sent(names(json!([parts]))).told(), []);
    let other = json!({"given": ["A"], "family": "B", "text": "Mister B"});
    assert_eq!(
        sent(names(json!([other]))).told(),
        [("information", "not-supported", "Patient.name[0].text")]
    );
    let alone = sent(names(json!([{"text": "Mister B"}])));
    assert_eq!(alone.field("PID", 5), "Mister B^^^^^^U");
    assert!(alone.tells("information", "Patient.name[0]"));
}

#[test]
fn foreign_names_are_read_by_their_version() {
    let read = |version: &str, field: &str| read_pid_of(version, &[(3, "1"), (5, field)])["name"].clone();
    assert_eq!(
        read("2.5.1", "Roe^^Jane Q^^^^L"),
        json!([{"use": "official", "family": "Roe", "given": ["Jane", "Q"]}])
    );
    assert_eq!(read("2.5.1", "Roe^^^^^MD,PhD^^^^^^^^FACS")[0]["suffix"], json!(["MD", "PhD", "FACS"]));
    assert_eq!(
        read("2.4", "Roe^^^^^^^^^20010101&20020101")[0]["period"],
        json!({"start": "2001-01-01", "end": "2002-01-01"})
    );
    assert_eq!(read("2.8", "Roe^Jane^^^^^L^^^^^^^^Jay")[1], json!({"use": "nickname", "given": ["Jay"]}));
    assert_eq!(
        read_pid(&[(3, "1"), (5, "Roe^Jane"), (9, "Doe^J^^^^^N")])["name"][1],
        json!({"use": "nickname", "family": "Doe", "given": ["J"]})
    );
}
