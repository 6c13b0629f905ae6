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

use crate::assigning_authority::Designator;
use crate::fhir::{self, Contained, HumanName, Identifier, Patient, Reference, Str};
use crate::identifier;
use crate::reading::{Place, Reading};
use crate::site::Site;
use crate::trace;

/// True where a reference is to an Organization: by its path, its type, or the contained resource.
pub(crate) fn is_organization(reference: &Reference<'_>, patient: &Patient<'_>) -> bool {
    let target = reference.reference.as_deref().unwrap_or_default();
    path_type(target) == Some("Organization")
        || reference.r#type.as_deref() == Some("Organization")
        || patient.contained(target).is_some_and(|resource| resource.resource_type == "Organization")
}

/// The resource type in `Organization/1` or `http://…/Organization/1`.
fn path_type(reference: &str) -> Option<&str> {
    // Few have an underscore, and one is found sooner than the word.
    let unversioned = if reference.contains('_') { reference.split("/_history/").next()? } else { reference };
    let mut parts = unversioned.rsplit('/');
    parts.next()?;
    parts.next()
}

/// Writes a reference to a person as XCN.
pub(crate) fn write_xcn(
    reference: &Reference<'_>,
    patient: &Patient<'_>,
    site: &Site,
    out: &mut trace::Repetition<'_>,
) {
    let contained = reference.reference.as_deref().and_then(|target| patient.contained(target));
    let target = Target::new(reference, contained.as_ref(), site);
    out.set(1, target.value, target.element, "4.6");
    let names = contained.as_ref().and_then(|resource| fhir::of::<Vec<HumanName<'_>>>(resource.name));
    let name = names.as_deref().and_then(<[_]>::first).filter(|name| {
        name.family.is_some()
            || name.given.iter().chain(&name.prefix).chain(&name.suffix).flatten().next().is_some()
    });
    match name {
        Some(name) => {
            let mut given = name.given.iter().flatten().map(|given| &**given);
            let joined = |parts: &[Option<Str<'_>>]| {
                parts.iter().flatten().map(|part| &**part).collect::<Vec<_>>().join(" ")
            };
            out.set(2, name.family.as_deref().unwrap_or_default(), "reference", "4.6");
            out.set(3, given.next().unwrap_or_default(), "reference", "4.6");
            out.set(4, &given.collect::<Vec<_>>().join(" "), "reference", "4.6");
            out.set(5, &joined(&name.suffix), "reference", "4.6");
            out.set(6, &joined(&name.prefix), "reference", "4.6");
        }
        None => out.set(2, reference.display.as_deref().unwrap_or_default(), "display", "4.6"),
    }
    target.set_system(9, out);
    target.set_type(13, out);
}

/// Writes a reference to an organization as XON.
pub(crate) fn write_xon(
    reference: &Reference<'_>,
    patient: &Patient<'_>,
    site: &Site,
    out: &mut trace::Repetition<'_>,
) {
    let contained = reference.reference.as_deref().and_then(|target| patient.contained(target));
    let name = contained.as_ref().and_then(|resource| resource.name.as_str()).filter(|name| !name.is_empty());
    match name {
        Some(name) => out.set(1, name, "reference", "4.6"),
        None => out.set(1, reference.display.as_deref().unwrap_or_default(), "display", "4.6"),
    }
    let target = Target::new(reference, contained.as_ref(), site);
    let before = site.rules.organization_id < 6;
    if before {
        out.set(site.rules.organization_id, target.value, target.element, "4.6");
    }
    target.set_system(6, out);
    target.set_type(7, out);
    if !before {
        out.set(site.rules.organization_id, target.value, target.element, "4.6");
    }
}

/// Value, system and type of what a reference points to.
struct Target<'a> {
    value: &'a str,
    system: Designator<'a>,
    kind: &'a str,
    /// Where they come from.
    element: &'static str,
    /// System and type are those of the logical id.
    is_logical: bool,
}

