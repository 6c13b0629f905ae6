//! The pages: static files that are part of the program, with their types and tags.

use axum::Router;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

/// Path, type and content.
type Asset = (&'static str, &'static str, &'static str);

macro_rules! assets {
    ($($name:literal: $kind:expr),+ $(,)?) => {
        &[$((concat!("/assets/", $name), $kind, include_str!(concat!("../pages/", $name)))),+]
    };
}

const JS: &str = "text/javascript; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SVG: &str = "image/svg+xml";

const ASSETS: &[Asset] = assets! {
    "actions.js": JS,
    "annotated.js": JS,
    "api.js": JS,
    "app.js": JS,
    "base.css": CSS,
    "changes.js": JS,
    "dom.js": JS,
    "faults.js": JS,
    "format.js": JS,
    "icon.svg": SVG,
    "inbox.js": JS,
    "keys.js": JS,
    "linked.js": JS,
    "live.js": JS,
    "message.css": CSS,
    "message.js": JS,
    "notice.js": JS,
    "playground.js": JS,
    "positions.js": JS,
    "queue.js": JS,
    "resource.js": JS,
    "samples.js": JS,
    "scenario.js": JS,
    "session.js": JS,
    "shell.css": CSS,
    "shell.js": JS,
    "tables.css": CSS,
    "theme.js": JS,
    "timeline.js": JS,
    "tools.css": CSS,
};

/// The page; its scripts look at the path.
const PAGES: [&str; 7] = ["/", "/m/{id}", "/queue", "/dead-letters", "/playground", "/faults", "/keys"];

pub(crate) fn routes() -> Router {
    let mut router = Router::new();
    for page in PAGES {
        router = router.route(
            page,
            get(|headers: HeaderMap| async move { answer(&headers, "text/html; charset=utf-8", INDEX) }),
        );
    }
    for (path, kind, content) in ASSETS.iter().copied() {
        router =
            router.route(path, get(move |headers: HeaderMap| async move { answer(&headers, kind, content) }));
    }
    router
}

pub(crate) async fn openapi(headers: HeaderMap) -> Response {
    answer(&headers, "application/json", OPENAPI)
}

/// Asked for again with its tag each time: a new version is seen at once.
fn answer(headers: &HeaderMap, kind: &'static str, content: &'static str) -> Response {
    let tag = format!("\"{}\"", HEXLOWER.encode(Sha256::digest(content).get(..16).unwrap_or_default()));
    let Ok(tag) = HeaderValue::from_str(&tag) else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    if headers.get(IF_NONE_MATCH) == Some(&tag) {
        return (StatusCode::NOT_MODIFIED, [(ETAG, tag)]).into_response();
    }
    let fixed = [
        (CONTENT_TYPE, HeaderValue::from_static(kind)),
        (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (ETAG, tag),
    ];
    (fixed, content).into_response()
}

const INDEX: &str = include_str!("../pages/index.html");
const OPENAPI: &str = include_str!("../pages/openapi.json");
