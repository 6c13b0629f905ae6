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
use crate::fhir::{CodeableConcept, Coding, Str, system};
use crate::language;
use crate::reading::Reading;
use crate::site::Site;
use crate::trace::{self, Element};
use crate::version::Coded;

/// What a coding is to a table.
#[derive(Debug, PartialEq, Eq)]
enum Class<'a> {
    /// A code of the table.
    OfTable,
    /// It maps to this code of the table.
    Maps(Str<'a>),
    /// It maps to this code, which alone reads back as the same coding.
    MapsExactly(Str<'a>),
    /// No map.
    Unmapped,
}

/// The components of a coded field, set in any order and written in theirs.
#[derive(Default)]
struct Components<'a>([Option<Value<'a>>; 13]);

/// A value, the element it is from, if any, and the rule that put it there.
type Value<'a> = (Str<'a>, Option<Element>, &'static str);

impl<'a> Components<'a> {
    fn set(
        &mut self,
        component: usize,
        value: impl Into<Str<'a>>,
        from: impl Into<Element>,
        rule: &'static str,
    ) {
        self.put(component, (value.into(), Some(from.into()), rule));
    }

    fn fixed(&mut self, component: usize, value: &'a str, rule: &'static str) {
        self.put(component, (value.into(), None, rule));
    }

    fn put(&mut self, component: usize, value: Value<'a>) {
        if let Some(place) = self.0.get_mut(component - 1)
            && !value.0.is_empty()
        {
            *place = Some(value);
        }
    }

    /// Code, display, system name from `at`; and the version at its own place.
    fn triplet(
        &mut self,
        at: usize,
        version_at: Option<usize>,
        index: usize,
        coding: &'a Coding<'_>,
        site: &'a Site,
        rule: &'static str,
    ) {
        let name = coding.system.as_deref().map(|uri| site.systems.name(uri));
        self.set(at, coding.code.as_deref().unwrap_or_default(), (index, "code"), rule);
        self.set(at + 1, coding.display.as_deref().unwrap_or_default(), (index, "display"), rule);
        self.set(at + 2, name.unwrap_or_default(), (index, "system"), "CD-9");
        if let Some(version_at) = version_at {
            self.set(version_at, coding.version.as_deref().unwrap_or_default(), (index, "version"), "CD-6");
        }
    }

    fn write(&self, out: &mut trace::Repetition<'_>) {
        for (component, value) in (1..).zip(&self.0) {
            match value {
                Some((value, Some(from), rule)) => out.set(component, value, *from, rule),
                Some((value, None, rule)) => out.fixed(component, 1, value, rule),
                None => {}
            }
        }
    }
}

/// Writes a concept; nothing where nothing of it can be written.
pub(crate) fn write(
    concept: &CodeableConcept<'_>,
    table: Table,
    kind: Coded,
    site: &Site,
    out: &mut trace::Repetition<'_>,
) {
    write_some(concept, concept.text.as_deref(), table, kind, site, |_| true, out);
}

