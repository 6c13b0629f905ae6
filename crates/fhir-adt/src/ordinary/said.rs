//! What a reader of the message sees of an ordinary Patient.

use crate::date_time;
use crate::fhir::{Extension, Patient, Str, system, url};
use crate::identifier;
use crate::patient_extension;
use crate::race_ethnicity::{self, Kind};
use crate::site::Site;

/// The Patient as the message says it: in normal form, without what is lost.
pub(crate) fn as_read<'a>(mut patient: Patient<'a>, site: &'a Site) -> Patient<'a> {
    patient.active = None;
    patient.language = None;
    patient.text = None;
    patient.photo.clear();
    patient.link.clear();
    if let Some(element) = &mut patient.birth_date_element {
        element.extension.iter_mut().for_each(|extension| zero_offset(&mut extension.value_date_time));
    }
    patient.managing_organization = None;
    if let Some(meta) = &mut patient.meta {
        meta.version_id = None;
        meta.source = None;
        meta.profile.clear();
        meta.security.clear();
        meta.tag.clear();
        zero_offset(&mut meta.last_updated);
    }
    patient.meta = patient.meta.filter(|meta| meta.last_updated.is_some());
    zero_offset(&mut patient.deceased_date_time);
    let rank =
        |extension: &Extension<'_>| patient_extension::ORDER.iter().position(|known| *known == extension.url);
    patient.extension.retain(|extension| rank(extension).is_some());
    patient.extension.sort_by_key(rank);
    for extension in &mut patient.extension {
        match &*extension.url {
            url::RACE => race_text(extension, Kind::Race),
            url::ETHNICITY => race_text(extension, Kind::Ethnicity),
            _ => {}
        }
    }
    for identifier in &mut patient.identifier {
        identifier.r#use = None;
        if let Some(concept) = &mut identifier.r#type {
            concept.text = None;
            concept.coding.retain(|coding| coding.system.as_deref() == Some(system::IDENTIFIER_TYPE));
            concept.coding.iter_mut().for_each(|coding| coding.display = None);
        }
        identifier.r#type =
            identifier.r#type.take().filter(|concept| !concept.coding.is_empty()).or_else(|| {
                let default = identifier.system.as_deref().and_then(|uri| site.registry.default_type(uri));
                default.map(|code| identifier::type_of(code.into()))
            });
        if let Some(assigner) = &mut identifier.assigner {
            assigner.reference = None;
        }
        identifier.assigner = identifier.assigner.take().filter(|assigner| assigner.display.is_some());
    }
    for name in &mut patient.name {
        said_name(name);
    }
    said_telecom(&mut patient.telecom);
    patient.address.iter_mut().for_each(said_address);
    for communication in &mut patient.communication {
        communication.preferred = None;
    }
    for contact in &mut patient.contact {
        contact.name.iter_mut().for_each(said_name);
        contact.address.iter_mut().for_each(said_address);
        said_telecom(&mut contact.telecom);
    }
    patient
}

fn said_name(name: &mut crate::fhir::HumanName<'_>) {
    name.text = None;
    if let Some(period) = &mut name.period {
        zero_offset(&mut period.start);
        zero_offset(&mut period.end);
    }
}

fn said_telecom(points: &mut [crate::fhir::ContactPoint<'_>]) {
    points.sort_by_key(|point| point.r#use.as_deref() == Some("work"));
    for point in points {
        point.rank = None;
        point.period = None;
    }
}

fn said_address(address: &mut crate::fhir::Address<'_>) {
    address.extension.clear();
    address.text = None;
    address.r#type = None;
    if let Some(period) = &mut address.period {
        zero_offset(&mut period.start);
        zero_offset(&mut period.end);
    }
    if address.line.len() > 2 {
        let further: Vec<Str<'_>> = address.line.drain(1..).flatten().collect();
        address.line.push(Some(further.join(", ").into()));
    }
}

/// B8.
fn race_text(extension: &mut Extension<'_>, kind: Kind) {
    if !extension.extension.iter().any(|part| part.url == "text")
        && let Some(text) = race_ethnicity::text_of(kind, extension)
    {
        extension.extension.push(Extension::string("text", text));
    }
}

/// B8.
fn zero_offset(time: &mut Option<Str<'_>>) {
    if let Some(zulu) = time.as_deref().and_then(date_time::with_z) {
        *time = Some(zulu.into());
    }
}
