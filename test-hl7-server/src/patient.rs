//! Whose current message a message becomes.

use hl7v2::{Location, RawSegment, Text};
use message_store::PatientKey;

use crate::error::Refusal;

/// Events that describe the patient in PID-3, or say that the record is deleted (A23, A29).
const OF_THE_PATIENT: [&str; 8] = ["A01", "A04", "A05", "A08", "A23", "A28", "A29", "A31"];
/// Merge: the record in MRG-1 is retired, the one in PID-3 survives.
const MERGE: &str = "A40";

/// The patients whose current message this becomes; empty for an event that is only kept.
///
/// # Errors
/// `Required` when the event is about a patient and the message names none by logical id, `PatientId` when the
/// id is not one.
pub(crate) fn patients(message: &Text, event: &str, id_type: &str) -> Result<Vec<PatientKey>, Refusal> {
    if OF_THE_PATIENT.contains(&event) {
        let pid = message.segment("PID");
        return Ok(vec![logical_id(pid, Location::field("PID", 3), id_type)?]);
    }
    if event == MERGE {
        let location = |index| Location { occurrence: index + 1, ..Location::field("MRG", 1) };
        let mut segments = message.segments().filter(|segment| segment.name() == "MRG").peekable();
        if segments.peek().is_none() {
            return Err(Refusal::Required(location(0)));
        }
        return segments
            .enumerate()
            .map(|(index, segment)| logical_id(Some(segment), location(index), id_type))
            .collect();
    }
    Ok(Vec::new())
}

fn logical_id(
    segment: Option<RawSegment<'_>>,
    location: Location,
    id_type: &str,
) -> Result<PatientKey, Refusal> {
    let id = segment.and_then(|segment| {
        let mut repetitions = segment.repetitions(location.field);
        let found = repetitions.find(|cx| cx.component(5).as_deref() == Some(id_type))?;
        Some(found.component(1)?.into_owned())
    });
    let id = id.filter(|id| !id.is_empty()).ok_or(Refusal::Required(location))?;
    PatientKey::new(&id).map_err(|_| Refusal::PatientId(location))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(event: &str, segments: &str) -> Result<Vec<String>, Refusal> {
        let text = format!("MSH|^~\\&|A|B|C|D|2024||ADT^{event}|1|T|2.5.1\r{segments}\r");
        let text = hl7v2::Text::from_text(&text).unwrap();
        let keys = patients(&text, event, "FW")?;
        Ok(keys.iter().map(|key| key.id().to_owned()).collect())
    }

    #[test]
    fn each_event_touches_its_own_patient() {
        let segments = "PID|1||7^^^H^MR~p-1^^^FHIR^FW\rMRG|8^^^H^MR~p-2^^^FHIR^FW";
        for event in OF_THE_PATIENT {
            assert_eq!(found(event, segments).unwrap(), ["p-1"], "{event}");
        }
        assert_eq!(found("A40", segments).unwrap(), ["p-2"]);
        for event in ["A24", "A37", "A02", "A60", ""] {
            assert_eq!(found(event, segments).unwrap(), [""; 0], "{event}");
        }
    }

    #[test]
    fn several_merges_in_one_message() {
        let segments = "PID|1||p-1^^^^FW\rMRG|p-2^^^^FW\rPID|1||p-3^^^^FW\rMRG|p-4^^^^FW";
        assert_eq!(found("A40", segments).unwrap(), ["p-2", "p-4"]);
    }

    #[test]
    fn says_where_the_id_is_missing_or_wrong() {
        let required = |segment, field| Err(Refusal::Required(Location::field(segment, field)));
        assert_eq!(found("A31", "PID|1||7^^^H^MR"), required("PID", 3));
        assert_eq!(found("A31", "EVN|"), required("PID", 3));
        assert_eq!(found("A31", "PID|1||^^^FHIR^FW"), required("PID", 3));
        assert_eq!(found("A40", "PID|1||p-1^^^^FW"), required("MRG", 1));
        assert_eq!(found("A31", "PID|1||../x^^^FHIR^FW"), Err(Refusal::PatientId(Location::field("PID", 3))));
    }
}
