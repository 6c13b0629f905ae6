//! Jobs as the store holds them.
//!
//! ```text
//! jobs/<sha256>-<random>  {"kind":"job", "work":…, "source":…, "next":…, …}   one thing to do
//! jobs/<sha256>           {"kind":"mark", …} or {"kind":"triggered", …}      what is known of a source
//! ```
//!
//! A job is worked on by who holds its lease; a lease that is not renewed ends, so a job outlives its worker. Two
//! workers at once do no harm, as a write that was done is recognised: leases only spare the source. So they may go by
//! the wall clock, the only one that several machines share, and which is sometimes wrong.

use std::{fmt, num::NonZeroUsize, sync::Arc, time::Duration};

use jiff::Timestamp;
use message_store::{JobKey, MessageStore, Precondition, StoreError, Tag};
use serde::{Deserialize, Serialize};

/// What is to be done at a source.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Work {
    /// Read this Patient and pass it on.
    ReadBack {
        /// Logical id.
        id: String,
    },
    /// Search for what changed since the mark.
    CatchUp,
}

/// What the notification told beside.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Told {
    /// The version that the source has at least.
    pub(crate) version: Option<String>,
    /// W3C trace context.
    pub(crate) traceparent: Option<String>,
}

/// A job: what is to be done, and how far it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) work: Work,
    /// Name of the source.
    pub(crate) source: String,
    #[serde(default)]
    pub(crate) told: Told,
    pub(crate) created: Timestamp,
    pub(crate) attempts: u32,
    /// Not before.
    pub(crate) next: Timestamp,
    pub(crate) lease: Option<Lease>,
    /// Given up, and why.
    pub(crate) parked: Option<String>,
}

/// Who works on a job, and until when unless renewed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Lease {
    pub(crate) owner: String,
    pub(crate) until: Timestamp,
}

/// Everything the `jobs/` family holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
enum Stored {
    Job(Record),
    /// Up to where a source was searched.
    Mark {
        updated: Timestamp,
    },
    /// A source was asked for its history.
    Triggered {
        at: Timestamp,
    },
}

/// A job that this process holds.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) key: JobKey,
    pub(crate) record: Record,
    tag: Tag,
}

/// What a look at a stored job says.
#[derive(Debug)]
pub(crate) enum Found {
    /// Ours now.
    Held(Box<Held>),
    /// Not before so long.
    Later(Duration),
    /// Given up: the name of its source, and why.
    Parked(String, String),
    /// No job, or none any more.
    Nothing,
}

/// The jobs in the store.
#[derive(Clone, Debug)]
pub(crate) struct Jobs {
    store: Arc<dyn MessageStore>,
    owner: String,
    lease: Duration,
}

impl Jobs {
    pub(crate) fn new(store: Arc<dyn MessageStore>, lease: Duration) -> Self {
        Self { store, owner: format!("{:016x}", rand::random::<u64>()), lease }
    }

    /// Makes a job durable; it is ours to do first.
    pub(crate) async fn create(&self, source: &str, work: Work, told: Told) -> Result<Held, StoreError> {
        let now = Timestamp::now();
        let key = JobKey::unique(&[source, work.kind(), work.id()]);
        let record = Record {
            work,
            source: source.to_owned(),
            told,
            created: now,
            attempts: 0,
            next: now,
            lease: Some(self.lease(now)),
            parked: None,
        };
        let body = encode(&Stored::Job(record.clone()));
        let tag = self.store.put_job(&key, body, Precondition::Absent).await?;
        Ok(Held { key, record, tag })
    }

