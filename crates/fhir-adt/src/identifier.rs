//! Identifier ↔ CX, and the repetition of PID-3 that carries `Patient.id` (mapping sections 6.1 and 6.3;
//! HL7 v2.5.1 §2.A.14).
//!
//! | FHIR | CX | Back |
//! | --- | --- | --- |
//! | `value` | CX.1 | same |
//! | check digit and its scheme | CX.2, CX.3 | same |
//! | `system` | CX.4 | [`crate::assigning_authority`] |
//! | `type.coding` | CX.5 | table 0203, else a code without system |
//! | `period` | CX.7, CX.8, dates (from 2.4) | same |
//! | `assigner` | CX.10 (from 2.5) | CX.10, else CX.9 |

use hl7v2::{Repetition, Segment};

use crate::assigning_authority::Designator;
use crate::codes;
use crate::date_time;
use crate::fhir::{
    self, CodeableConcept, Coding, Extension, Identifier, Period, Reference, Str, system, url,
};
use crate::reading::{Place, Reading};
use crate::site::Site;
use crate::trace;

/// Writes an identifier; nothing where it has no value.
pub(crate) fn write(identifier: &Identifier<'_>, site: &Site, out: &mut trace::Repetition<'_>) {
    let Some(value) = identifier.value.as_deref() else { return };
    out.set(1, value, "value", "6.1");
    let digit = |url| fhir::extension_string(&identifier.extension, url).unwrap_or_default();
    out.set(2, digit(url::CHECK_DIGIT), "extension", "6.1");
    out.set(3, digit(url::CHECK_DIGIT_SCHEME), "extension", "6.1");
    set_designator(out, 4, &authority(identifier, site), "system");
    match cx_type(identifier, site) {
        Some(code) => out.set(5, code, "type", "6.1"),
        None if site.rules.identifier_type_required => out.fixed(5, 1, "U", "6.1"),
        None => {}
    }
    if let Some(period) = identifier.period.as_ref().filter(|_| site.rules.identifier_period) {
        let dt = |value: &Option<Str<'_>>| value.as_deref().and_then(date_time::to_dt).unwrap_or_default();
        out.set(7, &dt(&period.start), "period.start", "6.1");
        out.set(8, &dt(&period.end), "period.end", "6.1");
    }
    if let Some(assigner) = identifier.assigner.as_ref().filter(|_| site.rules.identifier_assigner) {
        let inner = assigner.identifier.as_deref();
        let value = inner.and_then(|inner| inner.value.as_deref()).unwrap_or_default();
        out.set_sub(10, 1, value, "assigner.identifier.value", "6.1");
        out.set_sub(10, 2, assigner.display.as_deref().unwrap_or_default(), "assigner.display", "6.1");
        let system = inner.and_then(|inner| inner.system.as_deref()).unwrap_or_default();
        out.set_sub(10, 3, site.registry.to_text(system), "assigner.identifier.system", "6.1");
    }
}

/// CX.4.
fn authority<'a>(identifier: &'a Identifier<'_>, site: &'a Site) -> Designator<'a> {
    match identifier.system.as_deref() {
        Some(system) => site.registry.to_designator(system, site.rules.uri_type),
        None => site.default_authority.borrowed(),
    }
}

/// CX.5, where the identifier says a type or its system has one.
pub(crate) fn cx_type<'a>(identifier: &'a Identifier<'_>, site: &'a Site) -> Option<&'a str> {
    type_code(identifier.r#type.as_ref())
        .or_else(|| site.registry.default_type(identifier.system.as_deref()?))
}

/// What two repetitions must share to be the same identifier: CX.1, CX.4, CX.5.
pub(crate) fn key<'a>(
    identifier: &'a Identifier<'_>,
    site: &'a Site,
) -> (&'a str, Designator<'a>, Option<&'a str>) {
    (identifier.value.as_deref().unwrap_or_default(), authority(identifier, site), cx_type(identifier, site))
}

/// Writes `Patient.id` (section 6.3).
pub(crate) fn write_logical_id(id: &str, site: &Site, out: &mut trace::Repetition<'_>) {
    out.set(1, id, "id", "6.3");
    for (subcomponent, part) in (1..).zip(site.logical_authority.parts()) {
        out.fixed(4, subcomponent, part, "6.3");
    }
    out.fixed(5, 1, &site.config.logical_id.type_code, "6.3");
    if site.rules.identifier_assigner {
        out.fixed(9, 1, &site.config.logical_id.assigner, "6.3");
    }
}

/// Puts a designator into the subcomponents of a component.
pub(crate) fn set_designator(
    out: &mut trace::Repetition<'_>,
    component: usize,
    designator: &Designator<'_>,
    element: &'static str,
) {
    for (subcomponent, part) in (1..).zip(designator.parts()) {
        out.set_sub(component, subcomponent, part, element, "6.2");
    }
}

/// The code of a type that CX.5 can take: of table 0203, or a short one. (A longer one that the table does not have
/// would read back without system, and could not be sent again.)
pub(crate) fn type_code<'a>(concept: Option<&'a CodeableConcept<'_>>) -> Option<&'a str> {
    concept?.coding.iter().find_map(|coding| {
        let code = coding.code.as_deref()?;
        match coding.system.as_deref() {
            Some(system::IDENTIFIER_TYPE) if is_short_code(code) || is_type_code(code) => Some(code),
            None if is_short_code(code) => Some(code),
            _ => None,
        }
    })
}

