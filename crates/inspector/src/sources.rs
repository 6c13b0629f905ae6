//! Where the values of a message came from, found again from the message alone.
//!
//! The message is read as a Patient and that Patient is mapped once more; where the new message has the same value in
//! the same place, the mapping's own trace says which element and rule put it there. So it works for what was stored
//! long ago, and, as far as the values agree, for the messages of others.

use std::collections::HashMap;

use fhir_adt::{Conversion, Interaction, Mapper, MappingContext, Subject};
use hl7v2::{Message, Text};
use serde_json::Value;

use crate::explain::{Place, Source};
use crate::problem::Finding;

/// The other side of a message. Patient data: no `Debug`.
#[derive(Default)]
pub(crate) struct Found {
    /// What the message says of the patient.
    pub(crate) patient: Option<Value>,
    /// Where values came from.
    pub(crate) sources: HashMap<Place, Source>,
    /// What reading it had to say.
    pub(crate) findings: Vec<Finding>,
    /// Why there is no Patient.
    pub(crate) reason: Option<String>,
}

/// Reads a message as FHIR and finds the sources of its values.
pub(crate) fn find(mapper: &Mapper, destination: &str, text: &Text, message: &Message<'_>) -> Found {
    let read = match mapper.adt_to_patient(text) {
        Ok(read) => read,
        Err(error) => return Found { reason: Some(error.to_string()), ..Found::default() },
    };
    let mut found = Found { findings: findings(&read.report), ..Found::default() };
    let interaction =
        if matches!(read.event.as_str(), "A31" | "A08") { Interaction::Update } else { Interaction::Create };
    let converted = match read.subject {
        Subject::Snapshot(patient) | Subject::Merged { retired: patient, .. } => {
            let converted = convert(mapper, destination, &patient, interaction);
            found.patient = Some(patient);
            converted
        }
        Subject::Deleted { id } => {
            found.reason = Some("the message deletes the patient, and describes none".to_owned());
            let id = id.unwrap_or_else(|| "unknown".to_owned());
            mapper.delete_to_adt(&id, &context(destination, &id)).ok()
        }
        Subject::Linked { .. } | Subject::Unlinked { .. } | Subject::NotAPatient => {
            found.reason = Some("the message does not describe a patient".to_owned());
            None
        }
    };
    if let Some(conversion) = converted {
        found.sources = sources(&conversion, message);
    }
    found
}

/// The sources of a conversion's own first message.
pub(crate) fn own(conversion: &Conversion, message: &Message<'_>) -> HashMap<Place, Source> {
    sources(conversion, message)
}

pub(crate) fn findings(report: &fhir_adt::Report) -> Vec<Finding> {
    let finding = |issue: &fhir_adt::Issue| Finding {
        severity: issue.severity.as_str().to_owned(),
        expression: issue.expression.clone(),
        detail: issue.diagnostics.to_string(),
        line: None,
        column: None,
    };
    report.issues.iter().map(finding).collect()
}

fn convert(
    mapper: &Mapper,
    destination: &str,
    patient: &Value,
    interaction: Interaction,
) -> Option<Conversion> {
    let mut patient = patient.clone();
    // A foreign message has no logical id.
    let id = match patient["id"].as_str() {
        Some(id) => id.to_owned(),
        None => {
            patient["id"] = "unknown".into();
            "unknown".to_owned()
        }
    };
    mapper.patient_to_adt(&patient, interaction, &context(destination, &id)).ok()
}

fn context<'a>(destination: &'a str, id: &'a str) -> MappingContext<'a> {
    MappingContext {
        receipt_time: jiff::Timestamp::UNIX_EPOCH,
        request_id: "inspector",
        patient_id: id,
        destination,
        lookup: None,
        previous: None,
    }
}

