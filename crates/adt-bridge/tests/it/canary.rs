//! No value of a patient may appear anywhere but in the queue's messages, the store's and the answers to who asked.
//!
//! Every process runs at its loudest, everything that it is sent is marked ([`marked`]), and everything that it lets out
//! is searched ([`search`]). The last tests plant leaks and see the same search find them.

mod caller;
pub(crate) mod marked;
pub(crate) mod search;

use std::{fs, path::Path};

use fault_harness::{
    aws_stub::AwsStub,
    deployment::{Deployment, Role},
    endpoint::{Arrival, Endpoint, Reply, Script, Step, When},
    process::Signal,
};
use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt, net::TcpStream};

use self::{
    caller::{Caller, Echo, source},
    marked::{patient, with},
    search::{MARKER, Places, leaks},
};
use crate::{
    bridge::{Bridge, DEADLINE, command, eventually},
    collector::Collector,
};

const PERSISTENCE: &str = "/persistence/Patient";
const FHIR: &str = "/fhir/Patient";

/// Hook, sender and receiver as processes of their own, over SQS and S3; text logs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_value_leaves_processes_queue_and_bucket() {
    let stub = AwsStub::start().await.unwrap();
    stub.keep_heads();
    let nowhere = Endpoint::start(Script::accept()).await.unwrap();
    let mut bridge =
        Deployment::new(env!("CARGO_BIN_EXE_adt-bridge"), nowhere.address()).unwrap().apart(&stub).unwrap();
    let token = format!("{MARKER}-token-of-32-random-bytes");
    let file = bridge.data().join("settings.toml");
    let settings = format!(
        "[hook]\non_refused = \"park\"\n[hook.jobs]\nlease = \"1s\"\nscan = \"100ms\"\n\
         [hook.auth.bearer.clinic]\ntoken = \"{token}\"\nscopes = [\"system/Patient.cruds\"]\n\
         [[hook.source]]\nbase_url = \"http://{}/r4\"\n",
        source().await
    );
    fs::write(&file, settings).unwrap();
    bridge.through_shell(&format!("export ADT_BRIDGE_CONFIG='{}' RUST_LOG=trace", file.display()));
    let receiver = bridge.receiver_address();
    let collector = Collector::start().await;
    bridge.set("SENDER__ENDPOINT__ADDRESS", receiver).set("LOG__FORMAT", "text");
    bridge.set("TRACES__ENDPOINT", collector.url());
    for role in [Role::Hook, Role::Receiver, Role::Sender] {
        bridge.start(role).await.unwrap();
    }
    let mut caller = Caller::new(format!("http://{}", bridge.hook_address()), &token);

    written(&mut caller).await;
    refused(&mut caller).await;
    told(&mut caller).await;
    let delivered = |stub: &AwsStub| {
        // By itself, or with others.
        let deleted = stub.count("DeleteMessage") + stub.count("DeleteMessageBatch") > 0;
        deleted && stub.bodies("bridge.fifo").is_empty() && read_back(stub)
    };
    assert!(stub.wait_until(DEADLINE, delivered).await, "{}", bridge.output());
    peers_talk_nonsense(receiver).await;
    caller.look("/readyz?verbose", "readiness").await;
    caller.look("/metrics", "metrics").await;

    let mut places = caller.places;
    for arguments in
        [&["config", "show", "--origin"][..], &["config", "validate"], &["config", "env"], &["version"]]
    {
        let output = bridge.command_line(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}");
        places.add("command", String::from_utf8([output.stdout, output.stderr].concat()).unwrap());
    }
    for role in [Role::Hook, Role::Sender, Role::Receiver] {
        let process = bridge.process(role).unwrap();
        process.signal(Signal::TERM).unwrap();
        process.wait(DEADLINE).await.unwrap();
    }
    let log = bridge.output();
    for said in ["DEBUG", "queued ADT^A28", "message received", "message exchanged", "a job is parked"] {
        assert!(log.contains(said), "{said}: {log}");
    }
    places.add("log", log);
    places.add("span", collector.said());
    for head in stub.heads() {
        // The contract's one exception.
        let (first, rest) = head.split_once('\n').unwrap();
        let first = if first.contains(" /bridge/Patient/") { "Patient/{id}" } else { first };
        places.add(
            if rest.contains("x-amz-target") { "queue call" } else { "bucket call" },
            format!("{first}\n{rest}"),
        );
    }
    for key in stub.objects("bridge") {
        places.add("object key", key.strip_prefix("Patient/").map_or(key.as_str(), |_| "Patient/{id}"));
    }
    places.assert_searched(&[
        "error body",
        "readiness",
        "command",
        "log",
        "metrics",
        "span",
        "queue call",
        "bucket call",
        "object key",
    ]);
    places.assert_clean();
    assert!(stub.writes("bridge", "received/").iter().all(|body| leaks(&String::from_utf8_lossy(body))));
}

