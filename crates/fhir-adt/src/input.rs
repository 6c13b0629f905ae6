//! Input checks (mapping section 1): one walk over the JSON, guided by a table of the R4 elements (`schema`), that yields a clean value and
//! what there was to say about it.
//!
//! | Id | Condition | Result |
//! | --- | --- | --- |
//! | IN-1 | `resourceType` is not `Patient` | error, `not-supported` |
//! | IN-2 | a `modifierExtension`, or `implicitRules` that are not on the list | error, `not-supported` |
//! | IN-3 | `Patient.id` missing or not `[A-Za-z0-9\-.]{1,64}` | error, `value` |
//! | IN-4 | a 0..1 object given as an array | its first member, warning, `structure` |
//! | IN-5 | wrong JSON type, unknown property, malformed date, unknown required code | error, `invalid` |
//! | IN-6 | `null`, empty string, array or object | absent |
//! | IN-7 | a contact without content, a ContactPoint without system | accepted |

pub(crate) mod primitive;
pub(crate) mod schema;

use serde_json::{Map, Value};

use crate::path::Path;
use crate::report::{Issue, IssueType, Report, Severity};
use schema::{Element, Kind, Max};

/// A Patient in which every known element has its JSON type and nothing is empty.
pub(crate) struct Checked {
    /// The Patient.
    pub(crate) patient: Value,
    /// What was repaired.
    pub(crate) report: Report,
}

/// How strictly to check.
pub(crate) struct Rules<'a> {
    /// IN-5 is an error; else the element is dropped and told.
    pub(crate) strict: bool,
    /// `implicitRules` that are understood.
    pub(crate) implicit_rules: &'a [String],
    /// The id of the Patient, known from the request or assigned.
    pub(crate) id: &'a str,
    /// A Patient without an id is that one: on create.
    pub(crate) assigns_id: bool,
}

/// Checks a Patient and cleans it.
///
/// # Errors
/// All that forbids sending, with what was told before.
pub(crate) fn check(patient: &Value, rules: &Rules<'_>) -> Result<Checked, Report> {
    let mut walk = Walk { rules, report: Report::default() };
    let Some(members) = patient.as_object() else {
        walk.refuse(IssueType::NotSupported, "IN-1", &ROOT, "the resource is not a JSON object");
        return Err(walk.report);
    };
    if members.get("resourceType").and_then(Value::as_str) != Some("Patient") {
        walk.refuse(IssueType::NotSupported, "IN-1", &ROOT, "the resource is not a Patient");
        return Err(walk.report);
    }
    let mut clean = walk.object(members, &schema::PATIENT, &ROOT);
    walk.patient(&mut clean);
    if walk.report.has_errors() {
        return Err(walk.report);
    }
    Ok(Checked { patient: Value::Object(clean), report: walk.report })
}

/// True for a FHIR id: `[A-Za-z0-9\-.]{1,64}`.
pub(crate) fn is_id(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'))
}

const ROOT: Path<'static> = Path::root("Patient");

struct Walk<'a> {
    rules: &'a Rules<'a>,
    report: Report,
}

