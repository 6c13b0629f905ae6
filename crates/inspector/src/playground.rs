//! The mapping on trial: a Patient or a message in, the other side out, annotated. Nothing is kept or logged.

use std::collections::HashMap;

use fhir_adt::{Interaction, MappingContext};
use hl7v2::{ParseError, Text};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Inspector;
use crate::explain::{Explained, explain};
use crate::problem::{Finding, Problem};
use crate::sources;

/// What was typed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Input {
    /// A Patient in JSON, or a message in ER7.
    pub(crate) input: String,
    /// `A28`, `A31` or `A29`; decided by the configuration when absent.
    #[serde(default)]
    pub(crate) event: Option<String>,
}

/// Both sides. Patient data: no `Debug`.
#[derive(Serialize)]
pub(crate) struct Output {
    /// `er7` for a Patient that was typed, `fhir` for a message.
    pub(crate) to: &'static str,
    pub(crate) patient: Option<Value>,
    /// The first message; others follow for links.
    pub(crate) message: Option<Explained>,
    pub(crate) er7: Vec<String>,
    /// What is not carried, or was repaired.
    pub(crate) findings: Vec<Finding>,
}

pub(crate) fn run(inspector: &Inspector, input: &Input) -> Result<Output, Problem> {
    let text = input.input.trim_start_matches('\u{feff}').trim();
    if text.is_empty() {
        return Err(Problem::invalid("there is nothing to convert", Vec::new()));
    }
    if text.starts_with("MSH") { from_message(inspector, text) } else { from_patient(inspector, input) }
}

fn from_message(inspector: &Inspector, text: &str) -> Result<Output, Problem> {
    let text = Text::from_text(text).map_err(|error| unreadable(&error))?;
    let message = text.parse().map_err(|error| unreadable(&error))?;
    let found = sources::find(&inspector.mapper, &inspector.destination, &text, &message);
    let explained = explain(&text, &message, &inspector.dictionary, &found.sources);
    let mut findings = found.findings;
    if let Some(reason) = found.reason {
        findings.push(Finding {
            severity: "warning".to_owned(),
            expression: "MSH-9".to_owned(),
            detail: reason,
            line: None,
            column: None,
        });
    }
    Ok(Output {
        to: "fhir",
        patient: found.patient,
        er7: vec![explained.to_er7()],
        message: Some(explained),
        findings,
    })
}

fn from_patient(inspector: &Inspector, input: &Input) -> Result<Output, Problem> {
    let mut patient: Value = serde_json::from_str(&input.input).map_err(|error| {
        let finding = Finding {
            severity: "error".to_owned(),
            expression: String::new(),
            detail: "the text is not JSON from here on".to_owned(),
            line: Some(error.line()),
            column: Some(error.column()),
        };
        Problem::invalid("the input is neither JSON nor an HL7 message", vec![finding])
    })?;
    if let Some(members) = patient.as_object_mut() {
        members.entry("id").or_insert_with(|| "example".into());
    }
    let id = patient["id"].as_str().unwrap_or("example").to_owned();
    let context = MappingContext {
        receipt_time: jiff::Timestamp::now(),
        request_id: "playground",
        patient_id: &id,
        destination: &inspector.destination,
        lookup: None,
        previous: None,
    };
    let mapper = &inspector.mapper;
    let converted = match input.event.as_deref() {
        None | Some("" | "auto" | "A28") => mapper.patient_to_adt(&patient, Interaction::Create, &context),
        Some("A31") => mapper.patient_to_adt(&patient, Interaction::Update, &context),
        Some("A29") => mapper.delete_to_adt(&id, &context),
        Some(_) => return Err(Problem::invalid("event is one of A28, A31 and A29", Vec::new())),
    };
    let conversion = converted.map_err(|rejection| {
        Problem::invalid("the Patient cannot be sent", sources::findings(&rejection.report))
    })?;
    let mut output = Output {
        to: "er7",
        patient: Some(patient),
        message: None,
        er7: conversion.messages.iter().map(|message| message.er7.clone()).collect(),
        findings: sources::findings(&conversion.report),
    };
    if let Some(first) = conversion.messages.first() {
        let text = Text::from_text(&first.er7).map_err(|error| unreadable(&error))?;
        let message = text.parse().map_err(|error| unreadable(&error))?;
        let sources: HashMap<_, _> = sources::own(&conversion, &message);
        output.message = Some(explain(&text, &message, &inspector.dictionary, &sources));
    }
    Ok(output)
}

/// Where the reading stopped, as a line of the text.
fn unreadable(error: &ParseError) -> Problem {
    let (expression, line) = match error {
        ParseError::InvalidSegment { segment } => (String::new(), Some(*segment)),
        ParseError::Required { location } => (location.to_string(), None),
        ParseError::InvalidSeparators => ("MSH-2".to_owned(), Some(1)),
        ParseError::InvalidEncoding { .. } | ParseError::UnsupportedCharset => ("MSH-18".to_owned(), Some(1)),
        ParseError::NoHeader | ParseError::Batch | ParseError::TooManyFields => (String::new(), Some(1)),
    };
    let finding =
        Finding { severity: "error".to_owned(), expression, detail: error.to_string(), line, column: None };
    Problem::invalid("the message cannot be read", vec![finding])
}
