//! Every metric, from the tables that the processes register.

use instruments::{Kind, Metric};

use super::cell;
use crate::metrics::TABLES;

pub(super) fn page() -> String {
    let mut text = String::from(BEGINNING);
    for (title, metrics) in TABLES {
        text.push_str(&format!("## {title}\n\n{HEAD}"));
        for metric in metrics {
            text.push_str(&row(metric));
        }
        text.push('\n');
    }
    text
}

fn row(metric: &Metric) -> String {
    let labels: Vec<_> = metric
        .labels
        .iter()
        .map(|label| match metric.kind {
            // What is built, not what happens.
            Kind::Info => format!("`{}`", label.name),
            Kind::Counter | Kind::Gauge | Kind::Histogram(_) => {
                format!("`{}` = {}", label.name, label.values.join(", "))
            }
        })
        .collect();
    let cloudwatch = if metric.cloudwatch { "yes" } else { "" };
    format!(
        "| `{}` | {} | {} | {} | {} | {cloudwatch} |\n",
        metric.name,
        metric.kind.as_str(),
        metric.unit.as_str(),
        labels.join("; "),
        cell(metric.help)
    )
}

const BEGINNING: &str = "\
# Metrics

`/metrics` answers in the text format of Prometheus: on the hook, and on the address of `[health] listen` of `sender` and
`receiver`. `adt-bridge up` tells everything on its hook. The numbers of a queue are asked for when somebody reads, and at no
other time. No label holds anything of a patient: every value a label can have stands below.

A counter of one label begins at zero with its process; everything else appears with its first value. The last column says what
`[metrics] emf = true` also writes to standard output, for CloudWatch, every `[metrics] emf_interval`: namespace `adt-bridge`,
labels as dimensions, a counter as what was added since the last line.

Alert rules and a dashboard are in [observability](../../observability/README.md); what shows when something breaks is in
[failures](../explanation/failures.md).

";

const HEAD: &str = "| Metric | Kind | Unit | Labels | Says | EMF |\n| --- | --- | --- | --- | --- | --- |\n";
