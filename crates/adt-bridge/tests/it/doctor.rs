//! `adt-bridge doctor` names what is wrong: each fault is made for real.

mod cloud;
mod endpoint;
mod machine;

use std::path::Path;

use fault_harness::{
    aws_stub::AwsStub,
    endpoint::{Endpoint, Script},
    oracle::Mark,
};
use reqwest::Method;
use serde_json::Value;

use crate::bridge::{Bridge, command, eventually, patient};

/// What doctor said, and how it ended.
struct Diagnosis {
    code: i32,
    report: Value,
    stderr: String,
}

impl Diagnosis {
    /// Runs doctor with the settings given and no others.
    async fn of(arguments: &[&str], data: &Path, environment: &[(&str, &str)]) -> Self {
        let mut command = command();
        command.args(["doctor", "--json"]).args(arguments).arg("--data-dir").arg(data);
        command.envs(environment.iter().copied());
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        let report = serde_json::from_slice(&output.stdout).expect(&stderr);
        Self { code: output.status.code().unwrap(), report, stderr }
    }

    fn findings(&self) -> &[Value] {
        self.report["findings"].as_array().unwrap()
    }

    /// Whether one finding of this severity about `check` holds all of `parts`.
    fn names(&self, severity: &str, check: &str, parts: &[&str]) -> bool {
        self.findings().iter().any(|finding| {
            let text = finding.to_string();
            finding["severity"] == severity
                && finding["check"] == check
                && parts.iter().all(|part| text.contains(part))
        })
    }

    #[track_caller]
    fn expect(&self, severity: &str, check: &str, parts: &[&str]) {
        assert!(
            self.names(severity, check, parts),
            "{severity} {check} {parts:?} is not in\n{:#}",
            self.report
        );
    }

    /// The checks that failed, each once.
    fn failed(&self) -> Vec<&str> {
        let failed = self.findings().iter().filter(|finding| finding["severity"] == "failed");
        let mut checks: Vec<&str> = failed.map(|finding| finding["check"].as_str().unwrap()).collect();
        checks.dedup();
        checks
    }
}

