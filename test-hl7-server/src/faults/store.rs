//! A store that fails or dawdles while one message is stored.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use message_store::{
    MessageStore, OrderingKey, PatientKey, ReceivedKey, Replacement, StoreError, StoreLayer, Stored,
};

use super::scenario::StoreFault;
use std::sync::Arc;

/// Every write of a received or current message is late, and then fails or is done.
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

    async fn put_received(&self, key: &ReceivedKey, body: Bytes) -> Result<Stored, StoreError> {
        self.trouble("put_received").await?;
        self.inner.put_received(key, body).await
    }

    async fn put_current(
        &self,
        patient: &PatientKey,
        order: &OrderingKey,
        body: Bytes,
    ) -> Result<Replacement, StoreError> {
        self.trouble("put_current").await?;
        self.inner.put_current(patient, order, body).await
    }
}
