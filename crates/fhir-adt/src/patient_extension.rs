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
use crate::fhir::{self, Address, CodeableConcept, Extension, url};
use crate::human_name;
use crate::race_ethnicity::{self, Kind};
use crate::reading::Reading;
use crate::site::Site;
use crate::trace::{Traced, TracedSegment};
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

/// Writes the extensions that stand in PID; the birth place comes after the addresses.
pub(crate) fn write_pid(pid: &mut TracedSegment, extensions: &[Extension], site: &Site) {
    let one = site.config.ihe_strict;
    if let Some((base, extension)) = first(extensions, url::MOTHERS_MAIDEN_NAME)
        && let Some(name) = &extension.value_string
    {
        let mut out = Traced::new(format!("{base}.valueString"));
        out.set(1, name, "", "5.1");
        out.fixed(7, 1, "M", "5.1");
        pid.push(6, out);
    }
    for kind in [Kind::Race, Kind::Ethnicity] {
        if let Some((base, extension)) = first(extensions, kind.url()) {
            race_ethnicity::write(pid, kind, extension, site, &base);
        }
    }
    if let Some((base, extension)) = first(extensions, url::BIRTH_PLACE)
        && let Some(address) = &extension.value_address
    {
        write_birth_place(pid, address, &format!("{base}.valueAddress"), site);
    }
    if let Some((base, extension)) = first(extensions, url::RELIGION)
        && let Some(concept) = &extension.value_codeable_concept
    {
        pid.push(
            17,
            coded::write(
                concept,
                Table::Religion,
                site.rules.coded_pid,
                site,
                &format!("{base}.valueCodeableConcept"),
            ),
        );
    }
    let citizenship = all(extensions, url::CITIZENSHIP)
        .filter_map(|(base, extension)| part(&base, extension, "code"))
        .map(|(base, concept)| coded::write(concept, Table::Citizenship, site.rules.coded_pid, site, &base))
        .filter(|repetition| !repetition.is_empty());
    for repetition in citizenship.take(if one || !site.rules.race_repeats { 1 } else { usize::MAX }) {
        pid.push(26, repetition);
    }
    if let Some((base, extension)) = first(extensions, url::NATIONALITY)
        && let Some((base, concept)) = part(&base, extension, "code")
        && !one
    {
        pid.push(28, coded::write(concept, Table::Nationality, site.rules.coded, site, &base));
    }
    if let Some((base, extension)) = first(extensions, url::ANIMAL).filter(|_| site.rules.species) {
        for (field, name, table) in [(35, "species", Table::Species), (36, "breed", Table::Breed)] {
            if let Some((base, concept)) = part(&base, extension, name) {
                pid.push(field, coded::write(concept, table, site.rules.coded, site, &base));
            }
        }
    }
    if let Some(kind) = site.rules.tribal {
        for (base, extension) in all(extensions, url::TRIBAL_AFFILIATION) {
            if let Some((base, concept)) = part(&base, extension, "tribalAffiliation") {
                pid.push(39, coded::write(concept, Table::TribalCitizenship, kind, site, &base));
            }
        }
    }
}

/// PID-23, and the last repetition of PID-11 where the place has more than a text.
fn write_birth_place(pid: &mut TracedSegment, address: &Address, base: &str, site: &Site) {
    let text = address.text.clone().unwrap_or_else(|| place_text(address));
    let element = if address.text.is_some() { format!("{base}.text") } else { base.to_owned() };
    pid.set(23, &text, &element, "5.1");
    if site.config.birthplace_xad {
        pid.push(11, address::write_birth_place(address, site, base));
    }
}

