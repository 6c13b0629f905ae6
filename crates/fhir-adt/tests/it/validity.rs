//! Whether a Patient is structurally valid FHIR R4, checked from the definitions at hl7.org/fhir/R4 and not
//! through the mapping: known members, their types and cardinalities, the form of primitives, required codes.

use serde_json::Value;

/// Where and why; empty for a valid Patient.
pub(crate) fn problems(patient: &Value) -> Vec<String> {
    let mut problems = Vec::new();
    if patient["resourceType"] != "Patient" {
        problems.push("resourceType".to_owned());
    }
    object("Patient", patient, "Patient", &mut problems);
    problems
}

/// Members of a type: name, type, `*` for a list. A choice is spelled out.
fn members(kind: &str) -> &'static [(&'static str, &'static str)] {
    match kind {
        "Patient" => &[
            ("resourceType", "code"),
            ("id", "id"),
            ("meta", "Meta"),
            ("implicitRules", "uri"),
            ("language", "code"),
            ("text", "any"),
            ("contained", "any*"),
            ("extension", "Extension*"),
            ("identifier", "Identifier*"),
            ("active", "boolean"),
            ("name", "HumanName*"),
            ("telecom", "ContactPoint*"),
            ("gender", "=male female other unknown"),
            ("birthDate", "date"),
            ("deceasedBoolean", "boolean"),
            ("deceasedDateTime", "dateTime"),
            ("address", "Address*"),
            ("maritalStatus", "CodeableConcept"),
            ("multipleBirthBoolean", "boolean"),
            ("multipleBirthInteger", "integer"),
            ("photo", "any*"),
            ("contact", "Contact*"),
            ("communication", "Communication*"),
            ("generalPractitioner", "Reference*"),
            ("managingOrganization", "Reference"),
            ("link", "Link*"),
        ],
        "Meta" => &[
            ("versionId", "id"),
            ("lastUpdated", "instant"),
            ("source", "uri"),
            ("profile", "uri*"),
            ("security", "Coding*"),
            ("tag", "Coding*"),
        ],
        "Identifier" => &[
            ("use", "=usual official temp secondary old"),
            ("type", "CodeableConcept"),
            ("system", "uri"),
            ("value", "string"),
            ("period", "Period"),
            ("assigner", "Reference"),
        ],
        "HumanName" => &[
            ("use", "=usual official temp nickname anonymous old maiden"),
            ("text", "string"),
            ("family", "string"),
            ("given", "string*"),
            ("prefix", "string*"),
            ("suffix", "string*"),
            ("period", "Period"),
        ],
        "ContactPoint" => &[
            ("system", "=phone fax email pager url sms other"),
            ("value", "string"),
            ("use", "=home work temp old mobile"),
            ("rank", "integer"),
            ("period", "Period"),
        ],
        "Address" => &[
            ("use", "=home work temp old billing"),
            ("type", "=postal physical both"),
            ("text", "string"),
            ("line", "string*"),
            ("city", "string"),
            ("district", "string"),
            ("state", "string"),
            ("postalCode", "string"),
            ("country", "string"),
            ("period", "Period"),
        ],
        "CodeableConcept" => &[("coding", "Coding*"), ("text", "string")],
        "Coding" => &[
            ("system", "uri"),
            ("version", "string"),
            ("code", "code"),
            ("display", "string"),
            ("userSelected", "boolean"),
        ],
        "Period" => &[("start", "dateTime"), ("end", "dateTime")],
        "Reference" => {
            &[("reference", "string"), ("type", "uri"), ("identifier", "Identifier"), ("display", "string")]
        }
        "Contact" => &[
            ("relationship", "CodeableConcept*"),
            ("name", "HumanName"),
            ("telecom", "ContactPoint*"),
            ("address", "Address"),
            ("gender", "=male female other unknown"),
            ("organization", "Reference"),
            ("period", "Period"),
        ],
        "Communication" => &[("language", "CodeableConcept"), ("preferred", "boolean")],
        "Link" => &[("other", "Reference"), ("type", "=replaced-by replaces refer seealso")],
        "Extension" => &[
            ("url", "uri"),
            ("valueString", "string"),
            ("valueCode", "code"),
            ("valueCoding", "Coding"),
            ("valueAddress", "Address"),
            ("valueCodeableConcept", "CodeableConcept"),
            ("valueDateTime", "dateTime"),
            ("valueBoolean", "boolean"),
            ("valueDecimal", "decimal"),
            ("valueInteger", "integer"),
            ("valuePeriod", "Period"),
            ("valueReference", "Reference"),
            ("valueIdentifier", "Identifier"),
        ],
        _ => &[],
    }
}

fn object(kind: &str, value: &Value, at: &str, problems: &mut Vec<String>) {
    let Some(found) = value.as_object().filter(|found| !found.is_empty()) else {
        return problems.push(format!("{at}: not an object with members"));
    };
    for (name, member) in found {
        let at = format!("{at}.{name}");
        let known = members(kind).iter().find(|(known, _)| known == name);
        match (name.as_str(), known) {
            ("extension", _) => list("Extension", member, &at, problems),
            ("id", None) => element("string", member, &at, problems),
            (_, Some((_, kind))) => match kind.strip_suffix('*') {
                Some(kind) => list(kind, member, &at, problems),
                None => element(kind, member, &at, problems),
            },
            (companion, None) if companion.starts_with('_') => {
                for each in member.as_array().map_or(std::slice::from_ref(member), Vec::as_slice) {
                    if !each.is_null() {
                        object("Element", each, &at, problems);
                    }
                }
            }
            _ => problems.push(format!("{at}: unknown member")),
        }
    }
    if kind == "Extension" {
        let values = found.keys().filter(|name| name.starts_with("value")).count();
        if found.get("url").is_none() || values + usize::from(found.contains_key("extension")) != 1 {
            problems.push(format!("{at}: an extension is a url and a value or extensions"));
        }
    }
    for (required, of) in [("language", "Communication"), ("other", "Link"), ("type", "Link")] {
        if kind == of && found.get(required).is_none() {
            problems.push(format!("{at}.{required}: missing"));
        }
    }
}

