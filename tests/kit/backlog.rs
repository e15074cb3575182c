//! An address at which somebody listens but nobody answers.

use std::{
    io::ErrorKind,
    net::{SocketAddr, TcpListener, TcpStream},
    time::Duration,
};

/// A listener that accepts nothing and whose queue is full: Linux drops what arrives then, so that further clients wait for an
/// answer. Refused again when dropped.
pub struct FullBacklog {
    address: SocketAddr,
    _listener: TcpListener,
    /// As many as the queue takes, which is 129 for a listener of the standard library: an open file each.
    _queue: Vec<TcpStream>,
}

impl FullBacklog {
    pub fn start() -> Self {
        /// On loopback, connections that are taken are taken at once.
        const ANSWER: Duration = Duration::from_millis(200);

        let listener = TcpListener::bind("127.0.0.1:0").expect("a free loopback port");
        let address = listener.local_addr().expect("an address of the listener");
        let mut queue = Vec::new();
        loop {
            match TcpStream::connect_timeout(&address, ANSWER) {
                Ok(waiting) => queue.push(waiting),
                Err(error) if error.kind() == ErrorKind::TimedOut => break,
                Err(error) => panic!("{} connections do not fill the queue: {error}", queue.len()),
            }
        }
        Self {
            address,
            _listener: listener,
            _queue: queue,
        }
    }

    /// The base address, in the form in which clients take it.
    pub fn url(&self) -> String {
        format!("http://{}/api/v1", self.address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connecting_ends_in_a_timeout_and_later_in_a_refusal() {
        let backlog = FullBacklog::start();
        let address = backlog.address;
        assert_eq!(backlog.url(), format!("http://{address}/api/v1"));
        let connect = |patience| {
            TcpStream::connect_timeout(&address, Duration::from_millis(patience))
                .map_err(|error| error.kind())
        };
        // The second is long enough for Linux to ask again, which it does after a second.
        for patience in [300, 1300] {
            assert_eq!(
                connect(patience).expect_err("an unanswered connection"),
                ErrorKind::TimedOut
            );
        }

        drop(backlog);
        assert_eq!(
            connect(300).expect_err("a refused connection"),
            ErrorKind::ConnectionRefused
        );
    }
}
