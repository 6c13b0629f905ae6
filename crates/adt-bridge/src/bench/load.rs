//! What is written and sent: one Patient over and over, each time with an identifier of its own.

use std::path::Path;

use fhir_adt::{Interaction, Mapper, MappingContext};
use serde_json::{Value, json};

use crate::{
    config::Config,
    exit::{Code, Failure},
};

const EXAMPLE: &str = include_str!("../../../../examples/patient.json");
/// Begins the identifier of each Patient; ten digits follow.
const MARK: &str = "bench-";
const DIGITS: usize = 10;
/// Stands for the number in a template.
const PLACE: &str = "bench-0000000000";
/// Stands for MSH-10 in a template; as long as ours are.
const CONTROL_ID: &str = "BENCH0000000000";

/// A Patient in JSON, or a message, with places for a number.
#[derive(Clone)]
pub(super) struct Template {
    bytes: Vec<u8>,
    /// Where digits go.
    places: Vec<usize>,
}

impl Template {
    /// A Patient for `POST`, of a file or the built-in one.
    pub(super) fn patient(file: Option<&Path>) -> Result<Self, Failure> {
        let text = match file {
            None => EXAMPLE.to_owned(),
            Some(path) => std::fs::read_to_string(path)
                .map_err(|error| Failure::new(Code::InputInvalid, format!("{}: {error}", path.display())))?,
        };
        let mut patient: Value = serde_json::from_str(&text)
            .map_err(|_| Failure::new(Code::InputInvalid, "the Patient is not valid JSON"))?;
        let Some(members) = patient.as_object_mut() else {
            return Err(Failure::new(Code::InputInvalid, "the Patient is not a JSON object"));
        };
        members.remove("id");
        let identifier = json!({
            "system": "urn:oid:2.999.1",
            "type": { "coding": [{ "system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MR" }] },
            "value": PLACE,
        });
        match members.entry("identifier").or_insert_with(|| json!([])) {
            Value::Array(all) => all.insert(0, identifier),
            _ => return Err(Failure::new(Code::InputInvalid, "Patient.identifier must be a list")),
        }
        Ok(Self::new(patient.to_string().into_bytes()))
    }

    /// The message of the built-in Patient, with a control id that begins with `BENCH`.
    pub(super) fn message() -> Result<Self, Failure> {
        let patient = Self::patient(None)?.numbered(0);
        let mut patient: Value = serde_json::from_slice(&patient).map_err(Failure::internal)?;
        if let Some(members) = patient.as_object_mut() {
            members.insert("id".to_owned(), PLACE.into());
        }
        let config = Config::private(Path::new("."))?;
        let mapper = Mapper::new(config.message).map_err(Failure::internal)?;
        let context = MappingContext {
            receipt_time: jiff::Timestamp::now(),
            request_id: "bench",
            patient_id: PLACE,
            destination: &config.hook.destination,
            lookup: None,
            previous: None,
        };
        let converted = mapper
            .patient_to_adt(&patient, Interaction::Create, &context)
            .map_err(|_| Failure::internal("the built-in Patient does not convert"))?;
        let er7 = converted.messages.first().map_or("", |message| message.er7.as_str());
        let mut fields: Vec<&str> = er7.splitn(11, '|').collect();
        let Some(control_id) = fields.get_mut(9) else {
            return Err(Failure::internal("the message has no MSH-10"));
        };
        *control_id = CONTROL_ID;
        Ok(Self::new(fields.join("|").into_bytes()))
    }

    fn new(bytes: Vec<u8>) -> Self {
        let find = |needle: &[u8]| -> Vec<usize> {
            let windows = bytes.windows(needle.len()).enumerate();
            windows
                .filter(|(_, window)| *window == needle)
                .map(|(at, window)| at + window.len() - DIGITS)
                .collect()
        };
        let mut places = find(PLACE.as_bytes());
        places.extend(find(CONTROL_ID.as_bytes()));
        Self { bytes, places }
    }

    /// A copy with this number.
    pub(super) fn numbered(&self, number: u64) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        let digits = format!("{number:0DIGITS$}");
        for place in &self.places {
            if let Some(room) = bytes.get_mut(*place..*place + DIGITS) {
                room.copy_from_slice(digits.as_bytes());
            }
        }
        bytes
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }
}

/// The control id of a numbered message.
pub(super) fn control_id(number: u64) -> String {
    format!("BENCH{number:0DIGITS$}")
}

/// The number in a message that was made of a template.
pub(super) fn number(body: &str) -> Option<u64> {
    let (_, after) = body.split_once(MARK)?;
    after.get(..DIGITS)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_goes_in_and_comes_out() {
        let message = String::from_utf8(Template::message().unwrap().numbered(42)).unwrap();
        assert_eq!(number(&message), Some(42));
        assert_eq!(message.split('|').nth(9), Some(control_id(42).as_str()));
        let patient = Template::patient(None).unwrap();
        let text = String::from_utf8(patient.numbered(7)).unwrap();
        assert_eq!(number(&text), Some(7));
        assert_eq!(text.len(), patient.len());
    }
}
