//! Connections to the HL7 endpoint, and TLS.

use mllp::{MllpError, TlsCause};

use super::Entry;

entries! {
    ALL of &MllpError, by connection {
        MllpError::Resolve(_) => RESOLVE,
        MllpError::Connect(_) => CONNECT,
        MllpError::ConnectTimeout => CONNECT_TIMEOUT,
        MllpError::HandshakeTimeout => HANDSHAKE_TIMEOUT,
        MllpError::Unwritable(_) => UNWRITABLE,
        MllpError::Stale => STALE,
        MllpError::Write { .. } => WRITE,
        MllpError::WriteTimeout { .. } => WRITE_TIMEOUT,
        MllpError::ReplyTimeout => REPLY_TIMEOUT,
        MllpError::Closed(_) => CLOSED,
        MllpError::Reply(_) => REPLY,
        MllpError::Tls { cause: TlsCause::Expired, .. } => TLS_EXPIRED,
        MllpError::Tls { cause: TlsCause::NotYetValid, .. } => TLS_NOT_YET_VALID,
        MllpError::Tls { cause: TlsCause::WrongName, .. } => TLS_WRONG_NAME,
        MllpError::Tls { cause: TlsCause::UnknownAuthority, .. } => TLS_UNKNOWN_AUTHORITY,
        MllpError::Tls { cause: TlsCause::BadCertificate, .. } => TLS_BAD_CERTIFICATE,
        MllpError::Tls { cause: TlsCause::ClientCertificateRequired, .. } => TLS_CLIENT_CERTIFICATE_REQUIRED,
        MllpError::Tls { cause: TlsCause::CertificateRefused, .. } => TLS_CERTIFICATE_REFUSED,
        MllpError::Tls { cause: TlsCause::Plaintext, .. } => TLS_PLAINTEXT,
        MllpError::Tls { cause: TlsCause::Incompatible, .. } => TLS_INCOMPATIBLE,
        MllpError::Tls { cause: TlsCause::Aborted, .. } => TLS_ABORTED,
        MllpError::Tls { cause: TlsCause::Other, .. } => TLS_OTHER,
    }
}

const RESOLVE: Entry = Entry {
    code: "endpoint-name",
    title: "the name of the endpoint has no address",
    causes: &[
        "the name in sender.endpoint.address is misspelt",
        "the name server of this machine does not know it: hospital names are often known inside their network only",
    ],
    remedies: &[
        "ask the name server from this machine (`getent hosts NAME`)",
        "mend sender.endpoint.address, or use the network or name server that knows it",
    ],
    example: "hl7.example:2575: the endpoint's name cannot be resolved",
};

const CONNECT: Entry = Entry {
    code: "endpoint-unreachable",
    title: "the endpoint does not take a connection",
    causes: &[
        "nobody listens on that port: the listener is stopped, or the port is another one",
        "a firewall refuses",
        "the listener takes one connection, and somebody has it (a running sender, for example)",
    ],
    remedies: &[
        "ask the people of the endpoint whether it runs and on which port",
        "mend sender.endpoint.address; nothing is lost meanwhile, messages wait in the queue",
    ],
    example: "127.0.0.1:2575: the endpoint cannot be reached: Connection refused",
};

const CONNECT_TIMEOUT: Entry = Entry {
    code: "endpoint-timeout",
    title: "nothing answered when the connection was asked for",
    causes: &[
        "a firewall or security group drops the packets",
        "no route, or a VPN that is down",
        "the machine is off",
    ],
    remedies: &[
        "let the network's people look for the way from this address to that port",
        "the endpoint's people may have to allow our address",
    ],
    example: "10.1.2.3:2575: the endpoint did not accept a connection in time",
};

const HANDSHAKE_TIMEOUT: Entry = Entry {
    code: "tls-timeout",
    title: "TLS did not finish in time",
    causes: &[
        "the port speaks MLLP without TLS, and waits for a message",
        "the endpoint, or something in front of it, hangs",
    ],
    remedies: &[
        "ask for the port that speaks TLS",
        "without TLS only where something else protects the network: sender.endpoint.tls.enabled = false with \
         sender.allow_plaintext = true",
    ],
    example: "127.0.0.1:2576: the TLS handshake did not finish in time",
};

