//! AWS Signature Version 4 for `execute-api`, as the persistence facade of FHIR Works on AWS signs its calls.
//!
//! Behind an API gateway the gateway verifies; this is for a facade that calls the hook itself. The header is taken
//! apart before the body is read, the hash of the body completes it. Temporary credentials (with a session token)
//! cannot be verified here: only AWS knows them.

use std::time::SystemTime;

use aws_lc_rs::{constant_time::verify_slices_are_equal, hmac};
use axum::http::{HeaderMap, request::Parts};
use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use jiff::{SignedDuration, Timestamp, civil::DateTime, tz::TimeZone};
use sha2::{Digest, Sha256};

use super::{
    AuthError, Principal,
    config::{AuthConfigError, SigV4Config},
    secret_lines::SecretLines,
};

/// The keys of one caller.
#[derive(Debug)]
pub(super) struct AccessKey {
    principal: Principal,
    id: String,
    region: Option<String>,
    /// `AWS4` and the secret access key.
    secrets: Vec<hmac::Key>,
}

/// A signed request that waits for the hash of its body.
#[derive(Debug)]
pub(super) struct SignedRequest {
    /// The canonical request up to the hash of the body.
    canonical: String,
    /// `x-amz-date` and credential scope, as the string to sign holds them.
    preamble: String,
    signing_keys: Vec<hmac::Key>,
    given: Vec<u8>,
    payload: Sha256,
}

/// The parts of the `Authorization` header.
struct Authorization<'h> {
    access_key_id: &'h str,
    date: &'h str,
    region: &'h str,
    signed_headers: &'h str,
    signature: Vec<u8>,
}

impl AccessKey {
    pub(super) fn read(name: &str, config: &SigV4Config) -> Result<Self, AuthConfigError> {
        let lines = SecretLines {
            setting: format!("hook.auth.sigv4.{name}.secret_access_key"),
            value: config.secret_access_key.as_ref(),
            file: config.secret_access_key_file.as_ref(),
        };
        let key = |secret: &service::config::Secret| {
            hmac::Key::new(hmac::HMAC_SHA256, format!("AWS4{}", secret.expose()).as_bytes())
        };
        Ok(Self {
            principal: Principal::new(name, config.scopes),
            id: config.access_key_id.clone(),
            region: config.region.clone(),
            secrets: lines.read()?.iter().map(key).collect(),
        })
    }
}

impl SignedRequest {
    /// Checks what the head shows: whose key, for what, when.
    ///
    /// # Errors
    /// [`AuthError::Expired`] when the clocks are more than five minutes apart, else [`AuthError::Invalid`].
    pub(super) fn begin(
        callers: &[AccessKey],
        header: &str,
        head: &Parts,
        now: SystemTime,
    ) -> Result<(Principal, Self), AuthError> {
        let authorization = Authorization::parse(header).ok_or(AuthError::Invalid("SigV4 header"))?;
        let caller = callers.iter().find(|caller| caller.id == authorization.access_key_id);
        let caller = caller.ok_or(AuthError::Invalid("SigV4 access key is not known"))?;
        if caller.region.as_ref().is_some_and(|region| region != authorization.region) {
            return Err(AuthError::Invalid("SigV4 region"));
        }
        let mut names = authorization.signed_headers.split(';');
        if !names.clone().any(|name| name == "host") || !names.any(|name| name == DATE) {
            return Err(AuthError::Invalid("SigV4 leaves host or x-amz-date unsigned"));
        }
        let time = single(&head.headers, DATE).ok_or(AuthError::Invalid("SigV4 date"))?;
        if time.get(..8) != Some(authorization.date) {
            return Err(AuthError::Invalid("SigV4 dates differ"));
        }
        let signed_at = DateTime::strptime("%Y%m%dT%H%M%SZ", time)
            .and_then(|time| time.to_zoned(TimeZone::UTC))
            .map_err(|_| AuthError::Invalid("SigV4 date"))?
            .timestamp();
        let now =
            Timestamp::try_from(now).map_err(|_| AuthError::Unavailable("the clock is out of range"))?;
        if now.duration_since(signed_at).abs() > MAX_SKEW {
            return Err(AuthError::Expired("SigV4 date is more than five minutes away"));
        }
        let Authorization { date, region, signed_headers, .. } = authorization;
        let mut canonical = format!(
            "{}\n{}\n{}\n",
            head.method,
            canonical_path(head.uri.path()),
            canonical_query(head.uri.query().unwrap_or_default())
        );
        for name in signed_headers.split(';') {
            let value = canonical_value(&head.headers, name)
                .ok_or(AuthError::Invalid("SigV4 signs a header that is not there"))?;
            canonical.push_str(&format!("{name}:{value}\n"));
        }
        canonical.push_str(&format!("\n{signed_headers}\n"));
        let signing_key = |secret: &hmac::Key| {
            [date, region, SERVICE, TERMINATOR].iter().fold(secret.clone(), |key, part| {
                hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&key, part.as_bytes()).as_ref())
            })
        };
        let request = Self {
            canonical,
            preamble: format!("{ALGORITHM}\n{time}\n{date}/{region}/{SERVICE}/{TERMINATOR}\n"),
            signing_keys: caller.secrets.iter().map(signing_key).collect(),
            given: authorization.signature,
            payload: Sha256::new(),
        };
        Ok((caller.principal.clone(), request))
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.payload.update(bytes);
    }

    pub(super) fn finish(self) -> Result<(), AuthError> {
        let canonical = self.canonical + &HEXLOWER.encode(&self.payload.finalize());
        let to_sign = self.preamble + &HEXLOWER.encode(&Sha256::digest(canonical));
        let mut good = false;
        for key in &self.signing_keys {
            let expected = hmac::sign(key, to_sign.as_bytes());
            good |= verify_slices_are_equal(expected.as_ref(), &self.given).is_ok();
        }
        if good { Ok(()) } else { Err(AuthError::Invalid("SigV4 signature")) }
    }
}

