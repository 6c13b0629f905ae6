//! Language tags (mapping section 7, table 0296).
//!
//! PID-15 takes the primary subtag in lower case, two letters where the language has such a code; a tag that says more
//! stands whole in the second triplet: `es^^HL70296^es-MX^^99BCP`. Reading is [`crate::coded::read`].

use crate::fhir::Str;

/// The primary subtag of a BCP 47 tag in lower case, where it is an ISO 639 code.
pub(crate) fn primary_subtag(tag: &str) -> Option<Str<'_>> {
    let subtag = tag.split('-').next()?;
    if !(2..=3).contains(&subtag.len()) || !subtag.bytes().all(|byte| byte.is_ascii_alphabetic()) {
        return None;
    }
    let is_lower_case = subtag.bytes().all(|byte| byte.is_ascii_lowercase());
    Some(if is_lower_case { Str::Borrowed(subtag) } else { Str::Owned(subtag.to_ascii_lowercase()) })
}
