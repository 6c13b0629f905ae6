//! Patient extensions with a place in PID and PD1 (mapping section 5.1).
//!
//! | Extension | v2 |
//! | --- | --- |
//! | race, ethnicity | PID-10, PID-22: [`crate::race_ethnicity`] |
//! | tribal affiliation | PID-39 (from 2.5) |
//! | mother's maiden name | PID-6 `value^^^^^^M` |
//! | birth place | PID-23, and PID-11 with XAD.7 `N` |
//! | religion | PID-17 |
//! | citizenship | PID-26, repeats |
//! | nationality | PID-28 |
//! | animal | PID-35 species, PID-36 breed |
//! | disability | PD1-6 |
//! | congregation | PD1-14 |

use hl7v2::{Component, Segment};

use crate::address;
use crate::coded;
use crate::codes::Table;
use crate::fhir::{Address, CodeableConcept, Extension, Str, url};
use crate::human_name;
use crate::path::{PATIENT, Path};
use crate::race_ethnicity::{self, Kind};
use crate::reading::{Place, Reading};
use crate::site::Site;
use crate::trace::Writer;
use crate::version::Coded;

/// The extensions in the order they are read in (section 5.1).
pub(crate) const ORDER: [&str; 11] = [
    url::RACE,
    url::ETHNICITY,
    url::TRIBAL_AFFILIATION,
    url::MOTHERS_MAIDEN_NAME,
    url::BIRTH_PLACE,
    url::RELIGION,
    url::CITIZENSHIP,
    url::NATIONALITY,
    url::ANIMAL,
    url::DISABILITY,
    url::CONGREGATION,
];

