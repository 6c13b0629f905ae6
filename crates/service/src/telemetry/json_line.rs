//! A log line as one JSON object, with what is the same for all lines of a process in front.

use std::fmt;

use serde_json::json;
use tracing::{Event, Subscriber};
use tracing_subscriber::{
    fmt::{
        FmtContext, FormatEvent, FormatFields,
        format::{self, Format, Json, Writer},
    },
    registry::LookupSpan,
};

use crate::build::BUILD;

pub(super) struct JsonLine {
    line: Format<Json>,
    /// `"role":"…","version":"…",`
    head: String,
}

impl JsonLine {
    pub(super) fn of(role: &str) -> Self {
        let line = format::json().flatten_event(true).with_current_span(true).with_span_list(false);
        Self { line, head: format!("\"role\":{},\"version\":{},", json!(role), json!(BUILD.version)) }
    }
}

impl<S, N> FormatEvent<S, N> for JsonLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut to: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = String::new();
        self.line.format_event(context, Writer::new(&mut line), event)?;
        match line.strip_prefix('{') {
            Some(rest) => write!(to, "{{{}{rest}", self.head),
            None => to.write_str(&line),
        }
    }
}
