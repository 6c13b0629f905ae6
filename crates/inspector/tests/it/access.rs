use reqwest::Method;

use crate::sut::{message, start};

#[tokio::test]
async fn foreign_names_and_pages_are_refused_whatever_they_know() {
    let sut = start(false, &[]).await;
    let bearer = sut.bearer();
    for header in [
        ("host", "rebound.example:80"),
        ("host", "127.0.0.1.example"),
        ("origin", "http://127.0.0.1"),
        ("origin", "null"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ] {
        for path in ["api/v1/messages", "api/v1/events", ""] {
            let answer = sut.ask(Method::GET, path, &[("authorization", &bearer), header]).await;
            assert_eq!(answer.status(), 403, "{header:?} {path}");
        }
    }
    assert_eq!(sut.ask(Method::GET, "api/v1/messages", &[("host", "localhost:1")]).await.status(), 200);
}

#[tokio::test]
async fn changes_need_the_token_and_reading_does_where_it_is_private() {
    let open = start(false, &[]).await;
    let private = start(true, &[]).await;
    for (method, path) in [
        (Method::PUT, "api/v1/faults"),
        (Method::DELETE, "api/v1/faults"),
        (Method::POST, "api/v1/playground"),
        (Method::POST, "api/v1/messages/x/resend"),
        (Method::DELETE, "api/v1/dead-letters/1"),
        (Method::GET, "api/v1/dead-letters/1"),
    ] {
        for sut in [&open, &private] {
            let answer = sut.ask(method.clone(), path, &[]).await;
            assert_eq!(answer.status(), 401, "{method} {path}");
            assert_eq!(answer.headers()["content-type"], "application/problem+json");
        }
    }
    assert_eq!(open.ask(Method::GET, "api/v1/messages", &[]).await.status(), 200);
    assert_eq!(private.ask(Method::GET, "api/v1/messages", &[]).await.status(), 401);
    let wrong = format!("Bearer {}", "0".repeat(64));
    assert_eq!(private.ask(Method::GET, "api/v1/messages", &[("authorization", &wrong)]).await.status(), 401);
    // The page itself holds nothing.
    assert_eq!(private.ask(Method::GET, "", &[]).await.status(), 200);
}

#[tokio::test]
async fn what_is_hidden_is_hidden_by_the_server() {
    let body = message("C1", "A28", "Markerfamily");
    let sut = start(true, &[&body]).await;
    let listed = sut.json("api/v1/messages").await;
    let id = listed["messages"][0]["id"].as_str().unwrap().to_owned();
    for side in ["", "/raw", "/explain", "/fhir", "/timeline", "/test-case"] {
        let path = format!("api/v1/messages/{id}{side}");
        let answer = sut.ask(Method::GET, &path, &[("authorization", &sut.bearer())]).await;
        let text = answer.text().await.unwrap();
        assert!(!text.contains("Markerfamily") && !text.contains("1974"), "{side}: {text}");
        if side == "/raw" {
            let path = format!("{path}?mask=false");
            let shown = sut.ask(Method::GET, &path, &[("authorization", &sut.bearer())]).await;
            assert_eq!(shown.text().await.unwrap(), body, "byte for byte");
        }
    }
}

#[tokio::test]
async fn every_answer_forbids_what_pages_do_not_need() {
    let sut = start(false, &[]).await;
    for path in ["", "m/x", "assets/app.js", "api/v1/messages", "nothing"] {
        let answer = sut.ask(Method::GET, path, &[]).await;
        let policy = answer.headers()["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{path}");
        assert_eq!(answer.headers()["x-content-type-options"], "nosniff", "{path}");
        assert!(answer.headers().get("access-control-allow-origin").is_none());
    }
}
