//! What a resource says, as one text and its digest: whatever its server notes about the version, and in whatever order.
//!
//! The text holds the members of each object in the order of their names, without `meta.versionId`, `meta.lastUpdated` and
//! `text`. The records of accepted writes hold digests of it: it must stay as it is. [`Given`](crate::given) puts it
//! together while it reads a body.

use data_encoding::HEXLOWER;
use serde::Serialize;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

/// Stands for what a resource says: SHA-256 of its text.
pub(crate) fn content(resource: &Map<String, Value>) -> String {
    let mut text = Vec::with_capacity(4096);
    write_object(&mut text, resource, Place::Resource);
    digest(&text)
}

/// Stands for such a text.
pub(crate) fn digest(text: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(text))
}

/// Where an object stands, which decides which of its members are left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Resource,
    Meta,
    Inside,
}

impl Place {
    /// `is_empty`: the member is an object of which nothing is written.
    pub(crate) fn leaves_out(self, name: &str, is_empty: impl FnOnce() -> bool) -> bool {
        match (self, name) {
            (Self::Resource, "text") | (Self::Meta, "versionId" | "lastUpdated") => true,
            (Self::Resource, "meta") => is_empty(),
            _ => false,
        }
    }

    pub(crate) fn of_member(self, name: &str) -> Self {
        match (self, name) {
            (Self::Resource, "meta") => Self::Meta,
            _ => Self::Inside,
        }
    }
}

fn write_object(text: &mut Vec<u8>, members: &Map<String, Value>, place: Place) {
    let is_written = |(name, member): &(&String, &Value)| !place.leaves_out(name, || is_empty_meta(member));
    let mut sorted: Vec<_> = members.iter().filter(is_written).collect();
    sorted.sort_unstable_by_key(|(name, _)| *name);
    text.push(b'{');
    for (name, member) in sorted {
        write_plain(text, name);
        text.push(b':');
        write_value(text, member, place.of_member(name));
        text.push(b',');
    }
    text.push(b'}');
}

fn is_empty_meta(meta: &Value) -> bool {
    meta.as_object().is_some_and(|meta| meta.keys().all(|name| Place::Meta.leaves_out(name, || false)))
}

fn write_value(text: &mut Vec<u8>, value: &Value, place: Place) {
    match value {
        Value::Object(members) => write_object(text, members, place),
        Value::Array(members) => {
            text.push(b'[');
            for member in members {
                write_value(text, member, Place::Inside);
                text.push(b',');
            }
            text.push(b']');
        }
        plain => write_plain(text, plain),
    }
}

/// Writes a name, a text, a number, true, false or null.
pub(crate) fn write_plain(text: &mut Vec<u8>, plain: &(impl Serialize + ?Sized)) {
    // A Vec takes everything, and texts and numbers are always written.
    let written = serde_json::to_writer(text, plain);
    debug_assert!(written.is_ok());
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn content_is_what_the_resource_says() {
        let hash = |resource: Value| content(resource.as_object().unwrap());
        let one =
            hash(json!({ "id": "p", "name": [{ "family": "A", "use": "usual" }], "text": { "div": "x" },
            "meta": { "versionId": "1", "lastUpdated": "2024-03-01T09:30:15Z" } }));
        let two = hash(json!({ "name": [{ "use": "usual", "family": "A" }], "id": "p" }));
        assert_eq!(one, two);
        assert_eq!(
            two, "9a90a3c4e8c1cc34789ca72eb518d26bb3f395ac85bf4d14cde13bc190123719",
            "records of before hold it"
        );
        assert_ne!(one, hash(json!({ "id": "p", "name": [{ "family": "A" }] })));
        assert_ne!(
            one,
            hash(json!({ "id": "p", "name": [{ "family": "A", "use": "usual" }],
            "meta": { "tag": [{ "code": "x" }] } }))
        );
    }
}
