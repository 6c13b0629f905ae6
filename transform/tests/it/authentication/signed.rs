use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_lc_rs::hmac;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};
use data_encoding::HEXLOWER;
use transform::{SigV4Config, SignatureConfig};

use super::*;

const SECRET: &str = "a secret of the subscription";

async fn medplum() -> TestHook {
    TestHook::start_with(|config| {
        config.auth.signature = Some(SignatureConfig {
            name: "medplum".to_owned(),
            secret: Some(Secret::new(SECRET)),
            secret_file: None,
            scopes: serde_json::from_value(json!(["system/Patient.cud"])).unwrap(),
        });
    })
    .await
}

fn signature(body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    HEXLOWER.encode(hmac::sign(&key, body.as_bytes()).as_ref())
}

#[tokio::test]
async fn a_signed_body_is_taken_and_a_changed_one_is_row_28() {
    let hook = medplum().await;
    let body = patient("p-1", "A").to_string();
    let good = put(&hook, "p-1").header("x-signature", signature(&body)).body(body.clone());
    assert_eq!(answer(good).await.status, 201);
    assert_eq!(hook.queued().await.len(), 1);
    for (signature, body) in
        [(signature(&body), body.replace("\"A\"", "\"B\"")), ("zz".to_owned(), body.clone())]
    {
        let refused = answer(put(&hook, "p-1").header("x-signature", signature).body(body)).await;
        assert_eq!(outcome(&refused), NOT_VALID);
        assert_eq!(refused.headers["www-authenticate"], "Signature realm=\"adt-bridge\"");
    }
    assert_eq!(outcome(&answer(put(&hook, "p-1")).await), (401, "login", "Credentials are missing."));
    nothing_queued(&hook).await;
}

#[tokio::test]
async fn a_signature_over_nothing_admits_nothing() {
    let hook = medplum().await;
    let body = patient("p-1", "A").to_string();
    let request = hook.request(Method::DELETE, "/fhir/Patient/p-1").header("x-signature", signature(&body));
    assert_eq!(outcome(&answer(request.body(body)).await), NOT_VALID, "the body of a DELETE is not read");
    let request = hook.request(Method::DELETE, "/fhir/Patient/p-1").header("x-signature", signature("x"));
    assert_eq!(outcome(&answer(request).await), NOT_VALID);
    nothing_queued(&hook).await;
}

async fn fhir_works() -> TestHook {
    TestHook::start_with(|config| {
        let key = SigV4Config {
            access_key_id: "AKIDEXAMPLE".to_owned(),
            secret_access_key: Some(Secret::new(SECRET)),
            secret_access_key_file: None,
            region: Some("eu-west-1".to_owned()),
            scopes: Default::default(),
        };
        config.auth.sigv4.insert("fhir-works".to_owned(), key);
        config.base_path = "/prod".to_owned();
    })
    .await
}

/// A request as the signer of the AWS SDK signs it, that many seconds ago.
fn signed(hook: &TestHook, method: Method, path: &str, body: &str, age: u64) -> RequestBuilder {
    let identity = Credentials::new("AKIDEXAMPLE", SECRET, None, None, "test").into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region("eu-west-1")
        .name("execute-api")
        .time(SystemTime::now() - Duration::from_secs(age))
        .settings(SigningSettings::default())
        .build()
        .unwrap();
    let uri = format!("{}{path}", hook.url);
    let host = hook.address.to_string();
    let headers = [("host", host.as_str()), ("content-type", "application/json;charset=utf-8")];
    let body_to_sign = SignableBody::Bytes(body.as_bytes());
    let signable = SignableRequest::new(method.as_str(), uri, headers.into_iter(), body_to_sign).unwrap();
    let (instructions, _) = sign(signable, &params.into()).unwrap().into_parts();
    let request = hook.request(method, path).header("content-type", headers[1].1);
    instructions.headers().fold(request, |request, (name, value)| request.header(name, value))
}

#[tokio::test]
async fn requests_signed_for_execute_api_are_taken() {
    let hook = fhir_works().await;
    let body = patient("p-1", "A").to_string();
    let path = "/prod/persistence/Patient/p-1";
    assert_eq!(answer(signed(&hook, Method::PUT, path, &body, 0).body(body.clone())).await.status, 201);
    assert_eq!(answer(signed(&hook, Method::GET, path, "", 0)).await.status, 200);
    assert_eq!(answer(signed(&hook, Method::DELETE, path, "", 290)).await.status, 200);
    assert_eq!(hook.queued().await.len(), 2);

    let changed = signed(&hook, Method::PUT, path, &body, 0).body(body.replace("\"A\"", "\"B\""));
    let refused = answer(changed).await;
    assert_eq!(refused.refusal(), (401, "Credentials are not valid."));
    assert_eq!(refused.headers["www-authenticate"], "AWS4-HMAC-SHA256 realm=\"adt-bridge\"");
    let old = signed(&hook, Method::DELETE, path, "", 310);
    assert_eq!(answer(old).await.refusal(), (401, "Credentials are not valid."));
    let elsewhere = signed(&hook, Method::GET, "/prod/persistence/Patient/p-2", "", 0).build().unwrap();
    let moved = hook.request(Method::GET, path).headers(elsewhere.headers().clone());
    assert_eq!(answer(moved).await.status, 401);
    nothing_queued(&hook).await;
}

#[tokio::test]
async fn a_header_that_an_api_gateway_has_verified_is_nobodys_business() {
    let hook = TestHook::start().await;
    let header = "AWS4-HMAC-SHA256 Credential=x/20261121/eu-west-1/execute-api/aws4_request, SignedHeaders=host, Signature=0";
    assert_eq!(answer(put(&hook, "p-1").header("authorization", header)).await.status, 201);
}
