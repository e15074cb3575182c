use core::time::Duration;

use http::{HeaderMap, Method};
use serde::Serialize;

use super::instance_path;
use crate::operation::{Inline, inline_json};
use crate::{Dialect, InstanceId, Json, Operation, Path, RequestError, StopReply, headers};

/// `POST /instance/:id/_stop`: asks an instance to stop, and kills it when the timeout is over. The hub answers only then.
#[derive(Clone, Copy, Debug)]
pub struct StopInstance<'a> {
    /// The instance.
    pub id: &'a InstanceId,
    /// How long it may take.
    pub options: &'a StopOptions,
}

impl Operation for StopInstance<'_> {
    const NAME: &'static str = "stop instance";
    const METHOD: Method = Method::POST;
    type Payload = Inline;
    type Decoder = Json<StopReply>;

    fn path(&self) -> Path {
        instance_path(self.id).literal("_stop")
    }

    fn headers(&self, headers: &mut HeaderMap) -> Result<(), RequestError> {
        headers::json(headers);
        Ok(())
    }

    fn needs_dialect(&self) -> bool {
        true
    }

    /// The wrong one of the two forms is refused by an old hub, and taken as "the default timeout" by a new one.
    fn payload(&self, dialect: Dialect) -> Result<Inline, RequestError> {
        let timeout = self.options.timeout.as_millis();
        if timeout > MAX_TIMEOUT_MS {
            return Err(RequestError::option(
                "timeout",
                "a hub cannot wait longer than 24 days",
            ));
        }
        let body = Body {
            timeout: u64::try_from(timeout).unwrap_or(u64::MAX),
            can_call_keepalive: self.options.can_call_keepalive,
        };
        if dialect.stop_is_coded() {
            inline_json("payload", &(STOP, body))
        } else {
            inline_json("payload", &body)
        }
    }

    fn server_wait(&self) -> Duration {
        self.options.timeout
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    timeout: u64,
    can_call_keepalive: bool,
}

/// The message code of a stop, between hub and instance.
const STOP: u16 = 4001;

/// Node's timers hold 31 bits of milliseconds; a longer one would fire at once.
const MAX_TIMEOUT_MS: u128 = 0x7fff_ffff;

/// How to stop an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StopOptions {
    /// How long the instance has for an orderly end. The hub answers when this is over, whatever the instance does meanwhile. In whole milliseconds.
    pub timeout: Duration,
    /// Whether the instance may ask for more time by calling `keepAlive`; it is then not killed.
    pub can_call_keepalive: bool,
}

impl StopOptions {
    /// Gives the instance `timeout` for an orderly end, and no more.
    #[must_use]
    pub const fn new(timeout: Duration) -> Self {
        Self {
            timeout,
            can_call_keepalive: false,
        }
    }

    /// Whether the instance may ask for more time by calling `keepAlive`.
    #[must_use]
    pub const fn can_call_keepalive(self, allowed: bool) -> Self {
        Self {
            can_call_keepalive: allowed,
            ..self
        }
    }
}

impl Default for StopOptions {
    /// 7 seconds, which is what newer hubs take where nothing is said, and no more.
    fn default() -> Self {
        Self::new(Duration::from_secs(7))
    }
}
