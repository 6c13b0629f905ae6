//! Raw group commit: producers that wait for their record, one `fdatasync` for all that wait.

use std::{
    fs::File,
    io::Write as _,
    path::Path,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use crate::Error;

/// Records of 1 KiB made durable in a second.
pub(crate) fn per_second(folder: &Path, producers: usize, time: Duration) -> Result<f64, Error> {
    let mut file = File::create(folder.join("log"))?;
    let (record, inbox) = mpsc::channel::<mpsc::Sender<()>>();
    let began = Instant::now();
    let threads: Vec<_> = (0..producers)
        .map(|_| {
            let record = record.clone();
            thread::spawn(move || {
                let (answer, durable) = mpsc::channel();
                let mut count = 0_u64;
                while began.elapsed() < time && record.send(answer.clone()).is_ok() && durable.recv().is_ok()
                {
                    count += 1;
                }
                count
            })
        })
        .collect();
    drop(record);
    while let Ok(first) = inbox.recv() {
        let batch: Vec<_> = std::iter::once(first).chain(inbox.try_iter()).collect();
        file.write_all(&vec![7; batch.len() * 1024])?;
        file.sync_data()?;
        for answer in batch {
            // A producer that is done does not wait any more.
            answer.send(()).ok();
        }
    }
    let count: u64 = threads.into_iter().filter_map(|thread| thread.join().ok()).sum();
    Ok(count as f64 / began.elapsed().as_secs_f64())
}
