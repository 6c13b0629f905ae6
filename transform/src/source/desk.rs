//! Where jobs are worked on: one at a time per patient, and what arrives meanwhile is done with the next one.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use message_store::{JobKey, StoreError};
use tokio::time::Instant;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    Source, Writer, catch_up,
    job::{Found, Held, Jobs, Told, Work},
    outcome::{self, Outcome},
};

/// All jobs of this process.
#[derive(Debug)]
pub(crate) struct Desk {
    jobs: Jobs,
    sources: Vec<Arc<Source>>,
    writer: OnceLock<Arc<dyn Writer>>,
    lanes: Mutex<Lanes>,
    tasks: TaskTracker,
    stop: CancellationToken,
    scan: Duration,
}

/// What waits, by what it is about.
#[derive(Debug, Default)]
struct Lanes {
    waiting: HashMap<Target, Vec<Held>>,
    /// Jobs in a lane.
    held: HashSet<JobKey>,
    /// Given up, with the name of the source and the reason; as of the last scan.
    parked: HashMap<JobKey, (String, String)>,
}

type Target = (String, Work);

/// Of one source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Being worked on, or waiting for it in this process.
    pub(crate) pending: usize,
    /// Given up.
    pub(crate) parked: usize,
    /// Why, and how many.
    pub(crate) reasons: BTreeMap<String, usize>,
}

