//! What a store is like, looked at for an operator's check.

use std::time::SystemTime;

/// What S3 says of the bucket, and which rights the credentials of this process have there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Examination {
    /// Each IAM action that was tried, and what became of it.
    pub rights: Vec<(&'static str, Result<(), Refused>)>,
    /// Whether an object was written, read, listed and removed, or only the rights for it were tried.
    pub wrote: bool,
    /// The key of our object, when it could not be removed.
    pub left: Option<String>,
    /// The `Date` of an answer, and our wall clock when it came.
    pub date: Option<(String, SystemTime)>,
}

/// Why a service did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The code of its answer; `None` when there was none.
    pub code: Option<String>,
    /// The same in words, without any text of the service.
    pub reason: String,
}
