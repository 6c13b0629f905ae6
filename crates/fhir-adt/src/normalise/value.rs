//! The normal form of what is normal or not by itself: no table of the site is asked, no order is remembered.

use serde_json::{Map, Value, json};

use crate::assigning_authority::strip_ignore_case;
use crate::date_time;
use crate::fhir::{self, HumanName, url};
use crate::human_name;
use crate::race_ethnicity::{self, Kind};

/// B6 (suffixes) and B10 for one name.
pub(super) fn human_name(name: &mut Value) {
    let typed: HumanName<'_> = fhir::of(name).unwrap_or_default();
    let redundant = typed.text.as_deref().is_some_and(|text| text == human_name::joined(&typed));
    let Some(members) = name.as_object_mut() else { return };
    if redundant {
        members.remove("text");
    }
    order_extensions_of(members, &[url::ASSEMBLY_ORDER, url::REPRESENTATION]);
    if let Some(Value::Object(family)) = members.get_mut("_family") {
        let order = [url::OWN_PREFIX, url::OWN_NAME, url::PARTNER_PREFIX, url::PARTNER_NAME];
        order_extensions_of(family, &order);
    }
    let generational = |value: &Value| value.as_str().is_some_and(human_name::is_generational);
    let order: Vec<usize> = match members.get("suffix").and_then(Value::as_array) {
        Some(suffix) => {
            let mut order: Vec<usize> = (0..suffix.len()).collect();
            order.sort_by_key(|&index| suffix.get(index).is_none_or(|value| !generational(value)));
            order
        }
        None => return,
    };
    for list in ["suffix", "_suffix"] {
        if let Some(Value::Array(values)) = members.get_mut(list) {
            let sorted = order.iter().filter_map(|&index| values.get(index).cloned()).collect();
            *values = sorted;
        }
    }
}

/// B8: the text of race and ethnicity, and the order of their parts.
pub(super) fn race_text(extension: &mut Value, kind: Kind) {
    let typed: fhir::Extension<'_> = fhir::of(extension).unwrap_or_default();
    let has_text = fhir::extension(&typed.extension, "text").is_some();
    let text = race_ethnicity::text_of(kind, &typed).filter(|_| !has_text);
    if let Some(Value::Array(parts)) = extension.get_mut("extension") {
        if let Some(text) = text {
            parts.push(json!({ "url": "text", "valueString": text }));
        }
        parts.sort_by_key(|part| rank(part, &["ombCategory", "detailed", "text"]));
    }
}

/// B8: `+00:00` and `-00:00` in dates.
pub(super) fn zero_offsets(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, member) in members.iter_mut() {
                let dated = matches!(
                    name.as_str(),
                    "lastUpdated" | "deceasedDateTime" | "start" | "end" | "valueDateTime" | "valueInstant"
                );
                match member {
                    Value::String(text) if dated => {
                        if let Some(zulu) = date_time::with_z(text) {
                            *text = zulu;
                        }
                    }
                    Value::Object(_) | Value::Array(_) => zero_offsets(member),
                    _ => {}
                }
            }
        }
        Value::Array(members) => members.iter_mut().for_each(zero_offsets),
        _ => {}
    }
}

/// B9.
pub(super) fn lower_case_urn(uri: &str) -> Option<String> {
    if let Some(oid) = strip_ignore_case(uri, "urn:oid:") {
        return Some(format!("urn:oid:{oid}"));
    }
    strip_ignore_case(uri, "urn:uuid:").map(|uuid| format!("urn:uuid:{}", uuid.to_lowercase()))
}

/// Known extensions first, in this order; the others after them, as they were.
pub(super) fn order_extensions(value: &mut Value, urls: &[&str]) {
    if let Some(members) = value.as_object_mut() {
        order_extensions_of(members, urls);
    }
}

fn order_extensions_of(members: &mut Map<String, Value>, urls: &[&str]) {
    if let Some(Value::Array(extensions)) = members.get_mut("extension") {
        extensions.sort_by_key(|extension| rank(extension, urls));
    }
}

pub(super) fn order_line_extensions(address: &mut Value) {
    if let Some(Value::Array(lines)) = address.get_mut("_line") {
        for line in lines {
            order_extensions(line, &[url::STREET_NAME, url::HOUSE_NUMBER]);
        }
    }
}

pub(super) fn rank(extension: &Value, urls: &[&str]) -> usize {
    let url = extension["url"].as_str().unwrap_or_default();
    urls.iter().position(|known| *known == url).unwrap_or(urls.len())
}
