//! ureq as somebody would use it who knows it well: the same settings, pool and requests as the library's.

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

/// The value that an answer holds, which is small.
#[allow(dead_code, reason = "some read bodies themselves")]
pub fn value<T: DeserializeOwned>(answer: Result<Response<Body>, Error>) -> T {
    serde_json::from_slice(&answer.unwrap().into_body().read_to_vec().unwrap()).unwrap()
}
