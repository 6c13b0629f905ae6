//! What is converted: the worked update example, and the same Patient with its lists 10 and 100 times as long.

use std::fs;

use fhir_adt::{Conversion, Interaction, JsonWrite, Mapper, MappingConfig, MappingContext};
use serde_json::Value;

/// One Patient, as JSON and as the message it becomes.
pub(crate) struct Subject {
    pub(crate) json: Vec<u8>,
    pub(crate) er7: String,
}

impl Subject {
    /// The example with every list of identifiers, names, addresses and numbers `times` as long, each member another.
    pub(crate) fn new(mapper: &Mapper, times: usize) -> Self {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/2-update.request.json");
        let json = fs::read(path).expect("the example is there");
        let json = if times == 1 { json } else { lengthened(&json, times) };
        let conversion = to_adt(mapper, &json);
        let er7 = conversion.messages[0].er7.clone();
        Self { json, er7 }
    }
}

pub(crate) fn mapper() -> Mapper {
    Mapper::new(MappingConfig::default()).expect("the defaults are valid")
}

/// FHIR → ER7, from the bytes of a request.
pub(crate) fn to_adt(mapper: &Mapper, json: &[u8]) -> Conversion {
    let write = JsonWrite { json, interaction: Interaction::Update, stamp: None, read_back: false };
    mapper.patient_json_to_adt(&write, &context()).expect("valid input")
}

/// As the hook does it: the message, and what a reader of the message will see, as JSON.
pub(crate) fn write(mapper: &Mapper, json: &[u8]) -> Conversion {
    let write = JsonWrite { json, interaction: Interaction::Update, stamp: None, read_back: true };
    mapper.patient_json_to_adt(&write, &context()).expect("valid input")
}

/// ER7 → FHIR, to the bytes of an answer.
pub(crate) fn to_json(mapper: &Mapper, er7: &str) -> Vec<u8> {
    let text = hl7v2::Text::from_text(er7).expect("our own message");
    let read = mapper.adt_to_patient_json(&text).expect("our own message");
    let fhir_adt::Subject::Snapshot(patient) = read.subject else { return Vec::new() };
    patient
}

pub(crate) fn context() -> MappingContext<'static> {
    MappingContext {
        receipt_time: "2024-03-02T19:05:10Z".parse().expect("a time"),
        request_id: "r-1",
        patient_id: "p-204",
        destination: "default",
        lookup: None,
        previous: None,
    }
}

/// The Patient with its lists repeated until it is `times` as long.
fn lengthened(json: &[u8], times: usize) -> Vec<u8> {
    let patient: Value = serde_json::from_slice(json).expect("JSON");
    let goal = json.len() * times;
    let first = repeated(&patient, times);
    repeated(&patient, times * goal / first.len())
}

fn repeated(patient: &Value, rounds: usize) -> Vec<u8> {
    let mut patient = patient.clone();
    for (list, varied) in LISTS {
        let members = patient[list].as_array().cloned().unwrap_or_default();
        let mut longer = Vec::with_capacity(members.len() * rounds);
        for round in 0..rounds {
            for mut member in members.iter().cloned() {
                if let Some(Value::String(text)) = member.pointer_mut(varied) {
                    text.push_str(&format!(" {round}"));
                }
                longer.push(member);
            }
        }
        patient[list] = Value::Array(longer);
    }
    serde_json::to_vec_pretty(&patient).expect("JSON")
}

/// The lists that are repeated, and what differs in each repetition.
const LISTS: [(&str, &str); 5] = [
    ("identifier", "/value"),
    ("name", "/family"),
    ("telecom", "/value"),
    ("address", "/city"),
    ("generalPractitioner", "/display"),
];
