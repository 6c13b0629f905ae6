use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};
use axum::http::{HeaderValue, Method, Request, Uri};
use service::config::Secret;

use super::*;
use crate::auth::Permissions;

const ID: &str = "AKIDEXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

fn caller(region: Option<&str>) -> AccessKey {
    let config = SigV4Config {
        access_key_id: ID.to_owned(),
        secret_access_key: Some(Secret::new(SECRET)),
        secret_access_key_file: None,
        region: region.map(str::to_owned),
        scopes: Permissions::default(),
    };
    AccessKey::read("fhir-works", &config).unwrap()
}

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_000_000 + seconds)
}

/// A request as the signer of the AWS SDK signs it.
fn signed(method: &str, path: &str, body: &[u8], secret: &str) -> Parts {
    let identity = Credentials::new(ID, secret, None, None, "test").into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region("eu-west-1")
        .name("execute-api")
        .time(at(0))
        .settings(SigningSettings::default())
        .build()
        .unwrap();
    let headers =
        [("host", "hook.example.org"), ("content-type", "application/json;charset=utf-8"), ("x-two", "a  b")];
    let uri = format!("https://hook.example.org{path}");
    let signable = SignableRequest::new(method, uri, headers.into_iter(), SignableBody::Bytes(body)).unwrap();
    let (instructions, _) = sign(signable, &params.into()).unwrap().into_parts();
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers.into_iter().chain(instructions.headers()) {
        request = request.header(name, value);
    }
    request.body(()).unwrap().into_parts().0
}

fn check(callers: &[AccessKey], head: &Parts, body: &[u8], now: SystemTime) -> Result<Principal, AuthError> {
    let header = head.headers["authorization"].to_str().unwrap();
    let (principal, mut request) = SignedRequest::begin(callers, header, head, now)?;
    body.chunks(7).for_each(|part| request.update(part));
    request.finish().map(|()| principal)
}

#[test]
fn agrees_with_the_signer_of_the_aws_sdk() {
    let callers = [caller(Some("eu-west-1"))];
    for (method, path, body) in [
        ("POST", "/prod/persistence/Patient", &b"{\"resourceType\":\"Patient\"}"[..]),
        ("GET", "/prod/persistence/Patient/a-1.b", b""),
        ("DELETE", "/", b""),
        ("GET", "/prod//persistence/./x/../Patient/", b""),
        ("GET", "/a%20b/c%2Fd/%C3%A4", b""),
        ("GET", "/x?b=2&a=1&a=0&empty&space=a%20b&plus=%2B&_id=%C3%A4", b""),
    ] {
        let head = signed(method, path, body, SECRET);
        let principal = check(&callers, &head, body, at(0)).unwrap_or_else(|error| panic!("{path}: {error}"));
        assert_eq!(principal.name(), "fhir-works");
    }
}

#[test]
fn five_minutes_of_skew_are_taken_and_no_more() {
    let head = signed("GET", "/x", b"", SECRET);
    assert!(check(&[caller(None)], &head, b"", at(300)).is_ok());
    assert!(matches!(check(&[caller(None)], &head, b"", at(301)), Err(AuthError::Expired(_))));
    let early = at(0) - Duration::from_secs(301);
    assert!(matches!(check(&[caller(None)], &head, b"", early), Err(AuthError::Expired(_))));
}

#[test]
fn nothing_signed_can_be_changed() {
    let head = || signed("PUT", "/persistence/Patient/a?x=1", b"{}", SECRET);
    let wrong = |head: &Parts, body: &[u8]| {
        matches!(check(&[caller(None)], head, body, at(0)), Err(AuthError::Invalid(_)))
    };
    assert!(wrong(&head(), b"{ }"));
    let mut changed = head();
    changed.method = Method::DELETE;
    assert!(wrong(&changed, b"{}"));
    for uri in ["/persistence/Patient/b?x=1", "/persistence/Patient/a?x=2", "/persistence/Patient/a"] {
        changed = head();
        changed.uri = Uri::from_static(uri);
        assert!(wrong(&changed, b"{}"), "{uri}");
    }
    for name in ["host", "content-type", "x-two"] {
        changed = head();
        changed.headers.insert(name, HeaderValue::from_static("other"));
        assert!(wrong(&changed, b"{}"), "{name}");
        changed.headers.remove(name);
        assert!(wrong(&changed, b"{}"), "{name} gone");
    }
    changed = head();
    changed.headers.append(DATE, HeaderValue::from_static("20261121T000000Z"));
    assert!(wrong(&changed, b"{}"), "two dates");
    assert!(wrong(&signed("PUT", "/x", b"{}", "another secret key"), b"{}"));
    let elsewhere = check(&[caller(Some("us-east-1"))], &head(), b"{}", at(0));
    assert_eq!(elsewhere, Err(AuthError::Invalid("SigV4 region")));
    assert_eq!(check(&[], &head(), b"{}", at(0)), Err(AuthError::Invalid("SigV4 access key is not known")));
}

#[test]
fn headers_that_make_no_sense_are_refused() {
    let good = signed("GET", "/x", b"", SECRET);
    let header = good.headers["authorization"].to_str().unwrap();
    for (from, to) in [
        ("Credential=", "Credential"),
        (", SignedHeaders=", ", SignedHeaders=host, SignedHeaders="),
        ("execute-api", "s3"),
        ("aws4_request", "aws5_request"),
        ("Signature=", "Signature=zz"),
        ("host;", ""),
        (";x-amz-date", ""),
        ("SignedHeaders=", "SignedHeaders=a;"),
        (", Signature=", ", Other=1, Signature="),
    ] {
        let broken = header.replace(from, to);
        assert_ne!(broken, header, "{from}");
        let refused = SignedRequest::begin(&[caller(None)], &broken, &good, at(0));
        let refused = refused.and_then(|(_, request)| request.finish());
        assert!(matches!(refused, Err(AuthError::Invalid(_))), "{broken}");
    }
}
