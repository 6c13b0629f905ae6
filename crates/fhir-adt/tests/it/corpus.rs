//! Collected patients and messages (`tests/corpus`, origin and licence of each in its MANIFEST.csv).
//!
//! `tests/corpus/exceptions.csv` lists the files that are treated otherwise than their folder says, with the
//! rule or reason; an entry that is no longer needed fails the test.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;

use fhir_adt::{Interaction, Mapper, MappingContext};
use serde_json::{Value, json};

use crate::fixture::{Sent, Told, context, convert, mapper, mapper_with, patient_in, read_with};
use crate::normal_form::{differences, normal_form, unwrap_members, without_empty};
use crate::validity;

/// File name (folder included) to (kind, reason).
fn exceptions() -> BTreeMap<String, (String, String)> {
    let text = fs::read_to_string(root().join("exceptions.csv")).expect("the list of exceptions");
    let row = |line: &str| {
        let mut cells = line.splitn(3, ',').map(str::to_owned);
        Some((cells.next()?, (cells.next()?, cells.next()?)))
    };
    text.lines().skip(1).filter_map(row).collect()
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/corpus")
}

/// Name and bytes of every file of a folder, by name.
fn files(folder: &str) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<(String, Vec<u8>)> = fs::read_dir(root().join(folder))
        .expect("a folder of the corpus")
        .map(|entry| entry.expect("an entry").path())
        .map(|path| {
            (
                format!("{folder}/{}", path.file_name().unwrap_or_default().to_string_lossy()),
                fs::read(path).expect("a file"),
            )
        })
        .collect();
    files.sort();
    assert!(!files.is_empty());
    files
}

/// One table of figures; `cargo test -- --nocapture corpus` shows it.
struct Figures {
    folder: &'static str,
    counts: BTreeMap<&'static str, usize>,
    failures: Vec<String>,
    exceptions: BTreeMap<String, (String, String)>,
}

impl Figures {
    fn new(folder: &'static str) -> Self {
        let mut exceptions = exceptions();
        exceptions.retain(|file, _| file.starts_with(&format!("{folder}/")));
        Self { folder, counts: BTreeMap::new(), failures: Vec::new(), exceptions }
    }

    fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    /// Takes the exception of this kind for the file, if there is one.
    fn excepted(&mut self, file: &str, kind: &str) -> bool {
        let found = self.exceptions.get(file).is_some_and(|(listed, _)| listed == kind);
        if found {
            self.exceptions.remove(file);
            self.count("exceptions");
        }
        found
    }

    fn fail(&mut self, file: &str, why: impl std::fmt::Display) {
        self.failures.push(format!("{file}: {why}"));
    }

    #[track_caller]
    fn finish(mut self) {
        for file in self.exceptions.keys() {
            self.failures.push(format!("{file}: the exception is no longer needed"));
        }
        let counts: Vec<String> =
            self.counts.iter().map(|(what, count)| format!("{what} {count:>4}")).collect();
        // Past the harness, which keeps what a passing test prints to itself.
        let row = format!("corpus | {:<16} | {}\n", self.folder, counts.join(" | "));
        std::io::stderr().write_all(row.as_bytes()).expect("standard error");
        assert!(self.failures.is_empty(), "{}\n{}", self.folder, self.failures.join("\n"));
    }
}

/// A create where the resource has no id, else an update.
fn write(mapper: &Mapper, patient: &Value) -> Result<Sent, Vec<Told>> {
    let id = patient["id"].as_str();
    let interaction = if id.is_some() { Interaction::Update } else { Interaction::Create };
    convert(
        mapper,
        patient,
        interaction,
        &MappingContext { patient_id: id.unwrap_or("assigned-1"), ..context() },
    )
}

fn tidy(value: &Value) -> Value {
    without_empty(value).unwrap_or_default()
}

