//! Messages as objects of an S3 bucket. The only file of this crate that knows the AWS SDK.
//!
//! Ordering keys and the facts of an accepted record stand in user metadata of their object, so each write stays one
//! object. Comparisons are conditional writes (`If-None-Match: *`, `If-Match`), repeated when another writer won.
//!
//! The role needs `s3:GetObject`, `s3:PutObject`, `s3:ListBucket` and, for `jobs/`, `s3:DeleteObject`. Without the last one S3 answers 403 where there is
//! no object, and an unknown patient looks like a store that is away.

use std::{num::NonZeroUsize, time::Duration, time::SystemTime};

use async_trait::async_trait;
use aws_sdk_s3::{
    Client,
    config::timeout::TimeoutConfig,
    error::{DisplayErrorContext, ProvideErrorMetadata, SdkError},
    operation::{get_object::GetObjectOutput, put_object::builders::PutObjectFluentBuilder},
    types::{ChecksumAlgorithm, ChecksumMode, ServerSideEncryption},
};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use bytes::Bytes;

use crate::{
    Accepted, AcceptedRecord, Current, Job, JobKey, JobPage, MessageStore, OrderingKey, Page, PatientKey,
    Precondition, ReceivedEntry, ReceivedKey, RefusedKey, Replacement, S3Config, StoreError, Stored, Tag,
    job::JOBS,
    key::{RECEIVED, content_hash},
};

mod examine;

/// A [`MessageStore`] in an S3 bucket.
#[derive(Clone, Debug)]
pub struct S3Store {
    client: Client,
    bucket: String,
    prefix: String,
    kms_key_id: Option<String>,
}

impl S3Store {
    /// Builds the client; the first call goes out with the first operation.
    ///
    /// # Errors
    /// `Config` for settings that make no sense.
    pub async fn connect(config: &S3Config) -> Result<Self, StoreError> {
        if config.bucket.is_empty() {
            return Err(StoreError::Config { reason: "store.bucket is empty".to_owned() });
        }
        if config.attempt_timeout_seconds == 0 || config.operation_timeout_seconds == 0 {
            return Err(StoreError::Config { reason: "store timeouts must not be zero".to_owned() });
        }
        let http = aws_smithy_http_client::Builder::new()
            .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
            .build_https();
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(config.attempt_timeout_seconds))
            .operation_attempt_timeout(Duration::from_secs(config.attempt_timeout_seconds))
            .operation_timeout(Duration::from_secs(config.operation_timeout_seconds))
            .build();
        let mut loader = aws_config::from_env().http_client(http).timeout_config(timeouts);
        if let Some(url) = &config.endpoint_url {
            loader = loader.endpoint_url(url);
        }
        let shared = loader.load().await;
        let path_style = config.force_path_style.unwrap_or(shared.endpoint_url().is_some());
        let service = aws_sdk_s3::config::Builder::from(&shared).force_path_style(path_style).build();
        Ok(Self {
            client: Client::from_conf(service),
            bucket: config.bucket.clone(),
            prefix: config.prefix.clone(),
            kms_key_id: config.kms_key_id.clone(),
        })
    }

    fn key(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    /// A write with everything but its condition.
    fn put(&self, key: &str, body: Bytes) -> PutObjectFluentBuilder {
        let encryption = self.kms_key_id.as_ref().map(|_| ServerSideEncryption::AwsKms);
        self.client
            .put_object()
            .bucket(&self.bucket)
            .key(self.key(key))
            .content_type("x-application/hl7-v2+er7; charset=utf-8")
            .checksum_algorithm(ChecksumAlgorithm::Sha256)
            .set_server_side_encryption(encryption)
            .set_ssekms_key_id(self.kms_key_id.clone())
            .body(body.into())
    }

    /// Sends a conditional write: its ETag, or `None` when the condition does not hold.
    async fn put_if(
        operation: &'static str,
        write: PutObjectFluentBuilder,
        condition: &Condition,
    ) -> Result<Option<String>, StoreError> {
        match condition_of(write, condition).send().await {
            Ok(done) => Ok(Some(done.e_tag.unwrap_or_default())),
            // 404: the object named by If-Match is gone. 409: another conditional write is under way.
            Err(error) => match status(&error) {
                Some(412 | 409) => Ok(None),
                Some(404) if code(&error) == Some("NoSuchKey") => Ok(None),
                _ => Err(failure(operation, error)),
            },
        }
    }

    async fn object(&self, operation: &'static str, key: &str) -> Result<Option<Object>, StoreError> {
        let read = self
            .client
            .get_object()
            .bucket(&self.bucket)
            .key(self.key(key))
            .checksum_mode(ChecksumMode::Enabled);
        match read.send().await {
            Ok(mut answer) => {
                let body = std::mem::take(&mut answer.body);
                let body = body.collect().await.map_err(|error| StoreError::unavailable(operation, error))?;
                Ok(Some(Object { body: body.into_bytes(), answer }))
            }
            Err(error) if code(&error) == Some("NoSuchKey") => Ok(None),
            Err(error) => Err(failure(operation, error)),
        }
    }
}