/// `[A-Za-z0-9]{1,5}`.
fn is_short_code(code: &str) -> bool {
    (1..=5).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// True for a code of table 0203, such as `MR` or `NNGBR`.
pub(crate) fn is_type_code(code: &str) -> bool {
    let national = code
        .strip_prefix("NN")
        .is_some_and(|country| country.len() == 3 && country.bytes().all(|byte| byte.is_ascii_uppercase()));
    national || codes::is_identifier_type(code)
}

/// A type with one code.
pub(crate) fn type_of(code: Str<'_>) -> CodeableConcept<'_> {
    let system = is_type_code(&code).then_some(Str::Borrowed(system::IDENTIFIER_TYPE));
    let coding = Coding { system, code: Some(code), ..Coding::default() };
    CodeableConcept { coding: vec![coding], text: None }
}

/// True where the identifier is the logical id of a FHIR server, by its type.
pub(crate) fn is_logical_id(identifier: &Identifier<'_>, site: &Site) -> bool {
    type_code(identifier.r#type.as_ref()) == Some(site.config.logical_id.type_code.as_str())
}

/// The logical id in PID-3, found by its type alone.
pub(crate) fn logical_id<'m>(pid: &Segment<'m>, site: &Site) -> Option<Str<'m>> {
    logical_id_in(pid, 3, site)
}

/// The logical id in any field of identifiers.
pub(crate) fn logical_id_in<'m>(segment: &Segment<'m>, field: usize, site: &Site) -> Option<Str<'m>> {
    segment
        .field(field)
        .repetitions()
        .filter(|cx| is_logical_repetition(cx, site))
        .last()
        .and_then(|cx| cx.component(1).text())
}

fn is_logical_repetition(cx: &Repetition<'_>, site: &Site) -> bool {
    cx.component(5).text().as_deref() == Some(site.config.logical_id.type_code.as_str())
}

/// Reads the identifiers of a field, without the logical id.
pub(crate) fn read_field<'m>(
    segment: &Segment<'m>,
    field: usize,
    reading: &Reading<'m>,
) -> Vec<Identifier<'m>> {
    let place = Place::field(segment.name(), field);
    let repetitions = segment.field(field).repetitions();
    repetitions
        .filter(|cx| !is_logical_repetition(cx, reading.site))
        .filter_map(|cx| read(&cx, reading, place))
        .collect()
}

/// Reads an identifier; `None` where it has no value.
pub(crate) fn read<'m>(
    cx: &Repetition<'m>,
    reading: &Reading<'m>,
    place: Place<'m>,
) -> Option<Identifier<'m>> {
    let component = |number| reading.text(cx.component(number));
    let value = component(1)?;
    let system = read_designator(cx, 4, reading, place);
    let extension = [(2, url::CHECK_DIGIT), (3, url::CHECK_DIGIT_SCHEME)]
        .into_iter()
        .filter_map(|(number, url)| Some(Extension::string(url, component(number)?)))
        .collect();
    // `U` stands for no type from 2.7 on, unless the system has a type of its own to stand for that.
    let unspecified = reading.rules.identifier_type_required
        && system.as_deref().is_none_or(|system| reading.site.registry.default_type(system).is_none());
    let type_code = component(5).filter(|code| !(unspecified && *code == "U"));
    if !reading.own && component(6).is_some() {
        reading.unread("6.1", place.component(6));
    }
    Some(Identifier {
        extension,
        r#use: None,
        r#type: type_code.map(type_of),
        system,
        value: Some(value),
        period: Period::of(reading.date(cx.component(7), place), reading.date(cx.component(8), place)),
        assigner: assigner(cx, reading),
    })
}

/// Reads the designator in a component.
pub(crate) fn read_designator<'m>(
    field: &Repetition<'m>,
    component: usize,
    reading: &Reading<'m>,
    place: Place<'m>,
) -> Option<Str<'m>> {
    let part = |number| reading.subtext(field.component(component), number).unwrap_or_default();
    let designator = Designator { namespace: part(1), universal_id: part(2), universal_id_type: part(3) };
    let (system, aside) = reading.site.registry.to_system(&designator, reading.own);
    if aside && !reading.own {
        reading.unread("6.2", place.component(component).subcomponent(1));
    }
    system
}

/// CX.10, else CX.9 where that has no coding system.
fn assigner<'m>(cx: &Repetition<'m>, reading: &Reading<'m>) -> Option<Box<Reference<'m>>> {
    let part = |component: usize, number: usize| reading.subtext(cx.component(component), number);
    let (code, text, system) = (part(10, 1), part(10, 2), part(10, 3));
    let code_is_identifier = reading.own || system.is_some();
    let identifier = (code_is_identifier && (code.is_some() || system.is_some())).then(|| {
        Box::new(Identifier {
            value: code.clone(),
            system: system.map(|name| reading.site.registry.system_of_text(name, reading.own)),
            ..Identifier::default()
        })
    });
    let display = text.or_else(|| code.filter(|_| !code_is_identifier)).or_else(|| {
        let uncoded = identifier.is_none() && part(9, 3).is_none();
        if uncoded { part(9, 2).or_else(|| part(9, 1)) } else { None }
    });
    (identifier.is_some() || display.is_some())
        .then(|| Box::new(Reference { identifier, display, ..Reference::default() }))
}
