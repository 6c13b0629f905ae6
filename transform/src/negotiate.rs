//! What the headers of a request say about formats and conditions.

use axum::http::{HeaderMap, HeaderName, header};
use sha2::{Digest, Sha256};

use crate::error::HookError;

/// `_format` in the query counts more than `Accept` (FHIR R4 http §3.1.0.1.11).
pub(crate) fn check_format(query: Option<&str>) -> Result<bool, HookError> {
    let format = query.and_then(|query| query.split('&').find_map(|pair| pair.strip_prefix("_format=")));
    let Some(format) = format.filter(|format| !format.is_empty()) else { return Ok(false) };
    let format = format.to_ascii_lowercase().replace("%2b", "+").replace("%2f", "/").replace(' ', "+");
    if format == "json" || is_json(&format) { Ok(true) } else { Err(HookError::NotAcceptable) }
}

/// JSON must be among what the client takes. No `Accept`, or one that cannot be read, takes everything.
pub(crate) fn check_accept(headers: &HeaderMap) -> Result<(), HookError> {
    let mut any = false;
    for value in headers.get_all(header::ACCEPT) {
        let Ok(value) = value.to_str() else { return Ok(()) };
        for range in value.split(',').map(str::trim).filter(|range| !range.is_empty()) {
            any = true;
            let (media, parameters) = range.split_once(';').unwrap_or((range, ""));
            let media = media.trim().to_ascii_lowercase();
            let takes = matches!(media.as_str(), "*/*" | "application/*" | "text/*") || is_json(&media);
            if takes && !refused(parameters) {
                return Ok(());
            }
        }
    }
    if any { Err(HookError::NotAcceptable) } else { Ok(()) }
}

/// For a body that is not empty: JSON in UTF-8, or no word about it.
pub(crate) fn check_content_type(headers: &HeaderMap) -> Result<(), HookError> {
    if headers.get(header::CONTENT_ENCODING).is_some_and(|coding| coding != "identity") {
        return Err(HookError::ContentEncoding);
    }
    let Some(value) = headers.get(header::CONTENT_TYPE) else { return Ok(()) };
    let given = value.to_str().unwrap_or("?").trim();
    let (media, parameters) = given.split_once(';').unwrap_or((given, ""));
    let charset = parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim()
            .eq_ignore_ascii_case("charset")
            .then(|| value.trim().trim_matches('"').to_ascii_lowercase())
    });
    let utf8 = charset.is_none_or(|charset| charset == "utf-8" || charset == "utf8");
    if given.is_empty() || (is_json(&media.trim().to_ascii_lowercase()) && utf8) {
        Ok(())
    } else {
        Err(HookError::ContentType { given: given.chars().take(100).collect() })
    }
}

/// Names the write, if the caller does: its repeat can then be recognised. A hash, as the name may hold anything.
pub(crate) fn request_key(headers: &HeaderMap) -> Option<String> {
    let name = [IDEMPOTENCY_KEY, REQUEST_ID].into_iter().find_map(|name| headers.get(name))?;
    (!name.is_empty()).then(|| data_encoding::HEXLOWER.encode(&Sha256::digest(name.as_bytes())))
}

/// The trace that the caller says this request belongs to (W3C Trace Context).
pub(crate) fn given_traceparent(headers: &HeaderMap) -> Option<&str> {
    let given = headers.get(TRACEPARENT).and_then(|value| value.to_str().ok());
    given.filter(|value| is_traceparent(value))
}

/// The trace this request belongs to: the caller's or a new one.
pub(crate) fn traceparent(headers: &HeaderMap) -> String {
    match given_traceparent(headers) {
        Some(given) => given.to_owned(),
        None => format!("00-{:032x}-{:016x}-00", rand::random::<u128>().max(1), rand::random::<u64>().max(1)),
    }
}

/// The trace id within a `traceparent`.
pub(crate) fn trace_id(traceparent: &str) -> &str {
    traceparent.split('-').nth(1).unwrap_or_default()
}

/// The version an `If-Match` asks for: `W/"5"`, `"5"` and `5` are the same. `None` for `*` or no header.
pub(crate) fn if_match(headers: &HeaderMap) -> Option<String> {
    version_of(headers.get(header::IF_MATCH)?.to_str().ok()?)
}

/// The version of an entity tag.
pub(crate) fn version_of(tag: &str) -> Option<String> {
    let tag = tag.trim();
    let version = tag.strip_prefix("W/").unwrap_or(tag).trim_matches('"');
    (tag != "*").then(|| version.chars().filter(char::is_ascii_graphic).take(64).collect())
}

/// `If-None-Match: *`: only if there is no such patient yet.
pub(crate) fn only_if_new(headers: &HeaderMap) -> bool {
    headers.get(header::IF_NONE_MATCH).is_some_and(|value| value == "*")
}

/// `If-None-Match` of a read names the version that is there.
pub(crate) fn has_version(headers: &HeaderMap, version: &str) -> bool {
    let values = headers.get_all(header::IF_NONE_MATCH);
    let mut tags = values.iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    tags.any(|tag| {
        let tag = tag.trim();
        tag == "*" || tag.strip_prefix("W/").unwrap_or(tag).trim_matches('"') == version
    })
}

