//! Bodies the hook refused and keeps for an operator.

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use crate::InvalidKey;

/// The identity of a refused body: `refused/<sha256 of body, hex>`. The same body again is the same object.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RefusedKey(String);

impl RefusedKey {
    /// The key of this body.
    #[must_use]
    pub fn of(body: &[u8]) -> Self {
        Self(format!("{REFUSED}{}", HEXLOWER.encode(&Sha256::digest(body))))
    }

    /// Reads a key as a listing gave it.
    ///
    /// # Errors
    /// [`InvalidKey::Refused`] when it is not of this family.
    pub fn parse(key: &str) -> Result<Self, InvalidKey> {
        let name = key.strip_prefix(REFUSED).ok_or(InvalidKey::Refused)?;
        let known = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if name.len() == 64 && name.bytes().all(known) {
            Ok(Self(key.to_owned()))
        } else {
            Err(InvalidKey::Refused)
        }
    }

    /// The whole key, with `refused/`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The key without `refused/`.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.strip_prefix(REFUSED).unwrap_or(&self.0)
    }
}

pub(crate) const REFUSED: &str = "refused/";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_tells_nothing_and_parses_back() {
        let key = RefusedKey::of(b"secret");
        assert!(!key.as_str().contains("secret"));
        assert_eq!(RefusedKey::parse(key.as_str()), Ok(key.clone()));
        for other in ["refused/", "refused/../Patient/x", "jobs/x", "refused/xyz"] {
            assert_eq!(RefusedKey::parse(other), Err(InvalidKey::Refused), "{other}");
        }
    }
}
