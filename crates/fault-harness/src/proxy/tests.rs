use std::{io, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};

use super::*;

const DEADLINE: Duration = Duration::from_secs(5);

struct Pair {
    proxy: Proxy,
    client: TcpStream,
    server: TcpStream,
    listener: TcpListener,
}

async fn pair() -> Pair {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let proxy = Proxy::start(listener.local_addr().expect("an address"), 1).await.expect("a proxy");
    let client = TcpStream::connect(proxy.address()).await.expect("connected");
    let (server, _) = listener.accept().await.expect("forwarded");
    Pair { proxy, client, server, listener }
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    timeout(DEADLINE, future).await.expect("within the deadline")
}

async fn read_to_end(stream: &mut TcpStream) -> (Vec<u8>, Option<io::ErrorKind>) {
    let (mut all, mut buffer) = (Vec::new(), [0; 64]);
    loop {
        match within(stream.read(&mut buffer)).await {
            Ok(0) => return (all, None),
            Ok(n) => all.extend_from_slice(&buffer[..n]),
            Err(error) => return (all, Some(error.kind())),
        }
    }
}

fn kinds(proxy: &Proxy) -> Vec<EventKind> {
    proxy.events().into_iter().map(|event| event.kind).collect()
}

#[tokio::test]
async fn forwards_both_ways_and_passes_the_end_on() {
    let Pair { proxy, mut client, mut server, .. } = pair().await;
    client.write_all(b"ping").await.expect("written");
    let mut buffer = [0; 4];
    within(server.read_exact(&mut buffer)).await.expect("read");
    server.write_all(b"pong").await.expect("written");
    server.shutdown().await.expect("ended");
    assert_eq!(read_to_end(&mut client).await, (b"pong".to_vec(), None));
    drop(client);
    assert_eq!(read_to_end(&mut server).await, (Vec::new(), None));
    assert_eq!(proxy.broken_flows(), 0);
    within(proxy.stop()).await;
}

#[tokio::test]
async fn cuts_after_exactly_so_many_bytes_and_only_once() {
    for (close, end) in [(Close::Fin, None), (Close::Reset, Some(io::ErrorKind::ConnectionReset))] {
        let Pair { proxy, mut client, mut server, listener } = pair().await;
        proxy.cut_after(Direction::ToServer, 3, close);
        client.write_all(b"abcdef").await.expect("written");
        assert_eq!(read_to_end(&mut client).await.1, end);
        let (bytes, reason) = read_to_end(&mut server).await;
        // An abort may overtake the bytes before it, as on a real network.
        assert!(b"abc".starts_with(&bytes) && reason == end, "{bytes:?} {reason:?}");
        assert!(kinds(&proxy).contains(&EventKind::Cut(Direction::ToServer, close)));
        assert_eq!(proxy.broken_flows(), 1);

        let mut client = TcpStream::connect(proxy.address()).await.expect("connected");
        let (mut server, _) = within(listener.accept()).await.expect("forwarded");
        client.write_all(b"abcdef").await.expect("written");
        client.shutdown().await.expect("ended");
        assert_eq!(read_to_end(&mut server).await.0, b"abcdef");
    }
}

#[tokio::test]
async fn splits_every_byte_without_changing_any() {
    let Pair { proxy, mut client, mut server, .. } = pair().await;
    let split = Impairment { split: Split::EveryByte, ..Impairment::default() };
    proxy.impair(Direction::ToServer, split);
    let text: Vec<u8> = (0..=255).collect();
    client.write_all(&text).await.expect("written");
    client.shutdown().await.expect("ended");
    assert_eq!(read_to_end(&mut server).await, (text, None));
}

#[tokio::test]
async fn latency_delays_and_throttle_slows() {
    let Pair { proxy, mut client, mut server, .. } = pair().await;
    let mut buffer = [0; 10];
    let impairment = Impairment { latency: Duration::from_millis(60), ..Impairment::default() };
    proxy.impair(Direction::ToServer, impairment);
    let started = std::time::Instant::now();
    client.write_all(b"0123456789").await.expect("written");
    within(server.read_exact(&mut buffer)).await.expect("read");
    assert!(started.elapsed() >= Duration::from_millis(60));

    let impairment = Impairment { bytes_per_second: Some(100), ..Impairment::default() };
    proxy.impair(Direction::ToServer, impairment);
    let started = std::time::Instant::now();
    client.write_all(b"0123456789").await.expect("written");
    within(server.read_exact(&mut buffer)).await.expect("read");
    assert!(started.elapsed() >= Duration::from_millis(100));
}

