//! The way to a fake hub without a network.

use std::io::{self, Read};
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{Request, Response};
use scramjet_client_blocking::Transport;
use scramjet_client_blocking::transport::{
    CallLimits, OnCancel, Phase, ReasonPhrase, RequestBody, StopReason, TransportError,
};

use super::{FakeHub, Shared, State};
use crate::model::{Head, Piece};
use crate::network::ConnectionId;

pub(super) struct InProcess {
    pub(super) hub: FakeHub,
}

/// An exchange on its way. Dropping it closes the connection.
struct Exchange {
    /// Keeps the hub alive.
    hub: FakeHub,
    id: ConnectionId,
    limits: CallLimits,
    /// Wakes those who wait if the call is canceled.
    _hook: Option<OnCancel>,
}

impl Transport for InProcess {
    fn send(
        &self,
        request: Request<RequestBody<'_>>,
    ) -> Result<Response<Box<dyn Read + Send>>, TransportError> {
        let (head, body) = request.into_parts();
        let limits = head
            .extensions
            .get::<CallLimits>()
            .cloned()
            .unwrap_or_default();
        limits
            .check()
            .map_err(|stopped| TransportError::new(Phase::Connect, stopped))?;

        let head = Request::from_parts(head, ());
        let shared = &self.hub.inner.shared;
        let id = shared
            .with(|state| state.network.request(&head))
            .map_err(|_| {
                let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
                TransportError::new(Phase::Connect, refused)
            })?;
        let waker = Arc::downgrade(shared);
        let wake = move || {
            if let Some(shared) = waker.upgrade() {
                // With the lock, so that it does not fall between a look and the wait.
                drop(shared.lock());
                shared.changed.notify_all();
            }
        };
        let hook = limits.cancel.as_ref().map(|token| token.on_cancel(wake));
        let exchange = Exchange {
            hub: self.hub.clone(),
            id,
            limits,
            _hook: hook,
        };
        let early = exchange
            .upload(body)
            .map_err(|error| TransportError::new(Phase::Send, error))?;
        let head = match early {
            Some(head) => head,
            None => exchange
                .head()
                .map_err(|error| TransportError::new(Phase::Wait, error))?,
        };

        let body = Body {
            exchange,
            left: io::Cursor::default(),
            over: false,
        };
        let body: Box<dyn Read + Send> = Box::new(body);
        let mut response = Response::new(body);
        response.extensions_mut().insert(ReasonPhrase(head.reason));
        *response.status_mut() = head.status;
        *response.headers_mut() = head.headers;
        Ok(response)
    }
}

impl Exchange {
    fn shared(&self) -> &Arc<Shared> {
        &self.hub.inner.shared
    }

    /// Waits until there is something, within the limits.
    fn wait<T>(&self, look: impl FnMut(&mut State) -> Option<T>) -> Result<T, StopReason> {
        let quiet_since = Instant::now();
        self.shared().wait_for(look, || {
            self.limits.check()?;
            match self.limits.end_of_wait(quiet_since) {
                None => Ok(None),
                Some((end, stopped)) => match end.saturating_duration_since(Instant::now()) {
                    Duration::ZERO => Err(stopped),
                    left => Ok(Some(left)),
                },
            }
        })
    }

    /// Sends the body. Ends early, with the head of the response, if the hub refuses it.
    fn upload(&self, body: RequestBody<'_>) -> io::Result<Option<Head>> {
        let mut pending = None;
        match body {
            RequestBody::Empty => {}
            RequestBody::Bytes(bytes) => {
                if self.upload_piece(bytes, &mut pending)? {
                    return Ok(pending);
                }
            }
            RequestBody::Reader { reader, length } => {
                let mut reader = reader.take(length.unwrap_or(u64::MAX));
                let mut buffer = vec![0; 64 << 10];
                loop {
                    self.limits.check()?;
                    let read = match reader.read(&mut buffer) {
                        Ok(read) => read,
                        Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                        Err(error) => return Err(error),
                    };
                    let piece = buffer.get(..read).unwrap_or_default();
                    if read == 0 {
                        break;
                    }
                    if self.upload_piece(piece, &mut pending)? {
                        return Ok(pending);
                    }
                }
            }
        }
        self.shared()
            .with(|state| state.network.end_upload(self.id));
        Ok(pending)
    }

    /// Sends a piece of the body; true if the hub has refused and wants no more of it.
    fn upload_piece(&self, mut piece: &[u8], head: &mut Option<Head>) -> io::Result<bool> {
        while !piece.is_empty() {
            let taken = self.wait(|state| {
                if head.is_none() {
                    match state.network.poll(self.id) {
                        Piece::Head(early) => *head = Some(early),
                        Piece::Cut => return Some(None),
                        _ => {}
                    }
                }
                if head.as_ref().is_some_and(|head| !head.status.is_success()) {
                    return Some(Some(0));
                }
                let taken = state.network.upload(self.id, piece);
                (taken > 0).then_some(Some(taken))
            })?;
            match taken {
                None => return Err(io::ErrorKind::BrokenPipe.into()),
                Some(0) => return Ok(true),
                Some(taken) => piece = piece.get(taken..).unwrap_or_default(),
            }
        }
        Ok(false)
    }

    fn head(&self) -> io::Result<Head> {
        let head = self.wait(|state| match state.network.poll(self.id) {
            Piece::Pending | Piece::Continue => None,
            Piece::Head(head) => Some(Some(head)),
            Piece::Body(_) | Piece::End | Piece::Cut => Some(None),
        })?;
        head.ok_or_else(|| io::ErrorKind::ConnectionReset.into())
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.shared().with(|state| state.network.abandon(self.id));
    }
}

/// The body of a response.
struct Body {
    exchange: Exchange,
    left: io::Cursor<Vec<u8>>,
    over: bool,
}

impl Read for Body {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.left.read(buf)?;
            if read > 0 || buf.is_empty() || self.over {
                return Ok(read);
            }
            let exchange = &self.exchange;
            let piece = exchange.wait(|state| match state.network.poll(exchange.id) {
                Piece::Pending => None,
                piece => Some(piece),
            })?;
            match piece {
                Piece::Body(bytes) => self.left = io::Cursor::new(bytes),
                Piece::End => self.over = true,
                Piece::Cut => return Err(io::ErrorKind::UnexpectedEof.into()),
                Piece::Pending | Piece::Continue | Piece::Head(_) => {}
            }
        }
    }
}
