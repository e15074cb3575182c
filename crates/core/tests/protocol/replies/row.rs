//! A row of a table: a recorded exchange, and the arguments of its request.

use std::fmt::Debug;

use scramjet_client_core::{
    Decode, Dialect, Endpoint, InstanceId, Operation, OutputStream, ReadStream, ReplyError,
    RequestError, SequenceId, SingleItem, TopicName,
};
use scramjet_client_testing::replay::RecordedExchange;

use crate::helpers::{Head, every_split, hub};

/// The exchange of a row, and its name for messages.
pub(super) struct Row {
    pub(super) exchange: RecordedExchange,
    pub(super) place: String,
}

pub(super) struct Response<'a> {
    pub(super) head: Head,
    pub(super) body: &'a [u8],
    pub(super) complete: bool,
}

impl Row {
    /// Returns the response, after a check that the operation makes the recorded request.
    pub(super) fn response<O: Operation>(&self, operation: &O) -> Response<'_> {
        // LATEST supports every operation, also those that the recorded hub does not.
        let request = hub()
            .with_dialect(Dialect::LATEST)
            .request(operation)
            .unwrap_or_else(|error| panic!("{}: {error}", self.place));
        assert_eq!(
            request.method(),
            self.exchange.request.method,
            "{}",
            self.place
        );
        assert_eq!(
            request.uri().path(),
            self.exchange.request.target,
            "{}",
            self.place
        );
        let response = &self.exchange.response;
        let status = response
            .status
            .unwrap_or_else(|| panic!("{} has no response", self.place));
        let head = Head {
            status,
            reason: response.reason.clone(),
            headers: response.headers.clone(),
        };
        Response {
            head,
            body: &response.body,
            complete: response.complete,
        }
    }

    pub(super) fn outcome<O: Operation, T: Debug>(
        &self,
        hub: &Endpoint,
        operation: &O,
        view: impl Fn(Vec<<O::Decoder as Decode>::Item>) -> T,
    ) -> Result<T, ReplyError> {
        let Response {
            head,
            body,
            complete,
        } = self.response(operation);
        assert!(complete, "{} is incomplete", self.place);
        every_split(&head, hub, operation, body, view)
    }

    pub(super) fn item<O: Operation<Decoder: SingleItem<Item: Debug>>>(
        &self,
        hub: &Endpoint,
        operation: &O,
    ) -> <O::Decoder as Decode>::Item {
        let mut items = self
            .outcome(hub, operation, |items| items)
            .unwrap_or_else(|error| panic!("{}: {error:?}", self.place));
        assert_eq!(items.len(), 1, "{}", self.place);
        items.remove(0)
    }

    pub(super) fn id_after(&self, segment: &str) -> &str {
        let id = self.exchange.request.segment_after(segment);
        id.unwrap_or_else(|| panic!("{}: nothing follows {segment:?}", self.place))
    }

    // Arguments of the recorded request. They are leaked, so that they live as long as the tests.

    pub(super) fn sequence(&self) -> &'static SequenceId {
        keep(SequenceId::new(self.id_after("sequence")))
    }

    pub(super) fn instance(&self) -> &'static InstanceId {
        keep(InstanceId::new(self.id_after("instance")))
    }

    pub(super) fn topic(&self) -> &'static TopicName {
        let target = &self.exchange.request.target;
        keep(TopicName::new(
            target.rsplit('/').next().unwrap_or_default(),
        ))
    }

    pub(super) fn read_stream(&self) -> ReadStream<'static> {
        let streams = [
            OutputStream::Stdout,
            OutputStream::Stderr,
            OutputStream::Output,
            OutputStream::Log,
        ];
        let stream = streams
            .into_iter()
            .find(|stream| self.exchange.request.target.ends_with(stream.as_str()));
        ReadStream {
            id: self.instance(),
            stream: stream.unwrap_or_else(|| panic!("{} is of no stream", self.place)),
        }
    }
}

pub(super) fn keep<T>(value: Result<T, RequestError>) -> &'static T {
    Box::leak(Box::new(value.unwrap_or_else(|error| panic!("{error}"))))
}
