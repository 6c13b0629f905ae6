//! One pass over a body that is a Patient, as strict as [`body::parse`](crate::body::parse), which builds a value and says
//! what is wrong. This says only that something is: then the body is read again.
//!
//! The text of [`content`](crate::content) is put together on the way. The members of an object are written as they come;
//! at its end they are brought into the order of their names, by which a name that comes twice shows.

use std::{borrow::Cow, fmt};

use serde::Serialize;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Number;

use super::Id;
use crate::{
    body::{MAX_DEPTH, NUMBER, without_mark},
    content::{self, Place, write_plain},
    told::Told,
};

/// What is known of a Patient before it is converted.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) id: Id,
    pub(super) told: Told,
    /// As [`content::content`].
    pub(super) content: String,
}

/// `None` for what is no Patient, or not strict JSON.
pub(super) fn scan(body: &[u8]) -> Option<Facts> {
    let text = without_mark(std::str::from_utf8(body).ok()?);
    let mut json = serde_json::Deserializer::from_str(text);
    let mut scan = Scan { text: Vec::with_capacity(text.len() + 64), ..Scan::default() };
    Element { scan: &mut scan, place: Place::Resource, depth: 0 }.deserialize(&mut json).ok()?;
    json.end().ok()?;
    let Scan { text, is_patient, id, version_id, last_updated, .. } = scan;
    is_patient.then(|| Facts {
        id,
        told: Told::new(version_id.as_deref(), last_updated.as_deref()),
        content: content::digest(&text),
    })
}

/// What was found so far.
#[derive(Default)]
struct Scan<'de> {
    /// What the resource says.
    text: Vec<u8>,
    /// Of the objects that have not ended, one after the other.
    members: Vec<Member<'de>>,
    /// Room for the members of one object in another order.
    sorted: Vec<u8>,
    is_patient: bool,
    id: Id,
    version_id: Option<Cow<'de, str>>,
    last_updated: Option<Cow<'de, str>>,
}

/// A member of an object, and where it stands in the text: nowhere if it is left out.
struct Member<'de> {
    name: Cow<'de, str>,
    begin: usize,
    end: usize,
}

/// What a value is, as far as it matters.
enum Seen<'de> {
    Null,
    Text(Cow<'de, str>),
    /// An object of which nothing was written.
    Empty,
    Other,
}

impl<'de> Scan<'de> {
    /// Writes a text as [`write_plain`] does, one that was borrowed from JSON: nothing in it is to be escaped.
    fn write_borrowed(&mut self, text: &'de str) {
        self.text.push(b'"');
        self.text.extend_from_slice(text.as_bytes());
        self.text.push(b'"');
    }

    /// Keeps what matters of a member. False: there is no need to go on.
    fn note(&mut self, place: Place, name: &str, seen: Seen<'de>) -> bool {
        match (place, name, seen) {
            (Place::Resource, "resourceType", Seen::Text(kind)) => {
                self.is_patient = kind == "Patient";
                return self.is_patient;
            }
            (Place::Resource, "id", Seen::Text(id)) => self.id = Id::Text(id.into_owned()),
            (Place::Resource, "id", Seen::Empty | Seen::Other) => self.id = Id::Other,
            (Place::Meta, "versionId", Seen::Text(version)) => self.version_id = Some(version),
            (Place::Meta, "lastUpdated", Seen::Text(instant)) => self.last_updated = Some(instant),
            _ => {}
        }
        true
    }

