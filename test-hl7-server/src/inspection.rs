//! The inspector of this server: opened from the configuration, fed by the receiver.

use std::fs::OpenOptions;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;

use fhir_adt::{Mapper, MappingConfig};
use inspector::{Feed, Inspector, Reading, Settings, Token};
use message_store::MessageStore;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::error::Error;
use crate::faults::Control;

/// An inspector and where it listens.
#[derive(Debug)]
pub struct Inspection {
    /// Also lent to whoever feeds it more than this server knows.
    pub inspector: Arc<Inspector>,
    /// On loopback.
    pub listener: TcpListener,
    /// Whether an operator of the page may make this server misbehave.
    pub controls_faults: bool,
}

impl Inspection {
    /// The inspector of a server that stands alone: values of patients are hidden, and reading needs the token, unless
    /// the configuration says otherwise. `None` when the configuration wants none.
    ///
    /// # Errors
    /// [`Error::Listen`], or [`Error::Inspector`] when the index or the token file cannot be made.
    pub async fn of(
        config: &inspector::Config,
        message: MappingConfig,
        store: Arc<dyn MessageStore>,
    ) -> Result<Option<Self>, Error> {
        let Some(address) = config.listen else { return Ok(None) };
        if !address.ip().is_loopback() {
            return Err(Error::Inspector {
                reason: "inspector.listen has to be a loopback address".to_owned(),
            });
        }
        let failed = |error: &dyn std::fmt::Display| Error::Inspector { reason: error.to_string() };
        let listener = TcpListener::bind(address)
            .await
            .map_err(|source| Error::Listen { address: address.to_string(), source })?;
        let mask = config.mask.unwrap_or(true);
        let token = match &config.token_file {
            Some(path) => token(path).map_err(|error| failed(&error))?,
            None => Token::random(),
        };
        let settings = Settings {
            index: config.index.clone(),
            keep_messages: config.keep_messages,
            mask,
            reading: if mask { Reading::Token } else { Reading::Open },
            token,
            mapper: Mapper::new(message).map_err(|error| failed(&error))?,
            destination: "default".to_owned(),
        };
        let inspector = Inspector::open(settings, store).map_err(|error| failed(&error))?;
        Ok(Some(Self { inspector, listener, controls_faults: false }))
    }

    pub(crate) fn feed(&self) -> Feed {
        self.inspector.feed()
    }

    pub(crate) async fn serve(self, control: Option<Arc<Control>>, shutdown: CancellationToken) {
        if let Some(control) = control {
            self.inspector.set_faults(control);
        }
        self.inspector.serve(self.listener, shutdown).await;
    }
}

/// The token of a file, which is made with a new one where there is none.
fn token(path: &Path) -> io::Result<Token> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(mut file) => {
            let token = Token::random();
            file.write_all(token.as_str().as_bytes())?;
            file.sync_all()?;
            Ok(token)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let mut text = String::new();
            OpenOptions::new().read(true).open(path)?.read_to_string(&mut text)?;
            Token::parse(text.trim()).ok_or_else(|| io::Error::other("the token file holds no token"))
        }
        Err(error) => Err(error),
    }
}
