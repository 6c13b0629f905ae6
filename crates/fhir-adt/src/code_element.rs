//! Elements of type code ↔ IS/ID fields, with the `alternate-codes` extension for v2 codes that FHIR has no code for
//! (CD-15).
//!
//! | Element | Field | Table, and its file in `tables/` |
//! | --- | --- | --- |
//! | `Patient.gender`, `contact.gender` | PID-8, NK1-15 | 0001 `administrative-sex.csv` |
//! | `HumanName.use` | XPN.7 | 0200 `name-use.csv` |
//! | `Address.use`, `Address.type` | XAD.7, XAD.18 | 0190 `address-use-type.csv` |
//! | `ContactPoint.use` | XTN.2 | 0201 `telecom-use.csv` |
//! | `ContactPoint.system` | XTN.3 | 0202 `telecom-system.csv` |
//!
//! A v2 code that is one of several for its FHIR code, or has none, is kept in an extension
//! `http://hl7.org/fhir/StructureDefinition/alternate-codes` beside the element and wins over the table on the way
//! back.

use crate::codes::Table;
use crate::fhir::{self, CodeableConcept, Coding, Element, Extension, Str, url};
use crate::reading::Reading;
use crate::site::Site;
use crate::trace::Repetition;

/// A v2 code, and where in the element it came from.
pub(crate) struct V2Code<'a> {
    pub(crate) code: &'a str,
    /// True where the extension decided it.
    pub(crate) alternate: bool,
}

/// The v2 code of an element: that of the extension, else that of the table. `system` is the code system of the
/// element where one table serves two.
pub(crate) fn write<'a>(
    code: Option<&'a str>,
    element: Option<&'a Element<'_>>,
    table: Table,
    system: Option<&str>,
    site: &'a Site,
) -> Option<V2Code<'a>> {
    if let Some(code) = alternate(element, table) {
        return Some(V2Code { code, alternate: true });
    }
    let code = site.codes.to_v2(table, system, code?)?;
    Some(V2Code { code, alternate: false })
}

/// The code of the table in the element's extension.
pub(crate) fn alternate<'e>(element: Option<&'e Element<'_>>, table: Table) -> Option<&'e str> {
    fhir::element_extensions(element)
        .iter()
        .filter(|extension| extension.url == url::ALTERNATE_CODES)
        .filter_map(|extension| extension.value_codeable_concept.as_ref())
        .flat_map(|concept| &concept.coding)
        .find(|coding| coding.system.as_deref().is_some_and(|uri| table.is_system(uri)))
        .and_then(|coding| coding.code.as_deref())
}

/// Puts a code element into a component.
pub(crate) fn set(
    out: &mut Repetition<'_>,
    component: usize,
    code: Option<&V2Code<'_>>,
    element: &'static str,
    rule: &'static str,
) {
    if let Some(code) = code {
        let rule = if code.alternate { "CD-15" } else { rule };
        out.set(component, code.code, element, rule);
    }
}

/// An element and its extension, as read.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Read<'a> {
    pub(crate) code: Option<Str<'a>>,
    pub(crate) element: Option<Element<'a>>,
}

/// Reads a v2 code into an element of type code. `system` as in [`write()`].
pub(crate) fn read<'m>(
    v2: Option<Str<'m>>,
    table: Table,
    system: Option<&str>,
    reading: &Reading<'m>,
) -> Read<'m> {
    let Some(v2) = v2 else { return Read::default() };
    let codes = &reading.site.codes;
    let code = match system {
        Some(system) => codes.to_fhir_in(table, &v2, system, reading.version),
        None => codes.to_fhir(table, &v2, reading.version).map(|(_, code)| code),
    };
    let exact = code.is_some_and(|code| codes.to_v2(table, system, code) == Some(&*v2));
    Read { code: code.map(Str::Borrowed), element: if exact { None } else { alternate_codes(table, v2) } }
}

/// The extension that keeps a v2 code.
pub(crate) fn alternate_codes(table: Table, v2: Str<'_>) -> Option<Element<'_>> {
    let coding = Coding { system: Some(table.system().into()), code: Some(v2), ..Coding::default() };
    let concept = CodeableConcept { coding: vec![coding], text: None };
    Element::of(vec![Extension::concept(url::ALTERNATE_CODES, concept)])
}
