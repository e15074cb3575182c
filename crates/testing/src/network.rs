//! The way between a client and the hub: faults on demand, and a proxy. No IO, no clock.

use std::collections::{BTreeMap, VecDeque};
use std::io::Write;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};

use crate::model::{ExchangeId, Head, Model, Piece};

/// Something that goes wrong with a request.
///
/// ```
/// use scramjet_client_testing::network::Fault;
///
/// let fault = Fault::refuse(503, "try again later").on("POST", "sequence/*/start").times(2);
/// ```
#[derive(Clone, Debug)]
pub struct Fault {
    kind: Kind,
    method: String,
    path: String,
    left: usize,
}

#[derive(Clone, Debug)]
enum Kind {
    Refuse {
        status: u16,
        body: String,
        headers: HeaderMap,
    },
    Delay(Duration),
    CutAfter(u64),
    LoseRequest,
    LoseResponse,
    Silence,
}

impl Fault {
    /// Answers with this status and text; the request does not reach the hub.
    pub fn refuse(status: u16, body: impl Into<String>) -> Self {
        Self::of(Kind::Refuse {
            status,
            body: body.into(),
            headers: HeaderMap::new(),
        })
    }

    /// Keeps the response back for a while.
    #[must_use]
    pub fn delay(by: Duration) -> Self {
        Self::of(Kind::Delay(by))
    }

    /// Closes the connection after so many bytes of the response's body.
    #[must_use]
    pub fn cut_after(bytes: u64) -> Self {
        Self::of(Kind::CutAfter(bytes))
    }

    /// Closes the connection before the request has reached the hub.
    #[must_use]
    pub fn lose_request() -> Self {
        Self::of(Kind::LoseRequest)
    }

    /// Lets the hub carry out the request, and closes the connection instead of an answer.
    #[must_use]
    pub fn lose_response() -> Self {
        Self::of(Kind::LoseResponse)
    }

    /// Lets the hub carry out the request, and never answers: a link that was cut without a word.
    #[must_use]
    pub fn silence() -> Self {
        Self::of(Kind::Silence)
    }

    fn of(kind: Kind) -> Self {
        Self {
            kind,
            method: "*".into(),
            path: "*".into(),
            left: 1,
        }
    }

    /// For requests of this method and path alone. The path is what the request's path ends with,
    /// segment by segment; a segment of `*` is any, and so is a method of `*`.
    #[must_use]
    pub fn on(mut self, method: &str, path: &str) -> Self {
        (self.method, self.path) = (method.to_owned(), path.to_owned());
        self
    }

    /// For so many requests; otherwise for one.
    #[must_use]
    pub fn times(self, times: usize) -> Self {
        Self {
            left: times,
            ..self
        }
    }

    /// For all requests from now on.
    #[must_use]
    pub fn always(self) -> Self {
        self.times(usize::MAX)
    }

    /// With a header in the refusal. A name or value that is none is left out.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let Kind::Refuse { headers, .. } = &mut self.kind {
            let name = header::HeaderName::try_from(name).ok();
            let pair = name.zip(HeaderValue::try_from(value).ok());
            headers.extend(pair.map(|(name, value)| (Some(name), value)));
        }
        self
    }

    fn matches(&self, method: &Method, path: &str) -> bool {
        let mut segments = path.rsplit('/');
        let ends = self.path == "*"
            || self.path.rsplit('/').all(|wanted| {
                segments
                    .next()
                    .is_some_and(|given| wanted == "*" || wanted == given)
            });
        self.left > 0 && ends && (self.method == "*" || *method == *self.method)
    }
}

/// A reverse proxy in front of the hub.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Proxy {
    /// Passes on the head of a response together with the first bytes of its body.
    pub buffers_heads: bool,
    /// Compresses all responses, whether or not the client accepts that.
    pub compresses: bool,
    /// Answers `504` if the hub is silent for so long, or cuts a response that has begun.
    pub timeout: Option<Duration>,
    /// The answer while the hub is away; `502` without one.
    pub away: Option<(u16, String)>,
}

