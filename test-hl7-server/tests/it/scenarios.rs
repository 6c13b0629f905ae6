//! The scenarios that come as examples.

use std::path::Path;

use test_hl7_server::{Config, Scenario};

use crate::sut::{adt, start_with_faults};

fn examples() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/scenarios")
}

#[test]
fn every_example_loads() {
    let files: Vec<_> = std::fs::read_dir(examples()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 3);
    for file in files {
        Scenario::load(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    }
}

#[test]
fn the_scenario_in_the_manual_loads() {
    let manual = std::fs::read_to_string(examples().join("../../docs/reference/test-server.md")).unwrap();
    let blocks = manual.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let scenarios: Vec<&str> = blocks.filter(|block| block.contains("[[")).collect();
    assert!(!scenarios.is_empty());
    for scenario in scenarios {
        Scenario::parse(scenario).unwrap_or_else(|error| panic!("{error}: {scenario}"));
    }
}

/// A sender that resends until it is acknowledged, against an example: everything is stored once.
#[tokio::test]
async fn lost_acknowledgments_lose_no_message() {
    let text = std::fs::read_to_string(examples().join("lost-acknowledgments.toml")).unwrap();
    let sut = start_with_faults(&text.replace("32s", "1ms"), Config::default()).await;
    let mut repeats = 0;
    for number in 0..100 {
        let control_id = format!("C{number}");
        let message = adt(&control_id, "A31", &format!("p-{number}"), "2024");
        while sut.try_send(&message).await.as_deref() != Some(control_id.as_str()) {
            repeats += 1;
        }
    }
    assert!(repeats > 0);
    assert_eq!(sut.received().await, 100);
    let list = sut.admin("GET", "/received", "").await.1;
    let duplicates = list.as_array().unwrap().iter().filter(|entry| entry["outcome"] == "duplicate").count();
    assert_eq!(duplicates, repeats);
}

/// The same seed and the same messages give the same faults.
#[tokio::test]
async fn faults_can_be_repeated() {
    let text = std::fs::read_to_string(examples().join("poison-and-framing.toml")).unwrap();
    let mut runs = Vec::new();
    for _ in 0..2 {
        let sut = start_with_faults(&text, Config::default()).await;
        for number in 0..40 {
            let patient = if number % 10 == 3 { "poison-1" } else { "p-1" };
            sut.try_send(&adt(&format!("C{number}"), "A31", patient, "2024")).await;
        }
        let faults = sut.admin("GET", "/faults", "").await.1;
        let faults = faults.as_array().unwrap().iter();
        runs.push(faults.map(|fault| (fault["recv_seq"].clone(), fault["rule"].clone())).collect::<Vec<_>>());
    }
    assert_eq!(runs[0], runs[1]);
    assert!(runs[0].len() > 20);
}