/// Whether the jobs are settled: two were delivered, three were parked.
fn read_back(stub: &AwsStub) -> bool {
    let said = |mark: &str| {
        let messages = stub.writes("bridge", "received/");
        messages.iter().any(|body| String::from_utf8_lossy(body).contains(mark))
    };
    said("notified") && said("named")
}

/// Everything that is taken.
async fn written(caller: &mut Caller) {
    let id = format!("{MARKER}-id");
    let one = patient(&id, MARKER);
    let path = format!("{PERSISTENCE}/{id}");
    let json = "application/json";
    caller.ask(Echo::None, 201, ("PUT", &format!("{path}?name={MARKER}")), json, one.to_string()).await;
    caller.ask(Echo::None, 201, ("POST", PERSISTENCE), json, one.to_string()).await;
    let changed = with(one.clone(), "birthDate", json!("1847-02"));
    caller.ask(Echo::None, 200, ("PUT", &path), json, changed.to_string()).await;
    let read = caller.ask(Echo::None, 200, ("GET", &format!("{path}?_elements={MARKER}")), json, "").await;
    assert!(leaks(&read), "who asks gets the values");
    // Two records turn out to be one person.
    let kept = format!("{MARKER}-kept");
    caller.json(201, ("PUT", &format!("{FHIR}/{kept}")), &patient(&kept, MARKER)).await;
    let link = json!([{ "other": { "reference": format!("Patient/{kept}") }, "type": "replaced-by" }]);
    let merged = with(with(one.clone(), "link", link), "active", json!(false));
    caller.json(200, ("PUT", &format!("{FHIR}/{id}")), &merged).await;
    caller.ask(Echo::None, 200, ("DELETE", &format!("{PERSISTENCE}/{kept}")), json, "").await;

    let entry = |method: &str, id: &str| {
        json!({
            "fullUrl": format!("http://{MARKER}.example/Patient/{id}"), "resource": patient(id, MARKER),
            "request": { "method": method, "url": format!("Patient/{id}"), "ifNoneMatch": MARKER }
        })
    };
    for kind in ["transaction", "batch"] {
        let entries =
            json!([entry("PUT", &format!("{MARKER}-{kind}-1")), entry("PUT", &format!("{MARKER}-{kind}-2"))]);
        let bundle = json!({ "resourceType": "Bundle", "id": MARKER, "type": kind, "entry": entries });
        caller.json(200, ("POST", "/fhir"), &bundle).await;
    }
    let history: String = (1..=3)
        .map(|n| with(patient(&format!("{MARKER}-old-{n}"), MARKER), "meta", json!({ "versionId": MARKER })))
        .map(|line| line.to_string() + "\n")
        .chain([
            format!("{{\"resourceType\":\"Patient\",\"id\":\"{MARKER}\",\"birthDate\":\"{MARKER}\"}}\n"),
            MARKER.into(),
        ])
        .collect();
    let rows =
        caller.ask(Echo::None, 200, ("POST", "/fhir/$backfill"), "application/fhir+ndjson", history).await;
    caller.places.add("backfill rows", rows);
}

