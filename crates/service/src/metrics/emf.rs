//! CloudWatch's embedded metric format: one JSON object per line on standard output, which the log driver of a container
//! takes along (specification: "Embedded Metric Format", Amazon CloudWatch user guide).
//!
//! Only what alarms need is written: metrics that are declared for it. A gauge is written as it is, a counter as what was
//! added since the last line, and not at all when that is nothing. Labels become dimensions.

use std::{
    collections::HashMap,
    io::Write as _,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use instruments::{Kind, Metric, Unit};
use serde_json::{Map, Value, json};

use super::Exporter;

/// Writes until the process ends.
pub(super) async fn write(exporter: &'static Exporter, interval: Duration) {
    let mut before = HashMap::new();
    loop {
        tokio::time::sleep(interval).await;
        let page = exporter.read().await;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let text = lines(&page, &exporter.metrics, now, &mut before);
        // One write, so that no line of somebody else gets in between. Nobody reads standard output: nobody is told.
        std::io::stdout().lock().write_all(text.as_bytes()).ok();
    }
}

/// The lines for one page; `before` holds the counters of the page before.
fn lines(
    page: &str,
    metrics: &[&'static Metric],
    timestamp_ms: u128,
    before: &mut HashMap<String, f64>,
) -> String {
    let mut text = String::new();
    for sample in page.lines().filter_map(Sample::read) {
        let Some(metric) = metrics.iter().find(|metric| metric.cloudwatch && metric.name == sample.name)
        else {
            continue;
        };
        let value = match metric.kind {
            Kind::Gauge | Kind::Info => sample.value,
            Kind::Counter => {
                let known = before.insert(sample.series.to_owned(), sample.value).unwrap_or(0.0);
                // Cannot fall while the process lives.
                let added = sample.value - known;
                if added <= 0.0 {
                    continue;
                }
                added
            }
            Kind::Histogram(_) => continue,
        };
        text.push_str(&object(metric, &sample.labels, value, timestamp_ms).to_string());
        text.push('\n');
    }
    text
}

fn object(metric: &Metric, labels: &[(&str, &str)], value: f64, timestamp_ms: u128) -> Value {
    let unit = match metric.unit {
        Unit::Seconds => "Seconds",
        Unit::Bytes => "Bytes",
        Unit::Count => "Count",
        Unit::Timestamp | Unit::Flag => "None",
    };
    let dimensions: Vec<&str> = labels.iter().map(|(name, _)| *name).collect();
    let mut object: Map<String, Value> =
        labels.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    object.insert(metric.name.to_owned(), json!(value));
    let timestamp = u64::try_from(timestamp_ms).unwrap_or(u64::MAX);
    object.insert(
        "_aws".to_owned(),
        json!({
            "Timestamp": timestamp,
            "CloudWatchMetrics": [{
                "Namespace": NAMESPACE,
                "Dimensions": [dimensions],
                "Metrics": [{ "Name": metric.name, "Unit": unit }],
            }],
        }),
    );
    Value::Object(object)
}

/// One line of a page. Values of labels are declared, and none has a character that is escaped.
struct Sample<'p> {
    /// Name and labels.
    series: &'p str,
    name: &'p str,
    labels: Vec<(&'p str, &'p str)>,
    value: f64,
}

impl<'p> Sample<'p> {
    fn read(line: &'p str) -> Option<Self> {
        let (series, value) = line.rsplit_once(' ').filter(|_| !line.starts_with('#'))?;
        let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
        let labels = labels.strip_suffix('}')?.split(',').filter(|label| !label.is_empty());
        let labels = labels.map(|label| {
            let (name, value) = label.split_once('=')?;
            Some((name, value.trim_matches('"')))
        });
        Some(Self { series, name, labels: labels.collect::<Option<_>>()?, value: value.parse().ok()? })
    }
}

const NAMESPACE: &str = "adt-bridge";

#[cfg(test)]
mod tests {
    use instruments::Label;

    use super::*;

    const DEAD: Metric = Metric {
        name: "dead_total",
        kind: Kind::Counter,
        unit: Unit::Count,
        labels: &[Label { name: "reason", values: &["a", "b"] }],
        help: "",
        cloudwatch: true,
    };
    const AGE: Metric =
        Metric { name: "age_seconds", kind: Kind::Gauge, unit: Unit::Seconds, labels: &[], ..DEAD };
    const SILENT: Metric = Metric { name: "silent_total", cloudwatch: false, ..DEAD };

    fn objects(text: &str) -> Vec<Value> {
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn counters_are_told_by_what_was_added_and_gauges_as_they_are() {
        let (metrics, mut before) = ([&DEAD, &AGE, &SILENT], HashMap::new());
        let page = "# HELP dead_total x\n# TYPE dead_total counter\ndead_total{reason=\"a\"} 2\n\
                    dead_total{reason=\"b\"} 0\n\nage_seconds 1.5\nsilent_total{reason=\"a\"} 9\n";
        let first = objects(&lines(page, &metrics, 1_700_000_000_000, &mut before));
        assert_eq!(
            first,
            [
                json!({
                    "_aws": {
                        "Timestamp": 1_700_000_000_000_u64,
                        "CloudWatchMetrics": [{
                            "Namespace": "adt-bridge",
                            "Dimensions": [["reason"]],
                            "Metrics": [{ "Name": "dead_total", "Unit": "Count" }],
                        }],
                    },
                    "reason": "a",
                    "dead_total": 2.0,
                }),
                json!({
                    "_aws": {
                        "Timestamp": 1_700_000_000_000_u64,
                        "CloudWatchMetrics": [{
                            "Namespace": "adt-bridge",
                            "Dimensions": [[]],
                            "Metrics": [{ "Name": "age_seconds", "Unit": "Seconds" }],
                        }],
                    },
                    "age_seconds": 1.5,
                }),
            ]
        );
        let second = objects(&lines(page, &metrics, 1, &mut before));
        assert_eq!(second.len(), 1, "nothing was added: {second:?}");
        let third = objects(&lines("dead_total{reason=\"a\"} 5\n", &metrics, 1, &mut before));
        assert_eq!(third[0]["dead_total"], json!(3.0));
    }
}
