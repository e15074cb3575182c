//! A driver that runs flows against the model of a hub, over a network with random faults.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Duration;

use http::{HeaderMap, Request, StatusCode};
use scramjet_client_core::flow::{Command, Delivery, ExchangeId, Flow, Input};
use scramjet_client_core::http;
use scramjet_client_testing::model::{ExchangeId as HubExchange, Model, Piece, ResponseHead};

use crate::world::Chance;

/// Time without data after which TCP keep-alive closes a connection.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// Upper bound for the latency of a network without faults, in milliseconds and one way.
pub(crate) const LATENCY: u64 = 12;

/// Latency above which a response takes half a second or more.
const SLOW: Duration = Duration::from_millis(240);

/// The frequency of faults.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Faults {
    /// The number of faults in a thousand requests.
    pub(crate) per_mille: u64,
    /// There are no faults after this time.
    pub(crate) until: Duration,
}

impl Faults {
    pub(crate) const NONE: Self = Self {
        per_mille: 0,
        until: Duration::ZERO,
    };
}

/// A fault of one exchange.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    /// The connection is refused.
    Refused,
    /// The connection is lost before the hub receives the request.
    RequestLost,
    /// The connection is lost after the hub has received the request, before the response.
    ResponseLost,
    /// The connection is lost after this number of bytes of the response's body.
    Cut(usize),
    /// The hub receives the request, but the response never arrives.
    Silent,
    /// Neither the request nor the response arrives.
    DeadLink,
    /// A gateway answers with this status and does not forward the request.
    Gateway(u16),
    /// A gateway forwards the request, and answers with this status before the hub does.
    GatewayTimeout(u16),
}

/// An exchange of a flow.
struct Exchange {
    request: Request<Vec<u8>>,
    /// The position in [`Driven::sent`].
    index: usize,
    fault: Option<Fault>,
    /// The time at which the hub receives the request.
    arrives: Duration,
    /// The latency in one direction.
    latency: Duration,
    limit: Option<Duration>,
    hub: Option<HubExchange>,
    reached: bool,
    answered: bool,
    received: usize,
    /// The parts of the response that have not reached the flow yet.
    incoming: Vec<(Duration, Incoming)>,
}

enum Incoming {
    Piece(Piece),
    Failed,
}

/// A flow and the state of its driver.
pub(crate) struct Driven<F: Flow> {
    pub(crate) flow: F,
    began: Duration,
    exchanges: BTreeMap<ExchangeId, Exchange>,
    faults: Faults,
    wake_at: Option<Duration>,
    pub(crate) sent: Vec<Sent>,
    /// The number of consecutive `404`s from a gateway, by request.
    not_found: BTreeMap<String, u32>,
    pub(crate) cancelled: bool,
}

/// A request that a flow has sent.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) line: String,
    /// The hub has received it.
    pub(crate) reached: bool,
    /// The response takes half a second or more, or never arrives.
    pub(crate) silent: bool,
}