/// True where [`write_some`] has something to write into a CE or CWE.
pub(crate) fn is_writable(
    concept: &CodeableConcept<'_>,
    text: Option<&str>,
    wanted: impl Fn(&Coding<'_>) -> bool,
) -> bool {
    concept.coding.iter().any(|coding| coding.code.is_some() && wanted(coding))
        || text.is_some_and(|text| !text.is_empty())
}

/// Writes a concept as if it had this text, and only the codings that are `wanted`.
pub(crate) fn write_some(
    concept: &CodeableConcept<'_>,
    text: Option<&str>,
    table: Table,
    kind: Coded,
    site: &Site,
    wanted: impl Fn(&Coding<'_>) -> bool,
    out: &mut trace::Repetition<'_>,
) {
    let mut components = Components::default();
    let text = text.unwrap_or_default();
    let codings = concept.coding.iter().filter(|coding| wanted(coding)).enumerate();
    let coded = codings.filter(|(_, coding)| coding.code.is_some());
    let Some((index, coding)) = primary(coded.clone(), table, site) else {
        return match kind {
            Coded::Is => {}
            Coded::Ce => out.set(2, text, "text", "CD-5"),
            Coded::Cwe | Coded::CweThird => out.set(9, text, "text", "CD-5"),
        };
    };
    let mut others = coded.clone().filter(|(other, _)| *other != index);
    let class = class(coding, table, site);
    let code = coding.code.as_deref().unwrap_or_default();

    if kind == Coded::Is {
        match class {
            Class::OfTable => out.set(1, code, (index, "code"), "CD-8"),
            Class::Maps(v2) | Class::MapsExactly(v2) => out.set(1, &v2, (index, "code"), "CD-8"),
            // A foreign code that is also one of the table would be read as that one.
            Class::Unmapped if site.codes.contains(table, code) => {}
            Class::Unmapped => out.set(1, code, (index, "code"), "CD-8"),
        }
        return;
    }

    let wide = kind != Coded::Ce;
    let mut third = None;
    match class {
        Class::Maps(v2) => {
            components.set(1, v2, (index, "code"), "CD-3");
            components.fixed(3, table.name(), "CD-3");
            components.triplet(4, Some(8).filter(|_| wide), index, coding, site, "CD-3");
            if kind == Coded::CweThird {
                third = others.next();
            }
            components.set(if wide { 9 } else { 2 }, text, "text", "CD-3");
        }
        Class::MapsExactly(v2) => {
            components.set(1, v2, (index, "code"), "CD-2");
            components.set(2, coding.display.as_deref().unwrap_or_default(), (index, "display"), "CD-2");
            components.fixed(3, table.name(), "CD-2");
            if wide {
                components.set(7, coding.version.as_deref().unwrap_or_default(), (index, "version"), "CD-6");
            }
            components.set(if wide { 9 } else { 5 }, text, "text", "CD-0");
        }
        class @ (Class::OfTable | Class::Unmapped) => {
            let rule = if class == Class::OfTable { "CD-2" } else { "CD-4" };
            let made = made_by_map(code, coded, table, &class, site);
            // The same code again would read as one (CD-11).
            let is_again = |other: &Coding<'_>| {
                class == Class::OfTable
                    && other.code == coding.code
                    && self::class(other, table, site) == Class::OfTable
            };
            let mut others = others
                .filter(|(index, _)| made.is_none_or(|(made, _)| made != *index))
                .filter(|(_, other)| !is_again(other));
            let other = others.next();
            components.set(1, code, (index, "code"), rule);
            let name = match class {
                Class::OfTable => Str::Borrowed(table.name()),
                _ => coding.system.as_deref().map(|uri| site.systems.name(uri)).unwrap_or_default(),
            };
            components.set(3, name, (index, "system"), "CD-9");
            let mapped_display = made.and_then(|(_, made)| made.display.as_deref());
            let display = coding.display.as_deref().or(mapped_display).unwrap_or_default();
            if wide {
                components.set(2, display, (index, "display"), "CD-7");
                components.set(7, coding.version.as_deref().unwrap_or_default(), (index, "version"), "CD-6");
                components.set(9, text, "text", "CD-7");
            } else if other.is_some() {
                components.set(2, text, "text", rule);
            } else {
                components.set(2, display, (index, "display"), rule);
                components.set(5, text, "text", rule);
            }
            if let Some((other, coding)) = other {
                components.triplet(4, Some(8).filter(|_| wide), other, coding, site, rule);
                if kind == Coded::CweThird {
                    third = others.next();
                }
            }
        }
    }
    if let Some((index, coding)) = third {
        components.triplet(10, Some(13), index, coding, site, "CD-6");
    }
    components.write(out);
}

/// Beside a code of the table, the coding that reading makes of that code (CD-12): it need not be sent.
fn made_by_map<'c, 'a: 'c>(
    code: &str,
    mut codings: impl Iterator<Item = (usize, &'c Coding<'a>)>,
    table: Table,
    class: &Class<'_>,
    site: &Site,
) -> Option<(usize, &'c Coding<'a>)> {
    if *class != Class::OfTable {
        return None;
    }
    // Reading takes a language in either case.
    let code = if table == Table::Language { Str::Owned(code.to_lowercase()) } else { Str::Borrowed(code) };
    let (uri, mapped, _) = mapped_coding(&code, table, site)?;
    let is_mapped =
        |coding: &Coding<'_>| coding.system.as_deref() == Some(uri) && coding.code.as_deref() == Some(mapped);
    codings.find(|(_, coding)| is_mapped(coding) && !table.is_system(uri))
}

