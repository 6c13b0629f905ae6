//! What SQS says of a call that failed, as an error of the queue.

use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};

use crate::QueueError;

/// Errors of calls that present a receipt.
pub(super) fn leased<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> QueueError {
    if error.code().is_some_and(is_stale) { QueueError::Stale } else { unavailable(error) }
}

/// FIFO queues answer `InvalidParameterValue` when the receipt handle has expired.
pub(super) fn is_stale(code: &str) -> bool {
    matches!(
        code,
        "ReceiptHandleIsInvalid"
            | "InvalidParameterValue"
            | "MessageNotInflight"
            | "AWS.SimpleQueueService.MessageNotInflight"
    )
}

/// The code SQS answered or the kind of failure; never its text, which may quote parameters.
pub(super) fn unavailable<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> QueueError {
    let reason = match error {
        SdkError::ServiceError(service) => match service.err().code() {
            Some(code) => format!("SQS answered {code}"),
            None => "SQS answered with an error".to_owned(),
        },
        SdkError::TimeoutError(_) => "SQS did not answer in time".to_owned(),
        SdkError::DispatchFailure(failure) if failure.is_timeout() => {
            "connecting to SQS took too long".to_owned()
        }
        SdkError::DispatchFailure(failure) if failure.is_io() => "SQS cannot be reached".to_owned(),
        SdkError::DispatchFailure(_) => {
            "the request to SQS could not be made (credentials, endpoint)".to_owned()
        }
        SdkError::ResponseError(_) => "the answer of SQS cannot be read".to_owned(),
        _ => "the request to SQS could not be built".to_owned(),
    };
    QueueError::Unavailable { reason }
}
