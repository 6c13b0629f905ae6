//! The client of SQS, and how long its calls take at most.

use std::time::Duration;

use aws_sdk_sqs::{
    Client,
    config::{retry::RetryConfig, timeout::TimeoutConfig},
};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};

/// A client whose calls end within `limit`, retries included.
pub(super) async fn client(limit: Duration, endpoint_url: Option<&str>) -> Client {
    let http = aws_smithy_http_client::Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
        .build_https();
    let mut loader =
        aws_config::from_env().http_client(http).timeout_config(limits(limit)).retry_config(retries(limit));
    if let Some(url) = endpoint_url {
        loader = loader.endpoint_url(url);
    }
    Client::new(&loader.load().await)
}

pub(super) fn limits(limit: Duration) -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(limit / 2)
        .operation_attempt_timeout(limit / 2)
        .operation_timeout(limit)
        .build()
}

/// Three attempts whose pauses are short beside `limit` (at most 15 % together), so that a call ends with what the
/// last attempt met and not with the end of its time. The pauses of the SDK take up to 3 s.
pub(super) fn retries(limit: Duration) -> RetryConfig {
    RetryConfig::standard().with_max_attempts(3).with_initial_backoff(limit / 20)
}
