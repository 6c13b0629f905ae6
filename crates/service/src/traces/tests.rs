use super::*;

fn config(toml: &str) -> Result<Config, toml::de::Error> {
    toml::from_str(toml)
}

#[test]
fn nothing_is_exported_unless_asked() {
    let config = config("").unwrap();
    assert_eq!((config.validate().is_ok(), config.sampling_ratio.get()), (true, 1.0));
    assert_eq!(config, Config::default());
    assert_eq!(Span::begin(Kind::Server, "none", None).traceparent(), None);
}

#[test]
fn a_ratio_is_between_nothing_and_all() {
    for (text, ratio) in
        [("0.0", Some(0.0)), ("0.25", Some(0.25)), ("1.0", Some(1.0)), ("1.1", None), ("-1.0", None)]
    {
        let read = config(&format!("sampling_ratio = {text}")).ok();
        assert_eq!(read.map(|config| config.sampling_ratio.get()), ratio, "{text}");
    }
}

#[test]
fn a_build_without_export_says_which_has_it() {
    let config = config("endpoint = \"http://127.0.0.1:4318\"").unwrap();
    let text = config.validate_in(false).unwrap_err().to_string();
    assert!(text.contains("traces.endpoint") && text.contains("--features otel"), "{text}");
}

#[cfg(feature = "otel")]
mod export {
    use std::fs;

    use super::*;

    fn problem(toml: &str) -> String {
        config(toml).unwrap().validate().unwrap_err().to_string()
    }

    #[test]
    fn an_endpoint_is_a_url_without_secrets() {
        for good in ["http://127.0.0.1:4318", "https://collector.example/v1/traces"] {
            assert!(config(&format!("endpoint = \"{good}\"")).unwrap().validate().is_ok(), "{good}");
        }
        for bad in
            ["", "collector", "grpc://collector:4317", "http://u:secret@collector", "http://c/?key=secret"]
        {
            let text = problem(&format!("endpoint = \"{bad}\""));
            assert!(text.contains("traces.endpoint") && !text.contains("secret"), "{text}");
        }
    }

    #[test]
    fn a_headers_file_is_named_without_what_it_holds() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("headers");
        let toml = format!("endpoint = \"http://c\"\nheaders_file = \"{}\"", file.display());
        assert!(problem(&toml).contains("cannot be read"));
        fs::write(&file, "# ours\n\nauthorization: Bearer secret\nsecret").unwrap();
        let text = problem(&toml);
        assert!(text.contains("line 4 is not `name: value`") && !text.contains("secret"), "{text}");
        fs::write(&file, "authorization: Bearer secret\n").unwrap();
        assert!(config(&toml).unwrap().validate().is_ok());
    }
}
