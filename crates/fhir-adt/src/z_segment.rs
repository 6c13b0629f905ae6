//! Segments of a site's own, filled from the Patient (`[message] z_segments`; mapping section 12).
//!
//! A field is a path into the Patient, a small part of FHIRPath:
//!
//! | Step | Meaning |
//! | --- | --- |
//! | `name` | an element; the first one of a list |
//! | `name[1]` | the second one of a list |
//! | `extension('url')` | the first extension with that url |
//!
//! Steps are joined by dots and end at a value: `contact[0].name.family`. Elements have their names in JSON
//! (`deceasedBoolean`), and lists the order that they have in the message. Dates and times are written as TS. What is not
//! there leaves the field empty; a segment without any value is not sent. Nothing of these segments is read back.

use serde_json::Value;

use crate::config::{MappingConfig, Problems, ZSegment};
use crate::date_time;
use crate::input::primitive::Primitive;
use crate::input::schema::{self, Kind, Max, Type};
use crate::path::Path;
use crate::trace::Writer;

/// One segment.
#[derive(Debug)]
pub(crate) struct OwnZSegment {
    name: &'static str,
    /// In the order of the fields.
    fields: Vec<(usize, ValuePath)>,
}

/// A path to a value of a Patient.
#[derive(Debug, PartialEq)]
struct ValuePath {
    steps: Vec<Step>,
    /// The value is a date or a time.
    is_time: bool,
}

#[derive(Debug, PartialEq)]
enum Step {
    Member { name: String, index: usize },
    Extension { url: String },
}

/// A value that went into a segment of a site's own.
#[derive(Debug)]
pub(crate) struct Sent {
    /// FHIRPath in the normal form.
    pub(crate) expression: String,
    pub(crate) segment: &'static str,
    pub(crate) field: usize,
}

impl OwnZSegment {
    /// The segments of a configuration that is [checked](check).
    pub(crate) fn all(config: &MappingConfig) -> Vec<Self> {
        config.z_segments.iter().filter_map(Self::new).collect()
    }

    fn new(config: &ZSegment) -> Option<Self> {
        let fields = config.fields.iter().map(|(field, path)| Some((number(field)?, parse(path).ok()?)));
        let mut fields: Vec<_> = fields.collect::<Option<_>>()?;
        fields.sort_by_key(|(field, _)| *field);
        Some(Self { name: static_name(&config.name)?, fields })
    }

    /// Writes the segment, where it has a value; what it holds.
    pub(crate) fn write(&self, out: &mut Writer, patient: &Value, sent: &mut Vec<Sent>) {
        out.segment(self.name);
        for (field, path) in &self.fields {
            let Some((value, expression)) = path.find(patient) else { continue };
            out.set(*field, &value, Path::root(&expression), "12");
            sent.push(Sent { expression, segment: self.name, field: *field });
        }
    }
}

/// Everything that is wrong with the setting.
pub(crate) fn check(config: &MappingConfig, problems: &mut Problems) {
    for (index, segment) in config.z_segments.iter().enumerate() {
        let at = |key: &str| format!("z_segments[{index}].{key}");
        let known = static_name(&segment.name).is_some() && segment.name != "ZFP";
        problems.check(known, &at("name"), "is Z and two capital letters or digits, and not ZFP");
        let repeated = config.z_segments.iter().take(index).any(|other| other.name == segment.name);
        problems.check(!repeated, &at("name"), "is the name of an earlier entry");
        problems.check(!segment.fields.is_empty(), &at("fields"), "must not be empty");
        for (field, path) in &segment.fields {
            let key = at(&format!("fields.{field:?}"));
            problems.check(number(field).is_some(), &key, "is no field: 1 to 99 are");
            if let Err(reason) = parse(path) {
                problems.push(key, reason);
            }
        }
    }
}

fn number(field: &str) -> Option<usize> {
    let is_plain = !field.starts_with(['0', '+']);
    field.parse().ok().filter(|number| is_plain && (1..=99).contains(number))
}

