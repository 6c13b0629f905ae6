//! Reference ↔ XCN and XON (mapping section 4.6; HL7 v2.5.1 §2.A.85, §2.A.87).
//!
//! | FHIR | XCN (PD1-4) | XON (PD1-3, NK1-13) |
//! | --- | --- | --- |
//! | `identifier` value, system, type | XCN.1, .9, .13 | XON.10, .6, .7 |
//! | contained resource: its identifier and name | as above, XCN.2 to .6 | as above, XON.1 |
//! | no identifier: literal `reference` | XCN.1, .9 logical-id authority, .13 `FW` | XON.10, .6, .7 |
//! | `display` | XCN.2.1 | XON.1 |
//!
//! Up to 2.4 an organization's id stands in XON.3.

use hl7v2::Repetition;
use serde::Deserialize;

use crate::fhir::{HumanName, Identifier, Patient, Reference};
use crate::identifier;
use crate::reading::Reading;
use crate::site::Site;
use crate::trace::Traced;

/// True where a reference is to an Organization: by its path, its type, or the contained resource.
pub(crate) fn is_organization(reference: &Reference, patient: &Patient) -> bool {
    let target = reference.reference.as_deref().unwrap_or_default();
    path_type(target) == Some("Organization")
        || reference.r#type.as_deref() == Some("Organization")
        || patient.contained(target).is_some_and(|resource| resource.resource_type == "Organization")
}

/// The resource type in `Organization/1` or `http://…/Organization/1`.
fn path_type(reference: &str) -> Option<&str> {
    let mut parts = reference.split("/_history/").next()?.rsplit('/');
    parts.next()?;
    parts.next()
}

/// Writes a reference to a person as XCN.
pub(crate) fn write_xcn(reference: &Reference, patient: &Patient, site: &Site, base: &str) -> Traced {
    let mut out = Traced::new(base);
    let contained = reference.reference.as_deref().and_then(|target| patient.contained(target));
    let inner = contained.as_ref().and_then(|resource| resource.identifier.first());
    set_identifier(&mut out, [1, 9, 13], reference, inner, site);
    let name =
        contained.and_then(|resource| Vec::<HumanName>::deserialize(resource.name).ok()).unwrap_or_default();
    let name = name.into_iter().next().filter(|name| {
        name.family.is_some()
            || name.given.iter().chain(&name.prefix).chain(&name.suffix).flatten().next().is_some()
    });
    match name {
        Some(name) => {
            let mut given = name.given.iter().flatten().map(String::as_str);
            let joined = |parts: &[Option<String>]| {
                parts.iter().flatten().map(String::as_str).collect::<Vec<_>>().join(" ")
            };
            out.set(2, name.family.as_deref().unwrap_or_default(), "reference", "4.6");
            out.set(3, given.next().unwrap_or_default(), "reference", "4.6");
            out.set(4, &given.collect::<Vec<_>>().join(" "), "reference", "4.6");
            out.set(5, &joined(&name.suffix), "reference", "4.6");
            out.set(6, &joined(&name.prefix), "reference", "4.6");
        }
        None => out.set(2, reference.display.as_deref().unwrap_or_default(), "display", "4.6"),
    }
    out
}

/// Writes a reference to an organization as XON.
pub(crate) fn write_xon(reference: &Reference, patient: &Patient, site: &Site, base: &str) -> Traced {
    let mut out = Traced::new(base);
    let contained = reference.reference.as_deref().and_then(|target| patient.contained(target));
    let name = contained.as_ref().and_then(|resource| resource.name.as_str()).filter(|name| !name.is_empty());
    match name {
        Some(name) => out.set(1, name, "reference", "4.6"),
        None => out.set(1, reference.display.as_deref().unwrap_or_default(), "display", "4.6"),
    }
    let inner = contained.as_ref().and_then(|resource| resource.identifier.first());
    set_identifier(&mut out, [site.rules.organization_id, 6, 7], reference, inner, site);
    out
}

/// Value, system and type of the target, at these components.
fn set_identifier(
    out: &mut Traced,
    [value, system, kind]: [usize; 3],
    reference: &Reference,
    contained: Option<&Identifier>,
    site: &Site,
) {
    let own = reference.identifier.as_deref().map(|identifier| (identifier, "identifier"));
    let found = own.or(contained.map(|identifier| (identifier, "reference")));
    let found = found.filter(|(identifier, _)| identifier.value.is_some());
    if let Some((identifier, element)) = found {
        out.set(value, identifier.value.as_deref().unwrap_or_default(), element, "4.6");
        if let Some(uri) = identifier.system.as_deref() {
            let designator = site.registry.to_designator(uri, site.rules.uri_type);
            identifier::set_designator(out, system, &designator, element);
        }
        out.set(kind, identifier::type_code(identifier.r#type.as_ref()).unwrap_or_default(), element, "4.6");
        return;
    }
    // A contained resource without identifier is named only; its local id means nothing outside.
    if let Some(target) = reference.reference.as_deref().filter(|target| !target.starts_with('#')) {
        out.set(value, target, "reference", "4.6");
        for (subcomponent, part) in (1..).zip(site.logical_authority.parts()) {
            out.fixed(system, subcomponent, part, "4.6");
        }
        out.fixed(kind, 1, &site.config.logical_id.type_code, "4.6");
    }
}

/// Reads an XCN; `None` where it is empty.
pub(crate) fn read_xcn(xcn: &Repetition<'_>, reading: &Reading<'_>, place: &str) -> Option<Reference> {
    let part = |number| reading.text(xcn.component(number));
    let name = [6, 3, 4, 2, 5].into_iter().filter_map(part).collect::<Vec<_>>().join(" ");
    let display = Some(name).filter(|name| !name.is_empty());
    read_target(xcn, part(1), [9, 13], display, reading, place)
}

/// Reads an XON; `None` where it is empty.
pub(crate) fn read_xon(xon: &Repetition<'_>, reading: &Reading<'_>, place: &str) -> Option<Reference> {
    let part = |number| reading.text(xon.component(number));
    read_target(xon, part(10).or_else(|| part(3)), [6, 7], part(1), reading, place)
}

/// A reference to an organization in a field that holds nothing else: its type is said where the reference does not
/// show it, so that it returns to the same field.
pub(crate) fn read_organization(
    xon: &Repetition<'_>,
    reading: &Reading<'_>,
    place: &str,
) -> Option<Reference> {
    let mut reference = read_xon(xon, reading, place)?;
    if reference.reference.as_deref().and_then(path_type) != Some("Organization") {
        reference.r#type = Some("Organization".to_owned());
    }
    Some(reference)
}

fn read_target(
    field: &Repetition<'_>,
    value: Option<String>,
    [system, kind]: [usize; 2],
    display: Option<String>,
    reading: &Reading<'_>,
    place: &str,
) -> Option<Reference> {
    let type_code = reading.text(field.component(kind));
    let mut reference = Reference { display, ..Reference::default() };
    if type_code.as_deref() == Some(reading.site.config.logical_id.type_code.as_str()) {
        reference.reference = value;
    } else if let Some(value) = value {
        reference.identifier = Some(Box::new(Identifier {
            r#type: type_code.map(|code| identifier::type_of(&code)),
            system: identifier::read_designator(field, system, reading, place),
            value: Some(value),
            ..Identifier::default()
        }));
    }
    (reference != Reference::default()).then_some(reference)
}