impl<F: Flow> Driven<F>
where
    F::Output: Debug,
{
    pub(crate) fn new(flow: F, hub: &Model, faults: Faults) -> Self {
        let (exchanges, sent) = (BTreeMap::new(), Vec::new());
        let began = hub.now();
        Self {
            flow,
            began,
            exchanges,
            faults,
            wake_at: None,
            sent,
            not_found: BTreeMap::new(),
            cancelled: false,
        }
    }

    fn now(&self, hub: &Model) -> Duration {
        hub.now() - self.began
    }

    /// Polls the flow until it waits. Returns its result if there is one.
    pub(crate) fn poll(&mut self, hub: &mut Model, chance: &mut Chance) -> Option<F::Output> {
        for _ in 0..10_000 {
            let now = self.now(hub);
            match self.flow.poll(now) {
                Command::Send(send) => {
                    let line = line(&send.request);
                    chance.trace(hub, format_args!("-> {line}"));
                    self.sent.push(Sent {
                        line,
                        reached: false,
                        silent: false,
                    });
                    self.send(hub, chance, send.id, send.request, send.timeout);
                }
                Command::Abort(id) => {
                    if let Some(exchange) = self.exchanges.remove(&id) {
                        exchange.hub.into_iter().for_each(|id| hub.disconnect(id));
                    }
                }
                Command::Wait { until } => {
                    assert!(
                        until.is_none_or(|until| until > now),
                        "{until:?} is in the past at {now:?}"
                    );
                    self.wake_at = until.map(|until| self.began.saturating_add(until));
                    let idle = self.exchanges.is_empty() && self.wake_at.is_none();
                    assert!(!idle, "the flow waits for nothing: {:?}", self.sent);
                    return None;
                }
                Command::Done(output) => {
                    chance.trace(hub, format_args!("== {output:?}"));
                    return Some(output);
                }
            }
        }
        panic!("the flow never waits: {:?}", self.sent);
    }

    pub(crate) fn cancel(&mut self, hub: &Model) {
        if !self.cancelled {
            self.cancelled = true;
            self.flow.cancel(self.now(hub));
        }
    }

    /// Closes all connections.
    pub(crate) fn close(&mut self, hub: &mut Model) {
        for (_, exchange) in std::mem::take(&mut self.exchanges) {
            exchange.hub.into_iter().for_each(|id| hub.disconnect(id));
        }
    }

    fn send(
        &mut self,
        hub: &Model,
        chance: &mut Chance,
        id: ExchangeId,
        request: Request<Vec<u8>>,
        limit: Option<Duration>,
    ) {
        let now = hub.now();
        let faulty = now < self.faults.until && chance.of(1000) < self.faults.per_mille;
        let fault = faulty.then(|| match chance.of(12) {
            0 | 1 => Fault::Refused,
            2 => Fault::RequestLost,
            3 | 4 => Fault::ResponseLost,
            5 => Fault::Cut(usize::try_from(chance.of(120)).unwrap()),
            6 => Fault::Silent,
            7 => Fault::DeadLink,
            8 | 9 => Fault::Gateway([502, 503, 504, 404, 404][chance.index(5)]),
            _ => Fault::GatewayTimeout([502, 504][chance.index(2)]),
        });
        let not_found = self.not_found.entry(line(&request)).or_default();
        let fault = match fault {
            // The flows treat a fourth one as sent by the hub.
            Some(Fault::Gateway(404)) if *not_found == 3 => Some(Fault::Gateway(502)),
            fault => fault,
        };
        *not_found = match fault {
            Some(Fault::Gateway(404)) => *not_found + 1,
            _ => 0,
        };
        let slow = self.faults.per_mille > 0 && chance.of(50) == 0;
        let latency = if slow {
            chance.millis(900)
        } else {
            chance.millis(LATENCY)
        };
        let fails = |at| Vec::from([(at, Incoming::Failed)]);
        let incoming = match fault {
            Some(Fault::Refused) => fails(now + latency),
            Some(Fault::RequestLost) => fails(now + latency * 2),
            Some(Fault::Silent | Fault::DeadLink) => fails(now + KEEP_ALIVE),
            Some(Fault::Gateway(status)) => {
                let page = gateway(status, chance.index(3));
                page.into_iter()
                    .map(|piece| (now + latency, Incoming::Piece(piece)))
                    .collect()
            }
            _ => Vec::new(),
        };
        let exchange = Exchange {
            request,
            index: self.sent.len() - 1,
            fault,
            arrives: now + latency,
            latency,
            limit: limit.map(|limit| now + limit),
            hub: None,
            reached: false,
            answered: false,
            received: 0,
            incoming,
        };
        let silent = matches!(fault, Some(Fault::Silent | Fault::DeadLink));
        let last = self.sent.last_mut().into_iter();
        last.for_each(|sent| sent.silent = silent || latency > SLOW);
        if let Some(fault) = fault {
            chance.trace(hub, format_args!("   ({fault:?})"));
        }
        self.exchanges.insert(id, exchange);
    }

    /// Returns the time of the next action.
    pub(crate) fn next_due(&self) -> Option<Duration> {
        let exchanges = self.exchanges.values().flat_map(|exchange| {
            let arrives = exchange.reaches_hub().then_some(exchange.arrives);
            let incoming = exchange.incoming.iter().map(|(at, _)| *at);
            incoming.chain(arrives).chain(exchange.limit)
        });
        exchanges.chain(self.wake_at).min()
    }

    /// Performs the actions that are due. Returns `true` if there were any.
    pub(crate) fn step(&mut self, hub: &mut Model, chance: &mut Chance) -> bool {
        let mut happened = self.wake_at.is_some_and(|wake_at| wake_at <= hub.now());
        for id in self.exchanges.keys().copied().collect::<Vec<_>>() {
            let Some(exchange) = self.exchanges.get_mut(&id) else {
                continue;
            };
            exchange.exchange_with(hub, chance);
            self.sent[exchange.index].reached = exchange.reached;
            while let Some(incoming) = self.take(hub.now(), id) {
                happened = true;
                self.deliver(hub, chance, id, incoming);
            }
        }
        happened
    }

    fn take(&mut self, now: Duration, id: ExchangeId) -> Option<Incoming> {
        let exchange = self.exchanges.get_mut(&id)?;
        if exchange.incoming.first().is_some_and(|(at, _)| *at <= now) {
            return Some(exchange.incoming.remove(0).1);
        }
        exchange
            .limit
            .is_some_and(|limit| limit <= now)
            .then_some(Incoming::Failed)
    }

    fn deliver(
        &mut self,
        hub: &mut Model,
        chance: &mut Chance,
        id: ExchangeId,
        incoming: Incoming,
    ) {
        let now = self.now(hub);
        let Some(exchange) = self.exchanges.get_mut(&id) else {
            return;
        };
        let delivery = match exchange.fault {
            _ if exchange.answered => Delivery::Answered,
            Some(Fault::Refused) => Delivery::NothingSent,
            _ => Delivery::MayBeReceived,
        };
        match incoming {
            Incoming::Piece(Piece::Head(head)) => {
                exchange.answered = true;
                let ResponseHead {
                    status,
                    reason,
                    headers,
                } = head;
                chance.trace(hub, format_args!("<- {status} {}", exchange.line()));
                let (reason, headers) = (reason.as_str(), &headers);
                self.flow.handle(
                    now,
                    Input::Head {
                        id,
                        status,
                        reason,
                        headers,
                    },
                );
            }
            Incoming::Piece(Piece::Body(bytes)) => {
                self.flow.handle(now, Input::Body { id, bytes: &bytes });
            }
            Incoming::Piece(Piece::End) => {
                self.flow.handle(now, Input::End { id });
                // The flow ignores a second end.
                self.flow.handle(now, Input::End { id });
                self.exchanges.remove(&id);
            }
            Incoming::Piece(Piece::Pending | Piece::Continue) => {}
            Incoming::Piece(Piece::Cut) | Incoming::Failed => {
                chance.trace(hub, format_args!("<- {delivery:?} {}", exchange.line()));
                if let Some(exchange) = self.exchanges.remove(&id) {
                    exchange.hub.into_iter().for_each(|id| hub.disconnect(id));
                }
                self.flow.handle(
                    now,
                    Input::Failed {
                        id,
                        delivery,
                        transient: true,
                    },
                );
            }
        }
    }
}