/// Whether an `Authorization` header is of this kind.
pub(super) fn is_sigv4(header: &str) -> bool {
    header.starts_with(ALGORITHM)
}

impl<'h> Authorization<'h> {
    /// `AWS4-HMAC-SHA256 Credential=…/20261121/eu-west-1/execute-api/aws4_request, SignedHeaders=…, Signature=…`
    fn parse(header: &'h str) -> Option<Self> {
        let (mut credential, mut signed_headers, mut signature) = (None, None, None);
        for part in header.strip_prefix(ALGORITHM)?.split(',') {
            let (name, value) = part.trim().split_once('=')?;
            let place = match name {
                "Credential" => &mut credential,
                "SignedHeaders" => &mut signed_headers,
                "Signature" => &mut signature,
                _ => return None,
            };
            if place.replace(value).is_some() {
                return None;
            }
        }
        // An access key id may hold slashes, the scope after it may not.
        let mut scope = credential?.rsplitn(5, '/');
        let (terminator, service, region) = (scope.next()?, scope.next()?, scope.next()?);
        let (date, access_key_id) = (scope.next()?, scope.next()?);
        (terminator == TERMINATOR && service == SERVICE).then_some(())?;
        let signature = HEXLOWER_PERMISSIVE.decode(signature?.as_bytes()).ok()?;
        Some(Self { access_key_id, date, region, signed_headers: signed_headers?, signature })
    }
}

/// The path without empty and relative segments, each segment encoded once more than it came (all services but S3).
fn canonical_path(path: &str) -> String {
    let mut segments = Vec::new();
    for segment in path.split('/').filter(|segment| !segment.is_empty() && *segment != ".") {
        if segment == ".." {
            segments.pop();
        } else {
            segments.push(encode(segment.as_bytes()));
        }
    }
    let end = if path.ends_with('/') && !segments.is_empty() { "/" } else { "" };
    format!("/{}{end}", segments.join("/"))
}

/// The parameters, encoded once and sorted.
fn canonical_query(query: &str) -> String {
    let mut pairs: Vec<_> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (encode(&decode(name)), encode(&decode(value)))
        })
        .collect();
    pairs.sort();
    pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

/// The values of a header, trimmed, runs of spaces made one, joined by commas.
fn canonical_value(headers: &HeaderMap, name: &str) -> Option<String> {
    let mut values = Vec::new();
    for value in headers.get_all(name) {
        let words: Vec<_> = value.to_str().ok()?.split(' ').filter(|word| !word.is_empty()).collect();
        values.push(words.join(" "));
    }
    (!values.is_empty()).then(|| values.join(","))
}

fn single<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

fn encode(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, &byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
        text
    })
}

fn decode(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let escape = after.get(..2).filter(|_| first == b'%');
        match escape.and_then(|hex| HEXLOWER_PERMISSIVE.decode(hex).ok()) {
            Some(decoded) => {
                bytes.extend(decoded);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    bytes
}

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const SERVICE: &str = "execute-api";
const TERMINATOR: &str = "aws4_request";
const DATE: &str = "x-amz-date";
/// As AWS allows.
const MAX_SKEW: SignedDuration = SignedDuration::from_mins(5);

#[cfg(test)]
mod tests;
