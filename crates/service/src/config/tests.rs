use std::{collections::BTreeMap, ffi::OsString, io::Write, time::Duration};

use super::{ConfigError, Layers, Origins, Secret, load_with};

#[derive(Debug, Default, PartialEq, serde::Deserialize, serde::Serialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
    server: Server,
    backend: Backend,
}

#[derive(Debug, PartialEq, serde::Deserialize, serde::Serialize)]
#[serde(default, deny_unknown_fields)]
struct Server {
    listen: String,
    port: u16,
    verbose: bool,
    ratio: f64,
    #[serde(with = "super::duration")]
    idle: Duration,
    names: Vec<String>,
    labels: BTreeMap<String, String>,
    token: Option<Secret>,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1".into(),
            port: 80,
            verbose: false,
            ratio: 0.5,
            idle: Duration::from_secs(1),
            names: Vec::new(),
            labels: BTreeMap::new(),
            token: None,
        }
    }
}

#[derive(Debug, PartialEq, serde::Deserialize, serde::Serialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
enum Backend {
    File { path: String },
    Remote { url: String, limit: u64 },
    Nowhere {},
}

impl Default for Backend {
    fn default() -> Self {
        Self::File { path: "data".into() }
    }
}

const DEFAULTS: &str = "[backend]\nkind = \"file\"\npath = \"data\"\n";

fn load(file: &str, environment: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let mut named = tempfile::NamedTempFile::new().unwrap();
    named.write_all(file.as_bytes()).unwrap();
    let environment = environment.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
    load_with(DEFAULTS, Some(named.path()), environment)
}

fn problems(file: &str, environment: &[(&str, &str)]) -> Vec<String> {
    load(file, environment).unwrap_err().problems().iter().map(ToString::to_string).collect()
}

#[test]
fn later_layers_win() {
    let config = load("[server]\nport = 81\nidle = \"2m\"\n", &[("ADT_BRIDGE__SERVER__PORT", "82")]).unwrap();
    assert_eq!(config.server.port, 82);
    assert_eq!(config.server.idle, Duration::from_secs(120));
    assert_eq!(config.backend, Backend::File { path: "data".into() });
}

#[test]
fn environment_values_take_the_type_of_the_setting() {
    let config = load(
        "",
        &[
            ("ADT_BRIDGE__SERVER__LISTEN", "8080"),
            ("ADT_BRIDGE__SERVER__PORT", "8080"),
            ("ADT_BRIDGE__SERVER__VERBOSE", "true"),
            ("ADT_BRIDGE__SERVER__RATIO", "1"),
            ("ADT_BRIDGE__SERVER__IDLE", "30s"),
            ("ADT_BRIDGE__SERVER__NAMES", "[\"a\", \"b\"]"),
            ("ADT_BRIDGE__SERVER__LABELS__X", "7"),
            ("ADT_BRIDGE__SERVER__TOKEN", "true"),
            ("ADT_BRIDGE_UNRELATED", "x"),
        ],
    )
    .unwrap();
    assert_eq!(config.server.listen, "8080");
    assert_eq!(config.server.port, 8080);
    assert!(config.server.verbose);
    assert!((config.server.ratio - 1.0).abs() < f64::EPSILON);
    assert_eq!(config.server.idle, Duration::from_secs(30));
    assert_eq!(config.server.names, ["a", "b"]);
    assert_eq!(config.server.labels["x"], "7");
    assert_eq!(config.server.token, Some(Secret::new("true")));
}

#[test]
fn another_kind_starts_an_empty_table() {
    let remote = Backend::Remote { url: "7".into(), limit: 7 };
    let file = "[backend]\nkind = \"remote\"\nurl = \"7\"\nlimit = 7\n";
    assert_eq!(load(file, &[]).unwrap().backend, remote);
    let environment = [
        ("ADT_BRIDGE__BACKEND__URL", "7"),
        ("ADT_BRIDGE__BACKEND__LIMIT", "7"),
        ("ADT_BRIDGE__BACKEND__KIND", "remote"),
    ];
    assert_eq!(load("", &environment).unwrap().backend, remote);
}

#[test]
fn reports_every_problem_with_its_place() {
    let file =
        "[server]\nport = 70000\nverbos = true\nidle = 30\n\n[backend]\npth = \"x\"\n\n[servr]\nx = 1\n";
    let found = problems(file, &[("ADT_BRIDGE__SERVER__RATIO", "high"), ("ADT_BRIDGE__SERVER__LISTN", "x")]);
    for expected in [
        ":2: server.port: found integer, expected u16",
        ":3: unknown key `server.verbos`; did you mean `verbose`?",
        ":4: server.idle: found integer, expected a string",
        ":7: unknown key `backend.pth`; did you mean `path`?",
        ":9: unknown key `servr`; did you mean `server`?",
        "environment variable ADT_BRIDGE__SERVER__RATIO: server.ratio: found string, expected f64",
        "environment variable ADT_BRIDGE__SERVER__LISTN: unknown key `server.listn`; did you mean `listen`?",
    ] {
        assert!(found.iter().any(|problem| problem.ends_with(expected)), "{expected}\n{found:#?}");
    }
    assert_eq!(found.len(), 7, "{found:#?}");
}

