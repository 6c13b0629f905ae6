//! The file that leads to a running process: its address, and the token that whoever may read the folder may use.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    net::SocketAddr,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use inspector::Token;
use serde::{Deserialize, Serialize};

/// The file in the data folder.
const FILE: &str = "admin.json";

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
pub(crate) struct Door(PathBuf);

impl Door {
    pub(crate) fn open(data: &Path, address: SocketAddr, token: &Token) -> io::Result<Self> {
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