/// `city, state, country`.
fn place_text(address: &Address) -> String {
    let parts = [&address.city, &address.state, &address.country];
    parts.into_iter().flatten().map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// Writes the extensions that stand in PD1.
pub(crate) fn write_pd1(pd1: &mut TracedSegment, extensions: &[Extension], site: &Site) {
    if let Some((base, extension)) = first(extensions, url::DISABILITY)
        && let Some(concept) = &extension.value_codeable_concept
    {
        pd1.push(
            6,
            coded::write(concept, Table::Handicap, Coded::Is, site, &format!("{base}.valueCodeableConcept")),
        );
    }
    if let Some((base, extension)) = first(extensions, url::CONGREGATION)
        && let Some(name) = &extension.value_string
    {
        let mut out = Traced::new(format!("{base}.valueString"));
        out.set(1, name, "", "5.1");
        pd1.push(14, out);
    }
}

/// Reads the extensions, in the order of section 5.1.
pub(crate) fn read(pid: &Segment<'_>, pd1: Option<&Segment<'_>>, reading: &Reading<'_>) -> Vec<Extension> {
    let mut read = Vec::new();
    for kind in [Kind::Race, Kind::Ethnicity] {
        let field = pid.field(if kind == Kind::Race { 10 } else { 22 });
        read.extend(race_ethnicity::read(field, kind, reading));
    }
    let tribal = reading.rules.tribal.unwrap_or(Coded::Cwe);
    read.extend(concepts(pid, 39, Table::TribalCitizenship, tribal, reading).map(|concept| {
        with_part(url::TRIBAL_AFFILIATION, vec![Extension::concept("tribalAffiliation", concept)])
    }));
    read.extend(maiden_name(pid, reading).map(|name| Extension::string(url::MOTHERS_MAIDEN_NAME, name)));
    read.extend(birth_place(pid, reading));
    let coded_pid = reading.rules.coded_pid;
    let religion = concepts(pid, 17, Table::Religion, coded_pid, reading).next();
    read.extend(religion.map(|concept| Extension::concept(url::RELIGION, concept)));
    read.extend(
        concepts(pid, 26, Table::Citizenship, coded_pid, reading)
            .map(|concept| with_part(url::CITIZENSHIP, vec![Extension::concept("code", concept)])),
    );
    let nationality = concepts(pid, 28, Table::Nationality, reading.rules.coded, reading).next();
    read.extend(
        nationality.map(|concept| with_part(url::NATIONALITY, vec![Extension::concept("code", concept)])),
    );
    let animal: Vec<Extension> = [(35, "species", Table::Species), (36, "breed", Table::Breed)]
        .into_iter()
        .filter_map(|(field, name, table)| {
            let concept = concepts(pid, field, table, reading.rules.coded, reading).next()?;
            Some(Extension::concept(name, concept))
        })
        .collect();
    if !animal.is_empty() {
        read.push(with_part(url::ANIMAL, animal));
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
    reading: &Reading<'_>,
) -> impl Iterator<Item = CodeableConcept> {
    segment.field(field).repetitions().filter_map(move |field| coded::read(&field, table, kind, reading))
}

/// PID-6: the family name alone, else all that is known of the name.
fn maiden_name(pid: &Segment<'_>, reading: &Reading<'_>) -> Option<String> {
    let xpn = pid.field(6).repetition(1);
    let name = human_name::read(&xpn, reading, "PID-6")?;
    let given = name.given.iter().flatten().chain(&name.family);
    let text = given.map(String::as_str).collect::<Vec<_>>().join(" ");
    (!text.is_empty()).then_some(text)
}

/// PID-11 `N` or `BDL`, else PID-23. A text that the parts do not make is kept beside them.
fn birth_place(pid: &Segment<'_>, reading: &Reading<'_>) -> Option<Extension> {
    let text = |component: Component<'_>| reading.text(component);
    let place = text(pid.field(23).component(1));
    let structured = pid.field(11).repetitions().find(address::is_birth_place);
    let mut address = structured.map(|xad| address::read_place(&xad, reading, "PID-11")).unwrap_or_default();
    address.text = place.filter(|place| *place != place_text(&address));
    (address != Address::default())
        .then(|| Extension { value_address: Some(address), ..Extension::new(url::BIRTH_PLACE) })
}

fn with_part(url: &str, extension: Vec<Extension>) -> Extension {
    Extension { extension, ..Extension::new(url) }
}

/// The first extension of a url, and its FHIRPath.
fn first<'a>(extensions: &'a [Extension], url: &'a str) -> Option<(String, &'a Extension)> {
    all(extensions, url).next()
}

fn all<'a>(extensions: &'a [Extension], url: &'a str) -> impl Iterator<Item = (String, &'a Extension)> {
    let numbered = extensions.iter().enumerate().filter(move |(_, extension)| extension.url == url);
    numbered.map(|(index, extension)| (format!("Patient.extension[{index}]"), extension))
}

/// The concept of a part of a complex extension, and its FHIRPath.
fn part<'a>(base: &str, extension: &'a Extension, name: &str) -> Option<(String, &'a CodeableConcept)> {
    let index = extension.extension.iter().position(|part| part.url == name)?;
    let part = fhir::extension(&extension.extension, name)?;
    Some((format!("{base}.extension[{index}].valueCodeableConcept"), part.value_codeable_concept.as_ref()?))
}
