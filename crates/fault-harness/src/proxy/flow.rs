//! One accepted connection and its upstream connection.

use std::{
    io,
    pin::pin,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use rand::{Rng, SeedableRng, rngs::StdRng};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpStream,
        tcp::{ReadHalf, WriteHalf},
    },
    sync::watch,
    time::timeout,
};

use super::{Arrival, Close, Direction, EventKind, Impairment, Plan, Shared, Split, plan::Orders};

/// Runs a flow to its end.
pub(super) async fn run(id: u64, mut client: TcpStream, mut plan: watch::Receiver<Plan>, shared: &Shared) {
    let (arrival, upstream, orders) = {
        let plan = plan.borrow_and_update();
        (plan.arrival, plan.upstream, plan.orders)
    };
    match arrival {
        Arrival::Forward => {}
        Arrival::Refuse | Arrival::End(Close::Reset) => {
            shared.log.write(id, EventKind::EndedAtArrival(Close::Reset), 0, 0);
            return reset(&client);
        }
        Arrival::End(Close::Fin) => return shared.log.write(id, EventKind::EndedAtArrival(Close::Fin), 0, 0),
        Arrival::Hold => {
            shared.log.write(id, EventKind::Held, 0, 0);
            while plan.changed().await.is_ok() {
                let now = plan.borrow_and_update();
                if now.arrival != Arrival::Hold || now.orders.reset > orders.reset {
                    break;
                }
            }
            return reset(&client);
        }
    }
    let Ok(mut server) = TcpStream::connect(upstream).await else {
        shared.log.write(id, EventKind::Unreachable, 0, 0);
        return reset(&client);
    };
    // Without this, split pieces would be put together again.
    let prepared = client.set_nodelay(true).and_then(|()| server.set_nodelay(true));
    if prepared.is_err() {
        return;
    }
    let flow = Flow { id, orders, shared, to_server: AtomicU64::new(0), to_client: AtomicU64::new(0) };
    flow.log(EventKind::Opened);
    let end = {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let mut up = pin!(flow.pump(Direction::ToServer, from_client, to_server, plan.clone()));
        let mut down = pin!(flow.pump(Direction::ToClient, from_server, to_client, plan.clone()));
        tokio::select! {
            end = &mut up => if end == End::Finished { down.await } else { end },
            end = &mut down => if end == End::Finished { up.await } else { end },
        }
    };
    match end {
        End::Finished => flow.log(EventKind::Finished),
        End::Failed => {
            flow.log(EventKind::Finished);
            reset(&client);
            reset(&server);
        }
        End::Broken(kind, Close::Fin) => {
            flow.log(kind);
            end_orderly(&mut client).await;
            end_orderly(&mut server).await;
        }
        End::Broken(kind, Close::Reset) => {
            flow.log(kind);
            reset(&client);
            reset(&server);
        }
    }
}

/// Why a pump, and with it a flow, came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The stream ended and the end was passed on.
    Finished,
    /// A peer reset the connection; so do we to the other one.
    Failed,
    /// By order.
    Broken(EventKind, Close),
}

struct Flow<'a> {
    id: u64,
    /// As they stood when the flow began.
    orders: Orders,
    shared: &'a Shared,
    to_server: AtomicU64,
    to_client: AtomicU64,
}

