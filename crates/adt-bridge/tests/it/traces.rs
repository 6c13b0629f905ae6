//! One trace from the request to the acknowledgment, over processes and retries.

use std::fs;

use fault_harness::{
    aws_stub::AwsStub,
    deployment::{Deployment, Role},
    endpoint::{Endpoint, Reply, Script, Step, When},
    oracle::Mark,
    process::Signal,
};
use opentelemetry_proto::tonic::trace::v1::Span;
use reqwest::Method;

use crate::{
    bridge::{Bridge, DEADLINE, eventually, patient},
    collector::{Collector, attribute},
};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

/// The spans of the trace that the client began, by name; the parent first.
fn of_client(spans: &[(String, Span)]) -> Vec<(&str, &Span)> {
    let ours = spans.iter().filter(|(_, span)| hex(&span.trace_id) == TRACE);
    let mut ours: Vec<_> = ours.map(|(service, span)| (service.as_str(), span)).collect();
    ours.sort_by_key(|(_, span)| span.start_time_unix_nano);
    ours
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_trace_goes_from_the_request_through_sqs_to_the_acknowledgment() {
    let collector = Collector::start().await;
    let stub = AwsStub::start().await.unwrap();
    let script =
        Script::accept().times(1, When::Nth(1), vec![Step::Reply(Reply::new("AE").error("207", "E"))]);
    let endpoint = Endpoint::start(script).await.unwrap();
    let mut bridge =
        Deployment::new(env!("CARGO_BIN_EXE_adt-bridge"), endpoint.address()).unwrap().apart(&stub).unwrap();
    let secret = bridge.data().join("headers");
    fs::write(&secret, "authorization: Bearer collector-token\n").unwrap();
    bridge.set("TRACES__ENDPOINT", collector.url()).set("TRACES__HEADERS_FILE", secret.display());
    for role in [Role::Hook, Role::Sender] {
        bridge.start(role).await.unwrap();
    }
    let url = format!("{}/Patient/traced", bridge.hook_url());
    let body = patient("traced", Mark { group: 1, version: 1 }).to_string();
    let request = reqwest::Client::new().put(url).header("content-type", "application/json").body(body);
    let request = request.header("traceparent", format!("00-{TRACE}-{PARENT}-01"));
    assert_eq!(request.send().await.unwrap().status(), 201);
    eventually("delivered", async || (!endpoint.stored().is_empty()).then_some(())).await;
    // What waits is exported at the end.
    for role in [Role::Sender, Role::Hook] {
        let process = bridge.process(role).unwrap();
        process.signal(Signal::TERM).unwrap();
        process.wait(DEADLINE).await.unwrap();
    }
    let spans = collector.spans();
    let trace = of_client(&spans);
    let names: Vec<_> = trace.iter().map(|(service, span)| (*service, span.name.as_str())).collect();
    let attempt = [("sender", "process adt"), ("sender", "mllp exchange")];
    let expected = [("transform", "PUT /persistence/Patient/{id}"), ("transform", "send adt")];
    assert_eq!(names, [expected, attempt, attempt].concat());
    let span = |index: usize| trace[index].1;
    let parents = [(0, PARENT.to_owned()), (1, hex(&span(0).span_id)), (2, hex(&span(1).span_id))];
    let parents = parents.into_iter().chain([
        (3, hex(&span(2).span_id)),
        (4, hex(&span(1).span_id)),
        (5, hex(&span(4).span_id)),
    ]);
    for (index, parent) in parents {
        assert_eq!(hex(&span(index).parent_span_id), parent, "{index}: {:?}", span(index));
    }
    assert_eq!(attribute(span(0), "http.route"), "/persistence/Patient/{id}");
    assert_eq!(attribute(span(0), "http.response.status_code"), "201");
    let control_id = endpoint.stored()[0].control_id.clone();
    assert_eq!(attribute(span(1), "messaging.message.id"), control_id);
    let answered: Vec<_> = [3, 5].map(|index| attribute(span(index), "hl7.ack_code")).into();
    assert_eq!(answered, ["AE", "AA"]);
    assert_eq!(attribute(span(2), "error.type"), "retry_refused");
    assert_eq!(attribute(span(4), "disposition"), "delivered");
    assert!(collector.headers().iter().all(|headers| headers["authorization"] == "Bearer collector-token"));
    assert!(!bridge.output().contains("collector-token"));
    assert!(bridge.output().contains(TRACE), "log lines name the trace");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_client_does_not_want_traced_is_not_and_the_embedded_queue_carries_the_rest() {
    let collector = Collector::start().await;
    let data = tempfile::tempdir().unwrap();
    let mut bridge = Bridge::start(data.path(), &[("ADT_BRIDGE__TRACES__ENDPOINT", &collector.url())]).await;
    let (client, hook) = bridge.client();
    for (id, flags) in [("quiet", "00"), ("traced", "01")] {
        let body = patient(id, Mark { group: 1, version: 1 }).to_string();
        let request =
            client.put(format!("{hook}/fhir/Patient/{id}")).header("content-type", "application/json");
        let request = request.header("traceparent", format!("00-{TRACE}-{PARENT}-{flags}")).body(body);
        assert_eq!(request.send().await.unwrap().status(), 201);
    }
    bridge.ask(Method::GET, "/readyz", None).await;
    let exchanges = |spans: &[(String, Span)]| {
        of_client(spans).iter().filter(|(_, span)| span.name == "mllp exchange").count()
    };
    eventually("exported while it runs", async || (exchanges(&collector.spans()) == 1).then_some(())).await;
    bridge.process.signal(Signal::TERM).unwrap();
    bridge.process.wait(DEADLINE).await.unwrap();
    let spans = collector.spans();
    assert_eq!(exchanges(&spans), 1);
    assert!(spans.iter().all(|(service, _)| service == "adt-bridge"));
    let received = spans.iter().filter(|(_, span)| span.name == "mllp receive");
    let received: Vec<_> = received.map(|(_, span)| attribute(span, "hl7.message")).collect();
    let sent = spans.iter().find(|(_, span)| span.name == "send adt").unwrap();
    assert!(received.contains(&attribute(&sent.1, "messaging.message.id")), "{received:?}");
    assert!(!spans.iter().any(|(_, span)| span.name.contains("readyz")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_is_away_holds_up_nobody() {
    let data = tempfile::tempdir().unwrap();
    let nobody = fault_harness::port::Port::claim().unwrap();
    let endpoint = format!("http://{}", nobody.address());
    let mut bridge = Bridge::start(data.path(), &[("ADT_BRIDGE__TRACES__ENDPOINT", endpoint.as_str())]).await;
    for version in 1..=5 {
        assert!(bridge.put("p", &patient("p", Mark { group: 1, version })).await.status.is_success());
    }
    eventually("delivered", async || (crate::bridge::received(data.path()).len() == 5).then_some(())).await;
    bridge.process.signal(Signal::TERM).unwrap();
    assert_eq!(bridge.process.wait(DEADLINE).await.unwrap().code(), Some(0));
    let log = bridge.process.output();
    assert!(log.contains("ExportError"), "{log}");
}
