//! MSH and EVN (mapping section 3; HL7 v2.5.1 §2.15.9, §3.4.1).

use data_encoding::BASE32_NOPAD;
use sha2::{Digest, Sha256};

use crate::config::{AckMode, CharsetName, Evn1};
use crate::context::MappingContext;
use crate::date_time;
use crate::fhir::Meta;
use crate::path::PATIENT;
use crate::pid::authority;
use crate::site::Site;
use crate::trace::Writer;

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
    out: &mut Writer,
    event: Event,
    control_id: &str,
    context: &MappingContext<'_>,
    site: &Site,
) {
    let config = &site.config;
    out.segment("MSH");
    for (field, party) in (3..).zip(&site.parties) {
        authority(out, field, party);
    }
    out.fixed(7, &date_time::instant_to_ts(context.receipt_time, &site.zone), "3.1");
    let mut kind = out.repetition(9, PATIENT);
    kind.fixed(1, 1, "ADT", "2.1");
    kind.fixed(2, 1, event.code, "2.1");
    if site.rules.message_structure {
        kind.fixed(3, 1, event.structure, "2.6");
    }
    out.fixed(10, control_id, "3.2");
    let mut processing = out.repetition(11, PATIENT);
    processing.fixed(1, 1, config.processing_id.as_str(), "3.1");
    processing.fixed(2, 1, config.processing_mode.as_str(), "3.1");
    out.fixed(12, config.version.as_str(), "3.1");
    if config.ack == AckMode::Enhanced {
        out.fixed(15, "AL", "3.1");
        out.fixed(16, config.application_ack.as_str(), "3.1");
    }
    out.fixed(17, &config.country_code, "3.1");
    match config.charset {
        CharsetName::Utf8 => out.fixed(18, site.rules.utf8_name, "2.6"),
        CharsetName::Latin1 => out.fixed(18, "8859/1", "3.1"),
        CharsetName::Ascii => {}
    }
    for profile in &config.profile_ids {
        let mut id = out.repetition(21, PATIENT);
        for (component, part) in (1..).zip(profile.split('^')) {
            id.fixed(component, 1, part, "3.1");
        }
    }
}

/// EVN.
pub(crate) fn evn(
    out: &mut Writer,
    event: Event,
    meta: Option<&Meta<'_>>,
    context: &MappingContext<'_>,
    site: &Site,
) {
    out.segment("EVN");
    let with_code = match site.config.evn1 {
        Evn1::Auto => site.rules.evn_1,
        Evn1::Always => true,
        Evn1::Never => false,
    };
    if with_code {
        out.fixed(1, event.code, "2.6");
    }
    let meta_path = PATIENT.member("meta");
    let updated = meta.and_then(|meta| meta.last_updated.as_deref()).and_then(date_time::to_ts);
    for field in [2, 6] {
        match &updated {
            Some(ts) => out.set(field, ts, meta_path.member("lastUpdated"), "3.1"),
            None => out.fixed(field, &date_time::instant_to_ts(context.receipt_time, &site.zone), "3.1"),
        }
    }
    authority(out, 7, &site.event_facility);
}

/// PV1: this is not about a visit.
pub(crate) fn pv1(out: &mut Writer, patient_class: &str) {
    out.segment("PV1");
    out.fixed(1, "1", "2.4");
    out.fixed(2, patient_class, "2.4");
}

/// The version key of a control id (section 3.2): what kind it is, and its text.
pub(crate) fn version_key<'a>(meta: Option<&'a Meta<'_>>, request_id: &'a str) -> [&'a str; 2] {
    let version = meta.and_then(|meta| meta.version_id.as_deref());
    let updated = meta.and_then(|meta| meta.last_updated.as_deref());
    match (version, updated) {
        (Some(version), _) => ["v:", version],
        (None, Some(updated)) => ["t:", updated],
        (None, None) => ["r:", request_id],
    }
}

/// MSH-10: the same write gives the same id on every retry. `n` is the position of the message within the write,
/// from 1. 100 bits of a SHA-256, in base 32.
pub(crate) fn control_id(
    destination: &str,
    event: &str,
    patient_id: &str,
    key: [&str; 2],
    n: usize,
) -> String {
    let mut hash = Sha256::new();
    let [kind, key] = key;
    for part in [destination, "|", event, "|", patient_id, "|", kind, key, "|"] {
        hash.update(part.as_bytes());
    }
    match u8::try_from(n) {
        Ok(n @ 0..=9) => hash.update([b'0' + n]),
        _ => hash.update(n.to_string().as_bytes()),
    }
    let digest = hash.finalize();
    // Five bits a character: twenty of them take thirteen bytes.
    let mut id = BASE32_NOPAD.encode(digest.get(..15).unwrap_or_default());
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
            ["r:", "01HQXS0Z3M5V8W2K4C6D7E9F0G"],
            1,
        );
        assert_eq!(id, "WZOTS3ABLMXMEJW2IRGX");
    }
}
