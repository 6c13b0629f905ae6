//! Who calls: credentials checked before the body is read.
//!
//! Several ways may be configured at once; the credentials that a request shows decide which one is meant. What the
//! hook is not configured to check, it does not look at: an `Authorization` header that an API gateway has verified
//! passes when another way admits the caller, or when nobody is asked at all. Why credentials are refused stands in
//! the log only.

mod bearer;
mod checked_body;
mod client_certificate;
mod config;
mod jwks;
mod jwt;
mod principal;
mod secret_lines;
mod signature;
mod sigv4;

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::SystemTime};

use axum::http::{header, request::Parts};
use credentials::{CertificateInfo, POLL_INTERVAL, Reloader};
use tokio_util::sync::CancellationToken;

pub(crate) use checked_body::{BodyCheck, CheckedBody};
pub use config::{
    AuthConfig, AuthConfigError, BearerConfig, ClientCertificateConfig, HookTlsConfig, JwtAlgorithm,
    JwtConfig, RateConfig, SigV4Config, SignatureConfig,
};
pub use principal::Permissions;
pub(crate) use principal::Principal;

use bearer::BearerTokens;
use client_certificate::KnownCertificate;
use jwks::KeySet;
use jwt::Issuer;
use signature::SigningSecrets;
use sigv4::{AccessKey, SignedRequest};