impl Walk<'_> {
    /// Checks that are not about one element's type.
    fn patient(&mut self, patient: &mut Map<String, Value>) {
        patient.insert("resourceType".to_owned(), Value::from("Patient"));
        if let Some(uri) = patient.get("implicitRules").and_then(Value::as_str)
            && !self.rules.implicit_rules.iter().any(|allowed| allowed == uri)
        {
            self.refuse(
                IssueType::NotSupported,
                "IN-2",
                &ROOT.member("implicitRules"),
                "these rules are not understood",
            );
        }
        match patient.get("id").and_then(Value::as_str) {
            Some(id) if !is_id(id) => {
                self.refuse(IssueType::Value, "IN-3", &ROOT.member("id"), "is not a FHIR id");
            }
            Some(id) if id != self.rules.id => {
                self.refuse(IssueType::Value, "IN-3", &ROOT.member("id"), "is not the id of the request");
            }
            Some(_) => {}
            None if self.rules.assigns_id && is_id(self.rules.id) => {
                patient.insert("id".to_owned(), Value::from(self.rules.id));
            }
            None => self.refuse(IssueType::Value, "IN-3", &ROOT.member("id"), "is missing"),
        }
        for (name, boolean, other) in [
            ("deceased[x]", "deceasedBoolean", "deceasedDateTime"),
            ("multipleBirth[x]", "multipleBirthBoolean", "multipleBirthInteger"),
        ] {
            if patient.contains_key(boolean) && patient.contains_key(other) {
                self.invalid(&ROOT.member(name), "is given twice");
                patient.remove(boolean);
            }
        }
    }

    /// An object of a known type; absent members are left out.
    fn object(
        &mut self,
        members: &Map<String, Value>,
        schema: &'static schema::Type,
        path: &Path<'_>,
    ) -> Map<String, Value> {
        let mut clean = Map::new();
        for (name, value) in members {
            let is_known = name == "modifierExtension"
                || name == "resourceType" && schema.is_resource
                || schema.element(name.strip_prefix('_').unwrap_or(name)).is_some();
            if value.is_null() || is_known && is_absent(value) {
                continue;
            }
            if name == "modifierExtension" {
                let place = path.member(name);
                self.refuse(IssueType::NotSupported, "IN-2", &place, "a modifier may reverse the meaning");
                continue;
            }
            if let Some(primitive) = name.strip_prefix('_') {
                self.primitive_element(primitive, value, schema, path, &mut clean);
                continue;
            }
            let Some(element) = schema.element(name) else {
                if name == "resourceType" && schema.is_resource {
                    clean.insert(name.clone(), value.clone());
                } else {
                    self.invalid(&path.member(name), "is not an element of this type");
                }
                continue;
            };
            if let Some(value) = self.element(value, element, &path.member(name)) {
                clean.insert(name.clone(), value);
            }
        }
        align(&mut clean, schema);
        clean
    }

    /// One element, single or repeating.
    fn element(&mut self, value: &Value, element: &'static Element, path: &Path<'_>) -> Option<Value> {
        match (element.max, value) {
            (Max::Many, Value::Array(members)) => {
                let primitive = matches!(element.kind, Kind::Primitive(_) | Kind::Code(_));
                let mut clean = Vec::with_capacity(members.len());
                for (index, member) in members.iter().enumerate() {
                    let place = path.index(index);
                    match self.value(member, element, &place) {
                        Some(value) => clean.push(value),
                        // Keeps the place of its `_element`; [`align`] removes it where there is none.
                        None if primitive => clean.push(Value::Null),
                        None => {}
                    }
                }
                (!clean.is_empty()).then_some(Value::Array(clean))
            }
            (Max::Many, _) => {
                self.invalid(path, "must be an array");
                None
            }
            (Max::One, Value::Array(members)) if element.repairable => {
                let first = members.iter().enumerate().find(|(_, member)| !is_absent(member));
                let (index, first) = first?;
                self.warn(path, "an array stands where one object belongs; its first member is used");
                for other in index + 1..members.len() {
                    self.warn(&path.index(other), "only the first member is used");
                }
                self.value(first, element, path)
            }
            (Max::One, _) => self.value(value, element, path),
        }
    }

    /// One value of an element; `None` where it is absent or refused.
    fn value(&mut self, value: &Value, element: &'static Element, path: &Path<'_>) -> Option<Value> {
        if is_absent(value) {
            return None;
        }
        match element.kind {
            Kind::Primitive(primitive) => {
                if let Err(reason) = primitive::check(primitive, value) {
                    self.invalid(path, reason);
                    return None;
                }
                Some(value.clone())
            }
            Kind::Code(codes) => match value.as_str() {
                Some(code) if codes.contains(&code) => Some(value.clone()),
                Some(_) => {
                    self.invalid(path, "is not a code of its required value set");
                    None
                }
                None => {
                    self.invalid(path, "must be a string");
                    None
                }
            },
            Kind::Complex(schema) => {
                let Some(members) = value.as_object() else {
                    self.invalid(path, "must be an object");
                    return None;
                };
                let clean = self.object(members, schema(), path);
                if std::ptr::eq(schema(), &schema::EXTENSION)
                    && let Err(reason) = extension_form(&clean)
                {
                    self.invalid(path, reason);
                    return None;
                }
                (!clean.is_empty()).then_some(Value::Object(clean))
            }
            Kind::Any => match value {
                Value::Object(_) => self.any(value, path),
                _ => {
                    self.invalid(path, "must be an object");
                    None
                }
            },
        }
    }

    /// Content that the mapping does not look into: nothing empty, no modifier.
    fn any(&mut self, value: &Value, path: &Path<'_>) -> Option<Value> {
        match value {
            Value::Object(members) => {
                let mut clean = Map::new();
                for (name, member) in members {
                    if name == "modifierExtension" && !is_absent(member) {
                        let place = path.member(name);
                        self.refuse(
                            IssueType::NotSupported,
                            "IN-2",
                            &place,
                            "a modifier may reverse the meaning",
                        );
                    } else if let Some(member) = self.any(member, &path.member(name)) {
                        clean.insert(name.clone(), member);
                    }
                }
                (!clean.is_empty()).then_some(Value::Object(clean))
            }
            Value::Array(members) => {
                // A list of primitives, or of their `_elements`, keeps its places.
                let padded = members.iter().any(Value::is_null);
                let mut clean = Vec::with_capacity(members.len());
                for (index, member) in members.iter().enumerate() {
                    match self.any(member, &path.index(index)) {
                        Some(member) => clean.push(member),
                        None if padded && member.is_null() => clean.push(Value::Null),
                        None => {}
                    }
                }
                clean.iter().any(|member| !member.is_null()).then_some(Value::Array(clean))
            }
            other if is_absent(other) => None,
            other => Some(other.clone()),
        }
    }

    /// `_name`: id and extensions of a primitive element.
    fn primitive_element(
        &mut self,
        name: &str,
        value: &Value,
        schema: &'static schema::Type,
        path: &Path<'_>,
        clean: &mut Map<String, Value>,
    ) {
        let place = path.member(name);
        let Some(element) =
            schema.element(name).filter(|element| matches!(element.kind, Kind::Primitive(_) | Kind::Code(_)))
        else {
            self.invalid(&place, "is not a primitive element of this type");
            return;
        };
        let kept = match (element.max, value) {
            (Max::One, Value::Object(members)) => {
                let kept = self.object(members, &schema::ELEMENT, &place);
                (!kept.is_empty()).then_some(Value::Object(kept))
            }
            (Max::Many, Value::Array(members)) => {
                let mut kept = Vec::with_capacity(members.len());
                for (index, member) in members.iter().enumerate() {
                    let member = match member {
                        Value::Object(members) => {
                            let inner = self.object(members, &schema::ELEMENT, &place.index(index));
                            if inner.is_empty() { Value::Null } else { Value::Object(inner) }
                        }
                        Value::Null => Value::Null,
                        _ => {
                            self.invalid(&place.index(index), "must be an object");
                            Value::Null
                        }
                    };
                    kept.push(member);
                }
                kept.iter().any(|member| !member.is_null()).then_some(Value::Array(kept))
            }
            _ => {
                self.invalid(&place, "its id and extensions have the wrong shape");
                None
            }
        };
        if let Some(kept) = kept {
            clean.insert(format!("_{name}"), kept);
        }
    }

    fn refuse(&mut self, code: IssueType, rule: &'static str, path: &Path<'_>, reason: &str) {
        self.report.push(Issue::error(code, rule, path.to_string(), reason));
    }

    /// IN-5.
    fn invalid(&mut self, path: &Path<'_>, reason: &str) {
        if self.rules.strict {
            self.report.push(Issue::error(IssueType::Invalid, "IN-5", path.to_string(), reason));
        } else {
            let reason = format!("{reason}; it was left out");
            self.report.push(Issue::new(
                Severity::Warning,
                IssueType::Value,
                "IN-5",
                path.to_string(),
                &reason,
            ));
        }
    }

    /// IN-4.
    fn warn(&mut self, path: &Path<'_>, reason: &str) {
        self.report.push(Issue::warning(IssueType::Structure, "IN-4", path.to_string(), reason));
    }
}

