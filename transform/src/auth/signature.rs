//! `X-Signature`: the hexadecimal HMAC-SHA256 of the body (Medplum, subscriptions with a secret).
//!
//! It signs the body and nothing else: not the path, not the headers, not the time.

use aws_lc_rs::hmac;
use data_encoding::HEXLOWER_PERMISSIVE;

use super::{
    AuthError, Principal,
    config::{AuthConfigError, SignatureConfig},
    secret_lines::SecretLines,
};

/// The secrets shared with the one caller that signs bodies.
#[derive(Debug)]
pub(super) struct SigningSecrets {
    principal: Principal,
    keys: Vec<hmac::Key>,
}

/// A signature that waits for its body.
#[derive(Debug)]
pub(super) struct BodySignature {
    given: Vec<u8>,
    contexts: Vec<hmac::Context>,
}

impl SigningSecrets {
    pub(super) fn read(config: &SignatureConfig) -> Result<Self, AuthConfigError> {
        let lines = SecretLines {
            setting: "hook.auth.signature.secret".to_owned(),
            value: config.secret.as_ref(),
            file: config.secret_file.as_ref(),
        };
        let key =
            |secret: &service::config::Secret| hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes());
        let keys = lines.read()?.iter().map(key).collect();
        Ok(Self { principal: Principal::new(&config.name, config.scopes), keys })
    }

    /// Takes the header; the body will show whether it is good.
    pub(super) fn begin(&self, header: &[u8]) -> Result<(Principal, BodySignature), AuthError> {
        let given = HEXLOWER_PERMISSIVE
            .decode(header.trim_ascii())
            .map_err(|_| AuthError::Invalid("X-Signature is not hexadecimal"))?;
        let contexts = self.keys.iter().map(hmac::Context::with_key).collect();
        Ok((self.principal.clone(), BodySignature { given, contexts }))
    }
}

impl BodySignature {
    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.contexts.iter_mut().for_each(|context| context.update(bytes));
    }

    pub(super) fn finish(self) -> Result<(), AuthError> {
        let mut good = false;
        for context in self.contexts {
            let expected = context.sign();
            good |= aws_lc_rs::constant_time::verify_slices_are_equal(expected.as_ref(), &self.given).is_ok();
        }
        if good { Ok(()) } else { Err(AuthError::Invalid("X-Signature is not that of the body")) }
    }
}

#[cfg(test)]
mod tests {
    use service::config::Secret;

    use super::*;
    use crate::auth::Permissions;

    fn check(header: &str, body: &[&[u8]]) -> Result<(), AuthError> {
        let secrets = SigningSecrets::read(&SignatureConfig {
            name: "medplum".to_owned(),
            secret: Some(Secret::new("key-for-the-tests")),
            secret_file: None,
            scopes: Permissions::default(),
        });
        let (principal, mut signature) = secrets.unwrap().begin(header.as_bytes())?;
        assert_eq!(principal.name(), "medplum");
        body.iter().for_each(|part| signature.update(part));
        signature.finish()
    }

    #[test]
    fn the_body_decides() {
        // printf %s '{"resourceType":"Patient"}' | openssl dgst -sha256 -hmac key-for-the-tests
        let header = "4febd72862805a459e8f3992d8a5d9a15ca917dd666116b20b279a20cc72a3c4";
        check(header, &[b"{\"resourceType\":\"Patient\"}"]).unwrap();
        check(&header.to_uppercase(), &[b"{\"resource", b"Type\":\"Patient\"}"]).unwrap();
        assert!(check(header, &[b"{\"resourceType\":\"Patient\"} "]).is_err());
        assert!(check(header, &[]).is_err());
        assert!(check("", &[]).is_err());
        assert!(check("zz", &[]).is_err());
        assert!(check(header.get(..32).unwrap(), &[b"{\"resourceType\":\"Patient\"}"]).is_err());
    }
}
