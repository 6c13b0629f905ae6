//! ContactPoint ↔ XTN (mapping section 4.5; HL7 v2.5.1 §2.A.89).
//!
//! | Id | FHIR → v2 |
//! | --- | --- |
//! | TEL-1 | `use=work` → PID-14 (NK1-6), all others → PID-13 (NK1-5) |
//! | TEL-2 | a missing system is inferred from the value |
//! | TEL-3 | XTN.3 by table 0202; mobile telephone → `CP`; sms → mobile telephone; from 2.7 other → `PH` |
//! | TEL-4 | XTN.2 by table 0201; email and url without use → `NET` |
//! | TEL-5 | email, url → XTN.4; all others XTN.12 (up to 2.4 XTN.1), never both |
//! | TEL-6, TEL-7 | XTN.5 to XTN.9: certain parts of the number, or the extensions |
//! | TEL-8 | `use=old` is withheld before 2.7, and without an end |
//! | TEL-9, TEL-10, TEL-11 | temp has no code; rank and period from 2.6; no value, no repetition |
//! | TEL-12 | `xtn1_mirror`: XTN.1 repeats XTN.12 |
//!
//! Reading is TEL-21 to TEL-25.

use hl7v2::Repetition;

use crate::code_element::{self, Read};
use crate::codes::Table;
use crate::config::EmailUseCode;
use crate::date_time;
use crate::fhir::{self, ContactPoint, Extension, Str, url};
use crate::phone_number;
use crate::reading::{self, Reading};
use crate::site::Site;
use crate::trace;

/// Which of the two fields a repetition stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// PID-13, NK1-5.
    Home,
    /// PID-14, NK1-6.
    Work,
    /// PID-40, NK1-40: both kinds.
    Any,
}

/// The extensions of XTN.5 to XTN.8.
const PART_URLS: [&str; 4] = [url::PHONE_COUNTRY, url::PHONE_AREA, url::PHONE_LOCAL, url::PHONE_EXTENSION];

/// TEL-2: the system that a value without one is of.
pub(crate) fn infer_system(value: &str) -> &'static str {
    if value.contains('@') {
        "email"
    } else if has_scheme(value) {
        "url"
    } else if value.chars().filter(char::is_ascii_digit).count() >= 3 {
        "phone"
    } else {
        "other"
    }
}

/// TEL-1. An sms number is a mobile telephone and stands with those.
pub(crate) fn place(point: &ContactPoint<'_>) -> Place {
    if point.r#use.as_deref() == Some("work") && point.system.as_deref() != Some("sms") {
        Place::Work
    } else {
        Place::Home
    }
}

