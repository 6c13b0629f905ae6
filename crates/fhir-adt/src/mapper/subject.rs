//! What a message says of a patient, by its event (mapping section 2.5).

use hl7v2::Message;

use crate::context::{MappingError, ReadBack, Subject};
use crate::date_time;
use crate::fhir::{Patient, Str};
use crate::identifier;
use crate::read;
use crate::reading::Reading;
use crate::report::Report;

/// What a message says; what there is to tell stays in the reading.
pub(super) fn read_message<'m, P>(
    message: &'m Message<'_>,
    reading: &Reading<'m>,
    as_json: impl Fn(Patient<'m>) -> P,
) -> Result<ReadBack<P>, MappingError> {
    let msh = message.segment("MSH");
    let header = |field: usize, component: usize| {
        msh.and_then(|msh| msh.field(field).component(component).text()).unwrap_or_default()
    };
    if header(9, 1) != "ADT" {
        return Err(MappingError::NotAdt);
    }
    let evn = message.segment("EVN");
    let evn_text = |field: usize| evn.and_then(|evn| reading.text(evn.field(field).component(1)));
    let event = match header(9, 2) {
        event if event.is_empty() => evn_text(1).unwrap_or_default(),
        event => event,
    };
    let times = [evn_text(6), evn_text(2), Some(header(7, 1))].into_iter().flatten();
    let time = times.into_iter().find_map(|ts| {
        let (value, _) = date_time::from_ts(&ts, None, &reading.offset).ok()?;
        date_time::sortable(&value, &reading.offset)
    });
    let site = reading.site;
    let mut pids = message.segments_named("PID");
    let pid = pids.next();
    let needed = || pid.ok_or(MappingError::MissingSegment { segment: "PID" });
    let id = |pid: Option<hl7v2::Segment<'_>>| {
        pid.and_then(|pid| identifier::logical_id(&pid, site).map(Str::into_owned))
    };
    let subject = match &*event {
        "A28" | "A31" | "A01" | "A04" | "A05" | "A08" => {
            Subject::Snapshot(as_json(read::patient(message, &needed()?, reading)))
        }
        "A29" | "A23" => Subject::Deleted { id: id(Some(needed()?)) },
        "A40" => {
            let pid = needed()?;
            let survivor = id(Some(pid));
            let mrg = message.segment("MRG").ok_or(MappingError::MissingSegment { segment: "MRG" })?;
            let retired = read::retired(&mrg, &pid, survivor.as_deref(), reading);
            Subject::Merged { retired: as_json(retired), survivor }
        }
        "A24" => Subject::Linked { ids: [id(Some(needed()?)), id(pids.next())] },
        "A37" => Subject::Unlinked { ids: [id(Some(needed()?)), id(pids.next())] },
        _ => Subject::NotAPatient,
    };
    Ok(ReadBack { event: event.into_owned(), subject, time, report: Report::default() })
}
