//! One table of server faults and the effect of each limit.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use std::{io, thread};

use scramjet_client_blocking::core::SendSequence;
use scramjet_client_blocking::transport::Phase;
use scramjet_client_blocking::{
    CancelToken, Error, ErrorKind, HostClient, Input, KillOptions, Upload,
};
use scramjet_client_tests::scripted::{Connection, response};

use crate::helpers::{Mailbox, within};
use crate::setup::{
    EndlessData, LIMIT, Limit, STREAM, Scheme, Signal, drain, host, inner, line, next_event,
    serve_side_request,
};
use crate::timing::{assert_in_time, assert_not_late, assert_precise};

/// Number of rows that run concurrently. Their threads mostly wait.
const CONCURRENCY: usize = 10;

type Fault = Box<dyn Fn(&mut Connection, &FaultState) + Send + Sync>;
type Call = fn(&HostClient, EndlessData) -> Result<(), Error>;

struct Row {
    name: &'static str,
    /// The server's part, after it has read the request's head. Continues until the call has ended.
    fault: Fault,
    call: Call,
    phase: Phase,
    /// No bytes move, so the idle timeout applies.
    silent: bool,
    /// The call is blocked only when the buffers of its upload are full.
    fills_buffers: bool,
}

impl Row {
    fn new(
        name: &'static str,
        phase: Phase,
        call: Call,
        fault: impl Fn(&mut Connection, &FaultState) + Send + Sync + 'static,
    ) -> Self {
        Self {
            name,
            fault: Box::new(fault),
            call,
            phase,
            silent: true,
            fills_buffers: false,
        }
    }

    /// Returns a row whose server sends these bytes and then nothing more.
    fn stops(name: &'static str, phase: Phase, call: Call, bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        Self::new(name, phase, call, move |connection, state| {
            let _ = connection.send(&bytes);
            state.reached();
        })
    }

    /// Returns a row whose server sends these bytes and then a byte after each pause.
    fn trickles(
        name: &'static str,
        phase: Phase,
        call: Call,
        bytes: impl Into<Vec<u8>>,
        pause: Duration,
    ) -> Self {
        let bytes = bytes.into();
        Self::new(name, phase, call, move |connection, state| {
            let _ = connection.send(&bytes);
            state.reached();
            state.trickle(connection, pause);
        })
    }

    fn never_silent(self) -> Self {
        Self {
            silent: false,
            ..self
        }
    }

    fn fills_buffers(self) -> Self {
        Self {
            fills_buffers: true,
            ..self
        }
    }
}

/// State shared by server and client of a row.
struct FaultState {
    /// The fault has begun.
    reached: Arc<Mailbox<()>>,
    /// Number of requests that met the fault.
    faults: AtomicUsize,
    /// The call has ended.
    over: Arc<Signal>,
    /// A second call has arrived. It is answered after the first has ended.
    arrived: Arc<Signal>,
    answer: Arc<Signal>,
    /// The client closed the connection with the fault, after this many more bytes.
    closed: Arc<Mailbox<usize>>,
}

