//! CodeableConcept and Coding ↔ CE, CWE and IS (mapping section 4.2; HL7 v2.5.1 §2.A.3, §2.A.13).
//!
//! The writing rules, for a field with table T:
//!
//! | Id | Rule |
//! | --- | --- |
//! | CD-0 | CE.4 valued: CE.2 is the text and CE.5 a display. CE.4 empty: CE.2 is a display and CE.5 the text. No code at all: CE.2 is the text |
//! | CD-1 | primary coding: of T's system, else `userSelected`, else the first that maps to T, else the first |
//! | CD-2 | primary of T's system: first triplet; another coding takes the second |
//! | CD-3 | primary maps to T: the v2 code takes the first triplet, the coding itself the second |
//! | CD-4 | primary without map: first triplet; another coding takes the second |
//! | CD-5 | text only: CE.2 |
//! | CD-6 | further codings are not sent (from 2.7 one more, in CWE.10 to CWE.13) |
//! | CD-7 | CWE: text in CWE.9, CWE.2 and CWE.5 are displays |
//! | CD-8 | IS: the code alone |
//!
//! Reading is CD-11 to CD-14. The first triplet of another table than T stays before the second on read, so that two
//! unmapped codings keep their order.

use hl7v2::Repetition;

use crate::codes::Table;
use crate::coding_system::table_number;
use crate::fhir::{CodeableConcept, Coding, system};
use crate::language;
use crate::reading::Reading;
use crate::site::Site;
use crate::trace::Traced;
use crate::version::Coded;

/// What a coding is to a table.
#[derive(Debug, PartialEq, Eq)]
enum Class {
    /// A code of the table.
    OfTable,
    /// It maps to this code of the table.
    Maps(String),
    /// It maps to this code, which alone reads back as the same coding.
    MapsExactly(String),
    /// No map.
    Unmapped,
}

/// Writes a concept; empty where nothing of it can be written. `base` is its FHIRPath.
pub(crate) fn write(concept: &CodeableConcept, table: Table, kind: Coded, site: &Site, base: &str) -> Traced {
    let mut out = Traced::new(base);
    let text = concept.text.as_deref().unwrap_or_default();
    let coded: Vec<(usize, &Coding)> =
        concept.coding.iter().enumerate().filter(|(_, coding)| coding.code.is_some()).collect();
    let Some(primary) = primary(&coded, table, site) else {
        match kind {
            Coded::Is => {}
            Coded::Ce => out.set(2, text, "text", "CD-5"),
            Coded::Cwe | Coded::CweThird => out.set(9, text, "text", "CD-5"),
        }
        return out;
    };
    let (index, coding) = coded[primary];
    let mut others = coded.iter().filter(|(other, _)| *other != index);
    let class = class(coding, table, site);
    let code = coding.code.as_deref().unwrap_or_default();
    let from = |member: &str| format!("coding[{index}].{member}");

    if kind == Coded::Is {
        match class {
            Class::OfTable => out.set(1, code, from("code"), "CD-8"),
            Class::Maps(v2) | Class::MapsExactly(v2) => out.set(1, &v2, from("code"), "CD-8"),
            // A foreign code that is also one of the table would be read as that one.
            Class::Unmapped if site.codes.contains(table, code) => {}
            Class::Unmapped => out.set(1, code, from("code"), "CD-8"),
        }
        return out;
    }

    let wide = kind != Coded::Ce;
    let mut second = None;
    match class {
        Class::Maps(v2) => {
            out.set(1, &v2, from("code"), "CD-3");
            out.fixed(3, 1, &format!("HL7{}", table.number()), "CD-3");
            triplet(&mut out, 4, Some(8).filter(|_| wide), index, coding, site, "CD-3");
            if kind == Coded::CweThird {
                second = others.next().map(|other| (10, other));
            }
            out.set(if wide { 9 } else { 2 }, text, "text", "CD-3");
        }
        Class::MapsExactly(v2) => {
            out.set(1, &v2, from("code"), "CD-2");
            out.set(2, coding.display.as_deref().unwrap_or_default(), from("display"), "CD-2");
            out.fixed(3, 1, &format!("HL7{}", table.number()), "CD-2");
            if wide {
                out.set(7, coding.version.as_deref().unwrap_or_default(), from("version"), "CD-6");
            }
            out.set(if wide { 9 } else { 5 }, text, "text", "CD-0");
        }
        class @ (Class::OfTable | Class::Unmapped) => {
            let rule = if class == Class::OfTable { "CD-2" } else { "CD-4" };
            let made = made_by_map(code, &coded, table, &class, site);
            // The same code again would read as one (CD-11).
            let is_again = |other: &Coding| {
                class == Class::OfTable
                    && other.code == coding.code
                    && self::class(other, table, site) == Class::OfTable
            };
            let mut others = others
                .filter(|(index, _)| made.is_none_or(|(made, _)| made != *index))
                .filter(|(_, other)| !is_again(other));
            let other = others.next();
            out.set(1, code, from("code"), rule);
            let name = match class {
                Class::OfTable => format!("HL7{}", table.number()),
                _ => coding
                    .system
                    .as_deref()
                    .map(|uri| site.systems.name(uri).into_owned())
                    .unwrap_or_default(),
            };
            out.set(3, &name, from("system"), "CD-9");
            let mapped_display = made.and_then(|(_, made)| made.display.as_deref());
            let display = coding.display.as_deref().or(mapped_display).unwrap_or_default();
            if wide {
                out.set(2, display, from("display"), "CD-7");
                out.set(7, coding.version.as_deref().unwrap_or_default(), from("version"), "CD-6");
                out.set(9, text, "text", "CD-7");
            } else if other.is_some() {
                out.set(2, text, "text", rule);
            } else {
                out.set(2, display, from("display"), rule);
                out.set(5, text, "text", rule);
            }
            if let Some((other, coding)) = other {
                triplet(&mut out, 4, Some(8).filter(|_| wide), *other, coding, site, rule);
                if kind == Coded::CweThird {
                    second = others.next().map(|other| (10, other));
                }
            }
        }
    }
    if let Some((at, (index, coding))) = second {
        triplet(&mut out, at, Some(13), *index, coding, site, "CD-6");
    }
    out
}

