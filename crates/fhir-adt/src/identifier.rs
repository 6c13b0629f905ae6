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
use crate::codes::{self, Table};
use crate::date_time;
use crate::fhir::{self, CodeableConcept, Coding, Extension, Identifier, Period, Reference, system, url};
use crate::reading::Reading;
use crate::site::Site;
use crate::trace::Traced;

/// Writes an identifier; empty where it has no value.
pub(crate) fn write(identifier: &Identifier, site: &Site, base: &str) -> Traced {
    let mut out = Traced::new(base);
    let Some(value) = identifier.value.as_deref() else { return out };
    out.set(1, value, "value", "6.1");
    let digit = |url| fhir::extension_string(&identifier.extension, url).unwrap_or_default();
    out.set(2, digit(url::CHECK_DIGIT), "extension", "6.1");
    out.set(3, digit(url::CHECK_DIGIT_SCHEME), "extension", "6.1");
    match identifier.system.as_deref() {
        Some(system) => {
            let designator = site.registry.to_designator(system, site.rules.uri_type);
            set_designator(&mut out, 4, &designator, "system");
        }
        None => set_designator(&mut out, 4, &site.default_authority, "system"),
    }
    let type_code = type_code(identifier.r#type.as_ref());
    let fallback = || identifier.system.as_deref().and_then(|system| site.registry.default_type(system));
    match type_code.or_else(fallback) {
        Some(code) => out.set(5, code, "type", "6.1"),
        None if site.rules.identifier_type_required => out.fixed(5, 1, "U", "6.1"),
        None => {}
    }
    if let Some(period) = identifier.period.as_ref().filter(|_| site.rules.identifier_period) {
        let dt = |value: &Option<String>| value.as_deref().and_then(date_time::to_dt).unwrap_or_default();
        out.set(7, &dt(&period.start), "period.start", "6.1");
        out.set(8, &dt(&period.end), "period.end", "6.1");
    }
    if let Some(assigner) = identifier.assigner.as_ref().filter(|_| site.rules.identifier_assigner) {
        if let Some(identifier) = &assigner.identifier {
            out.set_sub(
                10,
                1,
                identifier.value.as_deref().unwrap_or_default(),
                "assigner.identifier.value",
                "6.1",
            );
            let system = identifier.system.as_deref().map(|system| site.registry.to_text(system));
            out.set_sub(10, 3, &system.unwrap_or_default(), "assigner.identifier.system", "6.1");
        }
        out.set_sub(10, 2, assigner.display.as_deref().unwrap_or_default(), "assigner.display", "6.1");
    }
    out
}

/// Writes `Patient.id` (section 6.3).
pub(crate) fn write_logical_id(id: &str, site: &Site, base: &str) -> Traced {
    let mut out = Traced::new(base);
    out.set(1, id, "id", "6.3");
    for (subcomponent, part) in (1..).zip(site.logical_authority.parts()) {
        out.fixed(4, subcomponent, part, "6.3");
    }
    out.fixed(5, 1, &site.config.logical_id.type_code, "6.3");
    if site.rules.identifier_assigner {
        out.fixed(9, 1, &site.config.logical_id.assigner, "6.3");
    }
    out
}

/// Puts a designator into the subcomponents of a component.
pub(crate) fn set_designator(
    out: &mut Traced,
    component: usize,
    designator: &Designator,
    element: &'static str,
) {
    for (subcomponent, part) in (1..).zip(designator.parts()) {
        out.set_sub(component, subcomponent, part, element, "6.2");
    }
}

/// The code of a type that CX.5 can take: of table 0203, or a short one. (A longer one that the table does not have
/// would read back without system, and could not be sent again.)
pub(crate) fn type_code(concept: Option<&CodeableConcept>) -> Option<&str> {
    concept?.coding.iter().find_map(|coding| {
        let code = coding.code.as_deref()?;
        match coding.system.as_deref() {
            Some(system::IDENTIFIER_TYPE) if is_type_code(code) || is_short_code(code) => Some(code),
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
    national || codes::find_v2(Table::IdentifierType, code).is_some_and(|row| !row.system.is_empty())
}

/// A type with one code.
pub(crate) fn type_of(code: &str) -> CodeableConcept {
    let system = is_type_code(code).then(|| system::IDENTIFIER_TYPE.to_owned());
    let coding = Coding { system, code: Some(code.to_owned()), ..Coding::default() };
    CodeableConcept { coding: vec![coding], text: None }
}

/// True where the identifier is the logical id of a FHIR server, by its type.
pub(crate) fn is_logical_id(identifier: &Identifier, site: &Site) -> bool {
    type_code(identifier.r#type.as_ref()) == Some(site.config.logical_id.type_code.as_str())
}

/// The logical id in PID-3, found by its type alone.
pub(crate) fn logical_id(pid: &Segment<'_>, site: &Site) -> Option<String> {
    logical_id_in(pid, 3, site)
}

/// The logical id in any field of identifiers.
pub(crate) fn logical_id_in(segment: &Segment<'_>, field: usize, site: &Site) -> Option<String> {
    segment
        .field(field)
        .repetitions()
        .filter(|cx| is_logical_repetition(cx, site))
        .last()
        .and_then(|cx| cx.component(1).text())
        .map(std::borrow::Cow::into_owned)
}

fn is_logical_repetition(cx: &Repetition<'_>, site: &Site) -> bool {
    cx.component(5).text().as_deref() == Some(site.config.logical_id.type_code.as_str())
}

/// Reads the identifiers of a field, without the logical id.
pub(crate) fn read_field(segment: &Segment<'_>, field: usize, reading: &Reading<'_>) -> Vec<Identifier> {
    let place = format!("{}-{field}", segment.name());
    let repetitions = segment.field(field).repetitions();
    repetitions
        .filter(|cx| !is_logical_repetition(cx, reading.site))
        .filter_map(|cx| read(&cx, reading, &place))
        .collect()
}

/// Reads an identifier; `None` where it has no value.
pub(crate) fn read(cx: &Repetition<'_>, reading: &Reading<'_>, place: &str) -> Option<Identifier> {
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
    let type_code = component(5).filter(|code| !(unspecified && code == "U"));
    if !reading.own && component(6).is_some() {
        reading.unread("6.1", &format!("{place}.6"));
    }
    Some(Identifier {
        extension,
        r#type: type_code.map(|code| type_of(&code)),
        system,
        value: Some(value),
        period: Period::of(reading.date(cx.component(7), place), reading.date(cx.component(8), place)),
        assigner: assigner(cx, reading),
    })
}

/// Reads the designator in a component.
pub(crate) fn read_designator(
    field: &Repetition<'_>,
    component: usize,
    reading: &Reading<'_>,
    place: &str,
) -> Option<String> {
    let part = |number| reading.subtext(field.component(component), number).unwrap_or_default();
    let designator = Designator { namespace: part(1), universal_id: part(2), universal_id_type: part(3) };
    let (system, aside) = reading.site.registry.to_system(&designator, reading.own);
    if aside && !reading.own {
        reading.unread("6.2", &format!("{place}.{component}.1"));
    }
    system
}

/// CX.10, else CX.9 where that has no coding system.
fn assigner(cx: &Repetition<'_>, reading: &Reading<'_>) -> Option<Box<Reference>> {
    let part = |component: usize, number: usize| reading.subtext(cx.component(component), number);
    let (code, text, system) = (part(10, 1), part(10, 2), part(10, 3));
    let code_is_identifier = reading.own || system.is_some();
    let identifier = (code_is_identifier && (code.is_some() || system.is_some())).then(|| {
        Box::new(Identifier {
            value: code.clone(),
            system: system.map(|name| reading.site.registry.system_of_text(&name, reading.own)),
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

/// What two repetitions must share to be the same identifier: CX.1, CX.4, CX.5.
pub(crate) fn key(cx: &Traced) -> [String; 5] {
    let value = |component, subcomponent| cx.repetition().value(component, subcomponent).to_owned();
    [value(1, 1), value(4, 1), value(4, 2), value(4, 3), value(5, 1)]
}