#[tokio::test]
async fn a_black_hole_swallows_bytes_and_ends_until_healed() {
    let Pair { proxy, mut client, mut server, .. } = pair().await;
    proxy.blackhole();
    client.write_all(b"lost").await.expect("written");
    server.shutdown().await.expect("ended");
    let mut buffer = [0; 4];
    timeout(Duration::from_millis(50), client.read(&mut buffer)).await.expect_err("silence");
    within(async {
        while !kinds(&proxy).contains(&EventKind::Swallowed(Direction::ToServer)) {
            tokio::task::yield_now().await;
        }
    })
    .await;
    proxy.heal();
    assert_eq!(read_to_end(&mut client).await.1, Some(io::ErrorKind::ConnectionReset));
    assert_eq!(proxy.broken_flows(), 1);
}

#[tokio::test]
async fn refuses_keeps_the_port_and_listens_again() {
    let Pair { proxy, client, listener, .. } = pair().await;
    drop(client);
    proxy.arrival(Arrival::Refuse);
    within(async { while TcpStream::connect(proxy.address()).await.is_ok() {} }).await;
    TcpListener::bind(proxy.address()).await.map(drop).expect("the port can be opened beside the hold");
    proxy.heal();
    within(async { while TcpStream::connect(proxy.address()).await.is_err() {} }).await;
    within(listener.accept()).await.expect("forwarded");
}

#[tokio::test]
async fn ends_resets_or_holds_arrivals() {
    let Pair { proxy, .. } = pair().await;
    proxy.arrival(Arrival::End(Close::Fin));
    let mut client = TcpStream::connect(proxy.address()).await.expect("connected");
    assert_eq!(read_to_end(&mut client).await, (Vec::new(), None));
    proxy.arrival(Arrival::End(Close::Reset));
    let mut client = TcpStream::connect(proxy.address()).await.expect("connected");
    assert_eq!(read_to_end(&mut client).await.1, Some(io::ErrorKind::ConnectionReset));
    proxy.arrival(Arrival::Hold);
    let mut client = TcpStream::connect(proxy.address()).await.expect("connected");
    timeout(Duration::from_millis(50), client.read_u8()).await.expect_err("silence");
    assert_eq!(proxy.broken_flows(), 0, "nothing had been sent");
}

#[tokio::test]
async fn half_closes_one_direction_only() {
    let Pair { proxy, mut client, mut server, .. } = pair().await;
    proxy.half_close(Direction::ToClient);
    assert_eq!(read_to_end(&mut client).await, (Vec::new(), None));
    client.write_all(b"still").await.expect("written");
    let mut buffer = [0; 5];
    within(server.read_exact(&mut buffer)).await.expect("the other direction goes on");
}

#[tokio::test]
async fn a_forgotten_flow_is_silent_until_someone_sends() {
    let Pair { proxy, mut client, mut server, .. } = pair().await;
    proxy.forget();
    within(async {
        while !kinds(&proxy).contains(&EventKind::Forgotten) {
            tokio::task::yield_now().await;
        }
    })
    .await;
    server.shutdown().await.expect("ended");
    let mut buffer = [0; 5];
    timeout(Duration::from_millis(50), client.read(&mut buffer)).await.expect_err("silence");
    client.write_all(b"hello").await.expect("the kernel takes it");
    assert_eq!(read_to_end(&mut client).await.1, Some(io::ErrorKind::ConnectionReset));
}

#[tokio::test]
async fn a_stopped_reader_closes_the_window() {
    let Pair { proxy, mut client, mut server, .. } = pair().await;
    proxy.stop_reading(Direction::ToServer);
    let megabytes = vec![7; 16 * 1024 * 1024];
    timeout(Duration::from_millis(200), client.write_all(&megabytes)).await.expect_err("the window closes");
    proxy.heal();
    let mut buffer = [0; 4];
    within(server.read_exact(&mut buffer)).await.expect("nothing was lost");
}
