//! The request body: read within limits, then as strict JSON.
//!
//! RFC 8259 leaves duplicate keys open and readers differ on which one counts: a way to show a checker one patient and
//! a receiver another. So they are refused, like deep nesting and bytes that are not UTF-8.

use std::{cell::RefCell, fmt, time::Duration};

use axum::{body::Body, http::HeaderMap, http::header};
use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::{Instant, timeout_at},
};

use crate::{auth::AuthError, error::HookError, resource_types};

/// Checks how long the body says it is.
///
/// # Errors
/// 413 when it says more than the limit: it is not read at all.
pub(crate) fn check_announced(headers: &HeaderMap, limit: usize) -> Result<(), HookError> {
    let Some(length) = headers.get(header::CONTENT_LENGTH) else { return Ok(()) };
    let length = length.to_str().ok().and_then(|length| length.parse().ok()).unwrap_or(usize::MAX);
    if length > limit { Err(HookError::BodyTooLarge { limit }) } else { Ok(()) }
}

/// Reads the whole body. `room` is counted in KiB and taken for what has arrived, not for what was announced: a
/// thousand clients that announce much and send nothing leave it to the others.
pub(crate) async fn receive(
    body: Body,
    limit: usize,
    room: &Semaphore,
    time: Duration,
) -> Result<(Bytes, Option<SemaphorePermit<'_>>), HookError> {
    let until = Instant::now() + time;
    let mut body = Limited::new(body, limit);
    let (mut bytes, mut share) = (BytesMut::new(), None::<SemaphorePermit<'_>>);
    loop {
        let data = match timeout_at(until, body.frame()).await {
            Ok(None) => return Ok((bytes.freeze(), share)),
            Ok(Some(Ok(frame))) => frame.into_data().unwrap_or_default(),
            Ok(Some(Err(error))) if error.is::<LengthLimitError>() => {
                return Err(HookError::BodyTooLarge { limit });
            }
            Ok(Some(Err(error))) => {
                return Err(unsigned(&*error).map_or(HookError::BodyCutOff, HookError::Credentials));
            }
            Err(_) => return Err(HookError::BodyTimeout),
        };
        let taken = share.as_ref().map_or(0, SemaphorePermit::num_permits);
        let more = (bytes.len() + data.len()).div_ceil(1024).saturating_sub(taken);
        if more > 0 {
            let more = room.acquire_many(u32::try_from(more).unwrap_or(u32::MAX));
            let Ok(Ok(more)) = timeout_at(until, more).await else { return Err(HookError::TooManyRequests) };
            match &mut share {
                Some(share) => share.merge(more),
                None => share = Some(more),
            }
        }
        bytes.extend_from_slice(&data);
    }
}

/// What a body ended with that is not the one its sender signed.
fn unsigned(mut error: &(dyn std::error::Error + 'static)) -> Option<AuthError> {
    loop {
        if let Some(found) = error.downcast_ref() {
            return Some(*found);
        }
        error = error.source()?;
    }
}

/// Reads a JSON object.
pub(crate) fn parse_object(body: &[u8]) -> Result<Map<String, Value>, HookError> {
    match parse(body)? {
        Value::Object(members) => Ok(members),
        _ => Err(HookError::NotObject),
    }
}

/// The body as text.
pub(crate) fn text(body: &[u8]) -> Result<&str, HookError> {
    std::str::from_utf8(body).map_err(|_| HookError::NotUtf8)
}

/// RFC 8259 §8.1: a reader may ignore a byte order mark.
pub(crate) fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// Reads any JSON.
pub(crate) fn parse(body: &[u8]) -> Result<Value, HookError> {
    let text = without_mark(text(body)?);
    let reading = Reading::default();
    let mut json = serde_json::Deserializer::from_str(text);
    let read = Element { reading: &reading, depth: 0 }.deserialize(&mut json).and_then(|value| {
        json.end()?;
        Ok(value)
    });
    match (reading.fault.into_inner(), read) {
        (Some(HookError::DuplicateKey { .. }), _) => {
            Err(HookError::DuplicateKey { path: join(reading.path.take()) })
        }
        (Some(fault), _) => Err(fault),
        (None, Ok(value)) => Ok(value),
        (None, Err(error)) => Err(HookError::NotJson { line: error.line(), column: error.column() }),
    }
}

/// What a resource says it is; `None` for a name that R4 does not have.
///
/// # Errors
/// When it says nothing.
pub(crate) fn resource_type(resource: &Map<String, Value>) -> Result<Option<&'static str>, HookError> {
    match resource.get("resourceType") {
        None | Some(Value::Null) => Err(HookError::ResourceTypeMissing),
        Some(kind) => Ok(kind.as_str().and_then(resource_types::known)),
    }
}

/// What is known while reading: where we are, and what was wrong that is not the JSON syntax.
#[derive(Default)]
struct Reading {
    /// Of the fault, from the inside out.
    path: RefCell<Vec<String>>,
    fault: RefCell<Option<HookError>>,
}

/// A value at some depth.
#[derive(Clone, Copy)]
struct Element<'r> {
    reading: &'r Reading,
    depth: usize,
}

