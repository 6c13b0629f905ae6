//! Places in a resource as a specification names them: without positions, extensions by their name.

use serde_json::Value;

/// `Patient.extension[3].valueCodeableConcept` as `Patient.extension(patient-religion).valueCodeableConcept`.
pub(super) fn named(expression: &str, resource: &Value) -> String {
    let mut here = Some(resource);
    let mut beside: Option<&Value> = None;
    let mut out = String::new();
    for (depth, step) in expression.split('.').enumerate() {
        let (name, index) = match step.strip_suffix(']').and_then(|step| step.split_once('[')) {
            Some((name, index)) => (name, index.parse::<usize>().ok()),
            None => (step, None),
        };
        if depth > 0 {
            out.push('.');
            // Extensions of a primitive element stand in the `_name` beside it.
            let from = here.filter(|value| value.is_object()).or(beside);
            here = from.and_then(|value| value.get(name));
            beside = from.and_then(|value| value.get(format!("_{name}")));
        }
        if let Some(index) = index {
            here = here.and_then(|list| list.get(index));
            beside = beside.and_then(|list| list.get(index));
        }
        out.push_str(name);
        let url = here.filter(|_| name == "extension").and_then(|extension| extension["url"].as_str());
        if let Some(url) = url {
            out.push_str(&format!("({})", url.rsplit('/').next().unwrap_or(url)));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::named;

    #[test]
    fn positions_go_and_extensions_get_their_names() {
        let resource = json!({
            "name": [{}, { "family": "x", "_family": { "extension": [{ "url": "http://hl7.org/own-name" }] } }],
            "extension": [{ "url": "a/race", "extension": [{ "url": "text" }] }],
        });
        for (expression, expected) in [
            ("", ""),
            ("Patient.name[1].family", "Patient.name.family"),
            (
                "Patient.name[1].family.extension[0].valueString",
                "Patient.name.family.extension(own-name).valueString",
            ),
            ("Patient.extension[0].extension[0]", "Patient.extension(race).extension(text)"),
            ("Patient.extension[7].url", "Patient.extension.url"),
        ] {
            assert_eq!(named(expression, &resource), expected);
        }
    }
}
