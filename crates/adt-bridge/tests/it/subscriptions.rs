//! The Subscriptions that the how-to pages give; their commands are run by `scripts/docs_commands.py`.

use std::{fs, path::Path};

use serde_json::Value;

#[test]
fn every_subscription_is_json_for_the_surface_that_its_sender_needs() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/subscriptions"));
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
