//! Who may read and who may change: whoever the process told its token, from this machine.
//!
//! A page of somebody else cannot reach the API: its requests carry its own name in `Host` (DNS rebinding) or in
//! `Origin`, and no answer allows it to be read across origins. What changes anything needs the token besides.

use std::fmt;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, HOST, ORIGIN};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use serde::{Deserialize, Serialize};

use crate::problem::Problem;

/// A secret of one run.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Token(String);

impl Token {
    /// A new one, of 256 bits.
    #[must_use]
    pub fn random() -> Self {
        let bytes: [u8; 32] = rand::random();
        Self(data_encoding::HEXLOWER.encode(&bytes))
    }

    /// One that was written down.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        (text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())).then(|| Self(text.to_owned()))
    }

    /// To hand to whoever may use it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Enough to tell two runs apart.
    pub(crate) fn short(&self) -> String {
        self.0.chars().take(8).collect()
    }

    /// In a time that does not tell how much of it is right.
    fn is(&self, other: &str) -> bool {
        let differences = self.0.bytes().zip(other.bytes()).fold(0, |all, (one, two)| all | (one ^ two));
        self.0.len() == other.len() && differences == 0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

/// What reading needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// Every process and page of this machine may read: made-up patients only.
    Open,
    /// The token, as for changes.
    Token,
}

/// The rule of one server.
#[derive(Debug, Clone)]
pub struct Access {
    token: Token,
    reading: Reading,
}

impl Access {
    /// Changes need `token`; reading, what `reading` says.
    #[must_use]
    pub fn new(token: Token, reading: Reading) -> Self {
        Self { token, reading }
    }

    pub(crate) fn reading(&self) -> Reading {
        self.reading
    }

    /// Whether the request knows the token.
    pub(crate) fn knows_token(&self, headers: &HeaderMap) -> bool {
        let given = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
        given.is_some_and(|given| self.token.is(given))
    }
}

/// Lets a request pass that names this machine, comes from no foreign page, and knows the token where it needs it.
pub(crate) async fn check(
    State(access): State<Arc<Access>>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    local(request.headers())?;
    let may_read_openly =
        access.reading == Reading::Open && matches!(*request.method(), Method::GET | Method::HEAD);
    if !may_read_openly && !access.knows_token(request.headers()) {
        let detail = "needs the token of this run: open the link that adt-bridge printed, or read it from the data folder";
        return Err(Problem::new(StatusCode::UNAUTHORIZED, "token", detail));
    }
    Ok(next.run(request).await)
}

/// For the pages themselves, which hold no data.
pub(crate) async fn check_local(request: Request, next: Next) -> Result<Response, Problem> {
    local(request.headers())?;
    Ok(next.run(request).await)
}

fn local(headers: &HeaderMap) -> Result<(), Problem> {
    let refused = |detail| Err(Problem::new(StatusCode::FORBIDDEN, "foreign", detail));
    let text = |name| headers.get(name).and_then(|value: &axum::http::HeaderValue| value.to_str().ok());
    let host = text(HOST).unwrap_or_default();
    let name = host.rsplit_once(':').filter(|(_, port)| !port.ends_with(']')).map_or(host, |(name, _)| name);
    // A name that somebody resolved to loopback is not ours.
    if !matches!(name, "127.0.0.1" | "localhost" | "[::1]") {
        return refused("only for this machine: the host name is a foreign one");
    }
    if headers.contains_key(ORIGIN) && text(ORIGIN) != Some(&format!("http://{host}")) {
        return refused("the request comes from the page of another site");
    }
    match headers.get("sec-fetch-site").map(|site| site.as_bytes()) {
        None | Some(b"same-origin" | b"none") => Ok(()),
        Some(_) if headers.get("sec-fetch-mode").is_some_and(|mode| mode == "navigate") => Ok(()),
        Some(_) => refused("the request comes from the page of another site"),
    }
}
