//! Section 7: every row of `tables/*.csv`, in its direction. A row that no rule here knows fails the test.

use serde_json::{Value, json};

use crate::fixture::{
    concept, definition, foreign, mapper_with, members_of, nth_field, read, read_pid_of, sent_with,
    terminology,
};
use crate::normal_form::{Row, rows};

impl Row {
    fn writes(&self) -> bool {
        self.direction != "to_fhir"
    }

    fn reads(&self) -> bool {
        self.direction != "to_v2"
    }

    /// A version in which the row holds.
    fn version(&self) -> &str {
        let limit = |word: &str| {
            self.note.split_once(word).map(|(_, rest)| rest.split([';', ' ']).next().unwrap_or(rest))
        };
        limit("min=").or_else(|| limit("max=").filter(|version| *version != "2.6")).unwrap_or("2.5.1")
    }
}

/// Field `number` of the segment after an update in the version of the row, as components of repetition one.
fn written(row: &Row, members: Value, segment: &str, number: usize) -> Vec<String> {
    let sent = sent_with(json!({"version": row.version()}), members);
    let field = nth_field(sent.message(), segment, 0, number);
    field.split('~').next().unwrap_or_default().split('^').map(str::to_owned).collect()
}

fn component(components: &[String], number: usize) -> &str {
    components.get(number - 1).map_or("", String::as_str)
}

/// A table of a coded field: the code alone is written to component one and read from it.
fn concepts(
    table: &str,
    segment: &str,
    number: usize,
    wrap: impl Fn(Value) -> Value,
    unwrap: impl Fn(Value) -> Value,
) {
    let mut seen = 0;
    for row in rows(table) {
        if row.fhir_code.contains('*') {
            continue;
        }
        seen += 1;
        if row.writes() {
            let fields = written(&row, wrap(concept(&row.fhir_system, &row.fhir_code, "")), segment, number);
            assert_eq!(component(&fields, 1), row.v2_code, "{table}: {row:?}");
        }
        if row.reads() {
            let mut fields = vec![String::new(); number + 1];
            fields[0] = segment.to_owned();
            fields[1] = "1".to_owned();
            fields[number].clone_from(&row.v2_code);
            let line = fields.join("|");
            let segments =
                if segment == "PID" { vec![line.as_str()] } else { vec!["PID|1||1", line.as_str()] };
            let read = unwrap(members_of(read(&foreign(row.version(), &segments))));
            let coding = &read["coding"][0];
            assert_eq!(coding["code"], json!(row.fhir_code), "{table}: {row:?} {read}");
            assert_eq!(coding["system"], json!(row.fhir_system), "{table}: {row:?}");
            if row.direction == "to_fhir" && row.note.contains("kept as second coding") {
                assert_eq!(read["coding"][1]["code"], json!(row.v2_code), "{table}: {row:?}");
            }
        }
    }
    assert!(seen > 10, "{table} is cut");
}

#[test]
fn marital_status() {
    concepts(
        "marital-status",
        "PID",
        16,
        |concept| json!({ "maritalStatus": concept }),
        |read| read["maritalStatus"].clone(),
    );
}

#[test]
fn religion() {
    let url = definition("patient-religion");
    concepts(
        "religion",
        "PID",
        17,
        |concept| json!({"extension": [{"url": url, "valueCodeableConcept": concept}]}),
        |read| read["extension"][0]["valueCodeableConcept"].clone(),
    );
}

#[test]
fn relationship_and_contact_role() {
    let wrap = |concept| json!({"contact": [{"relationship": [concept]}]});
    let unwrap = |read: Value| read["contact"][0]["relationship"][0].clone();
    concepts("relationship", "NK1", 3, wrap, unwrap);
    concepts("contact-role", "NK1", 7, wrap, unwrap);
}

#[test]
fn language() {
    concepts(
        "language",
        "PID",
        15,
        |concept| json!({"communication": [{"language": concept}]}),
        |read| read["communication"][0]["language"].clone(),
    );
}

