//! How fast the stores on this machine take messages in, beside what the disk allows:
//!
//! ```sh
//! cargo run --release -p message-store --example put_rate -- [seconds per row] [folder]
//! ```
//!
//! Each producer waits for its answer before it goes on. `raw` is a group commit by hand: one thread appends what waits
//! and syncs once. The rows take turns, and each is the median of five.

use std::{
    error::Error,
    fs::{self, OpenOptions},
    io::Write as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use message_store::{
    Config, DirectoryConfig, EmbeddedConfig, Incoming, MessageStore, NewCurrent, OrderingKey, PatientKey,
    ReceivedKey, Stored,
};
use tokio::sync::{mpsc, oneshot};

const ROUNDS: usize = 5;
const PATIENTS: u64 = 500;

/// What is measured.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Raw,
    Embedded,
    Directory,
}

/// Messages per second, and microseconds of CPU for each.
#[derive(Clone, Copy, Default)]
struct Rate {
    per_second: f64,
    cpu_us: f64,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let time = Duration::from_secs_f64(arguments.next().map_or(Ok(1.0), |text| text.parse())?);
    let folder = PathBuf::from(arguments.next().unwrap_or_else(|| "target/put_rate".to_owned()));
    let mut out = std::io::stdout();
    writeln!(out, "producers  store      messages/s   CPU µs   of raw")?;
    for producers in [1_u64, 16, 64] {
        let kinds = [("raw", Kind::Raw), ("embedded", Kind::Embedded), ("directory", Kind::Directory)];
        let mut rates = [const { Vec::new() }; 3];
        for _ in 0..ROUNDS {
            for ((_, kind), rates) in kinds.iter().zip(&mut rates) {
                drop(fs::remove_dir_all(&folder));
                fs::create_dir_all(&folder)?;
                rates.push(measure(*kind, &folder, producers, time).await?);
            }
        }
        let medians = rates.map(median);
        for ((name, _), rate) in kinds.iter().zip(medians) {
            let of_raw = rate.per_second / medians.first().copied().unwrap_or_default().per_second;
            writeln!(
                out,
                "{producers:9}  {name:9} {:12.0} {:8.1} {of_raw:8.2}",
                rate.per_second, rate.cpu_us
            )?;
        }
    }
    drop(fs::remove_dir_all(&folder));
    Ok(())
}

async fn measure(kind: Kind, folder: &Path, producers: u64, time: Duration) -> Result<Rate, Box<dyn Error>> {
    let store = match kind {
        Kind::Raw => None,
        Kind::Embedded => {
            Some(Config::Embedded(EmbeddedConfig { path: folder.join("messages.db") }).connect().await?)
        }
        Kind::Directory => {
            Some(Config::Directory(DirectoryConfig { path: folder.join("store") }).connect().await?)
        }
    };
    let log = Log::open(&folder.join("log"))?;
    let (began, cpu) = (Instant::now(), cpu_time()?);
    let mut set = tokio::task::JoinSet::new();
    for producer in 0..producers {
        let (store, log) = (store.clone(), log.clone());
        set.spawn(async move {
            let mut count = 0;
            while began.elapsed() < time {
                match &store {
                    Some(store) => put(store, producer, count).await,
                    None => log.append(body(producer, count)).await,
                }
                count += 1;
            }
            count
        });
    }
    let count: u64 = set.join_all().await.into_iter().sum();
    let count = count as f64;
    Ok(Rate {
        per_second: count / began.elapsed().as_secs_f64(),
        cpu_us: (cpu_time()? - cpu).as_secs_f64() * 1e6 / count,
    })
}

async fn put(store: &Arc<dyn MessageStore>, producer: u64, number: u64) {
    let body = body(producer, number);
    let patient = PatientKey::new(&format!("p-{}-{}", producer, number % PATIENTS));
    let current = NewCurrent {
        patients: patient.into_iter().collect(),
        order: OrderingKey::new(format!("{number:020}")).unwrap_or_else(|error| panic!("{error}")),
        text: body.clone(),
    };
    let received = ReceivedKey::new("A|B", &format!("{producer}-{number}"));
    let stored = store.put_incoming(&Incoming { received, body, current: Some(current) }).await;
    assert!(matches!(stored, Ok(Stored::New)), "{stored:?}");
}

fn body(producer: u64, number: u64) -> Bytes {
    format!("MSH|^~\\&|A|B|C|D|2026||ADT^A31|{producer}-{number}|T|2.5.1\rPID|1||{:900}\r", "x").into()
}

/// Group commit by hand.
#[derive(Clone)]
struct Log(mpsc::UnboundedSender<(Bytes, oneshot::Sender<()>)>);

impl Log {
    fn open(path: &Path) -> Result<Self, Box<dyn Error>> {
        let mut file = OpenOptions::new().create(true).append(true).open(path)?;
        let (sender, mut inbox) = mpsc::unbounded_channel::<(Bytes, oneshot::Sender<()>)>();
        std::thread::spawn(move || {
            let mut batch = Vec::new();
            while inbox.blocking_recv_many(&mut batch, 512) > 0 {
                let bytes: Vec<u8> = batch.iter().flat_map(|(body, _)| body.iter().copied()).collect();
                file.write_all(&bytes).and_then(|()| file.sync_data()).unwrap_or_else(|e| panic!("{e}"));
                for (_, reply) in batch.drain(..) {
                    reply.send(()).ok();
                }
            }
        });
        Ok(Self(sender))
    }

    async fn append(&self, body: Bytes) {
        let (reply, answer) = oneshot::channel();
        self.0.send((body, reply)).ok();
        answer.await.unwrap_or_else(|error| panic!("{error}"));
    }
}

/// User and system time of this process.
fn cpu_time() -> Result<Duration, Box<dyn Error>> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let after = stat.rsplit(')').next().unwrap_or_default();
    let fields: Vec<u64> =
        after.split_whitespace().skip(11).take(2).map(str::parse).collect::<Result<_, _>>()?;
    Ok(Duration::from_millis(fields.iter().sum::<u64>() * 10))
}

fn median(mut rates: Vec<Rate>) -> Rate {
    rates.sort_by(|a, b| a.per_second.total_cmp(&b.per_second));
    rates.get(rates.len() / 2).copied().unwrap_or_default()
}
