//! The metrics of everything that runs in this binary.

use instruments::Metric;

/// The tables of all crates, by what they are about. That of every process is `service`'s own.
pub(crate) const TABLES: [(&str, &[Metric]); 7] = [
    ("Every process", service::metrics::METRICS),
    ("The hook", transform::METRICS),
    ("The queue, in hook and sender", queue::METRICS),
    ("The sender", sender::METRICS),
    ("The test server", test_hl7_server::METRICS),
    ("The message store, in hook and test server", message_store::METRICS),
    ("Certificates and files that may be replaced", credentials::METRICS),
];

/// Starts measuring, before anything is built that measures.
pub(crate) fn init(config: &service::metrics::Config) {
    service::metrics::init(&TABLES.map(|(_, table)| table), config);
}
