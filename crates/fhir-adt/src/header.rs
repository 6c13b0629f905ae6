//! MSH and EVN (mapping section 3; HL7 v2.5.1 §2.15.9, §3.4.1).

use data_encoding::BASE32_NOPAD;
use sha2::{Digest, Sha256};

use crate::assigning_authority::Designator;
use crate::config::{AckMode, CharsetName, Evn1};
use crate::context::MappingContext;
use crate::date_time;
use crate::fhir::Meta;
use crate::pid::authority;
use crate::site::Site;
use crate::trace::{Traced, TracedSegment};

/// What a message is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    /// MSH-9.2.
    pub(crate) code: &'static str,
    /// MSH-9.3.
    pub(crate) structure: &'static str,
}

/// MSH.
pub(crate) fn msh(
    event: Event,
    control_id: &str,
    context: &MappingContext<'_>,
    site: &Site,
) -> TracedSegment {
    let config = &site.config;
    let mut msh = TracedSegment::new("MSH");
    for (field, party) in (3..).zip([
        &config.sending_application,
        &config.sending_facility,
        &config.receiving_application,
        &config.receiving_facility,
    ]) {
        msh.push(field, authority(&Designator::parse(party)));
    }
    msh.fixed(7, &date_time::instant_to_ts(context.receipt_time, &site.zone), "3.1");
    let mut kind = Traced::default();
    kind.fixed(1, 1, "ADT", "2.1");
    kind.fixed(2, 1, event.code, "2.1");
    if site.rules.message_structure {
        kind.fixed(3, 1, event.structure, "2.6");
    }
    msh.push(9, kind);
    msh.fixed(10, control_id, "3.2");
    msh.fixed(11, config.processing_id.as_str(), "3.1");
    msh.fixed(12, config.version.as_str(), "3.1");
    if config.ack == AckMode::Enhanced {
        msh.fixed(15, "AL", "3.1");
        msh.fixed(16, config.application_ack.as_str(), "3.1");
    }
    msh.fixed(17, &config.country_code, "3.1");
    match config.charset {
        CharsetName::Utf8 => msh.fixed(18, site.rules.utf8_name, "2.6"),
        CharsetName::Latin1 => msh.fixed(18, "8859/1", "3.1"),
        CharsetName::Ascii => {}
    }
    for profile in &config.profile_ids {
        let mut id = Traced::default();
        for (component, part) in (1..).zip(profile.split('^')) {
            id.fixed(component, 1, part, "3.1");
        }
        msh.push(21, id);
    }
    msh
}

/// EVN.
pub(crate) fn evn(
    event: Event,
    meta: Option<&Meta>,
    context: &MappingContext<'_>,
    site: &Site,
) -> TracedSegment {
    let mut evn = TracedSegment::new("EVN");
    let with_code = match site.config.evn1 {
        Evn1::Auto => site.rules.evn_1,
        Evn1::Always => true,
        Evn1::Never => false,
    };
    if with_code {
        evn.fixed(1, event.code, "2.6");
    }
    let updated = meta.and_then(|meta| meta.last_updated.as_deref()).and_then(date_time::to_ts);
    for field in [2, 6] {
        match &updated {
            Some(ts) => evn.set(field, ts, "Patient.meta.lastUpdated", "3.1"),
            None => evn.fixed(field, &date_time::instant_to_ts(context.receipt_time, &site.zone), "3.1"),
        }
    }
    evn.push(7, authority(&Designator::parse(&site.config.event_facility)));
    evn
}

/// PV1: this is not about a visit.
pub(crate) fn pv1(patient_class: &str) -> TracedSegment {
    let mut pv1 = TracedSegment::new("PV1");
    pv1.fixed(1, "1", "2.4");
    pv1.fixed(2, patient_class, "2.4");
    pv1
}

/// The version key of a control id (section 3.2).
pub(crate) fn version_key(meta: Option<&Meta>, request_id: &str) -> String {
    let version = meta.and_then(|meta| meta.version_id.as_deref());
    let updated = meta.and_then(|meta| meta.last_updated.as_deref());
    match (version, updated) {
        (Some(version), _) => format!("v:{version}"),
        (None, Some(updated)) => format!("t:{updated}"),
        (None, None) => format!("r:{request_id}"),
    }
}

/// MSH-10: the same write gives the same id on every retry. `n` is the position of the message within the write,
/// from 1. 100 bits of a SHA-256, in base 32.
pub(crate) fn control_id(destination: &str, event: &str, patient_id: &str, key: &str, n: usize) -> String {
    let text = format!("{destination}|{event}|{patient_id}|{key}|{n}");
    let mut id = BASE32_NOPAD.encode(&Sha256::digest(text.as_bytes()));
    id.truncate(20);
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_control_id_is_twenty_characters_of_base_32() {
        let id = control_id(
            "default",
            "A28",
            "7f2c1b1e-5a6d-4c53-9a0a-0d8f7b6b1c11",
            "r:01HQXS0Z3M5V8W2K4C6D7E9F0G",
            1,
        );
        assert_eq!(id, "WZOTS3ABLMXMEJW2IRGX");
    }
}