    /// Looks at a stored job and takes it when nobody else has it.
    pub(crate) async fn take(&self, key: &JobKey) -> Result<Found, StoreError> {
        let Some(job) = self.store.job(key).await? else { return Ok(Found::Nothing) };
        let Ok(Stored::Job(record)) = serde_json::from_slice(&job.body) else { return Ok(Found::Nothing) };
        if let Some(reason) = record.parked {
            return Ok(Found::Parked(record.source, reason));
        }
        let now = Timestamp::now();
        let until = |time: Timestamp| Duration::try_from(time.duration_since(now)).unwrap_or_default();
        let lease = record.lease.as_ref().filter(|lease| lease.owner != self.owner);
        // A lease of many lengths was granted before somebody's clock was set back.
        let leased = lease.map(|lease| until(lease.until)).filter(|left| *left <= 10 * self.lease);
        let wait = leased.unwrap_or_default().max(until(record.next));
        if !wait.is_zero() {
            return Ok(Found::Later(wait));
        }
        let mut held = Held { key: key.clone(), record, tag: job.tag };
        let ours = self.hold(&mut held).await?;
        Ok(if ours { Found::Held(Box::new(held)) } else { Found::Later(self.lease) })
    }

    /// Takes or renews the lease; false when another worker was quicker.
    pub(crate) async fn hold(&self, held: &mut Held) -> Result<bool, StoreError> {
        held.record.lease = Some(self.lease(Timestamp::now()));
        self.put(held).await
    }

    /// How often to renew the lease of a job that is worked on.
    pub(crate) fn renewal(&self) -> Duration {
        (self.lease / 3).max(Duration::from_millis(10))
    }

    /// Whether the lease will not last for another attempt.
    pub(crate) fn is_short(&self, held: &Held) -> bool {
        let enough = Timestamp::now().checked_add(self.lease / 2).unwrap_or(Timestamp::MAX);
        held.record.lease.as_ref().is_none_or(|lease| lease.until < enough)
    }

    /// Writes the job down without a lease: anybody may go on with it.
    pub(crate) async fn release(&self, held: &mut Held) -> Result<bool, StoreError> {
        held.record.lease = None;
        self.put(held).await
    }

    /// Forgets a job that is done.
    pub(crate) async fn done(&self, key: &JobKey) -> Result<(), StoreError> {
        self.store.delete_job(key).await
    }

    /// A page of keys.
    pub(crate) async fn page(&self, after: Option<&JobKey>) -> Result<message_store::JobPage, StoreError> {
        self.store.list_jobs(after, PAGE).await
    }

    /// Up to where the source was searched.
    pub(crate) async fn mark(&self, source: &str) -> Result<Option<Timestamp>, StoreError> {
        let Some(job) = self.store.job(&mark(source)).await? else { return Ok(None) };
        match serde_json::from_slice(&job.body) {
            Ok(Stored::Mark { updated }) => Ok(Some(updated)),
            Ok(_) | Err(_) => Err(StoreError::Corrupt { reason: "the mark of a source is not readable" }),
        }
    }

    /// Moves the mark forward, never back.
    pub(crate) async fn set_mark(&self, source: &str, updated: Timestamp) -> Result<(), StoreError> {
        let key = mark(source);
        loop {
            let there = self.store.job(&key).await?;
            let precondition = match &there {
                None => Precondition::Absent,
                Some(job) => match serde_json::from_slice(&job.body) {
                    Ok(Stored::Mark { updated: before }) if before >= updated => return Ok(()),
                    _ => Precondition::Matches(job.tag.clone()),
                },
            };
            match self.store.put_job(&key, encode(&Stored::Mark { updated }), precondition).await {
                Err(StoreError::Changed) => {}
                result => return result.map(drop),
            }
        }
    }

    /// Notes that the source was asked for its history; false when that was noted before.
    pub(crate) async fn trigger_once(&self, source: &str, subscription: &str) -> Result<bool, StoreError> {
        let key = JobKey::new(&["triggered", source, subscription]);
        let body = encode(&Stored::Triggered { at: Timestamp::now() });
        match self.store.put_job(&key, body, Precondition::Absent).await {
            Ok(_) => Ok(true),
            Err(StoreError::Changed) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Takes back [`Jobs::trigger_once`]: the source could not be asked.
    pub(crate) async fn not_triggered(&self, source: &str, subscription: &str) -> Result<(), StoreError> {
        self.store.delete_job(&JobKey::new(&["triggered", source, subscription])).await
    }

    async fn put(&self, held: &mut Held) -> Result<bool, StoreError> {
        let body = encode(&Stored::Job(held.record.clone()));
        match self.store.put_job(&held.key, body, Precondition::Matches(held.tag.clone())).await {
            Ok(tag) => {
                held.tag = tag;
                Ok(true)
            }
            Err(StoreError::Changed) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn lease(&self, now: Timestamp) -> Lease {
        let until = now.checked_add(self.lease).unwrap_or(Timestamp::MAX);
        Lease { owner: self.owner.clone(), until }
    }
}

impl Work {
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::ReadBack { .. } => "read-back",
            Self::CatchUp => "catch-up",
        }
    }

    fn id(&self) -> &str {
        match self {
            Self::ReadBack { id } => id,
            Self::CatchUp => "",
        }
    }
}

/// Without the id, which names a person.
impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind())
    }
}

