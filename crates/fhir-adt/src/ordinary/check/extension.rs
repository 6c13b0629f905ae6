//! The extensions of a Patient, and those without a place of anything.

use super::{Check, has_system, is};
use crate::codes::Table;
use crate::date_time;
use crate::fhir::{Address, Extension, Str, url};
use crate::loss::reason;
use crate::path::PATIENT;
use crate::patient_extension;
use crate::race_ethnicity::{self, Kind};

impl Check<'_> {
    /// Known extensions come first, in their order; the others are lost.
    pub(super) fn extensions(&mut self, extensions: &[Extension<'_>]) -> Option<()> {
        let list = PATIENT.member("extension");
        let rank = |extension: &Extension<'_>| {
            patient_extension::ORDER.iter().position(|known| *known == extension.url)
        };
        let mut seen: u32 = 0;
        for (index, extension) in extensions.iter().enumerate() {
            match rank(extension) {
                Some(rank) => {
                    is(seen >> rank & 1 == 0)?;
                    seen |= 1 << rank;
                    self.known_extension(extension)?;
                }
                None => {
                    unknown_extension(extension)?;
                    self.no_home(const { reason("extension") }, &list.index(index));
                }
            }
        }
        Some(())
    }

    fn known_extension(&mut self, extension: &Extension<'_>) -> Option<()> {
        match &*extension.url {
            url::RACE => self.race(extension, Kind::Race),
            url::ETHNICITY => self.race(extension, Kind::Ethnicity),
            url::MOTHERS_MAIDEN_NAME => is(has_only_value(extension) && extension.value_string.is_some()),
            url::RELIGION => {
                is(has_only_value(extension))?;
                self.concept(extension.value_codeable_concept.as_ref()?, Table::Religion)
            }
            url::BIRTH_PLACE => {
                is(has_only_value(extension))?;
                let Address { city, state, postal_code, country, district, line, .. } =
                    extension.value_address.as_deref()?;
                let carried = Address {
                    city: borrowed(city),
                    state: borrowed(state),
                    postal_code: borrowed(postal_code),
                    country: borrowed(country),
                    district: borrowed(district),
                    ..Address::default()
                };
                is(line.is_empty() && extension.value_address.as_deref() == Some(&carried))
            }
            _ => None,
        }
    }

    fn race(&mut self, extension: &Extension<'_>, kind: Kind) -> Option<()> {
        is(values(extension) == 0)?;
        let place = |part: &Extension<'_>| match &*part.url {
            "ombCategory" => Some(0),
            "detailed" => Some(1),
            "text" => Some(2),
            _ => None,
        };
        let mut last = 0;
        for part in &extension.extension {
            let at = place(part)?;
            is(at >= last && values(part) == 1 && part.extension.is_empty())?;
            // One text.
            last = if at == 2 { 3 } else { at };
            if at == 2 {
                is(part.value_string.is_some())?;
                continue;
            }
            let coding = part.value_coding.as_ref()?;
            is(coding.version.is_none() && coding.user_selected.is_none() && coding.code.is_some())?;
            is(self.ordinary.carries_system(coding.system.as_deref()?))?;
            is(kind.is_category(coding) == (at == 0))?;
            is(race_ethnicity::is_carried(kind, coding, self.site))?;
        }
        is(last > 0 || !extension.extension.is_empty())
    }
}

/// An extension without a place that the input checks let through.
pub(super) fn unknown_extension(extension: &Extension<'_>) -> Option<()> {
    is(!extension.url.is_empty() && extension.value_address.is_none())?;
    is(extension.value_date_time.as_deref().is_none_or(date_time::is_date_time))?;
    is(extension.value_integer.is_none_or(|value| i32::try_from(value).is_ok()))?;
    let codings = extension.value_codeable_concept.iter().flat_map(|concept| &concept.coding);
    for coding in codings.chain(&extension.value_coding) {
        is(has_system(coding))?;
    }
    match (values(extension), extension.extension.as_slice()) {
        (1, []) => Some(()),
        (0, [_, ..]) => extension.extension.iter().try_for_each(unknown_extension),
        _ => None,
    }
}

/// True for an extension with a value and nothing else.
pub(super) fn has_only_value(extension: &Extension<'_>) -> bool {
    values(extension) == 1 && extension.extension.is_empty()
}

/// How many values an extension has.
fn values(extension: &Extension<'_>) -> usize {
    [
        extension.value_address.is_some(),
        extension.value_boolean.is_some(),
        extension.value_code.is_some(),
        extension.value_codeable_concept.is_some(),
        extension.value_coding.is_some(),
        extension.value_date_time.is_some(),
        extension.value_decimal.is_some(),
        extension.value_integer.is_some(),
        extension.value_string.is_some(),
    ]
    .into_iter()
    .filter(|is_there| *is_there)
    .count()
}
fn borrowed<'a>(text: &'a Option<Str<'_>>) -> Option<Str<'a>> {
    text.as_deref().map(Str::Borrowed)
}
