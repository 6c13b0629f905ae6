//! US Core race and ethnicity ↔ PID-10 and PID-22 (mapping section 5.1, CD-16).
//!
//! | Extension | v2 |
//! | --- | --- |
//! | race, each category, then each detail | `code^display^CDCREC`, null flavours `NULLFL` |
//! | ethnicity, category | `H^^HL70189^2135-2^display^CDCREC` |
//! | ethnicity, detail | `code^display^CDCREC` |
//! | `text` other than the displays joined by `, ` | a last repetition `^text` |
//!
//! Back: the categories of US Core and null flavours are `ombCategory`, all others `detailed`; `text` is rebuilt.

use hl7v2::Field;

use crate::coded;
use crate::codes::Table;
use crate::fhir::{Coding, Extension, Str, system, url};
use crate::path::Path;
use crate::reading::Reading;
use crate::site::Site;
use crate::trace::{self, Writer};
use crate::version::Coded;

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Race,
    Ethnicity,
}

impl Kind {
    pub(crate) fn url(self) -> &'static str {
        match self {
            Self::Race => url::RACE,
            Self::Ethnicity => url::ETHNICITY,
        }
    }

    fn table(self) -> Table {
        match self {
            Self::Race => Table::Race,
            Self::Ethnicity => Table::Ethnicity,
        }
    }

    fn field(self) -> usize {
        match self {
            Self::Race => 10,
            Self::Ethnicity => 22,
        }
    }

    /// True for the codings that US Core allows as `ombCategory`.
    pub(crate) fn is_category(self, coding: &Coding<'_>) -> bool {
        let categories: &[&str] = match self {
            Self::Race => &["1002-5", "2028-9", "2054-5", "2076-8", "2106-3"],
            Self::Ethnicity => &["2135-2", "2186-5"],
        };
        let code = coding.code.as_deref().unwrap_or_default();
        match coding.system.as_deref() {
            Some(system::NULL_FLAVOR) => true,
            Some(system::RACE_AND_ETHNICITY) => categories.contains(&code),
            _ => false,
        }
    }
}

/// Writes the extension into its field of PID.
pub(crate) fn write(out: &mut Writer, kind: Kind, extension: &Extension<'_>, site: &Site, base: &Path<'_>) {
    let coded_as = site.rules.coded_pid;
    let most = if site.config.ihe_strict || !site.rules.race_repeats { 1 } else { usize::MAX };
    let mut written = 0;
    let parts = base.member("extension");
    let in_order = || in_order(kind, extension, site);
    for (index, coding) in in_order() {
        if written < most {
            let part = parts.index(index);
            let out = &mut out.repetition(kind.field(), part.member("valueCoding"));
            write_one(kind, &coding, coded_as, site, out);
            written += usize::from(!out.is_empty());
        }
    }
    if let Some((index, text)) = text(extension)
        && coded_as != Coded::Is
        && written < most
        && !is_joined(text, in_order().map(|(_, coding)| coding))
    {
        let part = parts.index(index);
        out.repetition(kind.field(), part.member("valueString")).set(2, text, "", "5.1");
    }
}

/// The codings as they are sent: categories first, with their systems.
fn in_order<'e>(
    kind: Kind,
    extension: &'e Extension<'_>,
    site: &'e Site,
) -> impl Iterator<Item = (usize, Coding<'e>)> {
    [true, false].into_iter().flat_map(move |categories| {
        codings(extension).filter_map(move |(index, coding)| {
            let known = coding.system.is_none().then(|| with_system(kind, coding, site));
            let is_category = kind.is_category(known.as_ref().unwrap_or(coding));
            (is_category == categories).then(|| (index, known.unwrap_or_else(|| coding.borrowed())))
        })
    })
}

/// A code without system as it will be read: reading knows the codes of the table and the form of CDCREC, and what
/// is read must be written the same again (RT-4).
fn with_system<'e>(kind: Kind, coding: &'e Coding<'_>, site: &'e Site) -> Coding<'e> {
    let mut coding = coding.borrowed();
    if let (None, Some(code)) = (&coding.system, coding.code.clone()) {
        match site.codes.to_fhir(kind.table(), &code, site.config.version) {
            Some((system, code)) => {
                coding.system = Some(system.into());
                coding.code = Some(code.into());
            }
            None => coding.system = system_of_code(&code).map(Str::Borrowed),
        }
    }
    coding
}

fn write_one(kind: Kind, coding: &Coding<'_>, coded_as: Coded, site: &Site, out: &mut trace::Repetition<'_>) {
    let mapped = match kind {
        Kind::Race => None,
        Kind::Ethnicity => {
            let code = coding.code.as_deref().unwrap_or_default();
            site.codes.to_v2(Table::Ethnicity, coding.system.as_deref().or(Some("")), code)
        }
    };
    if coded_as == Coded::Is {
        if mapped.is_some() || is_known_form(coding) {
            out.set(1, mapped.or(coding.code.as_deref()).unwrap_or_default(), "code", "CD-8");
        }
        return;
    }
    let Some(v2) = mapped else { return coded::write_coding(coding, 1, site, "CD-16", out) };
    out.set(1, v2, "code", "CD-3");
    out.fixed(3, 1, Table::Ethnicity.name(), "CD-3");
    coded::write_coding(coding, 4, site, "CD-3", out);
}

