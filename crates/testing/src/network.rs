//! A network between clients and a [`Model`]: faults on demand, and a proxy. No IO, no clock.

mod connection;
mod fault;
mod proxy;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use http::{HeaderMap, Method, Request, StatusCode, header};

use self::connection::ConnectionState;
use self::fault::FaultKind;
use self::proxy::ProxyState;
use crate::http1::is_bodiless;
use crate::model::{ExchangeId, Model, Piece, ResponseHead};

pub use self::fault::Fault;
pub use self::proxy::Proxy;

/// The error of a request to an unreachable hub: the connection is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionRefused;

/// The id of a request in a [`Network`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(u64);

/// A hub behind a network. It has the same methods for requests as [`Model`].
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

impl Network {
    /// Returns a network without faults and without a proxy.
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

    /// Returns the hub.
    pub fn hub(&mut self) -> &mut Model {
        &mut self.hub
    }

    /// Adds a fault. If several faults match a request, the one that was added first applies.
    pub fn add_fault(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    /// Returns the faults that can still apply to a request. These include each fault with
    /// [`always`](Fault::always).
    #[must_use]
    pub fn pending_faults(&self) -> Vec<Fault> {
        let left = self.faults.iter().filter(|fault| fault.left > 0);
        left.cloned().collect()
    }

    /// Removes all faults.
    pub fn clear_faults(&mut self) {
        self.faults.clear();
    }

    /// Puts a proxy in front of the hub, or removes it.
    pub fn set_proxy(&mut self, proxy: Option<Proxy>) {
        self.proxy = proxy;
    }

    /// Makes the hub unreachable, or reachable again. An unreachable hub loses all connections and
    /// refuses new ones, and keeps its state.
    pub fn set_unreachable(&mut self, unreachable: bool) {
        self.unreachable = unreachable;
        if unreachable {
            for connection in self.connections.values_mut() {
                if let Some(exchange) = connection.exchange.take() {
                    self.hub.disconnect(exchange);
                    // If the response has not begun, a proxy responds.
                    connection.pass_on(Piece::Cut, self.hub.now());
                }
            }
            self.hub.set_changed();
        }
    }

    /// Restarts the hub: see [`Model::restart`].
    pub fn restart(&mut self, keep_sequences: bool) {
        self.hub.restart(keep_sequences);
    }

    /// Returns the time since the start of the hub.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.hub.now()
    }

    /// Advances the time: see [`Model::advance`].
    pub fn advance(&mut self, now: Duration) {
        let before = self.hub.now();
        self.hub.advance(now);
        if self.own_times().any(|time| before < time && time <= now) {
            self.hub.set_changed();
        }
    }

    /// Returns the next time at which something happens without a request.
    #[must_use]
    pub fn next_due(&self) -> Option<Duration> {
        let now = self.hub.now();
        let own = self.own_times().filter(|time| *time > now);
        self.hub.next_due().into_iter().chain(own).min()
    }

    /// Returns the times at which delays and proxy timeouts end, including past ones.
    fn own_times(&self) -> impl Iterator<Item = Duration> {
        let delays = self.connections.values();
        let delays = delays.map(|connection| connection.not_before);
        let timeouts = self.connections.values();
        delays.chain(timeouts.filter_map(|connection| connection.proxy.as_ref()?.timeout_end()))
    }

    /// Receives the head of a request: see [`Model::request`].
    ///
    /// # Errors
    /// If the hub is unreachable and has no proxy in front of it.
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
            proxy: self
                .proxy
                .as_ref()
                .map(|proxy| ProxyState::new(proxy, method, now)),
        };
        let mut reaches_hub = true;
        match kind {
            None => {}
            Some(FaultKind::Refuse {
                status,
                body,
                headers,
            }) => {
                connection.ready = whole_response(status, &body, headers);
                reaches_hub = false;
            }
            Some(FaultKind::LoseRequest) => {
                connection.ready.push_back(Piece::Cut);
                reaches_hub = false;
            }
            Some(FaultKind::Delay(by)) => connection.not_before = now.saturating_add(by),
            Some(FaultKind::CutAfter(bytes)) => connection.cut_after = Some(bytes),
            Some(FaultKind::LoseResponse) => connection.loses_response = true,
            Some(FaultKind::Silence) => connection.silent = true,
        }
        if self.unreachable && reaches_hub {
            let Some(proxy) = &self.proxy else {
                return Err(ConnectionRefused);
            };
            connection.ready = match &proxy.unreachable_response {
                Some((status, body)) => {
                    let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::BAD_GATEWAY);
                    whole_response(status, body, HeaderMap::new())
                }
                None => bad_gateway(),
            };
            reaches_hub = false;
        }
        if reaches_hub {
            connection.exchange = Some(self.hub.request(request));
        }
        self.next += 1;
        let id = ConnectionId(self.next);
        self.connections.insert(id, connection);
        Ok(id)
    }

    /// Returns the method and the path of each request so far, including those that did not reach
    /// the hub.
    #[must_use]
    pub fn requests(&self) -> &[String] {
        &self.requests
    }

    /// Returns the exchange with the hub; `None` if the request does not reach the hub.
    fn exchange(&self, id: ConnectionId) -> Option<ExchangeId> {
        self.connections.get(&id)?.exchange
    }

    /// Receives bytes of a request body: see [`Model::upload`].
    pub fn upload(&mut self, id: ConnectionId, bytes: &[u8]) -> usize {
        self.exchange(id)
            .map_or(bytes.len(), |exchange| self.hub.upload(exchange, bytes))
    }

    /// Ends a request body: see [`Model::end_upload`].
    pub fn end_upload(&mut self, id: ConnectionId) {
        if let Some(exchange) = self.exchange(id) {
            self.hub.end_upload(exchange);
        }
    }

    /// Closes the client's connection: see [`Model::disconnect`].
    pub fn disconnect(&mut self, id: ConnectionId) {
        let exchange = self.exchange(id);
        self.connections.remove(&id);
        if let Some(exchange) = exchange {
            self.hub.disconnect(exchange);
        }
        // Drivers must notice, even if the request did not reach the hub.
        self.hub.set_changed();
    }

    /// Takes the next part of a response: see [`Model::poll`].
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

fn bad_gateway() -> VecDeque<Piece> {
    whole_response(
        StatusCode::BAD_GATEWAY,
        "<html><h1>502 Bad Gateway</h1></html>",
        HeaderMap::new(),
    )
}

/// Returns the parts of a response with this body.
fn whole_response(status: StatusCode, body: &str, mut headers: HeaderMap) -> VecDeque<Piece> {
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

/// Checks the status of a response that is not interim.
#[track_caller]
fn final_status(status: u16) -> StatusCode {
    let known = StatusCode::from_u16(status).ok();
    let known = known.filter(|status| !status.is_informational());
    assert!(
        known.is_some(),
        "{status} is not the status of a final response; choose one between 200 and 999"
    );
    known.unwrap_or_default()
}
