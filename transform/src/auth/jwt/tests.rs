use jsonwebtoken::{EncodingKey, Header, encode, get_current_timestamp, jwk::Jwk, jwk::JwkSet};
use rcgen::{KeyPair, PKCS_ECDSA_P384_SHA384};
use serde_json::{Value, json};

use super::*;

struct Signer {
    key: EncodingKey,
    keys: KeySet,
}

impl Signer {
    fn new() -> Self {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap().serialize_der();
        let key = EncodingKey::from_ec_der(&key);
        let mut jwk = Jwk::from_encoding_key(&key, Algorithm::ES384).unwrap();
        jwk.common.key_id = Some("one".to_owned());
        Self { key, keys: KeySet::new(&JwkSet { keys: vec![jwk] }) }
    }

    fn sign(&self, claims: &Value) -> String {
        let header = Header { kid: Some("one".to_owned()), ..Header::new(Algorithm::ES384) };
        encode(&header, claims, &self.key).unwrap()
    }

    async fn admit(&self, issuer: Issuer, token: &str) -> Result<Principal, AuthError> {
        principal(&[issuer], |_| &self.keys, token).await
    }
}

fn issuer(change: impl FnOnce(&mut JwtConfig)) -> Issuer {
    let mut config = JwtConfig {
        issuer: "https://issuer.example.org".to_owned(),
        audience: "https://hook.example.org/fhir".to_owned(),
        jwks_url: None,
        jwks_ca_file: None,
        jwks_file: Some("jwks.json".into()),
        algorithms: vec![JwtAlgorithm::RS384, JwtAlgorithm::ES384],
        emails: Vec::new(),
        scopes: None,
    };
    change(&mut config);
    Issuer::new("clinic", &config).unwrap()
}

fn claims(change: Value) -> Value {
    let mut claims = json!({
        "iss": "https://issuer.example.org",
        "aud": "https://hook.example.org/fhir",
        "sub": "hapi",
        "exp": get_current_timestamp() + 300,
        "scope": "openid system/Patient.cud",
    });
    for (name, value) in change.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims
}

#[tokio::test]
async fn a_good_token_gives_its_client_and_scopes() {
    let signer = Signer::new();
    let token = signer.sign(&claims(json!({ "aud": ["x", "https://hook.example.org/fhir"] })));
    let principal = signer.admit(issuer(|_| {}), &token).await.unwrap();
    assert_eq!(principal.name(), "clinic:hapi");
    assert!(principal.may(Permissions::WRITE) && !principal.may(Permissions::READ));
    let mut list = claims(json!({ "scp": ["system/*.r"], "client_id": "c-1" }));
    list.as_object_mut().unwrap().remove("scope");
    let principal = signer.admit(issuer(|_| {}), &signer.sign(&list)).await.unwrap();
    assert_eq!(principal.name(), "clinic:c-1");
    assert!(principal.may(Permissions::READ) && !principal.may(Permissions::CREATE));
}

#[tokio::test]
async fn what_is_wrong_with_a_token_is_found() {
    let signer = Signer::new();
    let now = get_current_timestamp();
    let cases = [
        (json!({ "exp": now - 61 }), AuthError::Expired("token has expired")),
        (json!({ "exp": null }), AuthError::Invalid("token lacks exp, iss or aud")),
        (json!({ "nbf": now + 61 }), AuthError::Invalid("token is not valid yet")),
        (json!({ "iss": "https://other.example.org" }), AuthError::Invalid("token issuer is not allowed")),
        (json!({ "aud": "https://other.example.org" }), AuthError::Invalid("token is for another audience")),
        (json!({ "aud": null }), AuthError::Invalid("token lacks exp, iss or aud")),
    ];
    for (change, refused) in cases {
        let token = signer.sign(&claims(change.clone()));
        assert_eq!(signer.admit(issuer(|_| {}), &token).await, Err(refused), "{change}");
    }
    let near = signer.sign(&claims(json!({ "exp": now - 30, "nbf": now + 30 })));
    assert!(signer.admit(issuer(|_| {}), &near).await.is_ok(), "clocks differ a little");
    let other = Signer::new().sign(&claims(json!({})));
    assert_eq!(signer.admit(issuer(|_| {}), &other).await, Err(AuthError::Invalid("token signature")));
    let good = signer.sign(&claims(json!({})));
    let cut = good.rsplit_once('.').unwrap().0;
    for token in ["", "a", "a.b.c", cut, &format!("{cut}.")] {
        assert!(matches!(signer.admit(issuer(|_| {}), token).await, Err(AuthError::Invalid(_))), "{token}");
    }
}

#[tokio::test]
async fn algorithms_that_are_not_allowed_are_refused_before_a_key_is_looked_for() {
    let signer = Signer::new();
    let refused = Err(AuthError::Invalid("token algorithm is not allowed"));
    let token = signer.sign(&claims(json!({})));
    let rsa_only = issuer(|config| config.algorithms = vec![JwtAlgorithm::RS256]);
    assert_eq!(signer.admit(rsa_only, &token).await, refused);
    let header = Header { kid: Some("one".to_owned()), ..Header::new(Algorithm::HS256) };
    let shared = encode(&header, &claims(json!({})), &EncodingKey::from_secret(b"public key")).unwrap();
    assert_eq!(signer.admit(issuer(|_| {}), &shared).await, refused);
    let none = |part: &str| data_encoding::BASE64URL_NOPAD.encode(part.as_bytes());
    let unsigned = format!("{}.{}.", none(r#"{"alg":"none"}"#), none(&claims(json!({})).to_string()));
    assert_eq!(signer.admit(issuer(|_| {}), &unsigned).await, Err(AuthError::Invalid("token header")));
}

#[tokio::test]
async fn a_push_token_needs_a_verified_email_of_the_list() {
    let signer = Signer::new();
    let google = || issuer(|config| config.emails = vec!["push@project.iam.gserviceaccount.com".to_owned()]);
    let good = json!({ "email": "push@project.iam.gserviceaccount.com", "email_verified": true });
    let principal = signer.admit(google(), &signer.sign(&claims(good))).await.unwrap();
    assert_eq!(principal.name(), "clinic:push@project.iam.gserviceaccount.com");
    for bad in [
        json!({}),
        json!({ "email": "push@project.iam.gserviceaccount.com" }),
        json!({ "email": "push@project.iam.gserviceaccount.com", "email_verified": false }),
        json!({ "email": "other@project.iam.gserviceaccount.com", "email_verified": true }),
    ] {
        let refused = signer.admit(google(), &signer.sign(&claims(bad))).await;
        assert_eq!(refused, Err(AuthError::Invalid("token email is not allowed")));
    }
}

#[test]
fn half_settings_are_refused() {
    for change in [
        (|config: &mut JwtConfig| config.jwks_file = None) as fn(&mut JwtConfig),
        |config| config.jwks_url = Some("https://issuer.example.org/jwks".to_owned()),
        |config| config.jwks_ca_file = Some("ca.pem".into()),
        |config| config.algorithms = Vec::new(),
        |config| config.audience = String::new(),
        |config| {
            config.jwks_file = None;
            config.jwks_url = Some("http://issuer.example.org/jwks".to_owned());
        },
        |config| {
            config.jwks_file = None;
            config.jwks_url = Some("jwks".to_owned());
        },
    ] {
        let Issuer { mut config, .. } = issuer(|_| {});
        change(&mut config);
        let error = Issuer::new("clinic", &config).unwrap_err();
        assert!(error.to_string().starts_with("hook.auth.jwt.clinic."), "{error}");
    }
}
