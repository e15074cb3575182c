//! Serves a fake hub on the loopback interface.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use http::{HeaderValue, header};

use super::parser::{self, ParsedHead, Rejection};
use super::shared::Shared;
use crate::http1::{self, is_bodiless};
use crate::model::{Piece, ResponseHead};
use crate::network::ConnectionId;
use crate::server::{Connection, Server};
use crate::sync::lock;

/// Time after which a hub closes an idle connection. Its `Keep-Alive` header announces 5 seconds.
const IDLE_TIMEOUT: Duration = Duration::from_secs(6);

/// Starts a server for the hub. It does not keep the hub alive.
pub(super) fn start(shared: &Arc<Shared>) -> io::Result<Server> {
    let shared = Arc::downgrade(shared);
    Server::start(move |connection| match shared.upgrade() {
        Some(shared) => serve(&shared, connection),
        None => Ok(()),
    })
}

/// A request whose response has not been written.
struct PendingResponse {
    id: ConnectionId,
    is_head: bool,
    is_last: bool,
    accepts_chunks: bool,
}

/// The state of a connection, shared by its reader and its writer.
struct ConnectionProgress(Mutex<ProgressState>);

struct ProgressState {
    /// The requests whose responses are not complete.
    open: Vec<ConnectionId>,
    /// The time at which the last response was complete.
    idle_since: Instant,
    /// Set when no more requests can be read. The writer then sends what the hub has ready, and
    /// cuts off the rest. If no response has begun, it sends the bytes of the rejection.
    rejection: Option<Rejection>,
}

impl ConnectionProgress {
    fn lock(&self) -> MutexGuard<'_, ProgressState> {
        lock(&self.0)
    }

    /// Returns the time until the connection has been idle for too long; `None` if it is not idle.
    fn idle_left(&self) -> Option<Duration> {
        let state = self.lock();
        let left = IDLE_TIMEOUT.saturating_sub(state.idle_since.elapsed());
        Some(left).filter(|_| state.open.is_empty())
    }
}

/// Reads the requests of a connection. A second thread writes the responses.
fn serve(shared: &Arc<Shared>, connection: &mut Connection) -> io::Result<()> {
    let progress = Arc::new(ConnectionProgress(Mutex::new(ProgressState {
        open: Vec::new(),
        idle_since: Instant::now(),
        rejection: None,
    })));
    let (sender, pending) = channel();
    let socket = connection.socket().try_clone()?;
    let writer = {
        let (shared, progress) = (Arc::clone(shared), Arc::clone(&progress));
        let write = move || {
            let _ = write_responses(&shared, &socket, &progress, &pending);
            // Wakes the reader. An error means that the connection is already closed.
            let _ = socket.shutdown(Shutdown::Both);
        };
        thread::Builder::new()
            .name("fake-hub-writer".into())
            .spawn(write)?
    };
    let rejection = read_requests(shared, connection, &progress, &sender).unwrap_or_else(|| {
        // Reads until the client closes the connection, which means that it waits no longer.
        let _ = io::copy(connection, &mut io::sink());
        Rejection::Ended
    });
    progress.lock().rejection = Some(rejection);
    shared.with(|state| state.network.hub().set_changed());
    drop(sender);
    let _ = writer.join();
    let left = std::mem::take(&mut progress.lock().open);
    shared.with(|state| left.into_iter().for_each(|id| state.network.disconnect(id)));
    Ok(())
}

/// Reads requests. Returns why no more can be read; `None` after the last request.
fn read_requests(
    shared: &Arc<Shared>,
    connection: &mut Connection,
    progress: &ConnectionProgress,
    sender: &Sender<PendingResponse>,
) -> Option<Rejection> {
    let mut served = false;
    loop {
        let limit = progress.idle_left().filter(|_| served);
        match connection.wait_for_request(limit.unwrap_or(IDLE_TIMEOUT).max(MIN_TIMEOUT)) {
            Ok(true) => {}
            Ok(false) if served && progress.idle_left() == Some(Duration::ZERO) => {
                return Some(Rejection::Ended);
            }
            Ok(false) => continue,
            Err(_) => return Some(Rejection::Ended),
        }
        let ParsedHead {
            request,
            framing,
            is_last,
            accepts_chunks,
        } = match parser::read_head(connection.reader()) {
            Ok(parsed) => parsed,
            Err(rejection) => return Some(rejection),
        };
        connection.set_framing(framing);
        // A real hub that is unreachable would refuse the connection.
        let id = shared.with(|state| state.network.request(&request));
        let Ok(id) = id else {
            return Some(Rejection::Ended);
        };
        progress.lock().open.push(id);
        served = true;
        let _ = sender.send(PendingResponse {
            id,
            is_head: *request.method() == http::Method::HEAD,
            is_last,
            accepts_chunks,
        });
        if read_body(shared, connection, id).is_err() {
            return Some(Rejection::BadRequest);
        }
        if is_last {
            return None;
        }
    }
}

