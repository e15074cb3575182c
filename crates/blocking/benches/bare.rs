//! ureq with the same settings, connection pool and requests as the library.

use std::time::Duration;

use serde::de::DeserializeOwned;
use ureq::http::Response;
use ureq::{Agent, Body, Error};

pub fn agent() -> Agent {
    const IDLE_CONNECTIONS: usize = 64;
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .proxy(None)
        .accept_encoding("")
        .user_agent("scramjet-client/0.1.0")
        .max_idle_age(Duration::from_secs(3))
        .max_idle_connections(IDLE_CONNECTIONS)
        .max_idle_connections_per_host(IDLE_CONNECTIONS);
    config.build().into()
}

/// Reads the small JSON body of a response.
#[allow(dead_code, reason = "some benchmarks read bodies themselves")]
pub fn value<T: DeserializeOwned>(answer: Result<Response<Body>, Error>) -> T {
    serde_json::from_slice(&answer.unwrap().into_body().read_to_vec().unwrap()).unwrap()
}
