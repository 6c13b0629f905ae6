//! A store that fails or dawdles while one message is stored.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use message_store::{Incoming, MessageStore, StoreError, StoreLayer, Stored};

use super::scenario::StoreFault;

/// Every write of a message is late, and then fails or is done.
#[derive(Debug)]
pub(crate) struct Troubled {
    pub(crate) inner: Arc<dyn MessageStore>,
    pub(crate) fault: Option<StoreFault>,
    pub(crate) delay: Duration,
}

impl Troubled {
    async fn trouble(&self, operation: &'static str) -> Result<(), StoreError> {
        tokio::time::sleep(self.delay).await;
        match self.fault {
            None => Ok(()),
            Some(StoreFault::Full) => Err(StoreError::Full),
            Some(StoreFault::Unavailable) => {
                Err(StoreError::Unavailable { operation, source: "a fault of the scenario".into() })
            }
        }
    }
}

#[async_trait]
impl StoreLayer for Troubled {
    fn inner(&self) -> &dyn MessageStore {
        self.inner.as_ref()
    }

    async fn put_incoming(&self, incoming: &Incoming) -> Result<Stored, StoreError> {
        self.trouble("put_incoming").await?;
        self.inner.put_incoming(incoming).await
    }
}
