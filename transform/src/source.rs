//! FHIR servers that may be read from: read-back, catch-up, and our Subscription there.
//!
//! A read-back is the only outbound call that a remote party can cause. So it takes an id and nothing else from a
//! notification (`address`), goes out under narrow limits (`client`), and is a job (`job`, `desk`): promised durably
//! before the notification is answered, worked on by one process, found again after a restart, retried, and parked with
//! a reason when it cannot succeed (`outcome`).

mod address;
mod authorize;
mod breaker;
mod catch_up;
mod client;
mod config;
mod desk;
mod history;
mod job;
mod outcome;
mod request;
mod subscription;

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use jiff::Timestamp;
use message_store::{MessageStore, PatientKey, StoreError};
use serde_json::{Map, Value, json};
use url::Url;

pub use config::{
    AssertionAlgorithm, CatchUpConfig, CredentialsConfig, SmartBackend, SourceConfig, SourceTls,
    SubscriptionConfig,
};

pub use history::{Export, ExportFile, History, HistoryError, Page};
pub(crate) use request::{ReadBack, writer};

use self::{
    client::Client,
    desk::Desk,
    job::{Jobs, Record, Told, Work},
    subscription::State,
};
use crate::Error;

/// Takes what was read from a source, as an ordinary write with the version that the source told.
#[async_trait]
pub(crate) trait Writer: fmt::Debug + Send + Sync + 'static {
    /// Returns when the write is durable, or when it changes nothing: a version that is known, or older.
    async fn write(
        &self,
        patient: PatientKey,
        resource: Map<String, Value>,
        traceparent: Option<&str>,
    ) -> Result<(), WriteFault>;
}

/// Why a write was not done; the reason holds no value of the resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum WriteFault {
    /// May succeed later.
    Later(String),
    /// Will be refused again.
    Refused(String),
}

/// One configured server.
#[derive(Debug)]
pub(crate) struct Source {
    config: SourceConfig,
    client: Client,
    subscription: Mutex<Option<State>>,
}

/// All configured servers, and the work on them.
#[derive(Clone, Debug)]
pub(crate) struct Sources {
    sources: Vec<Arc<Source>>,
    desk: Arc<Desk>,
}

/// Why nothing can be read for a notification.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SourceError {
    /// No source is configured.
    #[error("no source server is configured")]
    None,
    /// The notification is of another server.
    #[error("not an allowed source")]
    NotAllowed {
        /// Its host.
        host: String,
    },
    /// Several sources are configured and none is named.
    #[error("several sources are configured, and none is named")]
    Ambiguous,
    /// The job could not be made durable.
    #[error("{0}")]
    Store(#[source] StoreError),
}

impl Source {
    pub(crate) fn new(config: &SourceConfig) -> Result<Self, Error> {
        config.check()?;
        let subscription = config.subscription.as_ref().map(|_| State::Unknown);
        let client = Client::new(config)?;
        Ok(Self { config: config.clone(), client, subscription: Mutex::new(subscription) })
    }

    pub(crate) fn name(&self) -> &str {
        &self.config.name
    }

    fn config(&self) -> &SourceConfig {
        &self.config
    }

    fn client(&self) -> &Client {
        &self.client
    }

    /// Whether a job has been tried for long enough: by the clock, which may jump, and by the number of attempts.
    fn gives_up(&self, record: &Record, now: Timestamp) -> bool {
        let age = Duration::try_from(now.duration_since(record.created)).unwrap_or_default();
        age >= self.config.retry_for
            && (record.attempts >= FEWEST_ATTEMPTS || self.config.retry_for.is_zero())
    }

    fn subscription(&self) -> Option<State> {
        self.subscription.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_subscription(&self, state: State) {
        *self.subscription.lock().unwrap_or_else(PoisonError::into_inner) = Some(state);
    }
}

impl Sources {
    /// Reads the settings; nothing goes out before [`Sources::start`].
    pub(crate) fn new(
        config: &[SourceConfig],
        times: &JobsConfig,
        store: Arc<dyn MessageStore>,
    ) -> Result<Self, Error> {
        let sources: Vec<_> =
            config.iter().map(|source| Source::new(source).map(Arc::new)).collect::<Result<_, _>>()?;
        let desk = Arc::new(Desk::new(Jobs::new(store, times.lease), sources.clone(), times.scan));
        Ok(Self { sources, desk })
    }

    /// From now on jobs are worked on and Subscriptions kept. Does not wait for anything.
    pub(crate) fn start(&self, writer: Arc<dyn Writer>) {
        if self.sources.is_empty() {
            return;
        }
        self.desk.start(writer);
        for source in &self.sources {
            let (source, desk) = (Arc::clone(source), Arc::clone(&self.desk));
            let stop = self.desk.stopping().clone();
            self.desk.tasks().spawn(async move {
                let work = async {
                    while let Err(wait) = catch_up::begin(&source, &desk).await {
                        tokio::time::sleep(wait).await;
                    }
                    if let Some(config) = source.config.subscription.clone() {
                        subscription::keep(Arc::clone(&source), desk, config).await;
                    }
                };
                stop.run_until_cancelled(work).await;
            });
        }
    }

    /// Ends the work; jobs that are not done stay in the store.
    pub(crate) async fn stop(&self) {
        self.desk.stop().await;
    }

    /// Promises to read a Patient; durable when this returns.
    async fn read_back(&self, wanted: ReadBack) -> Result<(), SourceError> {
        let source = self.of_base(wanted.base.as_deref(), &wanted.patient)?;
        let work = Work::ReadBack { id: wanted.patient.id().to_owned() };
        let told = Told { version: wanted.version_id, traceparent: Some(wanted.traceparent) };
        self.desk.promise(source.name(), work, told).await.map_err(SourceError::Store)
    }

