use std::sync::{Arc, Mutex};

use jsonwebtoken::{
    Algorithm, EncodingKey, Header, encode, get_current_timestamp,
    jwk::{Jwk, JwkSet},
};
use rcgen::{KeyPair, PKCS_ECDSA_P384_SHA384, PKCS_RSA_SHA256};
use serde_json::Value;
use tokio::net::TcpListener;
use transform::{JwtAlgorithm, JwtConfig};

use super::*;

#[tokio::test]
async fn tokens_of_a_file_are_exchanged_without_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    std::fs::write(&path, "the-first-token-1234\n").unwrap();
    let file = path.clone();
    let hook = TestHook::start_with(|config| {
        let hapi = BearerConfig { token: None, token_file: Some(file), ..bearer(TOKEN, &["system/*.*"]) };
        config.auth.bearer.insert("hapi".to_owned(), hapi);
    })
    .await;
    let get = |token: &'static str| hook.request(Method::GET, "/fhir/Patient/p-1").bearer_auth(token);
    assert_eq!(answer(get("the-first-token-1234")).await.status, 404);
    std::fs::write(&path, "the-first-token-1234\nthe-second-token-12345\n").unwrap();
    until(404, || get("the-second-token-12345")).await;
    assert_eq!(
        answer(get("the-first-token-1234")).await.status,
        404,
        "both are good while one replaces the other"
    );
    std::fs::write(&path, "the-second-token-12345\n").unwrap();
    until(401, || get("the-first-token-1234")).await;
    std::fs::write(&path, "short\n").unwrap();
    let broken = "new files are broken";
    until(404, || get("the-second-token-12345")).await;
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(20);
    while !crate::canary::logged(broken).iter().any(|line| line.contains("hook.auth.bearer.hapi")) {
        assert!(tokio::time::Instant::now() < deadline, "nothing was said of the broken file");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(answer(get("the-second-token-12345")).await.status, 404, "the last good one stays");
}

/// An issuer that publishes its keys over HTTP and can change them.
struct TokenIssuer {
    url: String,
    keys: Arc<Mutex<JwkSet>>,
    fetches: Arc<Mutex<usize>>,
}

impl TokenIssuer {
    async fn start() -> Self {
        let keys = Arc::new(Mutex::new(JwkSet { keys: Vec::new() }));
        let fetches = Arc::new(Mutex::new(0));
        let (published, count) = (Arc::clone(&keys), Arc::clone(&fetches));
        let jwks = axum::routing::get(move || {
            *count.lock().unwrap() += 1;
            let keys = serde_json::to_string(&*published.lock().unwrap()).unwrap();
            async move { keys }
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/jwks", listener.local_addr().unwrap());
        #[expect(clippy::disallowed_methods, reason = "ends with the test")]
        tokio::spawn(axum::serve(listener, axum::Router::new().route("/jwks", jwks)).into_future());
        Self { url, keys, fetches }
    }

    /// Publishes a new key and gives what signs with it.
    fn add(&self, id: &str, algorithm: Algorithm) -> Signer {
        let key = match algorithm {
            Algorithm::ES384 => EncodingKey::from_ec_der(
                &KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap().serialize_der(),
            ),
            _ => {
                // The library reads PKCS #1, which a PKCS #8 of this size holds from its 27th byte on.
                let key = KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap().serialize_der();
                EncodingKey::from_rsa_der(key.get(26..).unwrap())
            }
        };
        let mut jwk = Jwk::from_encoding_key(&key, algorithm).unwrap();
        jwk.common.key_id = Some(id.to_owned());
        self.keys.lock().unwrap().keys.push(jwk);
        Signer { id: id.to_owned(), key, algorithm }
    }

    fn config(&self) -> JwtConfig {
        JwtConfig {
            issuer: "https://issuer.example.org".to_owned(),
            audience: "https://hook.example.org".to_owned(),
            jwks_url: Some(self.url.clone()),
            jwks_ca_file: None,
            jwks_file: None,
            algorithms: vec![JwtAlgorithm::RS384, JwtAlgorithm::ES384, JwtAlgorithm::RS256],
            emails: Vec::new(),
            scopes: None,
        }
    }
}

struct Signer {
    id: String,
    key: EncodingKey,
    algorithm: Algorithm,
}

impl Signer {
    fn sign(&self, scope: &str, seconds: i64) -> String {
        let exp = get_current_timestamp().cast_signed() + seconds;
        let claims: Value = json!({
            "iss": "https://issuer.example.org", "aud": "https://hook.example.org", "client_id": "c-1",
            "exp": exp, "scope": scope,
        });
        let header = Header { kid: Some(self.id.clone()), ..Header::new(self.algorithm) };
        encode(&header, &claims, &self.key).unwrap()
    }
}

#[tokio::test]
async fn a_web_token_is_judged_by_the_published_keys_and_its_scopes() {
    let issuer = TokenIssuer::start().await;
    let (elliptic, rsa) = (issuer.add("ec", Algorithm::ES384), issuer.add("rsa", Algorithm::RS384));
    let config = issuer.config();
    let hook = TestHook::start_with(|hook| {
        hook.auth.jwt.insert("clinic".to_owned(), config);
    })
    .await;
    for signer in [&elliptic, &rsa] {
        let token = signer.sign("system/Patient.cud", 60);
        assert!([200, 201].contains(&answer(put(&hook, "p-1").bearer_auth(&token)).await.status.as_u16()));
        let get = hook.request(Method::GET, "/fhir/Patient/p-1").bearer_auth(&token);
        let refused = answer(get).await;
        assert_eq!(outcome(&refused), (403, "forbidden", "clinic:c-1 may not read Patient."));
    }
    let before = *issuer.fetches.lock().unwrap();
    assert_eq!(before, 1, "the keys are kept");
    let old = answer(put(&hook, "p-1").bearer_auth(elliptic.sign("system/*.*", -120))).await;
    assert_eq!(outcome(&old), (401, "expired", "Credentials are not valid."));
    let forged = TokenIssuer::start().await.add("ec", Algorithm::ES384).sign("system/*.*", 60);
    assert_eq!(outcome(&answer(put(&hook, "p-1").bearer_auth(forged)).await), NOT_VALID);
}

#[tokio::test]
async fn an_issuer_that_cannot_be_asked_is_503_and_not_401() {
    let mut config = TokenIssuer::start().await.config();
    let signer = TokenIssuer::start().await.add("ec", Algorithm::ES384);
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    config.jwks_url = Some(format!("http://{free}/jwks"));
    let hook = TestHook::start_with(|hook| {
        hook.auth.jwt.insert("clinic".to_owned(), config);
    })
    .await;
    let refused = answer(put(&hook, "p-1").bearer_auth(signer.sign("system/*.*", 60))).await;
    assert_eq!(outcome(&refused), (503, "transient", "Credentials cannot be checked now."));
    assert!(refused.headers.contains_key("retry-after"));
}
