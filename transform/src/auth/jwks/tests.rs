use std::sync::atomic::{AtomicUsize, Ordering};

use jsonwebtoken::jwk::KeyAlgorithm;
use rcgen::{KeyPair, PKCS_ECDSA_P384_SHA384};

use super::*;

/// A key set with one P-384 key of each name.
fn set(names: &[&str]) -> JwkSet {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap().serialize_der();
    let key = jsonwebtoken::EncodingKey::from_ec_der(&key);
    let named = |name: &&str| {
        let mut jwk = Jwk::from_encoding_key(&key, Algorithm::ES384).unwrap();
        jwk.common.key_id = Some((*name).to_owned());
        jwk
    };
    JwkSet { keys: names.iter().map(named).collect() }
}

/// An issuer that answers from a list, one entry a fetch, and counts.
fn issuer(answers: &'static [Result<&'static [&'static str], &'static str>]) -> (Jwks, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let fetches = Arc::clone(&count);
    let jwks = Jwks::new(move || {
        let answer = answers[fetches.fetch_add(1, Ordering::Relaxed).min(answers.len() - 1)];
        Box::pin(async move { answer.map(|names| KeySet::new(&set(names))).map_err(str::to_owned) })
    });
    (jwks, count)
}

async fn find(jwks: &Jwks, id: &str) -> Result<(), AuthError> {
    jwks.find(Some(id), Algorithm::ES384).await.map(drop)
}

#[tokio::test(start_paused = true)]
async fn a_new_key_is_fetched_when_a_token_names_it() {
    let (jwks, count) = issuer(&[Ok(&["a"]), Ok(&["a", "b"]), Ok(&["b"])]);
    find(&jwks, "a").await.unwrap();
    find(&jwks, "a").await.unwrap();
    assert_eq!(count.load(Ordering::Relaxed), 1);
    assert!(matches!(find(&jwks, "b").await, Err(AuthError::Invalid(_))), "not twice within the pause");
    assert_eq!(count.load(Ordering::Relaxed), 1);
    tokio::time::advance(PAUSE).await;
    find(&jwks, "b").await.unwrap();
    assert_eq!(count.load(Ordering::Relaxed), 2);
    tokio::time::advance(FRESH).await;
    assert!(find(&jwks, "a").await.is_err(), "taken back by the issuer");
    find(&jwks, "b").await.unwrap();
    assert_eq!(count.load(Ordering::Relaxed), 3);
}

#[tokio::test(start_paused = true)]
async fn the_last_good_keys_count_for_a_day() {
    let (jwks, count) = issuer(&[Ok(&["a"]), Err("down")]);
    find(&jwks, "a").await.unwrap();
    tokio::time::advance(FRESH).await;
    find(&jwks, "a").await.unwrap();
    find(&jwks, "a").await.unwrap();
    assert_eq!(count.load(Ordering::Relaxed), 2, "the issuer is asked once in a while");
    tokio::time::advance(STALE).await;
    assert!(matches!(find(&jwks, "a").await, Err(AuthError::Unavailable(_))));
}

#[tokio::test(start_paused = true)]
async fn an_issuer_that_hangs_is_not_waited_for() {
    let jwks = Jwks::new(|| Box::pin(std::future::pending()));
    assert!(matches!(find(&jwks, "a").await, Err(AuthError::Unavailable(_))));
}

#[test]
fn only_keys_that_may_sign_here_count() {
    let mut keys = set(&["enc", "other", "good"]);
    keys.keys[0].common.public_key_use = Some(PublicKeyUse::Encryption);
    keys.keys[1].common.key_algorithm = Some(KeyAlgorithm::ES256);
    let keys = KeySet::new(&keys);
    assert!(keys.find(Some("enc"), Algorithm::ES384).is_none());
    assert!(keys.find(Some("other"), Algorithm::ES384).is_none());
    assert!(keys.find(Some("good"), Algorithm::ES384).is_some());
    assert!(keys.find(Some("good"), Algorithm::RS384).is_none());
    assert!(keys.find(None, Algorithm::ES384).is_some(), "the only one");
    assert!(KeySet::new(&set(&["a", "b"])).find(None, Algorithm::ES384).is_none(), "which one?");
    let secret = br#"{"keys":[{"kty":"oct","k":"c2VjcmV0","kid":"s"},{"kty":"new","kid":"n"}]}"#;
    assert!(KeySet::parse(secret).unwrap().is_empty());
    assert!(KeySet::parse(b"{}").is_err());
}