#[test]
fn every_collected_patient_converts_and_reads_back_to_its_normal_form() {
    let (plain, residue) = (mapper(), mapper_with(json!({"residue": "zfp"})));
    let mut figures = Figures::new("fhir-patients");
    for (file, bytes) in files("fhir-patients") {
        figures.count("files");
        let Ok(mut patient) = serde_json::from_slice::<Value>(&bytes) else {
            figures.fail(&file, "not JSON");
            continue;
        };
        let sent = match write(&plain, &patient) {
            Ok(sent) => sent,
            Err(issues) => {
                figures.count("refused");
                if !figures.excepted(&file, "refused") {
                    figures.fail(
                        &file,
                        format!("refused: {:?}", issues.iter().map(Told::triple).collect::<Vec<_>>()),
                    );
                }
                continue;
            }
        };
        figures.count("converted");
        if patient.get("id").is_none() {
            patient["id"] = json!("assigned-1");
        }
        let read = read_with(&plain, sent.message());
        if sent.issues.is_empty() {
            figures.count("without loss");
        }
        let lost = sent.issues.iter().any(|issue| issue.code != "too-long" && issue.code != "structure");
        if lost == (tidy(&normal_form(&patient)) == tidy(&read)) && !figures.excepted(&file, "report") {
            figures.fail(
                &file,
                format!(
                    "report and difference disagree: {:?}\n{:#}\n{read:#}",
                    sent.told(),
                    normal_form(&patient)
                ),
            );
        }
        let problems = validity::problems(&read);
        if !problems.is_empty() && !figures.excepted(&file, "validity") {
            figures.fail(&file, format!("reads back as invalid: {problems:?}"));
        }
        let again = write(&plain, &read).expect("what was read is accepted");
        if read_with(&plain, again.message()) != read {
            let second = read_with(&plain, again.message());
            figures.fail(&file, format!("the normal form is not stable: {:?}", differences(&read, &second)));
        }
        let carried = write(&residue, &patient).expect("accepted with residue");
        let whole = read_with(&residue, carried.message());
        let mut expected = patient.clone();
        unwrap_members(&mut expected);
        if let Some(meta) = expected.get_mut("meta").and_then(Value::as_object_mut) {
            meta.remove("versionId");
        }
        if tidy(&whole) != tidy(&expected) && !figures.excepted(&file, "residue") {
            figures.fail(
                &file,
                format!("the residue does not bring it back: {:?}", differences(&expected, &whole)),
            );
        }
    }
    figures.finish();
}

#[test]
fn every_invalid_patient_is_refused_at_the_element() {
    let mapper = mapper();
    let expected = fs::read_to_string(root().join("fhir-invalid.csv")).expect("the list of elements");
    let expected: BTreeMap<&str, &str> =
        expected.lines().skip(1).filter_map(|line| line.split_once(',')).collect();
    let mut figures = Figures::new("fhir-invalid");
    for (file, bytes) in files("fhir-invalid") {
        figures.count("files");
        let Ok(patient) = serde_json::from_slice::<Value>(&bytes) else {
            figures.count("refused as JSON");
            if expected.get(file.as_str()) != Some(&"JSON") {
                figures.fail(&file, "not JSON");
            }
            continue;
        };
        match write(&mapper, &patient) {
            Ok(_) => {
                figures.count("converted");
                if !figures.excepted(&file, "tolerated") {
                    figures.fail(&file, "converted");
                }
            }
            Err(issues) => {
                figures.count("refused");
                let place = expected.get(file.as_str()).copied().unwrap_or_default();
                if !issues.iter().any(|issue| issue.severity == "error" && issue.expression == place) {
                    figures.fail(
                        &file,
                        format!(
                            "no issue at {place:?}: {:?}",
                            issues.iter().map(Told::triple).collect::<Vec<_>>()
                        ),
                    );
                }
            }
        }
    }
    figures.finish();
}

#[test]
fn every_adt_message_gives_a_valid_patient_or_a_clear_error() {
    let mut figures = Figures::new("hl7v2-adt");
    for (file, bytes) in files("hl7v2-adt") {
        figures.count("files");
        match patient_of(&bytes) {
            Ok(Some(patient)) => {
                figures.count("patients");
                let problems = validity::problems(&patient);
                if !problems.is_empty() && !figures.excepted(&file, "validity") {
                    figures.fail(&file, format!("{problems:?}"));
                }
            }
            Ok(None) => figures.count("no snapshot"),
            Err(reason) => {
                figures.count("refused");
                if !figures.excepted(&file, "refused") {
                    figures.fail(&file, reason);
                }
            }
        }
    }
    figures.finish();
}

#[test]
fn no_other_or_malformed_message_panics() {
    for folder in ["hl7v2-malformed", "hl7v2-other"] {
        let mut figures = Figures::new(folder);
        for (file, bytes) in files(folder) {
            figures.count("files");
            match patient_of(&bytes) {
                Ok(Some(patient)) => {
                    figures.count("patients");
                    let problems = validity::problems(&patient);
                    if !problems.is_empty() {
                        figures.fail(&file, format!("{problems:?}"));
                    }
                }
                Ok(None) => figures.count("no snapshot"),
                Err(reason) => {
                    figures.count("refused");
                    if reason.trim().is_empty() {
                        figures.fail(&file, "no reason given");
                    }
                }
            }
        }
        figures.finish();
    }
}

/// The snapshot in a message, if its event has one; as an error the reason.
fn patient_of(bytes: &[u8]) -> Result<Option<Value>, String> {
    let text = hl7v2::Text::from_bytes(bytes).map_err(|error| error.to_string())?;
    let read = mapper().adt_to_patient(&text).map_err(|error| error.to_string())?;
    Ok(patient_in(&read).cloned())
}
