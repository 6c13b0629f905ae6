//! HumanName ↔ XPN (mapping section 4.3; HL7 v2.5.1 §2.A.86, §2.A.30).
//!
//! | FHIR | v2 | Back |
//! | --- | --- | --- |
//! | `family` and its own/partner parts | XPN.1.1 to XPN.1.5 | same |
//! | `given[0]` | XPN.2 | `given[0]` |
//! | `given[1..]` | XPN.3, joined by one space | split on spaces |
//! | `suffix[]`, generational | XPN.4 | split on spaces, first in `suffix` |
//! | `suffix[]`, other | XPN.14 (up to 2.4 XPN.6) | XPN.6 then XPN.14, split on spaces and commas |
//! | `prefix[]` | XPN.5 | split on spaces |
//! | `use` | XPN.7; absent → `U` | `U` → absent |
//! | `period` | XPN.12/13 (2.4: XPN.10) | same |
//! | assembly order, representation | XPN.11, XPN.8 | same |
//! | `text` alone | XPN.1.1 | `family` |
//! | – | XPN.15 | a further name with `use=nickname` |
//!
//! Parts that are joined are split first, so that what is read back is written the same way again (NM-1, RT-4).

use hl7v2::Repetition;

use crate::code_element::{self, Read};
use crate::codes::Table;
use crate::config::DegreeComponent;
use crate::date_time;
use crate::fhir::{self, Element, Extension, HumanName, url};
use crate::reading::Reading;
use crate::site::Site;
use crate::trace::Traced;
use crate::version::Period;

/// The parts of a family name, by subcomponent of XPN.1.
const FAMILY_PARTS: [(usize, &str); 4] =
    [(2, url::OWN_PREFIX), (3, url::OWN_NAME), (4, url::PARTNER_PREFIX), (5, url::PARTNER_NAME)];

/// Writes a name; empty where it is not usable.
pub(crate) fn write(name: &HumanName, site: &Site, base: &str) -> Traced {
    let mut out = parts_with(name, base, site);
    if out.is_empty() {
        return out;
    }
    let used =
        code_element::write(name.r#use.as_deref(), name.use_element.as_ref(), Table::NameUse, None, site);
    match used {
        Some(code) => code_element::set(&mut out, 7, Some(&code), "use", "4.3"),
        None => out.fixed(7, 1, "U", "4.3"),
    }
    if let Some(code) = extension_code(&name.extension, url::REPRESENTATION)
        && let Some(v2) = site.codes.to_v2(Table::NameRepresentation, None, code)
    {
        out.set(8, v2, "extension", "4.3");
    }
    if let Some(order @ ("G" | "F")) = extension_code(&name.extension, url::ASSEMBLY_ORDER)
        && site.rules.assembly_order
    {
        out.set(11, order, "extension", "4.3");
    }
    if let Some(period) = &name.period {
        let ts = |value: &Option<String>| value.as_deref().and_then(date_time::to_ts).unwrap_or_default();
        let (start, end) = (ts(&period.start), ts(&period.end));
        match site.rules.name_period {
            Period::None => {}
            Period::Range => {
                out.set_sub(10, 1, &start, "period.start", "4.3");
                out.set_sub(10, 2, &end, "period.end", "4.3");
            }
            Period::Two => {
                out.set(12, &start, "period.start", "4.3");
                out.set(13, &end, "period.end", "4.3");
            }
        }
    }
    out
}

/// A name that is only said to be absent (NM-3): `^^^^^^U`.
pub(crate) fn unknown() -> Traced {
    let mut out = Traced::default();
    out.fixed(7, 1, "U", "NM-3");
    out
}

fn parts_with(name: &HumanName, base: &str, site: &Site) -> Traced {
    let professional = match site.config.degree_component {
        DegreeComponent::Auto => site.rules.professional_suffix,
        DegreeComponent::Six => 6,
    };
    components(name, base, professional)
}

/// XPN.1 to XPN.6, and XPN.14.
fn components(name: &HumanName, base: &str, professional: usize) -> Traced {
    let mut out = Traced::new(base);
    out.set(1, name.family.as_deref().unwrap_or_default(), "family", "4.3");
    let family = fhir::element_extensions(name.family_element.as_ref());
    for (subcomponent, url) in FAMILY_PARTS {
        let value = fhir::extension_string(family, url).unwrap_or_default();
        out.set_sub(1, subcomponent, value, "family.extension", "4.3");
    }
    let mut given = name.given.iter().flatten();
    out.set(2, given.next().map(String::as_str).unwrap_or_default(), "given[0]", "4.3");
    out.set(3, &tokens(given, &[' ']).join(" "), "given", "NM-1");
    let suffix = tokens(name.suffix.iter().flatten(), &[' ', ',']);
    let (generational, other): (Vec<&str>, Vec<&str>) =
        suffix.into_iter().partition(|suffix| is_generational(suffix));
    out.set(4, &generational.join(" "), "suffix", "4.3");
    out.set(5, &tokens(name.prefix.iter().flatten(), &[' ']).join(" "), "prefix", "NM-1");
    out.set(professional, &other.join(" "), "suffix", "4.3");
    let absent = fhir::extension(&name.extension, url::DATA_ABSENT_REASON).is_some();
    if out.is_empty() && !absent {
        out.set(1, name.text.as_deref().unwrap_or_default(), "text", "4.3");
    }
    out
}

/// The words of several parts.
fn tokens<'a>(parts: impl Iterator<Item = &'a String>, separators: &[char]) -> Vec<&'a str> {
    parts.flat_map(|part| part.split(separators)).filter(|word| !word.is_empty()).collect()
}

