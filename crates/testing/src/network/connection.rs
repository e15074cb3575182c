use std::collections::VecDeque;
use std::time::Duration;

use http::{HeaderMap, StatusCode, header};

use super::proxy::{ProxyState, compressed};
use super::{bad_gateway, whole_response};
use crate::http1::is_bodiless;
use crate::model::{ExchangeId, Piece};

/// The state of a request and its response between the client and the hub.
#[derive(Debug)]
pub(super) struct ConnectionState {
    /// `None` if the request does not reach the hub.
    pub(super) exchange: Option<ExchangeId>,
    /// `true` if the request is a `HEAD`, so its response has no body.
    pub(super) is_head: bool,
    /// The parts of the response that the client can read.
    pub(super) ready: VecDeque<Piece>,
    /// The end of a delay.
    pub(super) not_before: Duration,
    /// The number of bytes of the body until the connection is closed.
    pub(super) cut_after: Option<u64>,
    pub(super) loses_response: bool,
    pub(super) silent: bool,
    pub(super) proxy: Option<ProxyState>,
}

impl ConnectionState {
    /// Receives a part of the hub's response.
    pub(super) fn pass_on(&mut self, piece: Piece, now: Duration) {
        let Some(proxy) = &mut self.proxy else {
            return self.ready.push_back(piece);
        };
        proxy.last = now;
        match piece {
            Piece::Head(head) => {
                let length = head.headers.get(header::CONTENT_LENGTH);
                if is_bodiless(head.status) || length.is_some_and(|length| length == "0") {
                    proxy.gzip = None;
                }
                let head = Piece::Head(if proxy.gzip.is_some() {
                    compressed(head)
                } else {
                    head
                });
                proxy.held_head = Some(head);
                if !proxy.buffers_heads {
                    self.ready.extend(proxy.take_head());
                }
            }
            Piece::Body(bytes) => {
                self.ready.extend(proxy.take_head());
                self.ready.push_back(Piece::Body(proxy.compress(bytes)));
            }
            Piece::End => {
                self.ready.extend(proxy.take_head());
                let rest = proxy.gzip.take().and_then(|gzip| gzip.finish().ok());
                self.ready
                    .extend(rest.filter(|rest| !rest.is_empty()).map(Piece::Body));
                self.ready.push_back(Piece::End);
            }
            Piece::Cut if !proxy.began => self.ready.extend(bad_gateway()),
            piece => self.ready.push_back(piece),
        }
    }

    /// Returns `true` if the timeout of the proxy has expired. In that case, ends the response.
    pub(super) fn times_out(&mut self, now: Duration) -> bool {
        let Some(proxy) = &self.proxy else {
            return false;
        };
        let over = proxy.timeout_end().is_some_and(|end| end <= now);
        match (over, proxy.began) {
            (false, _) => {}
            (true, true) => self.ready.push_back(Piece::Cut),
            (true, false) => {
                let page = "<html><h1>504 Gateway Time-out</h1></html>";
                let status = StatusCode::GATEWAY_TIMEOUT;
                self.ready
                    .extend(whole_response(status, page, HeaderMap::new()));
            }
        }
        over
    }

    /// Takes the next part for the client. Applies the faults that cut the response off.
    pub(super) fn take(&mut self) -> Piece {
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
