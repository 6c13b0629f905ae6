//! Tries the rights on the bucket with an object of our own. It stands below `jobs/`, the one place where a least
//! role may remove something; no job has such a key, so nobody else looks at it.

use std::time::SystemTime;

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use bytes::Bytes;

use super::{Condition, S3Store, code, condition_of, status};
use crate::{Refused, S3Examination};

/// Where the object stands, below the prefix of the settings.
const PROBE: &str = "jobs/doctor-probe/";
const BODY: &[u8] = b"written by adt-bridge doctor, and removed at once\n";
/// No ETag of any object.
const NO_ETAG: &str = "\"examined\"";

impl S3Store {
    /// Lists, writes, reads and removes an object of its own. Where the right to remove it is missing, which only a
    /// hook needs, nothing is written: the other rights are tried by calls that cannot succeed.
    pub async fn examine(&self) -> S3Examination {
        let mut found = S3Examination { rights: Vec::new(), wrote: false, left: None, date: None };
        let key = format!("{PROBE}{:016x}", rand::random::<u64>());
        let list = self.client.list_objects_v2().bucket(&self.bucket).prefix(self.key(PROBE)).max_keys(1);
        found.note("s3:ListBucket", list.send().await, |_| false);
        if !found.is_worth_more() {
            return found;
        }
        let read = || self.client.get_object().bucket(&self.bucket).key(self.key(&key)).send();
        let remove = || self.client.delete_object().bucket(&self.bucket).key(self.key(&key)).send();
        let put = |condition| condition_of(self.put(&key, Bytes::from_static(BODY)), &condition).send();
        // S3 says the same whether there was something to remove or not.
        let may_remove = found.note("s3:DeleteObject", remove().await, |_| false);
        found.note("s3:GetObject", read().await, |error| code(error) == Some("NoSuchKey"));
        if !may_remove {
            let nothing = put(Condition::Is(NO_ETAG.to_owned())).await;
            found.note("s3:PutObject", nothing, |error| matches!(status(error), Some(404 | 412)));
            return found;
        }
        found.wrote = found.note("s3:PutObject", put(Condition::Absent).await, |_| false);
        if found.wrote {
            // Also what KMS has to say of it.
            found.note("s3:GetObject", read().await, |_| false);
            if remove().await.is_err() {
                found.left = Some(self.key(&key));
            }
        }
        found
    }
}

impl S3Examination {
    /// Notes what became of a call; true when the right is there: it succeeded, or failed in a way that `expected`
    /// knows. Of two calls of one action the failed one counts.
    fn note<T, E: ProvideErrorMetadata>(
        &mut self,
        action: &'static str,
        tried: Result<T, SdkError<E>>,
        expected: impl FnOnce(&SdkError<E>) -> bool,
    ) -> bool {
        let result = match tried {
            Ok(_) => Ok(()),
            Err(error) => {
                let date = error.raw_response().and_then(|response| response.headers().get("date"));
                if let Some(text) = date {
                    self.date = Some((text.to_owned(), SystemTime::now()));
                }
                if expected(&error) { Ok(()) } else { Err(refused(&error)) }
            }
        };
        let has = result.is_ok();
        match self.rights.iter_mut().find(|(known, _)| *known == action) {
            Some((_, known)) if known.is_ok() => *known = result,
            Some(_) => {}
            None => self.rights.push((action, result)),
        }
        has
    }

    /// Whether other calls may tell more than the ones so far.
    fn is_worth_more(&self) -> bool {
        self.rights.iter().all(|(_, result)| match result {
            Ok(()) => true,
            Err(refused) => refused.code.as_deref() == Some("AccessDenied"),
        })
    }
}

fn refused<E: ProvideErrorMetadata>(error: &SdkError<E>) -> Refused {
    let code = code(error).map(str::to_owned);
    let reason = match (&code, error, status(error)) {
        (Some(code), ..) => format!("S3 answered {code}"),
        (None, _, Some(status)) => format!("S3 answered with HTTP status {status}"),
        (None, SdkError::TimeoutError(_), None) => "S3 did not answer in time".to_owned(),
        (None, SdkError::DispatchFailure(failure), None) if failure.is_timeout() => {
            "connecting to S3 took too long".to_owned()
        }
        (None, SdkError::DispatchFailure(failure), None) if failure.is_io() => {
            "S3 cannot be reached".to_owned()
        }
        (None, SdkError::DispatchFailure(_), None) => {
            "the request to S3 could not be made (credentials, endpoint)".to_owned()
        }
        (None, _, None) => "the request to S3 could not be made, or its answer not be read".to_owned(),
    };
    Refused { code, reason }
}