#[test]
fn identifier_type() {
    for row in rows("identifier-type").filter(|row| !row.fhir_system.is_empty()) {
        let code = if row.v2_code == "NNxxx" { "NNGBR" } else { &row.v2_code };
        let identifier = json!({"identifier": [{"type": concept(&row.fhir_system, code, ""), "value": "1"}]});
        assert_eq!(component(&written(&row, identifier, "PID", 3), 5), code, "{row:?}");
        let read = read_pid_of(row.version(), &[(3, &format!("1^^^^{code}"))]);
        // Section 6.1: `U` stands for no type.
        let expected = if code == "U" { Value::Null } else { concept(&row.fhir_system, code, "") };
        assert_eq!(read["identifier"][0]["type"], expected, "{row:?}");
    }
}

/// Rows of a required code in one component of a field of PID.
fn uses(
    table: &str,
    v2_table: &str,
    field: usize,
    at: usize,
    wrap: impl Fn(&Row) -> Option<Value>,
    read_as: impl Fn(&Row) -> String,
    unwrap: impl Fn(&Value) -> (Value, Value),
) {
    for row in rows(table) {
        if row.writes()
            && let Some(members) = wrap(&row)
        {
            let fields = written(&row, members, "PID", field);
            assert_eq!(component(&fields, at), row.v2_code, "{table}: {row:?}");
        }
        let only_use = row.fhir_system.ends_with("-use")
            || row.fhir_system.is_empty()
            || row.fhir_system.ends_with("-gender");
        if row.reads() && only_use {
            let members = read_pid_of(row.version(), &[(3, "1"), (field, &read_as(&row))]);
            let (code, companion) = unwrap(&members);
            let expected = if row.fhir_code.is_empty() { Value::Null } else { json!(row.fhir_code) };
            assert_eq!(code, expected, "{table}: {row:?} {members}");
            if row.note.contains("alternate-codes") {
                let kept = json!({"extension": [{"url": definition("alternate-codes"),
                    "valueCodeableConcept": {"coding": [{"system": terminology(v2_table), "code": row.v2_code}]}}]});
                assert_eq!(companion, kept, "{table}: {row:?} {members}");
            }
        }
    }
}

#[test]
fn administrative_sex() {
    uses(
        "administrative-sex",
        "v2-0001",
        8,
        1,
        |row| Some(json!({ "gender": row.fhir_code })),
        |row| row.v2_code.clone(),
        |read| (read["gender"].clone(), read["_gender"].clone()),
    );
}

#[test]
fn name_use() {
    uses(
        "name-use",
        "v2-0200",
        5,
        7,
        |row| {
            let mut name = json!({"family": "A"});
            if !row.fhir_code.is_empty() {
                name["use"] = json!(row.fhir_code);
            }
            Some(json!({ "name": [name] }))
        },
        |row| format!("A^^^^^^{}", row.v2_code),
        |read| (read["name"][0]["use"].clone(), read["name"][0]["_use"].clone()),
    );
}

#[test]
fn name_representation() {
    for row in rows("name-representation") {
        let name = json!({"name": [{"family": "A", "extension": [{"url": definition("iso21090-EN-representation"), "valueCode": row.fhir_code}]}]});
        assert_eq!(component(&written(&row, name.clone(), "PID", 5), 8), row.v2_code);
        assert_eq!(read_pid_of("2.5.1", &[(5, &format!("A^^^^^^U^{}", row.v2_code))]), name);
    }
}

#[test]
fn address_use_and_type() {
    let place = ["N", "BDL"];
    for row in rows("address-use-type") {
        let kind = if row.fhir_system.ends_with("address-type") { "type" } else { "use" };
        let component_number = if row.fhir_system.ends_with("address-type")
            && row.version() == "2.7"
            && row.note.contains("XAD.18")
        {
            18
        } else {
            7
        };
        if row.writes() && !row.fhir_code.is_empty() {
            let fields = written(&row, json!({"address": [{kind: row.fhir_code, "city": "A"}]}), "PID", 11);
            assert_eq!(component(&fields, component_number), row.v2_code, "{row:?} {fields:?}");
        }
        if row.reads() {
            let field = format!("^^A{}{}", "^".repeat(component_number - 3), row.v2_code);
            let read = read_pid_of(row.version(), &[(3, "1"), (11, &field)]);
            if place.contains(&row.v2_code.as_str()) {
                assert_eq!(
                    read["extension"][0]["url"],
                    json!(definition("patient-birthPlace")),
                    "{row:?} {read}"
                );
                continue;
            }
            let address = &read["address"][0];
            let expected = if row.fhir_code.is_empty() { Value::Null } else { json!(row.fhir_code) };
            assert_eq!(address[kind], expected, "{row:?} {read}");
            if row.note.contains("alternate-codes") {
                let kept = &address["_use"]["extension"][0]["valueCodeableConcept"]["coding"][0];
                assert_eq!(
                    kept,
                    &json!({"system": terminology("v2-0190"), "code": row.v2_code}),
                    "{row:?} {read}"
                );
            }
        }
    }
}