impl Proxy {
    /// A stock nginx: it buffers heads, waits for 60 seconds, and answers `502` while the hub is
    /// away.
    #[must_use]
    pub fn nginx() -> Self {
        Self {
            buffers_heads: true,
            timeout: Some(Duration::from_secs(60)),
            ..Self::default()
        }
    }

    /// With this answer while the hub is away: `404` for routers that know no backend then.
    #[must_use]
    pub fn answering_for_hub(mut self, status: u16, body: impl Into<String>) -> Self {
        self.away = Some((status, body.into()));
        self
    }
}

/// Nobody listens at the address of the hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused;

/// Names an exchange on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(u64);

/// A hub and the way to it, with the interface of a [`Model`].
#[derive(Debug)]
pub struct Network {
    hub: Model,
    faults: Vec<Fault>,
    proxy: Option<Proxy>,
    away: bool,
    connections: BTreeMap<ConnectionId, Connection>,
    next: u64,
    requests: Vec<String>,
}

#[derive(Debug)]
struct Connection {
    /// None if the request does not reach the hub.
    exchange: Option<ExchangeId>,
    /// What is ready for the client.
    ready: VecDeque<Piece>,
    not_before: Duration,
    cut_after: Option<u64>,
    loses_response: bool,
    silent: bool,
    proxied: Option<Proxied>,
}

/// What a proxy does to a response.
#[derive(Debug)]
struct Proxied {
    buffers_heads: bool,
    held_head: Option<Piece>,
    gzip: Option<GzEncoder<Vec<u8>>>,
    timeout: Option<Duration>,
    /// The time of the last piece, for the timeout.
    last: Duration,
    /// A head has been passed on.
    began: bool,
}

impl Network {
    /// A direct way to a hub, without faults.
    #[must_use]
    pub fn new(hub: Model) -> Self {
        let (faults, connections) = (Vec::new(), BTreeMap::new());
        Self {
            hub,
            faults,
            proxy: None,
            away: false,
            connections,
            next: 0,
            requests: Vec::new(),
        }
    }

    /// The hub.
    pub fn hub(&mut self) -> &mut Model {
        &mut self.hub
    }

    /// Adds a fault. Of several that match a request, the first one happens.
    pub fn add_fault(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    /// Forgets all faults that were added.
    pub fn clear_faults(&mut self) {
        self.faults.clear();
    }

    /// Puts a proxy in front of the hub, or takes it away.
    pub fn set_proxy(&mut self, proxy: Option<Proxy>) {
        self.proxy = proxy;
    }

    /// Takes the hub away: all its connections are closed, and new ones are refused until it is
    /// back. What it knows is kept, as over a lost link.
    pub fn set_away(&mut self, away: bool) {
        self.away = away;
        if away {
            for connection in self.connections.values_mut() {
                if let Some(exchange) = connection.exchange.take() {
                    self.hub.abandon(exchange);
                }
                connection.ready.push_back(Piece::Cut);
            }
        }
    }

    /// Restarts the hub, see [`Model::restart`].
    pub fn restart(&mut self, keep_sequences: bool) {
        self.hub.restart(keep_sequences);
    }

    /// The time since the hub began.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.hub.now()
    }

    /// See [`Model::advance`].
    pub fn advance(&mut self, now: Duration) {
        self.hub.advance(now);
    }

    /// The next time at which something happens without a request.
    #[must_use]
    pub fn next_due(&self) -> Option<Duration> {
        let now = self.hub.now();
        let delays = self
            .connections
            .values()
            .map(|connection| connection.not_before);
        let timeouts = self.connections.values().filter_map(|connection| {
            let proxied = connection.proxied.as_ref()?;
            Some(proxied.last + proxied.timeout?)
        });
        let mine = delays.chain(timeouts).filter(|time| *time > now);
        self.hub.next_due().into_iter().chain(mine).min()
    }

