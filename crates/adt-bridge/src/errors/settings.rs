//! Settings, and the files that they name.

use credentials::TlsConfigError;

use super::Entry;

/// What reading the settings may find; the text of a problem says which.
pub(super) const ALL: &[Entry] = &[
    Entry {
        code: "setting-unknown",
        title: "unknown key",
        causes: &["it is misspelt; the nearest known one is named", "it stands in another section"],
        remedies: &["`config show` lists every key, docs/reference/configuration.md says what each is"],
        example: "bridge.toml:2: unknown key `hook.listn`; did you mean `listen`?",
    },
    Entry {
        code: "setting-type",
        title: "a value of another type, or none that is known",
        causes: &[
            "a text where a number belongs, a duration without its unit (\"30s\"), a choice that there is not",
        ],
        remedies: &["docs/reference/configuration.md has the type and the choices of each key"],
        example: "bridge.toml:3: hook.max_requests: found string, expected usize",
    },
    Entry {
        code: "setting-file",
        title: "the settings file cannot be read, or is no TOML",
        causes: &[
            "the path of --config or ADT_BRIDGE_CONFIG is wrong",
            "a quote or a bracket is missing in that line",
        ],
        remedies: &["`config validate` names file and line"],
        example: "bridge.toml:7: invalid table header",
    },
    Entry {
        code: "setting-conflict",
        title: "settings that each are fine and do not go together",
        causes: &["the text names them"],
        remedies: &["`config show --origin` says who decided each"],
        example: "sender.endpoint.tls.enabled: the endpoint is on another machine: enable TLS, or set `allow_plaintext` …",
    },
];

entries! {
    ALL_FILES of &TlsConfigError {
        TlsConfigError::Unreadable { .. } => Entry {
            code: "tls-file-unreadable",
            title: "a certificate or key file cannot be read, or is no PEM",
            causes: &["the path is wrong", "the user of the service may not read it, or not enter its folder", "it is DER, PKCS#12 or encrypted"],
            remedies: &["chown and chmod 600", "`openssl x509 -inform der` or `openssl pkcs12` make PEM of it"],
            example: "cannot read tls/client.key: Permission denied (os error 13)",
        },
        TlsConfigError::NoCertificate { .. } => Entry {
            code: "tls-file-empty",
            title: "a file holds no certificate",
            causes: &["it is the key, or a request (CSR)"],
            remedies: &["the file that begins with BEGIN CERTIFICATE"],
            example: "tls/client.pem holds no certificate",
        },
        TlsConfigError::Pair { .. } => Entry {
            code: "tls-key-differs",
            title: "certificate and key do not belong together",
            causes: &["one of them was renewed, and the other not"],
            remedies: &["`openssl x509 -in CERT -noout -pubkey` and `openssl pkey -in KEY -pubout` must agree"],
            example: "tls/client.pem and tls/client.key cannot be used together",
        },
        TlsConfigError::HalfPair => Entry {
            code: "tls-half-pair",
            title: "cert_file without key_file, or the reverse",
            causes: &["one of the settings is missing"],
            remedies: &["set both, or none"],
            example: "cert_file and key_file go together",
        },
        TlsConfigError::NoAuthority(_) => Entry {
            code: "tls-no-authority",
            title: "there is no authority to trust",
            causes: &["ca_file is not set, and this machine or container has no certificates of authorities"],
            remedies: &["set ca_file, or install the system's (package ca-certificates)"],
            example: "no usable certificate authority",
        },
        TlsConfigError::ServerName => Entry {
            code: "tls-server-name",
            title: "the server name is neither a host name nor an IP address",
            causes: &["a URL, or a name with an underscore, in sender.endpoint.address or server_name"],
            remedies: &["the name that the certificate carries, without scheme and port"],
            example: "server_name is neither a host name nor an IP address",
        },
        TlsConfigError::Library(_) => Entry {
            code: "tls-settings",
            title: "the TLS library refused the files",
            causes: &["a certificate of an authority that is damaged, or of a kind that is not supported"],
            remedies: &["`openssl x509 -in FILE -text` shows what it is"],
            example: "TLS settings cannot be used",
        },
    }
}
