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
use crate::fhir::{self, Address, Element, Extension, Str, url};
use crate::reading::{Place, Reading};
use crate::site::Site;
use crate::trace;
use crate::version::Period;

const USE: Option<&str> = Some("http://hl7.org/fhir/address-use");
const TYPE: Option<&str> = Some("http://hl7.org/fhir/address-type");

/// Writes an address; nothing where nothing of it can be written.
pub(crate) fn write(address: &Address<'_>, site: &Site, out: &mut trace::Repetition<'_>) {
    let used = address.r#use.as_deref();
    let code = code_element::write(used, address.use_element.as_ref(), Table::AddressUseType, USE, site);
    place(address, site, out, |out| match &code {
        Some(code) => code_element::set(out, 7, Some(code), "use", "4.4"),
        None if used.is_none() && !site.rules.address_usage => {
            let code = address.r#type.as_deref();
            let code = code.and_then(|code| site.codes.to_v2(Table::AddressUseType, TYPE, code));
            out.set(7, code.unwrap_or_default(), "type", "4.4");
        }
        None => {}
    });
}

/// Writes a birth place: as an address, with XAD.7 `N`. Nothing where the place has no part but a text.
pub(crate) fn write_birth_place(address: &Address<'_>, site: &Site, out: &mut trace::Repetition<'_>) {
    if has_parts(address, site) {
        place(address, site, out, |out| out.fixed(7, 1, "N", "5.1"));
    }
}

/// True where anything but the text, the use and XAD.7 can be written.
fn has_parts(address: &Address<'_>, site: &Site) -> bool {
    let plain = [&address.city, &address.state, &address.postal_code, &address.country, &address.district];
    let street = |url| street_part(address, url, site);
    let dated = |value: &Option<Str<'_>>| value.as_deref().and_then(date_time::to_ts).is_some();
    address.line.iter().flatten().any(|line| !line.is_empty())
        || plain.into_iter().flatten().any(|part| !part.is_empty())
        || street(url::STREET_NAME).is_some_and(|part| !part.is_empty())
        || street(url::HOUSE_NUMBER).is_some_and(|part| !part.is_empty())
        || fhir::extension_string(&address.extension, url::CENSUS_TRACT)
            .is_some_and(|tract| !tract.is_empty())
        || site.rules.address_period != Period::None
            && address.period.as_ref().is_some_and(|period| dated(&period.start) || dated(&period.end))
        || usage(address, site).is_some()
}

/// A part of the first line, where the version has a place for it.
fn street_part<'a>(address: &'a Address<'_>, url: &str, site: &Site) -> Option<&'a str> {
    let first = address.line_element.first().and_then(Option::as_ref);
    fhir::extension_string(fhir::element_extensions(first), url).filter(|_| site.rules.street_address)
}

/// XAD.18.
fn usage<'a>(address: &Address<'_>, site: &'a Site) -> Option<&'a str> {
    let kind = address.r#type.as_deref().filter(|_| site.rules.address_usage)?;
    site.codes.to_v2(Table::AddressUsage, TYPE, kind)
}

