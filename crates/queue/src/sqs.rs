//! The queue in SQS: a FIFO queue and a second one for dead letters. The only file of this crate that knows the
//! AWS SDK. Credentials and region come from the AWS environment, the endpoint too unless the settings name one.
//!
//! The body is the ER7 text as it is; everything else travels as message attributes, none of which is PHI. The
//! free text of an acknowledgment has no private place here and is dropped: receivers repeat patient data in it,
//! attributes are read by whoever lists a queue, and the body must stay what a redrive sends. A dead letter says
//! MSA-1, ERR-3, the number of attempts and the reason.
//!
//! A parked group has a marker in the dead-letter queue, which is how the next process knows. Its messages stay
//! where they are: while one of them is on lease, FIFO order withholds the rest.
//!
//! | Role | on the queue | on the dead-letter queue |
//! |---|---|---|
//! | hook | `sqs:SendMessage`, `sqs:GetQueueAttributes` | |
//! | sender | `sqs:ReceiveMessage`, `sqs:DeleteMessage`, `sqs:ChangeMessageVisibility`, `sqs:GetQueueAttributes`, and `sqs:SendMessage` to redrive | the same, to read the markers, to redrive and to let go |
//!
//! With KMS: `kms:GenerateDataKey` and `kms:Decrypt` on the key, for both.

