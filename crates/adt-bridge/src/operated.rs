//! The queue of this process as the API lends it to an operator.

use std::sync::Arc;

use async_trait::async_trait;
use inspector::{
    DeadLetterFull, DeadLetterLine, DeadLetters, Parked, Pipeline, PipelineError, QueueStatus, Resend,
};
use jiff::Timestamp;
use queue::{
    Attributes, DeadLetterId, DeadLetterQueue, DeadLetterSummary, DeduplicationId, Envelope, GroupId, Queue,
    QueueError, Stale,
};

/// A queue and the name of where it leads.
#[derive(Debug)]
pub(crate) struct Operated {
    queue: Arc<dyn Queue>,
    endpoint: String,
}

impl Operated {
    pub(crate) fn new(queue: Arc<dyn Queue>, endpoint: String) -> Self {
        Self { queue, endpoint }
    }

    fn operator(&self) -> Result<&dyn DeadLetterQueue, PipelineError> {
        self.queue.dead_letters().ok_or(PipelineError::Unsupported)
    }
}

#[async_trait]
impl Pipeline for Operated {
    async fn status(&self) -> Result<QueueStatus, PipelineError> {
        let statistics = self.queue.statistics().await.map_err(told)?;
        let parked_groups = match self.queue.dead_letters() {
            Some(operator) => operator.parked().await.map_err(told)?.len(),
            None => 0,
        };
        Ok(QueueStatus {
            ready: statistics.ready,
            in_flight: statistics.in_flight,
            parked: statistics.parked,
            parked_groups,
            dead: statistics.dead,
            oldest_age_seconds: statistics.oldest_age.map(|age| age.as_secs()),
        })
    }

    async fn dead_letters(
        &self,
        group: Option<&str>,
        after: Option<&str>,
        limit: u32,
    ) -> Result<DeadLetters, PipelineError> {
        let group = group.map(GroupId::new).transpose().map_err(told)?;
        let after = after.map(DeadLetterId::new);
        let listed = self.operator()?.list(group.as_ref(), after.as_ref(), limit).await.map_err(told)?;
        Ok(DeadLetters { dead_letters: listed.iter().map(line).collect() })
    }

    async fn dead_letter(&self, id: &str) -> Result<DeadLetterFull, PipelineError> {
        let record = self.operator()?.show(&DeadLetterId::new(id)).await.map_err(told)?;
        Ok(DeadLetterFull {
            line: line(&record.summary),
            attempts: record.letter.attempts,
            body: record.envelope.body,
            acknowledgment: record.letter.text,
        })
    }

    async fn redrive(&self, id: &str, force_stale: bool) -> Result<(), PipelineError> {
        let stale = if force_stale { Stale::Force } else { Stale::Refuse };
        self.operator()?.redrive(&DeadLetterId::new(id), stale).await.map_err(told)
    }

    async fn skip(&self, id: &str) -> Result<(), PipelineError> {
        self.operator()?.skip(&DeadLetterId::new(id)).await.map_err(told)
    }

    async fn parked(&self) -> Result<Parked, PipelineError> {
        let groups = self.operator()?.parked().await.map_err(told)?;
        Ok(Parked { groups: groups.iter().map(|group| group.as_str().to_owned()).collect() })
    }

    async fn park(&self, group: &str) -> Result<(), PipelineError> {
        self.operator()?.park(&GroupId::new(group).map_err(told)?).await.map_err(told)
    }

    async fn unpark(&self, group: &str) -> Result<(), PipelineError> {
        self.operator()?.unpark(&GroupId::new(group).map_err(told)?).await.map_err(told)
    }

    async fn resend(&self, message: Resend) -> Result<(), PipelineError> {
        let Resend { body, control_id, event, group } = message;
        let envelope = Envelope {
            body,
            group: GroupId::new(group).map_err(told)?,
            deduplication_id: DeduplicationId::once_more(rand::random()),
            attributes: Attributes {
                control_id,
                event,
                version: None,
                enqueued_at: Timestamp::now().to_string(),
                traceparent: None,
            },
        };
        envelope.validate(self.queue.max_body_bytes()).map_err(told)?;
        self.queue.send(envelope).await.map_err(told).map(drop)
    }

    fn endpoint(&self) -> String {
        self.endpoint.clone()
    }
}

fn line(summary: &DeadLetterSummary) -> DeadLetterLine {
    let milliseconds = i64::try_from(summary.dead_since_ms).unwrap_or(i64::MAX);
    let since = Timestamp::from_millisecond(milliseconds).unwrap_or_default();
    let facts = &summary.attributes;
    DeadLetterLine {
        id: summary.id.to_string(),
        group: summary.group.as_str().to_owned(),
        control_id: facts.control_id.clone(),
        event: facts.event.clone(),
        version: facts.version,
        enqueued_at: facts.enqueued_at.clone(),
        reason: summary.reason.as_str().to_owned(),
        ack_code: summary.ack_code.clone(),
        error_code: summary.error_code.clone(),
        dead_since: since.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        superseded: summary.superseded,
    }
}

fn told(error: QueueError) -> PipelineError {
    let reason = error.to_string();
    match error {
        QueueError::NotFound => PipelineError::NotFound,
        QueueError::Superseded | QueueError::MaybeSuperseded | QueueError::OutOfOrder | QueueError::Stale => {
            PipelineError::Refused { reason }
        }
        QueueError::Unavailable { .. } | QueueError::Full => PipelineError::Unavailable { reason },
        QueueError::Unsupported => PipelineError::Unsupported,
        QueueError::InvalidEnvelope { .. } | QueueError::InvalidBody { .. } | QueueError::TooLarge { .. } => {
            PipelineError::Invalid { reason }
        }
        QueueError::Corrupt { .. } | QueueError::Owned | QueueError::Configuration { .. } => {
            PipelineError::Failed { reason }
        }
    }
}
