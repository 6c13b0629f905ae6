//! A sender whose queue is full at the start.

use std::sync::Arc;

use clock::Clock;
use futures::future::try_join_all;
use queue::{Attributes, DeduplicationId, Envelope, GroupId, Queue};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{Ended, Ready, Settings, Starter, bridge};
use crate::{
    bench::{
        load::{self, Template},
        measured::MeasuredQueue,
    },
    config::Config,
    exit::{Code, Failure},
    stack::chain,
};

pub(super) async fn run(
    mut config: Config,
    settings: &Settings,
    mut starter: Starter,
) -> Result<Ended, Failure> {
    bridge::send_to(&mut config.sender, settings)?;
    let queue = config.queue.connect().await;
    let queue = queue
        .map_err(|error| Failure::new(Code::CannotConnect, chain("the queue cannot be opened", &error)))?;
    fill(queue.as_ref(), settings.messages).await?;
    starter.ready(&Ready { pid: std::process::id(), ..Ready::default() }).await?;
    let measured = Arc::new(MeasuredQueue::new(Arc::clone(&queue), starter.told.clone()));
    let (shutdown, tasks) = (CancellationToken::new(), TaskTracker::new());
    starter.watch(shutdown.clone(), &tasks);
    let dependencies = sender::Dependencies { queue: measured, clock: Clock::system() };
    let summary = sender::run(config.sender, dependencies, shutdown).await.map_err(Failure::internal)?;
    queue.close().await.map_err(Failure::internal)?;
    tasks.close();
    tasks.wait().await;
    Ok(Ended { handshakes: Some(summary.connections), ..Ended::default() })
}

/// Each message in a group of its own, as of many patients.
async fn fill(queue: &dyn Queue, messages: u64) -> Result<(), Failure> {
    let template = Template::message()?;
    for first in (0..messages).step_by(AT_ONCE) {
        let envelopes = (first..messages.min(first + AT_ONCE as u64)).map(|number| {
            let name = number.to_string();
            Envelope {
                body: String::from_utf8_lossy(&template.numbered(number)).into_owned(),
                group: GroupId::digest(&[&name]),
                deduplication_id: DeduplicationId::digest(&[&name]),
                attributes: Attributes {
                    control_id: load::control_id(number),
                    event: "ADT^A28".to_owned(),
                    enqueued_at: jiff::Timestamp::now().to_string(),
                    ..Attributes::default()
                },
            }
        });
        try_join_all(envelopes.map(|envelope| queue.send(envelope))).await.map_err(Failure::internal)?;
    }
    Ok(())
}

const AT_ONCE: usize = 2048;