/// Lower bound for the timeout of a socket, which cannot be zero.
const MIN_TIMEOUT: Duration = Duration::from_millis(1);

fn read_body(
    shared: &Arc<Shared>,
    connection: &mut Connection,
    id: ConnectionId,
) -> io::Result<()> {
    let mut buffer = vec![0; 64 << 10];
    let mut body = connection.body();
    loop {
        let read = body.read(&mut buffer)?;
        if read == 0 {
            shared.with(|state| state.network.end_upload(id));
            return Ok(());
        }
        let mut piece = buffer.get(..read).unwrap_or_default();
        while !piece.is_empty() {
            let taken = shared.wait_for(
                |state| Some(state.network.upload(id, piece)).filter(|taken| *taken > 0),
                || Ok::<_, io::Error>(None),
            )?;
            piece = piece.get(taken..).unwrap_or_default();
        }
    }
}

/// Writes the responses in the order of their requests, each part when the hub has it.
fn write_responses(
    shared: &Arc<Shared>,
    mut socket: &TcpStream,
    progress: &ConnectionProgress,
    pending: &Receiver<PendingResponse>,
) -> io::Result<()> {
    while let Ok(response) = pending.recv() {
        let id = response.id;
        let (mut begun, mut chunked) = (false, false);
        loop {
            let piece = shared.wait_for(
                |state| match state.network.poll(id) {
                    Piece::Pending => progress.lock().rejection.map(|_| Piece::Pending),
                    piece => Some(piece),
                },
                || Ok::<_, io::Error>(None),
            )?;
            match piece {
                Piece::Continue => socket.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?,
                Piece::Head(head) => {
                    begun = true;
                    chunked = !response.is_head && response.accepts_chunks && is_chunked(&head);
                    socket.write_all(&head_bytes(head, chunked, response.is_last))?;
                }
                Piece::Body(bytes) if chunked => socket.write_all(&http1::chunk(&bytes))?,
                Piece::Body(bytes) => socket.write_all(&bytes)?,
                Piece::End => {
                    let mut state = progress.lock();
                    state.open.retain(|one| *one != id);
                    state.idle_since = Instant::now();
                    drop(state);
                    if chunked {
                        socket.write_all(b"0\r\n\r\n")?;
                    }
                    break;
                }
                // Closes the connection, so that the client notices the truncated response.
                Piece::Cut => return Ok(()),
                Piece::Pending if begun => return Ok(()),
                Piece::Pending => return reject(socket, progress),
            }
        }
        if response.is_last {
            return Ok(());
        }
    }
    reject(socket, progress)
}

fn reject(mut socket: &TcpStream, progress: &ConnectionProgress) -> io::Result<()> {
    let rejection = progress.lock().rejection;
    socket.write_all(rejection.map_or(b"", Rejection::response))
}

fn is_chunked(head: &ResponseHead) -> bool {
    !is_bodiless(head.status) && !head.headers.contains_key(header::CONTENT_LENGTH)
}

fn head_bytes(head: ResponseHead, chunked: bool, is_last: bool) -> Vec<u8> {
    let ResponseHead {
        status,
        reason,
        mut headers,
    } = head;
    if chunked {
        headers.insert(
            header::TRANSFER_ENCODING,
            HeaderValue::from_static("chunked"),
        );
    }
    if is_last {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        headers.remove("keep-alive");
    }
    let first_line = format!("HTTP/1.1 {} {reason}", status.as_u16());
    http1::MessageHead {
        first_line,
        headers,
    }
    .to_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake_hub::{FakeHub, Generation};

    #[test]
    fn a_connection_is_idle_after_its_last_response_ended() {
        let hub = FakeHub::new(Generation::V1);
        let request = http::Request::get("/api/v1/version").body(());
        let request = request.unwrap_or_default();
        let id = hub
            .inner
            .shared
            .with(|state| state.network.request(&request));
        let long_ago = Instant::now().checked_sub(IDLE_TIMEOUT * 2);
        let progress = ConnectionProgress(Mutex::new(ProgressState {
            open: id.into_iter().collect(),
            idle_since: long_ago.unwrap_or_else(Instant::now),
            rejection: None,
        }));
        assert_eq!(progress.idle_left(), None);
        progress.lock().open.clear();
        assert!(long_ago.is_none() || progress.idle_left() == Some(Duration::ZERO));
        progress.lock().idle_since = Instant::now();
        assert!(
            progress
                .idle_left()
                .is_some_and(|left| left > Duration::ZERO)
        );
    }
}
