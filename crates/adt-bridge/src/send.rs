//! `adt-bridge send`: one HL7 message to an endpoint, and what it answers.

use std::{path::PathBuf, process::ExitCode, time::Duration};

use clap::Args;
use hl7v2::{AckCode, Acknowledgment, Text};
use mllp::{ClientConfig, ClientTlsConfig, Connection, Connector, MllpError};
use tokio::time::Instant;

use crate::{
    convert,
    exit::{Code, Failure},
    output,
    stack::chain,
};

#[derive(Debug, Args)]
pub(crate) struct SendArgs {
    /// The message in ER7, segments on lines of their own or ended by CR; - for standard input
    pub(crate) file: PathBuf,
    /// Where to send it
    #[arg(long, value_name = "HOST:PORT")]
    to: String,
    /// Authorities to trust (PEM) [default: those of the system]
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Our certificate (PEM), for an endpoint that asks for one
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,
    /// Our private key (PEM)
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    /// Name in the endpoint's certificate [default: the host of --to]
    #[arg(long, value_name = "NAME")]
    server_name: Option<String>,
    /// Send without TLS: everyone on the way can read it
    #[arg(long, conflicts_with_all = ["ca", "cert", "key", "server_name"])]
    plain: bool,
    /// Send it this many times, one after the other on one connection
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    count: u32,
    /// How long to wait for each answer, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..))]
    timeout: u64,
}

pub(crate) async fn run(arguments: &SendArgs) -> Result<ExitCode, Failure> {
    let message = Message::read(&convert::input(&arguments.file)?)?;
    let unusable = |error: mllp::TlsConfigError| Failure::new(Code::Usage, chain("TLS", &error));
    let connector = Connector::new(&settings(arguments)).map_err(unusable)?;
    let mut connection = connector.connect().await.map_err(|error| failure(&error, arguments))?;
    let mut refused = 0;
    for _ in 0..arguments.count {
        let began = Instant::now();
        connection.send(&message.payload).await.map_err(|error| failure(&error, arguments))?;
        let answer =
            answer(&mut connection, &message.control_id, Duration::from_secs(arguments.timeout)).await;
        let answer = answer.map_err(|error| failure(&error, arguments))?;
        let milliseconds = began.elapsed().as_millis();
        output::line(format_args!("{}  {}  {milliseconds} ms", answer.code, message.control_id))?;
        if !matches!(answer.code, AckCode::AA | AckCode::CA) {
            refused += 1;
            output::line(output::segments(&answer.raw))?;
        }
    }
    connection.close().await;
    if refused == 0 {
        return Ok(ExitCode::SUCCESS);
    }
    Err(Failure::new(Code::Rejected, format!("{refused} of {} refused by the endpoint", arguments.count)))
}

struct Message {
    control_id: String,
    payload: Vec<u8>,
}

impl Message {
    /// Checks that it can be sent and answered; in the character set of its MSH-18 it stays.
    fn read(bytes: &[u8]) -> Result<Self, Failure> {
        let invalid = |error: hl7v2::ParseError| Failure::new(Code::InputInvalid, error);
        let text = Text::from_bytes(bytes).map_err(invalid)?;
        let header = text.parse().map_err(invalid)?.header();
        if header.control_id.trim().is_empty() {
            let text = "MSH-10 is empty: no answer could be told to be about this message";
            return Err(Failure::new(Code::InputInvalid, text));
        }
        let er7 = format!("{}\r", text.as_str());
        let payload = header.charset.encode(&er7).0.into_owned();
        Ok(Self { control_id: header.control_id, payload })
    }
}

fn settings(arguments: &SendArgs) -> ClientConfig {
    ClientConfig {
        address: arguments.to.clone(),
        acknowledgment_timeout_seconds: arguments.timeout,
        tls: ClientTlsConfig {
            enabled: !arguments.plain,
            ca_file: arguments.ca.clone(),
            server_name: arguments.server_name.clone(),
            cert_file: arguments.cert.clone(),
            key_file: arguments.key.clone(),
        },
        ..ClientConfig::default()
    }
}

/// The first acknowledgment of this message; other frames are passed over until the time ends.
pub(crate) async fn answer(
    connection: &mut Connection,
    control_id: &str,
    timeout: Duration,
) -> Result<Acknowledgment, MllpError> {
    let deadline = Instant::now() + timeout;
    loop {
        let frame = connection.receive_until(deadline).await?;
        let Ok(acknowledgment) = Acknowledgment::from_bytes(frame.as_bytes()) else { continue };
        let refused = !matches!(acknowledgment.code, AckCode::AA | AckCode::CA);
        match acknowledgment.control_id.as_deref().map(str::trim) {
            Some(id) if id == control_id.trim() => return Ok(acknowledgment),
            // Who cannot read a message cannot repeat its id.
            None | Some("") if refused => return Ok(acknowledgment),
            _ => {}
        }
    }
}

fn failure(error: &MllpError, arguments: &SendArgs) -> Failure {
    let code = match error {
        MllpError::ReplyTimeout
        | MllpError::ConnectTimeout
        | MllpError::HandshakeTimeout
        | MllpError::WriteTimeout { .. } => Code::TimedOut,
        MllpError::Unwritable(_) => Code::InputInvalid,
        _ => Code::CannotConnect,
    };
    let failure = Failure::new(code, chain(&arguments.to, error));
    match error {
        MllpError::Tls { .. } if arguments.ca.is_none() => failure
            .hint("--ca FILE with the authority of the endpoint; for `adt-bridge up` .adt-bridge/tls/ca.pem"),
        _ => failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_segments_and_the_character_set_stays() {
        let message = Message::read(
            "MSH|^~\\&|A|B|C|D|2026||ADT^A28|42|P|2.5.1||||||8859/1\nPID|1||\u{e4}\n".as_bytes(),
        );
        assert!(message.is_ok());
        let latin = b"MSH|^~\\&|A|B|C|D|2026||ADT^A28|42|P|2.5.1||||||8859/1\r\nPID|1||\xe4\r\n";
        let message = Message::read(latin).unwrap();
        assert!(message.payload.ends_with(b"8859/1\rPID|1||\xe4\r"));
        assert_eq!(message.control_id, "42");
    }

    #[test]
    fn a_message_that_no_answer_could_name_is_refused() {
        assert!(Message::read(b"MSH|^~\\&|A|B|C|D|2026||ADT^A28||P|2.5.1\r").is_err());
        assert!(Message::read(b"hello").is_err());
    }
}
