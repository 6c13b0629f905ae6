//! Types that hold values of patients print only their shape.

use std::fmt::Debug;

use fhir_adt::{Interaction, JsonWrite, Mapper, MappingConfig, MappingContext};
use hl7v2::{Acknowledgment, Text};
use message_store::{
    AcceptedRecord, Current, Incoming, Mark, NewCurrent, OrderingKey, PatientKey, ReceivedKey,
};
use queue::{Attributes, DeadLetter, DeduplicationId, Delivery, Envelope, GroupId, Reason, Receipt};
use serde_json::json;

use crate::canary::search::{MARKER, leaks};

fn shape(value: &dyn Debug) {
    for shown in [format!("{value:?}"), format!("{value:#?}")] {
        assert!(!shown.is_empty() && !leaks(&shown), "{shown}");
    }
}

fn er7() -> String {
    format!(
        "MSH|^~\\&|A|B|C|D|20240301||ADT^A28^ADT_A05|C1|P|2.5.1\rEVN||20240301\r\
         PID|1||{MARKER}^^^{MARKER}^MR||{MARKER}^{MARKER}||18470228|F\rZZZ|{MARKER}\r"
    )
}

#[test]
fn messages_and_their_parts() {
    let text = Text::from_text(&er7()).unwrap();
    shape(&text);
    let message = text.parse().unwrap();
    shape(&message);
    shape(&message.header());
    let pid = message.segment("PID").unwrap();
    shape(&pid);
    shape(&pid.field(5));
    shape(&mllp::Frame::new(er7()));
    let answer =
        format!("MSH|^~\\&|A|B|C|D|20240301||ACK|C2|P|2.5.1\rMSA|AE|C1|{MARKER}\rERR|||101|E|||{MARKER}\r");
    shape(&Acknowledgment::from_bytes(answer.as_bytes()).unwrap());
    shape(&Text::from_text(MARKER));
    shape(&Acknowledgment::from_bytes(MARKER.as_bytes()));
}

#[test]
fn what_is_queued() {
    let envelope = Envelope {
        body: er7(),
        group: GroupId::digest(&[MARKER]),
        deduplication_id: DeduplicationId::digest(&[MARKER]),
        attributes: Attributes { control_id: "C1".into(), event: "ADT^A28".into(), ..Attributes::default() },
    };
    shape(&envelope);
    let (receipt, sequence) = (Receipt::new(MARKER), "1".to_owned());
    shape(&Delivery { envelope, receipt, receive_count: 1, sequence });
    shape(&DeadLetter { text: Some(MARKER.into()), ..DeadLetter::new(Reason::Expired) });
}

#[test]
fn what_is_stored() {
    let order = OrderingKey::new("1").unwrap();
    let patient = PatientKey::new(MARKER).unwrap();
    shape(&patient);
    shape(&Current { body: er7().into(), order: Some(order.clone()) });
    shape(&AcceptedRecord {
        body: er7().into(),
        deleted: false,
        version: 1,
        order: order.clone(),
        control_id: "C1".into(),
        request: None,
        told: Mark::default(),
        counted: true,
        content: None,
        claim: None,
    });
    let current = Some(NewCurrent { patients: vec![patient], order, text: er7().into() });
    shape(&current);
    shape(&Incoming { received: ReceivedKey::new(MARKER, MARKER), body: er7().into(), current });
}

#[test]
fn conversions_and_their_refusals() {
    let mapper = Mapper::new(MappingConfig::default()).unwrap().traced();
    let previous = json!({ "id": MARKER });
    let context = MappingContext {
        receipt_time: jiff::Timestamp::UNIX_EPOCH,
        request_id: MARKER,
        patient_id: MARKER,
        destination: "default",
        lookup: None,
        previous: Some(&previous),
    };
    shape(&context);
    let patient = crate::canary::marked::patient(MARKER, MARKER);
    let conversion = mapper.patient_to_adt(&patient, Interaction::Create, &context).unwrap();
    assert!(!conversion.messages.is_empty() && !conversion.provenance().is_empty());
    shape(&conversion);
    shape(&conversion.messages);
    shape(&conversion.provenance());
    let read = mapper.adt_to_patient(&Text::from_text(&conversion.messages[0].er7).unwrap()).unwrap();
    shape(&read);
    shape(&read.subject);
    for wrong in [
        json!({ "birthDate": MARKER }),
        json!({ "name": MARKER }),
        json!({ "gender": MARKER }),
        json!(MARKER),
    ] {
        let mut patient = wrong.clone();
        if wrong.is_object() {
            patient["resourceType"] = json!("Patient");
        }
        shape(&mapper.patient_to_adt(&patient, Interaction::Create, &context));
        for json in [patient.to_string(), format!("{{\"a\":{MARKER}}}"), format!("\"{MARKER}")] {
            let write = JsonWrite {
                json: json.as_bytes(),
                interaction: Interaction::Create,
                stamp: None,
                read_back: true,
            };
            shape(&write);
            shape(&mapper.patient_json_to_adt(&write, &context));
        }
    }
}
