//! Any bytes give a Patient or an error. A Patient that is accepted on the way out comes back the same.
#![no_main]

use std::sync::LazyLock;

use fhir_adt::{Interaction, Mapper, MappingConfig, MappingContext, Subject};
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};

static MAPPER: LazyLock<Mapper> =
    LazyLock::new(|| Mapper::new(MappingConfig::default()).expect("the defaults are valid"));

fuzz_target!(|data: &[u8]| {
    let Ok(text) = hl7v2::Text::from_bytes(data) else { return };
    let Ok(read) = MAPPER.adt_to_patient(&text) else { return };
    let Subject::Snapshot(mut patient) = read.subject else { return };
    patient["id"] = json!("p-1");
    let Some(first) = write(&patient) else { return };
    let once = reread(&first);
    let second = write(&once).expect("what was read is accepted");
    assert_eq!(first, second, "the message is stable");
    assert_eq!(once, reread(&second), "the patient is stable");
});

fn write(patient: &Value) -> Option<String> {
    let context = MappingContext {
        receipt_time: jiff::Timestamp::UNIX_EPOCH,
        request_id: "r",
        patient_id: "p-1",
        destination: "default",
        lookup: None,
        previous: None,
    };
    let conversion = MAPPER.patient_to_adt(patient, Interaction::Update, &context).ok()?;
    conversion.messages.first().map(|message| message.er7.clone())
}

fn reread(er7: &str) -> Value {
    let text = hl7v2::Text::from_text(er7).expect("what was written is readable");
    let read = MAPPER.adt_to_patient(&text).expect("what was written is a patient");
    let Subject::Snapshot(patient) = read.subject else { panic!("an update is a snapshot") };
    patient
}
