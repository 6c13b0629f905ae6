//! Every promise of `message_store::contract`, on every backend.

use std::{path::Path, sync::Arc};

use message_store::{Config, DirectoryConfig, EmbeddedConfig, MemoryStore, MessageStore, S3Config, contract};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory() {
    for (name, promise) in contract::ALL {
        println!("{name}");
        promise(Arc::new(MemoryStore::new())).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn directory() {
    for (name, promise) in contract::ALL {
        println!("{name}");
        let folder = tempfile::tempdir().unwrap();
        promise(open(folder.path()).await).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn directory_shared_by_all_promises() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    for (name, promise) in contract::ALL {
        println!("{name}");
        promise(Arc::clone(&store)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn embedded() {
    let folder = tempfile::tempdir().unwrap();
    let shared = embedded_store(&folder.path().join("shared.db")).await;
    for (index, (name, promise)) in contract::ALL.iter().enumerate() {
        println!("{name}");
        promise(embedded_store(&folder.path().join(format!("{index}/messages.db"))).await).await;
        promise(Arc::clone(&shared)).await;
    }
}

/// Wants the bucket `message-store-contract` (or `MESSAGE_STORE_TEST_BUCKET`) behind the usual AWS variables.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs S3 endpoint"]
async fn s3() {
    #[expect(clippy::disallowed_methods, reason = "a test's own switch")]
    let bucket = std::env::var("MESSAGE_STORE_TEST_BUCKET");
    let config = S3Config {
        bucket: bucket.unwrap_or_else(|_| "message-store-contract".to_owned()),
        prefix: format!("run-{:016x}/", rand::random::<u64>()),
        endpoint_url: None,
        force_path_style: None,
        kms_key_id: None,
        attempt_timeout_seconds: 3,
        operation_timeout_seconds: 10,
    };
    let store = Config::S3(config).connect().await.unwrap();
    for (name, promise) in contract::ALL {
        println!("{name}");
        promise(Arc::clone(&store)).await;
    }
}

#[tokio::test]
async fn an_unreachable_bucket_is_unavailable_and_never_empty() {
    let config = S3Config {
        bucket: "nowhere".to_owned(),
        prefix: String::new(),
        endpoint_url: Some("http://127.0.0.1:9".to_owned()),
        force_path_style: None,
        kms_key_id: None,
        attempt_timeout_seconds: 1,
        operation_timeout_seconds: 1,
    };
    let store = Config::S3(config).connect().await.unwrap();
    let patient = message_store::PatientKey::new("p-204").unwrap();
    let error = store.current(&patient).await.unwrap_err();
    assert!(error.is_transient());
    assert!(!format!("{error:?}").contains("p-204"), "{error:?}");
    assert!(store.ready().await.is_err());
}

async fn embedded_store(path: &Path) -> Arc<dyn MessageStore> {
    Config::Embedded(EmbeddedConfig { path: path.to_owned() }).connect().await.unwrap()
}

async fn open(path: &Path) -> Arc<dyn MessageStore> {
    Config::Directory(DirectoryConfig { path: path.to_owned() }).connect().await.unwrap()
}
