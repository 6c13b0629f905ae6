//! AWS Secrets Manager. The only file of this crate that knows the AWS SDK.
//!
//! The role needs `secretsmanager:GetSecretValue` on the one secret, and `kms:Decrypt` on its key if that is our own.

use std::time::Duration;

use aws_sdk_secretsmanager::{Client, config::timeout::TimeoutConfig, error::ProvideErrorMetadata};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};

/// Why there is no value. The secret itself is never part of it.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// Secrets Manager said no, or nothing.
    #[error("the secret cannot be read: {0}")]
    Refused(String),
    /// Only text can be PEM.
    #[error("the secret has a binary value")]
    Binary,
}

/// Reads one secret, again and again.
#[derive(Debug, Clone)]
pub struct Secret {
    client: Client,
    id: String,
}

impl Secret {
    /// Builds the client; nothing is sent yet. Credentials, Region and endpoint come from the AWS environment.
    pub async fn new(id: String) -> Self {
        let http = aws_smithy_http_client::Builder::new()
            .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
            .build_https();
        let limits = TimeoutConfig::builder().operation_timeout(CALL).build();
        let shared = aws_config::from_env().http_client(http).timeout_config(limits).load().await;
        Self { client: Client::new(&shared), id }
    }

    /// The current value.
    ///
    /// # Errors
    /// [`FetchError`]; any of them may pass.
    pub async fn fetch(&self) -> Result<String, FetchError> {
        let answer = self.client.get_secret_value().secret_id(&self.id).send().await;
        let value = answer.map_err(|error| {
            let code = error.code().map(str::to_owned);
            FetchError::Refused(code.unwrap_or_else(|| error.to_string()))
        })?;
        value.secret_string.ok_or(FetchError::Binary)
    }
}

const CALL: Duration = Duration::from_secs(20);
