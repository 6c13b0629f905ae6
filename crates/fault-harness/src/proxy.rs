//! A TCP proxy that harms the bytes passing through it, on command and at run time.
//!
//! Every flow (one accepted connection and its upstream connection) reads the current [`Plan`]; changing the plan
//! through the [`Proxy`] acts on running flows at once. Everything done to a flow is written to a log with a
//! rising sequence number, so that an oracle can subtract it ([`Proxy::broken_flows`]).
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> std::io::Result<()> {
//! use fault_harness::proxy::{Arrival, Close, Direction, Proxy};
//!
//! let upstream = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! let proxy = Proxy::start(upstream.local_addr()?, 7).await?;
//! proxy.cut_after(Direction::ToServer, 10, Close::Reset); // the eleventh byte never arrives
//! proxy.arrival(Arrival::Refuse);                         // and nobody gets in any more
//! # Ok(()) }
//! ```

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

mod event;
mod flow;
mod plan;

pub use event::{Event, EventKind};
pub use plan::{Arrival, Close, Cut, Direction, Impairment, Plan, Split};

use crate::port::Port;
use event::Log;

/// A running proxy. Dropping it ends all its flows.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: CancellationToken,
    tracker: TaskTracker,
}

/// What the accept loop, the flows and the handle share.
#[derive(Debug)]
struct Shared {
    plan: watch::Sender<Plan>,
    log: Log,
    seed: u64,
    accepted: AtomicU64,
    open: AtomicU64,
}

impl Proxy {
    /// Listens on a free loopback port and forwards to `upstream`. `seed` decides jitter and random splits.
    ///
    /// # Errors
    /// No port could be bound.
    pub async fn start(upstream: SocketAddr, seed: u64) -> io::Result<Self> {
        let port = Port::claim()?;
        let address = port.address();
        let shared = Arc::new(Shared {
            plan: watch::Sender::new(Plan::new(upstream)),
            log: Log::default(),
            seed,
            accepted: AtomicU64::new(0),
            open: AtomicU64::new(0),
        });
        let stop = CancellationToken::new();
        let tracker = TaskTracker::new();
        let listener = port.listen()?;
        tracker.spawn(accept(
            port,
            listener,
            shared.plan.subscribe(),
            Arc::clone(&shared),
            stop.clone(),
            tracker.clone(),
        ));
        Ok(Self { address, shared, stop, tracker })
    }

    /// Where to connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes the plan as a whole; running flows follow.
    pub fn change(&self, change: impl FnOnce(&mut Plan)) {
        self.shared.plan.send_modify(change);
    }

    /// Back to plain forwarding. Flows that lost bytes meanwhile are reset, since they cannot go on.
    pub fn heal(&self) {
        self.change(|plan| {
            plan.to_server = Impairment::default();
            plan.to_client = Impairment::default();
            plan.arrival = Arrival::Forward;
        });
    }

    /// Where new flows go from now on.
    pub fn upstream(&self, upstream: SocketAddr) {
        self.change(|plan| plan.upstream = upstream);
    }

    /// What happens to new connections.
    pub fn arrival(&self, arrival: Arrival) {
        self.change(|plan| plan.arrival = arrival);
    }

    /// Impairs one direction of every flow.
    pub fn impair(&self, direction: Direction, impairment: Impairment) {
        self.change(|plan| *plan.side_mut(direction) = impairment);
    }

    /// Ends the next flow that forwards `after` bytes in `direction`: those pass, the rest does not. Once.
    pub fn cut_after(&self, direction: Direction, after: u64, close: Close) {
        self.change(|plan| plan.side_mut(direction).cut = Some(Cut { after, close }));
    }

    /// Swallows all bytes, and the ends of streams, in both directions.
    pub fn blackhole(&self) {
        self.change(|plan| {
            plan.to_server.swallow = true;
            plan.to_client.swallow = true;
        });
    }

    /// Stops reading what flows in `direction`, so that the sender's window closes.
    pub fn stop_reading(&self, direction: Direction) {
        self.change(|plan| plan.side_mut(direction).stop_reading = true);
    }

    /// Sends FIN in `direction` on every running flow; the other direction goes on, replies are discarded.
    pub fn half_close(&self, direction: Direction) {
        self.change(|plan| match direction {
            Direction::ToServer => plan.orders.half_close_to_server += 1,
            Direction::ToClient => plan.orders.half_close_to_client += 1,
        });
    }

    /// Ends every running flow.
    pub fn close_all(&self, close: Close) {
        self.change(|plan| match close {
            Close::Fin => plan.orders.close += 1,
            Close::Reset => plan.orders.reset += 1,
        });
    }

    /// Forgets every running flow as a load balancer does: silence, and RST to whoever sends next.
    pub fn forget(&self) {
        self.change(|plan| plan.orders.forget += 1);
    }

    /// Everything done so far.
    pub fn events(&self) -> Vec<Event> {
        self.shared.log.events()
    }

    /// How many flows were broken after they had carried bytes to the server: the most deliveries that this
    /// proxy can have left unclear, since one message is on the wire per connection.
    pub fn broken_flows(&self) -> u64 {
        self.shared.log.broken_flows()
    }

    /// Connections accepted since the start.
    pub fn accepted(&self) -> u64 {
        self.shared.accepted.load(Ordering::SeqCst)
    }

    /// Flows open now.
    pub fn open(&self) -> u64 {
        self.shared.open.load(Ordering::SeqCst)
    }

    /// Ends all flows and waits for them.
    pub async fn stop(self) {
        self.stop.cancel();
        self.tracker.close();
        self.tracker.wait().await;
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Shared {
    /// Takes a cut out of the plan; false when another flow was first.
    fn take_cut(&self, direction: Direction) -> bool {
        self.plan.send_if_modified(|plan| plan.side_mut(direction).cut.take().is_some())
    }
}

async fn accept(
    port: Port,
    listener: tokio::net::TcpListener,
    mut plan: watch::Receiver<Plan>,
    shared: Arc<Shared>,
    stop: CancellationToken,
    tracker: TaskTracker,
) {
    let mut listener = Some(listener);
    loop {
        let refuse = plan.borrow_and_update().arrival == Arrival::Refuse;
        if refuse {
            listener = None;
        } else if listener.is_none() {
            listener = port.listen().ok();
        }
        let accepted = async {
            match &listener {
                Some(listener) => listener.accept().await,
                None if refuse => std::future::pending().await,
                None => {
                    tokio::time::sleep(RELISTEN).await;
                    Err(io::Error::from(io::ErrorKind::AddrInUse))
                }
            }
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            changed = plan.changed() => if changed.is_err() { return },
            accepted = accepted => if let Ok((stream, _)) = accepted {
                let id = shared.accepted.fetch_add(1, Ordering::SeqCst) + 1;
                shared.open.fetch_add(1, Ordering::SeqCst);
                let (plan, shared, stop) = (plan.clone(), Arc::clone(&shared), stop.clone());
                tracker.spawn(async move {
                    tokio::select! {
                        () = stop.cancelled() => {}
                        () = flow::run(id, stream, plan, &shared) => {}
                    }
                    shared.open.fetch_sub(1, Ordering::SeqCst);
                });
            },
        }
    }
}

/// Pause before the port is tried again, should the system not give it back at once.
const RELISTEN: Duration = Duration::from_millis(5);

#[cfg(test)]
mod tests;