fn list(kind: &str, value: &Value, at: &str, problems: &mut Vec<String>) {
    match value.as_array().map(Vec::as_slice) {
        None | Some([]) => problems.push(format!("{at}: not a list with members")),
        Some(members) => {
            for (index, member) in members.iter().enumerate() {
                if !(member.is_null() && kind == "string") {
                    element(kind, member, &format!("{at}[{index}]"), problems);
                }
            }
        }
    }
}

fn element(kind: &str, value: &Value, at: &str, problems: &mut Vec<String>) {
    let text = value.as_str();
    let valid = match kind {
        "any" => !value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.as_i64().is_some_and(|number| i32::try_from(number).is_ok()),
        "decimal" => value.is_number(),
        "string" => text.is_some_and(|text| !text.is_empty() && text.chars().count() <= 1024 * 1024),
        "uri" => text.is_some_and(|text| !text.is_empty() && !text.contains(char::is_whitespace)),
        "id" => text.is_some_and(|text| {
            (1..=64).contains(&text.len())
                && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.')
        }),
        "code" => text.is_some_and(|text| {
            !text.is_empty()
                && text.split(' ').all(|word| !word.is_empty() && !word.contains(char::is_whitespace))
        }),
        "date" => text.is_some_and(is_date),
        "dateTime" => text.is_some_and(|text| is_date(text) || is_instant(text)),
        "instant" => text.is_some_and(is_instant),
        _ => match kind.strip_prefix('=') {
            Some(codes) => text.is_some_and(|text| codes.split(' ').any(|code| code == text)),
            None => return object(kind, value, at, problems),
        },
    };
    if !valid {
        problems.push(format!("{at}: not a valid {}", kind.trim_start_matches('=')));
    }
}

/// `YYYY`, `YYYY-MM` or `YYYY-MM-DD`, a day that exists.
fn is_date(text: &str) -> bool {
    let number = |part: &str, length: usize| {
        (part.len() == length && part.bytes().all(|byte| byte.is_ascii_digit()))
            .then(|| part.parse::<u32>().ok())
            .flatten()
    };
    let parts: Vec<&str> = text.split('-').collect();
    let (Some(year), month, day) = (number(parts[0], 4), parts.get(1), parts.get(2)) else { return false };
    let month = month.map(|month| number(month, 2));
    let day = day.map(|day| number(day, 2));
    let length = |month: u32| match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    year > 0
        && parts.len() <= 3
        && match (month, day) {
            (None, _) => true,
            (Some(Some(month @ 1..=12)), None) => month > 0,
            (Some(Some(month @ 1..=12)), Some(Some(day))) => (1..=length(month)).contains(&day),
            _ => false,
        }
}

/// `YYYY-MM-DDThh:mm:ss[.f]` and `Z` or `±hh:mm`.
fn is_instant(text: &str) -> bool {
    let Some((date, time)) = text.split_once('T') else { return false };
    let Some((clock, zone)) = time.find(['Z', '+', '-']).and_then(|at| time.split_at_checked(at)) else {
        return false;
    };
    let pair = |part: &str, most: u32| {
        part.len() == 2
            && part.bytes().all(|byte| byte.is_ascii_digit())
            && part.parse().is_ok_and(|value: u32| value <= most)
    };
    let (whole, fraction) =
        clock.split_once('.').map_or((clock, None), |(whole, fraction)| (whole, Some(fraction)));
    let parts: Vec<&str> = whole.split(':').collect();
    let zone_valid = zone == "Z"
        || zone
            .get(1..)
            .and_then(|zone| zone.split_once(':'))
            .is_some_and(|(hours, minutes)| pair(hours, 14) && pair(minutes, 59));
    date.len() == 10
        && is_date(date)
        && parts.len() == 3
        && pair(parts[0], 23)
        && pair(parts[1], 59)
        && pair(parts[2], 60)
        && fraction
            .is_none_or(|fraction| !fraction.is_empty() && fraction.bytes().all(|byte| byte.is_ascii_digit()))
        && zone_valid
}

#[test]
fn the_check_itself_finds_what_is_wrong() {
    let wrong = serde_json::json!({
        "resourceType": "Patient", "id": "a b", "gender": "m", "birthDate": "2023-02-29", "name": [], "active": "true",
        "deceasedDateTime": "2024-01-01T10:00Z", "telecom": [{"system": "tel"}], "extension": [{"url": "http://x"}], "flavour": 1
    });
    assert_eq!(problems(&wrong).len(), 9, "{:?}", problems(&wrong));
    let right = serde_json::json!({
        "resourceType": "Patient", "id": "a", "birthDate": "2024-02-29", "deceasedDateTime": "2024-01-01T10:00:00.5+14:00",
        "_gender": {"extension": [{"url": "http://x", "valueCode": "a b"}]}
    });
    assert_eq!(problems(&right), Vec::<String>::new());
}
