//! Row 51: a hook without a source server. Authentication (27 to 29) and reading back (52, 53) have tests of their own.

use reqwest::Method;

use super::{of, refused};
use crate::hook::TestHook;

#[tokio::test]
async fn row_51_id_only_without_a_source() {
    let hook = TestHook::start().await;
    let expected = of(501, "not-supported", "Id-only notifications need a source server.", "");
    for (method, path) in
        [(Method::PUT, "/fhir/Patient/p-1"), (Method::POST, "/fhir"), (Method::POST, "/hook")]
    {
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        assert_eq!(refused(&hook, method, path, &headers, "").await, expected, "{path}");
    }
}