/// Writes one Coding of an extension as its own repetition, without text (CD-16); its code at component `at`.
pub(crate) fn write_coding(
    coding: &Coding<'_>,
    at: usize,
    site: &Site,
    rule: &'static str,
    out: &mut trace::Repetition<'_>,
) {
    out.set(at, coding.code.as_deref().unwrap_or_default(), "code", rule);
    out.set(at + 1, coding.display.as_deref().unwrap_or_default(), "display", rule);
    let name = coding.system.as_deref().map(|uri| site.systems.name(uri));
    out.set(at + 2, name.as_deref().unwrap_or_default(), "system", "CD-9");
}

/// CD-1: the coding that decides the field's code, and its position.
fn primary<'c, 'a: 'c>(
    codings: impl Iterator<Item = (usize, &'c Coding<'a>)> + Clone,
    table: Table,
    site: &Site,
) -> Option<(usize, &'c Coding<'a>)> {
    let mut all = codings.clone();
    if let (Some(only), None) = (all.next(), all.next()) {
        return Some(only);
    }
    let find = |wanted: &dyn Fn(&Coding<'_>) -> bool| codings.clone().find(|(_, coding)| wanted(coding));
    find(&|coding| class(coding, table, site) == Class::OfTable)
        .or_else(|| find(&|coding| coding.user_selected == Some(true)))
        .or_else(|| find(&|coding| class(coding, table, site) != Class::Unmapped))
        .or_else(|| codings.clone().next())
}

fn class<'a>(coding: &'a Coding<'_>, table: Table, site: &'a Site) -> Class<'a> {
    let code = coding.code.as_deref().unwrap_or_default();
    match coding.system.as_deref() {
        Some(uri) if table.is_system(uri) => Class::OfTable,
        None if site.codes.contains(table, code) => Class::OfTable,
        None => Class::Unmapped,
        Some(system::LANGUAGE) if table == Table::Language => match language::primary_subtag(code) {
            Some(subtag) => {
                let v2 = site.codes.to_fhir(table, &subtag, site.codes.version());
                let v2 = v2.map_or(subtag, |(_, two_letters)| Str::Borrowed(two_letters));
                if v2 == code { Class::MapsExactly(v2) } else { Class::Maps(v2) }
            }
            None => Class::Unmapped,
        },
        Some(uri) => match site.codes.to_v2(table, Some(uri), code) {
            Some(v2) => Class::Maps(Str::Borrowed(v2)),
            None => Class::Unmapped,
        },
    }
}

/// The code of `table` that a coding maps to.
pub(crate) fn v2_code<'a>(coding: &'a Coding<'_>, table: Table, site: &'a Site) -> Option<Str<'a>> {
    match class(coding, table, site) {
        Class::Maps(v2) | Class::MapsExactly(v2) => Some(v2),
        Class::OfTable => coding.code.as_deref().map(Str::Borrowed),
        Class::Unmapped => None,
    }
}

/// True where a coding that stands alone in its concept, without version, maps to the table and reads back as itself.
pub(crate) fn is_carried(coding: &Coding<'_>, table: Table, site: &Site) -> bool {
    match class(coding, table, site) {
        Class::Maps(_) => true,
        Class::MapsExactly(v2) => match site.codes.to_fhir(table, &v2, site.codes.version()) {
            Some((uri, code)) => {
                coding.system.as_deref() == Some(uri) && coding.code.as_deref() == Some(code)
            }
            None => coding.system.as_deref() == Some(system::LANGUAGE),
        },
        Class::OfTable | Class::Unmapped => false,
    }
}

