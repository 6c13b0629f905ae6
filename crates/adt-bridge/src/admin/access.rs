//! Who may use the admin API: whoever can read the data folder.

use std::{
    fmt,
    fs::{self, OpenOptions},
    io::{self, Write as _},
    net::SocketAddr,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use axum::{
    extract::{Request, State},
    http::{
        HeaderMap, StatusCode,
        header::{AUTHORIZATION, HOST, ORIGIN},
    },
    middleware::Next,
    response::Response,
};
use serde::{Deserialize, Serialize};

use super::problem::Problem;

/// The file in the data folder.
const FILE: &str = "admin.json";

/// A secret of one run.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Token(String);

impl Token {
    pub(super) fn random() -> Self {
        let bytes: [u8; 32] = rand::random();
        Self(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
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

/// What the file says.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Address {
    pub(super) url: String,
    pub(super) token: Token,
}

impl Address {
    pub(super) fn read(data: &Path) -> io::Result<Self> {
        serde_json::from_slice(&fs::read(data.join(FILE))?).map_err(io::Error::other)
    }
}

/// The file while the API is there; removed at the end, left behind by a process that was killed.
#[derive(Debug)]
pub(super) struct Door(PathBuf);

impl Door {
    pub(super) fn open(data: &Path, address: SocketAddr, token: &Token) -> io::Result<Self> {
        let (path, fresh) = (data.join(FILE), data.join("admin.json.new"));
        let content = Address { url: format!("http://{address}"), token: token.clone() };
        match fs::remove_file(&fresh) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
        file.write_all(serde_json::to_string(&content)?.as_bytes())?;
        fs::rename(&fresh, &path)?;
        Ok(Self(path))
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        // A file that stays leads to a connection that is refused, and a new start replaces it.
        drop(fs::remove_file(&self.0));
    }
}

/// Lets a request pass that names this machine, comes from no web page and knows the token.
pub(super) async fn check(
    State(token): State<Arc<Token>>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let headers = request.headers();
    if !is_this_machine(headers) || headers.contains_key(ORIGIN) {
        return Err(Problem::new(StatusCode::FORBIDDEN, "only for programs on this machine"));
    }
    let given = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    if !given.is_some_and(|given| token.is(given)) {
        return Err(Problem::new(StatusCode::UNAUTHORIZED, "needs the token of the data folder"));
    }
    Ok(next.run(request).await)
}

/// A name that a web page resolved to loopback (DNS rebinding) is not ours.
fn is_this_machine(headers: &HeaderMap) -> bool {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    matches!(name, "127.0.0.1" | "localhost" | "[::1]")
}
