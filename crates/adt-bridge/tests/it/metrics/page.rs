//! A page of metrics, read.

use std::{collections::BTreeMap, net::SocketAddr};

use instruments::{Kind, Metric};
use reqwest::Method;

use crate::bridge::Bridge;

#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) samples: Vec<Sample>,
    pub(crate) kinds: BTreeMap<String, String>,
    pub(crate) helps: BTreeMap<String, String>,
}

#[derive(Debug)]
pub(crate) struct Sample {
    name: String,
    labels: Vec<(String, String)>,
    value: f64,
}

impl Page {
    pub(crate) async fn of(bridge: &Bridge) -> Self {
        Self::read(&bridge.ask(Method::GET, "/metrics", None).await.text)
    }

    /// `None` where nobody answers.
    pub(crate) async fn at(address: SocketAddr) -> Option<Self> {
        let answer = reqwest::get(format!("http://{address}/metrics")).await.ok()?;
        Some(Self::read(&answer.text().await.ok()?))
    }

    /// Every line that is no comment must be a sample.
    pub(crate) fn read(text: &str) -> Self {
        let (mut kinds, mut helps) = (BTreeMap::new(), BTreeMap::new());
        let mut samples = Vec::new();
        for line in text.lines().filter(|line| !line.is_empty()) {
            let comment = |prefix| {
                let (name, rest) = line.strip_prefix(prefix)?.split_once(' ')?;
                Some((name.to_owned(), rest.to_owned()))
            };
            if let Some((name, kind)) = comment("# TYPE ") {
                kinds.insert(name, kind);
            } else if let Some((name, help)) = comment("# HELP ") {
                helps.insert(name, help);
            } else {
                samples.push(Sample::read(line).unwrap_or_else(|| panic!("not a sample: {line}")));
            }
        }
        Self { samples, kinds, helps }
    }

    /// The values of all series of this name with these labels.
    pub(crate) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let fits = |sample: &&Sample| {
            sample.name == name
                && labels
                    .iter()
                    .all(|(name, value)| sample.labels.iter().any(|(n, v)| n == name && v == value))
        };
        self.samples.iter().filter(fits).map(|sample| sample.value).sum()
    }
}

impl Sample {
    fn read(line: &str) -> Option<Self> {
        let (series, value) = line.rsplit_once(' ')?;
        let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
        let labels = labels.strip_suffix('}')?.split(',').filter(|label| !label.is_empty());
        let labels = labels.map(|label| {
            let (name, value) = label.split_once('=')?;
            Some((name.to_owned(), value.strip_prefix('"')?.strip_suffix('"')?.to_owned()))
        });
        Some(Self {
            name: name.to_owned(),
            labels: labels.collect::<Option<_>>()?,
            value: value.parse().ok()?,
        })
    }

    /// The declared name that it belongs to.
    pub(crate) fn metric<'m>(&self, declared: &[&'m Metric]) -> &'m str {
        self.declaration(declared).map_or_else(|| panic!("not declared: {}", self.name), |metric| metric.name)
    }

    /// Its labels are the declared ones, with declared values.
    pub(crate) fn check(&self, declared: &[&Metric]) {
        let metric = self.declaration(declared).unwrap_or_else(|| panic!("not declared: {}", self.name));
        let labels: Vec<_> = self.labels.iter().filter(|(name, _)| name != "le").collect();
        assert_eq!(labels.len(), metric.labels.len(), "{self:?}");
        for (name, value) in labels {
            let label = metric.labels.iter().find(|label| label.name == name);
            let label = label.unwrap_or_else(|| panic!("{name} of {self:?} is not declared"));
            assert!(label.values.contains(&value.as_str()), "{value} of {self:?} is not declared");
        }
    }

    fn declaration<'m>(&self, declared: &[&'m Metric]) -> Option<&'m Metric> {
        declared.iter().copied().find(|metric| match metric.kind {
            Kind::Histogram(_) => ["_bucket", "_sum", "_count"]
                .iter()
                .any(|suffix| self.name.strip_suffix(suffix) == Some(metric.name)),
            Kind::Counter | Kind::Gauge | Kind::Info => self.name == metric.name,
        })
    }
}
