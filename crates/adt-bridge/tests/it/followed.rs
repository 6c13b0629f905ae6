//! The settings file is changed under a running bridge.

use std::{fs, path::Path};

use fault_harness::{oracle::Mark, process::Signal};
use reqwest::StatusCode;

use crate::bridge::{Bridge, command, event, eventually, patient, received};

/// What was received last, once there are `count` messages.
async fn message(data: &Path, count: usize) -> String {
    eventually("a delivery", async || received(data).get(count - 1).cloned()).await
}

/// Field of the first segment of that name.
fn field(message: &str, segment: &str, number: usize) -> String {
    let line = message.split('\r').find(|line| line.starts_with(segment)).unwrap_or_default();
    let number = if segment == "MSH" { number - 1 } else { number };
    line.split('|').nth(number).unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_changed_mapping_is_used_for_the_next_write_and_a_broken_one_never() {
    let data = tempfile::tempdir().unwrap();
    let file = data.path().join("bridge.toml");
    fs::write(&file, "[message]\nreceiving_facility = \"ONE\"\n").unwrap();
    let bridge = Bridge::start(data.path(), &[("ADT_BRIDGE_CONFIG", file.to_str().unwrap())]).await;
    let logged = |what: &str| {
        let output = bridge.process.output();
        output.lines().filter(|line| line.contains(what) && line.contains("bridge.toml")).count()
    };
    let first = patient("first", Mark { group: 1, version: 1 });
    assert_eq!(bridge.put("first", &first).await.status, StatusCode::CREATED);
    let before = message(data.path(), 1).await;
    assert_eq!((field(&before, "MSH", 6).as_str(), field(&before, "PID", 8).as_str()), ("ONE", "O"));

    let new = "[message]\nreceiving_facility = \"TWO\"\nomit = [\"PID-8\"]\n\n[[message.codes]]\ntable = \"0001\"\ncode = \"male\"\nv2 = \"1\"\n";
    fs::write(&file, new).unwrap();
    eventually("the new file", async || (logged("new files are in use") > 0).then_some(())).await;
    let second = patient("second", Mark { group: 2, version: 1 });
    let written = bridge.put("second", &second).await;
    assert_eq!(written.status, StatusCode::CREATED);
    let after = message(data.path(), 2).await;
    assert_eq!((field(&after, "MSH", 6).as_str(), field(&after, "PID", 8).as_str()), ("TWO", ""));
    let read = bridge.read("second").await.resource();
    assert!(read.get("gender").is_none(), "what is left out is not read back: {read}");
    assert_eq!(received(data.path())[0], before, "what was sent before stays as it was");

    fs::write(&file, new.replace("PID-8", "PIX-8")).unwrap();
    bridge.process.signal(Signal::HUP).unwrap();
    eventually("the broken file", async || (logged("new files are broken") > 0).then_some(())).await;
    let output = bridge.process.output();
    let said = output.lines().find(|line| line.contains("new files are broken")).unwrap();
    assert!(said.contains("bridge.toml:3: message.omit[0]"), "{said}");
    assert!(said.contains("did you mean `PID-8`"), "{said}");
    assert!(said.contains("last good ones stay"), "{said}");
    let third = patient("third", Mark { group: 3, version: 1 });
    assert_eq!(bridge.put("third", &third).await.status, StatusCode::CREATED);
    let still = message(data.path(), 3).await;
    assert_eq!((field(&still, "MSH", 6).as_str(), field(&still, "PID", 8).as_str()), ("TWO", ""));
    assert_eq!(event(&still), "A28");
}

#[test]
fn a_start_says_every_problem_of_the_mapping_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bridge.toml");
    let text = "[message]\nomit = [\n  \"PID-16\",\n  \"PDI-19\",\n]\n\n[[message.z_segments]]\nname = \"ZPI\"\n\
                fields = { \"1\" = \"gendr\" }\n";
    fs::write(&file, text).unwrap();
    for role in [vec!["config", "validate"], vec!["hook"], vec!["up"]] {
        let output = command().arg("-c").arg(&file).args(&role).current_dir(folder.path()).output().unwrap();
        assert_eq!(output.status.code(), Some(78), "{role:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("bridge.toml:4: message.omit[1]"), "{role:?}: {said}");
        assert!(said.contains("did you mean `PID-19`?"), "{role:?}: {said}");
        assert!(said.contains("bridge.toml:9: message.z_segments[0]"), "{role:?}: {said}");
        assert!(said.contains("did you mean `gender`?"), "{role:?}: {said}");
    }
}

/// The blocks of a page after a mark such as "```toml".
fn blocks<'p>(page: &'p str, mark: &str) -> Vec<&'p str> {
    let blocks = page.split(mark).skip(1);
    blocks.map(|rest| rest.split("```").next().unwrap_or_default()).collect()
}

#[test]
fn the_adapted_mapping_gives_what_the_page_says() {
    let page = fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/how-to/adapt-the-mapping.md"),
    )
    .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (settings, patient) = (folder.path().join("bridge.toml"), folder.path().join("patient.json"));
    fs::write(&settings, blocks(&page, "```toml\n")[0]).unwrap();
    fs::write(&patient, blocks(&page, "```json\n")[0]).unwrap();
    let mut command = command();
    command.arg("-c").arg(&settings).args(["convert", "--to", "er7"]).arg(&patient);
    let output = command.current_dir(folder.path()).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    let message = String::from_utf8(output.stdout).unwrap();
    let [expected, report] = blocks(&page, "```text\n")[..] else { panic!("a message and a report") };
    let after_evn = message.find("PID|").unwrap_or_else(|| panic!("no PID: {message}{said}"));
    assert_eq!(message.split_at(after_evn).1.trim(), expected.trim());
    let told = |text: &str| text.trim().lines().map(|line| line.trim().to_owned()).collect::<Vec<_>>();
    assert!(said.trim().ends_with(&told(report).join("\n  ")), "{said}");
}
