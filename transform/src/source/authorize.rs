//! How we say who we are to a source.

use std::{
    net::IpAddr,
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::http::{Request, header};
use http_body_util::Full;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::{
    address::Base,
    client::{self, FetchError, HttpClient},
    config::{AssertionAlgorithm, CredentialsConfig, SmartBackend},
};

/// Makes the bearer token of a request.
#[derive(Debug)]
pub(super) enum Authorize {
    None,
    File(PathBuf),
    Smart(Box<Smart>),
}

/// SMART Backend Services, with the token in use.
#[derive(Debug)]
pub(super) struct Smart {
    config: SmartBackend,
    allowed: Vec<IpAddr>,
    token: Mutex<Option<Token>>,
    /// One purchase at a time.
    purchase: tokio::sync::Mutex<()>,
}

/// An access token. `Debug` hides it.
#[derive(Clone)]
struct Token {
    text: String,
    until: Instant,
}

impl Authorize {
    pub(super) fn new(config: &CredentialsConfig, allowed: &[IpAddr]) -> Self {
        match config {
            CredentialsConfig::None {} => Self::None,
            CredentialsConfig::Bearer { token_file } => Self::File(token_file.clone()),
            CredentialsConfig::SmartBackend(smart) => Self::Smart(Box::new(Smart {
                config: smart.clone(),
                allowed: allowed.to_vec(),
                token: Mutex::default(),
                purchase: tokio::sync::Mutex::default(),
            })),
        }
    }

    /// The token to send; `None` where none is wanted.
    pub(super) async fn token(&self, http: &HttpClient) -> Result<Option<String>, FetchError> {
        match self {
            Self::None => Ok(None),
            // Read each time: it may have been replaced, and a file of this size costs nothing beside a request.
            Self::File(path) => match tokio::fs::read_to_string(path).await {
                Ok(token) if !token.trim().is_empty() => Ok(Some(token.trim().to_owned())),
                Ok(_) => Err(unusable("the token file is empty")),
                Err(_) => Err(unusable("the token file cannot be read")),
            },
            Self::Smart(smart) => smart.token(http).await.map(Some),
        }
    }

    /// The source did not take the token: the next request buys another.
    pub(super) fn forget(&self) {
        if let Self::Smart(smart) = self {
            *smart.held() = None;
        }
    }
}

impl Smart {
    async fn token(&self, http: &HttpClient) -> Result<String, FetchError> {
        if let Some(token) = self.fresh() {
            return Ok(token);
        }
        let _purchase = self.purchase.lock().await;
        if let Some(token) = self.fresh() {
            return Ok(token);
        }
        let token = self.buy(http).await?;
        *self.held() = Some(token.clone());
        Ok(token.text)
    }

    async fn buy(&self, http: &HttpClient) -> Result<Token, FetchError> {
        let key = tokio::fs::read(&self.config.key_file).await;
        let key = key.map_err(|_| unusable("the key file cannot be read"))?;
        let assertion = assertion(&self.config, &key, jiff::Timestamp::now().as_second())?;
        let form = [
            ("grant_type", "client_credentials"),
            ("scope", self.config.scope.as_str()),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", &assertion),
        ];
        // The configuration was checked at start: this is one of the URLs that we may ask.
        let url = Base::new(&self.config.token_url, &self.allowed).and(Ok(self.config.token_url.as_str()));
        let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let request = url.ok().and_then(|url| {
            let request = Request::post(url).header(header::ACCEPT, "application/json");
            let request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
            request.body(Full::from(form)).ok()
        });
        let request = request.ok_or_else(|| unusable("the token URL cannot be used"))?;
        let answer = http.request(request).await.map_err(|error| client::unreachable(&error))?;
        let status = answer.status();
        if !status.is_success() {
            let may_pass = status.is_server_error() || status.as_u16() == 429;
            return Err(FetchError::Credentials { reason: "the token server refuses", may_pass });
        }
        let body = client::receive(answer, MOST_TOKEN_BYTES).await?;
        let bought: Bought = serde_json::from_slice(&body)
            .map_err(|_| unusable("the token server's answer cannot be read"))?;
        if !bought.token_type.eq_ignore_ascii_case("bearer") {
            return Err(unusable("the token is not a bearer token"));
        }
        let life = Duration::from_secs(bought.expires_in.unwrap_or(DEFAULT_LIFE).min(MOST_LIFE));
        Ok(Token { text: bought.access_token, until: Instant::now() + life.saturating_sub(MARGIN) })
    }

    fn fresh(&self) -> Option<String> {
        let held = self.held();
        held.as_ref().filter(|token| token.until > Instant::now()).map(|token| token.text.clone())
    }

    fn held(&self) -> MutexGuard<'_, Option<Token>> {
        self.token.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Token").field("until", &self.until).finish_non_exhaustive()
    }
}

/// RFC 7523 §3, as SMART App Launch 2.2 asks: at most five minutes, a `jti` of its own.
#[derive(Serialize)]
struct Claims<'c> {
    iss: &'c str,
    sub: &'c str,
    aud: &'c str,
    exp: i64,
    jti: String,
}

fn assertion(config: &SmartBackend, key: &[u8], now: i64) -> Result<String, FetchError> {
    let (algorithm, key) = match config.algorithm {
        AssertionAlgorithm::Es384 => (Algorithm::ES384, EncodingKey::from_ec_pem(key)),
        AssertionAlgorithm::Rs384 => (Algorithm::RS384, EncodingKey::from_rsa_pem(key)),
    };
    let key = key.map_err(|_| unusable("the key file holds no key of that algorithm"))?;
    let header = Header { kid: Some(config.key_id.clone()), ..Header::new(algorithm) };
    let claims = Claims {
        iss: &config.client_id,
        sub: &config.client_id,
        aud: &config.token_url,
        exp: now + ASSERTION_LIFE,
        jti: format!("{:032x}", rand::random::<u128>()),
    };
    jsonwebtoken::encode(&header, &claims, &key).map_err(|_| unusable("the assertion cannot be signed"))
}

#[derive(Deserialize)]
struct Bought {
    access_token: String,
    token_type: String,
    expires_in: Option<u64>,
}

/// Somebody has to change something; a token file may just be in the middle of its replacement.
fn unusable(reason: &'static str) -> FetchError {
    FetchError::Credentials { reason, may_pass: true }
}

const ASSERTION_LIFE: i64 = 240;
const DEFAULT_LIFE: u64 = 300;
const MOST_LIFE: u64 = 24 * 60 * 60;
/// A token is not used in the last seconds of its life.
const MARGIN: Duration = Duration::from_secs(15);
const MOST_TOKEN_BYTES: usize = 64 * 1024;