/// `Jr Sr I II III IV V VI 2nd 3rd 4th`, whatever the case and with or without a final point.
pub(crate) fn is_generational(suffix: &str) -> bool {
    let bare = suffix.strip_suffix('.').unwrap_or(suffix);
    ["Jr", "Sr", "I", "II", "III", "IV", "V", "VI", "2nd", "3rd", "4th"]
        .iter()
        .any(|known| known.eq_ignore_ascii_case(bare))
}

/// The text that a name's parts make: prefix, given, family, suffix, joined by spaces.
pub(crate) fn joined(name: &HumanName) -> String {
    let parts = name.prefix.iter().flatten();
    let parts = parts.chain(name.given.iter().flatten()).chain(&name.family);
    parts.chain(name.suffix.iter().flatten()).map(String::as_str).collect::<Vec<_>>().join(" ")
}

fn extension_code<'a>(extensions: &'a [Extension], url: &str) -> Option<&'a str> {
    fhir::extension(extensions, url)?.value_code.as_deref()
}

/// Reads a name; `None` where it has no parts. XPN.15 is [`called_by`].
pub(crate) fn read(xpn: &Repetition<'_>, reading: &Reading<'_>, place: &str) -> Option<HumanName> {
    let component = |number| reading.text(xpn.component(number));
    let words = |number: usize, separators: &[char]| -> Vec<Option<String>> {
        let text = component(number).unwrap_or_default();
        text.split(separators).filter(|word| !word.is_empty()).map(|word| Some(word.to_owned())).collect()
    };
    let family = xpn.component(1);
    let family_extensions = FAMILY_PARTS
        .iter()
        .filter_map(|&(sub, url)| Some(Extension::string(url, reading.subtext(family, sub)?)))
        .collect();
    let mut given: Vec<Option<String>> = component(2).into_iter().map(Some).collect();
    given.extend(words(3, &[' ']));
    let mut suffix = words(4, &[' ']);
    suffix.extend(words(6, &[' ', ',']));
    suffix.extend(words(14, &[' ', ',']));
    let mut extension = Vec::new();
    if let Some(order @ ("G" | "F")) = component(11).as_deref() {
        extension.push(Extension::code(url::ASSEMBLY_ORDER, order));
    }
    if let Some(v2) = component(8)
        && let Some((_, code)) = reading.site.codes.to_fhir(Table::NameRepresentation, &v2, reading.version)
    {
        extension.push(Extension::code(url::REPRESENTATION, code));
    }
    let used = component(7).filter(|code| code != "U");
    let Read { code, element } = code_element::read(used.as_deref(), Table::NameUse, None, reading);
    let name = HumanName {
        extension,
        r#use: code,
        use_element: element,
        text: None,
        family: component(1),
        family_element: Element::of(family_extensions),
        given,
        prefix: words(5, &[' ']),
        suffix,
        period: reading.period([xpn.component(12), xpn.component(13)], Some(xpn.component(10)), place),
    };
    let has_parts = name.family.is_some()
        || name.family_element.is_some()
        || !name.given.is_empty()
        || !name.prefix.is_empty()
        || !name.suffix.is_empty();
    has_parts.then_some(name)
}

/// XPN.15, the name by which a person is called (from 2.7).
pub(crate) fn called_by(xpn: &Repetition<'_>, reading: &Reading<'_>) -> Option<HumanName> {
    let given = reading.text(xpn.component(15))?;
    Some(HumanName { r#use: Some("nickname".to_owned()), given: vec![Some(given)], ..HumanName::default() })
}
