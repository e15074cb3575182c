//! The way between a client and the hub: faults on demand, and a proxy. No IO, no clock.

use std::collections::{BTreeMap, VecDeque};
use std::io::Write;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};

use crate::http1::is_bodiless;
use crate::model::{ExchangeId, Model, Piece, ResponseHead};

/// Something that goes wrong with a request.
///
/// A fault happens once, to the next request, unless [`on`](Self::on), [`times`](Self::times) or
/// [`always`](Self::always) say otherwise.
///
/// ```
/// use scramjet_client_testing::fake_hub::Fault;
///
/// let fault = Fault::refuse(503, "try again later").on("POST", "sequence/*/start").times(2);
/// ```
#[derive(Clone, Debug, PartialEq)]
#[must_use = "it happens when it is given to `FakeHub::fault`"]
pub struct Fault {
    kind: FaultKind,
    method: String,
    path: String,
    left: usize,
}

#[derive(Clone, Debug, PartialEq)]
enum FaultKind {
    Refuse {
        status: StatusCode,
        body: String,
        headers: HeaderMap,
    },
    Delay(Duration),
    CutAfter(u64),
    LoseRequest,
    LoseResponse,
    Silence,
}

/// Checks the status of an answer.
#[track_caller]
fn final_status(status: u16) -> StatusCode {
    let known = StatusCode::from_u16(status).ok();
    let known = known.filter(|status| !status.is_informational());
    assert!(
        known.is_some(),
        "{status} is not the status of a response; choose one from 200 to 999"
    );
    known.unwrap_or_default()
}

impl Fault {
    /// Answers with this status and text. The request does not reach the hub.
    ///
    /// # Panics
    /// If the status is not one from 200 to 999.
    #[track_caller]
    pub fn refuse(status: u16, body: impl Into<String>) -> Self {
        Self::of(FaultKind::Refuse {
            status: final_status(status),
            body: body.into(),
            headers: HeaderMap::new(),
        })
    }

    /// Keeps the response back for some of the hub's time. The hub carries the request out at once.
    pub fn delay(by: Duration) -> Self {
        Self::of(FaultKind::Delay(by))
    }

    /// Closes the connection after so many bytes of the response's body; for 0, right after the
    /// head. A response whose body is shorter is complete.
    pub fn cut_after(bytes: u64) -> Self {
        Self::of(FaultKind::CutAfter(bytes))
    }

    /// Closes the connection before the request has reached the hub.
    pub fn lose_request() -> Self {
        Self::of(FaultKind::LoseRequest)
    }

    /// Lets the hub carry out the request, and closes the connection instead of an answer.
    pub fn lose_response() -> Self {
        Self::of(FaultKind::LoseResponse)
    }

    /// Lets the hub carry out the request, and never answers, as over a link that was cut. The
    /// request ends only by the limits of the client, or when its connection is closed.
    pub fn silence() -> Self {
        Self::of(FaultKind::Silence)
    }

    fn of(kind: FaultKind) -> Self {
        Self {
            kind,
            method: "*".into(),
            path: "*".into(),
            left: 1,
        }
    }

    /// Restricts the fault to requests of this method and path.
    ///
    /// A path that begins with `/` is the whole path, without the query. Any other path is the end
    /// of the whole path, in whole segments: `version` stands for `/api/v1/version`. The segment
    /// `*` stands for any segment, and the path `*` for any path. The method `*` stands for any
    /// method.
    ///
    /// # Panics
    /// If no request can have this path: it is empty, or contains `?` or `://`, or ends with `/`.
    #[track_caller]
    pub fn on(mut self, method: &str, path: &str) -> Self {
        assert!(
            !path.is_empty()
                && !path.ends_with('/')
                && !path.contains('?')
                && !path.contains("://"),
            "no request has the path {path:?}; give the end of a path without its query, such as \
             instance/*/log"
        );
        (self.method, self.path) = (method.to_ascii_uppercase(), path.to_owned());
        self
    }

    /// Lets the fault happen to so many requests.
    pub fn times(self, times: usize) -> Self {
        Self {
            left: times,
            ..self
        }
    }

    /// Lets the fault happen to all requests.
    pub fn always(self) -> Self {
        self.times(usize::MAX)
    }

