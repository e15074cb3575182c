//! A driver of flows over a model hub, whose network fails by chance.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Duration;

use http::{HeaderMap, Request, StatusCode};
use scramjet_client_core::flow::{Command, ExchangeId, Flow, Input, Progress};
use scramjet_client_core::http;
use scramjet_client_testing::model::{ExchangeId as HubExchange, Model, Piece, ResponseHead};

use crate::world::Chance;

/// After so long without a word, the keep-alive of TCP takes a connection for dead.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// One way through a network without faults takes less than so many milliseconds.
pub(crate) const LATENCY: u64 = 12;

/// A longer latency makes an answer come after half a second or more.
const SLOW: Duration = Duration::from_millis(240);

/// How often something goes wrong, in a thousand requests.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Faults {
    pub(crate) per_mille: u64,
    /// Afterwards, nothing goes wrong any more.
    pub(crate) until: Duration,
}

impl Faults {
    pub(crate) const NONE: Self = Self {
        per_mille: 0,
        until: Duration::ZERO,
    };
}

/// What goes wrong with an exchange.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    /// Nobody listens.
    Refused,
    /// The connection is lost before the hub has the request.
    RequestLost,
    /// The hub has the request, and the connection is lost before its answer.
    ResponseLost,
    /// The response breaks off after so many bytes of its body.
    Cut(usize),
    /// The hub has the request, and nothing is heard any more.
    Silent,
    /// Neither is anything heard, nor does the hub have the request.
    DeadLink,
    /// A gateway answers for the hub, which does not have the request.
    Gateway(u16),
    /// A gateway that has passed the request on, and answers before the hub does.
    GatewayBehind(u16),
}

/// An exchange of a flow.
struct Exchange {
    request: Request<Vec<u8>>,
    fault: Option<Fault>,
    /// When the hub has the request.
    arrives: Duration,
    /// One way through the network.
    latency: Duration,
    limit: Option<Duration>,
    hub: Option<HubExchange>,
    reached: bool,
    answered: bool,
    received: usize,
    /// What is on its way to the flow.
    coming: Vec<(Duration, Coming)>,
}

enum Coming {
    Piece(Piece),
    Failed,
}

/// A flow that is driven.
pub(crate) struct Driven<F: Flow> {
    pub(crate) flow: F,
    began: Duration,
    exchanges: BTreeMap<ExchangeId, Exchange>,
    faults: Faults,
    wakes: Option<Duration>,
    pub(crate) sent: Vec<Sent>,
    /// How many times in a row a gateway has said `404` to each request.
    not_found: BTreeMap<String, u32>,
    pub(crate) given_up: bool,
}