/// Writes the extensions that stand in PID, as far as they stand in `field`.
pub(crate) fn write_pid(out: &mut Writer, field: usize, extensions: &[Extension<'_>], site: &Site) {
    let (strict, coded_pid, coded) = (site.config.ihe_strict, site.rules.coded_pid, site.rules.coded);
    match field {
        6 => with_first(extensions, url::MOTHERS_MAIDEN_NAME, |base, extension| {
            let Some(name) = &extension.value_string else { return };
            let out = &mut out.repetition(6, base.member("valueString"));
            out.set(1, name, "", "5.1");
            out.fixed(7, 1, "M", "5.1");
        }),
        10 => with_first(extensions, url::RACE, |base, extension| {
            race_ethnicity::write(out, Kind::Race, extension, site, base);
        }),
        // After the addresses.
        11 if site.config.birthplace_xad => with_first(extensions, url::BIRTH_PLACE, |base, extension| {
            let Some(address) = &extension.value_address else { return };
            let out = &mut out.repetition(11, base.member("valueAddress"));
            address::write_birth_place(address, site, out);
        }),
        17 => with_first(extensions, url::RELIGION, |base, extension| {
            let Some(concept) = &extension.value_codeable_concept else { return };
            let out = &mut out.repetition(17, base.member("valueCodeableConcept"));
            coded::write(concept, Table::Religion, coded_pid, site, out);
        }),
        22 => with_first(extensions, url::ETHNICITY, |base, extension| {
            race_ethnicity::write(out, Kind::Ethnicity, extension, site, base);
        }),
        23 => with_first(extensions, url::BIRTH_PLACE, |base, extension| {
            let Some(address) = &extension.value_address else { return };
            let base = base.member("valueAddress");
            match &address.text {
                Some(text) => out.set(23, text, base.member("text"), "5.1"),
                None => out.set(23, &place_text(address), base, "5.1"),
            }
        }),
        26 => {
            let most = if strict || !site.rules.race_repeats { 1 } else { usize::MAX };
            let mut written = 0;
            with_all(extensions, url::CITIZENSHIP, |base, extension| {
                with_part(base, extension, "code", |base, concept| {
                    if written < most {
                        let out = &mut out.repetition(26, *base);
                        coded::write(concept, Table::Citizenship, coded_pid, site, out);
                        written += usize::from(!out.is_empty());
                    }
                });
            });
        }
        28 if !strict => with_first(extensions, url::NATIONALITY, |base, extension| {
            with_part(base, extension, "code", |base, concept| {
                coded::write(concept, Table::Nationality, coded, site, &mut out.repetition(28, *base));
            });
        }),
        35 | 36 if site.rules.species => with_first(extensions, url::ANIMAL, |base, extension| {
            let (name, table) =
                if field == 35 { ("species", Table::Species) } else { ("breed", Table::Breed) };
            with_part(base, extension, name, |base, concept| {
                coded::write(concept, table, coded, site, &mut out.repetition(field, *base));
            });
        }),
        39 => {
            let Some(kind) = site.rules.tribal else { return };
            with_all(extensions, url::TRIBAL_AFFILIATION, |base, extension| {
                with_part(base, extension, "tribalAffiliation", |base, concept| {
                    let out = &mut out.repetition(39, *base);
                    coded::write(concept, Table::TribalCitizenship, kind, site, out);
                });
            });
        }
        _ => {}
    }
}

/// `city, state, country`.
fn place_text<'a>(address: &'a Address<'_>) -> Str<'a> {
    let mut parts = [&address.city, &address.state, &address.country].into_iter().flatten();
    let Some(first) = parts.next() else { return Str::default() };
    let mut text = Str::Borrowed(&**first);
    for part in parts {
        if let Str::Borrowed(first) = text {
            let mut longer = String::with_capacity(64);
            longer.push_str(first);
            text = Str::Owned(longer);
        }
        let joined = text.to_mut();
        joined.push_str(", ");
        joined.push_str(part);
    }
    text
}

/// Writes the extensions that stand in PD1.
pub(crate) fn write_pd1(out: &mut Writer, extensions: &[Extension<'_>], site: &Site) {
    with_first(extensions, url::DISABILITY, |base, extension| {
        let Some(concept) = &extension.value_codeable_concept else { return };
        let out = &mut out.repetition(6, base.member("valueCodeableConcept"));
        coded::write(concept, Table::Handicap, Coded::Is, site, out);
    });
    with_first(extensions, url::CONGREGATION, |base, extension| {
        let Some(name) = &extension.value_string else { return };
        out.repetition(14, base.member("valueString")).set(1, name, "", "5.1");
    });
}

/// Reads the extensions, in the order of section 5.1.
pub(crate) fn read<'m>(
    pid: &Segment<'m>,
    pd1: Option<&Segment<'m>>,
    reading: &Reading<'m>,
) -> Vec<Extension<'m>> {
    let mut read = Vec::new();
    for kind in [Kind::Race, Kind::Ethnicity] {
        let field = pid.field(if kind == Kind::Race { 10 } else { 22 });
        read.extend(race_ethnicity::read(field, kind, reading));
    }
    let tribal = reading.rules.tribal.unwrap_or(Coded::Cwe);
    read.extend(concepts(pid, 39, Table::TribalCitizenship, tribal, reading).map(|concept| {
        complex(url::TRIBAL_AFFILIATION, vec![Extension::concept("tribalAffiliation", concept)])
    }));
    read.extend(maiden_name(pid, reading).map(|name| Extension::string(url::MOTHERS_MAIDEN_NAME, name)));
    read.extend(birth_place(pid, reading));
    let coded_pid = reading.rules.coded_pid;
    let religion = concepts(pid, 17, Table::Religion, coded_pid, reading).next();
    read.extend(religion.map(|concept| Extension::concept(url::RELIGION, concept)));
    read.extend(
        concepts(pid, 26, Table::Citizenship, coded_pid, reading)
            .map(|concept| complex(url::CITIZENSHIP, vec![Extension::concept("code", concept)])),
    );
    let nationality = concepts(pid, 28, Table::Nationality, reading.rules.coded, reading).next();
    read.extend(
        nationality.map(|concept| complex(url::NATIONALITY, vec![Extension::concept("code", concept)])),
    );
    let animal: Vec<Extension<'m>> = [(35, "species", Table::Species), (36, "breed", Table::Breed)]
        .into_iter()
        .filter_map(|(field, name, table)| {
            let concept = concepts(pid, field, table, reading.rules.coded, reading).next()?;
            Some(Extension::concept(name, concept))
        })
        .collect();
    if !animal.is_empty() {
        read.push(complex(url::ANIMAL, animal));
    }
    if let Some(pd1) = pd1 {
        let handicap = concepts(pd1, 6, Table::Handicap, Coded::Is, reading).next();
        read.extend(handicap.map(|concept| Extension::concept(url::DISABILITY, concept)));
        let church = reading.text(pd1.field(14).component(1));
        read.extend(church.map(|name| Extension::string(url::CONGREGATION, name)));
    }
    read
}

