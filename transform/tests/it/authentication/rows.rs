use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use transform::RateConfig;

use super::*;
use crate::canary::logged;

#[tokio::test]
async fn row_27_no_credentials_are_401_on_every_surface() {
    let hook = TestHook::start_with(two_callers).await;
    let refused = hook.put("p-1", &patient("p-1", "A")).await;
    assert_eq!(refused.refusal(), (401, "Credentials are missing."));
    assert_eq!(refused.headers["www-authenticate"], "Bearer realm=\"adt-bridge\"");
    for (method, path) in [
        (Method::PUT, "/fhir/Patient/p-1"),
        (Method::POST, "/fhir"),
        (Method::POST, "/hook"),
        (Method::GET, "/fhir/Patient/p-1"),
        (Method::GET, "/nowhere"),
    ] {
        let refused = answer(hook.request(method, path)).await;
        assert_eq!(outcome(&refused), (401, "login", "Credentials are missing."), "{path}");
    }
    nothing_queued(&hook).await;
}

#[tokio::test]
async fn row_27_health_and_metadata_ask_nobody() {
    let hook = TestHook::start_with(two_callers).await;
    for path in ["/livez", "/readyz", "/fhir/metadata"] {
        assert_eq!(answer(hook.request(Method::GET, path)).await.status, 200, "{path}");
    }
    let closed = TestHook::start_with(|config| {
        two_callers(config);
        config.auth.public_metadata = false;
    })
    .await;
    assert_eq!(answer(closed.request(Method::GET, "/fhir/metadata")).await.status, 401);
    let known = closed.request(Method::GET, "/fhir/metadata").bearer_auth("a-token-of-reader-1234");
    assert_eq!(answer(known).await.status, 200);
    assert_eq!(answer(closed.request(Method::GET, "/livez")).await.status, 200);
}

#[tokio::test]
async fn row_27_the_answer_comes_before_the_body() {
    let hook = TestHook::start_with(two_callers).await;
    for (credentials, status) in [("", 401), ("authorization: Bearer wrong\r\n", 401), (READER, 403)] {
        let mut stream = TcpStream::connect(hook.address).await.unwrap();
        let head = format!(
            "PUT /fhir/Patient/p-1 HTTP/1.1\r\nhost: x\r\n{credentials}content-length: 1000000\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut start = [0; 12];
        timeout(Duration::from_secs(5), stream.read_exact(&mut start)).await.unwrap().unwrap();
        assert_eq!(String::from_utf8_lossy(&start), format!("HTTP/1.1 {status}"));
    }
}

const READER: &str = "authorization: Bearer a-token-of-reader-1234\r\n";

#[tokio::test]
async fn row_28_credentials_that_are_not_good_are_401_and_the_reason_stays_here() {
    let hook = TestHook::start_with(two_callers).await;
    for header in [
        "Bearer wrong",
        "Bearer ",
        "Bearer a.b.c",
        "Basic aGFwaTpoYXBp",
        "AWS4-HMAC-SHA256 Credential=x",
        "x",
    ] {
        let refused = answer(put(&hook, "p-1").header("authorization", header)).await;
        assert_eq!(outcome(&refused), NOT_VALID, "{header}");
        assert!(refused.headers.contains_key("www-authenticate"));
    }
    nothing_queued(&hook).await;
}

#[tokio::test]
async fn row_29_a_caller_does_what_its_scopes_allow() {
    let hook = TestHook::start_with(two_callers).await;
    let reader = |request: RequestBuilder| request.bearer_auth("a-token-of-reader-1234");
    assert_eq!(answer(put(&hook, "p-1").bearer_auth(TOKEN)).await.status, 201);
    let read = answer(reader(hook.request(Method::GET, "/fhir/Patient/p-1"))).await;
    assert_eq!(read.status, 200);
    for (method, path, verb) in [
        (Method::PUT, "/fhir/Patient/p-1", "update"),
        (Method::POST, "/fhir/Patient", "create"),
        (Method::DELETE, "/fhir/Patient/p-1", "delete"),
        (Method::POST, "/fhir", "create, update and delete"),
        (Method::POST, "/hook", "create, update and delete"),
    ] {
        let refused = answer(reader(hook.request(method, path).body("{}"))).await;
        let text = format!("reader may not {verb} Patient.");
        assert_eq!(outcome(&refused), (403, "forbidden", text.as_str()), "{path}");
        assert!(!refused.headers.contains_key("www-authenticate"));
    }
    let envelope = reader(hook.request(Method::DELETE, "/persistence/Patient/p-1"));
    assert_eq!(answer(envelope).await.refusal(), (403, "reader may not delete Patient."));
    assert_eq!(hook.queued().await.len(), 1);
}

#[tokio::test]
async fn row_39_each_caller_has_a_rate_of_its_own() {
    let hook = TestHook::start_with(|config| {
        two_callers(config);
        config.rate = Some(RateConfig { per_second: 1, burst: 2 });
    })
    .await;
    let get = |token: &str| answer(hook.request(Method::GET, "/fhir/Patient/p-1").bearer_auth(token));
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(get(TOKEN).await.status.as_u16());
    }
    assert_eq!(statuses.get(..2), Some(&[404, 404][..]), "{statuses:?}");
    assert!(statuses.contains(&429), "{statuses:?}");
    let refused = loop {
        let refused = get(TOKEN).await;
        if refused.status == 429 {
            break refused;
        }
    };
    assert_eq!(outcome(&refused), (429, "throttled", "Too many requests."));
    assert!(refused.headers.contains_key("retry-after"));
    assert_eq!(get("a-token-of-reader-1234").await.status, 404, "the other caller is not meant");
    assert_eq!(answer(hook.request(Method::GET, "/livez")).await.status, 200);
}

#[tokio::test]
async fn each_request_leaves_one_line_for_the_auditor() {
    let hook = TestHook::start_with(|config| {
        two_callers(config);
        let auditor = bearer("a-token-of-auditor-12", &["system/Patient.u"]);
        config.auth.bearer.insert("audited".to_owned(), auditor);
    })
    .await;
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let known = |request: RequestBuilder| {
        request
            .bearer_auth("a-token-of-auditor-12")
            .header("traceparent", format!("00-{trace}-00f067aa0ba902b7-01"))
    };
    assert_eq!(answer(known(put(&hook, "secret-id"))).await.status, 201);
    assert_eq!(answer(known(hook.request(Method::DELETE, "/fhir/Patient/secret-id"))).await.status, 403);
    // The line is written when the answer is on its way.
    let lines = loop {
        let lines: Vec<_> = logged(trace).into_iter().filter(|line| line.contains(" audit: ")).collect();
        if lines.len() == 2 {
            break lines;
        }
        tokio::task::yield_now().await;
    };
    assert!(lines[0].contains("audited PUT /fhir/Patient/{id}: 201"), "{lines:?}");
    assert!(lines[1].contains("audited DELETE /fhir/Patient/{id}: 403"), "{lines:?}");
    assert!(!lines.concat().contains("secret-id"), "{lines:?}");
}
