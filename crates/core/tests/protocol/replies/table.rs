//! Tables with a row for each fixture of a folder and its decoded reply.

use std::{cell::RefCell, collections::BTreeSet, fmt::Debug};

use scramjet_client_core::{
    ApiError, Decode, Dialect, Endpoint, ErrorCode, Event, EventBody, Operation, ReplyError,
    SingleItem, Step,
};
use serde::Serialize;
use serde_json::Value;

use super::row::{Response, Row};
use crate::fixtures;
use crate::helpers::hub;

/// The fixtures of one folder, and which of them have a row.
pub(super) struct Table {
    generation: &'static str,
    pub(super) hub: Endpoint,
    rows: RefCell<BTreeSet<String>>,
}

impl Table {
    pub(super) fn new(generation: &'static str, dialect: Option<Dialect>) -> Self {
        let hub = dialect.map_or_else(hub, |dialect| hub().with_dialect(dialect));
        Self {
            generation,
            hub,
            rows: RefCell::default(),
        }
    }

    pub(super) fn row(&self, name: &str) -> Row {
        let place = format!("{}/{name}", self.generation);
        assert!(
            self.rows.borrow_mut().insert(name.to_owned()),
            "{place} has two rows"
        );
        Row {
            exchange: fixtures::load(self.generation, name),
            place,
        }
    }

    /// Checks that the reply decodes to one item that `check` accepts. No member may be lost.
    pub(super) fn decodes<O>(
        &self,
        name: &str,
        operation: impl Fn(&Row) -> O,
        check: impl Fn(&<O::Decoder as Decode>::Item) -> bool,
    ) where
        O: Operation,
        O::Decoder: SingleItem<Item: Debug + Serialize>,
    {
        let row = self.row(name);
        let item = row.item(&self.hub, &operation(&row));
        assert!(check(&item), "{}: {item:#?}", row.place);
        if !row.exchange.response.body.is_empty() {
            let sent = serde_json::from_slice(&row.exchange.response.body).expect("a JSON body");
            assert_kept(
                &sent,
                &serde_json::to_value(&item).expect("a JSON value"),
                &row.place,
            );
        }
    }

    /// Checks that the reply is the requested event with this data.
    pub(super) fn event<O: Operation<Decoder = EventBody>>(
        &self,
        name: &str,
        operation: impl Fn(&Row) -> O,
        data: Value,
    ) {
        let row = self.row(name);
        let event: Event = row.item(&self.hub, &operation(&row));
        let requested = row
            .exchange
            .request
            .target
            .rsplit('/')
            .next()
            .unwrap_or_default();
        assert_eq!(
            (event.name.as_str(), &event.data),
            (requested, &data),
            "{}",
            row.place
        );
    }

    /// Checks that the reply is a success without a value.
    pub(super) fn succeeds<O: Operation<Decoder: SingleItem<Item = ()>>>(
        &self,
        name: &str,
        operation: impl Fn(&Row) -> O,
    ) {
        let row = self.row(name);
        row.item(&self.hub, &operation(&row));
    }

    /// Checks that the reply is a complete stream of these bytes.
    pub(super) fn streams(&self, name: &str, bytes: &str) {
        let row = self.row(name);
        let read = row.read_stream();
        let items = row
            .outcome(&self.hub, &read, |pieces| pieces.concat())
            .unwrap_or_else(|error| panic!("{}: {error:?}", row.place));
        assert_eq!(String::from_utf8_lossy(&items), bytes, "{}", row.place);
    }

    /// Checks that the reply is an API error. `named` is its status; if the status line has another
    /// one, it is a pair of both.
    pub(super) fn fails<O>(
        &self,
        name: &str,
        operation: impl Fn(&Row) -> O,
        named: impl Into<Statuses>,
        code: ErrorCode,
        message: &str,
    ) -> ApiError
    where
        O: Operation<Decoder: Decode<Item: Debug>>,
    {
        let row = self.row(name);
        let error = match row.outcome(&self.hub, &operation(&row), |items| items) {
            Err(ReplyError::Api(error)) => *error,
            other => panic!("{}: {other:?}", row.place),
        };
        let Statuses { actual, received } = named.into();
        let seen = (
            error.status.as_u16(),
            error.received_status.as_u16(),
            &error.code,
            error.message.as_str(),
        );
        assert_eq!(seen, (actual, received, &code, message), "{}", row.place);
        assert_eq!(
            error.body, row.exchange.response.body,
            "{}: the body is kept",
            row.place
        );
        error
    }