/// Everything that is not: the answer names the element, never the value.
async fn refused(caller: &mut Caller) {
    let one = patient(&format!("{MARKER}-refused"), MARKER);
    let mut bodies = vec![
        one.to_string().replace("\"resourceType\":\"Patient\"", &format!("\"{MARKER}\":1,\"{MARKER}\":2")),
        format!("{{\"resourceType\":\"Patient\",\"name\":[{{\"family\":\"{MARKER}\""),
        format!("{{\"resourceType\":\"Patient\",\"gender\":{MARKER}}}"),
        format!("\"{MARKER}\""),
        format!("{{\"resourceType\":\"Patient\",\"name\":{}\"{MARKER}\"", "[".repeat(500)),
    ];
    for (element, value) in [
        ("birthDate", json!(format!("{MARKER}1847-02-28"))),
        ("deceasedDateTime", json!(MARKER)),
        ("gender", json!(MARKER)),
        ("name", json!(MARKER)),
        ("active", json!(MARKER)),
        ("multipleBirthInteger", json!(MARKER)),
        ("telecom", json!([{ "system": MARKER, "value": { "no": MARKER } }])),
        ("link", json!([{ "type": MARKER, "other": MARKER }])),
        ("modifierExtension", json!([{ "url": format!("http://{MARKER}"), "valueString": MARKER }])),
        ("implicitRules", json!(format!("http://{MARKER}.example"))),
        ("id", json!(format!("{MARKER}/{MARKER}"))),
        ("identifier", json!([[MARKER], { "value": 1, "period": MARKER }])),
    ] {
        bodies.push(with(one.clone(), element, value).to_string());
    }
    for body in bodies {
        let id = format!("{MARKER}-refused");
        let target = format!("{PERSISTENCE}/{id}");
        caller.ask(Echo::None, 400, ("PUT", &target), "application/json", body.clone()).await;
        // Kept for an operator there.
        let target = format!("{FHIR}/{id}");
        caller.ask(Echo::None, 202, ("PUT", &target), "application/fhir+json", body).await;
    }
    let text = one.to_string();
    let echoed = Echo::Documented;
    caller.ask(Echo::None, 400, ("POST", PERSISTENCE), "application/json", vec![0xff, b'Q']).await;
    caller.ask(echoed, 415, ("POST", PERSISTENCE), &format!("text/{MARKER}"), text.clone()).await;
    caller
        .ask(echoed, 404, ("POST", &format!("/persistence/{MARKER}")), "application/json", text.clone())
        .await;
    caller.ask(echoed, 404, ("GET", &format!("{PERSISTENCE}/{MARKER}-nobody")), "application/json", "").await;
    caller.ask(Echo::None, 404, ("GET", &format!("/{MARKER}?{MARKER}")), "application/json", "").await;
    caller
        .ask(echoed, 400, ("PUT", &format!("{PERSISTENCE}/{MARKER}-other")), "application/json", text.clone())
        .await;
    caller.ask(echoed, 405, (&MARKER.to_uppercase(), PERSISTENCE), "application/json", "").await;
    let token = std::mem::replace(&mut caller.token, format!("{MARKER}-wrong"));
    caller.ask(Echo::None, 401, ("POST", PERSISTENCE), "application/json", text).await;
    caller.token = token;
}

/// Notifications: without the resource, of a subscription, of vendors.
async fn told(caller: &mut Caller) {
    for id in ["notified", "gone", "broken", "denied"] {
        let path = format!("{FHIR}/{MARKER}-{id}");
        caller.ask(Echo::None, 202, ("PUT", &path), "application/fhir+json", "").await;
    }
    let event = json!({ "name": "notification-event", "part": [
        { "name": "event-number", "valueString": "1" },
        { "name": "focus", "valueReference": { "reference": format!("Patient/{MARKER}-named"), "display": MARKER } }
    ]});
    let status = json!({ "resourceType": "Parameters", "id": MARKER, "parameter": [
        { "name": "subscription", "valueReference": { "reference": format!("Subscription/{MARKER}") } },
        { "name": "topic", "valueCanonical": format!("http://{MARKER}.example") },
        { "name": "status", "valueCode": "active" }, { "name": "type", "valueCode": "event-notification" },
        { "name": "events-since-subscription-start", "valueString": "1" }, event
    ]});
    let entries =
        json!([{ "fullUrl": MARKER, "resource": status, "request": { "method": "GET", "url": MARKER } }]);
    let bundle = json!({ "resourceType": "Bundle", "id": MARKER, "type": "history", "entry": entries });
    caller.json(200, ("POST", "/fhir"), &bundle).await;
    let resource = patient(&format!("{MARKER}-medplum"), MARKER);
    caller.json(201, ("POST", "/hook"), &resource).await;
    let data = json!({ "resourceType": "Patient", "resourceFhirAccount": format!("{MARKER}.example"),
        "resourceFhirId": MARKER, "resourceVersionId": 1 });
    let event = json!([{ "id": MARKER, "topic": MARKER, "subject": format!("{MARKER}.example/Patient/{MARKER}"),
        "data": data, "eventType": "Microsoft.HealthcareApis.FhirResourceUpdated", "dataVersion": "1",
        "metadataVersion": "1", "eventTime": "2024-03-01T09:31:04.5613214Z" }]);
    caller.json(202, ("POST", "/hook"), &event).await;
    let message = json!({ "data": MARKER, "messageId": MARKER, "attributes": { "action": MARKER, "payloadType": MARKER } });
    let push = json!({ "message": message, "subscription": MARKER });
    caller.json(202, ("POST", "/hook"), &push).await;
}