/// Reads a coded field; `None` where it is empty.
pub(crate) fn read<'m>(
    field: &Repetition<'m>,
    table: Table,
    kind: Coded,
    reading: &Reading<'m>,
) -> Option<CodeableConcept<'m>> {
    if field.is_empty() {
        return None;
    }
    let component = |number| reading.text(field.component(number));
    let uri = |name: Option<Str<'m>>| name.and_then(|name| reading.site.systems.uri(name, reading.own));
    let wide = matches!(kind, Coded::Cwe | Coded::CweThird);
    let coding = |code: usize, display: Option<Str<'m>>, version: usize| {
        Some(Coding {
            code: Some(as_code(component(code)?, reading.own)),
            system: uri(component(code + 2)),
            version: component(version).filter(|_| wide),
            display,
            user_selected: None,
        })
    };
    let (display_1, display_2) = (component(2), component(5));
    let original = component(9);
    let mut concept = CodeableConcept::default();
    let name = component(3).unwrap_or_default();
    let of_table = table_number(&name) == Some(table.number()) || name.is_empty();
    let first = component(1).map(|code| as_code(code, reading.own));
    match coding(4, display_2.clone(), 8) {
        // CD-11
        Some(second) => {
            let text_is_first_display = wide && (reading.own || original.is_some());
            let further = first.map(|code| {
                let of_table = of_table && (!name.is_empty() || reading.site.codes.contains(table, &code));
                let coding = Coding {
                    system: if of_table { Some(table.system().into()) } else { uri(component(3)) },
                    version: component(7).filter(|_| wide),
                    code: Some(code),
                    display: display_1.clone().filter(|_| text_is_first_display),
                    user_selected: None,
                };
                (of_table, coding)
            });
            let second_maps_to = v2_code(&second, table, reading.site);
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
                    first_triplet(code, name, display_1.clone(), version, of_table, table, reading);
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
fn first_triplet<'m>(
    code: Str<'m>,
    name: Str<'m>,
    display: Option<Str<'m>>,
    version: Option<Str<'m>>,
    of_table: bool,
    table: Table,
    reading: &Reading<'m>,
) -> Vec<Coding<'m>> {
    let site = reading.site;
    if of_table && let Some((system, mapped)) = from_v2(&code, &name, table, reading) {
        let exact = match table {
            Table::Language => mapped == code,
            _ => site.codes.to_v2(table, Some(system), &mapped) == Some(&*code),
        };
        let is_same = mapped == code;
        let coding =
            Coding { system: Some(system.into()), version, code: Some(mapped), display, user_selected: None };
        if exact || is_same {
            return vec![coding];
        }
        let source = Coding { system: Some(table.system().into()), code: Some(code), ..Coding::default() };
        return vec![coding, source];
    }
    let system = match table_number(&name) {
        Some(number) if number == table.number() => Some(table.system().into()),
        _ => site.systems.uri(name, reading.own),
    };
    vec![Coding { system, version, code: Some(code), display, user_selected: None }]
}

/// The FHIR coding that a v2 code of a table stands for.
fn from_v2<'m>(
    code: &Str<'m>,
    name: &str,
    table: Table,
    reading: &Reading<'m>,
) -> Option<(&'m str, Str<'m>)> {
    let codes = &reading.site.codes;
    if table == Table::Language {
        // An own message names the table of every code that it found there; the others stay as they are.
        let as_written = reading.own && name.is_empty();
        let is_lower_case = code.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase());
        let found = if as_written || is_lower_case {
            codes.to_fhir(table, code, reading.version)
        } else {
            codes.to_fhir(table, &code.to_lowercase(), reading.version)
        };
        if let Some((system, code)) = found {
            return Some((system, code.into()));
        }
        let bare = language::primary_subtag(code).as_deref() == Some(code);
        return (bare && !name.is_empty()).then(|| (system::LANGUAGE, code.clone()));
    }
    codes.to_fhir(table, code, reading.version).map(|(system, code)| (system, code.into()))
}

/// A FHIR code has single blanks inside and none around it; an own message has only what a Patient had.
fn as_code(text: Str<'_>, verbatim: bool) -> Str<'_> {
    if verbatim || text.split(' ').all(|part| !part.is_empty() && !part.contains(char::is_whitespace)) {
        return text;
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ").into()
}

/// CD-12 for a coding in a Patient: the FHIR coding of a coding of the table's system, and whether the v2 code is
/// that coding's own (B12).
pub(crate) fn mapped_coding<'a>(
    code: &str,
    table: Table,
    site: &'a Site,
) -> Option<(&'a str, &'a str, bool)> {
    let (system, mapped) = site.codes.to_fhir(table, code, site.codes.version())?;
    let exact = site.codes.to_v2(table, Some(system), mapped) == Some(code);
    Some((system, mapped, exact))
}