impl<'a> Target<'a> {
    fn new(reference: &'a Reference<'_>, contained: Option<&'a Contained<'_>>, site: &'a Site) -> Self {
        let own = reference.identifier.as_deref().map(|identifier| (identifier, "identifier"));
        let inner = || Some((contained?.identifier.as_ref()?, "reference"));
        let found = own
            .or_else(inner)
            .and_then(|(identifier, element)| Some((identifier.value.as_deref()?, identifier, element)));
        if let Some((value, identifier, element)) = found {
            let system = identifier.system.as_deref();
            let system = system.map(|uri| site.registry.to_designator(uri, site.rules.uri_type));
            let kind = identifier::type_code(identifier.r#type.as_ref()).unwrap_or_default();
            return Self { value, system: system.unwrap_or_default(), kind, element, is_logical: false };
        }
        // A contained resource without identifier is named only; its local id means nothing outside.
        match reference.reference.as_deref().filter(|target| !target.starts_with('#')) {
            Some(value) => Self {
                value,
                system: site.logical_authority.borrowed(),
                kind: &site.config.logical_id.type_code,
                element: "reference",
                is_logical: true,
            },
            None => Self {
                value: "",
                system: Designator::default(),
                kind: "",
                element: "reference",
                is_logical: false,
            },
        }
    }

    fn set_system(&self, component: usize, out: &mut trace::Repetition<'_>) {
        if self.is_logical {
            for (subcomponent, part) in (1..).zip(self.system.parts()) {
                out.fixed(component, subcomponent, part, "4.6");
            }
        } else {
            identifier::set_designator(out, component, &self.system, self.element);
        }
    }

    fn set_type(&self, component: usize, out: &mut trace::Repetition<'_>) {
        if self.is_logical {
            out.fixed(component, 1, self.kind, "4.6");
        } else {
            out.set(component, self.kind, self.element, "4.6");
        }
    }
}

/// Reads an XCN; `None` where it is empty.
pub(crate) fn read_xcn<'m>(
    xcn: &Repetition<'m>,
    reading: &Reading<'m>,
    place: Place<'m>,
) -> Option<Reference<'m>> {
    let part = |number| reading.text(xcn.component(number));
    let display = [6, 3, 4, 2, 5].into_iter().filter_map(part).reduce(|mut name, part| {
        let joined = name.to_mut();
        joined.push(' ');
        joined.push_str(&part);
        name
    });
    read_target(xcn, part(1), [9, 13], display, reading, place)
}

/// Reads an XON; `None` where it is empty.
pub(crate) fn read_xon<'m>(
    xon: &Repetition<'m>,
    reading: &Reading<'m>,
    place: Place<'m>,
) -> Option<Reference<'m>> {
    let part = |number| reading.text(xon.component(number));
    read_target(xon, part(10).or_else(|| part(3)), [6, 7], part(1), reading, place)
}

/// A reference to an organization in a field that holds nothing else: its type is said where the reference does not
/// show it, so that it returns to the same field.
pub(crate) fn read_organization<'m>(
    xon: &Repetition<'m>,
    reading: &Reading<'m>,
    place: Place<'m>,
) -> Option<Reference<'m>> {
    let mut reference = read_xon(xon, reading, place)?;
    if reference.reference.as_deref().and_then(path_type) != Some("Organization") {
        reference.r#type = Some("Organization".into());
    }
    Some(reference)
}

fn read_target<'m>(
    field: &Repetition<'m>,
    value: Option<Str<'m>>,
    [system, kind]: [usize; 2],
    display: Option<Str<'m>>,
    reading: &Reading<'m>,
    place: Place<'m>,
) -> Option<Reference<'m>> {
    let type_code = reading.text(field.component(kind));
    let mut reference = Reference { display, ..Reference::default() };
    if type_code.as_deref() == Some(reading.site.config.logical_id.type_code.as_str()) {
        reference.reference = value;
    } else if let Some(value) = value {
        reference.identifier = Some(Box::new(Identifier {
            r#type: type_code.map(identifier::type_of),
            system: identifier::read_designator(field, system, reading, place),
            value: Some(value),
            ..Identifier::default()
        }));
    }
    (reference != Reference::default()).then_some(reference)
}