/// All components; `used` writes XAD.7. The text stands for parts that are not there.
fn place(
    address: &Address<'_>,
    site: &Site,
    out: &mut trace::Repetition<'_>,
    used: impl FnOnce(&mut trace::Repetition<'_>),
) {
    if !has_parts(address, site) {
        out.set(1, address.text.as_deref().unwrap_or_default(), "text", "4.4");
        return used(out);
    }
    let mut lines = address.line.iter().flatten();
    let street_name = street_part(address, url::STREET_NAME, site);
    let number = street_part(address, url::HOUSE_NUMBER, site);
    match (lines.next(), street_name, number) {
        (Some(line), ..) => out.set(1, line, "line[0]", "4.4"),
        (None, Some(name), Some(number)) => {
            out.set(1, &format!("{name} {number}"), "line[0].extension", "4.4");
        }
        (None, name, number) => {
            out.set(1, name.or(number).unwrap_or_default(), "line[0].extension", "4.4");
        }
    }
    out.set_sub(1, 2, street_name.unwrap_or_default(), "line[0].extension", "4.4");
    out.set_sub(1, 3, number.unwrap_or_default(), "line[0].extension", "4.4");
    let mut second = Str::Borrowed(lines.next().map(|line| &**line).unwrap_or_default());
    for line in lines {
        let mut longer = String::with_capacity(second.len() + line.len() + 64);
        longer.push_str(&second);
        longer.push_str(", ");
        longer.push_str(line);
        second = Str::Owned(longer);
    }
    out.set(2, &second, "line[1]", "4.4");
    out.set(3, address.city.as_deref().unwrap_or_default(), "city", "4.4");
    out.set(4, address.state.as_deref().unwrap_or_default(), "state", "4.4");
    out.set(5, address.postal_code.as_deref().unwrap_or_default(), "postalCode", "4.4");
    let written = address.country.as_deref().unwrap_or_default();
    let written = match site.config.country {
        Country::Asis => written,
        Country::Alpha3 => country::alpha_3(written).unwrap_or(written),
    };
    out.set(6, written, "country", "4.4");
    used(out);
    let county = if site.rules.county_coded { 2 } else { 1 };
    out.set_sub(9, county, address.district.as_deref().unwrap_or_default(), "district", "4.4");
    let tract = fhir::extension_string(&address.extension, url::CENSUS_TRACT).unwrap_or_default();
    out.set(10, tract, "extension", "4.4");
    if let Some(period) = &address.period {
        let ts = |value: &Option<Str<'_>>| value.as_deref().and_then(date_time::to_ts).unwrap_or_default();
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
    out.set(18, usage(address, site).unwrap_or_default(), "type", "4.4");
}

/// Whether a repetition of PID-11 is the place of birth.
pub(crate) fn is_birth_place(xad: &Repetition<'_>) -> bool {
    matches!(xad.component(7).text().as_deref(), Some("N" | "BDL"))
}

/// Reads an address; `None` where it is empty.
pub(crate) fn read<'m>(
    xad: &Repetition<'m>,
    reading: &Reading<'m>,
    where_: Place<'m>,
) -> Option<Address<'m>> {
    let mut address = read_place(xad, reading, where_);
    let v2 = reading.text(xad.component(7));
    let mut used = code_element::read(v2.clone(), Table::AddressUseType, USE, reading);
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
            address.r#type = Some(kind.into());
        }
        let back = reading.site.codes.to_v2(Table::AddressUseType, TYPE, kind);
        if back == v2.as_deref() {
            used = Read::default();
        }
    }
    (address.r#use, address.use_element) = (used.code, used.element);
    let flag = |number| reading.text(xad.component(number)).as_deref() == Some("Y");
    if address.r#use.is_none() && flag(16) {
        address.r#use = Some("temp".into());
    }
    if flag(17) {
        address.r#use = Some("old".into());
    }
    (address != Address::default()).then_some(address)
}

/// Reads a birth place: everything but `use`.
pub(crate) fn read_place<'m>(xad: &Repetition<'m>, reading: &Reading<'m>, where_: Place<'m>) -> Address<'m> {
    let component = |number| reading.text(xad.component(number));
    let sad = xad.component(1);
    let (street, number) = (reading.subtext(sad, 2), reading.subtext(sad, 3));
    let street_extensions = [(url::STREET_NAME, &street), (url::HOUSE_NUMBER, &number)]
        .into_iter()
        .filter_map(|(url, value)| Some(Extension::string(url, value.clone()?)))
        .collect();
    let first = component(1).or_else(|| {
        let parts: Vec<&str> = [&street, &number].into_iter().flatten().map(|part| &**part).collect();
        (!parts.is_empty()).then(|| parts.join(" ").into())
    });
    let line: Vec<Option<Str<'m>>> =
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
        kind.map(Str::Borrowed)
    });
    for number in [8, 11, 15, 20, 21, 22, 23] {
        if !reading.own && component(number).is_some() {
            reading.unread("4.4", where_.component(number));
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