#[test]
fn telecom_use() {
    for row in rows("telecom-use") {
        let mobile = row.fhir_code == "mobile";
        if row.writes() && row.fhir_code != "old" {
            let system = if row.v2_code == "NET" { "email" } else { "phone" };
            let mut point = json!({"system": system, "value": "555@1"});
            if !row.fhir_code.is_empty() {
                point["use"] = json!(row.fhir_code);
            }
            let field = if row.fhir_code == "work" { 14 } else { 13 };
            let fields = written(&row, json!({"telecom": [point]}), "PID", field);
            assert_eq!(component(&fields, 2), row.v2_code, "{row:?}");
            assert_eq!(component(&fields, 3) == "CP", mobile, "{row:?}");
        }
        if row.reads() && !row.v2_code.is_empty() {
            let kind = if mobile {
                "CP"
            } else if row.v2_code == "NET" {
                "Internet"
            } else {
                ""
            };
            let field =
                format!("5551^{}^{kind}{}", row.v2_code, if kind == "Internet" { "^a@b" } else { "" });
            let read = read_pid_of(row.version(), &[(3, "1"), (13, &field)]);
            let point = &read["telecom"][0];
            let expected = if row.fhir_code.is_empty() { Value::Null } else { json!(row.fhir_code) };
            assert_eq!(point["use"], expected, "{row:?} {read}");
            if row.note.contains("alternate-codes") {
                let kept = &point["_use"]["extension"][0]["valueCodeableConcept"]["coding"][0]["code"];
                assert_eq!(kept, &json!(row.v2_code), "{row:?} {read}");
            }
        }
    }
}

#[test]
fn telecom_system() {
    for row in rows("telecom-system") {
        let value = match row.fhir_code.as_str() {
            "email" => "a@b.org",
            "url" => "https://a.org",
            _ => "5551",
        };
        if row.writes() {
            let mut point = json!({"system": row.fhir_code, "value": value});
            if row.v2_code == "CP" && row.fhir_code == "phone" {
                point["use"] = json!("mobile");
            }
            let fields = written(&row, json!({"telecom": [point]}), "PID", 13);
            assert_eq!(component(&fields, 3), row.v2_code, "{row:?}");
        }
        if row.reads() && !row.v2_code.is_empty() {
            let internet = ["Internet", "X.400"].contains(&row.v2_code.as_str());
            let field = if internet {
                format!("^^{}^{value}", row.v2_code)
            } else {
                format!("{value}^^{}", row.v2_code)
            };
            let point = read_pid_of(row.version(), &[(3, "1"), (13, &field)])["telecom"][0].clone();
            assert_eq!(point["system"], json!(row.fhir_code), "{row:?} {point}");
            if row.note.contains("alternate-codes") {
                let kept = &point["_system"]["extension"][0]["valueCodeableConcept"]["coding"][0]["code"];
                assert_eq!(kept, &json!(row.v2_code), "{row:?} {point}");
            }
        }
    }
}

#[test]
fn race_and_ethnicity() {
    for (table, field, name) in [("race", 10, "us-core-race"), ("ethnicity", 22, "us-core-ethnicity")] {
        let url = format!("http://hl7.org/fhir/us/core/StructureDefinition/{name}");
        for row in rows(table) {
            let (code, v2) = if row.fhir_code == "*" {
                ("1004-1", "1004-1")
            } else {
                (row.fhir_code.as_str(), row.v2_code.as_str())
            };
            let part = if row.note.contains("detailed") { "detailed" } else { "ombCategory" };
            let extension = json!({"url": url, "extension": [{"url": part, "valueCoding": {"system": row.fhir_system, "code": code}}]});
            if row.writes() {
                assert_eq!(
                    component(&written(&row, json!({"extension": [extension]}), "PID", field), 1),
                    v2,
                    "{row:?}"
                );
            }
            if row.reads() {
                let system = if table == "race" {
                    if row.fhir_system.contains("NullFlavor") { "NULLFL" } else { "HL70005" }
                } else if row.fhir_code == "*" {
                    "CDCREC"
                } else {
                    "HL70189"
                };
                let read = read_pid_of("2.5.1", &[(3, "1"), (field, &format!("{v2}^^{system}"))]);
                assert_eq!(read["extension"][0]["extension"][0], extension["extension"][0], "{row:?} {read}");
            }
        }
    }
}

