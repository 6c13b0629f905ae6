//! Looks at both queues, and tries each right by a call that SQS refuses for its content whoever asks: no message is
//! sent, received, hidden or removed.

use std::{collections::HashMap, time::Duration, time::SystemTime};

use aws_sdk_sqs::{
    error::{ProvideErrorMetadata, SdkError},
    types::QueueAttributeName as Attribute,
};

use super::{SqsQueue, unavailable};
use crate::{Duty, QueueError, Refused, SqsAttributes, SqsExamination, SqsFacts};

/// No receipt handle of SQS.
const NO_RECEIPT: &str = "examined";

impl SqsQueue {
    /// Asks SQS for the settings of the queues and tries the rights that `duty` needs. Needs
    /// `sqs:GetQueueAttributes`; each call ends within the time of the settings.
    pub async fn examine(&self, duty: Duty) -> SqsExamination {
        let mut date = None;
        let queue = self.facts(&self.url, duty, &mut date).await;
        let dead_letter_queue = match duty {
            Duty::Hook => None,
            Duty::Sender => Some(self.facts(&self.dead_letter_url, duty, &mut date).await),
        };
        SqsExamination { queue, dead_letter_queue, date }
    }

    async fn facts(&self, url: &str, duty: Duty, date: &mut Option<(String, SystemTime)>) -> SqsFacts {
        let asked = self.client.get_queue_attributes().queue_url(url).attribute_names(Attribute::All);
        let attributes = match asked.send().await {
            Ok(answer) => Ok(attributes(answer.attributes.unwrap_or_default())),
            Err(error) => {
                note_date(date, &error);
                Err(refused(&error))
            }
        };
        let is_answered = !matches!(&attributes, Err(Refused { code: None, .. }));
        let mut rights =
            vec![("sqs:GetQueueAttributes", attributes.as_ref().map(|_| ()).map_err(Clone::clone))];
        // Without an answer every further call would take its whole time; what is no FIFO queue might take a message.
        if is_answered && attributes.as_ref().is_ok_and(|attributes| attributes.is_fifo) {
            let tried = self.client.send_message().queue_url(url).message_body("").send().await;
            rights.push(("sqs:SendMessage", had_right(tried, date)));
            if duty == Duty::Sender {
                let none = self.client.receive_message().queue_url(url);
                let tried =
                    none.max_number_of_messages(0).visibility_timeout(0).wait_time_seconds(0).send().await;
                rights.push(("sqs:ReceiveMessage", had_right(tried, date)));
                let tried =
                    self.client.delete_message().queue_url(url).receipt_handle(NO_RECEIPT).send().await;
                rights.push(("sqs:DeleteMessage", had_right(tried, date)));
                let nothing = self.client.change_message_visibility().queue_url(url);
                let tried = nothing.receipt_handle(NO_RECEIPT).visibility_timeout(0).send().await;
                rights.push(("sqs:ChangeMessageVisibility", had_right(tried, date)));
            }
        }
        SqsFacts { attributes, rights }
    }
}

/// SQS looks at the right before it looks at the content.
fn had_right<T, E: ProvideErrorMetadata>(
    tried: Result<T, SdkError<E>>,
    date: &mut Option<(String, SystemTime)>,
) -> Result<(), Refused> {
    let Err(error) = tried else { return Ok(()) };
    note_date(date, &error);
    if error.code().is_some_and(is_about_content) { Ok(()) } else { Err(refused(&error)) }
}

fn is_about_content(code: &str) -> bool {
    matches!(
        code.rsplit('.').next().unwrap_or(code),
        "ReceiptHandleIsInvalid"
            | "InvalidParameterValue"
            | "InvalidParameterCombination"
            | "InvalidAttributeValue"
            | "InvalidMessageContents"
            | "InvalidAddress"
            | "MissingParameter"
            | "MissingRequiredParameter"
            | "EmptyValue"
            | "ValidationError"
            | "MessageNotInflight"
            | "ReadCountOutOfRange"
    )
}

fn note_date<E>(date: &mut Option<(String, SystemTime)>, error: &SdkError<E>) {
    if let Some(text) = error.raw_response().and_then(|response| response.headers().get("date")) {
        *date = Some((text.to_owned(), SystemTime::now()));
    }
}

fn refused<E: ProvideErrorMetadata>(error: &SdkError<E>) -> Refused {
    let reason = match unavailable(error) {
        QueueError::Unavailable { reason } => reason,
        other => other.to_string(),
    };
    Refused { code: error.code().map(str::to_owned), reason }
}

fn attributes(all: HashMap<Attribute, String>) -> SqsAttributes {
    let text = |name| all.get(&name).map(String::as_str);
    let seconds = |name| text(name).and_then(|text| text.parse().ok()).map(Duration::from_secs);
    let policy = text(Attribute::RedrivePolicy).unwrap_or_default();
    SqsAttributes {
        arn: text(Attribute::QueueArn).map(str::to_owned),
        is_fifo: text(Attribute::FifoQueue) == Some("true"),
        visibility: seconds(Attribute::VisibilityTimeout),
        retention: seconds(Attribute::MessageRetentionPeriod),
        is_high_throughput: text(Attribute::DeduplicationScope) == Some("messageGroup")
            && text(Attribute::FifoThroughputLimit) == Some("perMessageGroupId"),
        redrive_target: member(policy, "deadLetterTargetArn").map(str::to_owned),
        max_receive_count: member(policy, "maxReceiveCount").and_then(|count| count.parse().ok()),
        is_encrypted: text(Attribute::KmsMasterKeyId).is_some_and(|id| !id.is_empty())
            || text(Attribute::SqsManagedSseEnabled) == Some("true"),
        waiting: text(Attribute::ApproximateNumberOfMessages).and_then(|count| count.parse().ok()),
    }
}

/// A member of a flat JSON object, a string or a number: all that a redrive policy holds.
fn member<'t>(json: &'t str, name: &str) -> Option<&'t str> {
    let (_, rest) = json.split_once(&format!("\"{name}\""))?;
    let value = rest.trim_start().strip_prefix(':')?.trim_start();
    match value.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next(),
        None => value.split([',', '}']).next().map(str::trim),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_redrive_policies_as_both_spellings_have_them() {
        for policy in [
            r#"{"deadLetterTargetArn":"arn:aws:sqs:r:1:d.fifo","maxReceiveCount":"1000"}"#,
            r#"{"maxReceiveCount" : 1000, "deadLetterTargetArn" : "arn:aws:sqs:r:1:d.fifo"}"#,
        ] {
            assert_eq!(member(policy, "deadLetterTargetArn"), Some("arn:aws:sqs:r:1:d.fifo"));
            assert_eq!(member(policy, "maxReceiveCount"), Some("1000"));
        }
        assert_eq!(member("", "maxReceiveCount"), None);
    }

    #[test]
    fn a_refusal_for_content_shows_the_right_and_nothing_else_does() {
        assert!(is_about_content("ReceiptHandleIsInvalid"));
        assert!(is_about_content("AWS.SimpleQueueService.MessageNotInflight"));
        for code in ["AccessDenied", "AccessDeniedException", "InvalidClientTokenId", "InternalFailure"] {
            assert!(!is_about_content(code), "{code}");
        }
    }
}
