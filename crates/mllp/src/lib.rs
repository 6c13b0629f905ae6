//! MLLP: frames over TCP and TLS, client and server.
