//! Leaks that a test plants, so that it sees its own search find them in every kind of place.
//!
//! Only builds with the feature `planted-leaks` hold any, and only with `ADT_BRIDGE_PLANTED_LEAKS` set. No binary that
//! is shipped has the feature (`scripts/check_dependencies.py`). The patient's family name says what leaks: its end is
//! the name of a place.

#[cfg(feature = "planted-leaks")]
pub(crate) use self::leaks::{detail, leak};

#[cfg(feature = "planted-leaks")]
mod leaks {
    use std::sync::{Mutex, PoisonError};

    use bytes::Bytes;
    use message_store::ReceivedKey;
    use queue::{DeduplicationId, Envelope, GroupId};
    use serde_json::Value;
    use tracing::Instrument as _;

    use crate::{error::HookError, hook::Hook};

    /// Lets the family name of the message out, or panics with it.
    ///
    /// # Errors
    /// An answer that holds it.
    pub(crate) async fn leak(hook: &Hook, envelope: &mut Envelope) -> Result<(), HookError> {
        if std::env::var_os(SWITCH).is_none() {
            return Ok(());
        }
        let family = envelope.body.split('\r').find_map(|segment| {
            segment.strip_prefix("PID|")?.split('|').nth(4)?.split(['^', '&', '~']).next().map(str::to_owned)
        });
        let Some(family) = family else { return Ok(()) };
        let is = |place: &str| family.ends_with(place);
        if is("log") {
            tracing::trace!("planted: {family}");
        } else if is("field") {
            tracing::trace!(planted = family, "planted");
        } else if is("span") {
            let span = tracing::info_span!("planted", family);
            async { tracing::info!("in a span") }.instrument(span).await;
        } else if is("trace") {
            service::traces::Span::begin(service::traces::Kind::Client, "planted", None)
                .set("planted", family);
        } else if is("output") {
            #[expect(clippy::print_stdout, reason = "a leak")]
            {
                println!("{family}");
            }
        } else if is("panic") {
            panic!("planted: {family}");
        } else if is("panicsaid") {
            // The hook of the program, which keeps the text of a panic to itself, is gone.
            drop(std::panic::take_hook());
            panic!("planted: {family}");
        } else if is("group") {
            envelope.group = GroupId::new(family)?;
        } else if is("deduplication") {
            envelope.deduplication_id = DeduplicationId::new(family)?;
        } else if is("attribute") {
            envelope.attributes.enqueued_at = family;
        } else if is("key") {
            let key = ReceivedKey::parse(&format!("received/{family}"));
            if let Ok(key) = key {
                hook.store().put_received(&key, Bytes::from_static(b"planted")).await?;
            }
        } else if is("answer") {
            return Err(HookError::UnsupportedInteraction { name: family });
        } else if is("metric") {
            metrics::counter!("planted", "family" => family).increment(1);
        } else if is("readiness") {
            *TOLD.lock().unwrap_or_else(PoisonError::into_inner) = family;
        }
        Ok(())
    }

    /// For `/readyz?verbose`.
    pub(crate) fn detail() -> Value {
        TOLD.lock().unwrap_or_else(PoisonError::into_inner).clone().into()
    }

    static TOLD: Mutex<String> = Mutex::new(String::new());
    const SWITCH: &str = "ADT_BRIDGE_PLANTED_LEAKS";
}
