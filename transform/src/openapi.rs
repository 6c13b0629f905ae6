//! `{base}/openapi.json`: every surface of the hook, kept by hand in `openapi.json` beside the code. The tests compare
//! each answer they get with it.

use axum::{
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};

/// Where it is served, below the base path.
pub(crate) const PATH: &str = "/openapi.json";

/// The document.
pub(crate) async fn document() -> Response {
    let mut response = DOCUMENT.into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

const DOCUMENT: &str = include_str!("../openapi.json");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routes;

    #[test]
    fn every_path_of_the_document_is_a_route_of_its_own() {
        let document: serde_json::Value = serde_json::from_str(DOCUMENT).unwrap();
        for (path, _) in document["paths"].as_object().unwrap() {
            assert_eq!(routes::pattern("", path), path);
        }
    }
}
