//! Hiding the values of patients: for looking (dots) and for test cases (made-up values of the same shape).

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::explain::Explained;

/// `Example, Anna` becomes `E••••••, A•••`: enough to tell two rows apart, not enough to tell who it is.
pub(crate) fn text(value: &str) -> String {
    let mut masked = String::with_capacity(value.len());
    for word in value.split_inclusive(|c: char| !c.is_alphanumeric()) {
        let long = word.chars().filter(|c| c.is_alphanumeric()).count() >= 3;
        for (index, c) in word.chars().enumerate() {
            let keep = !c.is_alphanumeric() || (index == 0 && long && c.is_alphabetic());
            masked.push(if keep { c } else { '•' });
        }
    }
    masked
}

/// Hides every value that may say something about a person.
pub(crate) fn message(explained: &mut Explained) {
    for leaf in explained.leaves_mut().filter(|leaf| !leaf.open && leaf.raw != "\"\"") {
        leaf.raw = text(leaf.value.as_deref().unwrap_or(&leaf.raw));
        leaf.value = None;
        leaf.meaning = None;
    }
}

/// The same for a resource. Codes, systems and uses stay.
pub(crate) fn resource(value: &mut Value) {
    walk(value, "", &mut |key, text| {
        if OPEN_KEYS.contains(&key) { None } else { Some(self::text(text)) }
    });
}

/// Values of the same length and kind that nobody can turn back: the salt is forgotten with this.
pub(crate) struct Pseudonyms {
    salt: [u8; 16],
}

impl Pseudonyms {
    pub(crate) fn new() -> Self {
        Self { salt: rand::random() }
    }

    /// Equal values get equal ones. Dates stay dates, all on 1970-01-01.
    pub(crate) fn message(&self, explained: &mut Explained) {
        for leaf in explained.leaves_mut().filter(|leaf| !leaf.open && leaf.raw != "\"\"") {
            let value = leaf.value.take().unwrap_or_else(|| leaf.raw.clone());
            leaf.raw = if leaf.time { fixed_time(&value) } else { self.word(&value) };
        }
    }

    fn word(&self, value: &str) -> String {
        let mut hash = Sha256::new();
        hash.update(self.salt);
        hash.update(value.as_bytes());
        let bytes = hash.finalize();
        let mut stream = bytes.iter().copied().cycle();
        let mut next = |range: u8| stream.next().unwrap_or_default() % range;
        let change = |c: char| match c {
            '0'..='9' => char::from(b'1' + next(9)),
            c if c.is_uppercase() => char::from(b'A' + next(26)),
            c if c.is_alphabetic() => char::from(b'a' + next(26)),
            // No delimiter can come of it.
            ' ' | '.' | ',' | '-' | '+' | '(' | ')' | '/' | '@' | '_' | '\'' => c,
            _ => 'x',
        };
        value.chars().map(change).collect()
    }
}

/// `19741225093000+0100` becomes `19700101000000+0000`, as long as it was.
fn fixed_time(value: &str) -> String {
    let pattern = "19700101000000.000000";
    let end = value.find(['+', '-']).unwrap_or(value.len());
    let mut text: String = pattern.chars().take(end).collect();
    text.push_str(if end < value.len() { "+0000" } else { "" });
    text
}

fn walk(value: &mut Value, key: &str, change: &mut impl FnMut(&str, &str) -> Option<String>) {
    match value {
        Value::String(text) => {
            if let Some(changed) = change(key, text) {
                *text = changed;
            }
        }
        Value::Array(members) => members.iter_mut().for_each(|member| walk(member, key, change)),
        Value::Object(members) => {
            for (key, member) in members {
                walk(member, key, change);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Members of a Patient that say nothing about who it is.
const OPEN_KEYS: [&str; 10] =
    ["resourceType", "use", "system", "code", "url", "gender", "type", "lastUpdated", "versionId", "status"];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn dots_keep_the_shape() {
        assert_eq!(text("Example, Anna"), "E••••••, A•••");
        assert_eq!(text("22 New Rd"), "•• N•• ••");
        assert_eq!(text("1974-12-25"), "••••-••-••");
        assert_eq!(text("Müller"), "M•••••");
        assert_eq!(text(""), "");
    }

    #[test]
    fn a_resource_keeps_its_codes() {
        let mut patient = json!({
            "resourceType": "Patient", "gender": "female", "birthDate": "1974-12-25",
            "name": [{ "use": "official", "family": "Example" }], "multipleBirthInteger": 2
        });
        resource(&mut patient);
        assert_eq!(patient["name"][0], json!({ "use": "official", "family": "E••••••" }));
        assert_eq!((&patient["gender"], &patient["birthDate"]), (&json!("female"), &json!("••••-••-••")));
    }

    #[test]
    fn pseudonyms_keep_length_kind_and_equality() {
        let names = Pseudonyms::new();
        let one = names.word("Anna-Lena|7^");
        assert_eq!(one, names.word("Anna-Lena|7^"));
        assert_eq!(one.chars().count(), 12);
        assert!(!one.contains(['|', '^']) && one.chars().nth(4) == Some('-'), "{one}");
        assert_ne!(names.word("Example"), Pseudonyms::new().word("Example"));
        assert_eq!(fixed_time("19741225"), "19700101");
        assert_eq!(fixed_time("1974"), "1970");
        assert_eq!(fixed_time("197412250930+0100"), "197001010000+0000");
    }
}
