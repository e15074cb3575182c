use std::io::Write;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use http::{HeaderValue, Method, header};

use super::final_status;
use crate::model::{Piece, ResponseHead};

/// A reverse proxy in front of the hub.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Proxy {
    /// If `true`, sends the headers of a response only together with the first bytes of its body.
    pub buffers_heads: bool,
    /// If `true`, compresses all responses of the hub with gzip, even if the client does not accept
    /// gzip.
    pub compresses: bool,
    /// Time without data from the hub after which the proxy responds with `504`, or closes the
    /// connection if the response has begun. In the hub's time.
    pub timeout: Option<Duration>,
    /// The status and body of the response while the hub is unreachable; `502` by default. See
    /// [`answer_if_unreachable`](Self::answer_if_unreachable).
    pub unreachable_response: Option<(u16, String)>,
}

impl Proxy {
    /// Returns a proxy like nginx with its default settings: it buffers headers, has a timeout of
    /// 60 seconds, and responds with `502` while the hub is unreachable.
    #[must_use]
    pub fn nginx() -> Self {
        Self {
            buffers_heads: true,
            timeout: Some(Duration::from_secs(60)),
            ..Self::default()
        }
    }

    /// Sets the response while the hub is unreachable. For example, routers without a backend
    /// respond with `404`.
    ///
    /// # Panics
    /// If the status is not between 200 and 999.
    #[must_use]
    #[track_caller]
    pub fn answer_if_unreachable(mut self, status: u16, body: impl Into<String>) -> Self {
        self.unreachable_response = Some((final_status(status).as_u16(), body.into()));
        self
    }
}

/// The state of a response that passes a proxy.
#[derive(Debug)]
pub(super) struct ProxyState {
    pub(super) buffers_heads: bool,
    pub(super) held_head: Option<Piece>,
    pub(super) gzip: Option<GzEncoder<Vec<u8>>>,
    timeout: Option<Duration>,
    /// The time of the last data from the hub, for the timeout.
    pub(super) last: Duration,
    /// `true` if headers were sent to the client.
    pub(super) began: bool,
}

impl ProxyState {
    pub(super) fn new(proxy: &Proxy, method: &Method, now: Duration) -> Self {
        let gzip = || GzEncoder::new(Vec::new(), Compression::fast());
        let compresses = proxy.compresses && *method != Method::HEAD;
        Self {
            buffers_heads: proxy.buffers_heads,
            held_head: None,
            gzip: compresses.then(gzip),
            timeout: proxy.timeout,
            last: now,
            began: false,
        }
    }

    /// Returns the time at which the timeout ends, if the hub sends nothing until then.
    pub(super) fn timeout_end(&self) -> Option<Duration> {
        Some(self.last.saturating_add(self.timeout?))
    }

    /// Takes the head that was buffered.
    pub(super) fn take_head(&mut self) -> Option<Piece> {
        let head = self.held_head.take()?;
        self.began = true;
        Some(head)
    }

    pub(super) fn compress(&mut self, bytes: Vec<u8>) -> Vec<u8> {
        let Some(gzip) = &mut self.gzip else {
            return bytes;
        };
        // Writes to a vector do not fail.
        let _ = gzip.write_all(&bytes).and_then(|()| gzip.flush());
        std::mem::take(gzip.get_mut())
    }
}

/// Changes the headers of a response that will be compressed.
pub(super) fn compressed(mut head: ResponseHead) -> ResponseHead {
    head.headers.remove(header::CONTENT_LENGTH);
    head.headers
        .insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    head
}