/// Writes a contact point; nothing where it is not sent (TEL-8, TEL-11).
pub(crate) fn write(point: &ContactPoint<'_>, site: &Site, out: &mut trace::Repetition<'_>) {
    let Some(value) = point.value.as_deref() else { return };
    let (system, used) = match point.system.as_deref() {
        Some("sms") => ("phone", Some("mobile")),
        system => (system.unwrap_or_else(|| infer_system(value)), point.r#use.as_deref()),
    };
    let ended = point.period.as_ref().is_some_and(|period| period.end.is_some());
    if used == Some("old") && !(site.rules.old_phone && ended) {
        return;
    }
    let internet = matches!(system, "email" | "url");
    let mirrored = site.config.xtn1_mirror && site.rules.phone_text == 12 && !site.rules.phone_period;
    if !internet && mirrored {
        out.set(1, value, "value", "TEL-12");
    } else if !internet && site.rules.phone_text == 1 {
        out.set(1, value, "value", "TEL-5");
    }
    use_code(out, point, used, internet, site);
    equipment(out, point, system, used, site);
    if internet {
        out.set(4, value, "value", "TEL-5");
    } else {
        parts(out, point, value, site);
    }
    let comment = fhir::extension_string(&point.extension, url::PHONE_COMMENT).unwrap_or_default();
    out.set(9, comment, "extension", "TEL-7");
    if !internet && site.rules.phone_text == 12 {
        out.set(12, value, "value", "TEL-5");
    }
    if site.rules.phone_period {
        if let Some(period) = &point.period {
            let ts =
                |value: &Option<Str<'_>>| value.as_deref().and_then(date_time::to_ts).unwrap_or_default();
            out.set(13, &ts(&period.start), "period.start", "TEL-10");
            out.set(14, &ts(&period.end), "period.end", "TEL-10");
        }
        if let Some(rank) = point.rank {
            out.set(18, &rank.to_string(), "rank", "TEL-10");
        }
    }
}

/// XTN.2 (TEL-4, TEL-9).
fn use_code(
    out: &mut trace::Repetition<'_>,
    point: &ContactPoint<'_>,
    used: Option<&str>,
    internet: bool,
    site: &Site,
) {
    if internet && site.config.email_use_code == EmailUseCode::Net {
        return out.fixed(2, 1, "NET", "TEL-4");
    }
    match code_element::write(used, point.use_element.as_ref(), Table::TelecomUse, None, site) {
        Some(code) => code_element::set(out, 2, Some(&code), "use", "TEL-4"),
        // Also for a use without code: it is read back as no use, and written so again.
        None if internet => out.fixed(2, 1, "NET", "TEL-4"),
        None => {}
    }
}

/// XTN.3 (TEL-3).
fn equipment(
    out: &mut trace::Repetition<'_>,
    point: &ContactPoint<'_>,
    system: &str,
    used: Option<&str>,
    site: &Site,
) {
    let alternate = code_element::alternate(point.system_element.as_ref(), Table::TelecomSystem);
    // XTN.3 is required from 2.7: other becomes a telephone, in every respect.
    let system = if system == "other" && site.rules.equipment_required { "phone" } else { system };
    let code = match (alternate, system) {
        (Some(code), _) => return out.set(3, code, "system", "CD-15"),
        (None, "phone") if used == Some("mobile") => "CP",
        (None, "phone") => "PH",
        (None, system) => site.codes.to_v2(Table::TelecomSystem, None, system).unwrap_or_default(),
    };
    out.set(3, code, "system", "TEL-3");
}

/// XTN.5 to XTN.8 (TEL-6, TEL-7).
fn parts(out: &mut trace::Repetition<'_>, point: &ContactPoint<'_>, value: &str, site: &Site) {
    let numeric =
        |text: &&str| !site.rules.phone_parts_numeric || text.bytes().all(|byte| byte.is_ascii_digit());
    let extended = PART_URLS.map(|url| fhir::extension_string(&point.extension, url).filter(numeric));
    if extended.iter().any(Option::is_some) {
        for (component, part) in (5..).zip(extended) {
            out.set(component, part.unwrap_or_default(), "extension", "TEL-7");
        }
    } else if let Some(parts) = phone_number::split(value, &site.config.default_country) {
        for (component, part) in (5..).zip(parts.all()) {
            out.set(component, part, "value", "TEL-6");
        }
    }
}

/// Reads a contact point; `None` where it has no value.
pub(crate) fn read<'m>(
    xtn: &Repetition<'m>,
    place: Place,
    reading: &Reading<'m>,
    where_: reading::Place<'m>,
) -> Option<ContactPoint<'m>> {
    let component = |number| reading.text(xtn.component(number));
    let equipment = component(3);
    let address = component(4);
    let internet = match equipment.as_deref() {
        Some("Internet" | "X.400") => true,
        Some(_) => false,
        None => address.is_some(),
    };
    // TEL-21
    let value = address
        .filter(|_| internet)
        .or_else(|| component(12))
        .or_else(|| component(1))
        .or_else(|| assembled(&[5, 6, 7, 8].map(component)).map(Str::Owned))?;
    // TEL-22
    let used = component(2);
    let system = match equipment.as_deref() {
        Some("Internet" | "X.400") if has_scheme(&value) => plain("url"),
        Some("Internet" | "X.400") => plain("email"),
        None if internet => plain(if has_scheme(&value) { "url" } else { "email" }),
        None if used.as_deref() == Some("BPN") => plain("pager"),
        None => plain(if reading.own { "other" } else { "phone" }),
        Some("CP") => plain("phone"),
        Some(_) => {
            let mut read = code_element::read(equipment.clone(), Table::TelecomSystem, None, reading);
            read.code.get_or_insert(Str::Borrowed("other"));
            read
        }
    };
    // TEL-23
    let field_use = match (place, reading.own) {
        (Place::Work, _) => Some("work"),
        (Place::Home, false) => Some("home"),
        (Place::Home, true) | (Place::Any, _) => None,
    };
    let used = match (equipment.as_deref(), used.as_deref()) {
        (Some("CP"), _) => plain("mobile"),
        (_, None) => Read { code: field_use.map(Str::Borrowed), element: None },
        (_, Some("NET")) => {
            Read { code: field_use.filter(|_| place == Place::Work).map(Str::Borrowed), element: None }
        }
        (None, Some("BPN")) => Read::default(),
        (_, Some(_)) => code_element::read(used.clone(), Table::TelecomUse, None, reading),
    };
    let rank = component(18).and_then(|rank| rank.parse().ok()).filter(|rank| *rank > 0);
    Some(ContactPoint {
        extension: part_extensions(xtn, &value, internet, reading),
        system: system.code,
        system_element: system.element,
        value: Some(value),
        r#use: used.code,
        use_element: used.element,
        rank,
        period: reading.period([xtn.component(13), xtn.component(14)], None, where_),
    })
}

fn plain(code: &str) -> Read<'_> {
    Read { code: Some(code.into()), element: None }
}

/// TEL-24.
fn part_extensions<'m>(
    xtn: &Repetition<'m>,
    value: &str,
    internet: bool,
    reading: &Reading<'m>,
) -> Vec<Extension<'m>> {
    let component = |number| reading.text(xtn.component(number));
    let parts = [5, 6, 7, 8].map(|number| component(number).unwrap_or_default());
    let mut extensions = Vec::new();
    let is_expected = || {
        let expected = phone_number::split(value, &reading.site.config.default_country);
        expected.unwrap_or_default().all().iter().zip(&parts).all(|(expected, part)| expected == part)
    };
    if !internet && !is_expected() {
        let valued = PART_URLS.into_iter().zip(parts).filter(|(_, value)| !value.is_empty());
        extensions.extend(valued.map(|(url, value)| Extension::string(url, value)));
    }
    extensions.extend(component(9).map(|comment| Extension::string(url::PHONE_COMMENT, comment)));
    extensions
}

/// `[+5 ][6 ]7[ X8]`.
fn assembled(parts: &[Option<Str<'_>>; 4]) -> Option<String> {
    let [country, area, local, extension] = parts;
    let mut text = String::new();
    if let Some(country) = country {
        text.push_str(&format!("+{country} "));
    }
    if let Some(area) = area {
        text.push_str(&format!("{area} "));
    }
    text.push_str(local.as_deref()?);
    if let Some(extension) = extension {
        text.push_str(&format!(" X{extension}"));
    }
    Some(text)
}

/// True for `scheme://…`.
pub(crate) fn has_scheme(value: &str) -> bool {
    value.split_once(':').is_some_and(|(scheme, rest)| {
        rest.starts_with("//")
            && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
    })
}
