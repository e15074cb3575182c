use std::io::{Read, Write};
use std::net::TcpListener;
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