/// `url`, and either one value or extensions (FHIR R4 ext-1).
fn extension_form(extension: &Map<String, Value>) -> Result<(), &'static str> {
    let values = extension.keys().filter(|name| name.starts_with("value")).count();
    let primitive_only = extension.keys().any(|name| name.starts_with("_value"));
    match (extension.contains_key("url"), values, extension.contains_key("extension")) {
        (false, ..) => Err("an extension has a url"),
        (true, 0, false) if !primitive_only => Err("an extension has a value or extensions"),
        (true, 0, _) | (true, 1, false) => Ok(()),
        (true, ..) => Err("an extension has one value, or extensions"),
    }
}

/// IN-6.
fn is_absent(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(members) => members.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Makes the two arrays of a repeating primitive element equally long, without places where both are empty.
fn align(members: &mut Map<String, Value>, schema: &'static schema::Type) {
    for element in schema.elements {
        let repeats = element.max == Max::Many && matches!(element.kind, Kind::Primitive(_) | Kind::Code(_));
        if !repeats {
            continue;
        }
        let extended = format!("_{}", element.name);
        let mut values = take_array(members, element.name);
        let mut elements = take_array(members, &extended);
        let length = values.len().max(elements.len());
        values.resize(length, Value::Null);
        elements.resize(length, Value::Null);
        let (values, elements): (Vec<Value>, Vec<Value>) =
            values.into_iter().zip(elements).filter(|(a, b)| !a.is_null() || !b.is_null()).unzip();
        if values.iter().any(|value| !value.is_null()) {
            members.insert(element.name.to_owned(), Value::Array(values));
        }
        if elements.iter().any(|element| !element.is_null()) {
            members.insert(extended, Value::Array(elements));
        }
    }
}

fn take_array(members: &mut Map<String, Value>, name: &str) -> Vec<Value> {
    match members.remove(name) {
        Some(Value::Array(values)) => values,
        _ => Vec::new(),
    }
}