use std::{
    collections::HashMap,
    fmt,
    num::NonZeroUsize,
    process,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use async_trait::async_trait;
use aws_sdk_sqs::{
    Client,
    config::{StalledStreamProtectionConfig, retry::RetryConfig, timeout::TimeoutConfig},
    error::ProvideErrorMetadata,
    operation::receive_message::builders::ReceiveMessageFluentBuilder,
    types::{
        BatchResultErrorEntry, ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry,
        Message, MessageAttributeValue, MessageSystemAttributeName as System, QueueAttributeName,
    },
};
use futures::future::join_all;
use tokio::sync::{OnceCell, oneshot};
use tokio_util::task::TaskTracker;

use crate::{
    DeadLetter, DeadLetterQueue, DeduplicationId, Delivery, Envelope, GroupId, MAX_BODY_BYTES, Queue,
    QueueError, Receipt, Sent, SqsConfig, Statistics,
};

mod client;
mod dead;
mod examine;
mod message;
mod parking;
mod refusal;

use self::{
    client::client,
    message::{delivery, to_attributes},
    parking::Parking,
    refusal::{is_stale, leased, unavailable},
};

/// Attributes count against the size of a message; they are never longer than this together.
const ATTRIBUTE_BYTES: usize = 4 * 1024;
/// The most messages in one call.
const MAX_BATCH: usize = 10;
/// Receives beside each other: with 25 ms for each, what a FIFO queue allows without high throughput (300 a second).
const RECEIVES: usize = 8;
/// The longest wait of one receive.
const MAX_WAIT: Duration = Duration::from_secs(20);
/// What a receive may take beyond its wait; the SDK has been seen to wait for ever.
const RECEIVE_MARGIN: Duration = Duration::from_secs(10);
/// The deduplication window of SQS, and how many sends are remembered to recognise a repeat.
const WINDOW: (Duration, usize) = (Duration::from_secs(300), 100_000);
/// The longest visibility timeout of SQS.
const MAX_VISIBILITY: Duration = Duration::from_secs(12 * 60 * 60);

/// A [`Queue`] in SQS.
pub struct SqsQueue {
    client: Client,
    /// The same with other time limits, for long polls.
    polling: Client,
    url: String,
    dead_letter_url: String,
    visibility: Duration,
    /// Ids of our own recent sends: SQS answers a repeat with the id of the first and says nothing else.
    recent: Mutex<HashMap<String, Instant>>,
    attempts: AtomicU64,
    receives: TaskTracker,
    parking: Mutex<Parking>,
    /// Set once the markers of parked groups were read.
    markers: OnceCell<()>,
    /// Held by whoever reads the dead letters: two readers would hide them from each other.
    looking: Arc<tokio::sync::Mutex<()>>,
}

impl SqsQueue {
    /// Builds the clients; nothing is sent yet, a service starts without SQS.
    ///
    /// # Errors
    /// [`QueueError::Configuration`] for settings that cannot work.
    pub async fn connect(config: &SqsConfig) -> Result<Self, QueueError> {
        let invalid = |reason: &str| Err(QueueError::Configuration { reason: reason.to_owned() });
        if [&config.url, &config.dead_letter_url].into_iter().any(|url| !url.ends_with(".fifo")) {
            return invalid("url and dead_letter_url must name FIFO queues (.fifo)");
        }
        if config.url == config.dead_letter_url {
            return invalid("url and dead_letter_url are the same queue");
        }
        let visibility = Duration::from_secs(config.visibility_seconds);
        if visibility.is_zero() || visibility > MAX_VISIBILITY || config.operation_timeout_seconds == 0 {
            return invalid(
                "visibility_seconds must be 1 s to 12 h and operation_timeout_seconds at least 1",
            );
        }
        let limit = Duration::from_secs(config.operation_timeout_seconds);
        Ok(Self::with_client(config, client(limit, config.endpoint_url.as_deref()).await, limit))
    }

    fn with_client(config: &SqsConfig, client: Client, limit: Duration) -> Self {
        let polling = client
            .config()
            .to_builder()
            .timeout_config(
                TimeoutConfig::builder()
                    .connect_timeout(limit)
                    .operation_attempt_timeout(MAX_WAIT + RECEIVE_MARGIN)
                    .operation_timeout(MAX_WAIT + 2 * RECEIVE_MARGIN)
                    .build(),
            )
            // A long poll is a stalled stream to the SDK, and a retry of the whole poll is the caller's.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .retry_config(RetryConfig::disabled())
            .build();
        Self {
            client,
            polling: Client::from_conf(polling),
            url: config.url.clone(),
            dead_letter_url: config.dead_letter_url.clone(),
            visibility: Duration::from_secs(config.visibility_seconds),
            recent: Mutex::default(),
            attempts: AtomicU64::new(0),
            receives: TaskTracker::new(),
            parking: Mutex::default(),
            markers: OnceCell::new(),
            looking: Arc::default(),
        }
    }

    /// Creates `<name>.fifo` and `<name>-dead.fifo` with the attributes this service relies on: for emulators,
    /// demonstrations and tests. In an account the infrastructure code creates them. `endpoint_url` as in
    /// [`SqsConfig`].
    ///
    /// # Errors
    /// [`QueueError::Unavailable`] with the code SQS answers.
    pub async fn create_queues(name: &str, endpoint_url: Option<&str>) -> Result<SqsConfig, QueueError> {
        let client = client(Duration::from_secs(10), endpoint_url).await;
        let create = async |name: String, redrive: Option<String>| {
            let request = client
                .create_queue()
                .queue_name(name)
                .attributes(QueueAttributeName::FifoQueue, "true")
                .attributes(QueueAttributeName::DeduplicationScope, "messageGroup")
                .attributes(QueueAttributeName::FifoThroughputLimit, "perMessageGroupId")
                .attributes(QueueAttributeName::MessageRetentionPeriod, "1209600");
            let request = match redrive {
                Some(policy) => request.attributes(QueueAttributeName::RedrivePolicy, policy),
                None => request,
            };
            let created = request.send().await.map_err(|error| unavailable(&error))?;
            created.queue_url.ok_or_else(|| QueueError::Unavailable { reason: "no queue URL".into() })
        };
        let dead_letter_url = create(format!("{name}-dead.fifo"), None).await?;
        let attributes = client
            .get_queue_attributes()
            .queue_url(&dead_letter_url)
            .attribute_names(QueueAttributeName::QueueArn)
            .send()
            .await
            .map_err(|error| unavailable(&error))?;
        let arn = attributes.attributes().and_then(|map| map.get(&QueueAttributeName::QueueArn)).cloned();
        // A backstop only: this service counts for itself and moves messages with a reason.
        let policy = arn.map(|arn| format!(r#"{{"deadLetterTargetArn":"{arn}","maxReceiveCount":"1000"}}"#));
        let url = create(format!("{name}.fifo"), policy).await?;
        Ok(SqsConfig {
            url,
            dead_letter_url,
            endpoint_url: endpoint_url.map(str::to_owned),
            visibility_seconds: 120,
            operation_timeout_seconds: 2,
        })
    }

    async fn put(
        &self,
        url: &str,
        envelope: &Envelope,
        group: &GroupId,
        deduplication_id: &str,
        attributes: HashMap<String, MessageAttributeValue>,
    ) -> Result<(String, String), QueueError> {
        let sent = self
            .client
            .send_message()
            .queue_url(url)
            .message_body(&envelope.body)
            .message_group_id(group.as_str())
            .message_deduplication_id(deduplication_id)
            .set_message_attributes(Some(attributes))
            .send()
            .await;
        let sent = sent.map_err(|error| match error.code() {
            Some("InvalidMessageContents") => QueueError::InvalidBody { offset: 0 },
            Some("InvalidParameterValue" | "InvalidAttributeValue") => {
                QueueError::InvalidEnvelope { field: "message" }
            }
            _ => unavailable(&error),
        })?;
        Ok((sent.message_id.unwrap_or_default(), sent.sequence_number.unwrap_or_default()))
    }

    /// Whether this process sent that id inside the window; remembers it.
    fn is_repeat(&self, message_id: &str) -> bool {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if recent.len() >= WINDOW.1 {
            recent.retain(|_, sent| now.duration_since(*sent) < WINDOW.0);
        }
        if recent.len() >= WINDOW.1 {
            recent.clear();
        }
        // SQS counts the window from the first send.
        match recent.get(message_id) {
            Some(first) if now.duration_since(*first) < WINDOW.0 => true,
            _ => {
                recent.insert(message_id.to_owned(), now);
                false
            }
        }
    }

    fn receive_from(
        &self,
        url: &str,
        max: usize,
        wait: Duration,
        visibility: Duration,
    ) -> ReceiveMessageFluentBuilder {
        self.polling
            .receive_message()
            .queue_url(url)
            .max_number_of_messages(i32::try_from(max.min(MAX_BATCH)).unwrap_or(1))
            .wait_time_seconds(seconds(wait.min(MAX_WAIT)))
            .visibility_timeout(seconds(visibility))
            .receive_request_attempt_id(self.attempt_id())
            .message_attribute_names("All")
            .message_system_attribute_names(System::All)
    }

    fn parking(&self) -> std::sync::MutexGuard<'_, Parking> {
        self.parking.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Unique per receive, so that a repeat inside the SDK gets the same messages instead of hiding them.
    fn attempt_id(&self) -> String {
        let nanos = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        format!("{}-{nanos}-{}", process::id(), self.attempts.fetch_add(1, Ordering::Relaxed))
    }

    async fn count(&self, url: &str, names: &[QueueAttributeName]) -> Result<Vec<u64>, QueueError> {
        let request =
            self.client.get_queue_attributes().queue_url(url).set_attribute_names(Some(names.to_vec()));
        let answer = request.send().await.map_err(|error| unavailable(&error))?;
        let count =
            |name| answer.attributes().and_then(|map| map.get(name)?.parse().ok()).unwrap_or_default();
        Ok(names.iter().map(count).collect())
    }
}

#[async_trait]
impl Queue for SqsQueue {
    async fn send(&self, envelope: Envelope) -> Result<Sent, QueueError> {
        envelope.validate(self.max_body_bytes())?;
        let attributes = to_attributes(&envelope.attributes, None);
        let id = envelope.deduplication_id.as_str();
        let (message_id, sequence) = self.put(&self.url, &envelope, &envelope.group, id, attributes).await?;
        Ok(if self.is_repeat(&message_id) { Sent::Duplicate { sequence } } else { Sent::New { sequence } })
    }

    async fn receive(&self, max: NonZeroUsize, wait: Duration) -> Result<Vec<Delivery>, QueueError> {
        self.read_markers().await?;
        self.keep_parked().await;
        let redriven = self.hand_out_redriven(max.get()).await;
        if !redriven.is_empty() {
            return Ok(redriven);
        }
        let request = self.receive_from(&self.url, max.get(), wait, self.visibility);
        let (reply, answer) = oneshot::channel();
        // A task of its own: if the caller goes away, what arrives is handed back.
        let (client, url) = (self.client.clone(), self.url.clone());
        self.receives.spawn(async move {
            if let Err(Ok(deliveries)) = reply.send(poll(request).await) {
                let receipts: Vec<_> = deliveries.into_iter().map(|delivery| delivery.receipt).collect();
                drop(change(&client, &url, &receipts, Duration::ZERO).await);
            }
        });
        let stopped = |_| QueueError::Unavailable { reason: "the receive was stopped".into() };
        let deliveries = answer.await.map_err(stopped)??;
        Ok(self.withhold_parked(deliveries).await)
    }

    async fn delete(&self, receipt: &Receipt) -> Result<(), QueueError> {
        match dead::handle(receipt) {
            None => remove(&self.client, &self.url, receipt.as_str()).await,
            Some(handle) => {
                let removed = remove(&self.client, &self.dead_letter_url, handle).await;
                if matches!(removed, Ok(()) | Err(QueueError::Stale)) {
                    self.redriven_ended(receipt).await;
                }
                removed
            }
        }
    }

    /// Ten in a call, the calls beside each other.
    async fn delete_all(&self, receipts: &[Receipt]) -> Vec<Result<(), QueueError>> {
        if let [receipt] = receipts {
            return vec![self.delete(receipt).await];
        }
        let plain: Vec<_> = receipts.iter().filter(|receipt| dead::handle(receipt).is_none()).collect();
        let calls = plain.chunks(MAX_BATCH).map(|batch| remove_batch(&self.client, &self.url, batch));
        let mut removed = join_all(calls).await.into_iter().flatten();
        let mut results = Vec::with_capacity(receipts.len());
        for receipt in receipts {
            results.push(match dead::handle(receipt) {
                Some(_) => self.delete(receipt).await,
                None => removed.next().unwrap_or(Err(QueueError::Stale)),
            });
        }
        results
    }

    async fn change_visibility(
        &self,
        receipts: &[Receipt],
        visible_in: Duration,
    ) -> Vec<Result<(), QueueError>> {
        let mut results = Vec::with_capacity(receipts.len());
        for run in receipts.chunk_by(|one, next| dead::handle(one).is_some() == dead::handle(next).is_some())
        {
            if run.first().is_some_and(|receipt| dead::handle(receipt).is_some()) {
                results.extend(self.change_redriven(run, visible_in).await);
            } else {
                results.extend(change(&self.client, &self.url, run, visible_in).await);
            }
        }
        results
    }

    async fn dead_letter(&self, delivery: &Delivery, letter: DeadLetter) -> Result<(), QueueError> {
        let envelope = &delivery.envelope;
        // Named after the place in the queue, which a redriven message does not share with its first life.
        let name = ["dead", envelope.group.as_str(), &delivery.sequence];
        let (id, group) = (DeduplicationId::digest(&name), GroupId::digest(&name));
        let mut attributes = to_attributes(&envelope.attributes, Some(&letter));
        attributes.extend(message::origin(delivery));
        self.put(&self.dead_letter_url, envelope, &group, id.as_str(), attributes).await?;
        self.delete(&delivery.receipt).await
    }

    async fn statistics(&self) -> Result<Statistics, QueueError> {
        let waiting = QueueAttributeName::ApproximateNumberOfMessages;
        let hidden = QueueAttributeName::ApproximateNumberOfMessagesNotVisible;
        let live = self.count(&self.url, &[waiting.clone(), hidden.clone()]).await?;
        let dead = self.count(&self.dead_letter_url, &[waiting, hidden]).await?;
        let at = |place| live.get(place).copied().unwrap_or_default();
        let (markers, parked) = self.parking().counts();
        Ok(Statistics {
            ready: at(0),
            in_flight: at(1).saturating_sub(parked),
            parked,
            dead: dead.iter().sum::<u64>().saturating_sub(markers),
            oldest_age: None,
        })
    }

    async fn ready(&self) -> Result<(), QueueError> {
        self.count(&self.url, &[QueueAttributeName::ApproximateNumberOfMessages]).await.map(drop)
    }

    fn visibility(&self) -> Duration {
        self.visibility
    }

    fn max_body_bytes(&self) -> usize {
        MAX_BODY_BYTES - ATTRIBUTE_BYTES
    }

    fn max_batch(&self) -> usize {
        MAX_BATCH
    }

    fn receives_at_once(&self) -> usize {
        RECEIVES
    }

    fn dead_letters(&self) -> Option<&dyn DeadLetterQueue> {
        Some(self)
    }

    /// Waits for receives that were dropped, so that their messages are handed back and not hidden.
    async fn close(&self) -> Result<(), QueueError> {
        self.receives.close();
        self.receives.wait().await;
        Ok(())
    }
}

impl fmt::Debug for SqsQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqsQueue").field("url", &self.url).finish_non_exhaustive()
    }
}

async fn poll(request: ReceiveMessageFluentBuilder) -> Result<Vec<Delivery>, QueueError> {
    fetch(request).await?.into_iter().map(delivery).collect()
}

async fn fetch(request: ReceiveMessageFluentBuilder) -> Result<Vec<Message>, QueueError> {
    let received = request.send().await.map_err(|error| unavailable(&error))?;
    Ok(received.messages.unwrap_or_default())
}

async fn remove(client: &Client, url: &str, handle: &str) -> Result<(), QueueError> {
    let request = client.delete_message().queue_url(url).receipt_handle(handle);
    request.send().await.map(drop).map_err(|error| leased(&error))
}

/// One call for up to [`MAX_BATCH`].
async fn remove_batch(client: &Client, url: &str, receipts: &[&Receipt]) -> Vec<Result<(), QueueError>> {
    let entry = |(place, receipt): (usize, &&Receipt)| {
        DeleteMessageBatchRequestEntry::builder()
            .id(place.to_string())
            .receipt_handle(receipt.as_str())
            .build()
    };
    let entries: Result<Vec<_>, _> = receipts.iter().enumerate().map(entry).collect();
    match client.delete_message_batch().queue_url(url).set_entries(entries.ok()).send().await {
        Ok(answer) => results(receipts.len(), answer.failed()),
        Err(error) => receipts.iter().map(|_| Err(unavailable(&error))).collect(),
    }
}

/// What a batch says of each of its entries, which are named after their places.
fn results(entries: usize, failed: &[BatchResultErrorEntry]) -> Vec<Result<(), QueueError>> {
    let result = |place: usize| match failed.iter().find(|failed| failed.id() == place.to_string()) {
        None => Ok(()),
        Some(failed) if is_stale(failed.code()) => Err(QueueError::Stale),
        Some(failed) => Err(QueueError::Unavailable { reason: failed.code().to_owned() }),
    };
    (0..entries).map(result).collect()
}

async fn change(
    client: &Client,
    url: &str,
    receipts: &[Receipt],
    visible_in: Duration,
) -> Vec<Result<(), QueueError>> {
    let batch = async |batch: &[Receipt]| {
        let entry = |(place, receipt): (usize, &Receipt)| {
            ChangeMessageVisibilityBatchRequestEntry::builder()
                .id(place.to_string())
                .receipt_handle(receipt.as_str())
                .visibility_timeout(seconds(visible_in.min(MAX_VISIBILITY)))
                .build()
        };
        let entries: Result<Vec<_>, _> = batch.iter().enumerate().map(entry).collect();
        let request = client.change_message_visibility_batch().queue_url(url).set_entries(entries.ok());
        match request.send().await {
            Ok(answer) => results(batch.len(), answer.failed()),
            Err(error) => batch.iter().map(|_| Err(unavailable(&error))).collect(),
        }
    };
    let mut results = Vec::with_capacity(receipts.len());
    for one in receipts.chunks(MAX_BATCH) {
        results.extend(batch(one).await);
    }
    results
}

/// Whole seconds, rounded up.
fn seconds(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis().div_ceil(1000)).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests;