/// Beside a code of the table, the coding that reading makes of that code (CD-12): it need not be sent.
fn made_by_map<'a>(
    code: &str,
    codings: &[(usize, &'a Coding)],
    table: Table,
    class: &Class,
    site: &Site,
) -> Option<(usize, &'a Coding)> {
    // Reading takes a language in either case.
    let code = if table == Table::Language { code.to_lowercase() } else { code.to_owned() };
    let (uri, mapped, _) = mapped_coding(&code, table, site).filter(|_| *class == Class::OfTable)?;
    let is_mapped =
        |coding: &Coding| coding.system.as_deref() == Some(&uri) && coding.code.as_deref() == Some(&mapped);
    codings.iter().copied().find(|(_, coding)| is_mapped(coding) && !table.is_system(&uri))
}

/// Writes one Coding of an extension as its own repetition, without text (CD-16).
pub(crate) fn write_coding(coding: &Coding, site: &Site, base: &str, rule: &'static str) -> Traced {
    let mut out = Traced::new(base);
    out.set(1, coding.code.as_deref().unwrap_or_default(), "code", rule);
    out.set(2, coding.display.as_deref().unwrap_or_default(), "display", rule);
    let name = coding.system.as_deref().map(|uri| site.systems.name(uri));
    out.set(3, name.as_deref().unwrap_or_default(), "system", "CD-9");
    out
}

/// Three components from `at`: code, display, system name; and the version at its own place.
pub(crate) fn triplet(
    out: &mut Traced,
    at: usize,
    version_at: Option<usize>,
    index: usize,
    coding: &Coding,
    site: &Site,
    rule: &'static str,
) {
    let from = |member: &str| format!("coding[{index}].{member}");
    let name = coding.system.as_deref().map(|uri| site.systems.name(uri));
    out.set(at, coding.code.as_deref().unwrap_or_default(), from("code"), rule);
    out.set(at + 1, coding.display.as_deref().unwrap_or_default(), from("display"), rule);
    out.set(at + 2, name.as_deref().unwrap_or_default(), from("system"), "CD-9");
    if let Some(version_at) = version_at {
        out.set(version_at, coding.version.as_deref().unwrap_or_default(), from("version"), "CD-6");
    }
}

/// CD-1: the position in `codings` of the one that decides the field's code.
fn primary(codings: &[(usize, &Coding)], table: Table, site: &Site) -> Option<usize> {
    let find = |wanted: &dyn Fn(&Coding) -> bool| codings.iter().position(|(_, coding)| wanted(coding));
    find(&|coding| class(coding, table, site) == Class::OfTable)
        .or_else(|| find(&|coding| coding.user_selected == Some(true)))
        .or_else(|| find(&|coding| class(coding, table, site) != Class::Unmapped))
        .or(if codings.is_empty() { None } else { Some(0) })
}

fn class(coding: &Coding, table: Table, site: &Site) -> Class {
    let code = coding.code.as_deref().unwrap_or_default();
    match coding.system.as_deref() {
        Some(uri) if table.is_system(uri) => Class::OfTable,
        None if site.codes.contains(table, code) => Class::OfTable,
        None => Class::Unmapped,
        Some(system::LANGUAGE) if table == Table::Language => match language::primary_subtag(code) {
            Some(subtag) => {
                let v2 = site.codes.to_fhir(table, &subtag, site.codes.version());
                let v2 = v2.map_or(subtag.as_str(), |(_, two_letters)| two_letters);
                if v2 == code { Class::MapsExactly(v2.to_owned()) } else { Class::Maps(v2.to_owned()) }
            }
            None => Class::Unmapped,
        },
        Some(uri) => match site.codes.to_v2(table, Some(uri), code) {
            Some(v2) => Class::Maps(v2.to_owned()),
            None => Class::Unmapped,
        },
    }
}

/// The code of `table` that a coding maps to.
pub(crate) fn v2_code(coding: &Coding, table: Table, site: &Site) -> Option<String> {
    match class(coding, table, site) {
        Class::Maps(v2) | Class::MapsExactly(v2) => Some(v2),
        Class::OfTable => coding.code.clone(),
        Class::Unmapped => None,
    }
}

/// Reads a coded field; `None` where it is empty.
pub(crate) fn read(
    field: &Repetition<'_>,
    table: Table,
    kind: Coded,
    reading: &Reading<'_>,
) -> Option<CodeableConcept> {
    let component = |number| reading.text(field.component(number));
    let uri = |name: Option<String>| name.and_then(|name| reading.site.systems.uri(&name, reading.own));
    let wide = matches!(kind, Coded::Cwe | Coded::CweThird);
    let coding = |code: usize, display: Option<String>, version: usize| {
        let code_text = component(code)?;
        Some(Coding {
            system: uri(component(code + 2)),
            version: component(version).filter(|_| wide),
            code: Some(as_code(&code_text, reading.own)),
            display,
            user_selected: None,
        })
    };
    let (display_1, display_2) = (component(2), component(5));
    let original = component(9);
    let mut concept = CodeableConcept::default();
    let name = component(3).unwrap_or_default();
    let of_table = table_number(&name) == Some(table.number()) || name.is_empty();
    let first = component(1).map(|code| as_code(&code, reading.own));
    match coding(4, display_2.clone(), 8) {
        // CD-11
        Some(second) => {
            let text_is_first_display = wide && (reading.own || original.is_some());
            let second_maps_to = mapped(&second, table, reading);
            let further = first.map(|code| {
                let of_table = of_table && (!name.is_empty() || reading.site.codes.contains(table, &code));
                let coding = Coding {
                    system: if of_table { Some(table.system()) } else { uri(component(3)) },
                    version: component(7).filter(|_| wide),
                    code: Some(code),
                    display: display_1.clone().filter(|_| text_is_first_display),
                    user_selected: None,
                };
                (of_table, coding)
            });
            let further = further.filter(|(of_table, coding)| !of_table || coding.code != second_maps_to);
            concept.text = original.or_else(|| display_1.filter(|_| !(wide && reading.own)));
            match further {
                Some((false, further)) => concept.coding.extend([further, second]),
                further => {
                    concept.coding.push(second);
                    concept.coding.extend(further.map(|(_, coding)| coding));
                }
            }
        }
        None => match first {
            Some(code) => {
                let version = component(7).filter(|_| wide);
                concept.coding =
                    first_triplet(code, &name, display_1.clone(), version, of_table, table, reading);
                // CD-14
                let second_text = display_2.filter(|_| !(wide && reading.own));
                concept.text = original.or(second_text).or_else(|| display_1.filter(|_| !reading.own));
            }
            None => concept.text = original.or(display_2).or(display_1),
        },
    }
    if kind == Coded::CweThird
        && let Some(mut third) = coding(10, component(11), 13)
    {
        third.system = uri(component(12));
        concept.coding.push(third);
    }
    (!concept.coding.is_empty() || concept.text.is_some()).then_some(concept)
}

/// CD-12 and CD-13: the codings of a field with a first triplet only.
fn first_triplet(
    code: String,
    name: &str,
    display: Option<String>,
    version: Option<String>,
    of_table: bool,
    table: Table,
    reading: &Reading<'_>,
) -> Vec<Coding> {
    let site = reading.site;
    if of_table && let Some((system, mapped)) = from_v2(&code, name, table, reading) {
        let exact = mapped_back(&system, &mapped, table, site).as_deref() == Some(code.as_str());
        let coding =
            Coding { system: Some(system), version, code: Some(mapped), display, user_selected: None };
        if exact || coding.code.as_deref() == Some(code.as_str()) {
            return vec![coding];
        }
        let source = Coding { system: Some(table.system()), code: Some(code), ..Coding::default() };
        return vec![coding, source];
    }
    let system = match table_number(name) {
        Some(number) if number == table.number() => Some(table.system()),
        _ => site.systems.uri(name, reading.own),
    };
    vec![Coding { system, version, code: Some(code), display, user_selected: None }]
}

/// The FHIR coding that a v2 code of a table stands for.
fn from_v2(code: &str, name: &str, table: Table, reading: &Reading<'_>) -> Option<(String, String)> {
    let codes = &reading.site.codes;
    if table == Table::Language {
        // An own message names the table of every code that it found there; the others stay as they are.
        let as_written = reading.own && name.is_empty();
        let wanted = if as_written { code.to_owned() } else { code.to_lowercase() };
        if let Some((system, code)) = codes.to_fhir(table, &wanted, reading.version) {
            return Some((system.to_owned(), code.to_owned()));
        }
        let bare = language::primary_subtag(code).as_deref() == Some(code);
        return (bare && !name.is_empty()).then(|| (system::LANGUAGE.to_owned(), code.to_owned()));
    }
    codes.to_fhir(table, code, reading.version).map(|(system, code)| (system.to_owned(), code.to_owned()))
}

/// The v2 code of a mapped coding, to see whether the map is one-to-one.
fn mapped_back(system: &str, code: &str, table: Table, site: &Site) -> Option<String> {
    if table == Table::Language {
        return Some(code.to_owned());
    }
    site.codes.to_v2(table, Some(system), code).map(str::to_owned)
}

/// The v2 code that a coding that was read maps to.
fn mapped(coding: &Coding, table: Table, reading: &Reading<'_>) -> Option<String> {
    v2_code(coding, table, reading.site)
}

/// A FHIR code has single blanks inside and none around it; an own message has only what a Patient had.
fn as_code(text: &str, verbatim: bool) -> String {
    if verbatim || text.split(' ').all(|part| !part.is_empty() && !part.contains(char::is_whitespace)) {
        return text.to_owned();
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// CD-12 for a coding in a Patient: the FHIR coding of a coding of the table's system, and whether the v2 code is
/// that coding's own (B12).
pub(crate) fn mapped_coding(code: &str, table: Table, site: &Site) -> Option<(String, String, bool)> {
    let (system, mapped) = site.codes.to_fhir(table, code, site.codes.version())?;
    let exact = site.codes.to_v2(table, Some(system), mapped) == Some(code);
    Some((system.to_owned(), mapped.to_owned(), exact))
}
