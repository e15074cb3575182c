//! Sends requests to a fake hub without a network.

use std::io::{self, Read};
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{Request, Response};
use scramjet_client_blocking::Transport;
use scramjet_client_blocking::transport::{
    CallLimits, OnCancel, Phase, ReasonPhrase, RequestBody, StopReason, TransportError,
};

use super::FakeHub;
use super::shared::{Shared, State};
use crate::limits::limits_of;
use crate::model::{Piece, ResponseHead};
use crate::network::ConnectionId;

pub(super) struct InProcess {
    pub(super) hub: FakeHub,
}

/// The client's side of a request. Dropping it closes the connection.
struct ClientConnection {
    /// Keeps the hub alive.
    hub: FakeHub,
    id: ConnectionId,
    limits: CallLimits,
    /// Wakes the waiting thread if the call is canceled.
    _hook: Option<OnCancel>,
}

impl Transport for InProcess {
    fn send(
        &self,
        request: Request<RequestBody<'_>>,
    ) -> Result<Response<Box<dyn Read + Send>>, TransportError> {
        let (head, body) = request.into_parts();
        let limits = limits_of(&head)?;

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
                shared.wake_all();
            }
        };
        let hook = limits.cancel.as_ref().map(|token| token.on_cancel(wake));
        let connection = ClientConnection {
            hub: self.hub.clone(),
            id,
            limits,
            _hook: hook,
        };
        let early = connection
            .upload(body)
            .map_err(|error| TransportError::new(Phase::Send, error))?;
        let head = match early {
            Some(head) => head,
            None => connection
                .head()
                .map_err(|error| TransportError::new(Phase::Wait, error))?,
        };

        let body = ResponseBody {
            connection,
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

impl ClientConnection {
    fn shared(&self) -> &Arc<Shared> {
        &self.hub.inner.shared
    }

    /// Waits until `check` returns a value, within the limits of the call.
    fn wait<T>(&self, check: impl FnMut(&mut State) -> Option<T>) -> Result<T, StopReason> {
        let quiet_since = Instant::now();
        self.shared().wait_for(check, || {
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

    /// Sends the body. Returns the head of the response if it arrives before the end of the body.
    /// An error response ends the upload.
    fn upload(&self, body: RequestBody<'_>) -> io::Result<Option<ResponseHead>> {
        let mut pending = None;
        match body {
            RequestBody::Empty => {}
            RequestBody::Bytes(bytes) => {
                if self.upload_chunk(bytes, &mut pending)? {
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
                    if self.upload_chunk(piece, &mut pending)? {
                        return Ok(pending);
                    }
                }
            }
        }
        self.shared()
            .with(|state| state.network.end_upload(self.id));
        Ok(pending)
    }

    /// Sends a chunk of the body. Returns `true` if the hub has refused the request.
    fn upload_chunk(&self, mut piece: &[u8], head: &mut Option<ResponseHead>) -> io::Result<bool> {
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

    fn head(&self) -> io::Result<ResponseHead> {
        let head = self.wait(|state| match state.network.poll(self.id) {
            Piece::Pending | Piece::Continue => None,
            Piece::Head(head) => Some(Some(head)),
            Piece::Body(_) | Piece::End | Piece::Cut => Some(None),
        })?;
        head.ok_or_else(|| io::ErrorKind::ConnectionReset.into())
    }
}

impl Drop for ClientConnection {
    fn drop(&mut self) {
        self.shared()
            .with(|state| state.network.disconnect(self.id));
    }
}

/// The body of a response.
struct ResponseBody {
    connection: ClientConnection,
    left: io::Cursor<Vec<u8>>,
    over: bool,
}

impl Read for ResponseBody {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.left.read(buf)?;
            if read > 0 || buf.is_empty() || self.over {
                return Ok(read);
            }
            let connection = &self.connection;
            let piece = connection.wait(|state| match state.network.poll(connection.id) {
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