fn sources(conversion: &Conversion, message: &Message<'_>) -> HashMap<Place, Source> {
    let mut found = HashMap::new();
    let Some(own) = conversion.messages.first().and_then(|own| Text::from_text(&own.er7).ok()) else {
        return found;
    };
    let Ok(own) = own.parse() else { return found };
    for origin in conversion.provenance() {
        let at = origin.location;
        let (occurrence, repetition) = (at.occurrence.max(1), at.repetition.max(1));
        let (component, sub) = (at.component.max(1), at.subcomponent.max(1));
        let place = |occurrence, repetition| {
            (at.segment.to_owned(), occurrence, at.field, repetition, component, sub)
        };
        let source = Source { expression: origin.expression.clone(), rule: origin.rule };
        // Whatever time or control id it has, it came from the same rule.
        let by_rule = source.expression.is_empty() && matches!(at.segment, "MSH" | "EVN");
        let wanted = value(&own, &place(occurrence, repetition));
        let agrees = |place: &Place| {
            let there = value(message, place);
            !there.is_empty() && (by_rule || there == wanted)
        };
        let same = place(occurrence, repetition);
        if agrees(&same) {
            found.insert(same, source);
            continue;
        }
        // A foreign sender writes its repetitions in another order.
        let elsewhere = (1..=MOST_REPETITIONS)
            .map(|repetition| place(occurrence, repetition))
            .find(|place| !found.contains_key(place) && agrees(place));
        if let Some(place) = elsewhere {
            found.insert(place, source);
        }
    }
    found
}

fn value(message: &Message<'_>, place: &Place) -> String {
    let (segment, occurrence, field, repetition, component, sub) = place;
    let Some(segment) = message.segments_named(segment).nth(occurrence.saturating_sub(1)) else {
        return String::new();
    };
    let repetition = segment.field(*field).repetition(*repetition);
    repetition.component(*component).subcomponent(*sub).text().unwrap_or_default().into_owned()
}

/// Looked through for a value that moved.
const MOST_REPETITIONS: usize = 12;

#[cfg(test)]
mod tests {
    use fhir_adt::MappingConfig;
    use serde_json::json;

    use super::*;

    fn mapper() -> Mapper {
        Mapper::new(MappingConfig::default()).unwrap().traced()
    }

    fn expression(er7: &str, place: (&str, usize, usize, usize, usize)) -> Option<String> {
        let text = Text::from_text(er7).unwrap();
        let message = text.parse().unwrap();
        let found = find(&mapper(), "default", &text, &message);
        let (segment, field, repetition, component, sub) = place;
        let place = (segment.to_owned(), 1, field, repetition, component, sub);
        found.sources.get(&place).map(|source| source.expression.clone())
    }

    #[test]
    fn an_own_message_has_the_trace_it_was_made_with() {
        let patient = json!({
            "resourceType": "Patient", "id": "p1", "birthDate": "1974-12-25",
            "name": [{ "family": "Example", "given": ["Anna"] }],
            "telecom": [{ "system": "phone", "value": "+1 555 0100", "use": "home" }],
        });
        let conversion =
            mapper().patient_to_adt(&patient, Interaction::Create, &context("default", "p1")).unwrap();
        let er7 = &conversion.messages[0].er7;
        let text = Text::from_text(er7).unwrap();
        let message = text.parse().unwrap();
        let own = sources(&conversion, &message);
        assert_eq!(own.len(), conversion.provenance().len());
        assert_eq!(find(&mapper(), "default", &text, &message).sources, own);
    }

    #[test]
    fn a_foreign_message_has_the_sources_that_agree() {
        let er7 =
            "MSH|^~\\&|HIS|H|X|Y|20240301||ADT^A01|7|P|2.3\rPID|1||99^^^H^MR||Foreign^Frida||19800101|F\r";
        assert_eq!(expression(er7, ("PID", 5, 1, 1, 1)).as_deref(), Some("Patient.name[0].family"));
        assert_eq!(expression(er7, ("PID", 7, 1, 1, 1)).as_deref(), Some("Patient.birthDate"));
        assert_eq!(expression(er7, ("PID", 3, 1, 1, 1)).as_deref(), Some("Patient.identifier[0].value"));
    }

    #[test]
    fn what_is_no_adt_has_a_reason() {
        let text = Text::from_text("MSH|^~\\&|LAB|H|X|Y|2024||ORU^R01|7|P|2.3\rPID|1||9\r").unwrap();
        let found = find(&mapper(), "default", &text, &text.parse().unwrap());
        assert!(found.patient.is_none() && found.reason.is_some() && found.sources.is_empty());
    }
}
