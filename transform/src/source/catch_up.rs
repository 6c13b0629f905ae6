//! `GET {source}/Patient?_lastUpdated=ge{mark}&_sort=_lastUpdated`: what changed since we looked last.

use std::time::Duration;

use jiff::Timestamp;
use message_store::PatientKey;
use serde_json::{Map, Value};
use url::Url;

use super::{
    Source, WriteFault, Writer,
    client::FetchError,
    desk::Desk,
    job::{Told, Work},
    outcome::{self, Outcome, fault_outcome, fetch_outcome, store_is_away},
};

/// Searches, page by page. The mark moves with every page as long as the source keeps the order it was asked for.
pub(super) async fn run(
    source: &Source,
    desk: &std::sync::Arc<Desk>,
    writer: &dyn Writer,
    attempts: u32,
) -> Outcome {
    let jobs = desk.jobs();
    let mark = match jobs.mark(source.name()).await {
        Ok(mark) => mark.unwrap_or_else(Timestamp::now),
        Err(error) => return Outcome::Wait(store_is_away(&error)),
    };
    let mut search = Search::new(source, mark);
    let mut passed = 0_usize;
    while let Some(url) = search.next.take() {
        let patients = match search.read(source, url).await {
            Ok(patients) => patients,
            Err(error) => return fetch_outcome(&error, attempts),
        };
        for (patient, resource) in patients {
            match writer.write(patient.clone(), resource, None).await {
                Ok(()) => passed += 1,
                // It must not keep the others from coming: its own job says why it is parked.
                Err(WriteFault::Refused(_)) => {
                    let work = Work::ReadBack { id: patient.id().to_owned() };
                    if let Err(error) = desk.promise(source.name(), work, Told::default()).await {
                        return Outcome::Wait(store_is_away(&error));
                    }
                }
                Err(fault) => return fault_outcome(fault, attempts),
            }
        }
        if let Some(reached) = search.reached().filter(|reached| *reached > mark)
            && let Err(error) = jobs.set_mark(source.name(), reached).await
        {
            return Outcome::Wait(store_is_away(&error));
        }
    }
    tracing::info!(source = source.name(), patients = passed, pages = search.pages, "caught up");
    Outcome::Done
}

/// One search, as far as it is.
#[derive(Debug)]
pub(crate) struct Search {
    pub(crate) next: Option<Url>,
    pub(crate) pages: usize,
    newest: Option<Timestamp>,
    sorted: bool,
}

impl Search {
    /// From a little before `mark`.
    fn new(source: &Source, mark: Timestamp) -> Self {
        Self::from(source, Some(mark.checked_sub(source.config().catch_up.overlap).unwrap_or(mark)))
    }

    /// From a time on, or everything.
    pub(super) fn from(source: &Source, since: Option<Timestamp>) -> Self {
        let mut url = source.client().base().below(&["Patient"]);
        if let Some(since) = since {
            url.query_pairs_mut().append_pair("_lastUpdated", &format!("ge{since:.3}"));
        }
        url.query_pairs_mut()
            .append_pair("_sort", "_lastUpdated")
            .append_pair("_count", &source.config().catch_up.page.to_string());
        Self { next: Some(url), pages: 0, newest: None, sorted: true }
    }

    /// Goes on at a page whose link was kept.
    pub(crate) fn resume(source: &Source, link: &str) -> Option<Self> {
        let next = Some(source.client().base().page(link)?);
        Some(Self { next, pages: 0, newest: None, sorted: true })
    }

    /// Reads a page and finds the next one.
    pub(crate) async fn read(
        &mut self,
        source: &Source,
        url: Url,
    ) -> Result<Vec<(PatientKey, Map<String, Value>)>, FetchError> {
        let mut bundle = source.client().resource(url.clone(), "Bundle", None).await?;
        if bundle.get("type").and_then(Value::as_str) != Some("searchset") {
            return Err(FetchError::Unfit("is not a searchset"));
        }
        self.pages += 1;
        self.next = next(source, &bundle)?;
        if self.next.as_ref() == Some(&url) || self.pages >= MOST_PAGES {
            return Err(FetchError::Unfit("has pages without end"));
        }
        let mut patients = Vec::new();
        for resource in outcome::matches(&mut bundle) {
            let id = resource.get("id").and_then(Value::as_str).and_then(|id| PatientKey::new(id).ok());
            let Some(patient) = id else { return Err(FetchError::Unfit("has a Patient without an id")) };
            self.note(&resource);
            patients.push((patient, resource));
        }
        Ok(patients)
    }

    /// Up to where nothing is missing: the newest one seen when the order was kept or the search is at its end.
    /// Never later than now, whatever the clock of the source says.
    fn reached(&self) -> Option<Timestamp> {
        let whole = self.sorted || self.next.is_none();
        self.newest.filter(|_| whole).map(|newest| newest.min(Timestamp::now()))
    }

    fn note(&mut self, resource: &Map<String, Value>) {
        let updated = resource.get("meta").and_then(|meta| meta.get("lastUpdated")).and_then(Value::as_str);
        let Some(updated) = updated.and_then(|text| text.parse::<Timestamp>().ok()) else { return };
        self.sorted &= self.newest.is_none_or(|newest| newest <= updated);
        self.newest = self.newest.max(Some(updated));
    }
}

/// The link to the next page, which must not lead away.
fn next(source: &Source, bundle: &Map<String, Value>) -> Result<Option<Url>, FetchError> {
    let links = bundle.get("link").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let link = links.iter().find(|link| link.get("relation").is_some_and(|relation| relation == "next"));
    let Some(link) = link.and_then(|link| link.get("url")).and_then(Value::as_str) else { return Ok(None) };
    let foreign = FetchError::Unfit("links to a page of another server");
    source.client().base().page(link).map(Some).ok_or(foreign)
}

/// At a hundred Patients a page, ten million.
const MOST_PAGES: usize = 100_000;

/// Where a first search begins: nothing is known of the time before the hook knew the source.
pub(super) async fn begin(source: &Source, desk: &std::sync::Arc<Desk>) -> Result<(), Duration> {
    let jobs = desk.jobs();
    let known = jobs.mark(source.name()).await.map_err(|error| store_is_away(&error))?;
    match known {
        None => {
            let set = jobs.set_mark(source.name(), Timestamp::now()).await;
            set.map_err(|error| store_is_away(&error))
        }
        Some(_) if source.config().catch_up.at_start => {
            let promised = desk.promise(source.name(), Work::CatchUp, Told::default()).await;
            promised.map_err(|error| store_is_away(&error))
        }
        Some(_) => Ok(()),
    }
}