/// The steps of a path to a value of a Patient.
fn parse(path: &str) -> Result<ValuePath, String> {
    let mut rest = path.strip_prefix("Patient.").unwrap_or(path);
    let mut of: Option<&'static Type> = Some(&schema::PATIENT);
    let (mut steps, mut is_time) = (Vec::new(), false);
    loop {
        let Some(within) = of else { return Err("goes on after a value".to_owned()) };
        let next;
        if let Some(after) = rest.strip_prefix("extension('") {
            let end = after.split_once("')").filter(|(url, _)| !url.is_empty());
            let (url, after) = end.ok_or("has an extension without its end ')")?;
            steps.push(Step::Extension { url: url.to_owned() });
            (of, next) = (Some(&schema::EXTENSION), after);
        } else {
            let end = rest.find('.').unwrap_or(rest.len());
            let (step, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
            let (name, index) = index(step)?;
            let element = within.element(name).ok_or_else(|| unknown(name, within))?;
            if index.is_some() && element.max == Max::One {
                return Err(format!("counts `{name}`, of which there is one"));
            }
            of = match element.kind {
                Kind::Primitive(primitive) => {
                    is_time = matches!(primitive, Primitive::Date | Primitive::DateTime | Primitive::Instant);
                    None
                }
                Kind::Code(_) => None,
                Kind::Complex(inner) => Some(inner()),
                Kind::Any => return Err(format!("goes into `{name}`, which the mapping does not look into")),
            };
            steps.push(Step::Member { name: name.to_owned(), index: index.unwrap_or(0) });
            next = after;
        }
        match next.strip_prefix('.') {
            Some(after) => rest = after,
            None if !next.is_empty() => {
                return Err("has something after an extension that is no step".to_owned());
            }
            None if of.is_some() => return Err("does not end at a value".to_owned()),
            None => return Ok(ValuePath { steps, is_time }),
        }
    }
}

/// `name`, or `name[1]`.
fn index(step: &str) -> Result<(&str, Option<usize>), String> {
    let Some((name, rest)) = step.split_once('[') else { return Ok((step, None)) };
    let index = rest.strip_suffix(']').and_then(|index| index.parse().ok());
    index
        .map(|index| (name, Some(index)))
        .ok_or_else(|| format!("counts `{name}` by something that is no number"))
}

fn unknown(name: &str, within: &Type) -> String {
    let known = within.elements.iter().map(|element| element.name);
    match crate::config::nearest(name, known) {
        Some(near) => format!("has an element `{name}` that R4 does not have there; did you mean `{near}`?"),
        None => format!("has an element `{name}` that R4 does not have there"),
    }
}

impl ValuePath {
    /// The value, as it is sent, and its place.
    fn find(&self, patient: &Value) -> Option<(String, String)> {
        let (mut value, mut expression) = (patient, "Patient".to_owned());
        for step in &self.steps {
            let (name, found) = match step {
                Step::Member { name, index } => (name.as_str(), *index),
                Step::Extension { url } => {
                    let is_it = |extension: &Value| extension.get("url").and_then(Value::as_str) == Some(url);
                    ("extension", value.get("extension")?.as_array()?.iter().position(is_it)?)
                }
            };
            value = value.get(name)?;
            expression.push_str(&format!(".{name}"));
            if let Value::Array(list) = value {
                value = list.get(found)?;
                expression.push_str(&format!("[{found}]"));
            }
        }
        let text = match value {
            Value::String(time) if self.is_time => date_time::to_ts(time)?.to_string(),
            Value::String(text) => text.clone(),
            Value::Bool(_) | Value::Number(_) => value.to_string(),
            Value::Null | Value::Array(_) | Value::Object(_) => return None,
        };
        Some((text, expression))
    }
}

/// `Z` and two of `A` to `Z` and `0` to `9`, out of all of them: names of segments are known at compile time.
fn static_name(name: &str) -> Option<&'static str> {
    let [b'Z', second, third] = name.as_bytes() else { return None };
    let at = |letter: &u8| LETTERS.iter().position(|known| known == letter);
    let start = (at(second)? * LETTERS.len() + at(third)?) * 3;
    std::str::from_utf8(NAMES.get(start..start + 3)?).ok()
}

const LETTERS: &[u8; 36] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
static NAMES: [u8; 36 * 36 * 3] = {
    let mut names = [b'Z'; 36 * 36 * 3];
    let mut at = 0;
    while at < 36 * 36 {
        names[at * 3 + 1] = LETTERS[at / 36];
        names[at * 3 + 2] = LETTERS[at % 36];
        at += 1;
    }
    names
};

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_are_found_among_all_of_them() {
        for name in ["ZAA", "ZPI", "Z99", "ZA9", "Z0Z"] {
            assert_eq!(static_name(name), Some(name));
        }
        for name in ["", "PID", "Zpi", "ZP", "ZPII", "Z-1", "ZÄ"] {
            assert_eq!(static_name(name), None, "{name}");
        }
    }

    #[test]
    fn a_path_finds_a_value_and_its_place() {
        let patient = json!({
            "active": true,
            "birthDate": "1974-12-25",
            "multipleBirthInteger": 2,
            "name": [{ "given": ["Anna", "Maria"] }],
            "extension": [
                { "url": "http://example.org/a", "valueString": "no" },
                { "url": "http://example.org/b.c", "valueCoding": { "code": "x" } },
            ],
        });
        let found = |path: &str| parse(path).unwrap().find(&patient);
        let is = |text: &str, place: &str| Some((text.to_owned(), place.to_owned()));
        assert_eq!(found("birthDate"), is("19741225", "Patient.birthDate"));
        assert_eq!(found("active"), is("true", "Patient.active"));
        assert_eq!(found("Patient.multipleBirthInteger"), is("2", "Patient.multipleBirthInteger"));
        assert_eq!(found("name.given[1]"), is("Maria", "Patient.name[0].given[1]"));
        let path = "extension('http://example.org/b.c').valueCoding.code";
        assert_eq!(found(path), is("x", "Patient.extension[1].valueCoding.code"));
        assert_eq!(found("name[1].family"), None);
        assert_eq!(found("extension('http://example.org/c').valueString"), None);
    }

    #[test]
    fn a_path_that_leads_nowhere_is_refused() {
        for (path, reason) in [
            ("gendr", "did you mean `gender`?"),
            ("name.famly", "did you mean `family`?"),
            ("name", "does not end at a value"),
            ("gender.code", "goes on after a value"),
            ("gender[0]", "of which there is one"),
            ("name[x].family", "no number"),
            ("extension('http://example.org/a", "without its end"),
            ("extension('http://example.org/a')valueString", "no step"),
            ("contained.id", "does not look into"),
            ("", "does not have there"),
        ] {
            let refused = parse(path).unwrap_err();
            assert!(refused.contains(reason), "{path}: {refused}");
        }
    }
}
