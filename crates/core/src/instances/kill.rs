use http::Method;

use super::instance_path;
use crate::operation::Inline;
use crate::{Dialect, InstanceId, Json, Operation, Path, RequestError, StopReply};

/// `POST /instance/:id/_kill`: kills an instance.
///
/// Request: [`KillOptions`] as JSON. Response: [`StopReply`]. The hub responds at once. A process
/// that ignores the kill ends after 11 seconds on 0.18 and after 15 seconds on 1.x.
///
/// Quirk (builds after the release of 1.0.1, which report the version 1.0.1 as well): the hub
/// refuses the request with 400 (`Instance not running`) unless the status of the instance is
/// `running`. Right after its start, the status is still `starting`.
#[derive(Clone, Copy, Debug)]
pub struct KillInstance<'a> {
    /// The instance.
    pub id: &'a InstanceId,
    /// Options for killing it.
    pub options: &'a KillOptions,
}

impl Operation for KillInstance<'_> {
    const NAME: &'static str = "kill instance";
    const METHOD: Method = Method::POST;
    type Payload = Inline;
    type Decoder = Json<StopReply>;

    fn path(&self) -> Path {
        instance_path(self.id).literal("_kill")
    }

    fn decoder(&self, _: Dialect) -> Json<StopReply> {
        StopReply::decoder()
    }

    fn payload(&self, _: Dialect) -> Result<Inline, RequestError> {
        let body: &[u8] = if self.options.remove_immediately {
            br#"{"removeImmediately":true}"#
        } else {
            b"{}"
        };
        Ok(body.to_vec())
    }
}

/// Options for killing an instance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct KillOptions {
    /// If `true`, the hub forgets the instance 15 seconds after its end instead of 195 seconds
    /// (with the default configuration). Hubs before 0.24.3 ignore this and forget an instance at
    /// once.
    pub remove_immediately: bool,
}

impl KillOptions {
    /// Creates the default options: the hub forgets the instance after its configured time.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            remove_immediately: false,
        }
    }

    /// Sets [`remove_immediately`](Self::remove_immediately).
    #[must_use]
    pub const fn remove_immediately(self, remove: bool) -> Self {
        Self {
            remove_immediately: remove,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_kit::{assert_request, id};

    #[test]
    fn kill_instance_sends_its_options() {
        let id = &id("i");
        let options = &KillOptions::new();
        assert_request(
            &KillInstance { id, options },
            "
            POST /instance/i/_kill
            content-type: application/json

            {}
            ",
        );
        let options = &KillOptions::new().remove_immediately(true);
        assert_request(
            &KillInstance { id, options },
            r#"
            POST /instance/i/_kill
            content-type: application/json

            {"removeImmediately":true}
            "#,
        );
    }
}
