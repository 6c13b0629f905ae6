//! One span, or nothing where no traces are exported.

use std::{borrow::Cow, fmt};

#[cfg(feature = "otel")]
use opentelemetry::{
    KeyValue,
    trace::{
        Span as _, SpanBuilder, SpanContext, SpanId, SpanKind, Status, TraceContextExt as _, TraceFlags,
        TraceId, TraceState, Tracer as _,
    },
};

/// What a span stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A request that is answered here.
    Server,
    /// A request that is made.
    Client,
    /// A message that is queued.
    Producer,
    /// A queued message that is worked on.
    Consumer,
}

/// A value of an attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Text. Never a value of a patient.
    Text(Cow<'static, str>),
    /// A number.
    Number(i64),
}

/// Something that takes time, part of a trace. It ends when it is dropped.
pub struct Span {
    #[cfg(feature = "otel")]
    inner: Option<opentelemetry_sdk::trace::Span>,
}

impl Span {
    /// Begins a span below the one that `parent` names, a W3C `traceparent`; a trace of its own without one.
    pub fn begin(kind: Kind, name: impl fmt::Display, parent: Option<&str>) -> Self {
        #[cfg(feature = "otel")]
        {
            let inner = super::export::tracer().map(|tracer| {
                let context = opentelemetry::Context::new();
                let context = match parent.and_then(remote) {
                    Some(parent) => context.with_remote_span_context(parent),
                    None => context,
                };
                tracer.build_with_context(
                    SpanBuilder::from_name(name.to_string()).with_kind(kind.into()),
                    &context,
                )
            });
            Self { inner }
        }
        #[cfg(not(feature = "otel"))]
        {
            let _ = (kind, name, parent);
            Self {}
        }
    }

    /// Begins a span below this one.
    #[must_use]
    pub fn child(&self, kind: Kind, name: impl fmt::Display) -> Self {
        Self::begin(kind, name, self.traceparent().as_deref())
    }

    /// Names this span to others: a W3C `traceparent`. `None` where no traces are exported.
    pub fn traceparent(&self) -> Option<String> {
        #[cfg(feature = "otel")]
        {
            let context = self.inner.as_ref()?.span_context();
            let (trace, span, flags) = (context.trace_id(), context.span_id(), context.trace_flags().to_u8());
            Some(format!("00-{trace:032x}-{span:016x}-{flags:02x}"))
        }
        #[cfg(not(feature = "otel"))]
        None
    }

    /// Whether somebody will see it: attributes that cost something to make need not be made otherwise.
    pub fn is_recording(&self) -> bool {
        #[cfg(feature = "otel")]
        {
            self.inner.as_ref().is_some_and(|inner| inner.is_recording())
        }
        #[cfg(not(feature = "otel"))]
        false
    }

    /// Adds an attribute, named by the semantic conventions of OpenTelemetry where they have a name.
    pub fn set(&mut self, name: &'static str, value: impl Into<Value>) {
        #[cfg(feature = "otel")]
        if let Some(inner) = &mut self.inner {
            inner.set_attribute(match value.into() {
                Value::Text(text) => KeyValue::new(name, text),
                Value::Number(number) => KeyValue::new(name, number),
            });
        }
        #[cfg(not(feature = "otel"))]
        let _ = (name, value);
    }

    /// Marks what the span stands for as failed; `kind` is a class of errors, not a text.
    pub fn fail(&mut self, kind: &'static str) {
        self.set("error.type", kind);
        #[cfg(feature = "otel")]
        if let Some(inner) = &mut self.inner {
            inner.set_status(Status::error(kind));
        }
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Span").field("traceparent", &self.traceparent()).finish_non_exhaustive()
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<&'static str> for Value {
    fn from(text: &'static str) -> Self {
        Self::Text(text.into())
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Self::Number(number.into())
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Number(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<usize> for Value {
    fn from(number: usize) -> Self {
        Self::Number(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

#[cfg(feature = "otel")]
impl From<Kind> for SpanKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Server => Self::Server,
            Kind::Client => Self::Client,
            Kind::Producer => Self::Producer,
            Kind::Consumer => Self::Consumer,
        }
    }
}

/// The span that a `traceparent` names (W3C Trace Context §3.2); `None` for what is none.
#[cfg(feature = "otel")]
fn remote(traceparent: &str) -> Option<SpanContext> {
    let mut parts = traceparent.split('-').skip(1);
    let (trace, span) = (parts.next()?, parts.next()?);
    let flags = u8::from_str_radix(parts.next()?, 16).ok()?;
    let context = SpanContext::new(
        TraceId::from_hex(trace).ok()?,
        SpanId::from_hex(span).ok()?,
        TraceFlags::new(flags) & TraceFlags::SAMPLED,
        true,
        TraceState::default(),
    );
    context.is_valid().then_some(context)
}