#[tokio::test]
async fn a_sound_machine_is_told_so_and_nothing_is_left_behind() {
    let data = tempfile::tempdir().unwrap();
    let free = ("ADT_BRIDGE__HOOK__LISTEN", "127.0.0.1:0");
    let diagnosis =
        Diagnosis::of(&[], data.path(), &[free, ("ADT_BRIDGE__RECEIVER__LISTEN", "127.0.0.1:0")]).await;
    assert_eq!(diagnosis.code, 0, "{:#}", diagnosis.report);
    assert_eq!(diagnosis.failed(), Vec::<&str>::new());
    diagnosis.expect("ok", "configuration", &["valid"]);
    diagnosis.expect("ok", "queue", &["the first start makes it"]);
    assert_eq!(std::fs::read_dir(data.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn every_problem_of_the_settings_is_a_finding() {
    let data = tempfile::tempdir().unwrap();
    let wrong = [
        ("ADT_BRIDGE__HOOK__LISTN", "127.0.0.1:0"),
        ("ADT_BRIDGE__SENDER__CONNECTIONS", "many"),
        ("ADT_BRIDGE__LOG__FORMAT", "loud"),
    ];
    let diagnosis = Diagnosis::of(&[], data.path(), &wrong).await;
    assert_eq!(diagnosis.code, 9);
    diagnosis.expect("failed", "configuration", &["ADT_BRIDGE__HOOK__LISTN", "did you mean `listen`"]);
    diagnosis.expect("failed", "configuration", &["ADT_BRIDGE__SENDER__CONNECTIONS"]);
    diagnosis.expect("failed", "configuration", &["ADT_BRIDGE__LOG__FORMAT"]);

    // What only shows when the sections are looked at together, and what is not the role's business.
    let wrong = [("ADT_BRIDGE__SENDER__CONNECTIONS", "0"), ("ADT_BRIDGE__HOOK__LISTEN", "0.0.0.0:0")];
    let diagnosis = Diagnosis::of(&[], data.path(), &wrong).await;
    diagnosis.expect("failed", "configuration", &["sender.connections"]);
    diagnosis.expect("failed", "configuration", &["hook.listen"]);
    let diagnosis = Diagnosis::of(&["--role", "hook"], data.path(), &wrong).await;
    assert!(!diagnosis.names("failed", "configuration", &["sender.connections"]));
}

/// One bridge, and what it stands on taken away piece by piece: queue, store, endpoint, certificate, disk.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_dependency_that_is_killed_under_a_running_bridge_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let endpoint = Endpoint::start(Script::accept()).await.unwrap();
    let stub = AwsStub::start().await.unwrap();
    let (queue, dead) = (stub.create_queue("bridge.fifo"), stub.create_queue("bridge-dead.fifo"));
    let (url, address) = (stub.url(), endpoint.address().to_string());
    let mut settings = vec![
        ("ADT_BRIDGE__SENDER__ENDPOINT__ADDRESS", address.as_str()),
        ("ADT_BRIDGE__QUEUE__KIND", "sqs"),
        ("ADT_BRIDGE__QUEUE__URL", &queue),
        ("ADT_BRIDGE__QUEUE__DEAD_LETTER_URL", &dead),
        ("ADT_BRIDGE__STORE__KIND", "s3"),
        ("ADT_BRIDGE__STORE__BUCKET", "bridge"),
        ("AWS_ENDPOINT_URL", &url),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ];
    let bridge = Bridge::start(data, &settings).await;
    let hook = bridge.process.ready()["hook"].as_str().unwrap().trim_start_matches("http://").to_owned();
    let mllp = bridge.mllp().to_string();
    settings.extend([
        ("ADT_BRIDGE__HOOK__LISTEN", hook.as_str()),
        ("ADT_BRIDGE__RECEIVER__LISTEN", mllp.as_str()),
    ]);
    assert!(bridge.put("p1", &patient("p1", Mark { group: 1, version: 1 })).await.status.is_success());
    eventually("delivered", async || (endpoint.stored_count() == 1).then_some(())).await;

    let well = Diagnosis::of(&[], data, &settings).await;
    assert_eq!(well.code, 0, "{:#}", well.report);
    well.expect("ok", "port", &["hook.listen", "served by adt-bridge"]);
    well.expect("ok", "hook", &["ready"]);
    for action in
        ["SendMessage", "ReceiveMessage", "DeleteMessage", "ChangeMessageVisibility", "GetQueueAttributes"]
    {
        well.expect("ok", "queue", &["queue.url", &format!("sqs:{action}")]);
        well.expect("ok", "queue", &["queue.dead_letter_url", &format!("sqs:{action}")]);
    }
    well.expect("ok", "store", &["written, read and removed"]);
    assert_eq!(stub.bodies("bridge.fifo").len(), 0, "doctor sent nothing");
    assert!(stub.objects("bridge").iter().all(|key| !key.contains("doctor")), "{:?}", stub.objects("bridge"));

    endpoint.down();
    let without = Diagnosis::of(&[], data, &settings).await;
    assert_eq!((without.code, without.failed()), (9, vec!["endpoint"]), "{:#}", without.report);
    without.expect("failed", "endpoint", &[&address, "refused", "endpoint-unreachable"]);
    endpoint.up();

    stub.down();
    let without = Diagnosis::of(&[], data, &settings).await;
    assert_eq!(without.code, 9);
    without.expect("failed", "queue", &["queue.url", "SQS cannot be reached"]);
    without.expect("failed", "store", &["store.bucket", "S3 cannot be reached"]);
    without.expect("failed", "hook", &["not ready"]);
    stub.up();

    let certificate = data.join("tls/server.pem");
    std::fs::write(&certificate, "not a certificate").unwrap();
    let without = Diagnosis::of(&[], data, &settings).await;
    assert_eq!((without.code, without.failed()), (9, vec!["certificate"]), "{:#}", without.report);
    without.expect("failed", "certificate", &["receiver.tls", "server.pem"]);

    let answer = bridge.send(Method::GET, "/persistence/Patient/p1", None).await;
    assert_eq!(answer.unwrap().status, 200, "the bridge itself was not disturbed");
}