impl Exchange {
    fn line(&self) -> String {
        line(&self.request)
    }

    fn reaches_hub(&self) -> bool {
        let held = matches!(
            self.fault,
            Some(Fault::Refused | Fault::RequestLost | Fault::DeadLink | Fault::Gateway(_))
        );
        !held && !self.reached
    }

    /// Sends the request to the hub when it is due, and queues the response.
    fn exchange_with(&mut self, hub: &mut Model, chance: &mut Chance) {
        let now = hub.now();
        if self.reaches_hub() && self.arrives <= now {
            self.reached = true;
            let mut head = Request::new(());
            *head.method_mut() = self.request.method().clone();
            *head.uri_mut() = self.request.uri().clone();
            *head.headers_mut() = self.request.headers().clone();
            let id = hub.request(&head);
            hub.upload(id, self.request.body());
            hub.end_upload(id);
            self.hub = Some(id);
            match self.fault {
                Some(Fault::ResponseLost) => {
                    let after = Duration::from_millis(chance.of(400));
                    self.incoming.push((now + after, Incoming::Failed));
                }
                Some(Fault::GatewayTimeout(status)) => {
                    let after = now + Duration::from_millis(chance.of(400));
                    let page = gateway(status, chance.index(3)).into_iter();
                    self.incoming
                        .extend(page.map(|piece| (after, Incoming::Piece(piece))));
                }
                _ => {}
            }
        }
        let (Some(id), None | Some(Fault::Cut(_))) = (self.hub, self.fault) else {
            return;
        };
        loop {
            let piece = hub.poll(id);
            let at = now + self.latency;
            match piece {
                Piece::Pending => return,
                Piece::Body(mut bytes) => {
                    if let Some(Fault::Cut(limit)) = self.fault {
                        let left = limit.saturating_sub(self.received);
                        if left < bytes.len() {
                            bytes.truncate(left);
                            self.incoming
                                .push((at, Incoming::Piece(Piece::Body(bytes))));
                            self.incoming.push((at, Incoming::Failed));
                            self.hub = None;
                            hub.disconnect(id);
                            return;
                        }
                    }
                    self.received += bytes.len();
                    // The network may split the chunks.
                    let cut = bytes.len().min(1 + chance.index(64));
                    let rest = bytes.split_off(cut);
                    self.incoming
                        .push((at, Incoming::Piece(Piece::Body(bytes))));
                    if !rest.is_empty() {
                        self.incoming.push((at, Incoming::Piece(Piece::Body(rest))));
                    }
                }
                piece => {
                    let over = matches!(piece, Piece::End | Piece::Cut);
                    self.incoming.push((at, Incoming::Piece(piece)));
                    if over {
                        self.hub = None;
                        return;
                    }
                }
            }
        }
    }
}

fn line(request: &Request<Vec<u8>>) -> String {
    format!("{} {}", request.method(), request.uri().path())
}

/// Returns the response of a gateway that cannot reach the hub.
fn gateway(status: u16, shape: usize) -> Vec<Piece> {
    let body: &[u8] = [
        &b"404 page not found\n"[..],
        b"<html><h1>404</h1></html>",
        b"",
    ][shape];
    let status = StatusCode::from_u16(status).unwrap();
    let head = ResponseHead {
        status,
        reason: String::new(),
        headers: HeaderMap::new(),
    };
    let body = (!body.is_empty()).then(|| Piece::Body(body.to_vec()));
    [Piece::Head(head)]
        .into_iter()
        .chain(body)
        .chain([Piece::End])
        .collect()
}
