//! What becomes of a job: a table from what happened to done, retry or parked.

use std::time::Duration;

use axum::http::StatusCode;
use message_store::{PatientKey, StoreError};
use serde_json::{Map, Value};

use super::{Source, WriteFault, Writer, client::FetchError, job::Record};
use crate::told::decimal;

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Nothing is left to do.
    Done,
    /// Somebody else has the job now.
    Lost,
    /// Not tried: later again.
    Wait(Duration),
    /// May succeed later.
    Retry { wait: Duration, reason: String },
    /// Will not succeed until somebody changes something.
    Park { reason: String },
}

/// Reads one Patient and passes it on.
///
/// A Patient that is gone is no delete: it may be hidden from us, or the server may answer 404 while it is restored. A
/// delete comes as an event of its own.
pub(super) async fn read_back(source: &Source, writer: &dyn Writer, id: &str, record: &Record) -> Outcome {
    let (attempts, told) = (record.attempts, &record.told);
    let Ok(patient) = PatientKey::new(id) else {
        return Outcome::Park { reason: "the job does not name a patient".to_owned() };
    };
    let url = source.client().base().patient(&patient);
    match source.client().resource(url, "Patient", Some(id)).await {
        Ok(resource) => {
            let version = resource.get("meta").and_then(|meta| meta.get("versionId")).and_then(Value::as_str);
            let behind = is_newer(told.version.as_deref(), version) && attempts < MOST_BEHIND;
            match writer.write(patient, resource, told.traceparent.as_deref()).await {
                // A replica that lags: what it has is passed on, and what was told of is asked for again.
                Ok(()) if behind => {
                    let reason = "the source does not show the version that it told of".to_owned();
                    Outcome::Retry { wait: backoff(attempts), reason }
                }
                Ok(()) => Outcome::Done,
                Err(fault) => fault_outcome(fault, attempts),
            }
        }
        Err(error) => fetch_outcome(&error, attempts),
    }
}

/// The table for requests that have no usable answer.
pub(super) fn fetch_outcome(error: &FetchError, attempts: u32) -> Outcome {
    let retry = || Outcome::Retry { wait: backoff(attempts), reason: error.to_string() };
    let park = || Outcome::Park { reason: error.to_string() };
    match error {
        FetchError::LeftAlone { wait } => Outcome::Wait(*wait),
        FetchError::Unreachable(_) | FetchError::Credentials { may_pass: true, .. } => retry(),
        FetchError::AddressRefused
        | FetchError::TooLarge { .. }
        | FetchError::Unfit(_)
        | FetchError::Credentials { may_pass: false, .. } => park(),
        FetchError::Status { status, retry_after } => match *status {
            StatusCode::NOT_FOUND | StatusCode::GONE => {
                tracing::info!(http.status = status.as_u16(), "gone at the source; nothing is deleted here");
                Outcome::Done
            }
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS => retry(),
            status if status.is_server_error() => match retry_after {
                Some(wait) => Outcome::Retry { wait: *wait, reason: error.to_string() },
                None => retry(),
            },
            // 401 and 403 want other credentials, 3xx another base, other 4xx another request.
            _ => park(),
        },
    }
}

pub(super) fn fault_outcome(fault: WriteFault, attempts: u32) -> Outcome {
    match fault {
        WriteFault::Later(reason) => Outcome::Retry { wait: backoff(attempts), reason },
        WriteFault::Refused(reason) => Outcome::Park { reason },
    }
}

/// Whether both are numbers, and the first one is greater. Other versions do not compare.
pub(super) fn is_newer(one: Option<&str>, other: Option<&str>) -> bool {
    one.and_then(decimal).is_some_and(|one| other.and_then(decimal).is_some_and(|other| one > other))
}

/// Attempts after which a version that does not appear is not waited for.
const MOST_BEHIND: u32 = 6;

/// How long to leave the store alone.
pub(super) fn store_is_away(error: &StoreError) -> Duration {
    tracing::warn!(%error, "a job cannot be written down: {error}");
    Duration::from_secs(5)
}

/// A second, doubled by every attempt up to five minutes; half of it left to chance.
pub(super) fn backoff(attempts: u32) -> Duration {
    let whole = Duration::from_secs(1 << attempts.min(9)).min(Duration::from_secs(300));
    whole.mul_f64(rand::random_range(0.5..1.0))
}

/// The resources of this type in a Bundle that a search gave, without what was included.
pub(super) fn matches(bundle: &mut Map<String, Value>) -> Vec<Map<String, Value>> {
    let entries = bundle.get_mut("entry").map(Value::take);
    let Some(Value::Array(entries)) = entries else { return Vec::new() };
    let resource = |mut entry: Value| match entry.get_mut("resource").map(Value::take) {
        Some(Value::Object(resource))
            if resource.get("resourceType").is_some_and(|kind| kind == "Patient") =>
        {
            Some(resource)
        }
        _ => None,
    };
    entries.into_iter().filter_map(resource).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(code: u16) -> FetchError {
        FetchError::Status { status: StatusCode::from_u16(code).unwrap(), retry_after: None }
    }

    #[test]
    fn row_53_each_answer_has_its_outcome() {
        for code in [404, 410] {
            assert_eq!(fetch_outcome(&status(code), 0), Outcome::Done, "{code}");
        }
        for code in [301, 302, 307, 400, 401, 403, 405, 406, 422] {
            assert!(matches!(fetch_outcome(&status(code), 0), Outcome::Park { .. }), "{code}");
        }
        for code in [408, 425, 429, 500, 501, 502, 503, 504] {
            assert!(matches!(fetch_outcome(&status(code), 0), Outcome::Retry { .. }), "{code}");
        }
        for (error, retried) in [
            (FetchError::Unreachable("x"), true),
            (FetchError::Credentials { reason: "x", may_pass: true }, true),
            (FetchError::Credentials { reason: "x", may_pass: false }, false),
            (FetchError::AddressRefused, false),
            (FetchError::TooLarge { limit: 1 }, false),
            (FetchError::Unfit("x"), false),
        ] {
            let outcome = fetch_outcome(&error, 0);
            assert_eq!(matches!(outcome, Outcome::Retry { .. }), retried, "{error}");
            assert_eq!(matches!(outcome, Outcome::Park { .. }), !retried, "{error}");
        }
        let wait = Duration::from_secs(7);
        assert_eq!(fetch_outcome(&FetchError::LeftAlone { wait }, 0), Outcome::Wait(wait));
        let told = FetchError::Status { status: StatusCode::SERVICE_UNAVAILABLE, retry_after: Some(wait) };
        assert!(matches!(fetch_outcome(&told, 0), Outcome::Retry { wait: told, .. } if told == wait));
    }

    #[test]
    fn waits_longer_each_time_up_to_five_minutes() {
        for (attempts, most) in [(0, 1), (1, 2), (5, 32), (9, 300), (1000, 300)] {
            let most = Duration::from_secs(most);
            let wait = backoff(attempts);
            assert!(wait <= most && wait >= most / 2, "{attempts}: {wait:?}");
        }
    }
}
