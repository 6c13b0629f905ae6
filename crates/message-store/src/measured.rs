//! A store that measures how long its writes take, and the metrics of this crate.

use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use bytes::Bytes;
use instruments::{Family, Histogram, Kind, Label, Metric, REMOTE, Unit};

use crate::{
    AcceptedRecord, Incoming, JobKey, MessageStore, PatientKey, Precondition, RefusedKey, StoreError,
    StoreLayer, Stored, Tag,
};

/// The metrics of this crate.
pub const METRICS: &[Metric] = &[WRITES];

const WRITES: Metric = Metric {
    name: "adt_bridge_store_write_duration_seconds",
    kind: Kind::Histogram(REMOTE),
    unit: Unit::Seconds,
    labels: &[
        Label { name: "kind", values: &["incoming", "accepted", "job", "refused"] },
        Label { name: "outcome", values: &["ok", "changed", "unavailable", "full", "error"] },
    ],
    help: "Writes to the message store, by what is written: what arrived, with what is now the patient's; records of the hook; changed: somebody else was quicker.",
    cloudwatch: false,
};

/// What [`Config::connect`](crate::Config::connect) puts around each backend.
#[derive(Debug)]
pub(crate) struct Measured {
    inner: Arc<dyn MessageStore>,
    writes: Family<Histogram>,
}

impl Measured {
    pub(crate) fn new(inner: Arc<dyn MessageStore>) -> Self {
        Self { inner, writes: WRITES.histograms() }
    }

    fn record<T>(&self, kind: &str, result: &Result<T, StoreError>, started: Instant) {
        let outcome = match result {
            Ok(_) => "ok",
            Err(StoreError::Changed) => "changed",
            Err(StoreError::Unavailable { .. }) => "unavailable",
            Err(StoreError::Full) => "full",
            Err(StoreError::Corrupt { .. } | StoreError::Config { .. }) => "error",
        };
        self.writes.with([kind, outcome]).record(started.elapsed());
    }
}

#[async_trait]
impl StoreLayer for Measured {
    fn inner(&self) -> &dyn MessageStore {
        self.inner.as_ref()
    }

    async fn put_incoming(&self, incoming: &Incoming) -> Result<Stored, StoreError> {
        let started = Instant::now();
        let result = self.inner.put_incoming(incoming).await;
        self.record("incoming", &result, started);
        result
    }

    async fn put_accepted(
        &self,
        patient: &PatientKey,
        record: AcceptedRecord,
        precondition: Precondition,
    ) -> Result<Tag, StoreError> {
        let started = Instant::now();
        let result = self.inner.put_accepted(patient, record, precondition).await;
        self.record("accepted", &result, started);
        result
    }

    async fn put_job(
        &self,
        key: &JobKey,
        body: Bytes,
        precondition: Precondition,
    ) -> Result<Tag, StoreError> {
        let started = Instant::now();
        let result = self.inner.put_job(key, body, precondition).await;
        self.record("job", &result, started);
        result
    }

    async fn put_refused(&self, key: &RefusedKey, body: Bytes) -> Result<(), StoreError> {
        let started = Instant::now();
        let result = self.inner.put_refused(key, body).await;
        self.record("refused", &result, started);
        result
    }
}
