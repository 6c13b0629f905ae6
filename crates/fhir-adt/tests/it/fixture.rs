//! A patient in; messages, report and read-back out. The fields of a message are found by splitting the text,
//! not through the `hl7v2` crate, so that a fault there cannot hide one here.

use fhir_adt::{Interaction, Mapper, MappingConfig, MappingContext, ReadBack, Report, Subject};
use serde_json::{Value, json};

/// The default logical-id repetition of `patient` (section 6.3).
pub(crate) const LOGICAL_ID: &str = "p-1^^^FHIR^FW^^^^FHIR Works on AWS Integration Transform";

/// What one write became.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) messages: Vec<String>,
    pub(crate) issues: Vec<Told>,
}

/// One issue, flattened.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Told {
    pub(crate) severity: String,
    pub(crate) code: String,
    pub(crate) expression: String,
    pub(crate) diagnostics: String,
}

impl Sent {
    /// The only message.
    pub(crate) fn message(&self) -> &str {
        assert_eq!(self.messages.len(), 1, "one message expected");
        &self.messages[0]
    }

    /// Field `number` of the first segment of that name in the only message, as written.
    pub(crate) fn field(&self, segment: &str, number: usize) -> String {
        field(self.message(), segment, number)
    }

    /// Names of the segments, in order.
    pub(crate) fn segments(&self) -> Vec<&str> {
        segments(self.message())
    }

    /// Severity, code and place of each issue, sorted.
    pub(crate) fn told(&self) -> Vec<(&str, &str, &str)> {
        let mut told: Vec<_> = self.issues.iter().map(Told::triple).collect();
        told.sort_unstable();
        told
    }

    /// True where an issue at that place (or below it) exists.
    pub(crate) fn tells(&self, severity: &str, expression: &str) -> bool {
        self.issues.iter().any(|issue| issue.severity == severity && issue.expression.starts_with(expression))
    }
}

impl Told {
    pub(crate) fn triple(&self) -> (&str, &str, &str) {
        (&self.severity, &self.code, &self.expression)
    }
}

/// `{"resourceType": "Patient", "id": "p-1"}` and the given members.
pub(crate) fn patient(members: Value) -> Value {
    let mut patient = json!({"resourceType": "Patient", "id": "p-1"});
    for (name, value) in members.as_object().expect("an object") {
        patient[name] = value.clone();
    }
    patient
}

pub(crate) fn mapper() -> Mapper {
    mapper_with(json!({}))
}

/// A mapper with the given `[message]` keys.
pub(crate) fn mapper_with(keys: Value) -> Mapper {
    let config: MappingConfig = serde_json::from_value(keys).expect("valid keys");
    Mapper::new(config).expect("a valid configuration")
}

pub(crate) fn context<'a>() -> MappingContext<'a> {
    MappingContext {
        receipt_time: "2024-03-01T09:30:15Z".parse().expect("a time"),
        request_id: "request-1",
        patient_id: "p-1",
        destination: "default",
        lookup: None,
        previous: None,
    }
}

pub(crate) fn convert(
    mapper: &Mapper,
    patient: &Value,
    interaction: Interaction,
    context: &MappingContext<'_>,
) -> Result<Sent, Vec<Told>> {
    match mapper.patient_to_adt(patient, interaction, context) {
        Ok(conversion) => Ok(Sent {
            messages: conversion.messages.iter().map(|message| message.er7.clone()).collect(),
            issues: flatten(&conversion.report),
        }),
        Err(rejection) => Err(flatten(&rejection.report)),
    }
}

fn flatten(report: &Report) -> Vec<Told> {
    let told = |issue: &fhir_adt::Issue| Told {
        severity: issue.severity.as_str().to_owned(),
        code: issue.code.as_str().to_owned(),
        expression: issue.expression.clone(),
        diagnostics: issue.diagnostics.to_string(),
    };
    report.issues.iter().map(told).collect()
}

/// An update of `patient(members)` with the given configuration.
pub(crate) fn sent_with(keys: Value, members: Value) -> Sent {
    let patient = patient(members);
    convert(&mapper_with(keys), &patient, Interaction::Update, &context()).expect("accepted")
}

/// An update of `patient(members)` with the default configuration.
pub(crate) fn sent(members: Value) -> Sent {
    sent_with(json!({}), members)
}

/// The issues with which an update of this resource is refused.
pub(crate) fn refused_with(keys: Value, resource: &Value) -> Vec<Told> {
    convert(&mapper_with(keys), resource, Interaction::Update, &context()).expect_err("refused")
}

pub(crate) fn refused(members: Value) -> Vec<Told> {
    refused_with(json!({}), &patient(members))
}

/// True where an error at that place with that code is among the issues.
pub(crate) fn has_error(issues: &[Told], code: &str, expression: &str) -> bool {
    issues.iter().any(|issue| issue.triple() == ("error", code, expression))
}

