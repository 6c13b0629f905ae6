//! What an operator's Prometheus reads, and what CloudWatch reads from standard output.
//!
//! Metrics are declared in tables ([`instruments::Metric`]); a binary names the tables of everything it runs when it
//! starts ([`init`]). [`page`] is the text that `/metrics` answers. Numbers that have to be asked for, such as the length
//! of a queue, are asked for when somebody looks ([`when_read`]), and at no other time.

use std::{
    collections::BTreeMap,
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use axum::{
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use instruments::{Kind, Label, Metric, Unit};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::task::JoinSet;

use crate::build::BUILD;

mod config;
mod emf;

pub use config::{Config, MANUAL};

/// The metrics of every process.
pub const METRICS: &[Metric] = &[BUILD_INFO, READY];

const BUILD_INFO: Metric = Metric {
    name: "adt_bridge_build_info",
    kind: Kind::Info,
    unit: Unit::Flag,
    labels: &[
        Label { name: "version", values: &[BUILD.version] },
        Label { name: "git", values: &[COMMIT] },
        Label { name: "rustc", values: &[BUILD.rust] },
    ],
    help: "1, with what is running as labels.",
    cloudwatch: false,
};

pub(crate) const READY: Metric = Metric {
    name: "adt_bridge_ready",
    kind: Kind::Gauge,
    unit: Unit::Flag,
    labels: &[Label { name: "check", values: &["queue", "store", "serving"] }],
    help: "Whether a check of /readyz passes; asked when the metrics are read.",
    cloudwatch: true,
};

const COMMIT: &str = match BUILD.commit {
    Some(commit) => commit,
    None => "unknown",
};

/// Starts measuring in this process: `tables` are those of everything that it runs, [`METRICS`] among them. Later calls
/// change nothing. Call it inside a Tokio runtime, before anything is built that measures.
pub fn init(tables: &[&'static [Metric]], config: &Config) {
    let metrics: Vec<&'static Metric> = tables.iter().copied().flatten().collect();
    let mut builder = PrometheusBuilder::new();
    for metric in &metrics {
        if let Kind::Histogram(bounds) = metric.kind {
            match builder.set_buckets_for_metric(Matcher::Full(metric.name.to_owned()), bounds) {
                Ok(with_bounds) => builder = with_bounds,
                // Only an empty list is refused, and the tables have none.
                Err(error) => return tracing::error!(%error, metric = metric.name, "nothing is measured"),
            }
        }
    }
    let recorder = builder.build_recorder();
    let exporter = Exporter { page: recorder.handle(), metrics, readers: Mutex::default() };
    if EXPORTER.set(exporter).is_err() {
        return;
    }
    if let Err(error) = metrics::set_global_recorder(recorder) {
        return tracing::error!(%error, "nothing is measured");
    }
    let Some(exporter) = EXPORTER.get() else { return };
    exporter.metrics.iter().for_each(|metric| metric.describe());
    BUILD_INFO.gauges().with([BUILD.version, COMMIT, BUILD.rust]).set(1.0);
    #[expect(clippy::disallowed_methods, reason = "lives as long as the process; nobody waits for it")]
    tokio::spawn(exporter.keep_small());
    if config.emf {
        let interval = config.emf_interval;
        #[expect(clippy::disallowed_methods, reason = "lives as long as the process; nobody waits for it")]
        tokio::spawn(emf::write(exporter, interval));
    }
}

/// Has `read` set gauges whenever the metrics are read. The same name again takes the place of the first.
///
/// `read` has two seconds; a gauge it did not set keeps its last value.
pub fn when_read<F, Fut>(name: &'static str, read: F)
where
    F: Fn() -> Fut + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    if let Some(exporter) = EXPORTER.get() {
        exporter.readers().insert(name, Arc::new(move || Box::pin(read())));
    }
}

/// The metrics in the text format of Prometheus; 404 in a process that measures nothing.
pub async fn page() -> Response {
    match EXPORTER.get() {
        Some(exporter) => ([(header::CONTENT_TYPE, TEXT)], exporter.read().await).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

struct Exporter {
    page: PrometheusHandle,
    metrics: Vec<&'static Metric>,
    readers: Mutex<BTreeMap<&'static str, Reader>>,
}

type Reader = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

impl Exporter {
    async fn read(&self) -> String {
        let readers: Vec<Reader> = self.readers().values().cloned().collect();
        let mut asked: JoinSet<_> =
            readers.iter().map(|read| tokio::time::timeout(READ_TIMEOUT, read())).collect();
        while asked.join_next().await.is_some() {}
        self.page.render()
    }

    /// The values of histograms wait to be sorted into their buckets until somebody reads. Nobody may ever.
    async fn keep_small(&self) {
        loop {
            tokio::time::sleep(UPKEEP).await;
            self.page.run_upkeep();
        }
    }

    fn readers(&self) -> std::sync::MutexGuard<'_, BTreeMap<&'static str, Reader>> {
        self.readers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Exporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exporter").field("metrics", &self.metrics.len()).finish_non_exhaustive()
    }
}

/// One for a process, as the recorder that the handles write to is.
static EXPORTER: OnceLock<Exporter> = OnceLock::new();
const READ_TIMEOUT: Duration = Duration::from_secs(2);
const UPKEEP: Duration = Duration::from_secs(15);
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