    /// Adds a header to the answer of [`refuse`](Self::refuse).
    ///
    /// # Panics
    /// If the name or the value cannot be sent, or the fault does not answer.
    #[track_caller]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let is_refusal = matches!(self.kind, FaultKind::Refuse { .. });
        assert!(
            is_refusal,
            "only Fault::refuse answers, so only it has headers"
        );
        let parsed = header::HeaderName::try_from(name).ok();
        let parsed = parsed.zip(HeaderValue::try_from(value).ok());
        assert!(
            parsed.is_some(),
            "{name:?}: {value:?} cannot be sent as a header"
        );
        if let (FaultKind::Refuse { headers, .. }, Some((name, value))) = (&mut self.kind, parsed) {
            headers.append(name, value);
        }
        self
    }

    fn matches(&self, method: &Method, path: &str) -> bool {
        let mut segments = path.rsplit('/');
        let ends = self.path == "*"
            || self.path.rsplit('/').all(|wanted| {
                segments
                    .next()
                    .is_some_and(|given| wanted == given || (wanted == "*" && !given.is_empty()))
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
    /// Compresses all responses of the hub with gzip, even if the client does not accept that.
    pub compresses: bool,
    /// Answers `504` if the hub is silent for so long, or cuts a response that has begun.
    pub timeout: Option<Duration>,
    /// The answer while the hub is away; `502` by default. See
    /// [`answering_for_hub`](Self::answering_for_hub).
    pub unreachable_response: Option<(u16, String)>,
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

    /// Answers with this status and text while the hub is away. Routers that know no backend then
    /// answer `404`.
    ///
    /// # Panics
    /// If the status is not one from 200 to 999.
    #[must_use]
    #[track_caller]
    pub fn answer_if_unreachable(mut self, status: u16, body: impl Into<String>) -> Self {
        self.unreachable_response = Some((final_status(status).as_u16(), body.into()));
        self
    }
}

/// Nobody listens at the address of the hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionRefused;

/// Names an exchange on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(u64);

/// A hub and the way to it, with the interface of a [`Model`].
#[derive(Debug)]
pub struct Network {
    hub: Model,
    faults: Vec<Fault>,
    proxy: Option<Proxy>,
    unreachable: bool,
    connections: BTreeMap<ConnectionId, ConnectionState>,
    next: u64,
    requests: Vec<String>,
}

#[derive(Debug)]
struct ConnectionState {
    /// None if the request does not reach the hub.
    exchange: Option<ExchangeId>,
    /// The request is a `HEAD`, so its response has no body.
    is_head: bool,
    /// What is ready for the client.
    ready: VecDeque<Piece>,
    not_before: Duration,
    cut_after: Option<u64>,
    loses_response: bool,
    silent: bool,
    proxied: Option<ProxyState>,
}

/// What a proxy does to a response.
#[derive(Debug)]
struct ProxyState {
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
            unreachable: false,
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

    /// The faults that are still to happen. One that always happens stays.
    #[must_use]
    pub fn pending_faults(&self) -> Vec<Fault> {
        let left = self.faults.iter().filter(|fault| fault.left > 0);
        left.cloned().collect()
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
    pub fn set_unreachable(&mut self, away: bool) {
        self.unreachable = away;
        if away {
            for connection in self.connections.values_mut() {
                if let Some(exchange) = connection.exchange.take() {
                    self.hub.disconnect(exchange);
                    // A proxy answers for it if the response has not begun.
                    connection.pass_on(Piece::Cut, self.hub.now());
                }
            }
            self.hub.set_changed();
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
        let before = self.hub.now();
        self.hub.advance(now);
        if self.own_times().any(|time| before < time && time <= now) {
            self.hub.set_changed();
        }
    }

    /// The next time at which something happens without a request.
    #[must_use]
    pub fn next_due(&self) -> Option<Duration> {
        let now = self.hub.now();
        let own = self.own_times().filter(|time| *time > now);
        self.hub.next_due().into_iter().chain(own).min()
    }

    /// The times at which delays and timeouts of the proxy are over, also those that have passed.
    fn own_times(&self) -> impl Iterator<Item = Duration> {
        let delays = self.connections.values();
        let delays = delays.map(|connection| connection.not_before);
        let timeouts = self.connections.values();
        delays.chain(timeouts.filter_map(|connection| connection.proxied.as_ref()?.ends()))
    }

    /// Takes the head of a request, see [`Model::request`].
    ///
    /// # Errors
    /// The hub is away, and there is no proxy in front of it.
    pub fn request(&mut self, request: &Request<()>) -> Result<ConnectionId, ConnectionRefused> {
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
        let mut connection = ConnectionState {
            exchange: None,
            is_head: *method == Method::HEAD,
            ready: VecDeque::new(),
            not_before: now,
            cut_after: None,
            loses_response: false,
            silent: false,
            proxied: self
                .proxy
                .as_ref()
                .map(|proxy| ProxyState::of(proxy, method, now)),
        };
        let mut reaches = true;
        match kind {
            None => {}
            Some(FaultKind::Refuse {
                status,
                body,
                headers,
            }) => {
                connection.ready = answer(status, &body, headers);
                reaches = false;
            }
            Some(FaultKind::LoseRequest) => {
                connection.ready.push_back(Piece::Cut);
                reaches = false;
            }
            Some(FaultKind::Delay(by)) => connection.not_before = now.saturating_add(by),
            Some(FaultKind::CutAfter(bytes)) => connection.cut_after = Some(bytes),
            Some(FaultKind::LoseResponse) => connection.loses_response = true,
            Some(FaultKind::Silence) => connection.silent = true,
        }
        if self.unreachable && reaches {
            let Some(proxy) = &self.proxy else {
                return Err(ConnectionRefused);
            };
            connection.ready = match &proxy.unreachable_response {
                Some((status, body)) => {
                    let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::BAD_GATEWAY);
                    answer(status, body, HeaderMap::new())
                }
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
    pub fn disconnect(&mut self, id: ConnectionId) {
        let exchange = self
            .connections
            .remove(&id)
            .and_then(|connection| connection.exchange);
        exchange
            .into_iter()
            .for_each(|exchange| self.hub.disconnect(exchange));
        // Those who wait for it may wait no longer, also if the request did not reach the hub.
        self.hub.set_changed();
    }

    /// Takes what comes next of the response, see [`Model::poll`].
    pub fn poll(&mut self, id: ConnectionId) -> Piece {
        let now = self.hub.now();
        let Some(connection) = self.connections.get_mut(&id) else {
            return Piece::Cut;
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
                        self.hub.disconnect(exchange);
                    }
                    break;
                }
                piece => connection.pass_on(piece, now),
            }
        }
        let piece = connection.take();
        if matches!(piece, Piece::End | Piece::Cut) {
            self.disconnect(id);
        }
        piece
    }
}

impl ConnectionState {
    /// Takes a piece of the hub's response in.
    fn pass_on(&mut self, piece: Piece, now: Duration) {
        let Some(proxied) = &mut self.proxied else {
            return self.ready.push_back(piece);
        };
        proxied.last = now;
        match piece {
            Piece::Head(head) => {
                let length = head.headers.get(header::CONTENT_LENGTH);
                if is_bodiless(head.status) || length.is_some_and(|length| length == "0") {
                    proxied.gzip = None;
                }
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
        let over = proxied.ends().is_some_and(|end| end <= now);
        match (over, proxied.began) {
            (false, _) => {}
            (true, true) => self.ready.push_back(Piece::Cut),
            (true, false) => {
                let page = "<html><h1>504 Gateway Time-out</h1></html>";
                let status = StatusCode::GATEWAY_TIMEOUT;
                self.ready.extend(answer(status, page, HeaderMap::new()));
            }
        }
        over
    }

    /// The next piece for the client, unless the response is to be cut there.
    fn take(&mut self) -> Piece {
        if self.is_head {
            self.ready.retain(|piece| !matches!(piece, Piece::Body(_)));
        }
        let Some(piece) = self.ready.pop_front() else {
            return Piece::Pending;
        };
        if self.loses_response && piece != Piece::Continue {
            return Piece::Cut;
        }
        match (piece, &mut self.cut_after) {
            (Piece::Body(_), Some(0)) => Piece::Cut,
            (Piece::Head(head), Some(0)) => {
                self.ready = [Piece::Cut].into();
                Piece::Head(head)
            }
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

impl ProxyState {
    fn of(proxy: &Proxy, method: &Method, now: Duration) -> Self {
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

    /// The time at which the proxy gives up, if the hub is silent until then.
    fn ends(&self) -> Option<Duration> {
        Some(self.last.saturating_add(self.timeout?))
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

fn compressed(mut head: ResponseHead) -> ResponseHead {
    head.headers.remove(header::CONTENT_LENGTH);
    head.headers
        .insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    head
}

fn bad_gateway() -> VecDeque<Piece> {
    answer(
        StatusCode::BAD_GATEWAY,
        "<html><h1>502 Bad Gateway</h1></html>",
        HeaderMap::new(),
    )
}

fn answer(status: StatusCode, body: &str, mut headers: HeaderMap) -> VecDeque<Piece> {
    let reason = status.canonical_reason().unwrap_or_default().to_owned();
    let mut pieces = VecDeque::new();
    if !is_bodiless(status) {
        headers.insert(header::CONTENT_LENGTH, body.len().into());
        pieces.push_back(Piece::Body(body.as_bytes().to_vec()));
    }
    pieces.push_front(Piece::Head(ResponseHead {
        status,
        reason,
        headers,
    }));
    pieces.push_back(Piece::End);
    pieces
}
