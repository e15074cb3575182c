use http::{HeaderMap, Method};

use super::instance_path;
use crate::operation::Inline;
use crate::{Dialect, InstanceId, Json, Operation, Path, RequestError, StopReply, headers};

/// `POST /instance/:id/_kill`: ends an instance. The hub answers at once; the process may take some seconds to go.
///
/// quirk (after 1.0.1): refused with 400 (`Instance not running`) unless the instance's status is `running`, also in the moment
/// after its start when that is still `starting`.
#[derive(Clone, Copy, Debug)]
pub struct KillInstance<'a> {
    /// The instance.
    pub id: &'a InstanceId,
    /// How.
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

    fn headers(&self, headers: &mut HeaderMap) -> Result<(), RequestError> {
        headers::json(headers);
        Ok(())
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

/// How to kill an instance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct KillOptions {
    /// Whether the hub forgets the instance 15 seconds after its end, and not only after some minutes. Hubs before 0.24.3
    /// take no notice of it, and forget an instance at once.
    pub remove_immediately: bool,
}

impl KillOptions {
    /// Keeps the ended instance for as long as the hub is configured to.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            remove_immediately: false,
        }
    }

    /// Whether the hub forgets the ended instance soon.
    #[must_use]
    pub const fn remove_immediately(self, remove: bool) -> Self {
        Self {
            remove_immediately: remove,
        }
    }
}
