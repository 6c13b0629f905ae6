//! Pages over a folder that the file system lists in no order.

use std::{collections::BinaryHeap, fs, num::NonZeroUsize, path::Path};

use crate::{
    JobKey, JobPage, Page, ReceivedEntry, ReceivedKey, StoreError, file_system::failure, job::JOBS,
    key::RECEIVED,
};

/// A page of received messages: looks at the files of the page only.
pub(super) fn page(
    folder: &Path,
    after: Option<&ReceivedKey>,
    max: NonZeroUsize,
) -> Result<Page, StoreError> {
    const OPERATION: &str = "list_received";
    let parse = |name: &str| ReceivedKey::parse(&format!("{RECEIVED}{name}")).ok();
    let (keys, more) = first(OPERATION, folder, parse, after, max)?;
    let entry = |key: ReceivedKey| {
        let metadata = fs::metadata(folder.join(key.name()))?;
        Ok(ReceivedEntry { received_at: metadata.modified()?, size_bytes: metadata.len(), key })
    };
    let entries = keys.into_iter().map(entry).collect::<Result<Vec<_>, _>>();
    let entries = entries.map_err(|error| failure(OPERATION, error))?;
    let next = entries.last().filter(|_| more).map(|entry| entry.key.clone());
    Ok(Page { entries, next })
}

/// A page of jobs.
pub(super) fn jobs(folder: &Path, after: Option<&JobKey>, max: NonZeroUsize) -> Result<JobPage, StoreError> {
    let parse = |name: &str| JobKey::parse(&format!("{JOBS}{name}")).ok();
    let (keys, more) = first("list_jobs", folder, parse, after, max)?;
    let next = keys.last().filter(|_| more).cloned();
    Ok(JobPage { keys, next })
}

/// Reads all names once and keeps the `max` first ones after `after`; whether there are more.
fn first<K: Ord>(
    operation: &'static str,
    folder: &Path,
    parse: impl Fn(&str) -> Option<K>,
    after: Option<&K>,
    max: NonZeroUsize,
) -> Result<(Vec<K>, bool), StoreError> {
    let failed = |error| failure(operation, error);
    let mut first = BinaryHeap::new();
    let mut more = false;
    for entry in fs::read_dir(folder).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        let Some(key) = name.to_str().and_then(&parse) else { continue };
        if after.is_some_and(|after| key <= *after) {
            continue;
        }
        first.push(key);
        if first.len() > max.get() {
            first.pop();
            more = true;
        }
    }
    Ok((first.into_sorted_vec(), more))
}
