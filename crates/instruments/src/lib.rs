//! Counters, gauges and histograms, declared as data and registered before they are used.
//!
//! Each crate declares its metrics in one table of [`Metric`]. The table says everything a reader has to know: name, kind,
//! unit, every label with every value it may have. The reference page is written from it, and nothing that is not in it can
//! be recorded: a [`Family`] gives a handle for declared values only.
//!
//! A handle is an atomic number. Recording allocates nothing, and without a recorder (as in tests of a library) it does
//! nothing at all.
//!
//! ```
//! use instruments::{Kind, Label, Metric, Unit};
//!
//! const SENT: Metric = Metric {
//!     name: "adt_bridge_letters_total",
//!     kind: Kind::Counter,
//!     unit: Unit::Count,
//!     labels: &[Label { name: "outcome", values: &["sent", "lost"] }],
//!     help: "Letters, by what became of them.",
//!     cloudwatch: false,
//! };
//! let letters = SENT.counters();
//! letters.with(["sent"]).increment(1);
//! ```
#![warn(missing_docs)]

mod family;

pub use family::Family;
pub use metrics::{Counter, Gauge, Histogram};

/// One metric, as data.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Metric {
    /// As Prometheus wants it: prefix, words, base unit, `_total` for a counter.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// In what it is measured.
    pub unit: Unit,
    /// Its labels; a series exists for each combination of their values at most.
    pub labels: &'static [Label],
    /// One sentence for an operator.
    pub help: &'static str,
    /// Whether alarms need it, so that it is also told to CloudWatch where that is wanted.
    pub cloudwatch: bool,
}

/// A label and every value it may have. Nothing of a patient is ever one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Label {
    /// Name.
    pub name: &'static str,
    /// All values.
    pub values: &'static [&'static str],
}

/// What a metric is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// Only ever rises; begins at zero when the process does, or with several labels when a series is first used.
    Counter,
    /// A number of now. Its series appear when they are first set.
    Gauge,
    /// Always 1; its labels say what is running, so that their values are those of the build.
    Info,
    /// How often values fell below each of these bounds. Its series appear with their first value.
    Histogram(&'static [f64]),
}

/// In what a metric is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// How many.
    Count,
    /// Seconds.
    Seconds,
    /// Bytes.
    Bytes,
    /// Seconds since 1970.
    Timestamp,
    /// 1 for yes, 0 for no.
    Flag,
}

impl Kind {
    /// As Prometheus names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge | Self::Info => "gauge",
            Self::Histogram(_) => "histogram",
        }
    }
}

impl Unit {
    /// For readers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Seconds => "seconds",
            Self::Bytes => "bytes",
            Self::Timestamp => "seconds since 1970",
            Self::Flag => "1 or 0",
        }
    }
}

/// Trigger events of the messages that are sent (HL7 v2.5.1 chapter 3), and `other` for what an operator put in.
pub const EVENTS: &[&str] = &["A04", "A08", "A23", "A24", "A28", "A29", "A31", "A37", "A40", "other"];
/// Bounds in seconds for what happens within this machine: 100 µs to 5 s.
pub const LOCAL: &[f64] =
    &[0.0001, 0.000_25, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0];
/// Bounds in seconds for what waits for another machine: 1 ms to a minute.
pub const REMOTE: &[f64] =
    &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];
/// Bounds in seconds for what may wait for an operator: 5 ms to a day.
pub const PATIENT: &[f64] = &[
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 21_600.0, 86_400.0,
];
