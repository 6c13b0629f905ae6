//! The `[health]` section: `/livez`, `/readyz` and `/metrics` for a process that serves nothing else over HTTP.

use std::{future::Future, io, net::SocketAddr};

use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

use super::Health;
use crate::config::{ConfigError, Problem};

/// The settings of `[health]` with their defaults and what they mean, as TOML.
pub const MANUAL: &str = include_str!("../health.toml");

/// Where health is told; nowhere by default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Address and port, on loopback.
    pub listen: Option<SocketAddr>,
}

impl Config {
    /// What serde cannot check.
    ///
    /// # Errors
    /// An address that other machines reach: nobody else has to know.
    pub fn validate(&self) -> Result<(), ConfigError> {
        match self.listen {
            Some(address) if !address.ip().is_loopback() => {
                let text = "must be a loopback address: `health` asks from the same machine or container";
                Err(ConfigError::new(vec![Problem::new("health.listen", text)]))
            }
            _ => Ok(()),
        }
    }

    /// Serves `health` until `work` ends; `work` alone where no address is set.
    ///
    /// # Errors
    /// When the address cannot be bound. Nothing of `work` has run then.
    ///
    /// # Cancel safety
    /// Dropping the future drops `work`.
    pub async fn serve_while<W: Future>(&self, health: Health, work: W) -> io::Result<W::Output> {
        let Some(address) = self.listen else { return Ok(work.await) };
        let listener = TcpListener::bind(address).await.map_err(|error| {
            io::Error::new(error.kind(), format!("health.listen: cannot listen on {address}: {error}"))
        })?;
        let serving = async { axum::serve(listener, health.measured().router()).await };
        tokio::pin!(work);
        tokio::select! {
            biased;
            output = &mut work => return Ok(output),
            ended = serving => {
                tracing::error!(ended = ?ended, "health is not told any more");
            }
        }
        Ok(work.await)
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener as Blocking};

    use super::*;
    use crate::health::{Question, ask};

    /// A port that was free a moment ago: the address has to be known before the listener is bound.
    fn free() -> SocketAddr {
        Blocking::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
    }

    #[tokio::test]
    async fn answers_while_the_work_goes_on() {
        let address = free();
        let health = Health::new().check("queue", || async { Err("away") });
        let work = async {
            while ask(address, Question::Alive).await.is_err() {
                tokio::task::yield_now().await;
            }
            ask(address, Question::Ready).await.unwrap_err().to_string()
        };
        let refused = Config { listen: Some(address) }.serve_while(health, work).await.unwrap();
        assert!(refused.contains("503"), "{refused}");
        assert!(ask(address, Question::Alive).await.is_err());
    }

    #[tokio::test]
    async fn without_an_address_the_work_goes_on_alone() {
        assert_eq!(Config::default().serve_while(Health::new(), async { 7 }).await.unwrap(), 7);
    }

    #[tokio::test]
    async fn a_taken_address_is_named_before_any_work() {
        let taken = Blocking::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let config = Config { listen: Some(taken.local_addr().unwrap()) };
        let error = config.serve_while(Health::new(), async { panic!("work ran") }).await.unwrap_err();
        assert!(error.to_string().contains("health.listen"), "{error}");
    }

    #[test]
    fn only_loopback_is_told() {
        for (address, valid) in [("127.0.0.1:8081", true), ("[::1]:8081", true), ("0.0.0.0:8081", false)] {
            let config = Config { listen: Some(address.parse().unwrap()) };
            assert_eq!(config.validate().is_ok(), valid, "{address}");
        }
    }
}