impl Flow<'_> {
    fn log(&self, kind: EventKind) {
        let (up, down) = (self.to_server.load(Ordering::SeqCst), self.to_client.load(Ordering::SeqCst));
        self.shared.log.write(self.id, kind, up, down);
    }

    fn passed(&self, direction: Direction) -> &AtomicU64 {
        match direction {
            Direction::ToServer => &self.to_server,
            Direction::ToClient => &self.to_client,
        }
    }

    /// Moves the bytes of one direction until it ends.
    async fn pump(
        &self,
        direction: Direction,
        mut from: ReadHalf<'_>,
        mut to: WriteHalf<'_>,
        mut plan: watch::Receiver<Plan>,
    ) -> End {
        let mut random = StdRng::seed_from_u64(
            self.shared.seed ^ (self.id << 1) ^ u64::from(direction == Direction::ToClient),
        );
        let mut buffer = vec![0; 16 * 1024];
        let (mut swallowed, mut half_closed, mut forgotten, mut stopped) = (false, false, false, false);
        loop {
            let (side, orders) = {
                let plan = plan.borrow_and_update();
                (plan.side(direction).clone(), plan.orders)
            };
            if orders.reset > self.orders.reset {
                return End::Broken(EventKind::Ended(Close::Reset), Close::Reset);
            }
            if orders.close > self.orders.close {
                return End::Broken(EventKind::Ended(Close::Fin), Close::Fin);
            }
            if orders.forget > self.orders.forget && !forgotten {
                forgotten = true;
                self.log(EventKind::Forgotten);
            }
            if orders.half_close(direction) > self.orders.half_close(direction) && !half_closed {
                half_closed = true;
                self.log(EventKind::HalfClosed(direction));
                if to.shutdown().await.is_err() {
                    return End::Failed;
                }
            }
            if swallowed && !side.swallow {
                return End::Broken(EventKind::LostBytes, Close::Reset);
            }
            if side.stop_reading {
                if !stopped {
                    stopped = true;
                    self.log(EventKind::StoppedReading(direction));
                }
                if plan.changed().await.is_err() {
                    return End::Failed;
                }
                continue;
            }
            let read = tokio::select! {
                biased;
                changed = plan.changed() => if changed.is_err() { return End::Failed } else { continue },
                read = from.read(&mut buffer) => read,
            };
            // A black hole hides an abort as it hides everything else.
            let length = match read {
                Ok(length) => length,
                Err(_) if side.swallow => 0,
                Err(_) => return End::Failed,
            };
            let Some(bytes) = buffer.get(..length) else { return End::Failed };
            if side.swallow {
                if !swallowed {
                    swallowed = true;
                    self.log(EventKind::Swallowed(direction));
                }
                if bytes.is_empty() && plan.changed().await.is_err() {
                    return End::Failed;
                }
                continue;
            }
            if forgotten && !bytes.is_empty() {
                return End::Broken(EventKind::ForgottenReset, Close::Reset);
            }
            if bytes.is_empty() {
                if half_closed || forgotten {
                    return End::Finished;
                }
                return if to.shutdown().await.is_ok() { End::Finished } else { End::Failed };
            }
            if half_closed {
                continue;
            }
            let passed = self.passed(direction).load(Ordering::SeqCst);
            let cut = side.cut.filter(|cut| passed + bytes.len() as u64 >= cut.after);
            let rest = cut.map_or(bytes.len(), |cut| cut.after.saturating_sub(passed) as usize);
            if self
                .write(direction, &mut to, bytes.get(..rest).unwrap_or(bytes), &side, &mut random)
                .await
                .is_err()
            {
                return End::Failed;
            }
            if let Some(cut) = cut
                && self.shared.take_cut(direction)
            {
                return End::Broken(EventKind::Cut(direction, cut.close), cut.close);
            }
        }
    }

    async fn write(
        &self,
        direction: Direction,
        to: &mut WriteHalf<'_>,
        mut bytes: &[u8],
        side: &Impairment,
        random: &mut StdRng,
    ) -> io::Result<()> {
        while !bytes.is_empty() {
            let piece = match side.split {
                Split::Whole => bytes.len(),
                Split::EveryByte => 1,
                Split::Random(most) => random.random_range(1..=most.max(1)).min(bytes.len()),
            };
            let (now, later) = bytes.split_at(piece);
            let jitter = side.jitter.mul_f64(random.random::<f64>());
            let throttle = side.bytes_per_second.map_or(Duration::ZERO, |rate| {
                Duration::from_secs(1).mul_f64(piece as f64 / rate.max(1) as f64)
            });
            let pause = side.latency + jitter + throttle;
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
            to.write_all(now).await?;
            if side.split != Split::Whole {
                // One packet per piece, also for a peer that reads as fast as it can.
                tokio::task::yield_now().await;
            }
            self.passed(direction).fetch_add(piece as u64, Ordering::SeqCst);
            bytes = later;
        }
        Ok(())
    }
}

/// FIN, then what the peer still sends is read and dropped, so that the kernel does not turn the FIN into RST.
async fn end_orderly(stream: &mut TcpStream) {
    let mut sink = [0; 4096];
    let drained = async {
        stream.shutdown().await?;
        while stream.read(&mut sink).await? > 0 {}
        io::Result::Ok(())
    };
    if !matches!(timeout(DRAIN, drained).await, Ok(Ok(()))) {
        reset(stream);
    }
}

/// Makes the coming drop an RST.
fn reset(stream: &TcpStream) {
    if stream.set_zero_linger().is_err() {
        // Already closed by the peer: there is nothing left to abort.
    }
}

/// How long an orderly end waits for the peer's own.
const DRAIN: Duration = Duration::from_secs(1);
