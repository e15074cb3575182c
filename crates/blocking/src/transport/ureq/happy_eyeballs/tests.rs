use std::net::{Ipv4Addr, TcpListener};
use std::thread;

use super::*;

const NEVER: Duration = Duration::from_secs(3600);

/// A listener that does not respond to attempts, because its queue is full (Linux).
struct Dead {
    listener: Socket,
    address: SocketAddr,
    _queue: Vec<Attempt>,
}

impl Dead {
    fn listen() -> io::Result<Self> {
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        listener.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
        listener.listen(0)?;
        let address = listener.local_addr()?.as_socket();
        let address = address.ok_or(ErrorKind::AddrNotAvailable)?;
        let mut queue = Vec::new();
        loop {
            // On loopback, a listener with space in its queue accepts at once.
            let next = attempt(address, Duration::from_millis(100))?;
            let is_full = matches!(next, Attempt::Pending(_));
            queue.push(next);
            if is_full {
                break;
            }
        }
        Ok(Self {
            listener,
            address,
            _queue: queue,
        })
    }
}

fn refused() -> io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

fn live() -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// A time limit that no test reaches.
fn in_30_s() -> Option<Instant> {
    Instant::now().checked_add(Duration::from_secs(30))
}

/// No token and a token, because `connect` waits differently with a token.
fn tokens() -> [Option<CancelToken>; 2] {
    [None, Some(CancelToken::new())]
}

#[test]
fn connect_tries_the_next_address_after_250_ms() -> io::Result<()> {
    let dead = [Dead::listen()?, Dead::listen()?];
    let (_listener, live) = live()?;
    for token in tokens() {
        let begin = Instant::now();
        let addresses = vec![dead[0].address, dead[1].address, live];
        let stream = connect(addresses, in_30_s(), token.as_ref(), ATTEMPT_DELAY)?;
        assert_eq!(stream.peer_addr()?, live);
        assert!(begin.elapsed() >= 2 * ATTEMPT_DELAY);
        assert!(stream.nodelay()?);
    }
    Ok(())
}

#[test]
fn connect_tries_all_addresses_before_the_end() -> io::Result<()> {
    let (dead, (_listener, live)) = (Dead::listen()?, live()?);
    let mut addresses = vec![dead.address, live];
    addresses.extend([dead.address; 98]);
    for token in tokens() {
        let stream = connect(addresses.clone(), in_30_s(), token.as_ref(), NEVER)?;
        assert_eq!(stream.peer_addr()?, live);
    }
    Ok(())
}

#[test]
fn connect_tries_the_next_address_at_once_after_a_refusal() -> io::Result<()> {
    let (refused, dead, (_listener, live)) = (refused()?, Dead::listen()?, live()?);
    for token in tokens() {
        let stream = connect(vec![refused, live], in_30_s(), token.as_ref(), NEVER)?;
        assert_eq!(stream.peer_addr()?, live);
        // Also if an earlier attempt is pending.
        let addresses = vec![dead.address, refused, live];
        let delay = Duration::from_millis(20);
        let stream = connect(addresses, in_30_s(), token.as_ref(), delay)?;
        assert_eq!(stream.peer_addr()?, live);
    }
    Ok(())
}

#[test]
fn connect_continues_earlier_attempts() -> io::Result<()> {
    let dead = [Dead::listen()?, Dead::listen()?];
    let addresses = dead.iter().map(|dead| dead.address).collect();
    let delay = Duration::from_millis(1);
    let connecting = thread::spawn(move || connect(addresses, in_30_s(), None, delay));
    // Lets both attempts become pending. The test succeeds without this too.
    thread::sleep(Duration::from_millis(50));
    // The queue has space again. Linux repeats its attempt after a second.
    let _accepted = dead[0].listener.accept()?;
    let _accepted = dead[0].listener.accept()?;
    let stream = connecting.join().unwrap_or_else(|_| unreachable!())?;
    assert_eq!(stream.peer_addr()?, dead[0].address);
    Ok(())
}

#[test]
fn connect_times_out_at_the_end() -> io::Result<()> {
    let (first, second, refused) = (Dead::listen()?, Dead::listen()?, refused()?);
    let delay = Duration::from_millis(10);
    let kind = |addresses: &[SocketAddr], token: Option<&CancelToken>| {
        let end = Instant::now() + Duration::from_millis(50);
        let result = connect(addresses.to_vec(), Some(end), token, delay);
        assert!(result.is_ok() || Instant::now() >= end);
        result.err().map(|error| error.kind())
    };
    for token in tokens() {
        let token = token.as_ref();
        let timed_out = Some(ErrorKind::TimedOut);
        assert_eq!(kind(&[first.address], token), timed_out);
        assert_eq!(kind(&[first.address, second.address], token), timed_out);
        assert_eq!(kind(&[refused, first.address], token), timed_out);
        assert_eq!(kind(&[first.address, refused], token), timed_out);
        // Windows repeats refused attempts for about 2 seconds.
        let end = Some(Instant::now() + Duration::from_secs(20));
        let error = connect(vec![refused; 2], end, token, delay).err();
        let kind = error.map(|error| error.kind());
        assert_eq!(kind, Some(ErrorKind::ConnectionRefused));
    }
    Ok(())
}

#[test]
fn connect_ends_when_the_call_is_cancelled() -> io::Result<()> {
    let (first, second, refused) = (Dead::listen()?, Dead::listen()?, refused()?);
    for addresses in [
        vec![first.address],
        vec![first.address, second.address],
        // The last attempt fails while another one is pending.
        vec![first.address, refused],
        vec![first.address, refused, second.address, refused],
    ] {
        let token = CancelToken::new();
        let connecting = thread::spawn({
            let token = token.clone();
            move || connect(addresses, in_30_s(), Some(&token), Duration::from_millis(1))
        });
        // Lets all attempts start. The test succeeds without this too.
        thread::sleep(Duration::from_millis(20));
        token.cancel();
        let result = connecting.join().unwrap_or_else(|_| unreachable!());
        let error = result.err().and_then(io::Error::into_inner);
        let stopped = error.and_then(|error| error.downcast::<StopReason>().ok());
        assert_eq!(stopped.as_deref(), Some(&StopReason::Cancelled));
    }
    Ok(())
}

#[test]
fn interleave_alternates_between_families() {
    let mixed = |given: &[&str]| -> Vec<String> {
        let parsed = given.iter().filter_map(|ip| format!("{ip}:1").parse().ok());
        let mixed = interleave(parsed.collect());
        mixed
            .iter()
            .map(|address| address.ip().to_string())
            .collect()
    };
    assert_eq!(
        mixed(&["[::1]", "[::2]", "[::3]", "1.1.1.1", "2.2.2.2"]),
        ["::1", "1.1.1.1", "::2", "2.2.2.2", "::3"]
    );
    assert_eq!(
        mixed(&["1.1.1.1", "2.2.2.2", "[::1]"]),
        ["1.1.1.1", "::1", "2.2.2.2"]
    );
    assert_eq!(mixed(&["1.1.1.1", "2.2.2.2"]), ["1.1.1.1", "2.2.2.2"]);
    assert!(mixed(&[]).is_empty());
}
