//! Writes a small store of this format, for the tests of later versions:
//!
//! ```sh
//! cargo run -p message-store --example store_fixture -- crates/message-store/tests/fixtures/store-<format>
//! cargo run -p message-store --example store_fixture -- messages.db && sqlite3 messages.db .dump
//! ```
//!
//! Two versions of one made-up patient were received, the second is current; locks and temporary files are left out,
//! as in a backup. A dump lacks `application_id` and `user_version`: write them at its end.

use std::{error::Error, fs, path::PathBuf};

use bytes::Bytes;
use message_store::{Config, DirectoryConfig, EmbeddedConfig, OrderingKey, PatientKey, ReceivedKey};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let path = PathBuf::from(std::env::args().nth(1).ok_or("the path is missing")?);
    let embedded = path.extension().is_some_and(|extension| extension == "db");
    let config = if embedded {
        Config::Embedded(EmbeddedConfig { path: path.clone() })
    } else {
        Config::Directory(DirectoryConfig { path: path.clone() })
    };
    let store = config.connect().await?;
    let patient = PatientKey::new("probe")?;
    for version in 1..=2 {
        let body = Bytes::from(format!(
            "MSH|^~\\&|A|B|C|D|2026010100000{version}||ADT^A08^ADT_A01|p-{version}|T|2.5.1\rPID|1||probe||Probe^Ünä\r"
        ));
        store.put_received(&ReceivedKey::new("A|B", &format!("p-{version}")), body.clone()).await?;
        store.put_current(&patient, &OrderingKey::new(format!("2026010100000{version}"))?, body).await?;
    }
    drop(store);
    for other in ["lock", "tmp", "accepted"].into_iter().filter(|_| !embedded) {
        fs::remove_dir_all(path.join(other))?;
    }
    Ok(())
}
