use serde_json::json;

use crate::bridge::command;

fn demo(arguments: &[&std::ffi::OsStr]) -> (String, String, Option<i32>) {
    let output = command().arg("demo").args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (text(output.stdout), text(output.stderr), output.status.code())
}

#[test]
fn shows_the_whole_path_of_the_built_in_patient() {
    let (stdout, stderr, code) = demo(&[]);
    assert_eq!(code, Some(0), "{stdout}\n{stderr}");
    for expected in ["ADT^A28", "ADT^A31", "ADT^A29", "PID|", "MSA|AA|", "404"] {
        assert!(stdout.contains(expected), "{expected} in\n{stdout}");
    }
    assert!(!stdout.contains('\u{1b}'), "no escape sequences in a pipe");
    assert!(!stdout.contains('\r'), "one segment per line");
}

#[test]
fn takes_a_patient_from_a_file() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let patient = json!({
        "resourceType": "Patient",
        "name": [{ "family": "Datei", "given": ["Aus"] }],
        "contact": [{ "name": [{ "family": "Kontakt" }], "address": [{ "city": "Ort" }] }]
    });
    std::io::Write::write_all(&mut file, patient.to_string().as_bytes()).unwrap();
    let (stdout, stderr, code) = demo(&[file.path().as_os_str()]);
    assert_eq!(code, Some(0), "{stdout}\n{stderr}");
    assert!(stdout.contains("Datei^Aus") && stdout.contains("Kontakt"), "{stdout}");
}

#[test]
fn an_invalid_patient_ends_with_4() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    std::io::Write::write_all(&mut file, b"{\"resourceType\":\"Observation\"}").unwrap();
    let (stdout, stderr, code) = demo(&[file.path().as_os_str()]);
    assert_eq!(code, Some(4), "{stdout}\n{stderr}");
}