#[test]
fn yes_no() {
    for row in rows("yes-no") {
        let value = row.fhir_code == "true";
        for (name, field) in [("deceasedBoolean", 30), ("multipleBirthBoolean", 24)] {
            assert_eq!(component(&written(&row, json!({ name: value }), "PID", field), 1), row.v2_code);
            assert_eq!(read_pid_of("2.5.1", &[(3, "1"), (field, &row.v2_code)])[name], json!(value));
        }
    }
}

#[test]
fn universal_id_type() {
    const UUID: &str = "53fefa32-fcbb-4ff8-8a92-55ee120877b7";
    for row in rows("universal-id-type") {
        let (system, id) = match (row.fhir_system.as_str(), row.v2_code.as_str()) {
            ("urn:oid:", _) => ("urn:oid:1.2.3".to_owned(), "1.2.3"),
            ("urn:uuid:", _) => (format!("urn:uuid:{UUID}"), UUID),
            ("(any other absolute URI)", _) => ("http://example.org/a".to_owned(), "http://example.org/a"),
            ("(registry)", "DNS") => ("http://example.org/registered".to_owned(), "example.org"),
            ("(registry)", "*") => ("http://example.org/registered".to_owned(), "random-7"),
            _ => panic!("unknown row {row:?}"),
        };
        let kind = if row.v2_code == "*" { "RANDOM" } else { &row.v2_code };
        let registry = json!([{"system": "http://example.org/registered", "universal_id": id, "universal_id_type": kind}]);
        let keys = if row.fhir_system == "(registry)" {
            json!({"version": row.version(), "registry": registry})
        } else {
            json!({"version": row.version()})
        };
        let authority = format!("&{id}&{kind}");
        if row.writes() {
            let sent = sent_with(keys.clone(), json!({"identifier": [{"system": system, "value": "1"}]}));
            assert!(
                sent.field("PID", 3).starts_with(&format!("1^^^{authority}")),
                "{row:?} {}",
                sent.field("PID", 3)
            );
        }
        let er7 = foreign(row.version(), &[&format!("PID|1||1^^^{authority}")]);
        let read = crate::fixture::read_with(&mapper_with(keys), &er7);
        assert_eq!(read["identifier"][0]["system"], json!(system), "{row:?}");
    }
}

#[test]
fn coding_system_names() {
    for row in rows("coding-system-names") {
        let (system, name) = match row.fhir_system.as_str() {
            "http://terminology.hl7.org/CodeSystem/v2-nnnn" => (terminology("v2-0250"), "HL70250"),
            "(registry)" => ("http://example.org/codes".to_owned(), "99EX"),
            other => (other.to_owned(), row.v2_code.as_str()),
        };
        if system == "urn:ietf:bcp:47" {
            if row.reads() {
                let code = if name == "99BCP" {
                    "de^^HL70296^de-CH^^99BCP".to_owned()
                } else {
                    format!("de^^{name}")
                };
                let read = read_pid_of("2.5.1", &[(3, "1"), (15, &code)]);
                assert_eq!(
                    read["communication"][0]["language"]["coding"][0]["system"],
                    json!(system),
                    "{row:?} {read}"
                );
            }
            continue;
        }
        if row.v2_code == "HL70005" {
            let read = read_pid_of("2.5.1", &[(3, "1"), (10, "2106-3^White^HL70005")]);
            assert_eq!(read["extension"][0]["extension"][0]["valueCoding"]["system"], json!(system));
            continue;
        }
        let keys = if row.fhir_system == "(registry)" {
            json!({"coding_systems": {"http://example.org/codes": "99EX"}})
        } else {
            json!({})
        };
        let members = json!({"maritalStatus": concept(&system, "qq", "Q")});
        let sent = sent_with(keys.clone(), members.clone());
        assert_eq!(sent.field("PID", 16), format!("qq^Q^{name}"), "{row:?}");
        assert_eq!(
            members_of(crate::fixture::read_with(&mapper_with(keys), sent.message())),
            members,
            "{row:?}"
        );
    }
}