impl FaultState {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            reached: Mailbox::new(),
            faults: AtomicUsize::new(0),
            over: Signal::new(),
            arrived: Signal::new(),
            answer: Signal::new(),
            closed: Mailbox::new(),
        })
    }

    /// Serves a connection. After the fault, it answers no more requests on it.
    fn serve(&self, row: &Row, connection: &mut Connection) {
        while let Ok(request) = connection.read_head() {
            if serve_side_request(connection, &request) {
                continue;
            }
            if request.target.ends_with("/once/other") {
                self.arrived.set();
                self.answer.wait();
                let _ = connection.send(response("200 OK", &[], br#"{"other":1}"#));
                continue;
            }
            self.faults.fetch_add(1, Ordering::SeqCst);
            (row.fault)(connection, self);
            self.over.wait();
            self.closed.put(drain(connection));
            return;
        }
    }

    fn reached(&self) {
        self.reached.put(());
    }

    /// Sends a byte repeatedly until the call has ended.
    fn trickle(&self, connection: &mut Connection, pause: Duration) {
        while connection.send(b"a").is_ok() && !self.over.wait_timeout(pause) {}
    }
}

const SECOND: Duration = Duration::from_secs(1);
/// So short that no idle timeout notices it.
const SHORT_PAUSE: Duration = Duration::from_millis(25);

fn list(host: &HostClient, _: EndlessData) -> Result<(), Error> {
    host.list_sequences().map(drop)
}

fn kill(host: &HostClient, _: EndlessData) -> Result<(), Error> {
    host.instance("i")?.kill(&KillOptions::new()).map(drop)
}

fn event(host: &HostClient, _: EndlessData) -> Result<(), Error> {
    next_event(&host.instance("i")?, "e").map(drop)
}

fn events(host: &HostClient, _: EndlessData) -> Result<(), Error> {
    host.instance("i")?
        .event_stream("e")?
        .next()
        .expect("an item")
        .map(drop)
}

fn read(host: &HostClient, _: EndlessData) -> Result<(), Error> {
    let mut output = host.instance("i")?.output()?;
    let error = io::copy(&mut output, &mut io::sink())
        .map(drop)
        .map_err(inner);
    if error
        .as_ref()
        .is_err_and(|error| matches!(Limit::of(error), Some(Limit::Deadline | Limit::Cancel)))
    {
        let again = inner(output.read(&mut [0]).unwrap_err());
        assert_eq!(
            error.as_ref().map_err(ToString::to_string),
            Err(again.to_string()),
            "the error changes"
        );
    }
    error
}

fn chunked(host: &HostClient, fed: EndlessData) -> Result<(), Error> {
    host.send(&SendSequence, Upload::reader(fed)).map(drop)
}

fn sized(host: &HostClient, fed: EndlessData) -> Result<(), Error> {
    host.send(&SendSequence, Upload::sized_reader(fed, 1 << 30))
        .map(drop)
}

fn in_memory(host: &HostClient, _: EndlessData) -> Result<(), Error> {
    host.instance("i")?
        .send_input(vec![b'.'; 12 << 20])
        .map(drop)
}

fn small(host: &HostClient, _: EndlessData) -> Result<(), Error> {
    host.instance("i")?.send_input("a little").map(drop)
}

fn expecting(host: &HostClient, fed: EndlessData) -> Result<(), Error> {
    host.instance("i")?
        .send_input(Input::bytes(Upload::reader(fed)).expect_continue())
        .map(drop)
}

fn quiet(_: &mut Connection, state: &FaultState) {
    state.reached();
}

fn rows() -> Vec<Row> {
    vec![
        Row::new("sends nothing", Phase::Wait, list, quiet),
        Row::new(
            "sends nothing to a POST",
            Phase::Wait,
            kill,
            |connection, state| {
                let _ = connection.read(&mut [0; 100]);
                state.reached();
            },
        ),
        Row::new("never has the event", Phase::Wait, event, quiet),
        Row::stops(
            "stops in the status line",
            Phase::Wait,
            list,
            b"HTTP/1.1 20",
        ),
        Row::stops(
            "stops in the head",
            Phase::Wait,
            list,
            b"HTTP/1.1 200 OK\r\nContent-Type: app",
        ),
        Row::trickles(
            "sends a byte of the head a second",
            Phase::Wait,
            list,
            b"HTTP/1.1 200 OK\r\nX-Long: ",
            SECOND,
        ),
        Row::trickles(
            "sends a byte of the head every 25 ms",
            Phase::Wait,
            list,
            b"HTTP/1.1 200 OK\r\nX-Long: ",
            SHORT_PAUSE,
        )
        .never_silent(),
        Row::new(
            "sends interim responses without end",
            Phase::Wait,
            list,
            |connection, state| {
                state.reached();
                while connection.send(b"HTTP/1.1 102 Processing\r\n\r\n").is_ok()
                    && !state.over.wait_timeout(SHORT_PAUSE)
                {}
            },
        )
        .never_silent(),
        Row::stops(
            "stops in the response",
            Phase::Read,
            list,
            b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[",
        ),
        Row::trickles(
            "sends a byte of the response a second",
            Phase::Read,
            list,
            b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n[",
            SECOND,
        ),
        Row::trickles(
            "sends a byte of the response every 25 ms",
            Phase::Read,
            list,
            b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n[",
            SHORT_PAUSE,
        )
        .never_silent(),
        Row::stops("has no output", Phase::Read, read, STREAM),
        Row::stops(
            "stops in the length of a chunk",
            Phase::Read,
            read,
            [STREAM, b"4\r\ntext\r\n1"].concat(),
        ),
        Row::stops(
            "stops in a chunk",
            Phase::Read,
            read,
            [STREAM, b"4\r\nte"].concat(),
        ),
        Row::stops(
            "stops in an output that ends with the connection",
            Phase::Read,
            read,
            b"HTTP/1.1 200 OK\r\n\r\ntext",
        ),
        Row::trickles(
            "sends a byte of the output a second",
            Phase::Read,
            read,
            b"HTTP/1.1 200 OK\r\n\r\ntext",
            SECOND,
        ),
        Row::trickles(
            "sends a byte of the output every 25 ms",
            Phase::Read,
            read,
            b"HTTP/1.1 200 OK\r\n\r\ntext",
            SHORT_PAUSE,
        )
        .never_silent(),
        Row::new(
            "sends output without a pause",
            Phase::Read,
            read,
            |connection, state| {
                let _ = connection.send(b"HTTP/1.1 200 OK\r\n\r\n");
                state.reached();
                while connection.send([b'a'; 4096]).is_ok() && !state.over.is_set() {}
            },
        )
        .never_silent(),
        Row::stops(
            "has no events",
            Phase::Read,
            events,
            [STREAM, b"8\r\n{\"event\r\n"].concat(),
        ),
        Row::new(
            "stops reading an upload in chunks",
            Phase::Send,
            chunked,
            quiet,
        )
        .fills_buffers(),
        Row::new(
            "stops reading an upload of known length",
            Phase::Send,
            sized,
            quiet,
        )
        .fills_buffers(),
        // A test cannot observe when the idle time begins.
        Row::new(
            "stops reading an upload from memory",
            Phase::Send,
            in_memory,
            quiet,
        )
        .never_silent(),
        Row::new(
            "reads 1 kB of an upload every 25 ms",
            Phase::Send,
            sized,
            |connection, state| {
                state.reached();
                while connection.read(&mut [0; 1024]).unwrap_or(0) > 0
                    && !state.over.wait_timeout(SHORT_PAUSE)
                {}
            },
        )
        // The socket buffer is emptied in large steps, with long pauses between them.
        .fills_buffers()
        .never_silent(),
        Row::new(
            "reads an upload without end",
            Phase::Send,
            chunked,
            |connection, state| {
                state.reached();
                while connection.read(&mut [0; 64 << 10]).unwrap_or(0) > 0 && !state.over.is_set() {
                }
            },
        )
        .never_silent(),
        Row::stops(
            "accepts an upload and stops reading it",
            Phase::Send,
            chunked,
            STREAM,
        )
        .fills_buffers(),
        Row::new(
            "reads an upload and sends nothing",
            Phase::Wait,
            small,
            |connection, state| {
                let _ = connection.read(&mut [0; 100]);
                state.reached();
            },
        ),
        Row::new(
            "reads an upload and does not end the response",
            Phase::Read,
            small,
            |connection, state| {
                let _ = connection.read(&mut [0; 100]);
                let _ = connection.send(STREAM);
                state.reached();
            },
        ),
        Row::new("never responds to Expect", Phase::Wait, expecting, quiet),
        Row::stops(
            "stops in the response to Expect",
            Phase::Wait,
            expecting,
            b"HTTP/1.1 100 Cont",
        ),
        Row::stops(
            "responds to Expect and stops reading",
            Phase::Send,
            expecting,
            b"HTTP/1.1 100 Continue\r\n\r\n",
        )
        .fills_buffers(),
    ]
}

impl Limit {
    fn of(error: &Error) -> Option<Self> {
        match error {
            error if error.is_cancelled() => Some(Self::Cancel),
            error if error.to_string().contains("its deadline") => Some(Self::Deadline),
            error if error.is_timeout() => Some(Self::Idle),
            _ => None,
        }
    }
}

/// Runs the call of a row, on a new or a reused connection, while another call waits. Returns its
/// error and the elapsed time, for a cancelled call since the cancellation.
fn measure(row: &Arc<Row>, limit: Limit, scheme: Scheme, pooled: bool) -> (Error, Duration) {
    let state = FaultState::new();
    let server = scheme.serve({
        let (state, row) = (Arc::clone(&state), Arc::clone(row));
        move |connection| state.serve(&row, connection)
    });
    let host = host(&server);
    let other = thread::spawn({
        let host = host.clone();
        move || next_event(&host.instance("i").unwrap(), "other")
    });
    state.arrived.wait();
    if pooled {
        host.version().unwrap();
    }

    let token = CancelToken::new();
    let limited = match limit {
        Limit::Deadline => host.with_deadline(LIMIT),
        Limit::Idle => host.with_idle_timeout(LIMIT),
        Limit::Cancel => host.with_cancel(&token),
    };
    let (fed, reads) = EndlessData::new();
    // The idle time of an upload begins with its last read.
    let silent_since = fed.last();
    let canceller = (limit == Limit::Cancel).then(|| {
        let (state, fills_buffers) = (Arc::clone(&state), row.fills_buffers);
        thread::spawn(move || {
            state.reached.take();
            match fills_buffers {
                true => reads.wait_until_stopped(),
                // Most calls have reached the fault by then. An earlier cancellation is a valid
                // test as well.
                false => thread::sleep(SHORT_PAUSE),
            }
            let now = Instant::now();
            token.cancel();
            now
        })
    });
    let begin = Instant::now();
    let error = (row.call)(&limited, fed).expect_err("a limit");
    let end = Instant::now();
    let begin = match canceller {
        Some(canceller) => canceller.join().unwrap(),
        None if limit == Limit::Idle && row.fills_buffers => {
            let silent_since = silent_since.lock().unwrap().unwrap();
            assert!(
                end.saturating_duration_since(silent_since) >= LIMIT / 2,
                "the upload continued"
            );
            silent_since
        }
        None => begin,
    };

    // The call was not retried. The client uses another connection, because it has closed the
    // first, and sent nothing more over it.
    host.version().unwrap();
    assert_eq!(state.faults.load(Ordering::SeqCst), 1, "it was retried");
    state.over.set();
    let more = state.closed.take();
    if row.phase != Phase::Send
        && row.name != "reads an upload and sends nothing"
        && scheme == Scheme::Http
    {
        assert_eq!(more, 0, "something was sent over it");
    }
    // The other call is not affected.
    assert!(!other.is_finished(), "the other call was ended as well");
    state.answer.set();
    other.join().unwrap().unwrap();
    (error, end.saturating_duration_since(begin))
}

#[test]
fn every_limit_ends_every_call_in_time() {
    let mut work = Vec::new();
    for row in rows().into_iter().map(Arc::new) {
        for scheme in Scheme::BOTH {
            for limit in [Limit::Deadline, Limit::Idle, Limit::Cancel] {
                if limit != Limit::Idle || row.silent {
                    work.extend(
                        [false, true].map(|pooled| (Arc::clone(&row), limit, scheme, pooled)),
                    );
                }
            }
        }
    }
    let lines: Vec<_> = work.iter().map(|_| Mutex::new(None)).collect();
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..CONCURRENCY {
            scope.spawn(|| {
                while let Some((index, (row, limit, scheme, pooled))) = {
                    let index = next.fetch_add(1, Ordering::SeqCst);
                    work.get(index).map(|work| (index, work))
                } {
                    let (limit, scheme, pooled) = (*limit, *scheme, *pooled);
                    let name = format!(
                        "{}{}",
                        row.name,
                        if pooled { ", on a used connection" } else { "" }
                    );
                    let what = format!("{name}, {scheme:?}, {limit:?}");
                    let run = {
                        let row = Arc::clone(row);
                        move || measure(&row, limit, scheme, pooled)
                    };
                    let checked = thread::spawn({
                        let row = Arc::clone(row);
                        move || {
                            let (error, took) = within(&what, run);
                            match error.kind() {
                                ErrorKind::Cancelled { phase, .. }
                                    if row.phase == Phase::Read && *phase == Phase::Wait => {}
                                _ => limit.check(&error, row.phase, LIMIT),
                            }
                            let time = match limit {
                                Limit::Cancel => Duration::ZERO,
                                _ => LIMIT,
                            };
                            if limit == Limit::Idle && row.fills_buffers {
                                assert_not_late(&name, took, time);
                            } else {
                                assert_in_time(&name, took, time);
                            }
                            let line = line(&name, scheme, limit.name(), &error, took);
                            (line, took.saturating_sub(time))
                        }
                    });
                    *lines[index].lock().unwrap() = checked.join().ok();
                }
            });
        }
    });
    let (mut broken, mut late) = (Vec::new(), BTreeMap::<_, Vec<_>>::new());
    for (work, line) in work.iter().zip(&lines) {
        match line.lock().unwrap().take() {
            Some((line, by)) => {
                println!("{line}");
                late.entry(work.1.name()).or_default().push(by);
            }
            None => broken.push((
                work.0.name,
                work.2,
                work.1,
                if work.3 { "used" } else { "new" },
            )),
        }
    }
    assert!(
        broken.is_empty(),
        "{} of {}: {broken:#?}",
        broken.len(),
        work.len()
    );
    for (limit, late) in late {
        assert_precise(limit, late);
    }
}