/// Bytes that are no HL7, no MLLP, or HL7 that is refused, straight at the receiver.
async fn peers_talk_nonsense(receiver: std::net::SocketAddr) {
    let header =
        format!("MSH|^~\\&|{MARKER}|{MARKER}|{MARKER}|{MARKER}|20240301||ADT^A28^ADT_A05|{MARKER}|T|2.5.1");
    let bodies = [
        MARKER.to_owned(),
        format!("MSH|^~\\&|{MARKER}"),
        header.clone() + "\r",
        header.replace("ADT^A28^ADT_A05", &format!("{MARKER}^{MARKER}")) + "\rPID|1\r",
        header.replace("2.5.1", MARKER) + "\rPID|1\r",
        format!("{header}\rEVN||{MARKER}\rPID|1||{MARKER}^^^{MARKER}||{MARKER}\r{MARKER}|1\r"),
        format!("FHS|^~\\&|{MARKER}\rBHS|^~\\&|{MARKER}\r{header}\rPID|1||{MARKER}\rBTS|9|{MARKER}\rFTS|1\r"),
    ];
    for body in bodies {
        let mut stream = TcpStream::connect(receiver).await.unwrap();
        stream.write_all(format!("{MARKER}\x0b{body}\x1c\r{MARKER}").as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = Vec::new();
        tokio::time::timeout(DEADLINE, tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut answer))
            .await
            .unwrap()
            .ok();
    }
}

