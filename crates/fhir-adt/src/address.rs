//! Address ↔ XAD (mapping section 4.4; HL7 v2.5.1 §2.A.84, §2.A.64).
//!
//! | FHIR | v2 | Back |
//! | --- | --- | --- |
//! | `line[0]` | XAD.1.1 | `line[0]` |
//! | street name, house number | XAD.1.2, XAD.1.3 (from 2.4) | same |
//! | `line[1]`, further lines | XAD.2, joined by `, ` | `line[1]` |
//! | `city` `state` `postalCode` `country` | XAD.3 to XAD.6 | same |
//! | `use` | XAD.7 | table 0190 |
//! | `type` | XAD.7 where `use` is absent; from 2.7 XAD.18 | XAD.18, else XAD.7 |
//! | `district` | XAD.9.1 (from 2.7 XAD.9.2) | XAD.9.9, .9.2, .9.1 |
//! | census tract | XAD.10 | same |
//! | `period` | XAD.13/14 (2.4: XAD.12) | same |
//! | `text` alone | XAD.1.1 | `line[0]` |

use hl7v2::Repetition;

use crate::code_element::{self, Read};
use crate::codes::Table;
use crate::config::Country;
use crate::country;
use crate::date_time;
use crate::fhir::{self, Address, Element, Extension, url};
use crate::reading::Reading;
use crate::site::Site;
use crate::trace::Traced;
use crate::version::Period;

const USE: Option<&str> = Some("http://hl7.org/fhir/address-use");
const TYPE: Option<&str> = Some("http://hl7.org/fhir/address-type");

/// Writes an address; empty where nothing of it can be written.
pub(crate) fn write(address: &Address, site: &Site, base: &str) -> Traced {
    let mut out = place(address, site, base);
    let used = address.r#use.as_deref();
    let code = code_element::write(used, address.use_element.as_ref(), Table::AddressUseType, USE, site);
    match code {
        Some(code) => code_element::set(&mut out, 7, Some(&code), "use", "4.4"),
        None if used.is_none() && !site.rules.address_usage => {
            let code = address.r#type.as_deref();
            let code = code.and_then(|code| site.codes.to_v2(Table::AddressUseType, TYPE, code));
            out.set(7, code.unwrap_or_default(), "type", "4.4");
        }
        None => {}
    }
    out
}

/// Writes a birth place: as an address, with XAD.7 `N`. Empty where the place has no part but a text.
pub(crate) fn write_birth_place(address: &Address, site: &Site, base: &str) -> Traced {
    let parts = Address { text: None, ..address.clone() };
    let mut out = place(&parts, site, base);
    if !out.is_empty() {
        out.fixed(7, 1, "N", "5.1");
    }
    out
}

/// Everything but XAD.7.
fn place(address: &Address, site: &Site, base: &str) -> Traced {
    let mut out = Traced::new(base);
    let mut lines = address.line.iter().flatten();
    let first = address.line_element.first().and_then(Option::as_ref);
    let street = fhir::element_extensions(first);
    let street_part = |url| fhir::extension_string(street, url).filter(|_| site.rules.street_address);
    let (street_name, number) = (street_part(url::STREET_NAME), street_part(url::HOUSE_NUMBER));
    match lines.next() {
        Some(line) => out.set(1, line, "line[0]", "4.4"),
        None => {
            let parts: Vec<&str> = street_name.into_iter().chain(number).collect();
            out.set(1, &parts.join(" "), "line[0].extension", "4.4");
        }
    }
    out.set_sub(1, 2, street_name.unwrap_or_default(), "line[0].extension", "4.4");
    out.set_sub(1, 3, number.unwrap_or_default(), "line[0].extension", "4.4");
    out.set(2, &lines.map(String::as_str).collect::<Vec<_>>().join(", "), "line[1]", "4.4");
    out.set(3, address.city.as_deref().unwrap_or_default(), "city", "4.4");
    out.set(4, address.state.as_deref().unwrap_or_default(), "state", "4.4");
    out.set(5, address.postal_code.as_deref().unwrap_or_default(), "postalCode", "4.4");
    let written = address.country.as_deref().unwrap_or_default();
    let written = match site.config.country {
        Country::Asis => written,
        Country::Alpha3 => country::alpha_3(written).unwrap_or(written),
    };
    out.set(6, written, "country", "4.4");
    let county = if site.rules.county_coded { 2 } else { 1 };
    out.set_sub(9, county, address.district.as_deref().unwrap_or_default(), "district", "4.4");
    let tract = fhir::extension_string(&address.extension, url::CENSUS_TRACT).unwrap_or_default();
    out.set(10, tract, "extension", "4.4");
    if let Some(period) = &address.period {
        let ts = |value: &Option<String>| value.as_deref().and_then(date_time::to_ts).unwrap_or_default();
        let (start, end) = (ts(&period.start), ts(&period.end));
        match site.rules.address_period {
            Period::None => {}
            Period::Range => {
                out.set_sub(12, 1, &start, "period.start", "4.4");
                out.set_sub(12, 2, &end, "period.end", "4.4");
            }
            Period::Two => {
                out.set(13, &start, "period.start", "4.4");
                out.set(14, &end, "period.end", "4.4");
            }
        }
    }
    if site.rules.address_usage
        && let Some(kind) = address.r#type.as_deref()
        && let Some(code) = site.codes.to_v2(Table::AddressUsage, TYPE, kind)
    {
        out.set(18, code, "type", "4.4");
    }
    if out.is_empty() {
        out.set(1, address.text.as_deref().unwrap_or_default(), "text", "4.4");
    }
    out
}

