//! Writes a small store of this format, for the tests of later versions:
//!
//! ```sh
//! cargo run -p message-store --example store_fixture -- crates/message-store/tests/fixtures/store-<format>
//! ```
//!
//! Two versions of one made-up patient were received, the second is current; locks and temporary files are left out,
//! as in a backup.

use std::{error::Error, fs, path::PathBuf};

use bytes::Bytes;
use message_store::{DirectoryStore, MessageStore, OrderingKey, PatientKey, ReceivedKey};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(std::env::args().nth(1).ok_or("the folder is missing")?);
    let store = DirectoryStore::open(root.clone()).await?;
    let patient = PatientKey::new("probe")?;
    for version in 1..=2 {
        let body = Bytes::from(format!(
            "MSH|^~\\&|A|B|C|D|2026010100000{version}||ADT^A08^ADT_A01|p-{version}|T|2.5.1\rPID|1||probe||Probe^Ünä\r"
        ));
        store.put_received(&ReceivedKey::new("A|B", &format!("p-{version}")), body.clone()).await?;
        store.put_current(&patient, &OrderingKey::new(format!("2026010100000{version}"))?, body).await?;
    }
    drop(store);
    for other in ["lock", "tmp", "accepted"] {
        fs::remove_dir_all(root.join(other))?;
    }
    Ok(())
}