const UNWRITABLE: Entry = Entry {
    code: "frame-unwritable",
    title: "the message cannot be put into a frame",
    causes: &["it holds a byte that ends a frame (0x1C), or it is empty"],
    remedies: &["messages of the hook never do; look at what else puts messages into the queue"],
    example: "the message cannot be framed",
};

const STALE: Entry = Entry {
    code: "connection-stale",
    title: "the connection was gone before a byte was written",
    causes: &["the endpoint, a firewall or a load balancer closed it while it was idle"],
    remedies: &[
        "nothing: the sender connects again, and the message is not doubled",
        "sender.idle_timeout below the time after which they close, if it happens all the time",
    ],
    example: "the connection was no longer usable",
};

const WRITE: Entry = Entry {
    code: "write-failed",
    title: "the connection broke while a message was written",
    causes: &["the endpoint stopped, or the network broke"],
    remedies: &["nothing: the same bytes are sent again; a receiver knows the repeat by MSH-10"],
    example: "writing failed: Connection reset by peer",
};

const WRITE_TIMEOUT: Entry = Entry {
    code: "write-timeout",
    title: "the endpoint did not take the bytes in time",
    causes: &["it accepts connections and does not read: it hangs, or is overloaded"],
    remedies: &[
        "tell its people; the same bytes are sent again",
        "sender.endpoint.write_timeout_seconds, if it is only slow",
    ],
    example: "writing did not finish in time",
};

const REPLY_TIMEOUT: Entry = Entry {
    code: "no-acknowledgment",
    title: "no acknowledgment came in time",
    causes: &[
        "the endpoint is slow, or hangs over the message",
        "it does not acknowledge at all, or only refused messages (MSH-15, MSH-16)",
        "its acknowledgments name another message (MSA-2 is not our MSH-10)",
    ],
    remedies: &[
        "ask its people what they log for the control id; the same bytes are sent again",
        "sender.endpoint.acknowledgment_timeout_seconds, if it is only slow",
    ],
    example: "no reply in time",
};

const CLOSED: Entry = Entry {
    code: "closed-without-acknowledgment",
    title: "the endpoint closed the connection instead of answering",
    causes: &[
        "it restarts",
        "it closes on messages that it cannot read, or from senders it does not know",
        "it takes no second connection",
    ],
    remedies: &[
        "ask its people what they log at that time",
        "the same bytes are sent again; a message that ends connections while others pass becomes a dead letter (kills_peer)",
    ],
    example: "the connection ended before a reply",
};

const REPLY: Entry = Entry {
    code: "acknowledgment-unreadable",
    title: "what came back is no MLLP frame, or too large",
    causes: &[
        "something else than an HL7 listener answers on that port",
        "it ends its frames in another way (sender.endpoint.trailer)",
        "the answer is larger than sender.endpoint.max_acknowledgment_bytes",
    ],
    remedies: &["check host and port", "sender.endpoint.trailer = \"lenient\""],
    example: "the reply is not a usable frame",
};

const TLS_EXPIRED: Entry = Entry {
    code: "tls-expired",
    title: "the endpoint's certificate has expired",
    causes: &["nobody renewed it", "the clock of this machine is wrong"],
    remedies: &[
        "the endpoint's people have to renew it; nothing is sent until then, messages wait in the queue",
        "check the clock of this machine",
    ],
    example: "TLS: the peer's certificate has expired (subject \"CN=hl7.example\", …)",
};

const TLS_NOT_YET_VALID: Entry = Entry {
    code: "tls-not-yet-valid",
    title: "the endpoint's certificate is not valid yet",
    causes: &["the clock of this machine is behind", "it was put in place too early"],
    remedies: &[
        "check the clock of this machine",
        "otherwise the endpoint's people use the one before it, or wait",
    ],
    example: "TLS: the peer's certificate is not valid yet (subject \"CN=hl7.example\", …)",
};

const TLS_WRONG_NAME: Entry = Entry {
    code: "tls-wrong-name",
    title: "the endpoint's certificate is for another name",
    causes: &[
        "sender.endpoint.address holds an IP address or an alias that the certificate does not name",
        "another machine answers there",
    ],
    remedies: &[
        "sender.endpoint.tls.server_name = a name that the certificate carries, once its people confirm it",
        "or a certificate with the name in sender.endpoint.address",
    ],
    example: "TLS: the peer's certificate is for another name (subject \"CN=hl7.example\", …)",
};

