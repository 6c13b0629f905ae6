//! JSON web tokens: SMART Backend Services access tokens, and the push tokens of Google Pub/Sub.

use std::{fmt, sync::Arc};

use credentials::{ClientTls, ClientTlsConfig};
use jsonwebtoken::{Algorithm, Validation, dangerous, decode, decode_header, errors::ErrorKind};
use serde::Deserialize;

use super::{
    AuthError, Permissions, Principal,
    config::{AuthConfigError, JwtAlgorithm, JwtConfig},
    jwks::{Fetching, Jwks, KeySet},
};

/// Who may issue tokens, and for whom.
pub(super) struct Issuer {
    name: String,
    config: JwtConfig,
    /// When the keys are fetched; else they stand in a file.
    jwks: Option<Jwks>,
}

/// What is read of a token.
#[derive(Deserialize)]
struct Claims {
    #[serde(default)]
    scope: Scope,
    /// Some issuers name it so.
    #[serde(default)]
    scp: Scope,
    client_id: Option<String>,
    azp: Option<String>,
    sub: Option<String>,
    email: Option<String>,
    #[serde(default)]
    email_verified: bool,
}

#[derive(Deserialize)]
struct IssuerClaim {
    iss: String,
}

/// Scopes parted by spaces, or in a list.
#[derive(Deserialize)]
#[serde(untagged)]
enum Scope {
    Text(String),
    List(Vec<String>),
}

impl Default for Scope {
    fn default() -> Self {
        Self::List(Vec::new())
    }
}

impl Scope {
    fn permissions(&self) -> Permissions {
        match self {
            Self::Text(text) => Permissions::of_scopes(text.split(' ')),
            Self::List(list) => Permissions::of_scopes(list.iter().map(String::as_str)),
        }
    }
}

impl Issuer {
    pub(super) fn new(name: &str, config: &JwtConfig) -> Result<Self, AuthConfigError> {
        let fail = |setting: &str, reason: &str| {
            Err(AuthConfigError::new(format!("hook.auth.jwt.{name}.{setting}"), reason))
        };
        let JwtConfig { issuer, audience, algorithms, .. } = config;
        if issuer.is_empty() || audience.is_empty() || algorithms.is_empty() {
            return fail("issuer", "needs issuer, audience and algorithms that are not empty");
        }
        let jwks = match (&config.jwks_url, &config.jwks_file) {
            (Some(url), None) => Some(Jwks::new(fetcher(name, config, url)?)),
            (None, Some(_)) if config.jwks_ca_file.is_some() => {
                return fail("jwks_ca_file", "goes with jwks_url");
            }
            (None, Some(_)) => None,
            _ => return fail("jwks_url", "needs one of jwks_url and jwks_file"),
        };
        Ok(Self { name: name.to_owned(), config: config.clone(), jwks })
    }

    async fn verify(&self, token: &str, keys: &KeySet) -> Result<Principal, AuthError> {
        let header = decode_header(token).map_err(|_| AuthError::Invalid("token header"))?;
        if !self.config.algorithms.iter().any(|allowed| allowed.of_library() == header.alg) {
            return Err(AuthError::Invalid("token algorithm is not allowed"));
        }
        let id = header.kid.as_deref();
        let key = match &self.jwks {
            Some(jwks) => jwks.find(id, header.alg).await?,
            None => {
                keys.find(id, header.alg).ok_or(AuthError::Invalid("token names a key not in jwks_file"))?
            }
        };
        let mut validation = Validation::new(header.alg);
        validation.leeway = LEEWAY_SECONDS;
        validation.validate_nbf = true;
        validation.set_issuer(&[&self.config.issuer]);
        validation.set_audience(&[&self.config.audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud"]);
        let claims: Claims = match decode(token, &key, &validation) {
            Ok(token) => token.claims,
            Err(error) => return Err(refusal(error.kind())),
        };
        self.admit(claims)
    }

    fn admit(&self, claims: Claims) -> Result<Principal, AuthError> {
        let Claims { scope, scp, client_id, azp, sub, email, email_verified } = claims;
        let granted = scope.permissions().and(scp.permissions());
        let permissions = self.config.scopes.unwrap_or(granted);
        if self.config.emails.is_empty() {
            let client = client_id.or(azp).or(sub).unwrap_or_default();
            return Ok(Principal::new(&format!("{}:{client}", self.name), permissions));
        }
        let email = email.filter(|email| email_verified && self.config.emails.contains(email));
        let email = email.ok_or(AuthError::Invalid("token email is not allowed"))?;
        Ok(Principal::new(&format!("{}:{email}", self.name), permissions))
    }
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issuer").field("name", &self.name).finish_non_exhaustive()
    }
}

impl JwtAlgorithm {
    fn of_library(self) -> Algorithm {
        match self {
            Self::RS256 => Algorithm::RS256,
            Self::RS384 => Algorithm::RS384,
            Self::ES384 => Algorithm::ES384,
        }
    }
}

/// Whose token this is. The token says who issued it; only the keys of that issuer can make it true.
pub(super) async fn principal<'k>(
    issuers: &[Issuer],
    keys: impl Fn(&str) -> &'k KeySet,
    token: &str,
) -> Result<Principal, AuthError> {
    let claimed: IssuerClaim = dangerous::insecure_decode_claims(token)
        .map_err(|_| AuthError::Invalid("bearer token is neither known nor a JSON web token"))?;
    let mut refused = AuthError::Invalid("token issuer is not allowed");
    for issuer in issuers.iter().filter(|issuer| issuer.config.issuer == claimed.iss) {
        match issuer.verify(token, keys(&issuer.name)).await {
            Ok(principal) => return Ok(principal),
            Err(error) => refused = error,
        }
    }
    Err(refused)
}

