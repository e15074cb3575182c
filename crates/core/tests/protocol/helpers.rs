//! Endpoints, and helpers that feed replies.

use std::fmt::Debug;

use scramjet_client_core::http::{HeaderMap, StatusCode};
use scramjet_client_core::{
    ApiError, Decode, Dialect, Endpoint, EventName, GetVersion, InstanceId, Operation, Reply,
    ReplyError, SequenceId, SingleItem, Step, Version,
};

/// Returns an endpoint with default settings.
pub(crate) fn hub() -> Endpoint {
    Endpoint::new("http://hub.example:8000/api/v1").expect("a base URL")
}

/// Returns an endpoint of a hub of 0.18.7.
pub(crate) fn old_hub() -> Endpoint {
    hub().with_dialect(Dialect::of(Version::new(0, 18, 7)))
}

/// A response head.
#[derive(Clone, Debug, Default)]
pub(crate) struct Head {
    pub(crate) status: StatusCode,
    pub(crate) reason: String,
    pub(crate) headers: HeaderMap,
}

impl Head {
    pub(crate) fn new(status: u16, reason: &str) -> Self {
        let status = StatusCode::from_u16(status).expect("a status");
        Self {
            status,
            reason: reason.to_owned(),
            headers: HeaderMap::new(),
        }
    }

    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers
            .insert(name, value.parse().expect("a header value"));
        self
    }

    pub(crate) fn reply<O: Operation>(&self, hub: &Endpoint, operation: &O) -> Reply<O::Decoder> {
        hub.reply(operation, self.status, &self.reason, &self.headers)
    }
}

/// More items than any body of these tests holds. A decoder that returns more repeats itself.
pub(crate) const MOST_ITEMS: usize = 2 << 20;

/// Moves the available items into `items`. Returns `None` if the reply needs more data.
fn pull<D: Decode>(
    reply: &mut Reply<D>,
    items: &mut Vec<D::Item>,
) -> Option<Result<(), ReplyError>> {
    loop {
        match reply.next_item() {
            Ok(Step::Item(item)) => items.push(item),
            Ok(Step::NeedData) => return None,
            Ok(Step::End) => return Some(Ok(())),
            Err(error) => return Some(Err(error)),
        }
        assert!(items.len() < MOST_ITEMS, "there is no end of items");
    }
}

/// Feeds the pieces, pulls after each, and returns all items of the complete body.
pub(crate) fn read<'a, D: Decode>(
    mut reply: Reply<D>,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> Result<Vec<D::Item>, ReplyError> {
    let mut items = Vec::new();
    for piece in pieces {
        reply.feed(piece);
        if let Some(end) = pull(&mut reply, &mut items) {
            return end.map(|()| items);
        }
    }
    reply.end()?;
    let end = pull(&mut reply, &mut items).expect("a complete body needs no more data");
    assert!(
        matches!(reply.next_item(), Ok(Step::End)),
        "a reply at its end stays there"
    );
    end.map(|()| items)
}

/// Reads a body whole, byte by byte, and cut in two at every position, and checks that the results
/// are equal. `view` converts the items to a value that does not depend on the cuts.
pub(crate) fn every_split<O: Operation, T: Debug>(
    head: &Head,
    hub: &Endpoint,
    operation: &O,
    body: &[u8],
    view: impl Fn(Vec<<O::Decoder as Decode>::Item>) -> T,
) -> Result<T, ReplyError> {
    let reply = || head.reply(hub, operation);
    let whole = read(reply(), [body]).map(&view);
    let expected = format!("{whole:?}");
    let same = |pieces: &mut dyn Iterator<Item = &[u8]>, how: &str| {
        assert_eq!(
            format!("{:?}", read(reply(), pieces).map(&view)),
            expected,
            "{} {how}",
            O::NAME
        );
    };
    same(&mut body.chunks(1), "byte by byte");
    same(
        &mut body.chunks(1).flat_map(|byte| [byte, &[]]),
        "byte by byte with nothing between",
    );
    for at in 0..=body.len() {
        let (left, right) = body.split_at(at);
        same(&mut [left, right].into_iter(), &format!("cut at {at}"));
    }
    whole
}

/// Returns the API error of a response to `GET /version`, checked for every cut.
pub(crate) fn refusal(head: &Head, body: &[u8]) -> ApiError {
    let outcome = every_split(head, &hub(), &GetVersion, body, |items| items);
    let error = outcome.expect_err("a refusal");
    error.api().unwrap_or_else(|| panic!("{error:?}")).clone()
}

/// Returns a sequence ID, an instance ID and an event name.
pub(crate) fn ids() -> (SequenceId, InstanceId, EventName) {
    let ids = (
        SequenceId::new("s"),
        InstanceId::new("i"),
        EventName::new("e"),
    );
    (
        ids.0.expect("an id"),
        ids.1.expect("an id"),
        ids.2.expect("a name"),
    )
}

/// Decodes a body fed in one piece, and checks that the decoder stays at its end.
pub(crate) fn decode_all<D: Decode + Default>(body: &[u8]) -> Result<Vec<D::Item>, ReplyError> {
    let mut decoder = D::default();
    decoder.feed(body);
    decoder.end();
    let mut items = Vec::new();
    let result = loop {
        match decoder.next_item() {
            Ok(Step::Item(item)) => items.push(item),
            Ok(Step::End) => break Ok(items),
            Ok(Step::NeedData) => panic!("a complete body needs no more data"),
            Err(error) => break Err(error),
        }
        assert!(items.len() < MOST_ITEMS, "there is no end of items");
    };
    for _ in 0..3 {
        assert!(
            matches!(decoder.next_item(), Ok(Step::End)),
            "a decoder at its end stays there"
        );
    }
    decoder.feed(b"more");
    assert!(
        matches!(decoder.next_item(), Ok(Step::End)),
        "the decoder leaves its end"
    );
    result
}

/// Like [`decode_all`], for exactly one item.
pub(crate) fn single<D: SingleItem + Default>(body: &[u8]) -> Result<D::Item, ReplyError> {
    let mut items = decode_all::<D>(body)?;
    assert_eq!(items.len(), 1);
    Ok(items.remove(0))
}

pub(crate) fn spaces(count: usize) -> Vec<u8> {
    vec![b' '; count]
}

pub(crate) fn limit_of<T>(result: Result<T, ReplyError>) -> usize {
    match result {
        Err(ReplyError::TooLarge { limit, .. }) => limit,
        Err(error) => panic!("{error:?}"),
        Ok(_) => panic!("a body over the limit was accepted"),
    }
}
