//! Sequences of `tests/sequences` on a hub, and their instances.

use std::ops::Deref;
use std::thread;

use scramjet_client_blocking::core::{Json, Operation, Path};
use scramjet_client_blocking::error::RequestError;
use scramjet_client_blocking::http::{HeaderMap, HeaderValue, Method, header};
use scramjet_client_blocking::types::InstanceStatus;
use scramjet_client_blocking::{
    Dialect, Error, HostClient, InstanceClient, SequenceClient, StartOptions, Version,
};
use scramjet_client_tests::package;
use serde_json::Value;

use crate::helpers::until;

const UNKNOWN_ID: &str = "00000000-0000-4000-8000-000000000000";

/// Returns `true` if the hub has this version or a later one. Otherwise prints that the test is
/// skipped.
pub(crate) fn has(host: &HostClient, test: &str, since: Version) -> bool {
    let dialect = host.dialect().unwrap();
    if !dialect.has(since) {
        eprintln!(
            "SKIPPED {test}: this hub is {}, it needs {since}",
            dialect.version()
        );
    }
    dialect.has(since)
}

/// Returns a client for an instance that the hub does not know.
pub(crate) fn unknown_instance(host: &HostClient) -> InstanceClient {
    host.instance(UNKNOWN_ID).unwrap()
}

/// Returns a client for a sequence that the hub does not know.
pub(crate) fn unknown_sequence(host: &HostClient) -> SequenceClient {
    host.sequence(UNKNOWN_ID).unwrap()
}

/// An uploaded sample sequence. Drop deletes it with its instances.
pub(crate) struct Uploaded(pub(crate) SequenceClient);

impl Uploaded {
    pub(crate) fn sample(host: &HostClient, name: &str) -> Self {
        Self(host.send_sequence(package::sequence(name)).unwrap())
    }

    /// Starts an instance and waits until it reads its input.
    pub(crate) fn listening(&self, options: &StartOptions) -> InstanceClient {
        let instance = self.start(options).unwrap();
        listening(&instance);
        instance
    }
}

/// Starts an instance of a sample sequence and waits until it reads its input.
pub(crate) fn running(host: &HostClient, name: &str) -> (Uploaded, InstanceClient) {
    let sequence = Uploaded::sample(host, name);
    let instance = sequence.listening(&StartOptions::new());
    (sequence, instance)
}

/// Like [`running`], but does not wait and does not read the log.
pub(crate) fn started(host: &HostClient, name: &str) -> (Uploaded, InstanceClient) {
    let sequence = Uploaded::sample(host, name);
    let instance = sequence.start(&StartOptions::new()).unwrap();
    (sequence, instance)
}

/// Waits until the instance can be killed. Hubs of 1.x refuse that while it is starting.
pub(crate) fn until_killable(instance: &InstanceClient) {
    until("the instance has started", || {
        instance.info().unwrap().status != Some(InstanceStatus::Starting)
    });
}

/// Returns `true` if the error says that the sequence failed at once. Hubs of 1.x refuse such a
/// start. Hubs of 0.18 start the instance.
pub(crate) fn failed_at_once(error: &Error) -> bool {
    error.ended().is_some() || was_refused(error)
}

/// Returns `true` if the hub refused a start because the sequence failed at once.
pub(crate) fn was_refused(error: &Error) -> bool {
    error.operation() == Some("start sequence")
        && error.api().is_some_and(|refusal| {
            refusal.status == 400 && refusal.to_string().contains("Sequence failed")
        })
}

/// Waits until the instance reads its input. Hubs of 0.18 deliver earlier input twice.
pub(crate) fn listening(instance: &InstanceClient) {
    if instance.host().dialect().unwrap().doubles_early_input() {
        let mut log = instance.log_lines().unwrap().map(Result::unwrap);
        assert!(
            log.any(|line| line.msg.starts_with("Sequence loaded")),
            "the log has no line \"Sequence loaded\""
        );
    }
}

impl Deref for Uploaded {
    type Target = SequenceClient;

    fn deref(&self) -> &SequenceClient {
        &self.0
    }
}

impl Drop for Uploaded {
    fn drop(&mut self) {
        match self.0.force_delete() {
            Err(error) if !error.is_not_found() && !thread::panicking() => panic!("{error:?}"),
            _ => {}
        }
    }
}

/// An operation that the library does not model, as a user would add it. The body need not be JSON
/// that `serde_json` can write.
pub(crate) struct PostJson<'a> {
    pub(crate) base: &'static str,
    pub(crate) id: &'a str,
    pub(crate) route: &'static str,
    pub(crate) body: &'a str,
}

impl Operation for PostJson<'_> {
    const NAME: &'static str = "post JSON";
    const METHOD: Method = Method::POST;
    type Payload = Vec<u8>;
    type Decoder = Json<Value>;

    fn path(&self) -> Path {
        Path::new(self.base)
            .value("id", self.id)
            .literal(self.route)
    }

    fn headers(&self, headers: &mut HeaderMap) -> Result<(), RequestError> {
        let json = HeaderValue::from_static("application/json");
        headers.insert(header::CONTENT_TYPE, json);
        Ok(())
    }

    fn payload(&self, _: Dialect) -> Result<Vec<u8>, RequestError> {
        Ok(self.body.into())
    }
}
