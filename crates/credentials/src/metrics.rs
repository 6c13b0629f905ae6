//! The metrics of files that may be replaced while running.

use std::time::UNIX_EPOCH;

use instruments::{Counter, Family, Kind, Label, Metric, Unit};

use crate::CertificateInfo;

/// The metrics of this crate.
pub const METRICS: &[Metric] = &[CERTIFICATE_EXPIRY, CONFIG_RELOADS];

const CERTIFICATE_EXPIRY: Metric = Metric {
    name: "adt_bridge_tls_certificate_expiry_timestamp_seconds",
    kind: Kind::Gauge,
    unit: Unit::Timestamp,
    labels: &[Label { name: "role", values: &["hook", "sender", "receiver", "endpoint"] }],
    help: "When a certificate ends: ours by the role that shows it, and the one that the HL7 endpoint showed last.",
    cloudwatch: true,
};

const CONFIG_RELOADS: Metric = Metric {
    name: "adt_bridge_config_reloads_total",
    kind: Kind::Counter,
    unit: Unit::Count,
    labels: &[Label { name: "outcome", values: &["new", "broken"] }],
    help: "Files that changed while running: in use now, or broken, so that the last good ones stay.",
    cloudwatch: true,
};

/// Tells when a certificate ends; `role` is one of the declared ones.
pub fn tell_expiry(role: &str, certificate: &CertificateInfo) {
    let ends = certificate.not_after.duration_since(UNIX_EPOCH).unwrap_or_default();
    CERTIFICATE_EXPIRY.gauges().with([role]).set(ends.as_secs_f64());
}

pub(crate) fn reloads() -> Family<Counter> {
    CONFIG_RELOADS.counters()
}
