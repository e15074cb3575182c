use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;
use std::time::Duration;

use ::ureq::unversioned::transport::Transport;

use super::*;
use crate::transport::ureq::lazy_buffers::LazyBuffers;
use crate::transport::ureq::socket::Socket;

/// Returns a socket that the peer has reset.
fn dead() -> io::Result<Arc<SharedSocket>> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let mut stream = TcpStream::connect(listener.local_addr()?)?;
    stream.write_all(b"never read")?;
    let (peer, _) = listener.accept()?;
    // Closing resets the connection only if unread data has arrived.
    peer.peek(&mut [0])?;
    drop(peer);
    // Waits for the reset.
    let _ = stream.read(&mut [0]);
    SharedSocket::new(stream)
}

#[test]
fn is_request_started_is_false_if_the_first_write_failed() -> io::Result<()> {
    let socket = dead()?;
    socket.begin_request();
    assert!(
        socket
            .send(b"GET / HTTP/1.1\r\n\r\n", NextTimeout::default())
            .is_ok()
    );
    // `send` succeeds, because a response may have arrived. The caller checks `take_closed`.
    assert!(socket.take_closed().is_some() && !socket.is_request_started());
    Ok(())
}

#[test]
fn begin_request_ignores_what_was_sent_before() -> io::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let socket = SharedSocket::new(TcpStream::connect(listener.local_addr()?)?)?;
    assert!(
        socket
            .send(b"TLS handshake", NextTimeout::default())
            .is_ok()
    );
    assert!(socket.is_request_started());
    socket.begin_request();
    assert!(!socket.is_request_started());
    assert!(
        socket
            .send(b"GET / HTTP/1.1\r\n\r\n", NextTimeout::default())
            .is_ok()
    );
    assert!(socket.is_request_started());
    Ok(())
}

fn connected() -> io::Result<(TcpStream, Arc<SharedSocket>)> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let stream = TcpStream::connect(listener.local_addr()?)?;
    Ok((listener.accept()?.0, SharedSocket::new(stream)?))
}

/// Winsock does not guarantee that `shutdown` wakes blocked calls.
#[test]
fn shutdown_ends_a_read_and_a_write_that_the_system_did_not_wake() -> io::Result<()> {
    let (_peer, socket) = connected()?;
    let limits = CallLimits {
        idle: Some(Duration::from_millis(20)),
        ..CallLimits::default()
    };
    socket.begin_call(limits);
    socket.is_shut_down.store(true, Ordering::SeqCst);
    let is_cancelled = |error| match error {
        Error::Io(error) => stop_reason(&error) == Some(StopReason::Cancelled),
        _ => false,
    };
    let buffers = LazyBuffers::new(1024, 1024);
    let read = Socket::new(Arc::clone(&socket), buffers).await_input(NextTimeout::default());
    assert!(read.is_err_and(is_cancelled));
    let written = socket.send(&vec![0; 64 << 20], NextTimeout::default());
    assert!(written.is_err_and(is_cancelled));
    Ok(())
}

#[test]
fn fatal_reports_a_failed_keep_alive_as_a_closed_connection() -> io::Result<()> {
    let (_peer, socket) = connected()?;
    let error = socket.fatal(ErrorKind::TimedOut.into());
    assert!(
        matches!(&error, Some(Error::Io(error)) if is_closed(error.kind())),
        "{error:?}"
    );
    Ok(())
}

/// More than the buffers of a connection hold.
const LARGE: usize = 64 << 20;

/// Sends a large chunk, during which the server sends a response. Returns the result, and what the
/// server has read afterwards, from the end of that chunk on.
fn send_chunk_during(response: &'static [u8]) -> io::Result<(bool, Arc<SharedSocket>, Vec<u8>)> {
    let (mut peer, socket) = connected()?;
    socket.begin_request();
    let (begun, sent) = thread::scope(|scope| {
        let sending = scope.spawn(|| {
            let sent = socket.send_chunk(&vec![b'.'; LARGE]);
            // Has no effect after a part of a chunk.
            let more = socket.send(b"more", NextTimeout::default());
            let _ = socket.stream.shutdown();
            (sent, more.is_ok())
        });
        // The chunk is being sent, and cannot be sent completely yet.
        let begun = peer.peek(&mut [0]).is_ok() && peer.write_all(response).is_ok();
        if !response.starts_with(b"HTTP/1.1 4") {
            // A blocked write checks for the response after each tick.
            thread::sleep(4 * WRITE_TICK);
            // The head of the chunk has 9 bytes.
            let mut chunk = vec![0; LARGE + 9];
            assert!(peer.read_exact(&mut chunk).is_ok());
        }
        (begun, sending.join().unwrap_or((false, false)))
    });
    assert!(begun && sent.1);
    let mut rest = Vec::new();
    peer.read_to_end(&mut rest)?;
    Ok((sent.0, socket, rest))
}

#[test]
fn send_chunk_continues_after_an_early_success() -> io::Result<()> {
    let response = b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 202 Accepted\r\n\r\n";
    let (sent, socket, rest) = send_chunk_during(response)?;
    assert!(sent && !socket.discards_writes());
    assert_eq!(rest, b"\r\nmore");
    // The thread that runs the request reads the response before more is sent.
    Ok(())
}

#[test]
fn send_chunk_stops_after_an_early_rejection() -> io::Result<()> {
    let (sent, socket, rest) = send_chunk_during(b"HTTP/1.1 404 Not Found\r\n\r\n")?;
    assert!(!sent && socket.discards_writes() && socket.take_closed().is_none());
    // A part of the chunk, and nothing after it.
    assert!(rest.len() < LARGE && rest.ends_with(b"."));
    Ok(())
}

#[test]
fn send_chunk_leaves_an_early_response_to_the_request() -> io::Result<()> {
    let (mut peer, socket) = connected()?;
    socket.begin_request();
    assert!(socket.send_chunk(b"one"));
    peer.write_all(b"HTTP/1.1 404 Not Found\r\n\r\n")?;
    // Direct writes check for input from time to time.
    while socket.send_chunk(b"two") {}
    assert!(!socket.discards_writes());
    socket.stream.shutdown()?;
    let mut received = String::new();
    peer.read_to_string(&mut received)?;
    let (first, others) = received.split_at(8);
    assert_eq!(first, "3\r\none\r\n");
    assert_eq!(others.replace("3\r\ntwo\r\n", ""), "");
    Ok(())
}

#[test]
fn send_chunk_reports_a_failed_connection_to_the_request() -> io::Result<()> {
    for is_request in [true, false] {
        let socket = dead()?;
        if is_request {
            socket.begin_request();
        }
        assert!(!socket.send_chunk(b"one") && socket.discards_writes());
        assert!(socket.take_closed().is_some());
    }
    Ok(())
}

#[test]
fn nothing_is_sent_after_a_limit_ended_send_chunk() -> io::Result<()> {
    let (mut peer, socket) = connected()?;
    socket.begin_call(CallLimits {
        idle: Some(Duration::from_millis(20)),
        ..CallLimits::default()
    });
    socket.begin_request();
    assert!(!socket.send_chunk(&vec![b'.'; LARGE]));
    let more = socket.send(b"more", NextTimeout::default());
    assert!(matches!(more, Err(Error::Io(error)) if stop_reason(&error) == Some(StopReason::Idle)));
    socket.stream.shutdown()?;
    let mut received = Vec::new();
    peer.read_to_end(&mut received)?;
    assert!(received.len() < LARGE && received.ends_with(b"."));
    Ok(())
}