/// Reads a message with this mapper; the snapshot it gives.
pub(crate) fn read_with(mapper: &Mapper, er7: &str) -> Value {
    snapshot(&read_back(mapper, er7))
}

pub(crate) fn read(er7: &str) -> Value {
    read_with(&mapper(), er7)
}

pub(crate) fn read_back(mapper: &Mapper, er7: &str) -> ReadBack {
    let text = hl7v2::Text::from_text(er7).expect("readable ER7");
    let read = mapper.adt_to_patient(&text).expect("a patient");
    // As text it is the same.
    let json = mapper.adt_to_patient_json(&text).expect("a patient");
    assert_eq!((&json.event, &json.time, &json.report), (&read.event, &read.time, &read.report));
    if let (Subject::Snapshot(json), Subject::Snapshot(value)) = (&json.subject, &read.subject) {
        assert_eq!(&serde_json::from_slice::<Value>(json).expect("JSON"), value);
    }
    read
}

pub(crate) fn snapshot(read: &ReadBack) -> Value {
    patient_in(read).cloned().expect("a Patient")
}

/// The Patient that a message leaves behind: a snapshot, or the retired record of a merge.
pub(crate) fn patient_in(read: &ReadBack) -> Option<&Value> {
    match &read.subject {
        Subject::Snapshot(patient) | Subject::Merged { retired: patient, .. } => Some(patient),
        _ => None,
    }
}

/// What comes back of these members after an update, without `resourceType` and `id`.
pub(crate) fn back(members: Value) -> Value {
    back_with(json!({}), members)
}

pub(crate) fn back_with(keys: Value, members: Value) -> Value {
    let sent = sent_with(keys.clone(), members);
    members_of(read_with(&mapper_with(keys), sent.message()))
}

pub(crate) fn members_of(mut patient: Value) -> Value {
    let members = patient.as_object_mut().expect("an object");
    assert_eq!(members.remove("resourceType"), Some(json!("Patient")));
    members.remove("id");
    patient
}

/// Converts, reads back, and expects that nothing is lost and nothing told.
#[track_caller]
pub(crate) fn comes_back(members: Value) {
    let sent = sent(members.clone());
    assert_eq!(sent.told(), [], "{}", sent.message());
    assert_eq!(members_of(read(sent.message())), members, "{}", sent.message());
}

/// A message of another system: MSH, EVN and the given segments.
pub(crate) fn foreign(version: &str, segments: &[&str]) -> String {
    let mut er7 =
        format!("MSH|^~\\&|HIS|H|HL7RCV|HL7RCV|20240301093015+0000||ADT^A31^ADT_A05|1|P|{version}\r");
    er7.push_str("EVN|A31|20240301093015+0000\r");
    for segment in segments {
        er7.push_str(segment);
        er7.push('\r');
    }
    er7
}

/// What a foreign 2.5.1 message with PID-1, PID-3 and the given other PID fields is read as.
pub(crate) fn read_pid(fields: &[(usize, &str)]) -> Value {
    read_pid_of("2.5.1", fields)
}

pub(crate) fn read_pid_of(version: &str, fields: &[(usize, &str)]) -> Value {
    let mut pid = vec![String::new(); 41];
    pid[0] = "PID".to_owned();
    for (number, value) in fields {
        (*value).clone_into(&mut pid[*number]);
    }
    members_of(read(&foreign(version, &[&pid.join("|"), "PV1|1|N"])))
}

pub(crate) fn segments(er7: &str) -> Vec<&str> {
    er7.split('\r')
        .filter(|line| !line.is_empty())
        .map(|line| line.split('|').next().unwrap_or(line))
        .collect()
}

/// Field `number` of the first segment of that name, as written; empty where absent.
pub(crate) fn field(er7: &str, segment: &str, number: usize) -> String {
    nth_field(er7, segment, 0, number)
}

/// Field `number` of the segment of that name with that index.
pub(crate) fn nth_field(er7: &str, segment: &str, index: usize, number: usize) -> String {
    let mut lines = er7.split('\r').filter(|line| line.starts_with(segment));
    let line = lines.nth(index).unwrap_or_default();
    let number = if segment == "MSH" { number - 1 } else { number };
    line.split('|').nth(number).unwrap_or_default().to_owned()
}

/// A concept of one coding.
pub(crate) fn concept(system: &str, code: &str, display: &str) -> Value {
    let mut coding = json!({"system": system, "code": code, "display": display});
    if display.is_empty() {
        coding.as_object_mut().expect("an object").remove("display");
    }
    json!({"coding": [coding]})
}

/// `http://terminology.hl7.org/CodeSystem/` and a name.
pub(crate) fn terminology(name: &str) -> String {
    format!("http://terminology.hl7.org/CodeSystem/{name}")
}

/// `http://hl7.org/fhir/StructureDefinition/` and a name.
pub(crate) fn definition(name: &str) -> String {
    format!("http://hl7.org/fhir/StructureDefinition/{name}")
}