#[test]
fn reports_a_key_of_a_backend_without_any() {
    let found = problems("[backend]\nkind = \"nowhere\"\npath = \"x\"\n", &[]);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(found[0].contains(":3: unknown key `backend.path`"), "{found:#?}");
}

#[test]
fn reports_a_key_that_a_backend_needs() {
    let found = problems("[backend]\nkind = \"remote\"\nlimit = 1\n", &[]);
    assert_eq!(found.len(), 1);
    assert!(found[0].contains(":1: backend: missing field `url`"), "{found:?}");
}

#[test]
fn reports_toml_that_does_not_parse_with_its_line() {
    let found = problems("[server]\nport = = 1\n", &[]);
    assert!(found[0].contains(":2: "), "{found:?}");
}

#[test]
fn reports_a_missing_file() {
    let missing = std::path::Path::new("does/not/exist.toml");
    let error = load_with::<Config>("", Some(missing), []).unwrap_err();
    assert!(error.to_string().contains("does/not/exist.toml: cannot be read"), "{error}");
}

#[test]
fn never_repeats_a_value() {
    let file = "[server]\nport = \"hunter2, expected\"\nverbose = \"hunter2\"\nnames = \"hunter2\"\n";
    let error = load(file, &[("ADT_BRIDGE__SERVER__IDLE", "hunter2")]).unwrap_err();
    assert_eq!(error.problems().len(), 4, "{error}");
    assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
}

#[test]
fn secrets_do_not_show_in_debug() {
    let config = load("[server]\ntoken = \"hunter2\"\n", &[]).unwrap();
    let shown = format!("{config:?}");
    assert!(shown.contains("set (7 bytes)") && !shown.contains("hunter2"), "{shown}");
    assert_eq!(config.server.token.unwrap().expose(), "hunter2");
}

#[test]
fn shows_each_setting_with_the_layer_that_decided_it() {
    let mut named = tempfile::NamedTempFile::new().unwrap();
    named.write_all(b"[server]\nport = 81\ntoken = \"hunter2\"\n\n[server.labels]\nx = \"y\"\n").unwrap();
    let name = named.path().display().to_string();
    let variable = ("ADT_BRIDGE__SERVER__IDLE", "30s");
    let environment = [(OsString::from(variable.0), OsString::from(variable.1))];
    let mut layers = Layers::read(DEFAULTS, Some(named.path()), environment, &mut Vec::new());
    let config: Config = layers.deserialize(Vec::new()).unwrap();
    let settings = Origins::of(layers).settings(&config).unwrap();
    let shown: Vec<String> = settings
        .iter()
        .map(|setting| format!("{} = {} ({})", setting.name(), setting.value, setting.origin))
        .collect();
    for expected in [
        "backend.path = \"data\" (the embedded defaults)".to_owned(),
        format!("server.port = 81 ({name}:2)"),
        format!("server.token = \"set (7 bytes)\" ({name}:3)"),
        format!("server.labels.x = \"y\" ({name}:6)"),
        "server.listen = \"127.0.0.1\" (the embedded defaults)".to_owned(),
        "server.idle = \"30s\" (environment variable ADT_BRIDGE__SERVER__IDLE)".to_owned(),
    ] {
        assert!(shown.contains(&expected), "{expected}\n{shown:#?}");
    }
    let port = settings.iter().find(|setting| setting.name() == "server.port").unwrap();
    assert_eq!(port.variable(), "ADT_BRIDGE__SERVER__PORT");
}

#[test]
fn a_place_in_a_list_has_its_line() {
    let text =
        "[server]\nnames = [\n  \"a\",\n  \"b\",\n]\n\n[[peers]]\nname = \"x\"\n\n[[peers]]\nname = \"y\"\n";
    let line = |path: &[&str]| {
        let path: Vec<String> = path.iter().map(|&part| part.to_owned()).collect();
        super::locate::line(text, &path)
    };
    assert_eq!(line(&["server", "names", "1"]), Some(4));
    assert_eq!(line(&["peers", "1", "name"]), Some(11));
    assert_eq!(line(&["peers", "1", "other"]), Some(10));
    assert_eq!(line(&["peers", "7", "name"]), Some(7));
}