    /// Takes the head of a request, see [`Model::request`].
    ///
    /// # Errors
    /// The hub is away, and there is no proxy in front of it.
    pub fn request(&mut self, request: &Request<()>) -> Result<ConnectionId, Refused> {
        let (method, path) = (request.method(), request.uri().path());
        self.requests.push(format!("{method} {path}"));
        let fault = self
            .faults
            .iter_mut()
            .find(|fault| fault.matches(method, path));
        let kind = fault.map(|fault| {
            fault.left = fault
                .left
                .saturating_sub(usize::from(fault.left != usize::MAX));
            fault.kind.clone()
        });
        let now = self.hub.now();
        let mut connection = Connection {
            exchange: None,
            ready: VecDeque::new(),
            not_before: now,
            cut_after: None,
            loses_response: false,
            silent: false,
            proxied: self.proxy.as_ref().map(|proxy| Proxied::of(proxy, now)),
        };
        let mut reaches = true;
        match kind {
            None => {}
            Some(Kind::Refuse {
                status,
                body,
                headers,
            }) => {
                connection.ready = answer(status, &body, headers);
                reaches = false;
            }
            Some(Kind::LoseRequest) => {
                connection.ready.push_back(Piece::Cut);
                reaches = false;
            }
            Some(Kind::Delay(by)) => connection.not_before = now + by,
            Some(Kind::CutAfter(bytes)) => connection.cut_after = Some(bytes),
            Some(Kind::LoseResponse) => connection.loses_response = true,
            Some(Kind::Silence) => connection.silent = true,
        }
        if self.away && reaches {
            let Some(proxy) = &self.proxy else {
                return Err(Refused);
            };
            connection.ready = match &proxy.away {
                Some((status, body)) => answer(*status, body, HeaderMap::new()),
                None => bad_gateway(),
            };
            reaches = false;
        }
        if reaches {
            connection.exchange = Some(self.hub.request(request));
        }
        self.next += 1;
        let id = ConnectionId(self.next);
        self.connections.insert(id, connection);
        Ok(id)
    }

    /// The requests that have come, as method and path, also those that did not reach the hub.
    #[must_use]
    pub fn requests(&self) -> &[String] {
        &self.requests
    }

    /// See [`Model::upload`].
    pub fn upload(&mut self, id: ConnectionId, bytes: &[u8]) -> usize {
        let exchange = self
            .connections
            .get(&id)
            .and_then(|connection| connection.exchange);
        exchange.map_or(bytes.len(), |exchange| self.hub.upload(exchange, bytes))
    }

    /// See [`Model::end_upload`].
    pub fn end_upload(&mut self, id: ConnectionId) {
        let exchange = self
            .connections
            .get(&id)
            .and_then(|connection| connection.exchange);
        exchange
            .into_iter()
            .for_each(|exchange| self.hub.end_upload(exchange));
    }

    /// See [`Model::abandon`].
    pub fn abandon(&mut self, id: ConnectionId) {
        let exchange = self
            .connections
            .remove(&id)
            .and_then(|connection| connection.exchange);
        exchange
            .into_iter()
            .for_each(|exchange| self.hub.abandon(exchange));
    }

    /// Takes what comes next of the response, see [`Model::poll`].
    pub fn poll(&mut self, id: ConnectionId) -> Piece {
        let now = self.hub.now();
        let Some(connection) = self.connections.get_mut(&id) else {
            return Piece::End;
        };
        if connection.silent || now < connection.not_before {
            return Piece::Pending;
        }
        while connection.ready.is_empty() {
            let Some(exchange) = connection.exchange else {
                break;
            };
            match self.hub.poll(exchange) {
                Piece::Pending => {
                    if connection.times_out(now) {
                        connection.exchange = None;
                        self.hub.abandon(exchange);
                    }
                    break;
                }
                piece => connection.pass_on(piece, now),
            }
        }
        let piece = connection.take();
        if matches!(piece, Piece::End | Piece::Cut) {
            self.abandon(id);
        }
        piece
    }
}

