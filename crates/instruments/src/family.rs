//! The series of one metric, found by the values of its labels.

use std::{fmt, sync::OnceLock};

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Level, Metadata};

use crate::{Label, Metric};

/// The series of one metric. Cheap to look up: a comparison with each value that is declared, nothing allocated.
pub struct Family<T> {
    metric: Metric,
    register: fn(&Key) -> T,
    series: Vec<OnceLock<T>>,
    /// For values that nobody declared: counts nowhere.
    nowhere: T,
}

impl Metric {
    /// The series of a counter. With one label at most, all of them begin now, at zero: a rate over the first event is
    /// not lost. With more, not every combination exists, and each begins when it is first used.
    pub fn counters(&self) -> Family<Counter> {
        let register =
            |key: &Key| metrics::with_recorder(|recorder| recorder.register_counter(key, &METADATA));
        let family = Family::new(*self, register, Counter::noop());
        if self.labels.len() <= 1 {
            for index in 0..family.series.len() {
                family.at(index);
            }
        }
        family
    }

    /// The series of a gauge. Each begins when it is first used: a number that was never looked at is not zero.
    pub fn gauges(&self) -> Family<Gauge> {
        let register = |key: &Key| metrics::with_recorder(|recorder| recorder.register_gauge(key, &METADATA));
        Family::new(*self, register, Gauge::noop())
    }

    /// The series of a histogram. Each begins with its first value.
    pub fn histograms(&self) -> Family<Histogram> {
        let register =
            |key: &Key| metrics::with_recorder(|recorder| recorder.register_histogram(key, &METADATA));
        Family::new(*self, register, Histogram::noop())
    }

    /// Tells the recorder what the metric is.
    pub fn describe(&self) {
        let name = KeyName::from_const_str(self.name);
        metrics::with_recorder(|recorder| match self.kind {
            crate::Kind::Counter => recorder.describe_counter(name, None, self.help.into()),
            crate::Kind::Gauge | crate::Kind::Info => recorder.describe_gauge(name, None, self.help.into()),
            crate::Kind::Histogram(_) => recorder.describe_histogram(name, None, self.help.into()),
        });
    }

    /// How many series there are at most.
    fn series(&self) -> usize {
        self.labels.iter().map(|label| label.values.len()).product()
    }

    /// The name with the values at `index`.
    fn key(&self, mut index: usize) -> Key {
        let mut labels = Vec::with_capacity(self.labels.len());
        for Label { name, values } in self.labels.iter().rev() {
            if let Some(value) = values.get(index % values.len().max(1)) {
                labels.push(metrics::Label::from_static_parts(name, value));
            }
            index /= values.len().max(1);
        }
        labels.reverse();
        Key::from_parts(self.name, labels)
    }
}

impl<T> Family<T> {
    fn new(metric: Metric, register: fn(&Key) -> T, nowhere: T) -> Self {
        let series = (0..metric.series()).map(|_| OnceLock::new()).collect();
        Self { metric, register, series, nowhere }
    }

    /// The series with these values, one for each label in the order of the declaration. What is not declared counts
    /// nowhere, so that a mistake makes no new series.
    pub fn with<const N: usize>(&self, values: [&str; N]) -> &T {
        let index = self.index(values);
        debug_assert!(index.is_some(), "{} is not declared with {values:?}", self.metric.name);
        index.map_or(&self.nowhere, |index| self.at(index))
    }

    /// As [`with`](Self::with), for a value that comes from outside: `other`, which must be declared, where it is not
    /// a declared one.
    pub fn with_or(&self, value: &str, other: &str) -> &T {
        let index = self.index([value]).or_else(|| self.index([other]));
        debug_assert!(index.is_some(), "{} has no {other}", self.metric.name);
        index.map_or(&self.nowhere, |index| self.at(index))
    }

    fn at(&self, index: usize) -> &T {
        match self.series.get(index) {
            Some(series) => series.get_or_init(|| (self.register)(&self.metric.key(index))),
            None => &self.nowhere,
        }
    }

    fn index<const N: usize>(&self, values: [&str; N]) -> Option<usize> {
        if N != self.metric.labels.len() {
            return None;
        }
        values.iter().zip(self.metric.labels).try_fold(0, |index, (value, label)| {
            let at = label.values.iter().position(|declared| declared == value)?;
            Some(index * label.values.len() + at)
        })
    }
}

impl<T> fmt::Debug for Family<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Family").field(&self.metric.name).finish()
    }
}

const METADATA: Metadata<'static> = Metadata::new("instruments", Level::INFO, None);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Kind, Unit};

    const METRIC: Metric = Metric {
        name: "m",
        kind: Kind::Counter,
        unit: Unit::Count,
        labels: &[Label { name: "a", values: &["x", "y"] }, Label { name: "b", values: &["1", "2", "3"] }],
        help: "",
        cloudwatch: false,
    };

    #[test]
    fn each_combination_has_its_own_series_and_key() {
        let family = METRIC.gauges();
        assert_eq!(family.series.len(), 6);
        let mut keys = Vec::new();
        for a in ["x", "y"] {
            for b in ["1", "2", "3"] {
                let index = family.index([a, b]).unwrap();
                assert_eq!(METRIC.key(index).to_string(), format!("Key(m, [a = {a}, b = {b}])"));
                keys.push(index);
            }
        }
        assert_eq!(keys, [0, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn what_is_not_declared_has_no_series() {
        let family = METRIC.gauges();
        assert_eq!(
            (family.index(["x", "4"]), family.index(["x"]), family.index(["1", "x"])),
            (None, None, None)
        );
    }

    #[test]
    fn without_labels_there_is_one_series() {
        let metric = Metric { labels: &[], ..METRIC };
        assert_eq!(metric.gauges().index([]), Some(0));
        assert_eq!(metric.key(0).to_string(), "Key(m)");
    }
}