const TLS_UNKNOWN_AUTHORITY: Entry = Entry {
    code: "tls-unknown-authority",
    title: "the endpoint's certificate is not signed by an authority that we trust",
    causes: &[
        "a hospital's own authority signed it, and sender.endpoint.tls.ca_file does not hold that",
        "the endpoint does not send the intermediate certificate",
        "something between us and the endpoint answers in its place",
    ],
    remedies: &[
        "get the authority's certificate from the endpoint's people, on a way that you trust, and name the file in \
         sender.endpoint.tls.ca_file",
        "a missing intermediate may stand in that file too",
    ],
    example: "TLS: the peer's certificate is signed by an unknown authority (subject \"CN=hl7.example\", issuer \"…\")",
};

const TLS_BAD_CERTIFICATE: Entry = Entry {
    code: "tls-bad-certificate",
    title: "the endpoint's certificate cannot be used",
    causes: &[
        "it is not for servers (key usage), names no host, or uses an algorithm that is not safe any more",
    ],
    remedies: &[
        "the endpoint's people need another one: for servers, with subject alternative name, SHA-256 or better",
    ],
    example: "TLS: the peer's certificate cannot be used",
};

const TLS_CLIENT_CERTIFICATE_REQUIRED: Entry = Entry {
    code: "tls-client-certificate-required",
    title: "the endpoint asks for a certificate of ours, and we have none",
    causes: &["the endpoint does mutual TLS", "sender.endpoint.tls.cert_file and key_file are not set"],
    remedies: &[
        "ask its people for a client certificate, or send them a request to sign",
        "name its files in sender.endpoint.tls.cert_file and key_file",
    ],
    example: "TLS: a client certificate is required",
};

const TLS_CERTIFICATE_REFUSED: Entry = Entry {
    code: "tls-certificate-refused",
    title: "the endpoint refuses our certificate",
    causes: &[
        "its trust list lacks the authority that signed ours",
        "ours has expired, or is not the one they know",
        "the intermediate certificate is missing in sender.endpoint.tls.cert_file",
    ],
    remedies: &[
        "send the endpoint's people our certificate and its authority (never the key)",
        "put the whole chain into sender.endpoint.tls.cert_file",
    ],
    example: "TLS: the peer refused our certificate",
};

const TLS_PLAINTEXT: Entry = Entry {
    code: "tls-plaintext",
    title: "the endpoint does not speak TLS on that port",
    causes: &["the port is the one without TLS", "TLS is not turned on there"],
    remedies: &[
        "ask for the port that speaks TLS",
        "without TLS only where something else protects the network: sender.endpoint.tls.enabled = false with \
         sender.allow_plaintext = true",
    ],
    example: "TLS: the peer does not speak TLS",
};

const TLS_INCOMPATIBLE: Entry = Entry {
    code: "tls-incompatible",
    title: "there is no version of TLS, or no cipher, that both sides speak",
    causes: &["the endpoint is older than TLS 1.2", "it asks for ciphers that are not safe any more"],
    remedies: &[
        "the endpoint's people have to turn TLS 1.2 or 1.3 on, or put something in front that speaks it",
    ],
    example: "TLS: no TLS version or cipher in common (1.2 and 1.3 are offered)",
};

const TLS_ABORTED: Entry = Entry {
    code: "tls-aborted",
    title: "the endpoint ended the connection during the TLS handshake",
    causes: &[
        "it wants a client certificate and does not say so",
        "a firewall or load balancer in front of it closes",
        "it restarts, or takes no second connection",
    ],
    remedies: &["ask its people what they log at that time", "the sender goes on trying; nothing is lost"],
    example: "TLS: the peer ended the handshake",
};

const TLS_OTHER: Entry = Entry {
    code: "tls-failed",
    title: "the TLS handshake failed in another way",
    causes: &["the endpoint breaks the protocol, or something on the way changes the bytes"],
    remedies: &[
        "try `openssl s_client -connect HOST:PORT` from this machine and compare",
        "ask its people what they log",
    ],
    example: "TLS: the handshake failed",
};