/// `?replay=true`: a version that was sent already is sent again.
pub(crate) fn replay(query: Option<&str>) -> bool {
    query.is_some_and(|query| query.split('&').any(|pair| pair == "replay=true"))
}

/// What `Prefer: return=…` asks for (RFC 7240 §4.2, FHIR R4 http §3.1.0.1.6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Return {
    Minimal,
    #[default]
    Representation,
    OperationOutcome,
}

/// The body that the client wants; the first preference counts, unknown ones do not.
pub(crate) fn preferred_return(headers: &HeaderMap) -> Return {
    let wanted = preference(headers, "return").and_then(|wanted| match wanted.as_str() {
        "minimal" => Some(Return::Minimal),
        "representation" => Some(Return::Representation),
        "operationoutcome" => Some(Return::OperationOutcome),
        _ => None,
    });
    wanted.unwrap_or_default()
}

/// `Prefer: handling=lenient` or `strict`; `None` where the client does not say.
pub(crate) fn lenient(headers: &HeaderMap) -> Option<bool> {
    match preference(headers, "handling")?.as_str() {
        "lenient" => Some(true),
        "strict" => Some(false),
        _ => None,
    }
}

fn preference(headers: &HeaderMap, name: &str) -> Option<String> {
    let values = headers.get_all(PREFER).iter().filter_map(|value| value.to_str().ok());
    let mut preferences = values.flat_map(|value| value.split([',', ';']));
    preferences.find_map(|preference| {
        let (key, value) = preference.split_once('=')?;
        let value = value.trim().trim_matches('"').to_ascii_lowercase();
        key.trim().eq_ignore_ascii_case(name).then_some(value)
    })
}

/// FHIR's conditional create.
pub(crate) const IF_NONE_EXIST: HeaderName = HeaderName::from_static("if-none-exist");

fn is_json(media: &str) -> bool {
    let known = matches!(media, "application/json" | "application/fhir+json" | "text/json");
    known || (media.starts_with("application/") && media.ends_with("+json"))
}

/// `q=0` means "not this one".
fn refused(parameters: &str) -> bool {
    parameters.split(';').any(|parameter| {
        let weight = parameter.trim().strip_prefix("q=").and_then(|weight| weight.parse::<f32>().ok());
        weight.is_some_and(|weight| weight <= 0.0)
    })
}

fn is_traceparent(value: &str) -> bool {
    let parts: Vec<_> = value.split('-').collect();
    let hex = |part: &str, length: usize| {
        part.len() == length
            && part.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    };
    let [version, trace, parent, flags] = parts.as_slice() else { return false };
    let zero = |part: &str| part.bytes().all(|byte| byte == b'0');
    hex(version, 2)
        && *version != "ff"
        && hex(trace, 32)
        && !zero(trace)
        && hex(parent, 16)
        && !zero(parent)
        && hex(flags, 2)
}

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const PREFER: HeaderName = HeaderName::from_static("prefer");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn headers(name: HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_str(value).unwrap())])
    }

    #[test]
    fn accept_must_take_json() {
        for (accept, taken) in [
            ("*/*", true),
            ("application/fhir+json", true),
            ("text/plain, */*", true),
            ("application/json, text/plain, */*", true),
            ("application/fhir+json;q=0.9, application/fhir+xml", true),
            ("", true),
            ("application/fhir+xml", false),
            ("text/html, application/xml;q=0.9", false),
            ("application/json;q=0", false),
        ] {
            assert_eq!(check_accept(&headers(header::ACCEPT, accept)).is_ok(), taken, "{accept}");
        }
        assert!(check_accept(&HeaderMap::new()).is_ok());
    }

    #[test]
    fn content_type_must_be_json_in_utf8() {
        for (content_type, taken) in [
            ("application/json;charset=utf-8", true),
            ("application/fhir+json; charset=\"UTF-8\"", true),
            ("text/json", true),
            ("application/vnd.x+json", true),
            ("application/json;charset=latin1", false),
            ("application/fhir+xml", false),
            ("application/x-www-form-urlencoded", false),
            ("text/plain", false),
        ] {
            let result = check_content_type(&headers(header::CONTENT_TYPE, content_type));
            assert_eq!(result.is_ok(), taken, "{content_type}");
        }
        assert!(check_content_type(&HeaderMap::new()).is_ok());
        assert!(check_content_type(&headers(header::CONTENT_ENCODING, "gzip")).is_err());
    }

    #[test]
    fn reads_every_form_of_if_match() {
        for value in ["W/\"5\"", "\"5\"", "5"] {
            assert_eq!(if_match(&headers(header::IF_MATCH, value)).as_deref(), Some("5"));
        }
        assert_eq!(if_match(&headers(header::IF_MATCH, "*")), None);
    }

    #[test]
    fn keeps_a_valid_trace_and_replaces_any_other() {
        let given = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(traceparent(&headers(TRACEPARENT, given)), given);
        assert_eq!(trace_id(given), "4bf92f3577b34da6a3ce929d0e0e4736");
        for bad in ["00-x", "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "John Doe"] {
            let made = traceparent(&headers(TRACEPARENT, bad));
            assert!(is_traceparent(&made) && made != bad, "{made}");
        }
    }
}