    /// Promises to search every source for what changed; durable when this returns.
    async fn catch_up(&self, traceparent: &str) -> Result<(), SourceError> {
        if self.sources.is_empty() {
            return Err(SourceError::None);
        }
        for source in &self.sources {
            let told = Told { version: None, traceparent: Some(traceparent.to_owned()) };
            self.desk.promise(source.name(), Work::CatchUp, told).await.map_err(SourceError::Store)?;
        }
        Ok(())
    }

    /// The source with this base, or the only one where none is named. Of the text nothing else is used.
    fn of_base(&self, base: Option<&str>, patient: &PatientKey) -> Result<&Source, SourceError> {
        match (base, self.sources.as_slice()) {
            (_, []) => Err(SourceError::None),
            (None, [only]) => Ok(only),
            (None, _) => Err(SourceError::Ambiguous),
            (Some(base), sources) => {
                let named = format!("{}/Patient/{}", base.trim_end_matches('/'), patient.id());
                let url = Url::parse(&named);
                let url = url.map_err(|_| SourceError::NotAllowed { host: "That".to_owned() })?;
                let its =
                    |source: &&Arc<Source>| source.client.base().patient_of(&url).as_ref() == Some(patient);
                let found = sources.iter().find(its).map(|source| &**source);
                found.ok_or_else(|| SourceError::NotAllowed { host: host(&url) })
            }
        }
    }

    /// For `/readyz?verbose`: how each source is. No ids, no URLs.
    pub(crate) fn state(&self) -> Value {
        let one = |source: &Arc<Source>| {
            let counts = self.desk.counts(source.name());
            let mut state = json!({
                "jobs": { "pending": counts.pending, "parked": counts.parked, "reasons": counts.reasons },
                "reachable": !source.client.breaker().is_open(),
            });
            if let Some(subscription) = source.subscription() {
                state["subscription"] = json!(subscription.text());
            }
            (source.name().to_owned(), state)
        };
        Value::Object(self.sources.iter().map(one).collect())
    }
}

/// What a clock that jumps forward cannot take from a job.
const FEWEST_ATTEMPTS: u32 = 8;

/// The `[hook.jobs]` section.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct JobsConfig {
    /// How long a process that does not answer any more keeps its jobs.
    #[serde(with = "service::config::duration")]
    pub lease: Duration,
    /// How often to look for jobs of processes that are gone.
    #[serde(with = "service::config::duration")]
    pub scan: Duration,
}

impl Default for JobsConfig {
    fn default() -> Self {
        Self { lease: Duration::from_secs(15), scan: Duration::from_secs(15) }
    }
}

/// The host as an answer may repeat it.
fn host(url: &Url) -> String {
    let host = url.host_str().unwrap_or("no host");
    host.chars().filter(|c| c.is_ascii_alphanumeric() || "-.:[] ".contains(*c)).take(100).collect()
}

#[cfg(test)]
mod tests {
    use message_store::MemoryStore;

    use super::*;

    fn sources(bases: &[&str]) -> Sources {
        let source = |(index, base): (usize, &&str)| -> SourceConfig {
            serde_json::from_value(json!({ "name": format!("s-{index}"), "base_url": base })).unwrap()
        };
        let config: Vec<_> = bases.iter().enumerate().map(source).collect();
        Sources::new(&config, &JobsConfig::default(), Arc::new(MemoryStore::new())).unwrap()
    }

    fn ask(sources: &Sources, base: Option<&str>) -> Result<String, SourceError> {
        let patient = PatientKey::new("p-1").unwrap();
        sources.of_base(base, &patient).map(|source| source.name().to_owned())
    }

    #[tokio::test]
    async fn row_52_a_base_off_the_list_is_refused_by_its_host() {
        let two = sources(&["https://one.example/r4", "https://two.example:8443/fhir/"]);
        assert_eq!(ask(&two, Some("https://one.example/r4")).unwrap(), "s-0");
        assert_eq!(ask(&two, Some("https://two.example:8443/fhir")).unwrap(), "s-1");
        for (base, host) in [
            ("https://evil.example/r4", "evil.example"),
            ("http://one.example/r4", "one.example"),
            ("https://one.example/r5", "one.example"),
            ("https://one.example/r4/../r5", "one.example"),
            ("https://one.example:8443/r4", "one.example"),
            ("http://169.254.169.254/latest", "169.254.169.254"),
            ("https://one.example@evil.example/r4", "evil.example"),
            ("https://one.example/r4?x=", "one.example"),
            ("not a URL", "That"),
        ] {
            match ask(&two, Some(base)) {
                Err(SourceError::NotAllowed { host: named }) => assert_eq!(named, host, "{base}"),
                other => panic!("{base}: {other:?}"),
            }
        }
        let answer = crate::error::HookError::from(ask(&two, Some("https://evil.example/r4")).unwrap_err());
        let answer = answer.answer(crate::routes::Surface::Fhir);
        assert_eq!((answer.status.as_u16(), answer.code), (422, "forbidden"));
        assert_eq!(answer.text, "evil.example is not an allowed source.");
    }

    #[tokio::test]
    async fn without_a_base_the_only_source_is_meant() {
        assert_eq!(ask(&sources(&["https://one.example/r4"]), None).unwrap(), "s-0");
        let two = sources(&["https://one.example/r4", "https://two.example/r4"]);
        assert!(matches!(ask(&two, None), Err(SourceError::Ambiguous)));
        assert!(matches!(ask(&sources(&[]), None), Err(SourceError::None)));
    }
}
