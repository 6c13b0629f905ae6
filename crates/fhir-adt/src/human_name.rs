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
use crate::fhir::{self, Element, Extension, HumanName, Str, url};
use crate::reading::{Place, Reading};
use crate::site::Site;
use crate::trace;
use crate::version::Period;

/// The parts of a family name, by subcomponent of XPN.1.
const FAMILY_PARTS: [(usize, &str); 4] =
    [(2, url::OWN_PREFIX), (3, url::OWN_NAME), (4, url::PARTNER_PREFIX), (5, url::PARTNER_NAME)];

/// Writes a name; nothing where it is not usable.
pub(crate) fn write(name: &HumanName<'_>, site: &Site, out: &mut trace::Repetition<'_>) {
    let suffix = || tokens(&name.suffix, &[' ', ',']);
    let other = words(suffix().filter(|suffix| !is_generational(suffix)));
    let professional = match site.config.degree_component {
        DegreeComponent::Auto => site.rules.professional_suffix,
        DegreeComponent::Six => 6,
    };
    out.set(1, name.family.as_deref().unwrap_or_default(), "family", "4.3");
    let family = fhir::element_extensions(name.family_element.as_ref());
    for (subcomponent, url) in FAMILY_PARTS.into_iter().filter(|_| !family.is_empty()) {
        let value = fhir::extension_string(family, url).unwrap_or_default();
        out.set_sub(1, subcomponent, value, "family.extension", "4.3");
    }
    let (first, further) = match name.given.iter().position(Option::is_some) {
        Some(first) => (name.given[first].as_deref(), &name.given[first + 1..]),
        None => (None, &[][..]),
    };
    out.set(2, first.unwrap_or_default(), "given[0]", "4.3");
    out.set(3, &words(tokens(further, &[' '])), "given", "NM-1");
    out.set(4, &words(suffix().filter(|suffix| is_generational(suffix))), "suffix", "4.3");
    out.set(5, &words(tokens(&name.prefix, &[' '])), "prefix", "NM-1");
    if professional == 6 {
        out.set(6, &other, "suffix", "4.3");
    }
    if out.is_empty() && other.is_empty() {
        if fhir::extension(&name.extension, url::DATA_ABSENT_REASON).is_some() {
            return;
        }
        out.set(1, name.text.as_deref().unwrap_or_default(), "text", "4.3");
        if out.is_empty() {
            return;
        }
    }
    let used =
        code_element::write(name.r#use.as_deref(), name.use_element.as_ref(), Table::NameUse, None, site);
    match used {
        Some(code) => code_element::set(out, 7, Some(&code), "use", "4.3"),
        None => out.fixed(7, 1, "U", "4.3"),
    }
    if let Some(code) = extension_code(&name.extension, url::REPRESENTATION)
        && let Some(v2) = site.codes.to_v2(Table::NameRepresentation, None, code)
    {
        out.set(8, v2, "extension", "4.3");
    }
    let ts = |value: &Option<Str<'_>>| value.as_deref().and_then(date_time::to_ts).unwrap_or_default();
    let period = name.period.as_ref().map(|period| (ts(&period.start), ts(&period.end)));
    if let Some((start, end)) = &period
        && site.rules.name_period == Period::Range
    {
        out.set_sub(10, 1, start, "period.start", "4.3");
        out.set_sub(10, 2, end, "period.end", "4.3");
    }
    if let Some(order @ ("G" | "F")) = extension_code(&name.extension, url::ASSEMBLY_ORDER)
        && site.rules.assembly_order
    {
        out.set(11, order, "extension", "4.3");
    }
    if let Some((start, end)) = &period
        && site.rules.name_period == Period::Two
    {
        out.set(12, start, "period.start", "4.3");
        out.set(13, end, "period.end", "4.3");
    }
    if professional != 6 {
        out.set(professional, &other, "suffix", "4.3");
    }
}

/// A name that is only said to be absent (NM-3): `^^^^^^U`.
pub(crate) fn unknown(out: &mut trace::Repetition<'_>) {
    out.fixed(7, 1, "U", "NM-3");
}

/// The words of several parts.
fn tokens<'a>(parts: &'a [Option<Str<'_>>], separators: &'static [char]) -> impl Iterator<Item = &'a str> {
    parts.iter().flatten().flat_map(move |part| part.split(separators)).filter(|word| !word.is_empty())
}