/// Why a caller is not let in. The texts are for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AuthError {
    /// Nothing was shown that could be checked.
    #[error("credentials are missing")]
    Missing,
    /// What was shown is not good.
    #[error("{0}")]
    Invalid(&'static str),
    /// What was shown was good once.
    #[error("{0}")]
    Expired(&'static str),
    /// What was shown cannot be checked now.
    #[error("{0}")]
    Unavailable(&'static str),
}

/// The certificate that the client of a connection showed; in the extensions of its requests.
#[derive(Clone, Debug)]
pub(crate) struct PeerCertificate(pub(crate) Arc<CertificateInfo>);

/// Checks credentials. With nothing configured, nobody is asked.
#[derive(Debug)]
pub(crate) struct Authenticator {
    secrets: Reloader<Secrets, AuthConfigError>,
    issuers: Vec<Issuer>,
    certificates: Vec<KnownCertificate>,
    public_metadata: bool,
    challenge: String,
}

/// What may be replaced while running.
#[derive(Debug)]
struct Secrets {
    bearer: Vec<BearerTokens>,
    signature: Option<SigningSecrets>,
    sigv4: Vec<AccessKey>,
    /// Key sets from files, by issuer.
    keys: BTreeMap<String, KeySet>,
}

impl Authenticator {
    /// Reads every file.
    ///
    /// # Errors
    /// The first setting that cannot be used; never a secret.
    pub(crate) fn new(config: &AuthConfig) -> Result<Option<Self>, AuthConfigError> {
        if !config.asks() {
            return Ok(None);
        }
        let issuers =
            config.jwt.iter().map(|(name, jwt)| Issuer::new(name, jwt)).collect::<Result<_, _>>()?;
        let certificates = config.client_certificate.iter();
        let certificates =
            certificates.map(|(name, known)| KnownCertificate::new(name, known)).collect::<Result<_, _>>()?;
        let again = config.clone();
        Ok(Some(Self {
            secrets: Reloader::new(files(config), move || Secrets::read(&again))?,
            issuers,
            certificates,
            public_metadata: config.public_metadata,
            challenge: challenge(config),
        }))
    }

    /// Reads files again that change, until `shutdown`.
    pub(crate) async fn watch(&self, shutdown: CancellationToken) {
        self.secrets.watch(POLL_INTERVAL, shutdown).await;
    }

    /// Whether metadata is answered to anybody.
    pub(crate) fn public_metadata(&self) -> bool {
        self.public_metadata
    }

    /// What a 401 says about the ways to prove who calls (RFC 9110 §11.6.1).
    pub(crate) fn challenge(&self) -> &str {
        &self.challenge
    }

    /// Who sends a request with this head. When a check comes along, the body must pass it too.
    ///
    /// # Errors
    /// See [`AuthError`].
    pub(crate) async fn admit(
        &self,
        head: &Parts,
        now: SystemTime,
    ) -> Result<(Principal, Option<BodyCheck>), AuthError> {
        let secrets = self.secrets.current();
        let authorization = head.headers.get(header::AUTHORIZATION).map(|value| value.to_str());
        let authorization =
            authorization.transpose().map_err(|_| AuthError::Invalid("Authorization is not text"))?;
        if let Some(header) = authorization {
            if sigv4::is_sigv4(header) && !secrets.sigv4.is_empty() {
                let (principal, request) = SignedRequest::begin(&secrets.sigv4, header, head, now)?;
                return Ok((principal, Some(request.into())));
            }
            if let Some(token) = bearer_token(header).filter(|_| self.takes_tokens(&secrets)) {
                return self.admit_token(&secrets, token).await.map(|principal| (principal, None));
            }
        }
        if let (Some(signing), Some(header)) = (&secrets.signature, head.headers.get(SIGNATURE)) {
            let (principal, signature) = signing.begin(header.as_bytes())?;
            return Ok((principal, Some(signature.into())));
        }
        if let Some(PeerCertificate(certificate)) = head.extensions.get()
            && !self.certificates.is_empty()
        {
            return client_certificate::principal(&self.certificates, certificate).map(|found| (found, None));
        }
        Err(if authorization.is_some() {
            AuthError::Invalid("no such way to authenticate")
        } else {
            AuthError::Missing
        })
    }

    fn takes_tokens(&self, secrets: &Secrets) -> bool {
        !secrets.bearer.is_empty() || !self.issuers.is_empty()
    }

    async fn admit_token(&self, secrets: &Secrets, token: &str) -> Result<Principal, AuthError> {
        if let Some(principal) = bearer::principal(&secrets.bearer, token) {
            return Ok(principal);
        }
        if self.issuers.is_empty() {
            return Err(AuthError::Invalid("bearer token is not known"));
        }
        let none = KeySet::default();
        jwt::principal(&self.issuers, |issuer| secrets.keys.get(issuer).unwrap_or(&none), token).await
    }
}

impl Secrets {
    fn read(config: &AuthConfig) -> Result<Self, AuthConfigError> {
        let mut keys = BTreeMap::new();
        for (name, jwt) in &config.jwt {
            let Some(path) = &jwt.jwks_file else { continue };
            let fail =
                |reason: String| AuthConfigError::new(format!("hook.auth.jwt.{name}.jwks_file"), reason);
            let json = std::fs::read(path)
                .map_err(|error| fail(format!("cannot read {}: {}", path.display(), error.kind())))?;
            let set =
                KeySet::parse(&json).map_err(|_| fail(format!("{} is not a key set", path.display())))?;
            if set.is_empty() {
                return Err(fail(format!("{} has no key for RS256, RS384 or ES384", path.display())));
            }
            keys.insert(name.clone(), set);
        }
        Ok(Self {
            bearer: config
                .bearer
                .iter()
                .map(|(name, bearer)| BearerTokens::read(name, bearer))
                .collect::<Result<_, _>>()?,
            signature: config.signature.as_ref().map(SigningSecrets::read).transpose()?,
            sigv4: config
                .sigv4
                .iter()
                .map(|(name, sigv4)| AccessKey::read(name, sigv4))
                .collect::<Result<_, _>>()?,
            keys,
        })
    }
}

fn files(config: &AuthConfig) -> Vec<PathBuf> {
    let bearer = config.bearer.values().map(|bearer| &bearer.token_file);
    let jwt = config.jwt.values().map(|jwt| &jwt.jwks_file);
    let signature = config.signature.iter().map(|signature| &signature.secret_file);
    let sigv4 = config.sigv4.values().map(|sigv4| &sigv4.secret_access_key_file);
    bearer.chain(jwt).chain(signature).chain(sigv4).flatten().cloned().collect()
}

fn challenge(config: &AuthConfig) -> String {
    let ways = [
        ("Bearer", !config.bearer.is_empty() || !config.jwt.is_empty()),
        ("AWS4-HMAC-SHA256", !config.sigv4.is_empty()),
        ("Signature", config.signature.is_some()),
        ("Certificate", !config.client_certificate.is_empty()),
    ];
    let ways = ways.iter().filter(|(_, offered)| *offered);
    ways.map(|(way, _)| format!("{way} realm=\"adt-bridge\"")).collect::<Vec<_>>().join(", ")
}

/// RFC 6750 §2.1; the scheme in any case.
fn bearer_token(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

const SIGNATURE: &str = "x-signature";
