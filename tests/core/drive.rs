//! Helpers that feed replies and decoders, and paths of this repository.

use std::{
    fmt::Debug,
    fs,
    path::{Path, PathBuf},
};

use scramjet_client_core::http::{HeaderMap, StatusCode};
use scramjet_client_core::{ApiError, Decode, Endpoint, Operation, Reply, ReplyError, Step};

/// Returns an endpoint with default settings.
pub(crate) fn hub() -> Endpoint {
    Endpoint::new("http://hub.example:8000/api/v1").expect("a base URL")
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
    let outcome = every_split(
        head,
        &hub(),
        &scramjet_client_core::GetVersion,
        body,
        |items| items,
    );
    let error = outcome.expect_err("a refusal");
    error.api().unwrap_or_else(|| panic!("{error:?}")).clone()
}

/// Returns a path in this package.
pub(crate) fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

pub(crate) fn is_blessing() -> bool {
    std::env::var_os("BLESS").is_some_and(|value| value == "1")
}

/// Returns the sources of the core: the path below `crates/core/src`, and the text.
pub(crate) fn core_sources() -> Vec<(String, String)> {
    let root = here("../crates/core/src");
    let mut sources = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of sources") {
            let path = entry.expect("a readable entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path
                    .strip_prefix(&root)
                    .expect("below the root")
                    .display()
                    .to_string();
                sources.push((name, fs::read_to_string(&path).expect("a source in UTF-8")));
            }
        }
    }
    sources.sort();
    assert!(
        sources.len() > 10,
        "core was not found in {}",
        root.display()
    );
    sources
}
