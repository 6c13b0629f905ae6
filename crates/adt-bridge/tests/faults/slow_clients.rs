//! A thousand clients of the hook that take places and give nothing.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use fault_harness::{
    deployment::Role,
    endpoint::{Endpoint, Script},
    load::Load,
    oracle::Mark,
    process::{Process, raise_open_files},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_util::sync::CancellationToken;

use crate::{
    processes::{load, names_nobody, settles, sqs, write_all},
    rig::DEADLINE,
};

const CLIENTS: usize = 1000;
/// What a thousand connections may take: their buffers, and the tasks that serve them.
const ROOM_BYTES: u64 = 64 * 1024 * 1024;
/// By how much the memory may differ after one crowd and after the next: nothing is kept for the gone. Ten crowds in a
/// row left 75, 82, 86, 87, 87, 87, 87, 88, 88, 88 MB (81 MB at the end with one arena of the allocator): the heap
/// reaches its size within three crowds and stays there.
const DRIFT_BYTES: u64 = 16 * 1024 * 1024;
/// The longest a write of the good client may take, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(4);

#[tokio::test]
async fn f39_a_thousand_slow_clients_leave_a_good_one_alone_and_the_memory_bounded() {
    raise_open_files(4 * CLIENTS as u64).expect("a limit that may be raised");
    let endpoint = Endpoint::start(Script::accept()).await.expect("started");
    let (_stub, mut bridge) = sqs(&endpoint, &[Role::Sender]).await;
    bridge.set("HOOK__IDLE_TIMEOUT", "1500ms").set("HOOK__BODY_TIMEOUT", "1500ms");
    bridge.start(Role::Hook).await.expect("started");
    let load = load(&bridge);
    write_all(&load, 20, 2).await;
    let address = bridge.hook_address();
    let process = bridge.process(Role::Hook).expect("running");
    let before = usage(process);
    // The first crowd warms the allocator up, which keeps what it once had; the second one finds it there.
    withstand(process, address, &load, 30).await;
    calm(process, before.files, before.memory + ROOM_BYTES).await;
    let usual = usage(process);
    let (most, slowest) = withstand(process, address, &load, 40).await;
    assert!(most.files > before.files + CLIENTS / 2, "{} files: the crowd was really there", most.files);
    assert!(slowest < PATIENCE, "{slowest:?}");
    assert!(most.memory < before.memory + ROOM_BYTES, "{before:?}, at most {most:?}");
    calm(process, before.files, usual.memory + DRIFT_BYTES).await;
    println!("{CLIENTS} slow clients: {before:?}, {usual:?} after the first crowd, {most:?} at most,");
    println!("{:?} after the second; slowest write of the good client {slowest:?}", usage(process));
    settles(&load.accepted(), &endpoint, 0).await;
    names_nobody(&bridge);
}

#[derive(Debug, Clone, Copy)]
struct Usage {
    memory: u64,
    files: usize,
}

fn usage(process: &Process) -> Usage {
    let memory = process.resident_bytes().expect("a system that tells what a process uses");
    Usage { memory, files: process.open_files().expect("the same") }
}

/// Waits until the process uses no more than that.
async fn calm(process: &Process, files: usize, memory: u64) {
    let started = Instant::now();
    while usage(process).files > files + 4 || usage(process).memory > memory {
        let now = usage(process);
        assert!(started.elapsed() < DEADLINE, "{memory} bytes and {files} files expected, now {now:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A crowd comes, is thrown out, comes back, and goes; meanwhile a good client writes to five patients from number
/// `group` on. The most that was used, and the longest the good client waited.
async fn withstand(process: &Process, hook: SocketAddr, load: &Load, group: u64) -> (Usage, Duration) {
    let stop = CancellationToken::new();
    let thrown_out = Arc::new(AtomicUsize::new(0));
    let crowd: Vec<_> = (0..CLIENTS)
        .map(|number| tokio::spawn(slow_client(hook, number, stop.clone(), Arc::clone(&thrown_out))))
        .collect();
    let (mut most, mut slowest) = (usage(process), Duration::ZERO);
    let mut version = 0;
    let started = Instant::now();
    // Until every one of them was thrown out once, on average.
    while thrown_out.load(Ordering::Relaxed) < CLIENTS || version < 20 {
        version += 1;
        for group in group..group + 5 {
            let asked = Instant::now();
            let status = load.put(Mark { group, version }).await;
            slowest = slowest.max(asked.elapsed());
            assert!(matches!(status, Some(200 | 201)), "the good client got {status:?}");
        }
        let now = usage(process);
        most = Usage { memory: most.memory.max(now.memory), files: most.files.max(now.files) };
        assert!(started.elapsed() < DEADLINE, "the crowd is never thrown out");
    }
    stop.cancel();
    for client in crowd {
        client.await.expect("no panic");
    }
    (most, slowest)
}

/// Comes back as often as it is thrown out: silent, or a byte now and then of a head, a small or a large body.
async fn slow_client(hook: SocketAddr, number: usize, stop: CancellationToken, thrown_out: Arc<AtomicUsize>) {
    let length = if number.is_multiple_of(4) { 900 } else { 6_000_000 };
    let head = format!(
        "PUT /persistence/Patient/fault-9 HTTP/1.1\r\nHost: hook\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    );
    let (at_once, slowly): (&[u8], &[u8]) = match number % 3 {
        0 => (b"", b""),
        1 => (b"", head.as_bytes()),
        _ => (head.as_bytes(), b"{          "),
    };
    let visit = async {
        loop {
            let Ok(mut stream) = TcpStream::connect(hook).await else { continue };
            let trickle = async {
                stream.write_all(at_once).await?;
                let (mut reader, mut writer) = stream.split();
                let mut answer = Vec::new();
                let write = async {
                    for byte in slowly {
                        tokio::time::sleep(Duration::from_millis(400)).await;
                        if writer.write_all(&[*byte]).await.is_err() {
                            break;
                        }
                    }
                    std::future::pending::<()>().await;
                };
                tokio::select! {
                    read = reader.read_to_end(&mut answer) => read,
                    () = write => Ok(0),
                }
            };
            // Thrown out, with an answer or by a reset.
            drop(trickle.await);
            thrown_out.fetch_add(1, Ordering::Relaxed);
        }
    };
    stop.run_until_cancelled(visit).await;
}
