//! One message of an invented patient to the endpoint, when the operator says so.

use std::{
    io::{self, Write as _},
    net::SocketAddr,
};

use fhir_adt::{Interaction, Mapper, MappingContext};
use hl7v2::{AckCode, Acknowledgment};
use mllp::Connection;
use serde_json::json;

use super::{Finding, Report};
use crate::{config::Config, errors, output, send, stack::chain};

const CHECK: &str = "echo";
/// Names no patient of anybody.
const PATIENT: &str = "adt-bridge-doctor";

/// Sends it and looks at MSA-1 and MSA-2. Training mode (MSH-11 `T`), whatever the settings say.
pub(super) async fn examine(config: &Config, mut connection: Connection, report: &mut Report) {
    let (control_id, er7) = match message(config) {
        Ok(message) => message,
        Err(reason) => return report.add(Finding::failed(CHECK, reason).fix("mend the [message] section")),
    };
    let what = format!("ADT^A31 {control_id} of the invented patient {PATIENT}, in training mode (MSH-11 T)");
    announce(connection.peer(), &er7);
    if let Err(error) = connection.send(er7.as_bytes()).await {
        return report
            .add(Finding::failed(CHECK, chain(&what, &error)).explained(errors::connection(&error)));
    }
    match send::answer(&mut connection, &control_id, connection_timeout(config)).await {
        Ok(acknowledgment) => report.add(judged(&what, &acknowledgment)),
        Err(error) => {
            report.add(Finding::failed(CHECK, chain(&what, &error)).explained(errors::connection(&error)))
        }
    }
    connection.close().await;
}

fn connection_timeout(config: &Config) -> std::time::Duration {
    std::time::Duration::from_secs(config.sender.endpoint.acknowledgment_timeout_seconds)
}

/// Says what goes out before it does; it is invented from end to end.
fn announce(peer: SocketAddr, er7: &str) {
    // Standard error may be closed; the report tells it too.
    drop(writeln!(io::stderr().lock(), "echo: sending to {peer}\n{}", output::segments(er7)));
}

/// The message as it will be sent, and its control id.
fn message(config: &Config) -> Result<(String, String), String> {
    let mut settings = config.message.clone();
    settings.processing_id = fhir_adt::ProcessingId::Training;
    let mapper = Mapper::new(settings).map_err(|error| format!("[message]: {error}"))?;
    let receipt_time = jiff::Timestamp::now();
    let request_id = format!("doctor-{}", receipt_time.as_nanosecond());
    let context = MappingContext {
        receipt_time,
        request_id: &request_id,
        patient_id: PATIENT,
        destination: &config.hook.destination,
        lookup: None,
        previous: None,
    };
    let patient = json!({
        "resourceType": "Patient",
        "id": PATIENT,
        "name": [{ "use": "official", "family": "TEST", "given": ["ADT-BRIDGE"] }],
    });
    let conversion = mapper.patient_to_adt(&patient, Interaction::Update, &context);
    let conversion = conversion.map_err(|_| "the message cannot be made".to_owned())?;
    let message =
        conversion.messages.into_iter().next().ok_or("the settings send no message for an update")?;
    Ok((message.control_id, message.er7))
}

fn judged(what: &str, acknowledgment: &Acknowledgment) -> Finding {
    match acknowledgment.code {
        AckCode::AA | AckCode::CA => {
            Finding::ok(CHECK, format!("sent {what}; answered {}, MSA-2 is ours", acknowledgment.code))
        }
        code => Finding::warning(CHECK, format!("sent {what}; answered {code}"))
            .because(
                "the endpoint works and does not take this message: an unknown patient, or training mode",
            )
            .fix("ask its people whether they take MSH-11 T; real messages may be answered otherwise"),
    }
}
