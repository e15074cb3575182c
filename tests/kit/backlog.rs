//! A listening address that answers no connection attempts.

use std::{
    io::ErrorKind,
    net::{SocketAddr, TcpListener, TcpStream},
    time::Duration,
};

/// A listener that accepts nothing and whose backlog is full.
///
/// Linux drops further connection attempts, so clients wait until they time out. After
/// the drop, the address refuses connections.
pub struct FullBacklog {
    address: SocketAddr,
    _listener: TcpListener,
    /// Fills the backlog: 129 connections for a listener of the standard library, an open file
    /// each.
    _queue: Vec<TcpStream>,
}

impl FullBacklog {
    /// Listens on a free port of the loopback interface.
    pub fn start() -> Self {
        Self::at(SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    /// Listens on this address.
    pub fn at(address: SocketAddr) -> Self {
        /// Upper bound for one connection. On loopback, the kernel accepts connections at once.
        const CONNECT_TIMEOUT: Duration = Duration::from_millis(200);

        let listener = TcpListener::bind(address).expect("a free port");
        let address = listener.local_addr().expect("an address of the listener");
        let mut queue = Vec::new();
        loop {
            match TcpStream::connect_timeout(&address, CONNECT_TIMEOUT) {
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

    /// Returns the base URL for clients.
    pub fn url(&self) -> String {
        format!("http://{}/api/v1", self.address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_backlog_times_out_and_refuses_once_dropped() {
        let backlog = FullBacklog::start();
        let address = backlog.address;
        assert_eq!(backlog.url(), format!("http://{address}/api/v1"));
        let connect = |timeout| {
            TcpStream::connect_timeout(&address, Duration::from_millis(timeout))
                .map_err(|error| error.kind())
        };
        // Linux retransmits the SYN after a second, so the second timeout covers a retransmission.
        for timeout in [300, 1300] {
            assert_eq!(
                connect(timeout).expect_err("an unanswered connection"),
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