impl Connection {
    /// Takes a piece of the hub's response in.
    fn pass_on(&mut self, piece: Piece, now: Duration) {
        let Some(proxied) = &mut self.proxied else {
            return self.ready.push_back(piece);
        };
        proxied.last = now;
        match piece {
            Piece::Head(head) => {
                let head = Piece::Head(if proxied.gzip.is_some() {
                    compressed(head)
                } else {
                    head
                });
                proxied.held_head = Some(head);
                if !proxied.buffers_heads {
                    self.ready.extend(proxied.head());
                }
            }
            Piece::Body(bytes) => {
                self.ready.extend(proxied.head());
                self.ready.push_back(Piece::Body(proxied.compress(bytes)));
            }
            Piece::End => {
                self.ready.extend(proxied.head());
                let rest = proxied.gzip.take().and_then(|gzip| gzip.finish().ok());
                self.ready
                    .extend(rest.filter(|rest| !rest.is_empty()).map(Piece::Body));
                self.ready.push_back(Piece::End);
            }
            Piece::Cut if !proxied.began => self.ready.extend(bad_gateway()),
            piece => self.ready.push_back(piece),
        }
    }

    /// Whether the proxy gives up on the hub now.
    fn times_out(&mut self, now: Duration) -> bool {
        let Some(proxied) = &self.proxied else {
            return false;
        };
        let over = proxied
            .timeout
            .is_some_and(|timeout| proxied.last + timeout <= now);
        match (over, proxied.began) {
            (false, _) => {}
            (true, true) => self.ready.push_back(Piece::Cut),
            (true, false) => {
                let page = "<html><h1>504 Gateway Time-out</h1></html>";
                self.ready.extend(answer(504, page, HeaderMap::new()));
            }
        }
        over
    }

    /// The next piece for the client, unless the response is to be cut there.
    fn take(&mut self) -> Piece {
        let Some(piece) = self.ready.pop_front() else {
            return Piece::Pending;
        };
        if self.loses_response && piece != Piece::Continue {
            return Piece::Cut;
        }
        match (piece, &mut self.cut_after) {
            (Piece::Body(_), Some(0)) => Piece::Cut,
            (Piece::Body(mut bytes), Some(left)) => {
                bytes.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
                *left = left.saturating_sub(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
                if *left == 0 {
                    self.ready = [Piece::Cut].into();
                }
                Piece::Body(bytes)
            }
            (piece, _) => piece,
        }
    }
}

impl Proxied {
    fn of(proxy: &Proxy, now: Duration) -> Self {
        let gzip = || GzEncoder::new(Vec::new(), Compression::fast());
        Self {
            buffers_heads: proxy.buffers_heads,
            held_head: None,
            gzip: proxy.compresses.then(gzip),
            timeout: proxy.timeout,
            last: now,
            began: false,
        }
    }

    /// The head that was held back.
    fn head(&mut self) -> Option<Piece> {
        let head = self.held_head.take()?;
        self.began = true;
        Some(head)
    }

    fn compress(&mut self, bytes: Vec<u8>) -> Vec<u8> {
        let Some(gzip) = &mut self.gzip else {
            return bytes;
        };
        // Writing to a vector does not fail.
        let _ = gzip.write_all(&bytes).and_then(|()| gzip.flush());
        std::mem::take(gzip.get_mut())
    }
}

fn compressed(mut head: Head) -> Head {
    head.headers.remove(header::CONTENT_LENGTH);
    head.headers
        .insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    head
}

fn bad_gateway() -> VecDeque<Piece> {
    answer(
        502,
        "<html><h1>502 Bad Gateway</h1></html>",
        HeaderMap::new(),
    )
}

fn answer(status: u16, body: &str, mut headers: HeaderMap) -> VecDeque<Piece> {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let reason = status.canonical_reason().unwrap_or_default().to_owned();
    headers.insert(header::CONTENT_LENGTH, body.len().into());
    let body = Piece::Body(body.as_bytes().to_vec());
    [
        Piece::Head(Head {
            status,
            reason,
            headers,
        }),
        body,
        Piece::End,
    ]
    .into()
}
