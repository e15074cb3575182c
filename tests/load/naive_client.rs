//! The idle timeout of a server, and a client that ignores it.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::thread::{self, scope};
use std::time::{Duration, Instant};

/// Maximum distance of the calls from the idle timeout.
const SPREAD: Duration = Duration::from_millis(15);

/// Returns a duration close to `moment`, shorter or longer, different for each client and round.
pub(crate) fn around(moment: Duration, client: u32, round: u32) -> Duration {
    let step = (client * 97 + round * 37) % 301;
    moment - SPREAD + SPREAD * step / 150
}

/// The idle timeout of a server.
#[derive(Clone, Copy)]
pub(crate) struct IdleTimeout {
    pub(crate) announced: Duration,
    pub(crate) measured: Duration,
}

impl IdleTimeout {
    /// Measures the timeout of a server.
    pub(crate) fn measure(url: &str) -> Self {
        let all: Vec<_> = scope(|scope| {
            let waiting: Vec<_> = (0..20)
                .map(|_| scope.spawn(|| Self::measure_once(url)))
                .collect();
            waiting
                .into_iter()
                .map(|waiting| waiting.join().unwrap())
                .collect()
        });
        *all.iter().min_by_key(|timeout| timeout.measured).unwrap()
    }

    fn measure_once(url: &str) -> Self {
        let mut naive = NaiveClient::connect(url);
        let head = naive.exchange("GET", "version").unwrap();
        let begin = Instant::now();
        naive.0.read_to_end(&mut Vec::new()).unwrap();
        let measured = begin.elapsed();
        let announced = head
            .to_lowercase()
            .split("keep-alive: timeout=")
            .nth(1)
            .and_then(|rest| rest.lines().next()?.trim().parse().ok());
        Self {
            announced: Duration::from_secs(announced.expect("an announcement")),
            measured,
        }
    }

    /// Returns the idle time after which the library does not reuse a connection.
    pub(crate) fn retired(self) -> Duration {
        Duration::from_secs(3).min(self.announced * 3 / 5)
    }
}

/// A client that reuses a connection unless it notices that it is closed.
pub(crate) struct NaiveClient(TcpStream);

impl NaiveClient {
    fn connect(url: &str) -> Self {
        let address = url.trim_start_matches("http://").split('/').next().unwrap();
        let socket = TcpStream::connect(address).unwrap();
        socket.set_nodelay(true).unwrap();
        Self(socket)
    }

    /// Returns the head of a complete response, or `None` if the connection is lost.
    fn exchange(&mut self, method: &str, path: &str) -> Option<String> {
        let request =
            format!("{method} /api/v1/{path} HTTP/1.1\r\nHost: hub\r\nContent-Length: 0\r\n\r\n");
        self.0.write_all(request.as_bytes()).ok()?;
        let (mut answer, mut piece) = (String::new(), [0; 4096]);
        loop {
            let read = self.0.read(&mut piece).ok().filter(|&read| read > 0)?;
            answer.push_str(&String::from_utf8_lossy(&piece[..read]));
            if let Some((head, body)) = answer.split_once("\r\n\r\n") {
                let length = head
                    .to_lowercase()
                    .split("content-length: ")
                    .nth(1)
                    .and_then(|rest| rest.lines().next()?.parse().ok());
                let whole = length.map_or_else(
                    || body.ends_with("0\r\n\r\n"),
                    |length: usize| body.len() >= length,
                );
                if whole {
                    return Some(head.to_owned());
                }
            }
        }
    }

    fn is_open(&mut self) -> bool {
        self.0.set_nonblocking(true).unwrap();
        let measure = self.0.peek(&mut [0]);
        self.0.set_nonblocking(false).unwrap();
        measure.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Makes calls at these intervals.
    pub(crate) fn run(url: &str, client: u32, rounds: u32, moment: Duration) -> NaiveResults {
        let NaiveResults {
            mut reused,
            mut closed,
            mut lost,
        } = NaiveResults::default();
        let mut naive = Self::connect(url);
        for round in 0..rounds {
            if naive
                .exchange("POST", &format!("sequence/naive-{client}-{round}/start"))
                .is_none()
            {
                lost += 1;
                naive = Self::connect(url);
                continue;
            }
            thread::sleep(around(moment, client, round));
            if naive.is_open() {
                reused += 1;
            } else {
                closed += 1;
                naive = Self::connect(url);
            }
        }
        NaiveResults {
            reused,
            closed,
            lost,
        }
    }
}

/// The results of naive clients.
#[derive(Clone, Copy, Default)]
pub(crate) struct NaiveResults {
    /// Calls on a reused connection.
    pub(crate) reused: u32,
    /// Connections that were found closed.
    pub(crate) closed: u32,
    /// Calls that failed on a reused connection.
    pub(crate) lost: u32,
}

impl std::iter::Sum for NaiveResults {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, one| Self {
            reused: sum.reused + one.reused,
            closed: sum.closed + one.closed,
            lost: sum.lost + one.lost,
        })
    }
}
