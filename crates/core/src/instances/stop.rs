use core::time::Duration;

use http::Method;
use serde::Serialize;

use super::instance_path;
use crate::operation::{Inline, inline_json};
use crate::{Dialect, InstanceId, Json, Operation, Path, RequestError, StopReply};

/// `POST /instance/:id/_stop`: asks an instance to stop, and kills it after a timeout.
///
/// Request: [`StopOptions`] as JSON, in a form that depends on the version of the hub. Response:
/// [`StopReply`]. The hub responds only when the timeout has elapsed, even if the instance ends
/// earlier.
#[derive(Clone, Copy, Debug)]
pub struct StopInstance<'a> {
    /// The instance.
    pub id: &'a InstanceId,
    /// The timeout, and if the instance may extend it.
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

    fn decoder(&self, _: Dialect) -> Json<StopReply> {
        StopReply::decoder()
    }

    fn needs_dialect(&self) -> bool {
        true
    }

    /// Hubs before 0.28.2 expect another form than newer hubs. They refuse the newer form with 500.
    /// Newer hubs accept the older form, but ignore its values and use a timeout of 7 seconds.
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

/// The code of the message between hub and instance.
const STOP: u16 = 4001;

/// Timers of Node.js are limited to 31 bits of milliseconds. A longer one would fire at once.
const MAX_TIMEOUT_MS: u128 = 0x7fff_ffff;

/// Options for stopping an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StopOptions {
    /// Time after which the hub kills the instance if it has not ended, in whole milliseconds. The
    /// hub always waits this long before it responds. More than 2,147,483,647 ms (24 days) is an
    /// error.
    pub timeout: Duration,
    /// If `true`, the hub does not kill an instance that has asked for more time by calling
    /// `keepAlive`.
    pub can_call_keepalive: bool,
}

impl StopOptions {
    /// Creates options with this timeout. The instance cannot extend it.
    #[must_use]
    pub const fn new(timeout: Duration) -> Self {
        Self {
            timeout,
            can_call_keepalive: false,
        }
    }

    /// Sets [`can_call_keepalive`](Self::can_call_keepalive).
    #[must_use]
    pub const fn can_call_keepalive(self, allowed: bool) -> Self {
        Self {
            can_call_keepalive: allowed,
            ..self
        }
    }
}

impl Default for StopOptions {
    /// Returns a timeout of 7 seconds, the default of newer hubs, which the instance cannot extend.
    fn default() -> Self {
        Self::new(Duration::from_secs(7))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_kit::{assert_request, assert_request_to, hub_of, id};

    const SECOND: StopOptions = StopOptions::new(Duration::from_secs(1));

    fn stop<'a>(id: &'a InstanceId, options: &'a StopOptions) -> StopInstance<'a> {
        StopInstance { id, options }
    }

    #[test]
    fn stop_instance_sends_its_options() {
        let id = &id("i");
        assert_request(
            &stop(id, &StopOptions::default()),
            r#"
            POST /instance/i/_stop, answered after 7s
            content-type: application/json

            {"timeout":7000,"canCallKeepalive":false}
            "#,
        );
        assert_request(
            &stop(id, &SECOND.can_call_keepalive(true)),
            r#"
            POST /instance/i/_stop, answered after 1s
            content-type: application/json

            {"timeout":1000,"canCallKeepalive":true}
            "#,
        );
        assert_request(
            &stop(id, &StopOptions::new(Duration::from_millis(0x7fff_ffff))),
            r#"
            POST /instance/i/_stop, answered after 2147483.647s
            content-type: application/json

            {"timeout":2147483647,"canCallKeepalive":false}
            "#,
        );
    }

    #[test]
    fn stop_instance_sends_a_plain_object_since_0_28_2() {
        let expected = r#"
            POST /instance/i/_stop, answered after 1s
            content-type: application/json

            {"timeout":1000,"canCallKeepalive":false}
            "#;
        assert_request(&stop(&id("i"), &SECOND), expected);
        assert_request_to(&hub_of("0.28.2"), &stop(&id("i"), &SECOND), expected);
    }

    #[test]
    fn stop_instance_sends_a_code_before_0_28_2() {
        let id = &id("i");
        assert_request_to(
            &hub_of("0.28.1"),
            &stop(id, &SECOND),
            r#"
            POST /instance/i/_stop, answered after 1s
            content-type: application/json

            [4001,{"timeout":1000,"canCallKeepalive":false}]
            "#,
        );
        assert_request_to(
            &hub_of("0.18.7"),
            &stop(id, &SECOND.can_call_keepalive(true)),
            r#"
            POST /instance/i/_stop, answered after 1s
            content-type: application/json

            [4001,{"timeout":1000,"canCallKeepalive":true}]
            "#,
        );
        assert_request_to(
            &hub_of("0.18.7"),
            &stop(id, &StopOptions::new(Duration::ZERO)),
            r#"
            POST /instance/i/_stop
            content-type: application/json

            [4001,{"timeout":0,"canCallKeepalive":false}]
            "#,
        );
    }
}
