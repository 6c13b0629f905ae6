//! Static bearer tokens: kept as hashes only, compared in constant time.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use data_encoding::HEXLOWER_PERMISSIVE;
use sha2::{Digest, Sha256};

use super::{
    Principal,
    config::{AuthConfigError, BearerConfig},
    secret_lines::SecretLines,
};

/// The tokens of one caller.
#[derive(Debug)]
pub(super) struct BearerTokens {
    principal: Principal,
    hashes: Vec<[u8; 32]>,
}

impl BearerTokens {
    pub(super) fn read(name: &str, config: &BearerConfig) -> Result<Self, AuthConfigError> {
        let setting = format!("hook.auth.bearer.{name}.token");
        let lines = SecretLines {
            setting: setting.clone(),
            value: config.token.as_ref(),
            file: config.token_file.as_ref(),
        };
        let hash = |token: &str| match token.strip_prefix("sha256:") {
            None => Ok(Sha256::digest(token).into()),
            Some(hex) => HEXLOWER_PERMISSIVE
                .decode(hex.as_bytes())
                .ok()
                .and_then(|hash| <[u8; 32]>::try_from(hash).ok())
                .ok_or_else(|| AuthConfigError::new(&setting, "has no SHA-256 after \"sha256:\"")),
        };
        let hashes = lines.read()?.iter().map(|token| hash(token.expose())).collect::<Result<_, _>>()?;
        Ok(Self { principal: Principal::new(name, config.scopes), hashes })
    }
}

/// Whose token this is. All tokens are looked at, whichever fits.
pub(super) fn principal(callers: &[BearerTokens], token: &str) -> Option<Principal> {
    let given: [u8; 32] = Sha256::digest(token).into();
    let mut found = None;
    for caller in callers {
        for hash in &caller.hashes {
            if verify_slices_are_equal(hash, &given).is_ok() {
                found = Some(&caller.principal);
            }
        }
    }
    found.cloned()
}

#[cfg(test)]
mod tests {
    use service::config::Secret;

    use super::*;
    use crate::auth::Permissions;

    fn tokens(name: &str, token: &str) -> Result<BearerTokens, AuthConfigError> {
        let scopes = Permissions::default();
        BearerTokens::read(name, &BearerConfig { token: Some(Secret::new(token)), token_file: None, scopes })
    }

    #[test]
    fn finds_the_caller_by_token_or_hash() {
        let hash = "sha256:F1D7A1B94047BB7BF7EE6AFFD636AC0D572ACF76C0D974E58BB513D8E1188930";
        let callers = [tokens("hapi", "0123456789abcdef").unwrap(), tokens("aidbox", hash).unwrap()];
        assert_eq!(principal(&callers, "0123456789abcdef").unwrap().name(), "hapi");
        assert_eq!(principal(&callers, "aidbox-token-for-tests").unwrap().name(), "aidbox");
        for wrong in ["", "0123456789abcde", "0123456789abcdeF", "0123456789abcdef ", hash] {
            assert_eq!(principal(&callers, wrong), None, "{wrong}");
        }
        let secret = "f1d7a1b94047bb7bf7ee6affd636ac0d572acf76c0d974e58bb513d8e1188930";
        assert_eq!(principal(&callers, secret), None, "the hash is not the token");
    }

    #[test]
    fn a_broken_hash_is_refused_at_start() {
        assert!(tokens("x", "sha256:abcdefabcdef").unwrap_err().to_string().contains("hook.auth.bearer.x"));
    }

    #[test]
    fn no_token_stays_readable() {
        assert!(!format!("{:?}", tokens("hapi", "0123456789abcdef")).contains("0123456789abcdef"));
    }
}
