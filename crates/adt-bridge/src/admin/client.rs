//! The command line's side of the admin API.

use std::{path::Path, time::Duration};

use reqwest::{Method, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::access::Address;
use crate::exit::{Code, Failure};

/// Long enough to look through the dead letters of an SQS queue.
const LIMIT: Duration = Duration::from_secs(120);

/// Talks to the running `up` of a data folder.
#[derive(Debug)]
pub(crate) struct Client {
    address: Address,
    http: reqwest::Client,
}

impl Client {
    pub(crate) fn of(data: &Path) -> Result<Self, Failure> {
        let address = Address::read(data).map_err(|_| not_running(data))?;
        // A proxy is of no use on the way to this machine.
        let http = reqwest::Client::builder().no_proxy().timeout(LIMIT).build();
        Ok(Self { address, http: http.map_err(Failure::internal)? })
    }

    pub(crate) async fn get<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<T, Failure> {
        let response = self.send(Method::GET, path, query).await?;
        response.json().await.map_err(|_| Failure::internal("the answer of the admin API cannot be read"))
    }

    pub(crate) async fn change(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<(), Failure> {
        self.send(method, path, query).await.map(drop)
    }

    async fn send(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<reqwest::Response, Failure> {
        let mut url = reqwest::Url::parse(&self.address.url).map_err(Failure::internal)?;
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.extend(["api", "v1"]).extend(path);
        }
        let request = self.http.request(method, url).query(query).bearer_auth(self.address.token.as_str());
        let response = request.send().await.map_err(|error| {
            if error.is_timeout() {
                Failure::new(Code::TimedOut, "the admin API did not answer in time")
            } else {
                Failure::new(Code::CannotConnect, format!("nothing answers at {}", self.address.url))
                    .hint("adt-bridge up; it was killed or runs with another --data-dir")
            }
        })?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let problem: Value = response.json().await.unwrap_or_default();
        let detail = problem["detail"].as_str().unwrap_or("no reason given").to_owned();
        Err(Failure::new(code(status), detail))
    }
}

fn code(status: StatusCode) -> Code {
    match status {
        StatusCode::NOT_FOUND => Code::NotFound,
        StatusCode::CONFLICT => Code::Rejected,
        StatusCode::BAD_REQUEST => Code::Usage,
        StatusCode::SERVICE_UNAVAILABLE => Code::CannotConnect,
        _ => Code::Internal,
    }
}

fn not_running(data: &Path) -> Failure {
    Failure::new(Code::CannotConnect, format!("no adt-bridge runs on {}", data.display()))
        .hint("adt-bridge up, or --data-dir with the folder of the one that runs")
}