/// A request that a flow has sent.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) line: String,
    /// The hub has it, or had it.
    pub(crate) reached: bool,
    /// Nothing is heard of it for half a second or more.
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
            wakes: None,
            sent,
            not_found: BTreeMap::new(),
            given_up: false,
        }
    }

    fn now(&self, hub: &Model) -> Duration {
        hub.now() - self.began
    }

    /// Polls the flow until it waits; its result, if it has come to one.
    pub(crate) fn poll(&mut self, hub: &mut Model, chance: &mut Chance) -> Option<F::Output> {
        for _ in 0..10_000 {
            let now = self.now(hub);
            match self.flow.poll(now) {
                Command::Send(send) => {
                    let line = line(&send.request);
                    chance.tell(hub, &format!("-> {line}"));
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
                        "{until:?} is over at {now:?}"
                    );
                    self.wakes = until.map(|until| self.began.saturating_add(until));
                    let idle = self.exchanges.is_empty() && self.wakes.is_none();
                    assert!(!idle, "the flow waits for nothing: {:?}", self.sent);
                    return None;
                }
                Command::Done(output) => {
                    chance.tell(hub, &format!("== {output:?}"));
                    return Some(output);
                }
            }
        }
        panic!("the flow does not come to rest: {:?}", self.sent);
    }

    pub(crate) fn give_up(&mut self, hub: &Model) {
        if !self.given_up {
            self.given_up = true;
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
            _ => Fault::GatewayBehind([502, 504][chance.index(2)]),
        });
        let not_found = self.not_found.entry(line(&request)).or_default();
        let fault = match fault {
            // Nobody could tell a fourth one from the hub's own.
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
        let fails = |at| Vec::from([(at, Coming::Failed)]);
        let coming = match fault {
            Some(Fault::Refused) => fails(now + latency),
            Some(Fault::RequestLost) => fails(now + latency * 2),
            Some(Fault::Silent | Fault::DeadLink) => fails(now + KEEP_ALIVE),
            Some(Fault::Gateway(status)) => {
                let page = gateway(status, chance.index(3));
                page.into_iter()
                    .map(|piece| (now + latency, Coming::Piece(piece)))
                    .collect()
            }
            _ => Vec::new(),
        };
        let exchange = Exchange {
            request,
            fault,
            arrives: now + latency,
            latency,
            limit: limit.map(|limit| now + limit),
            hub: None,
            reached: false,
            answered: false,
            received: 0,
            coming,
        };
        let silent = matches!(fault, Some(Fault::Silent | Fault::DeadLink));
        let last = self.sent.last_mut().into_iter();
        last.for_each(|sent| sent.silent = silent || latency > SLOW);
        if let Some(fault) = fault {
            chance.tell(hub, &format!("   ({fault:?})"));
        }
        self.exchanges.insert(id, exchange);
    }

    /// The next time at which something happens.
    pub(crate) fn next_due(&self) -> Option<Duration> {
        let exchanges = self.exchanges.values().flat_map(|exchange| {
            let arrives = exchange.reaches_hub().then_some(exchange.arrives);
            let coming = exchange.coming.iter().map(|(at, _)| *at);
            coming.chain(arrives).chain(exchange.limit)
        });
        exchanges.chain(self.wakes).min()
    }

    /// Lets happen what is due, and hands it to the flow. True if something was.
    pub(crate) fn step(&mut self, hub: &mut Model, chance: &mut Chance) -> bool {
        let mut happened = self.wakes.is_some_and(|wakes| wakes <= hub.now());
        for id in self.exchanges.keys().copied().collect::<Vec<_>>() {
            let Some(exchange) = self.exchanges.get_mut(&id) else {
                continue;
            };
            exchange.exchange_with(hub, chance);
            if exchange.reached {
                let line = exchange.line();
                let sent = self.sent.iter_mut().rfind(|sent| sent.line == line);
                sent.into_iter().for_each(|sent| sent.reached = true);
            }
            while let Some(coming) = self.take(hub.now(), id) {
                happened = true;
                self.deliver(hub, chance, id, coming);
            }
        }
        happened
    }

    fn take(&mut self, now: Duration, id: ExchangeId) -> Option<Coming> {
        let exchange = self.exchanges.get_mut(&id)?;
        if exchange.coming.first().is_some_and(|(at, _)| *at <= now) {
            return Some(exchange.coming.remove(0).1);
        }
        exchange
            .limit
            .is_some_and(|limit| limit <= now)
            .then_some(Coming::Failed)
    }

    fn deliver(&mut self, hub: &mut Model, chance: &mut Chance, id: ExchangeId, coming: Coming) {
        let now = self.now(hub);
        let Some(exchange) = self.exchanges.get_mut(&id) else {
            return;
        };
        let progress = match exchange.fault {
            _ if exchange.answered => Progress::Answered,
            Some(Fault::Refused) => Progress::NothingSent,
            _ => Progress::MayBeReceived,
        };
        match coming {
            Coming::Piece(Piece::Head(head)) => {
                exchange.answered = true;
                let ResponseHead {
                    status,
                    reason,
                    headers,
                } = head;
                chance.tell(hub, &format!("<- {status} {}", exchange.line()));
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
            Coming::Piece(Piece::Body(bytes)) => {
                self.flow.handle(now, Input::Body { id, bytes: &bytes });
            }
            Coming::Piece(Piece::End) => {
                self.flow.handle(now, Input::End { id });
                // A second word of the end means nothing.
                self.flow.handle(now, Input::End { id });
                self.exchanges.remove(&id);
            }
            Coming::Piece(Piece::Pending | Piece::Continue) => {}
            Coming::Piece(Piece::Cut) | Coming::Failed => {
                chance.tell(hub, &format!("<- {progress:?} {}", exchange.line()));
                if let Some(exchange) = self.exchanges.remove(&id) {
                    exchange.hub.into_iter().for_each(|id| hub.disconnect(id));
                }
                self.flow.handle(
                    now,
                    Input::Failed {
                        id,
                        progress,
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

    /// Sends the request to the hub when its time has come, and takes what the hub answers.
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
                    self.coming.push((now + after, Coming::Failed));
                }
                Some(Fault::GatewayBehind(status)) => {
                    let after = now + Duration::from_millis(chance.of(400));
                    let page = gateway(status, chance.index(3)).into_iter();
                    self.coming
                        .extend(page.map(|piece| (after, Coming::Piece(piece))));
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
                            self.coming.push((at, Coming::Piece(Piece::Body(bytes))));
                            self.coming.push((at, Coming::Failed));
                            self.hub = None;
                            hub.disconnect(id);
                            return;
                        }
                    }
                    self.received += bytes.len();
                    // However the network cuts them.
                    let cut = bytes.len().min(1 + chance.index(64));
                    let rest = bytes.split_off(cut);
                    self.coming.push((at, Coming::Piece(Piece::Body(bytes))));
                    if !rest.is_empty() {
                        self.coming.push((at, Coming::Piece(Piece::Body(rest))));
                    }
                }
                piece => {
                    let over = matches!(piece, Piece::End | Piece::Cut);
                    self.coming.push((at, Coming::Piece(piece)));
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

/// The answer of a gateway that does not reach the hub.
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