impl Element<'_> {
    fn inner(self) -> Self {
        Self { depth: self.depth + 1, ..self }
    }

    /// Ends the reading with a fault of our own; the text given to serde is never shown.
    fn fault<E: serde::de::Error>(self, fault: HookError) -> E {
        self.reading.fault.borrow_mut().get_or_insert(fault);
        E::custom("refused")
    }

    /// Notes where a fault is on the way out; nothing is noted of a body without one.
    fn within<T, E>(self, result: Result<T, E>, step: impl FnOnce() -> String) -> Result<T, E> {
        if result.is_err() && self.reading.fault.borrow().is_some() {
            self.reading.path.borrow_mut().push(step());
        }
        result
    }

    fn check_depth<E: serde::de::Error>(self) -> Result<(), E> {
        if self.depth >= MAX_DEPTH { Err(self.fault(HookError::TooDeep)) } else { Ok(()) }
    }
}

impl<'de> DeserializeSeed<'de> for Element<'_> {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Element<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("number"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        self.check_depth()?;
        let mut list = Vec::new();
        loop {
            let item = items.next_element_seed(self.inner());
            match self.within(item, || format!("[{}]", list.len()))? {
                Some(item) => list.push(item),
                None => return Ok(Value::Array(list)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        self.check_depth()?;
        let mut map = Map::new();
        while let Some(key) = members.next_key::<String>()? {
            if key == NUMBER && map.is_empty() {
                let digits = members.next_value::<String>()?;
                return digits.parse().map(Value::Number).map_err(|_| A::Error::custom("number"));
            }
            if map.contains_key(&key) {
                let fault = self.fault(HookError::DuplicateKey { path: String::new() });
                return self.within(Err(fault), || step(&key));
            }
            let value = members.next_value_seed(self.inner());
            let value = self.within(value, || step(&key))?;
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }
}

/// A member's name as it may be shown: one that looks like an element's (FHIR R4 `_value[x]`, `birthDate`), or a question
/// mark. The name of a person does not, nor does a number.
fn step(key: &str) -> String {
    let name = key.strip_prefix('_').unwrap_or(key);
    let plain = (1..=40).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
    format!(".{}", if plain { key } else { "?" })
}

fn join(mut path: Vec<String>) -> String {
    path.reverse();
    path.concat().trim_start_matches('.').to_owned()
}

/// How `serde_json` hands over a decimal when it keeps all digits (its feature `arbitrary_precision`, which the mapping
/// asks for: FHIR decimals differ in their zeros).
pub(crate) const NUMBER: &str = "$serde_json::private::Number";

/// FHIR resources stay below 20; the parser itself would stop at 128.
pub(crate) const MAX_DEPTH: usize = 64;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::routes::Surface;

    fn refused(body: &[u8]) -> String {
        parse_object(body).unwrap_err().answer(Surface::Fhir).text
    }

    #[test]
    fn reads_what_serde_json_reads() {
        let body =
            br#"{"a":[1,-2,2.5,true,null,"x\u00e4\ud83d\ude00"],"b":{"c":{}},"d":18446744073709551615}"#;
        let expected: Value = serde_json::from_slice(body).unwrap();
        assert_eq!(Value::Object(parse_object(body).unwrap()), expected);
        assert!(parse_object("\u{feff}{}".as_bytes()).is_ok());
        let decimal = parse_object(br#"{"a":1.10,"b":0.0}"#).unwrap();
        assert_eq!(
            serde_json::to_string(&decimal).unwrap(),
            r#"{"a":1.10,"b":0.0}"#,
            "digits stay as they are"
        );
    }

    #[test]
    fn says_where_the_syntax_breaks() {
        assert_eq!(refused(b"{\n  \"a\": tru }"), "Body is not valid JSON at line 2 column 11.");
        assert_eq!(refused(b"{} {}"), "Body is not valid JSON at line 1 column 4.");
        assert_eq!(refused(b"{\"a\":1"), "Body is not valid JSON at line 1 column 6.");
        assert_eq!(refused(b"<Patient/>"), "Body is not valid JSON at line 1 column 1.");
    }

    #[test]
    fn wants_an_object() {
        for body in [&b"null"[..], b"[]", b"\"x\"", b"7", b"[{}]"] {
            assert_eq!(refused(body), "Body must be a JSON object.");
        }
    }

    #[test]
    fn refuses_duplicate_keys_by_path() {
        assert_eq!(refused(br#"{"id":"a","id":"b"}"#), "Body has a duplicate key at id.");
        assert_eq!(
            refused(br#"{"name":[{},{"family":"A","given":["B"],"family":"C"}]}"#),
            "Body has a duplicate key at name[1].family."
        );
        // The same key by another escape is the same key, and a key that is no element name is not repeated.
        assert_eq!(refused(br#"{"id":1,"\u0069d":2}"#), "Body has a duplicate key at id.");
        assert_eq!(refused(br#"{"_family":1,"_family":2}"#), "Body has a duplicate key at _family.");
        for name in ["John Doe", "Doe", "19470228", "doe_john", "_"] {
            let body = format!("{{\"{name}\":1,\"{name}\":2}}");
            assert_eq!(refused(body.as_bytes()), "Body has a duplicate key at ?.");
        }
    }

    #[test]
    fn refuses_bytes_that_are_not_utf8() {
        assert_eq!(refused(b"{\"a\":\"\xff\"}"), "Body is not UTF-8.");
        assert_eq!(refused(b"{\"a\":\"\xed\xa0\x80\"}"), "Body is not UTF-8.");
        assert_eq!(refused(br#"{"a":"\ud800"}"#), "Body is not valid JSON at line 1 column 13.");
    }

    #[test]
    fn nests_64_deep_and_no_deeper() {
        let nested = |depth: usize| format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth));
        assert!(parse_object(nested(64).as_bytes()).is_ok());
        assert_eq!(refused(nested(65).as_bytes()), "Body is nested too deeply.");
        let lists = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse_object(lists(63).as_bytes()).is_ok());
        assert_eq!(refused(lists(64).as_bytes()), "Body is nested too deeply.");
        assert_eq!(refused(lists(100_000).as_bytes()), "Body is nested too deeply.");
    }

    proptest! {
        #[test]
        fn no_bytes_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            drop(parse_object(&body));
        }

        #[test]
        fn agrees_with_serde_json(text in r#"[\[\]{}:,"ab0-9.eE\\ \n-]{0,40}"#) {
            let ours = parse_object(text.as_bytes());
            let theirs = serde_json::from_str::<Value>(&text);
            match ours {
                Ok(members) => prop_assert_eq!(Some(Value::Object(members)), theirs.ok()),
                Err(HookError::NotJson { .. }) => prop_assert!(theirs.is_err()),
                Err(_) => {}
            }
        }
    }
}