fn concepts<'m>(
    segment: &Segment<'m>,
    field: usize,
    table: Table,
    kind: Coded,
    reading: &Reading<'m>,
) -> impl Iterator<Item = CodeableConcept<'m>> {
    segment.field(field).repetitions().filter_map(move |field| coded::read(&field, table, kind, reading))
}

/// PID-6: the family name alone, else all that is known of the name.
fn maiden_name<'m>(pid: &Segment<'m>, reading: &Reading<'m>) -> Option<Str<'m>> {
    let xpn = pid.field(6).repetition(1);
    let name = human_name::read(&xpn, reading, Place::field("PID", 6))?;
    name.given.into_iter().flatten().chain(name.family).reduce(|mut text, part| {
        let joined = text.to_mut();
        joined.push(' ');
        joined.push_str(&part);
        text
    })
}

/// PID-11 `N` or `BDL`, else PID-23. A text that the parts do not make is kept beside them.
fn birth_place<'m>(pid: &Segment<'m>, reading: &Reading<'m>) -> Option<Extension<'m>> {
    let text = |component: Component<'m>| reading.text(component);
    let place = text(pid.field(23).component(1));
    let structured = pid.field(11).repetitions().find(address::is_birth_place);
    let mut address =
        structured.map(|xad| address::read_place(&xad, reading, Place::field("PID", 11))).unwrap_or_default();
    address.text = place.filter(|place| *place != place_text(&address));
    (address != Address::default())
        .then(|| Extension { value_address: Some(Box::new(address)), ..Extension::new(url::BIRTH_PLACE) })
}

fn complex<'a>(url: &'a str, extension: Vec<Extension<'a>>) -> Extension<'a> {
    Extension { extension, ..Extension::new(url) }
}

/// Visits the first extension of a url, with its place.
fn with_first<'a>(extensions: &[Extension<'a>], url: &str, visit: impl FnOnce(&Path<'_>, &Extension<'a>)) {
    if let Some(index) = extensions.iter().position(|extension| extension.url == url)
        && let Some(extension) = extensions.get(index)
    {
        let list = PATIENT.member("extension");
        visit(&list.index(index), extension);
    }
}

/// Visits the extensions of a url, each with its place.
fn with_all<'a>(extensions: &[Extension<'a>], url: &str, mut visit: impl FnMut(&Path<'_>, &Extension<'a>)) {
    let list = PATIENT.member("extension");
    for (index, extension) in extensions.iter().enumerate().filter(|(_, extension)| extension.url == url) {
        visit(&list.index(index), extension);
    }
}

/// Visits the concept of a part of a complex extension, with its place.
fn with_part<'a>(
    base: &Path<'_>,
    extension: &Extension<'a>,
    name: &str,
    visit: impl FnOnce(&Path<'_>, &CodeableConcept<'a>),
) {
    let parts = &extension.extension;
    if let Some(index) = parts.iter().position(|part| part.url == name)
        && let Some(concept) = parts.get(index).and_then(|part| part.value_codeable_concept.as_ref())
    {
        let list = base.member("extension");
        let part = list.index(index);
        visit(&part.member("valueCodeableConcept"), concept);
    }
}
