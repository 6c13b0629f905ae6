//! The other side of `/livez` and `/readyz`: the `health` command of a container, which has no shell and no curl.

use std::{
    fmt, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    process::ExitCode,
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// `/livez`: does the process answer?
    Alive,
    /// `/readyz`: does everything work that it stands on?
    Ready,
}

impl Question {
    /// From the arguments after the program's name: `None` unless the first is `health`.
    ///
    /// # Errors
    /// The usage, when something else than `--ready` follows.
    pub fn from_arguments(
        arguments: impl IntoIterator<Item = std::ffi::OsString>,
    ) -> Result<Option<Self>, String> {
        let mut arguments = arguments.into_iter();
        if arguments.next().is_none_or(|first| first != "health") {
            return Ok(None);
        }
        match (arguments.next(), arguments.next()) {
            (None, _) => Ok(Some(Self::Alive)),
            (Some(flag), None) if flag == "--ready" => Ok(Some(Self::Ready)),
            _ => Err("usage: health [--ready]".to_owned()),
        }
    }

    fn path(self) -> &'static str {
        match self {
            Self::Alive => "/livez",
            Self::Ready => "/readyz",
        }
    }

    /// Asks the process that listens on `address` and tells on standard error why not.
    ///
    /// Exit code 0 or 1, as schedulers want it; without an address there is nobody to ask, which is 1 too.
    pub async fn put(self, setting: &str, address: Option<SocketAddr>) -> ExitCode {
        let asked = match address {
            Some(address) => ask(address, self).await,
            None => Err(AskError::NotSet(setting.to_owned())),
        };
        match asked {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                #[expect(clippy::print_stderr, reason = "a command's answer, not a log line")]
                {
                    eprintln!("{error}");
                }
                ExitCode::FAILURE
            }
        }
    }
}

/// Why a process is not taken for healthy.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Nobody to ask.
    #[error("{0} is not set")]
    NotSet(String),
    /// Nobody listens, or the connection broke.
    #[error("{0} does not answer")]
    NoAnswer(SocketAddr, #[source] io::Error),
    /// Something else than 200.
    #[error("{path} answered {status}")]
    Refused {
        /// What was asked.
        path: &'static str,
        /// The status line's code, or why there is none.
        status: Status,
    },
}

/// The status code of an answer; text of the peer is never repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status(Option<u16>);

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(code) => code.fmt(f),
            None => f.write_str("what is not HTTP"),
        }
    }
}

/// Asks once, over loopback where `address` is a wildcard; three seconds at most.
///
/// # Errors
/// Anything but a 200.
///
/// # Cancel safety
/// Dropping the future closes the connection.
pub async fn ask(address: SocketAddr, question: Question) -> Result<(), AskError> {
    let address = reachable(address);
    let head = tokio::time::timeout(TIMEOUT, exchange(address, question.path()))
        .await
        .unwrap_or_else(|elapsed| Err(elapsed.into()))
        .map_err(|source| AskError::NoAnswer(address, source))?;
    match status(&head) {
        Some(200) => Ok(()),
        code => Err(AskError::Refused { path: question.path(), status: Status(code) }),
    }
}

async fn exchange(address: SocketAddr, path: &str) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut head = Vec::new();
    stream.take(MAX_ANSWER_BYTES).read_to_end(&mut head).await?;
    Ok(head)
}

fn status(head: &[u8]) -> Option<u16> {
    let code = head.strip_prefix(b"HTTP/1.1 ")?.get(..3)?;
    std::str::from_utf8(code).ok()?.parse().ok()
}

/// A wildcard listens on loopback too, but is no place to connect to everywhere.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// Shorter than the five seconds that container schedulers give a health command.
const TIMEOUT: Duration = Duration::from_secs(3);
const MAX_ANSWER_BYTES: u64 = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(arguments: &[&str]) -> Result<Option<Question>, String> {
        Question::from_arguments(arguments.iter().map(Into::into))
    }

    #[test]
    fn reads_the_command() {
        assert_eq!(asked(&[]), Ok(None));
        assert_eq!(asked(&["--config", "health"]), Ok(None));
        assert_eq!(asked(&["health"]), Ok(Some(Question::Alive)));
        assert_eq!(asked(&["health", "--ready"]), Ok(Some(Question::Ready)));
        assert!(asked(&["health", "--now"]).is_err());
        assert!(asked(&["health", "--ready", "twice"]).is_err());
    }

    #[tokio::test]
    async fn takes_nothing_but_a_200_for_health() {
        for (answer, expected) in [
            (&b"HTTP/1.1 200 OK\r\n\r\n"[..], None),
            (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", Some("503")),
            (b"HTTP/1.1 20", Some("not HTTP")),
            (b"SSH-2.0-x\r\n", Some("not HTTP")),
            (b"", Some("not HTTP")),
        ] {
            let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            let wildcard = SocketAddr::from(([0, 0, 0, 0], listener.local_addr().unwrap().port()));
            let serve = async {
                let mut stream = listener.accept().await.unwrap().0;
                let mut request = [0; 512];
                assert!(stream.read(&mut request).await.unwrap() > 0);
                stream.write_all(answer).await.unwrap();
            };
            let (asked, ()) = tokio::join!(ask(wildcard, Question::Alive), serve);
            match (asked, expected) {
                (Ok(()), None) => {}
                (Err(error), Some(part)) => assert!(error.to_string().contains(part), "{error}"),
                (asked, expected) => panic!("{asked:?} instead of {expected:?}"),
            }
        }
    }

    #[tokio::test]
    async fn nobody_to_ask_is_not_healthy() {
        let code = Question::Alive.put("health.listen", None).await;
        assert_eq!(format!("{code:?}"), format!("{:?}", ExitCode::FAILURE));
    }
}
