//! CloudWatch's embedded metric format on standard output.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Stdio},
    sync::mpsc,
    time::Duration,
};

use serde_json::Value;

use crate::{bridge::command, metrics::declared};

/// Ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

#[test]
fn standard_output_holds_the_embedded_metric_format_and_no_other_text() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = command();
    command
        .arg("hook")
        .current_dir(folder.path())
        .env("ADT_BRIDGE__HOOK__LISTEN", "127.0.0.1:0")
        .env("ADT_BRIDGE__METRICS__EMF", "true")
        .env("ADT_BRIDGE__METRICS__EMF_INTERVAL", "10s")
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut process = Running(command.spawn().unwrap());
    let output = BufReader::new(process.0.stdout.take().unwrap());
    let (found, lines) = mpsc::channel();
    std::thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| found.send(line)));
    let declared = declared();
    let mut names = Vec::new();
    while !names.contains(&"adt_bridge_ready") || !names.contains(&"adt_bridge_queue_oldest_age_seconds") {
        let line = lines.recv_timeout(Duration::from_secs(60)).expect("a line in time");
        let object: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let directive = &object["_aws"]["CloudWatchMetrics"][0];
        assert!(object["_aws"]["Timestamp"].as_u64().is_some_and(|at| at > 1_700_000_000_000), "{line}");
        assert_eq!(directive["Namespace"], "adt-bridge");
        let name = directive["Metrics"][0]["Name"].as_str().unwrap();
        let metric = declared.iter().find(|metric| metric.name == name).unwrap();
        assert!(metric.cloudwatch, "{name} is not declared for it");
        assert!(object[name].is_number(), "{line}");
        let dimensions = directive["Dimensions"][0].as_array().unwrap();
        assert_eq!(dimensions.len(), metric.labels.len(), "{line}");
        for (dimension, label) in dimensions.iter().zip(metric.labels) {
            assert_eq!(dimension, label.name);
            assert!(label.values.contains(&object[label.name].as_str().unwrap()), "{line}");
        }
        names.push(metric.name);
    }
}