    /// Brings the members of an object, those from `first` on, into their order. False: a name comes twice.
    fn sort(&mut self, first: usize) -> bool {
        let members = self.members.get_mut(first..).unwrap_or_default();
        let is_sorted = |members: &[Member<'_>]| members.is_sorted_by(|a, b| a.name < b.name);
        if let Some(Member { begin, .. }) = members.first()
            && !is_sorted(members)
        {
            let begin = *begin;
            members.sort_unstable_by(|a, b| a.name.cmp(&b.name));
            if !is_sorted(members) {
                return false;
            }
            self.sorted.clear();
            for Member { begin, end, .. } in members {
                self.sorted.extend_from_slice(self.text.get(*begin..*end).unwrap_or_default());
            }
            self.text.truncate(begin);
            self.text.extend_from_slice(&self.sorted);
        }
        self.members.truncate(first);
        true
    }
}

/// A value at some place and depth.
struct Element<'s, 'de> {
    scan: &'s mut Scan<'de>,
    place: Place,
    depth: usize,
}

impl<'de> Element<'_, 'de> {
    fn check_depth<E: Error>(&self) -> Result<(), E> {
        if self.depth >= MAX_DEPTH { Err(refused()) } else { Ok(()) }
    }

    fn plain<E>(self, plain: &(impl Serialize + ?Sized), seen: Seen<'de>) -> Result<Seen<'de>, E> {
        write_plain(&mut self.scan.text, plain);
        Ok(seen)
    }
}

impl<'de> DeserializeSeed<'de> for Element<'_, 'de> {
    type Value = Seen<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Seen<'de>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Element<'_, 'de> {
    type Value = Seen<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Seen<'de>, E> {
        self.plain(&(), Seen::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Seen<'de>, E> {
        self.plain(&value, Seen::Other)
    }

    fn visit_u64<E>(self, value: u64) -> Result<Seen<'de>, E> {
        self.plain(&value, Seen::Other)
    }

    fn visit_i64<E>(self, value: i64) -> Result<Seen<'de>, E> {
        self.plain(&value, Seen::Other)
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Seen<'de>, E> {
        self.scan.write_borrowed(text);
        Ok(Seen::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Seen<'de>, E> {
        self.plain(text, Seen::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Seen<'de>, A::Error> {
        self.check_depth()?;
        let Self { scan, depth, .. } = self;
        scan.text.push(b'[');
        while items
            .next_element_seed(Element { scan: &mut *scan, place: Place::Inside, depth: depth + 1 })?
            .is_some()
        {
            scan.text.push(b',');
        }
        scan.text.push(b']');
        Ok(Seen::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Seen<'de>, A::Error> {
        self.check_depth()?;
        let Self { scan, place, depth } = self;
        let first = scan.members.len();
        scan.text.push(b'{');
        let start = scan.text.len();
        while let Some(name) = members.next_key_seed(Name)? {
            if name == NUMBER && scan.members.len() == first {
                let number: Number = members.next_value::<String>()?.parse().map_err(|_| refused())?;
                scan.text.pop();
                write_plain(&mut scan.text, &number);
                return Ok(Seen::Other);
            }
            let begin = scan.text.len();
            match &name {
                Cow::Borrowed(name) => scan.write_borrowed(name),
                Cow::Owned(name) => write_plain(&mut scan.text, name),
            }
            scan.text.push(b':');
            let place_inside = place.of_member(&name);
            let seen = members.next_value_seed(Element {
                scan: &mut *scan,
                place: place_inside,
                depth: depth + 1,
            })?;
            if place.leaves_out(&name, || matches!(seen, Seen::Empty)) {
                scan.text.truncate(begin);
            } else {
                scan.text.push(b',');
            }
            if !scan.note(place, &name, seen) {
                return Err(refused());
            }
            scan.members.push(Member { name, begin, end: scan.text.len() });
        }
        if !scan.sort(first) {
            return Err(refused());
        }
        let is_empty = scan.text.len() == start;
        scan.text.push(b'}');
        Ok(if is_empty { Seen::Empty } else { Seen::Other })
    }
}

/// The name of a member.
struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Name {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(name))
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(name.to_owned()))
    }
}

/// Not shown to anybody.
fn refused<E: Error>() -> E {
    E::custom("refused")
}

#[cfg(test)]
mod tests;