fn refusal(error: &ErrorKind) -> AuthError {
    match error {
        ErrorKind::ExpiredSignature => AuthError::Expired("token has expired"),
        ErrorKind::ImmatureSignature => AuthError::Invalid("token is not valid yet"),
        ErrorKind::InvalidSignature => AuthError::Invalid("token signature"),
        ErrorKind::InvalidIssuer => AuthError::Invalid("token issuer is not allowed"),
        ErrorKind::InvalidAudience => AuthError::Invalid("token is for another audience"),
        ErrorKind::MissingRequiredClaim(_) => AuthError::Invalid("token lacks exp, iss or aud"),
        _ => AuthError::Invalid("token"),
    }
}

/// Fetches the key set of an issuer: no redirects, TLS unless on this machine, a bounded answer.
fn fetcher(
    name: &str,
    config: &JwtConfig,
    url: &str,
) -> Result<impl Fn() -> Fetching + Send + Sync + use<>, AuthConfigError> {
    let fail = |reason: String| AuthConfigError::new(format!("hook.auth.jwt.{name}.jwks_url"), reason);
    let url = reqwest::Url::parse(url).map_err(|_| fail("is not a URL".to_owned()))?;
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let here = host == "localhost" || host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback());
    if url.scheme() != "https" && !(url.scheme() == "http" && here) {
        return Err(fail("must begin with https://".to_owned()));
    }
    let mut client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
    if url.scheme() == "https" {
        let port = url.port_or_known_default().unwrap_or(443);
        let address = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
        let tls =
            ClientTlsConfig { enabled: true, ca_file: config.jwks_ca_file.clone(), ..Default::default() };
        let tls = ClientTls::new(&tls, &address).map_err(|error| fail(error.to_string()))?;
        client = client.use_preconfigured_tls((**tls.files().current().config()).clone());
    }
    let client = client.build().map_err(|error| fail(error.to_string()))?;
    let shared = Arc::new((client, url));
    Ok(move || -> Fetching {
        let shared = Arc::clone(&shared);
        Box::pin(async move {
            let (client, url) = &*shared;
            let mut response = client.get(url.clone()).send().await.map_err(|error| error.to_string())?;
            if !response.status().is_success() {
                return Err(format!("status {}", response.status().as_u16()));
            }
            let mut body = Vec::new();
            while let Some(chunk) = response.chunk().await.map_err(|error| error.to_string())? {
                body.extend_from_slice(&chunk);
                if body.len() > MAX_JWKS_BYTES {
                    return Err(format!("more than {MAX_JWKS_BYTES} bytes"));
                }
            }
            KeySet::parse(&body).map_err(|error| format!("not a key set: {error}"))
        })
    })
}

/// Clocks may differ by this much.
const LEEWAY_SECONDS: u64 = 60;
const MAX_JWKS_BYTES: usize = 256 * 1024;

#[cfg(test)]
mod tests;
