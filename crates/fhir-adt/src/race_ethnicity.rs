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
use crate::fhir::{Coding, Extension, system, url};
use crate::reading::Reading;
use crate::site::Site;
use crate::trace::{Traced, TracedSegment};
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
    pub(crate) fn is_category(self, coding: &Coding) -> bool {
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
pub(crate) fn write(pid: &mut TracedSegment, kind: Kind, extension: &Extension, site: &Site, base: &str) {
    let coded_as = site.rules.coded_pid;
    let with_systems: Vec<(usize, Coding)> = codings(extension)
        .into_iter()
        .map(|(index, coding)| (index, with_system(kind, coding, site)))
        .collect();
    let (categories, details): (Vec<_>, Vec<_>) = with_systems
        .iter()
        .map(|(index, coding)| (*index, coding))
        .partition(|(_, coding)| kind.is_category(coding));
    let mut repetitions: Vec<Traced> = categories
        .iter()
        .chain(&details)
        .map(|(index, coding)| {
            write_one(kind, coding, coded_as, site, &format!("{base}.extension[{index}].valueCoding"))
        })
        .filter(|repetition| !repetition.is_empty())
        .collect();
    if let Some((index, text)) = text(extension)
        && coded_as != Coded::Is
        && Some(text) != joined(categories.iter().chain(&details).map(|(_, coding)| *coding)).as_deref()
    {
        let mut repetition = Traced::new(format!("{base}.extension[{index}].valueString"));
        repetition.set(2, text, "", "5.1");
        repetitions.push(repetition);
    }
    if site.config.ihe_strict || !site.rules.race_repeats {
        repetitions.truncate(1);
    }
    for repetition in repetitions {
        pid.push(kind.field(), repetition);
    }
}

/// A code without system as it will be read: reading knows the codes of the table and the form of CDCREC, and what
/// is read must be written the same again (RT-4).
fn with_system(kind: Kind, coding: &Coding, site: &Site) -> Coding {
    let mut coding = coding.clone();
    if let (None, Some(code)) = (&coding.system, coding.code.as_deref()) {
        let mapped = site.codes.to_fhir(kind.table(), code, site.config.version);
        let mapped = mapped.map(|(system, code)| (Some(system.to_owned()), code.to_owned()));
        let (system, code) = mapped.unwrap_or_else(|| (system_of_code(code), code.to_owned()));
        coding.system = system;
        coding.code = Some(code);
    }
    coding
}

fn write_one(kind: Kind, coding: &Coding, coded_as: Coded, site: &Site, base: &str) -> Traced {
    let mapped = match kind {
        Kind::Race => None,
        Kind::Ethnicity => {
            let code = coding.code.as_deref().unwrap_or_default();
            site.codes.to_v2(Table::Ethnicity, coding.system.as_deref().or(Some("")), code)
        }
    };
    if coded_as == Coded::Is {
        let mut out = Traced::new(base);
        let known = mapped.is_some() || is_known_form(coding);
        if known {
            out.set(1, mapped.or(coding.code.as_deref()).unwrap_or_default(), "code", "CD-8");
        }
        return out;
    }
    let Some(v2) = mapped else { return coded::write_coding(coding, site, base, "CD-16") };
    let mut out = Traced::new(base);
    out.set(1, v2, "code", "CD-3");
    out.fixed(3, 1, &format!("HL7{}", Table::Ethnicity.number()), "CD-3");
    let second = coded::write_coding(coding, site, base, "CD-3");
    for (component, _, value) in second.repetition().values() {
        out.set(component + 3, value, "", "CD-3");
    }
    out
}

/// A coding whose system the code alone shows: CDCREC has the form `nnnn-n`.
fn is_known_form(coding: &Coding) -> bool {
    let code = coding.code.as_deref().unwrap_or_default();
    coding.system.is_some() && coding.system == system_of_code(code)
}

/// The system of a code that stands alone.
fn system_of_code(code: &str) -> Option<String> {
    let (digits, check) = code.split_once('-').unwrap_or_default();
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if number(digits) && number(check) && check.len() == 1 {
        Some(system::RACE_AND_ETHNICITY.to_owned())
    } else if matches!(code, "UNK" | "ASKU") {
        Some(system::NULL_FLAVOR.to_owned())
    } else {
        None
    }
}

/// Reads a field; `None` where it holds no code and no text.
pub(crate) fn read(field: hl7v2::Field<'_>, kind: Kind, reading: &Reading<'_>) -> Option<Extension> {
    let mut read: Vec<Coding> = Vec::new();
    let mut text = None;
    for repetition in Field::repetitions(&field) {
        let component = |number| reading.text(repetition.component(number));
        let of = |code: usize| {
            let name = component(code + 2).unwrap_or_default();
            let value = component(code)?;
            let system = match reading.site.systems.uri(&name, reading.own) {
                Some(uri) => Some(uri),
                None => system_of_code(&value),
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
    let text = text.or_else(|| joined(categories.iter().chain(&details)));
    let value = |url: &'static str| {
        move |coding: Coding| Extension { value_coding: Some(coding), ..Extension::new(url) }
    };
    let mut extension = Extension::new(kind.url());
    extension.extension.extend(categories.into_iter().map(value("ombCategory")));
    extension.extension.extend(details.into_iter().map(value("detailed")));
    extension.extension.extend(text.map(|text| Extension::string("text", text)));
    (!extension.extension.is_empty()).then_some(extension)
}

/// A code of table 0189 (CD-12), or of 0005 in a message that names that table.
fn from_table(
    kind: Kind,
    v2: &str,
    name: &Option<String>,
    display: Option<String>,
    reading: &Reading<'_>,
) -> Option<Coding> {
    let table = kind.table();
    let named =
        name.as_deref().is_none_or(|name| crate::coding_system::table_number(name) == Some(table.number()));
    if !named {
        return None;
    }
    let (system, code) = reading.site.codes.to_fhir(table, v2, reading.version)?;
    Some(Coding {
        system: Some(system.to_owned()),
        code: Some(code.to_owned()),
        display,
        ..Coding::default()
    })
}

/// The codings of the extension, with their positions.
fn codings(extension: &Extension) -> Vec<(usize, &Coding)> {
    let of = |wanted: &'static str| {
        let parts = extension.extension.iter().enumerate().filter(move |(_, part)| part.url == wanted);
        parts.filter_map(|(index, part)| Some((index, part.value_coding.as_ref()?)))
    };
    of("ombCategory").chain(of("detailed")).filter(|(_, coding)| coding.code.is_some()).collect()
}

fn text(extension: &Extension) -> Option<(usize, &str)> {
    let mut parts = extension.extension.iter().enumerate();
    parts
        .find_map(|(index, part)| Some((index, part.value_string.as_deref().filter(|_| part.url == "text")?)))
}

/// The displays joined by `, `; `None` where there is none.
pub(crate) fn joined<'a>(codings: impl Iterator<Item = &'a Coding>) -> Option<String> {
    let displays: Vec<&str> = codings.filter_map(|coding| coding.display.as_deref()).collect();
    (!displays.is_empty()).then(|| displays.join(", "))
}

/// The text that B8 adds to an extension without one.
pub(crate) fn text_of(kind: Kind, extension: &Extension) -> Option<String> {
    let (categories, details): (Vec<_>, Vec<_>) =
        codings(extension).into_iter().partition(|(_, coding)| kind.is_category(coding));
    joined(categories.iter().chain(&details).map(|(_, coding)| *coding))
}