    /// The recording ends within the reply, which never ends. Checks that a stream returns its
    /// bytes, and other decoders nothing.
    pub(super) fn incomplete<O: Operation>(
        &self,
        name: &str,
        operation: impl Fn(&Row) -> O,
        reason: &str,
    ) {
        let row = self.row(name);
        let operation = operation(&row);
        let Response {
            head,
            body,
            complete,
        } = row.response(&operation);
        assert!(
            !complete && head.status.is_success() && !reason.is_empty(),
            "{}: {reason}",
            row.place
        );
        let mut reply = head.reply(&self.hub, &operation);
        reply.feed(body);
        let first = matches!(
            reply
                .next_item()
                .unwrap_or_else(|error| panic!("{}: {error}", row.place)),
            Step::Item(_)
        );
        assert_eq!(first, !body.is_empty(), "{}", row.place);
        assert!(
            matches!(reply.next_item(), Ok(Step::NeedData)),
            "{}",
            row.place
        );
    }

    /// The recording ends within the reply, which never ends. Returns the items so far, checked for
    /// every split.
    pub(super) fn partial<O>(
        &self,
        name: &str,
        operation: impl Fn(&Row) -> O,
    ) -> Vec<<O::Decoder as Decode>::Item>
    where
        O: Operation<Decoder: Decode<Item: Debug + PartialEq>>,
    {
        let row = self.row(name);
        let operation = operation(&row);
        let Response {
            head,
            body,
            complete,
        } = row.response(&operation);
        assert!(!complete && head.status.is_success(), "{}", row.place);
        let read = |piece: usize| {
            let mut reply = head.reply(&self.hub, &operation);
            let mut items = Vec::new();
            for bytes in body.chunks(piece) {
                reply.feed(bytes);
                while let Step::Item(item) = reply
                    .next_item()
                    .unwrap_or_else(|error| panic!("{}: {error}", row.place))
                {
                    items.push(item);
                }
            }
            items
        };
        let items = read(body.len());
        for piece in 1..body.len().min(100) {
            assert_eq!(items, read(piece), "{}: in pieces of {piece}", row.place);
        }
        items
    }

    /// Skips the reply: the hub did not answer while it was recorded.
    pub(super) fn unanswered(&self, name: &str, reason: &str) {
        let row = self.row(name);
        assert!(
            row.exchange.response.status.is_none() && !reason.is_empty(),
            "{}: the recording has a response",
            row.place
        );
    }

    /// Skips the reply: it answers a request that core does not send.
    pub(super) fn not_sent_by_core(&self, name: &str, reason: &str) {
        let row = self.row(name);
        assert!(
            row.exchange.response.complete && !reason.is_empty(),
            "{}",
            row.place
        );
    }

    pub(super) fn finish(self) {
        let files: BTreeSet<String> = fixtures::names(self.generation).into_iter().collect();
        assert_eq!(
            files,
            self.rows.into_inner(),
            "{}: left: the fixtures, right: the rows",
            self.generation
        );
    }
}

/// The status of an API error, and the one in the status line.
pub(super) struct Statuses {
    actual: u16,
    received: u16,
}

impl From<u16> for Statuses {
    fn from(status: u16) -> Self {
        Self {
            actual: status,
            received: status,
        }
    }
}

impl From<(u16, u16)> for Statuses {
    fn from((actual, received): (u16, u16)) -> Self {
        Self { actual, received }
    }
}

/// Checks that every member of `sent` is in `kept`, on every level.
fn assert_kept(sent: &Value, kept: &Value, place: &str) {
    match (sent, kept) {
        (Value::Object(sent), Value::Object(kept)) => {
            for (name, value) in sent {
                let name = if name == "sequenceArgs" { "args" } else { name };
                let kept = kept
                    .get(name)
                    .unwrap_or_else(|| panic!("{place}: {name} is lost"));
                assert_kept(value, kept, &format!("{place}: {name}"));
            }
        }
        (Value::Array(sent), Value::Array(kept)) => {
            assert_eq!(sent.len(), kept.len(), "{place}");
            sent.iter()
                .zip(kept)
                .for_each(|(sent, kept)| assert_kept(sent, kept, place));
        }
        (Value::Number(sent), Value::Number(kept)) => {
            assert_eq!(sent.as_f64(), kept.as_f64(), "{place}")
        }
        _ => assert_eq!(sent, kept, "{place}"),
    }
}