fn mark(source: &str) -> JobKey {
    JobKey::new(&["mark", source])
}

fn encode(stored: &Stored) -> bytes::Bytes {
    // Strings, numbers and times: this cannot fail.
    serde_json::to_vec(stored).unwrap_or_default().into()
}

const PAGE: NonZeroUsize = NonZeroUsize::new(1000).unwrap();

#[cfg(test)]
mod tests {
    use message_store::MemoryStore;

    use super::*;

    fn jobs(store: &Arc<MemoryStore>, lease: Duration) -> Jobs {
        Jobs::new(Arc::clone(store) as Arc<dyn MessageStore>, lease)
    }

    fn read_back() -> Work {
        Work::ReadBack { id: "p-1".to_owned() }
    }

    #[tokio::test]
    async fn a_job_is_its_holders_until_the_lease_ends() {
        let store = Arc::new(MemoryStore::new());
        let (one, two) = (jobs(&store, Duration::from_secs(60)), jobs(&store, Duration::from_secs(60)));
        let held = one.create("main", read_back(), Told::default()).await.unwrap();
        assert!(matches!(two.take(&held.key).await.unwrap(), Found::Later(_)));
        let mut short =
            jobs(&store, Duration::ZERO).create("main", read_back(), Told::default()).await.unwrap();
        let Found::Held(taken) = two.take(&short.key).await.unwrap() else { panic!("the lease has ended") };
        assert_eq!(taken.record.work, read_back());
        assert!(!one.hold(&mut short).await.unwrap(), "the first holder has lost it");
        two.done(&taken.key).await.unwrap();
        assert!(matches!(one.take(&taken.key).await.unwrap(), Found::Nothing));
    }

    #[tokio::test]
    async fn a_parked_job_is_not_taken_and_says_of_which_source_it_is() {
        let store = Arc::new(MemoryStore::new());
        let jobs = jobs(&store, Duration::ZERO);
        let mut held = jobs.create("main", Work::CatchUp, Told::default()).await.unwrap();
        held.record.parked = Some("refused".to_owned());
        assert!(jobs.release(&mut held).await.unwrap());
        assert!(
            matches!(jobs.take(&held.key).await.unwrap(), Found::Parked(source, reason) if source == "main" && reason == "refused")
        );
    }

    #[tokio::test]
    async fn a_mark_only_moves_forward() {
        let jobs = jobs(&Arc::new(MemoryStore::new()), Duration::ZERO);
        let (old, new) = ("2024-03-01T00:00:00Z".parse().unwrap(), "2024-03-02T00:00:00Z".parse().unwrap());
        assert_eq!(jobs.mark("main").await.unwrap(), None);
        jobs.set_mark("main", new).await.unwrap();
        jobs.set_mark("main", old).await.unwrap();
        assert_eq!(jobs.mark("main").await.unwrap(), Some(new));
        assert_eq!(jobs.mark("other").await.unwrap(), None);
        assert!(jobs.trigger_once("main", "adt-bridge").await.unwrap());
        assert!(!jobs.trigger_once("main", "adt-bridge").await.unwrap());
    }

    #[test]
    fn keys_and_debug_hold_no_id() {
        let work = Work::ReadBack { id: "secret".to_owned() };
        assert!(!format!("{work:?}").contains("secret"));
        assert!(!JobKey::unique(&["main", work.kind(), work.id()]).as_str().contains("secret"));
    }
}