/// Words joined by one space.
fn words<'a>(mut words: impl Iterator<Item = &'a str>) -> Str<'a> {
    let mut text = Str::Borrowed(words.next().unwrap_or_default());
    for word in words {
        let text = text.to_mut();
        text.push(' ');
        text.push_str(word);
    }
    text
}

/// `Jr Sr I II III IV V VI 2nd 3rd 4th`, whatever the case and with or without a final point.
pub(crate) fn is_generational(suffix: &str) -> bool {
    let bare = suffix.strip_suffix('.').unwrap_or(suffix);
    ["Jr", "Sr", "I", "II", "III", "IV", "V", "VI", "2nd", "3rd", "4th"]
        .iter()
        .any(|known| known.eq_ignore_ascii_case(bare))
}

/// The text that a name's parts make: prefix, given, family, suffix, joined by spaces.
pub(crate) fn joined(name: &HumanName<'_>) -> String {
    let parts = name.prefix.iter().flatten();
    let parts = parts.chain(name.given.iter().flatten()).chain(&name.family);
    parts.chain(name.suffix.iter().flatten()).map(|part| &**part).collect::<Vec<_>>().join(" ")
}

/// True for the text that a name's parts make.
pub(crate) fn is_joined(text: &str, name: &HumanName<'_>) -> bool {
    let parts = name.prefix.iter().flatten().chain(name.given.iter().flatten());
    let parts = parts.chain(&name.family).chain(name.suffix.iter().flatten());
    let rest = parts.enumerate().try_fold(text, |rest, (index, part)| {
        let rest = if index > 0 { rest.strip_prefix(' ')? } else { rest };
        rest.strip_prefix(&**part)
    });
    rest == Some("")
}

fn extension_code<'a>(extensions: &'a [Extension<'_>], url: &str) -> Option<&'a str> {
    fhir::extension(extensions, url)?.value_code.as_deref()
}

/// Reads a name; `None` where it has no parts. XPN.15 is [`called_by`].
pub(crate) fn read<'m>(
    xpn: &Repetition<'m>,
    reading: &Reading<'m>,
    place: Place<'m>,
) -> Option<HumanName<'m>> {
    let component = |number| reading.text(xpn.component(number));
    let words = |number: usize, separators: &[char]| split(component(number), separators);
    let family = xpn.component(1);
    let family_extensions = FAMILY_PARTS
        .iter()
        .filter_map(|&(sub, url)| Some(Extension::string(url, reading.subtext(family, sub)?)))
        .collect();
    let mut given: Vec<Option<Str<'m>>> = component(2).into_iter().map(Some).collect();
    given.extend(words(3, &[' ']));
    let mut suffix = words(4, &[' ']);
    suffix.extend(words(6, &[' ', ',']));
    suffix.extend(words(14, &[' ', ',']));
    let mut extension = Vec::new();
    if let Some(order) = component(11).filter(|order| matches!(&**order, "G" | "F")) {
        extension.push(Extension::code(url::ASSEMBLY_ORDER, order));
    }
    if let Some(v2) = component(8)
        && let Some((_, code)) = reading.site.codes.to_fhir(Table::NameRepresentation, &v2, reading.version)
    {
        extension.push(Extension::code(url::REPRESENTATION, code));
    }
    let used = component(7).filter(|code| *code != "U");
    let Read { code, element } = code_element::read(used, Table::NameUse, None, reading);
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

/// The words of a component.
fn split<'m>(text: Option<Str<'m>>, separators: &[char]) -> Vec<Option<Str<'m>>> {
    let is_word = |word: &&str| !word.is_empty();
    match text {
        None => Vec::new(),
        Some(Str::Borrowed(text)) => {
            text.split(separators).filter(is_word).map(|word| Some(word.into())).collect()
        }
        Some(Str::Owned(text)) => {
            text.split(separators).filter(is_word).map(|word| Some(word.to_owned().into())).collect()
        }
    }
}

/// XPN.15, the name by which a person is called (from 2.7).
pub(crate) fn called_by<'m>(xpn: &Repetition<'m>, reading: &Reading<'m>) -> Option<HumanName<'m>> {
    let given = reading.text(xpn.component(15))?;
    Some(HumanName { r#use: Some("nickname".into()), given: vec![Some(given)], ..HumanName::default() })
}