#[async_trait]
impl MessageStore for S3Store {
    async fn put_received(&self, key: &ReceivedKey, body: Bytes) -> Result<Stored, StoreError> {
        const OPERATION: &str = "put_received";
        for round in 0..ROUNDS {
            let write = self.put(key.as_str(), body.clone()).metadata(CONTENT_SHA256, content_hash(&body));
            if Self::put_if(OPERATION, write, &Condition::Absent).await?.is_some() {
                return Ok(Stored::New);
            }
            // Nothing there after all: the other conditional write had not finished, or failed.
            match self.object(OPERATION, key.as_str()).await? {
                Some(there) if there.body == body => return Ok(Stored::Duplicate),
                Some(_) => return Ok(Stored::Conflict),
                None => pause(round).await,
            }
        }
        Err(outrun(OPERATION))
    }

    async fn received(&self, key: &ReceivedKey) -> Result<Option<Bytes>, StoreError> {
        Ok(self.object("received", key.as_str()).await?.map(|object| object.body))
    }

    async fn list_received(
        &self,
        after: Option<&ReceivedKey>,
        max: NonZeroUsize,
    ) -> Result<Page, StoreError> {
        let answer = self
            .client
            .list_objects_v2()
            .bucket(&self.bucket)
            .prefix(self.key(RECEIVED))
            .max_keys(i32::try_from(max.get()).unwrap_or(1000).min(1000))
            .set_start_after(after.map(|after| self.key(after.as_str())))
            .send()
            .await
            .map_err(|error| failure("list_received", error))?;
        let more = answer.is_truncated.unwrap_or_default();
        let entries: Vec<_> = answer
            .contents
            .unwrap_or_default()
            .into_iter()
            .filter_map(|object| {
                let key = ReceivedKey::parse(object.key.as_deref()?.strip_prefix(&self.prefix)?).ok()?;
                let received_at = object.last_modified.and_then(|time| SystemTime::try_from(time).ok())?;
                Some(ReceivedEntry {
                    key,
                    received_at,
                    size_bytes: object.size.and_then(|size| u64::try_from(size).ok()).unwrap_or_default(),
                })
            })
            .collect();
        let next = entries.last().filter(|_| more).map(|entry| entry.key.clone());
        Ok(Page { entries, next })
    }

    async fn put_current(
        &self,
        patient: &PatientKey,
        order: &OrderingKey,
        body: Bytes,
    ) -> Result<Replacement, StoreError> {
        const OPERATION: &str = "put_current";
        let key = patient.current();
        for round in 0..ROUNDS {
            let condition = match self.object(OPERATION, &key).await? {
                None => Condition::Absent,
                Some(there) if there.order().is_some_and(|there| there > *order) => {
                    return Ok(Replacement::KeptNewer);
                }
                Some(there) => Condition::Is(there.etag()),
            };
            let write = self.put(&key, body.clone()).metadata(ORDER, order.as_str());
            if Self::put_if(OPERATION, write, &condition).await?.is_some() {
                return Ok(Replacement::Replaced);
            }
            pause(round).await;
        }
        Err(outrun(OPERATION))
    }

    async fn current(&self, patient: &PatientKey) -> Result<Option<Current>, StoreError> {
        let object = self.object("current", &patient.current()).await?;
        Ok(object.map(|object| Current { order: object.order(), body: object.body }))
    }

    async fn accepted(&self, patient: &PatientKey) -> Result<Option<Accepted>, StoreError> {
        let Some(object) = self.object("accepted", &patient.accepted()).await? else { return Ok(None) };
        let record = AcceptedRecord::from_text(&object.body)?;
        Ok(Some(Accepted { record, tag: Tag(object.etag()) }))
    }

    async fn put_accepted(
        &self,
        patient: &PatientKey,
        record: AcceptedRecord,
        precondition: Precondition,
    ) -> Result<Tag, StoreError> {
        // All of the record is in the body: an ETag may stand for the body alone, and a condition must see every change.
        let write =
            self.put(&patient.accepted(), record.to_text()?).content_type("text/plain; charset=utf-8");
        if let Some(etag) = Self::put_if("put_accepted", write, &condition(precondition)).await? {
            return Ok(Tag(etag));
        }
        // The client repeats a write whose answer it did not see; the repeat then finds the first one's work.
        match self.accepted(patient).await? {
            Some(there) if there.record == record => Ok(there.tag),
            Some(_) | None => Err(StoreError::Changed),
        }
    }

    async fn put_job(
        &self,
        key: &JobKey,
        body: Bytes,
        precondition: Precondition,
    ) -> Result<Tag, StoreError> {
        let write = self.put(key.as_str(), body.clone()).content_type("application/json");
        if let Some(etag) = Self::put_if("put_job", write, &condition(precondition)).await? {
            return Ok(Tag(etag));
        }
        // As with accepted records: a repeat by the client finds the first one's work.
        match self.job(key).await? {
            Some(there) if there.body == body => Ok(there.tag),
            Some(_) | None => Err(StoreError::Changed),
        }
    }

