//! Secrets from a setting or from the lines of a file.

use std::path::PathBuf;

use service::config::Secret;

use super::config::AuthConfigError;

/// Exactly one of a value and a file.
#[derive(Debug)]
pub(super) struct SecretLines<'c> {
    /// For errors: `hook.auth.bearer.hapi.token`.
    pub(super) setting: String,
    pub(super) value: Option<&'c Secret>,
    pub(super) file: Option<&'c PathBuf>,
}

impl SecretLines<'_> {
    /// The secrets, each at least 16 bytes; empty lines and lines after `#` are left out.
    ///
    /// # Errors
    /// Names the setting and never a secret.
    pub(super) fn read(&self) -> Result<Vec<Secret>, AuthConfigError> {
        let fail = |reason: &str| Err(AuthConfigError::new(&self.setting, reason));
        let secrets: Vec<_> = match (self.value, self.file) {
            (Some(value), None) => vec![value.clone()],
            (None, Some(path)) => match std::fs::read_to_string(path) {
                Ok(text) => {
                    let lines = text.lines().map(str::trim);
                    lines.filter(|line| !line.is_empty() && !line.starts_with('#')).map(Secret::new).collect()
                }
                Err(error) => {
                    let reason = format!("cannot read {}: {}", path.display(), error.kind());
                    return Err(AuthConfigError::new(&self.setting, reason));
                }
            },
            (None, None) => return fail("needs a value or a file"),
            (Some(_), Some(_)) => return fail("has a value and a file; one of them, please"),
        };
        if secrets.is_empty() {
            return fail("is empty");
        }
        if secrets.iter().any(|secret| secret.expose().len() < MIN_BYTES) {
            return fail("is too short: 16 bytes at least, better 32 random ones");
        }
        Ok(secrets)
    }
}

const MIN_BYTES: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: Option<&str>, file: Option<&str>) -> Result<Vec<String>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        if let Some(text) = file {
            std::fs::write(&path, text).unwrap();
        }
        let value = value.map(Secret::new);
        let lines = SecretLines {
            setting: "hook.auth.x".to_owned(),
            value: value.as_ref(),
            file: file.is_some().then_some(&path),
        };
        let secrets = lines.read().map_err(|error| error.to_string())?;
        Ok(secrets.iter().map(|secret| secret.expose().to_owned()).collect())
    }

    #[test]
    fn reads_a_value_or_the_lines_of_a_file() {
        assert_eq!(read(Some("0123456789abcdef"), None).unwrap(), ["0123456789abcdef"]);
        let file = "# old and new\n0123456789abcdef\n\n  fedcba9876543210  \n";
        assert_eq!(read(None, Some(file)).unwrap(), ["0123456789abcdef", "fedcba9876543210"]);
    }

    #[test]
    fn refuses_half_and_double_settings_and_weak_secrets() {
        assert!(read(None, None).unwrap_err().contains("needs a value or a file"));
        assert!(
            read(Some("0123456789abcdef"), Some("0123456789abcdef")).unwrap_err().contains("one of them")
        );
        assert!(read(None, Some("# nothing\n")).unwrap_err().contains("is empty"));
        let weak = read(Some("hunter2"), None).unwrap_err();
        assert!(weak.contains("too short") && !weak.contains("hunter2"), "{weak}");
    }
}
