//! The keys of a token issuer: fetched when needed, kept, and fetched again when a token names a key not among them.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use jsonwebtoken::{
    Algorithm, DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, PublicKeyUse},
};
use tokio::{sync::Mutex, time::Instant};

use super::AuthError;

/// The public keys of one issuer that can check a signature here.
#[derive(Default)]
pub(super) struct KeySet(Vec<VerifyingKey>);

struct VerifyingKey {
    id: Option<String>,
    algorithms: Vec<Algorithm>,
    key: DecodingKey,
}

impl KeySet {
    /// Keys for encryption, with a shared secret, or of another kind are left out.
    pub(super) fn new(set: &JwkSet) -> Self {
        Self(set.keys.iter().filter_map(VerifyingKey::new).collect())
    }

    /// # Errors
    /// When the text is not a JSON Web Key Set (RFC 7517 §5).
    pub(super) fn parse(json: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(json).map(|set| Self::new(&set))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The key of that name; without a name, the only one that fits.
    pub(super) fn find(&self, id: Option<&str>, algorithm: Algorithm) -> Option<DecodingKey> {
        let mut fitting = self.0.iter().filter(|key| key.algorithms.contains(&algorithm));
        let found = match id {
            Some(id) => fitting.find(|key| key.id.as_deref() == Some(id)),
            None => fitting.next().filter(|_| fitting.next().is_none()),
        };
        found.map(|key| key.key.clone())
    }
}

impl VerifyingKey {
    fn new(jwk: &Jwk) -> Option<Self> {
        if jwk.common.public_key_use.as_ref().is_some_and(|usage| *usage != PublicKeyUse::Signature) {
            return None;
        }
        let mut algorithms = match &jwk.algorithm {
            AlgorithmParameters::RSA(_) => vec![Algorithm::RS256, Algorithm::RS384],
            AlgorithmParameters::EllipticCurve(curve) if curve.curve == EllipticCurve::P384 => {
                vec![Algorithm::ES384]
            }
            _ => return None,
        };
        if let Some(named) = jwk.common.key_algorithm {
            algorithms.retain(|algorithm| format!("{algorithm:?}") == named.to_string());
        }
        let key = DecodingKey::from_jwk(jwk).ok()?;
        Some(Self { id: jwk.common.key_id.clone(), algorithms, key })
    }
}

/// A key set that is fetched.
pub(super) struct Jwks {
    fetch: Box<dyn Fn() -> Fetching + Send + Sync>,
    kept: RwLock<Option<Kept>>,
    /// When a fetch was last tried; held while one runs, so that there is one at a time.
    tried: Mutex<Option<Instant>>,
}

pub(super) type Fetching = Pin<Box<dyn Future<Output = Result<KeySet, String>> + Send>>;

#[derive(Clone)]
struct Kept {
    keys: Arc<KeySet>,
    fetched: Instant,
}

impl Jwks {
    pub(super) fn new(fetch: impl Fn() -> Fetching + Send + Sync + 'static) -> Self {
        Self { fetch: Box::new(fetch), kept: RwLock::new(None), tried: Mutex::new(None) }
    }

    /// The key that must have signed.
    ///
    /// # Errors
    /// [`AuthError::Invalid`] when the issuer has no such key, [`AuthError::Unavailable`] when it cannot be asked.
    pub(super) async fn find(
        &self,
        id: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<DecodingKey, AuthError> {
        let known = self.usable(FRESH).and_then(|kept| kept.keys.find(id, algorithm));
        if let Some(key) = known {
            return Ok(key);
        }
        self.refresh().await;
        // Keys that are older than they should be still count for a while when the issuer cannot be reached.
        let kept = self.usable(STALE).ok_or(AuthError::Unavailable("the issuer's keys cannot be fetched"))?;
        kept.keys.find(id, algorithm).ok_or(AuthError::Invalid("token names a key that the issuer has not"))
    }

    fn usable(&self, age: Duration) -> Option<Kept> {
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner).clone();
        kept.filter(|kept| kept.fetched.elapsed() < age)
    }

    /// Fetches, unless somebody did a moment ago: tokens with invented key ids cost the issuer nothing.
    async fn refresh(&self) {
        let mut tried = self.tried.lock().await;
        if tried.is_some_and(|tried| tried.elapsed() < PAUSE) {
            return;
        }
        *tried = Some(Instant::now());
        let fetched = match tokio::time::timeout(FETCH_TIMEOUT, (self.fetch)()).await {
            Ok(Ok(keys)) if !keys.is_empty() => keys,
            Ok(Ok(_)) => return tracing::warn!("the issuer's key set has no usable key"),
            Ok(Err(error)) => return tracing::warn!(error, "cannot fetch the issuer's keys: {error}"),
            Err(_) => return tracing::warn!("cannot fetch the issuer's keys: no answer in time"),
        };
        let kept = Kept { keys: Arc::new(fetched), fetched: Instant::now() };
        *self.kept.write().unwrap_or_else(PoisonError::into_inner) = Some(kept);
    }
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeySet({} keys)", self.0.len())
    }
}

impl fmt::Debug for Jwks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jwks").finish_non_exhaustive()
    }
}

/// A key that the issuer took back is refused after this time.
const FRESH: Duration = Duration::from_secs(15 * 60);
/// How long keys count when the issuer cannot be reached.
const STALE: Duration = Duration::from_secs(24 * 60 * 60);
/// The least time between two fetches.
const PAUSE: Duration = Duration::from_secs(30);
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests;