/// A coding whose system the code alone shows: CDCREC has the form `nnnn-n`.
fn is_known_form(coding: &Coding<'_>) -> bool {
    let code = coding.code.as_deref().unwrap_or_default();
    coding.system.is_some() && coding.system.as_deref() == system_of_code(code)
}

/// The system of a code that stands alone.
fn system_of_code(code: &str) -> Option<&'static str> {
    let (digits, check) = code.split_once('-').unwrap_or_default();
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if number(digits) && number(check) && check.len() == 1 {
        Some(system::RACE_AND_ETHNICITY)
    } else if matches!(code, "UNK" | "ASKU") {
        Some(system::NULL_FLAVOR)
    } else {
        None
    }
}

/// Reads a field; `None` where it holds no code and no text.
pub(crate) fn read<'m>(field: Field<'m>, kind: Kind, reading: &Reading<'m>) -> Option<Extension<'m>> {
    let mut read: Vec<Coding<'m>> = Vec::new();
    let mut text = None;
    for repetition in Field::repetitions(&field) {
        let component = |number| reading.text(repetition.component(number));
        let of = |code: usize| {
            let name = component(code + 2).unwrap_or_default();
            let value = component(code)?;
            let system = match reading.site.systems.uri(name, reading.own) {
                Some(uri) => Some(uri),
                None => system_of_code(&value).map(Str::Borrowed),
            };
            Some(Coding { system, code: Some(value), display: component(code + 1), ..Coding::default() })
        };
        let coding = match (of(4), component(1)) {
            (Some(second), _) => second,
            (None, Some(v2)) => from_table(kind, &v2, &component(3), component(2), reading)
                .or_else(|| of(1))
                .unwrap_or_default(),
            (None, None) => {
                text = text.or(component(9)).or(component(2)).or(component(5));
                continue;
            }
        };
        read.push(coding);
    }
    let (categories, details): (Vec<_>, Vec<_>) =
        read.into_iter().partition(|coding| kind.is_category(coding));
    let text = text.or_else(|| joined(categories.iter().chain(&details).cloned()));
    let value = |url: &'static str| {
        move |coding: Coding<'m>| Extension { value_coding: Some(coding), ..Extension::new(url) }
    };
    let mut extension = Extension::new(kind.url());
    extension.extension.extend(categories.into_iter().map(value("ombCategory")));
    extension.extension.extend(details.into_iter().map(value("detailed")));
    extension.extension.extend(text.map(|text| Extension::string("text", text)));
    (!extension.extension.is_empty()).then_some(extension)
}

/// A code of table 0189 (CD-12), or of 0005 in a message that names that table.
fn from_table<'m>(
    kind: Kind,
    v2: &str,
    name: &Option<Str<'m>>,
    display: Option<Str<'m>>,
    reading: &Reading<'m>,
) -> Option<Coding<'m>> {
    let table = kind.table();
    let named =
        name.as_deref().is_none_or(|name| crate::coding_system::table_number(name) == Some(table.number()));
    if !named {
        return None;
    }
    let (system, code) = reading.site.codes.to_fhir(table, v2, reading.version)?;
    Some(Coding { system: Some(system.into()), code: Some(code.into()), display, ..Coding::default() })
}

/// The codings of the extension, with their positions: the categories first.
fn codings<'e, 'a>(extension: &'e Extension<'a>) -> impl Iterator<Item = (usize, &'e Coding<'a>)> {
    ["ombCategory", "detailed"].into_iter().flat_map(move |wanted| {
        let parts = extension.extension.iter().enumerate().filter(move |(_, part)| part.url == wanted);
        let coded = parts.filter_map(|(index, part)| Some((index, part.value_coding.as_ref()?)));
        coded.filter(|(_, coding)| coding.code.is_some())
    })
}

fn text<'e>(extension: &'e Extension<'_>) -> Option<(usize, &'e str)> {
    let mut parts = extension.extension.iter().enumerate();
    parts
        .find_map(|(index, part)| Some((index, part.value_string.as_deref().filter(|_| part.url == "text")?)))
}

/// The displays joined by `, `; `None` where there is none.
fn joined<'a>(codings: impl Iterator<Item = Coding<'a>>) -> Option<Str<'a>> {
    codings.filter_map(|coding| coding.display).reduce(|mut text, display| {
        let joined = text.to_mut();
        joined.push_str(", ");
        joined.push_str(&display);
        text
    })
}

/// True where a coding with a system reads back as itself.
pub(crate) fn is_carried(kind: Kind, coding: &Coding<'_>, site: &Site) -> bool {
    let (Some(uri), Some(code)) = (coding.system.as_deref(), coding.code.as_deref()) else { return false };
    // One that maps stands in the second triplet; the others must not be read as a code of the table.
    let mapped = kind == Kind::Ethnicity && site.codes.to_v2(Table::Ethnicity, Some(uri), code).is_some();
    mapped || crate::coding_system::table_number(&site.systems.name(uri)).is_none()
}

/// True where a text is what the displays make.
fn is_joined<'a>(text: &str, codings: impl Iterator<Item = Coding<'a>>) -> bool {
    joined(codings).as_deref() == Some(text)
}

/// The text that B8 adds to an extension without one.
pub(crate) fn text_of(kind: Kind, extension: &Extension<'_>) -> Option<String> {
    let of = |categories: bool| {
        let codings = codings(extension).map(|(_, coding)| coding.borrowed());
        codings.filter(move |coding| kind.is_category(coding) == categories)
    };
    joined(of(true).chain(of(false))).map(Str::into_owned)
}
