//! The how-to pages: what they tell to type gives what they say.

use std::{fs, path::Path, process::Command};

use serde_json::Value;

use crate::bridge::Bridge;

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// The commands of the `console` blocks of a page, each with the output that follows it.
fn commands(page: &str) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    for block in page.split("```console\n").skip(1) {
        let block = block.split("```").next().unwrap();
        for part in block.split("$ curl ").skip(1) {
            // The command is everything up to the address of the hook.
            let end = part.find("http://127.0.0.1:8080").unwrap();
            let length = part.split_at(end).1.find('\n').unwrap();
            let (command, output) = part.split_at(end + length + 1);
            found.push((format!("curl {command}"), output.to_owned()));
        }
    }
    found
}

/// Whether `text` is `pattern`, in which an ellipsis stands for anything.
fn fits(pattern: &str, text: &str) -> bool {
    let Some((head, tail)) = pattern.split_once('…') else { return pattern == text };
    let Some(mut rest) = text.strip_prefix(head) else { return false };
    let (between, end) = tail.rsplit_once('…').unwrap_or(("", tail));
    for part in between.split('…') {
        let Some((_, after)) = rest.split_once(part) else { return false };
        rest = after;
    }
    rest.ends_with(end)
}

#[tokio::test]
async fn the_commands_of_every_page_give_what_the_page_says() {
    let data = tempfile::tempdir().unwrap();
    let bridge = Bridge::start(data.path(), &[]).await;
    let (_, hook) = bridge.client();
    let mut pages = 0;
    for entry in fs::read_dir(root().join("docs/how-to")).unwrap() {
        let path = entry.unwrap().path();
        let page = fs::read_to_string(&path).unwrap();
        let commands = commands(&page);
        if commands.is_empty() {
            continue;
        }
        for (command, expected) in commands {
            let here = command.replace("http://127.0.0.1:8080", &hook);
            let run = Command::new("sh").args(["-c", &here]).current_dir(root()).output().unwrap();
            let output = String::from_utf8(run.stdout).unwrap();
            let said = String::from_utf8_lossy(&run.stderr);
            assert!(fits(expected.trim(), output.trim()), "{}: {command}{output}{said}", path.display());
        }
        pages += 1;
    }
    assert_eq!(pages, 5);
}

#[test]
fn every_subscription_is_json_for_the_surface_that_its_sender_needs() {
    let folder = root().join("examples/subscriptions");
    let mut files = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let subscription: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let base = if name.starts_with("medplum") { "hook" } else { "fhir" };
        match subscription["resourceType"].as_str().unwrap() {
            "Subscription" => {
                assert_eq!(subscription["channel"]["type"], "rest-hook", "{name}");
                let endpoint = format!("https://hook.example.org/{base}");
                assert_eq!(subscription["channel"]["endpoint"], endpoint, "{name}");
                assert_eq!(subscription["channel"]["payload"], "application/fhir+json", "{name}");
            }
            "AidboxTopicDestination" => {
                assert_eq!(subscription["parameter"][0]["valueUrl"], "https://hook.example.org/hook");
            }
            kind => assert_eq!(kind, "AidboxSubscriptionTopic", "{name}"),
        }
        files += 1;
    }
    assert_eq!(files, 7);
}
