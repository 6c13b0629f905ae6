//! Writes of many callers on their way to one thread, which commits as many at once as is worth it.
//!
//! A commit waits for the disk, and those who wait for a commit come back with their next write soon after it. A thread
//! that commits whatever is there the moment it can would have a commit for every few of them. [`Pace`] says how long
//! the others are worth waiting for; [`Inbox`] lets the thread sleep until they are there.
//!
//! ```
//! use std::time::Duration;
//!
//! let (sender, mut inbox) = group_commit::channel(group_commit::Pace::new(Duration::from_millis(5)), 512);
//! let writer = std::thread::spawn(move || {
//!     let (mut writes, mut calls) = (Vec::new(), Vec::new());
//!     while calls.is_empty() {
//!         inbox.next(None, &mut writes, &mut calls);
//!     }
//!     // One commit for what waits, whether others were expected or not.
//!     inbox.take_writes(&mut writes);
//!     (writes, calls)
//! });
//! sender.write_all(vec!["a", "b"])?;
//! sender.call("close")?;
//! assert_eq!(writer.join().unwrap(), (vec!["a", "b"], vec!["close"]));
//! # Ok::<(), group_commit::Gone>(())
//! ```
#![warn(missing_docs)]

mod inbox;
mod pace;

pub use inbox::{Gone, Inbox, Sender, channel};
pub use pace::Pace;
