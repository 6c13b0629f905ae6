use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::*;
use crate::{
    certificates::{Authority, Validity},
    proxy::Close,
};

const DEADLINE: Duration = Duration::from_secs(5);

fn message(id: &str) -> Vec<u8> {
    format!("MSH|^~\\&|A|B|C|D|20260101||ADT^A28|{id}|T|2.5.1\rPID|1\r").into_bytes()
}

struct Client(TcpStream);

impl Client {
    async fn connect(endpoint: &Endpoint) -> Self {
        Self(TcpStream::connect(endpoint.address()).await.expect("connected"))
    }

    async fn send(&mut self, id: &str) {
        self.0.write_all(&frame(&message(id))).await.expect("written");
    }

    /// The text of the next acknowledgment; `None` at the end of the stream.
    async fn reply(&mut self) -> Option<String> {
        let mut all = Vec::new();
        loop {
            let byte = timeout(DEADLINE, self.0.read_u8()).await.expect("within the deadline").ok()?;
            all.push(byte);
            if all.ends_with(&[FS, CR]) {
                return Some(String::from_utf8(all[1..all.len() - 2].to_vec()).expect("text"));
            }
        }
    }

    async fn exchange(&mut self, id: &str) -> Option<String> {
        self.send(id).await;
        self.reply().await
    }
}

#[tokio::test]
async fn stores_and_answers_without_a_script() {
    let endpoint = Endpoint::start(Script::accept()).await.expect("started");
    let mut client = Client::connect(&endpoint).await;
    assert!(client.exchange("m1").await.expect("a reply").ends_with("MSA|AA|m1\r"));
    let received = endpoint.received();
    assert_eq!(received[0].body, message("m1"));
    assert_eq!((received[0].stored, received[0].replies.as_slice()), (Some(1), ["AA".to_owned()].as_slice()));
}

#[tokio::test]
async fn follows_its_rules_in_order_and_uses_them_up() {
    let reply = |id: AckId| vec![Step::Reply(Reply::new("AA").names(id))];
    let script = Script::accept()
        .rule(When::Nth(2), reply(AckId::Previous))
        .rule(When::Contains("|m3|".into()), reply(AckId::Blank))
        .rule(When::Seen(1), vec![Step::Reply(Reply::new("CR").error("207", "E"))])
        .times(1, When::Every(5), reply(AckId::Other("x".into())));
    let endpoint = Endpoint::start(script).await.expect("started");
    let mut client = Client::connect(&endpoint).await;
    for (id, expected) in [
        ("m1", "MSA|AA|m1\r"),
        ("m2", "MSA|AA|m1\r"),
        ("m3", "MSA|AA|\r"),
        ("m1", "MSA|CR|m1\rERR|||207|E\r"),
        ("m5", "MSA|AA|x\r"),
        ("m6", "MSA|AA|m6\r"),
    ] {
        let reply = client.exchange(id).await.expect("a reply");
        assert!(reply.ends_with(expected), "{id}: {reply:?}");
    }
    let stored: Vec<String> = endpoint.stored().into_iter().map(|received| received.control_id).collect();
    assert_eq!(stored, ["m1", "m6"], "only the default rule stores here");
}

#[tokio::test]
async fn the_previous_message_is_never_the_one_that_is_answered() {
    let refuse = vec![Step::Reply(Reply::new("AE"))];
    let script = Script::always(vec![Step::Reply(Reply::new("AA").names(AckId::Previous))]);
    let endpoint = Endpoint::start(script.clone()).await.expect("started");
    let mut client = Client::connect(&endpoint).await;
    client.exchange("m1").await.expect("a reply");
    endpoint.script(Script::always(refuse));
    client.exchange("m2").await.expect("a reply");
    endpoint.script(script);
    assert!(client.exchange("m2").await.expect("a reply").ends_with("MSA|AA|m1\r"), "m2 came before, too");
}

