//! Codings that read back with another system.

use serde_json::Value;

use super::list_mut;
use crate::codes::Table;
use crate::fhir::{self, url};
use crate::site::Site;

/// The Patient with the systems that its codings read back with: one that is itself the name of a system, such as
/// `HL70063`, is written as that system; a code without system that is one of its field's table is written as one.
/// `None` where there is none such.
///
/// Not part of the normal form: the change is told.
pub(crate) fn with_named_systems(checked: &Value, site: &Site) -> Option<Value> {
    fn rename(value: &mut Value, site: &Site) -> bool {
        match value {
            Value::Object(members) => {
                let mut renamed = false;
                if members.contains_key("code")
                    && let Some(Value::String(name)) = members.get_mut("system")
                    && site.systems.is_name(name)
                    && let Some(uri) = site.systems.uri(name.as_str().into(), true).map(fhir::Str::into_owned)
                {
                    *name = uri;
                    renamed = true;
                }
                members.values_mut().fold(renamed, |renamed, member| rename(member, site) | renamed)
            }
            Value::Array(members) => {
                members.iter_mut().fold(false, |renamed, member| rename(member, site) | renamed)
            }
            _ => false,
        }
    }
    /// True where a coding has no system, or a name for one.
    fn is_affected(value: &Value, site: &Site) -> bool {
        match value {
            Value::Object(members) => {
                let system = members.get("system").and_then(Value::as_str);
                members.contains_key("code") && system.is_none_or(|name| site.systems.is_name(name))
                    || members.values().any(|member| is_affected(member, site))
            }
            Value::Array(members) => members.iter().any(|member| is_affected(member, site)),
            _ => false,
        }
    }
    if !is_affected(checked, site) {
        return None;
    }
    let mut patient = checked.clone();
    let mut changed = rename(&mut patient, site);
    let mut fill = |concept: Option<&mut Value>, tables: &[Table]| {
        let codings = concept.and_then(|concept| concept.get_mut("coding")).and_then(Value::as_array_mut);
        for coding in codings.into_iter().flatten().filter(|coding| coding.get("system").is_none()) {
            let code = coding["code"].as_str().unwrap_or_default();
            if let Some(table) = tables.iter().find(|table| site.codes.contains(**table, code)) {
                coding["system"] = Value::from(table.system());
                changed = true;
            }
        }
    };
    let members = patient.as_object_mut()?;
    for extension in list_mut(members, "extension") {
        if extension["url"] == url::RELIGION {
            fill(extension.get_mut("valueCodeableConcept"), &[Table::Religion]);
        }
    }
    for contact in list_mut(members, "contact").iter_mut().filter_map(Value::as_object_mut) {
        for concept in list_mut(contact, "relationship") {
            fill(Some(concept), &[Table::ContactRole, Table::Relationship]);
        }
    }
    changed.then_some(patient)
}
