use std::{
    io,
    sync::{Arc, Mutex},
};

use tracing_subscriber::layer::SubscriberExt;

use super::{Config, layer};

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn logged(directives: &str, json: Option<&str>, events: impl FnOnce()) -> String {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber =
        tracing_subscriber::registry().with(layer(directives, json, false, move || writer.clone()));
    tracing::subscriber::with_default(subscriber, events);
    let bytes = lines.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn clamps_third_party_code_at_info() {
    for directives in ["trace", "trace,hyper=trace"] {
        let text = logged(directives, None, || {
            tracing::debug!(target: "hyper::proto", "wire bytes");
            tracing::info!(target: "hyper::proto", "connected");
            tracing::trace!(target: "service::config", "own detail");
        });
        assert!(!text.contains("wire bytes"), "{text}");
        assert!(text.contains("connected") && text.contains("own detail"), "{text}");
    }
}

#[test]
fn json_lines_carry_fields() {
    let text = logged("info", Some("sender"), || {
        let span = tracing::info_span!("request", trace_id = "4bf9");
        span.in_scope(|| tracing::info!(target: "service", size_bytes = 7, "stored"));
    });
    let line: serde_json::Value = serde_json::from_str(text.trim()).unwrap();
    assert_eq!((&line["role"], &line["version"]), (&"sender".into(), &env!("CARGO_PKG_VERSION").into()));
    assert_eq!(line["span"]["trace_id"], "4bf9");
    assert_eq!(line["message"], "stored");
    assert_eq!(line["size_bytes"], 7);
    assert_eq!(line["level"], "INFO");
}

#[test]
fn default_level_is_info() {
    let text = logged(&Config::default().level, None, || {
        tracing::debug!(target: "service", "detail");
        tracing::info!(target: "service", "news");
    });
    assert!(text.contains("news") && !text.contains("detail"), "{text}");
}