/// One process with the embedded queue, JSON logs, and an endpoint that answers with what it was sent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_value_leaves_one_process_whatever_the_endpoint_says() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let said = format!("{MARKER}^{MARKER} 1847-02-28");
    let reply = |code: &str, error: &str| vec![Step::Reply(Reply::new(code).error(error, "E").text(&said))];
    let garbage =
        format!("\x0bMSH|^~\\&|{MARKER}\rMSA|{MARKER}|{MARKER}|{MARKER}\r\x1c\r{MARKER}").into_bytes();
    let query =
        format!("\x0bMSH|^~\\&|{MARKER}||||20240301||QRY^{MARKER}|{MARKER}|P|2.5.1\rQRD|{MARKER}\r\x1c\r");
    let script = Script::accept()
        .rule(When::Contains("refused".into()), reply("AE", "101"))
        .rule(When::Contains("rejected".into()), reply("AR", "200"))
        .times(1, When::Contains("busy".into()), reply("AE", "207"))
        .times(1, When::Contains("garbage".into()), vec![Step::Raw(garbage)])
        .times(1, When::Contains("silent".into()), vec![Step::Stall])
        .times(1, When::Contains("asked".into()), vec![Step::Raw(query.into_bytes())])
        .times(1, When::Contains("lost".into()), vec![Step::End(fault_harness::proxy::Close::Reset)])
        .rule(When::Contains("unanswered".into()), vec![Step::Store, Step::Stall]);
    let endpoint = Endpoint::start(script).await.unwrap();
    let address = endpoint.address().to_string();
    let collector = Collector::start().await;
    let traces = collector.url();
    let environment = [
        ("RUST_LOG", "trace"),
        ("ADT_BRIDGE_PLANTED_LEAKS", "1"),
        ("ADT_BRIDGE__TRACES__ENDPOINT", traces.as_str()),
        ("ADT_BRIDGE__LOG__FORMAT", "json"),
        ("ADT_BRIDGE__INSPECTOR__MASK", "true"),
        ("ADT_BRIDGE__SENDER__ENDPOINT__ADDRESS", address.as_str()),
        ("ADT_BRIDGE__SENDER__ENDPOINT__ACKNOWLEDGMENT_TIMEOUT_SECONDS", "1"),
        ("ADT_BRIDGE__SENDER__POLICY__RETRY_BASE", "20ms"),
        ("ADT_BRIDGE__SENDER__POLICY__RETRY_CAP", "100ms"),
        ("ADT_BRIDGE__SENDER__DRAIN", "100ms"),
    ];
    let mut bridge = Bridge::start(data, &environment).await;
    let mut caller = Caller::new(bridge.client().1, MARKER);
    let kinds = ["refused", "rejected", "busy", "garbage", "silent", "asked", "lost"];
    for kind in kinds {
        let id = format!("{MARKER}-{kind}");
        let path = format!("{PERSISTENCE}/{id}");
        caller.json(201, ("PUT", &path), &patient(&id, &format!("{MARKER}{kind}"))).await;
    }
    // It holds what it was given when it panics.
    let panics = patient(MARKER, &format!("{MARKER}panic"));
    caller.json(500, ("PUT", &format!("{FHIR}/{MARKER}")), &panics).await;
    let places = &mut caller.places;
    eventually("all are settled", async || {
        let letters = run(data, &["dlq", "ls", "--json"]);
        let dead = letters.matches("\"id\"").count();
        let stored = endpoint.stored();
        let has = |kind: &str| stored.iter().any(|one| String::from_utf8_lossy(&one.body).contains(kind));
        (dead == 2 && kinds.iter().skip(2).all(|kind| has(kind))).then_some(())
    })
    .await;

    let letters: Value = serde_json::from_str(&run(data, &["dlq", "ls", "--json"])).unwrap();
    let letter = |index: usize, name: &str| letters["dead_letters"][index][name].as_str().unwrap().to_owned();
    assert!(leaks(&run(data, &["dlq", "show", &letter(0, "id")])), "who asks for it gets the message");
    for arguments in [
        &["dlq", "ls"][..],
        &["dlq", "ls", "--json"],
        &["dlq", "redrive", &letter(0, "id")],
        &["dlq", "redrive", "--all"],
        &["queue", "park", &letter(1, "group")],
        &["queue", "parked"],
        &["queue", "status"],
        &["queue", "unpark", &letter(1, "group")],
        &["ls"],
        &["search", MARKER],
    ] {
        places.add("command", run(data, arguments));
    }
    caller.look("/readyz?verbose", "readiness").await;
    caller.look("/metrics", "metrics").await;
    let id = format!("{MARKER}-unanswered");
    let last = patient(&id, &format!("{MARKER}unanswered"));
    caller.json(201, ("PUT", &format!("{PERSISTENCE}/{id}")), &last).await;
    eventually("one is on the wire", async || {
        endpoint
            .received()
            .last()
            .is_some_and(|one| String::from_utf8_lossy(&one.body).contains("unanswered"))
            .then_some(())
    })
    .await;
    bridge.process.signal(Signal::TERM).unwrap();
    assert_eq!(bridge.process.wait(DEADLINE).await.unwrap().code(), Some(3));

    let mut places = caller.places;
    let log = bridge.process.output();
    for said in [
        "DEBUG",
        "panicked at",
        "no acknowledgment",
        "not the answer",
        "message given up",
        "redrive",
        "negative_acknowledgment",
    ] {
        assert!(log.contains(said), "{said}: {log}");
    }
    places.add("log", log);
    places.add("span", collector.said());
    places.add_names(data);
    places.add_queue_file(&data.join("queue/queue.db"));
    places.add_store_file(&data.join("store/messages.db"));
    places.assert_searched(&[
        "error body",
        "command",
        "readiness",
        "metrics",
        "log",
        "span",
        "file name",
        "queue column",
        "store column",
    ]);
    places.assert_clean();
}