impl Desk {
    pub(crate) fn new(jobs: Jobs, sources: Vec<Arc<Source>>, scan: Duration) -> Self {
        Self {
            jobs,
            sources,
            writer: OnceLock::new(),
            lanes: Mutex::default(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            scan,
        }
    }

    pub(crate) fn jobs(&self) -> &Jobs {
        &self.jobs
    }

    pub(crate) fn tasks(&self) -> &TaskTracker {
        &self.tasks
    }

    pub(crate) fn stopping(&self) -> &CancellationToken {
        &self.stop
    }

    /// From now on jobs are worked on, those of earlier processes too.
    pub(crate) fn start(self: &Arc<Self>, writer: Arc<dyn Writer>) {
        if self.writer.set(writer).is_ok() {
            let desk = Arc::clone(self);
            self.tasks.spawn(async move { desk.stop.clone().run_until_cancelled(desk.scan()).await });
        }
    }

    /// Ends the work: what is under way is given back.
    pub(crate) async fn stop(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Promises the work. Durable when this returns.
    pub(crate) async fn promise(
        self: &Arc<Self>,
        source: &str,
        work: Work,
        told: Told,
    ) -> Result<(), StoreError> {
        let held = self.jobs.create(source, work, told).await?;
        self.enter(held);
        Ok(())
    }

    pub(crate) fn counts(&self, source: &str) -> Counts {
        let lanes = self.lanes();
        let pending = lanes.waiting.keys().filter(|(name, _)| name == source).count();
        let mut reasons = BTreeMap::new();
        for (_, reason) in lanes.parked.values().filter(|(name, _)| name == source) {
            *reasons.entry(reason.clone()).or_default() += 1;
        }
        Counts { pending, parked: reasons.values().sum(), reasons }
    }

    /// Puts a job into its lane. Where there are too many lanes it stays in the store, for a later scan.
    fn enter(self: &Arc<Self>, held: Held) {
        let target = (held.record.source.clone(), held.record.work.clone());
        let mut lanes = self.lanes();
        if !lanes.waiting.contains_key(&target) && lanes.waiting.len() >= MOST_LANES {
            return;
        }
        lanes.held.insert(held.key.clone());
        if let Some(waiting) = lanes.waiting.get_mut(&target) {
            waiting.push(held);
            return;
        }
        lanes.waiting.insert(target.clone(), vec![held]);
        drop(lanes);
        let lane = Lane { desk: Arc::clone(self), target, current: None, ended: false };
        self.tasks.spawn(lane.work());
    }

    /// Looks for jobs of workers that are gone, again and again.
    async fn scan(self: &Arc<Self>) {
        let mut later = HashMap::new();
        loop {
            if let Err(error) = self.look(&mut later).await {
                tracing::warn!(%error, "jobs cannot be listed: {error}");
            }
            tokio::time::sleep(self.scan).await;
        }
    }

    /// `later` says which jobs need no look yet.
    async fn look(self: &Arc<Self>, later: &mut HashMap<JobKey, Instant>) -> Result<(), StoreError> {
        let (mut seen, mut after) = (HashSet::new(), None);
        loop {
            let page = self.jobs.page(after.as_ref()).await?;
            for key in page.keys {
                seen.insert(key.clone());
                if self.lanes().held.contains(&key)
                    || later.get(&key).is_some_and(|time| *time > Instant::now())
                {
                    continue;
                }
                if self.lanes().waiting.len() >= MOST_LANES {
                    break;
                }
                match self.jobs.take(&key).await? {
                    Found::Held(held) if self.source(&held.record.source).is_some() => {
                        self.lanes().parked.remove(&key);
                        self.enter(*held);
                    }
                    Found::Held(mut held) => {
                        let source = &held.record.source;
                        tracing::warn!(source, "a job waits for a source that is not configured");
                        self.jobs.release(&mut held).await?;
                        later.insert(key, Instant::now() + A_WHILE);
                    }
                    Found::Later(wait) => drop(later.insert(key, Instant::now() + wait.min(A_WHILE))),
                    Found::Parked(source, reason) => {
                        self.lanes().parked.insert(key.clone(), (source, reason));
                        // An operator may let it go on.
                        later.insert(key, Instant::now() + A_WHILE);
                    }
                    // No job of ours: a mark, say.
                    Found::Nothing => drop(later.insert(key, Instant::now() + A_WHILE)),
                }
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        later.retain(|key, _| seen.contains(key));
        self.lanes().parked.retain(|key, _| seen.contains(key));
        Ok(())
    }

    fn source(&self, name: &str) -> Option<&Arc<Source>> {
        self.sources.iter().find(|source| source.name() == name)
    }

    fn lanes(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Everything that is to be done about one target, in turn.
struct Lane {
    desk: Arc<Desk>,
    target: Target,
    current: Option<Held>,
    /// Taken off the list: another lane may be there by now.
    ended: bool,
}

impl Lane {
    async fn work(mut self) {
        let stop = self.desk.stop.clone();
        let Some(source) = self.desk.source(&self.target.0).cloned() else { return };
        loop {
            self.collect().await;
            let Some(held) = &self.current else { return };
            let wait = held.record.next.duration_since(Timestamp::now());
            // A wall clock that was set back must not make this a day.
            let wait = Duration::try_from(wait).unwrap_or_default().min(LONGEST_WAIT);
            if stop.run_until_cancelled(tokio::time::sleep(wait)).await.is_none() {
                return self.give_back().await;
            }
            // What arrived during the wait is covered by the attempt that begins now.
            self.collect().await;
            let Some(mut held) = self.current.clone() else { return };
            let outcome = stop.run_until_cancelled(attempt(&self.desk, &source, &mut held)).await;
            self.current = Some(held.clone());
            let Some(outcome) = outcome else { return self.give_back().await };
            let ours = settle(&self.desk, &source, &mut held, outcome).await;
            if !ours {
                self.desk.lanes().held.remove(&held.key);
            }
            self.current = ours.then_some(held);
        }
    }

    /// Takes what waits; the first job stands for all of them. Ends the lane when there is nothing.
    async fn collect(&mut self) {
        let waiting = {
            let mut lanes = self.desk.lanes();
            let waiting = lanes.waiting.get_mut(&self.target).map(std::mem::take).unwrap_or_default();
            if waiting.is_empty() && self.current.is_none() {
                lanes.waiting.remove(&self.target);
                self.ended = true;
            }
            waiting
        };
        let mut waiting = waiting.into_iter();
        if self.current.is_none() {
            self.current = waiting.next();
        }
        for covered in waiting {
            if let Some(current) = &mut self.current
                && outcome::is_newer(
                    covered.record.told.version.as_deref(),
                    current.record.told.version.as_deref(),
                )
            {
                current.record.told = covered.record.told.clone();
            }
            // One that stays is found by a scan and done once more, which changes nothing.
            if let Err(error) = self.desk.jobs.done(&covered.key).await {
                tracing::debug!(%error, "a job that is covered by another one stays: {error}");
            }
            self.desk.lanes().held.remove(&covered.key);
        }
    }

    /// The process ends: the next one need not wait for the lease to end.
    async fn give_back(&mut self) {
        let Some(held) = &mut self.current else { return };
        if let Err(error) = self.desk.jobs.release(held).await {
            tracing::debug!(%error, "a job could not be given back: {error}");
        }
    }
}

/// However a lane ends, by a panic too, its jobs are in the store and can be taken again.
impl Drop for Lane {
    fn drop(&mut self) {
        let mut lanes = self.desk.lanes();
        if let Some(held) = &self.current {
            lanes.held.remove(&held.key);
        }
        if !self.ended {
            for held in lanes.waiting.remove(&self.target).unwrap_or_default() {
                lanes.held.remove(&held.key);
            }
        }
    }
}

/// One attempt; the lease is renewed as long as it lasts.
async fn attempt(desk: &Arc<Desk>, source: &Source, held: &mut Held) -> Outcome {
    let jobs = &desk.jobs;
    if jobs.is_short(held) {
        match jobs.hold(held).await {
            Ok(true) => {}
            Ok(false) => return Outcome::Lost,
            Err(error) => return Outcome::Wait(outcome::store_is_away(&error)),
        }
    }
    let record = held.record.clone();
    let Some(writer) = desk.writer.get() else { return Outcome::Wait(desk.scan) };
    let work = async {
        match &record.work {
            Work::ReadBack { id } => outcome::read_back(source, &**writer, id, &record).await,
            Work::CatchUp => catch_up::run(source, desk, &**writer, record.attempts).await,
        }
    };
    let mut work = std::pin::pin!(work);
    loop {
        tokio::select! {
            outcome = &mut work => return outcome,
            () = tokio::time::sleep(jobs.renewal()) => {
                // Without the lease somebody else may begin too; both finish.
                if let Err(error) = jobs.hold(held).await {
                    tracing::debug!(%error, "a lease could not be renewed: {error}");
                }
            }
        }
    }
}

/// Writes the outcome down. False when the job is not ours any more.
async fn settle(desk: &Desk, source: &Source, held: &mut Held, outcome: Outcome) -> bool {
    let (kind, jobs) = (held.record.work.kind(), &desk.jobs);
    let now = Timestamp::now();
    let after = |wait: Duration| now.checked_add(wait).unwrap_or(Timestamp::MAX);
    let result = match outcome {
        Outcome::Lost => return false,
        Outcome::Wait(wait) => {
            held.record.next = after(wait);
            return true;
        }
        Outcome::Done => {
            if let Err(error) = jobs.done(&held.key).await {
                tracing::warn!(%error, job = kind, "a job is done but not forgotten: {error}");
            }
            return false;
        }
        Outcome::Retry { wait, reason } if !source.gives_up(&held.record, now) => {
            tracing::info!(
                job = kind,
                source = source.name(),
                reason,
                "a job is tried again later: {reason}"
            );
            held.record.attempts = held.record.attempts.saturating_add(1);
            held.record.next = after(wait);
            jobs.release(held).await
        }
        Outcome::Retry { reason, .. } | Outcome::Park { reason } => {
            tracing::error!(job = kind, source = source.name(), reason, "a job is parked: {reason}");
            held.record.parked = Some(reason.clone());
            let parked = jobs.release(held).await;
            if let Ok(ours) = parked {
                if ours {
                    let parked = (source.name().to_owned(), reason);
                    desk.lanes().parked.insert(held.key.clone(), parked);
                }
                return false;
            }
            held.record.parked = None;
            parked
        }
    };
    match result {
        Ok(ours) => ours,
        Err(error) => {
            held.record.next = after(outcome::store_is_away(&error));
            true
        }
    }
}

/// How long a stored job need not be looked at again.
const A_WHILE: Duration = Duration::from_secs(300);
/// Longer than any wait between two attempts.
const LONGEST_WAIT: Duration = Duration::from_secs(900);

/// Jobs in memory at once; more wait in the store.
const MOST_LANES: usize = 1000;
