//! A fake hub on the loopback interface.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use http::{HeaderValue, Request, StatusCode, Uri, header};

use super::Shared;
use crate::http1;
use crate::model::{Head, Piece};
use crate::network::ConnectionId;
use crate::server::Connection;
use crate::{ReceivedRequest, server};

/// A hub closes a connection that was idle for so long, although it announces 5 seconds.
const IDLE_LIMIT: Duration = Duration::from_secs(6);

/// The parser of Node.js takes heads up to this length.
const HEAD_LIMIT: usize = 16 << 10;

/// Answers of the parser, which never reach the hub.
const BAD_REQUEST: &[u8] = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n";
const NO_HOST: &[u8] = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\
    Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
const TOO_LONG: &[u8] =
    b"HTTP/1.1 431 Request Header Fields Too Large\r\nConnection: close\r\n\r\n";

pub(super) struct Server {
    server: server::Server,
}

impl Server {
    pub(super) fn start(shared: &Arc<Shared>) -> io::Result<Self> {
        let shared = Arc::downgrade(shared);
        let server = server::Server::start(move |connection| match shared.upgrade() {
            Some(shared) => serve(&shared, connection),
            None => Ok(()),
        })?;
        Ok(Self { server })
    }

    pub(super) fn url(&self) -> String {
        self.server.url()
    }
}

/// How a response is sent, as its request asks for it.
#[derive(Clone, Copy)]
struct Form {
    /// The response is a head alone.
    is_head: bool,
    /// The body has no chunks, because HTTP/1.0 has none.
    is_plain: bool,
    /// The connection is closed after the response.
    closes: bool,
}

/// The exchanges of a connection whose responses are not complete.
type Open = Arc<Mutex<Vec<ConnectionId>>>;

/// Reads the requests of a connection, while a second thread writes the responses.
fn serve(shared: &Arc<Shared>, connection: &mut Connection) -> io::Result<()> {
    let (tell, told) = channel();
    let open = Open::default();
    let socket = connection.socket().try_clone()?;
    let writer = {
        let (shared, open) = (Arc::clone(shared), Arc::clone(&open));
        thread::spawn(move || {
            let _ = write_responses(&shared, &socket, &open, &told);
            // Wakes the reader; it may have ended already.
            let _ = socket.shutdown(Shutdown::Both);
        })
    };
    let mut served = 0;
    let result = loop {
        let is_idle = || {
            open.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .is_empty()
        };
        match connection.wait_for_request(IDLE_LIMIT) {
            Ok(true) => {}
            Ok(false) if served > 0 && is_idle() => break Ok(()),
            Ok(false) => continue,
            Err(error) => break Err(error),
        }
        let (request, form) = match read_head(connection) {
            Ok(read) => read,
            Err(answer) => break connection.send(answer),
        };
        // The hub is away. A real one would refuse the connection.
        let Ok(id) = shared.with(|state| state.network.request(&request)) else {
            break Ok(());
        };
        open.lock().unwrap_or_else(PoisonError::into_inner).push(id);
        served += 1;
        let _ = tell.send((id, form));
        if let Err(error) = read_body(shared, connection, id) {
            break Err(error);
        }
        if form.closes {
            // The writer closes the connection after the response.
            break io::copy(connection, &mut io::sink()).map(drop);
        }
    };
    let left = std::mem::take(&mut *open.lock().unwrap_or_else(PoisonError::into_inner));
    shared.with(|state| left.into_iter().for_each(|id| state.network.abandon(id)));
    drop(tell);
    let _ = connection.socket().shutdown(Shutdown::Both);
    let _ = writer.join();
    result
}

/// The head of the next request, or the answer of the parser.
fn read_head(connection: &mut Connection) -> Result<(Request<()>, Form), &'static [u8]> {
    let ReceivedRequest {
        method,
        target,
        headers,
        is_http_1_0,
        ..
    } = connection.read_head().map_err(|_| BAD_REQUEST)?;
    let length: usize = headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum();
    if target.len() + length > HEAD_LIMIT {
        return Err(TOO_LONG);
    }
    if !target.is_ascii() {
        return Err(BAD_REQUEST);
    }
    if !headers.contains_key(header::HOST) {
        return Err(NO_HOST);
    }
    let asks_to_close = headers
        .get(header::CONNECTION)
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"close"));
    let form = Form {
        is_head: method == http::Method::HEAD,
        is_plain: is_http_1_0,
        closes: is_http_1_0 || asks_to_close,
    };
    let mut request = Request::new(());
    *request.method_mut() = method;
    *request.uri_mut() = Uri::try_from(target).map_err(|_| BAD_REQUEST)?;
    *request.headers_mut() = headers;
    Ok((request, form))
}

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

/// Writes the responses in the order of their requests, as they come.
fn write_responses(
    shared: &Arc<Shared>,
    mut socket: &TcpStream,
    open: &Open,
    told: &Receiver<(ConnectionId, Form)>,
) -> io::Result<()> {
    while let Ok((id, form)) = told.recv() {
        let mut chunked = false;
        loop {
            let piece = shared.wait_for(
                |state| Some(state.network.poll(id)).filter(|piece| *piece != Piece::Pending),
                || Ok::<_, io::Error>(None),
            )?;
            match piece {
                Piece::Pending => {}
                Piece::Continue => socket.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?,
                Piece::Head(head) => {
                    chunked = !form.is_head && !form.is_plain && is_chunked(&head);
                    socket.write_all(&head_bytes(head, chunked, form.closes))?;
                }
                Piece::Body(bytes) if chunked => socket.write_all(&http1::chunk(&bytes))?,
                Piece::Body(bytes) => socket.write_all(&bytes)?,
                Piece::End => {
                    open.lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .retain(|one| *one != id);
                    if chunked {
                        socket.write_all(b"0\r\n\r\n")?;
                    }
                    break;
                }
                Piece::Cut => return Ok(()),
            }
        }
        if form.closes {
            return Ok(());
        }
    }
    Ok(())
}

fn is_chunked(head: &Head) -> bool {
    let bodiless = matches!(
        head.status,
        StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED
    );
    !bodiless && !head.headers.contains_key(header::CONTENT_LENGTH)
}

fn head_bytes(head: Head, chunked: bool, closes: bool) -> Vec<u8> {
    let Head {
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
    if closes {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        headers.remove("keep-alive");
    }
    let first_line = format!("HTTP/1.1 {} {reason}", status.as_u16());
    http1::Head {
        first_line,
        headers,
    }
    .to_bytes()
}
