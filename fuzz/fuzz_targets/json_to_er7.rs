//! Any JSON gives messages or a refusal. A message is whole: one segment per line, nothing raw that frames or
//! ends a segment, and what is read from it is written again as the same message.
#![no_main]

use std::sync::LazyLock;

use fhir_adt::{Interaction, Mapper, MappingConfig, MappingContext, Subject};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

static MAPPER: LazyLock<Mapper> =
    LazyLock::new(|| Mapper::new(MappingConfig::default()).expect("the defaults are valid"));

fuzz_target!(|data: &[u8]| {
    let Ok(patient) = serde_json::from_slice::<Value>(data) else { return };
    let Some(messages) = write(&patient) else { return };
    for er7 in &messages {
        assert!(er7.ends_with('\r') && er7.starts_with("MSH|^~\\&|"));
        assert!(er7.bytes().all(|byte| byte == b'\r' || (byte >= 0x20 && byte != 0x7F)));
        let names = ["MSH", "EVN", "PID", "PD1", "NK1", "MRG", "PV1"];
        for line in er7.strip_suffix('\r').unwrap_or(er7).split('\r') {
            assert!(names.iter().any(|name| line.starts_with(&format!("{name}|"))), "an unknown segment");
        }
    }
    let [er7] = messages.as_slice() else { return };
    if !er7.contains("^A31^") {
        return;
    }
    let text = hl7v2::Text::from_text(er7).expect("what was written is readable");
    let read = MAPPER.adt_to_patient(&text).expect("what was written is a patient");
    let Subject::Snapshot(once) = read.subject else { return };
    let again = write(&once).expect("what was read is accepted");
    assert_eq!(without_control_id(&again[0]), without_control_id(er7), "the message is stable");
});

fn write(patient: &Value) -> Option<Vec<String>> {
    let context = MappingContext {
        receipt_time: jiff::Timestamp::UNIX_EPOCH,
        request_id: "r",
        patient_id: patient["id"].as_str().unwrap_or("p-1"),
        destination: "default",
        lookup: None,
        previous: None,
    };
    let conversion = MAPPER.patient_to_adt(patient, Interaction::Update, &context).ok()?;
    Some(conversion.messages.into_iter().map(|message| message.er7).collect())
}

/// MSH-10 names the write, not the content.
fn without_control_id(er7: &str) -> String {
    er7.split('|')
        .enumerate()
        .filter(|(index, _)| *index != 9)
        .map(|(_, field)| field)
        .collect::<Vec<_>>()
        .join("|")
}