#[tokio::test]
async fn holds_ends_and_stalls() {
    let script = Script::accept()
        .rule(When::Nth(1), vec![Step::Hold, Step::Store, Step::End(Close::Fin)])
        .rule(When::Nth(2), vec![Step::ReplyPart(Reply::new("AA"), 5), Step::Stall]);
    let endpoint = Endpoint::start(script).await.expect("started");
    let mut client = Client::connect(&endpoint).await;
    client.send("m1").await;
    assert!(endpoint.wait_until(DEADLINE, |endpoint| endpoint.received().len() == 1).await);
    assert!(endpoint.stored().is_empty());
    // A release counts for who waits already; one that comes too early is simply repeated.
    let released = async {
        while endpoint.stored().is_empty() {
            endpoint.release();
            tokio::task::yield_now().await;
        }
    };
    timeout(DEADLINE, released).await.expect("goes on");
    assert_eq!(client.reply().await, None);

    let mut client = Client::connect(&endpoint).await;
    client.send("m2").await;
    let mut part = [0; 5];
    timeout(DEADLINE, client.0.read_exact(&mut part)).await.expect("in time").expect("five bytes");
    assert_eq!(part, [VT, b'M', b'S', b'H', b'|']);
    timeout(Duration::from_millis(50), client.0.read_u8()).await.expect_err("then silence");
}

#[tokio::test]
async fn arrivals_end_at_once_or_after_some_bytes() {
    let script = Script::accept().arrival(Arrival::EndAfter(20, Close::Reset));
    let endpoint = Endpoint::start(script).await.expect("started");
    let mut client = Client::connect(&endpoint).await;
    assert_eq!(client.exchange("m1").await, None);
    assert!(
        endpoint.wait_until(DEADLINE, |endpoint| endpoint.connections().iter().any(|seen| seen.ended)).await
    );
    assert_eq!(endpoint.connections()[0].stray_bytes, 20);
    endpoint.script(Script::accept().arrival(Arrival::End(Close::Fin)));
    assert_eq!(Client::connect(&endpoint).await.reply().await, None);
    assert!(endpoint.received().is_empty());
}

#[tokio::test]
async fn a_crash_resets_everybody_and_refuses_for_a_while() {
    let script =
        Script::accept().rule(When::Contains("killer".into()), vec![Step::Crash(Duration::from_millis(100))]);
    let endpoint = Endpoint::start(script).await.expect("started");
    let (mut bystander, mut client) = (Client::connect(&endpoint).await, Client::connect(&endpoint).await);
    assert!(bystander.exchange("m1").await.is_some());
    assert_eq!(client.exchange("killer").await, None);
    assert_eq!(bystander.reply().await, None);
    let back = async { while TcpStream::connect(endpoint.address()).await.is_err() {} };
    timeout(DEADLINE, back).await.expect("listens again");
    endpoint.down();
    let gone = async { while TcpStream::connect(endpoint.address()).await.is_ok() {} };
    timeout(DEADLINE, gone).await.expect("refuses");
}

#[tokio::test]
async fn a_handshake_against_the_wrong_authority_is_recorded() {
    let authority = Authority::new("right");
    let identity = authority.issue(&["localhost"], Validity::Now);
    let security = Security::Tls(identity.server(Some(&authority)));
    let endpoint = Endpoint::start_with(Script::accept(), security).await.expect("started");
    let mut client = Client::connect(&endpoint).await;
    client.0.write_all(b"this is no hello").await.expect("written");
    let failed =
        |endpoint: &Endpoint| endpoint.connections().iter().any(|seen| seen.handshake_error.is_some());
    assert!(endpoint.wait_until(DEADLINE, failed).await);
    endpoint.security(Security::OldVersion);
    let mut client = Client::connect(&endpoint).await;
    client.0.write_all(b"hello").await.expect("written");
    let mut record = [0; 9];
    timeout(DEADLINE, client.0.read_exact(&mut record)).await.expect("in time").expect("a record");
    assert_eq!(record[..3], [0x16, 3, 2]);
}