/// Standard output and standard error of a command.
fn run(data: &Path, arguments: &[&str]) -> String {
    let output = command().args(arguments).arg("--data-dir").arg(data).output().unwrap();
    String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
}

/// The search finds what the program really lets out, place by place.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_planted_leak_is_found() {
    let folder = tempfile::tempdir().unwrap();
    // Nothing is delivered: what is queued stays there to be looked at.
    let endpoint = Endpoint::start(Script::accept().arrival(Arrival::Stall)).await.unwrap();
    let address = endpoint.address().to_string();
    let collector = Collector::start().await;
    let traces = collector.url();
    let environment = [
        ("RUST_LOG", "trace"),
        ("ADT_BRIDGE_PLANTED_LEAKS", "1"),
        ("ADT_BRIDGE__TRACES__ENDPOINT", traces.as_str()),
        ("ADT_BRIDGE__SENDER__ENDPOINT__ADDRESS", address.as_str()),
        ("ADT_BRIDGE__SENDER__DRAIN", "1s"),
    ];
    let mut bridge = Bridge::start(folder.path(), &environment).await;
    let mut caller = Caller::new(bridge.client().1, MARKER);
    let planted = [
        ("log", "log"),
        ("field", "log"),
        ("span", "log"),
        ("output", "log"),
        ("group", "queue column"),
        ("attribute", "queue column"),
        ("key", "store column"),
        ("answer", "error body"),
        ("readiness", "readiness"),
        ("metric", "metrics"),
        ("trace", "span"),
        ("panicsaid", "log"),
    ];
    for (leak, _) in planted {
        let expected = match leak {
            "answer" => 501,
            "panicsaid" => 500,
            _ => 201,
        };
        let patient = patient(leak, &format!("{MARKER}{leak}"));
        caller
            .ask(
                Echo::None,
                expected,
                ("PUT", &format!("{FHIR}/{leak}")),
                "application/json",
                patient.to_string(),
            )
            .await;
    }
    caller.look("/readyz?verbose", "readiness").await;
    caller.look("/metrics", "metrics").await;
    bridge.process.signal(Signal::TERM).unwrap();
    bridge.process.wait(DEADLINE).await.unwrap();
    let mut places = caller.places;
    places.add("log", bridge.process.output());
    places.add("span", collector.said());
    places.add_names(folder.path());
    places.add_queue_file(&folder.path().join("queue/queue.db"));
    places.add_store_file(&folder.path().join("store/messages.db"));
    assert_found(&places, &planted);
}

/// The same at SQS and S3.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_planted_leak_is_found_at_aws() {
    let stub = AwsStub::start().await.unwrap();
    stub.keep_heads();
    let nowhere = Endpoint::start(Script::accept()).await.unwrap();
    let mut bridge =
        Deployment::new(env!("CARGO_BIN_EXE_adt-bridge"), nowhere.address()).unwrap().apart(&stub).unwrap();
    bridge.through_shell("export ADT_BRIDGE_PLANTED_LEAKS=1");
    bridge.start(Role::Hook).await.unwrap();
    let mut caller = Caller::new(format!("http://{}", bridge.hook_address()), MARKER);
    let planted = [
        ("group", "queue call"),
        ("deduplication", "queue call"),
        ("attribute", "queue call"),
        ("key", "object key"),
    ];
    for (leak, _) in planted {
        caller
            .json(201, ("PUT", &format!("{FHIR}/{leak}")), &patient(leak, &format!("{MARKER}{leak}")))
            .await;
    }
    let mut places = Places::default();
    stub.heads().into_iter().for_each(|head| places.add("queue call", head));
    stub.objects("bridge").into_iter().for_each(|key| places.add("object key", key));
    assert_found(&places, &planted);
}

fn assert_found(places: &Places, planted: &[(&str, &str)]) {
    let found = places.leaks();
    for (leak, place) in planted {
        let text = format!("{MARKER}{leak}");
        assert!(
            found.iter().any(|(there, line)| there == place && line.contains(&text)),
            "{leak}: {found:?}"
        );
    }
}