/// Whether a repetition of PID-11 is the place of birth.
pub(crate) fn is_birth_place(xad: &Repetition<'_>) -> bool {
    matches!(xad.component(7).text().as_deref(), Some("N" | "BDL"))
}

/// Reads an address; `None` where it is empty.
pub(crate) fn read(xad: &Repetition<'_>, reading: &Reading<'_>, where_: &str) -> Option<Address> {
    let mut address = read_place(xad, reading, where_);
    let v2 = reading.text(xad.component(7));
    let mut used = code_element::read(v2.as_deref(), Table::AddressUseType, USE, reading);
    if used.code.is_none()
        && let Some(kind) = v2.as_deref().and_then(|v2| {
            reading.site.codes.to_fhir_in(
                Table::AddressUseType,
                v2,
                TYPE.unwrap_or_default(),
                reading.version,
            )
        })
    {
        if address.r#type.is_none() {
            address.r#type = Some(kind.to_owned());
        }
        let back = reading.site.codes.to_v2(Table::AddressUseType, TYPE, kind);
        if back == v2.as_deref() {
            used = Read::default();
        }
    }
    (address.r#use, address.use_element) = (used.code, used.element);
    let flag = |number| reading.text(xad.component(number)).as_deref() == Some("Y");
    if address.r#use.is_none() && flag(16) {
        address.r#use = Some("temp".to_owned());
    }
    if flag(17) {
        address.r#use = Some("old".to_owned());
    }
    (address != Address::default()).then_some(address)
}

/// Reads a birth place: everything but `use`.
pub(crate) fn read_place(xad: &Repetition<'_>, reading: &Reading<'_>, where_: &str) -> Address {
    let component = |number| reading.text(xad.component(number));
    let sad = xad.component(1);
    let (street, number) = (reading.subtext(sad, 2), reading.subtext(sad, 3));
    let street_extensions = [(url::STREET_NAME, &street), (url::HOUSE_NUMBER, &number)]
        .into_iter()
        .filter_map(|(url, value)| Some(Extension::string(url, value.clone()?)))
        .collect();
    let first = component(1).or_else(|| {
        let parts: Vec<&str> = [&street, &number].into_iter().flatten().map(String::as_str).collect();
        (!parts.is_empty()).then(|| parts.join(" "))
    });
    let line: Vec<Option<String>> =
        [first, component(2), component(19)].into_iter().flatten().map(Some).collect();
    let mut line_element = Vec::new();
    if let Some(element) = Element::of(street_extensions) {
        line_element.push(Some(element));
        line_element.resize(line.len(), None);
    }
    let county = xad.component(9);
    let district = [9, 2, 1].into_iter().find_map(|sub| reading.subtext(county, sub));
    let kind = component(18).and_then(|v2| {
        let kind = reading.site.codes.to_fhir_in(
            Table::AddressUsage,
            &v2,
            TYPE.unwrap_or_default(),
            reading.version,
        );
        kind.map(str::to_owned)
    });
    for number in [8, 11, 15, 20, 21, 22, 23] {
        if !reading.own && component(number).is_some() {
            reading.unread("4.4", &format!("{where_}.{number}"));
        }
    }
    Address {
        extension: component(10)
            .map(|tract| Extension::string(url::CENSUS_TRACT, tract))
            .into_iter()
            .collect(),
        r#type: kind,
        line,
        line_element,
        city: component(3),
        district,
        state: component(4),
        postal_code: component(5),
        country: component(6),
        period: reading.period([xad.component(13), xad.component(14)], Some(xad.component(12)), where_),
        ..Address::default()
    }
}
