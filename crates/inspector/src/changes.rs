//! What changed between two messages, value by value.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::explain::{Explained, Leaf};

/// The differences. Patient data: no `Debug`.
#[derive(Serialize)]
pub(crate) struct Changes {
    pub(crate) changes: Vec<Change>,
    /// Values that are the same in both.
    pub(crate) unchanged: usize,
    /// Places that were not compared.
    pub(crate) ignored: Vec<String>,
}

#[derive(Serialize)]
pub(crate) struct Change {
    pub(crate) location: String,
    /// Such as `Patient name · family name`.
    pub(crate) title: String,
    pub(crate) before: Option<String>,
    pub(crate) after: Option<String>,
    /// FHIRPath of the element it came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) expression: Option<String>,
}

/// Compares two messages. `ignored` holds places such as `MSH-7`; `before` and `after` may be masked: what is compared
/// is what `same` says.
pub(crate) fn compare(
    before: &Explained,
    after: &Explained,
    shown: [&Explained; 2],
    ignored: &[String],
) -> Changes {
    let [values_before, values_after] = [before, after].map(values);
    let [shown_before, shown_after] = shown.map(values);
    let mut changes = Vec::new();
    let mut unchanged = 0;
    let mut seen = BTreeSet::new();
    let all = values_after.iter().chain(&values_before);
    for (location, title, leaf) in all {
        let skip = ignored.iter().any(|place| {
            *location == place
                || location.strip_prefix(place.as_str()).is_some_and(|rest| rest.starts_with(['.', '[']))
        });
        if skip || !seen.insert(*location) {
            continue;
        }
        let (was, is) = (lookup(&values_before, location), lookup(&values_after, location));
        if was.map(text) == is.map(text) {
            unchanged += usize::from(is.is_some());
            continue;
        }
        changes.push(Change {
            location: (*location).to_owned(),
            title: if leaf.title.is_empty() {
                (*title).to_owned()
            } else {
                format!("{title} · {}", leaf.title)
            },
            before: lookup(&shown_before, location).map(text).map(str::to_owned),
            after: lookup(&shown_after, location).map(text).map(str::to_owned),
            expression: is.or(was).and_then(|leaf| Some(leaf.source.as_ref()?.expression.clone())),
        });
    }
    Changes { changes, unchanged, ignored: ignored.to_vec() }
}

/// What differs in any two messages.
pub(crate) fn always_different() -> Vec<String> {
    ["MSH-7", "MSH-10", "EVN-2", "EVN-6"].map(str::to_owned).to_vec()
}

type Valued<'a> = (&'a str, &'a str, &'a Leaf);

fn values(explained: &Explained) -> Vec<Valued<'_>> {
    let fields = explained.segments.iter().flat_map(|segment| &segment.fields);
    let leaves = fields.flat_map(|field| {
        let leaves = field.repetitions.iter().flatten().flatten();
        leaves.map(|leaf| (leaf.location.as_str(), field.title.as_str(), leaf))
    });
    leaves.filter(|(_, _, leaf)| !leaf.raw.is_empty()).collect()
}

fn lookup<'a>(values: &[Valued<'a>], location: &str) -> Option<&'a Leaf> {
    values.iter().find(|(place, _, _)| *place == location).map(|(_, _, leaf)| *leaf)
}

fn text(leaf: &Leaf) -> &str {
    leaf.value.as_deref().unwrap_or(&leaf.raw)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::dictionary::Dictionary;

    fn explained(pid: &str) -> Explained {
        let text = format!("MSH|^~\\&|A|B|C|D|{}||ADT^A31|1|T|2.5.1\r{pid}\r", pid.len());
        let text = hl7v2::Text::from_text(&text).unwrap();
        crate::explain::explain(&text, &text.parse().unwrap(), &Dictionary::load(), &HashMap::new())
    }

    #[test]
    fn changed_added_and_removed() {
        let (before, after) =
            (explained("PID|1||9||A^B||19700101|F"), explained("PID|1||9||C^B|||F|||New St"));
        let changes = compare(&before, &after, [&before, &after], &always_different());
        let found: Vec<_> = changes
            .changes
            .iter()
            .map(|change| (change.location.as_str(), change.before.as_deref(), change.after.as_deref()))
            .collect();
        assert_eq!(
            found,
            [
                ("PID-5.1", Some("A"), Some("C")),
                ("PID-11", None, Some("New St")),
                ("PID-7", Some("19700101"), None)
            ]
        );
        assert_eq!(changes.changes[0].title, "Patient name · family name");
        assert!(changes.unchanged > 10);
    }
}
