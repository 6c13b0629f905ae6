//! Pages over a folder that the file system lists in no order.

use std::{collections::BinaryHeap, fs, num::NonZeroUsize, path::Path};

use super::failure;
use crate::{Page, ReceivedEntry, ReceivedKey, StoreError, key::RECEIVED};

/// Reads all names once, keeps the `max` first ones after `after`, and looks at those only.
pub(super) fn page(
    folder: &Path,
    after: Option<&ReceivedKey>,
    max: NonZeroUsize,
) -> Result<Page, StoreError> {
    let failed = |error| failure("list_received", error);
    let mut first = BinaryHeap::new();
    let mut more = false;
    for entry in fs::read_dir(folder).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        let Some(key) = name.to_str().and_then(|name| ReceivedKey::parse(&format!("{RECEIVED}{name}")).ok())
        else {
            continue;
        };
        if after.is_some_and(|after| key <= *after) {
            continue;
        }
        first.push(key);
        if first.len() > max.get() {
            first.pop();
            more = true;
        }
    }
    let entry = |key: ReceivedKey| {
        let metadata = fs::metadata(folder.join(key.name()))?;
        Ok(ReceivedEntry { received_at: metadata.modified()?, size_bytes: metadata.len(), key })
    };
    let entries =
        first.into_sorted_vec().into_iter().map(entry).collect::<Result<Vec<_>, _>>().map_err(failed)?;
    let next = entries.last().filter(|_| more).map(|entry| entry.key.clone());
    Ok(Page { entries, next })
}