    async fn job(&self, key: &JobKey) -> Result<Option<Job>, StoreError> {
        let object = self.object("job", key.as_str()).await?;
        Ok(object.map(|object| Job { tag: Tag(object.etag()), body: object.body }))
    }

    async fn delete_job(&self, key: &JobKey) -> Result<(), StoreError> {
        let delete = self.client.delete_object().bucket(&self.bucket).key(self.key(key.as_str()));
        delete.send().await.map(|_| ()).map_err(|error| failure("delete_job", error))
    }

    async fn list_jobs(&self, after: Option<&JobKey>, max: NonZeroUsize) -> Result<JobPage, StoreError> {
        let answer = self
            .client
            .list_objects_v2()
            .bucket(&self.bucket)
            .prefix(self.key(JOBS))
            .max_keys(i32::try_from(max.get()).unwrap_or(1000).min(1000))
            .set_start_after(after.map(|after| self.key(after.as_str())))
            .send()
            .await
            .map_err(|error| failure("list_jobs", error))?;
        let more = answer.is_truncated.unwrap_or_default();
        let objects = answer.contents.unwrap_or_default();
        let key = |key: &str| JobKey::parse(key.strip_prefix(&self.prefix)?).ok();
        let keys: Vec<_> = objects.iter().filter_map(|object| key(object.key.as_deref()?)).collect();
        let next = keys.last().filter(|_| more).cloned();
        Ok(JobPage { keys, next })
    }

    async fn put_refused(&self, key: &RefusedKey, body: Bytes) -> Result<(), StoreError> {
        let write = self.put(key.as_str(), body).content_type("application/octet-stream");
        if Self::put_if("put_refused", write, &Condition::Absent).await?.is_some() {
            return Ok(());
        }
        // Nothing there after all: the other conditional write had not finished, or failed.
        self.refused(key).await?.map(|_| ()).ok_or_else(|| outrun("put_refused"))
    }

    async fn refused(&self, key: &RefusedKey) -> Result<Option<Bytes>, StoreError> {
        Ok(self.object("refused", key.as_str()).await?.map(|object| object.body))
    }

    fn is_shared(&self) -> bool {
        true
    }

    async fn ready(&self) -> Result<(), StoreError> {
        let answer = self.client.head_bucket().bucket(&self.bucket).send().await;
        answer.map(|_| ()).map_err(|error| failure("ready", error))
    }
}

/// What must be true for a write to happen.
enum Condition {
    Absent,
    Is(String),
}

fn condition_of(write: PutObjectFluentBuilder, condition: &Condition) -> PutObjectFluentBuilder {
    match condition {
        Condition::Absent => write.if_none_match("*"),
        Condition::Is(etag) => write.if_match(etag),
    }
}

fn condition(precondition: Precondition) -> Condition {
    match precondition {
        Precondition::Absent => Condition::Absent,
        Precondition::Matches(Tag(etag)) => Condition::Is(etag),
    }
}

/// An object with its metadata.
struct Object {
    body: Bytes,
    answer: GetObjectOutput,
}

impl Object {
    fn metadata(&self, name: &str) -> Option<&str> {
        self.answer.metadata.as_ref()?.get(name).map(String::as_str)
    }

    fn order(&self) -> Option<OrderingKey> {
        self.metadata(ORDER).and_then(|key| OrderingKey::new(key).ok())
    }

    fn etag(&self) -> String {
        self.answer.e_tag.clone().unwrap_or_default()
    }
}

fn status<E>(error: &SdkError<E>) -> Option<u16> {
    error.raw_response().map(|response| response.status().as_u16())
}

fn code<E: ProvideErrorMetadata>(error: &SdkError<E>) -> Option<&str> {
    error.as_service_error().and_then(ProvideErrorMetadata::code)
}

/// Keeps the service's error code, not its message: that one may repeat the key.
fn failure<E>(operation: &'static str, error: SdkError<E>) -> StoreError
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let text = match (code(&error), status(&error)) {
        (Some(code), _) => code.to_owned(),
        (None, Some(status)) => format!("HTTP status {status}"),
        (None, None) => format!("{}", DisplayErrorContext(&error)),
    };
    StoreError::unavailable(operation, text)
}

fn outrun(operation: &'static str) -> StoreError {
    StoreError::unavailable(operation, "other writers kept changing the object")
}

/// Waits a little, longer each round and never in step with another writer.
async fn pause(round: u32) {
    let most = 10_u64 << round.min(5);
    tokio::time::sleep(Duration::from_millis(rand::random_range(1..=most))).await;
}

const ROUNDS: u32 = 12;
const CONTENT_SHA256: &str = "content-sha256";
const ORDER: &str = "order";
