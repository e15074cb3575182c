//! Faults of a server, and what each limit makes of them: one table.

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
use crate::scene::{
    Fed, LIMIT, Limit, STREAM, Scheme, Signal, drain, host, inner, is_aside, line, next_event,
};
use crate::timing::{assert_in_time, assert_not_late, assert_precise};

/// How many rows are measured at a time. Their threads do little but wait.
const AT_ONCE: usize = 10;

struct Row {
    name: &'static str,
    /// What the server does with the request whose head it has read, until it is told that the call is over.
    fault: fn(&mut Connection, &Scene),
    call: fn(&HostClient, Fed) -> Result<(), Error>,
    phase: Phase,
    /// Whether there is silence, for the idle timeout.
    silent: bool,
    /// Whether the call is blocked only when its upload stands still.
    fills: bool,
}

impl Row {
    fn new(
        name: &'static str,
        phase: Phase,
        call: fn(&HostClient, Fed) -> Result<(), Error>,
        fault: fn(&mut Connection, &Scene),
    ) -> Self {
        Self {
            name,
            fault,
            call,
            phase,
            silent: true,
            fills: false,
        }
    }

    fn never_silent(self) -> Self {
        Self {
            silent: false,
            ..self
        }
    }

    fn fills(self) -> Self {
        Self {
            fills: true,
            ..self
        }
    }
}

/// What the two sides of a row know of each other.
struct Scene {
    /// The server has begun to misbehave.
    reached: Arc<Mailbox<()>>,
    /// How often it has.
    faults: AtomicUsize,
    /// The call is over.
    over: Arc<Signal>,
    /// A second call has arrived, which is answered when the first one is over.
    arrived: Arc<Signal>,
    answer: Arc<Signal>,
    /// The connection with the fault was closed by the client, after so many more bytes.
    closed: Arc<Mailbox<usize>>,
}

impl Scene {
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

    /// Plays the hub. A request on the connection with the fault is not answered any more.
    fn serve(&self, row: &Row, connection: &mut Connection) {
        while let Ok(request) = connection.read_head() {
            if is_aside(connection, &request) {
                continue;
            }
            if request.target.ends_with("/once/other") {
                self.arrived.give();
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

    /// Sends a byte again and again, until the call is over.
    fn trickle(&self, connection: &mut Connection, pause: Duration) {
        while connection.send(b"a").is_ok() && !self.over.within(pause) {}
    }
}

const SECOND: Duration = Duration::from_secs(1);
/// So short that no idle timeout notices it, and no read ever waits for long.
const MOMENT: Duration = Duration::from_millis(25);

fn list(host: &HostClient, _: Fed) -> Result<(), Error> {
    host.list_sequences().map(drop)
}

fn kill(host: &HostClient, _: Fed) -> Result<(), Error> {
    host.instance("i")?.kill(&KillOptions::new()).map(drop)
}

fn event(host: &HostClient, _: Fed) -> Result<(), Error> {
    next_event(&host.instance("i")?, "e").map(drop)
}

fn events(host: &HostClient, _: Fed) -> Result<(), Error> {
    host.instance("i")?
        .event_stream("e")?
        .next()
        .expect("an item")
        .map(drop)
}

fn read(host: &HostClient, _: Fed) -> Result<(), Error> {
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
            "it is forgotten"
        );
    }
    error
}

fn chunked(host: &HostClient, fed: Fed) -> Result<(), Error> {
    host.send(&SendSequence, Upload::reader(fed)).map(drop)
}

fn sized(host: &HostClient, fed: Fed) -> Result<(), Error> {
    host.send(&SendSequence, Upload::sized_reader(fed, 1 << 30))
        .map(drop)
}

fn in_memory(host: &HostClient, _: Fed) -> Result<(), Error> {
    host.instance("i")?
        .send_input(vec![b'.'; 12 << 20])
        .map(drop)
}

fn small(host: &HostClient, _: Fed) -> Result<(), Error> {
    host.instance("i")?.send_input("a little").map(drop)
}

fn expecting(host: &HostClient, fed: Fed) -> Result<(), Error> {
    host.instance("i")?
        .send_input(Input::bytes(Upload::reader(fed)).expect_continue())
        .map(drop)
}

fn quiet(_: &mut Connection, scene: &Scene) {
    scene.reached();
}

fn rows() -> Vec<Row> {
    vec![
        Row::new("says nothing", Phase::Wait, list, quiet),
        Row::new(
            "says nothing to a POST",
            Phase::Wait,
            kill,
            |connection, scene| {
                let _ = connection.read(&mut [0; 100]);
                scene.reached();
            },
        ),
        Row::new("never has the event", Phase::Wait, event, quiet),
        Row::new(
            "stops in the status line",
            Phase::Wait,
            list,
            |connection, scene| {
                let _ = connection.send(b"HTTP/1.1 20");
                scene.reached();
            },
        ),
        Row::new(
            "stops in the head",
            Phase::Wait,
            list,
            |connection, scene| {
                let _ = connection.send(b"HTTP/1.1 200 OK\r\nContent-Type: app");
                scene.reached();
            },
        ),
        Row::new(
            "sends a byte of the head a second",
            Phase::Wait,
            list,
            |connection, scene| {
                let _ = connection.send(b"HTTP/1.1 200 OK\r\nX-Long: ");
                scene.reached();
                scene.trickle(connection, SECOND);
            },
        ),
        Row::new(
            "sends a byte of the head every 25 ms",
            Phase::Wait,
            list,
            |connection, scene| {
                let _ = connection.send(b"HTTP/1.1 200 OK\r\nX-Long: ");
                scene.reached();
                scene.trickle(connection, MOMENT);
            },
        )
        .never_silent(),
        Row::new(
            "sends interim answers without end",
            Phase::Wait,
            list,
            |connection, scene| {
                scene.reached();
                while connection.send(b"HTTP/1.1 102 Processing\r\n\r\n").is_ok()
                    && !scene.over.within(MOMENT)
                {}
            },
        )
        .never_silent(),
        Row::new(
            "stops in the answer",
            Phase::Read,
            list,
            |connection, scene| {
                let _ = connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[");
                scene.reached();
            },
        ),
        Row::new(
            "sends a byte of the answer a second",
            Phase::Read,
            list,
            |connection, scene| {
                let _ = connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n[");
                scene.reached();
                scene.trickle(connection, SECOND);
            },
        ),
        Row::new(
            "sends a byte of the answer every 25 ms",
            Phase::Read,
            list,
            |connection, scene| {
                let _ = connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n[");
                scene.reached();
                scene.trickle(connection, MOMENT);
            },
        )
        .never_silent(),
        Row::new("has no output", Phase::Read, read, |connection, scene| {
            let _ = connection.send(STREAM);
            scene.reached();
        }),
        Row::new(
            "stops in the length of a chunk",
            Phase::Read,
            read,
            |connection, scene| {
                let _ = connection.send([STREAM, b"4\r\ntext\r\n1"].concat());
                scene.reached();
            },
        ),
        Row::new(
            "stops in a chunk",
            Phase::Read,
            read,
            |connection, scene| {
                let _ = connection.send([STREAM, b"4\r\nte"].concat());
                scene.reached();
            },
        ),
        Row::new(
            "stops in an output that ends with the connection",
            Phase::Read,
            read,
            |connection, scene| {
                let _ = connection.send(b"HTTP/1.1 200 OK\r\n\r\ntext");
                scene.reached();
            },
        ),
        Row::new(
            "sends a byte of the output a second",
            Phase::Read,
            read,
            |connection, scene| {
                let _ = connection.send(b"HTTP/1.1 200 OK\r\n\r\ntext");
                scene.reached();
                scene.trickle(connection, SECOND);
            },
        ),
        Row::new(
            "sends a byte of the output every 25 ms",
            Phase::Read,
            read,
            |connection, scene| {
                let _ = connection.send(b"HTTP/1.1 200 OK\r\n\r\ntext");
                scene.reached();
                scene.trickle(connection, MOMENT);
            },
        )
        .never_silent(),
        Row::new(
            "sends output without a pause",
            Phase::Read,
            read,
            |connection, scene| {
                let _ = connection.send(b"HTTP/1.1 200 OK\r\n\r\n");
                scene.reached();
                while connection.send([b'a'; 4096]).is_ok() && !scene.over.is_given() {}
            },
        )
        .never_silent(),
        Row::new("has no events", Phase::Read, events, |connection, scene| {
            let _ = connection.send([STREAM, b"8\r\n{\"event\r\n"].concat());
            scene.reached();
        }),
        Row::new(
            "stops reading an upload in chunks",
            Phase::Send,
            chunked,
            quiet,
        )
        .fills(),
        Row::new(
            "stops reading an upload of known length",
            Phase::Send,
            sized,
            quiet,
        )
        .fills(),
        // When the silence begins cannot be seen from outside.
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
            |connection, scene| {
                scene.reached();
                while connection.read(&mut [0; 1024]).unwrap_or(0) > 0 && !scene.over.within(MOMENT)
                {
                }
            },
        )
        // What arrives is taken in large steps, between which nothing moves for long.
        .fills()
        .never_silent(),
        Row::new(
            "reads an upload without end",
            Phase::Send,
            chunked,
            |connection, scene| {
                scene.reached();
                while connection.read(&mut [0; 64 << 10]).unwrap_or(0) > 0 && !scene.over.is_given()
                {
                }
            },
        )
        .never_silent(),
        Row::new(
            "accepts an upload and stops reading it",
            Phase::Send,
            chunked,
            |connection, scene| {
                let _ = connection.send(STREAM);
                scene.reached();
            },
        )
        .fills(),
        Row::new(
            "takes an upload and says nothing",
            Phase::Wait,
            small,
            |connection, scene| {
                let _ = connection.read(&mut [0; 100]);
                scene.reached();
            },
        ),
        Row::new(
            "takes an upload and does not end the answer",
            Phase::Read,
            small,
            |connection, scene| {
                let _ = connection.read(&mut [0; 100]);
                let _ = connection.send(STREAM);
                scene.reached();
            },
        ),
        Row::new("never answers Expect", Phase::Wait, expecting, quiet),
        Row::new(
            "stops in the answer to Expect",
            Phase::Wait,
            expecting,
            |connection, scene| {
                let _ = connection.send(b"HTTP/1.1 100 Cont");
                scene.reached();
            },
        ),
        Row::new(
            "answers Expect and stops reading",
            Phase::Send,
            expecting,
            |connection, scene| {
                let _ = connection.send(b"HTTP/1.1 100 Continue\r\n\r\n");
                scene.reached();
            },
        )
        .fills(),
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

/// Runs the call of a row, on a new connection or on one that was used before, while another call waits. Gives its error, and how
/// long that took: of a cancelled one, from its cancellation.
fn measure(row: &Arc<Row>, limit: Limit, scheme: Scheme, pooled: bool) -> (Error, Duration) {
    let scene = Scene::new();
    let server = scheme.serve({
        let (scene, row) = (Arc::clone(&scene), Arc::clone(row));
        move |connection| scene.serve(&row, connection)
    });
    let host = host(&server);
    let other = thread::spawn({
        let host = host.clone();
        move || next_event(&host.instance("i").unwrap(), "other")
    });
    scene.arrived.wait();
    if pooled {
        host.version().unwrap();
    }

    let token = CancelToken::new();
    let limited = match limit {
        Limit::Deadline => host.with_deadline(LIMIT),
        Limit::Idle => host.with_idle_timeout(LIMIT),
        Limit::Cancel => host.with_cancel(&token),
    };
    let (fed, reads) = Fed::new();
    // An upload is silent from its last read on.
    let silent_since = fed.last();
    let canceller = (limit == Limit::Cancel).then(|| {
        let (scene, fills) = (Arc::clone(&scene), row.fills);
        thread::spawn(move || {
            scene.reached.take();
            match fills {
                true => reads.stop(),
                // Most calls have come to what was sent by then. One that has not is ended a step earlier, which is as good.
                false => thread::sleep(MOMENT),
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
        None if limit == Limit::Idle && row.fills => {
            let silent_since = silent_since.lock().unwrap().unwrap();
            assert!(
                end.saturating_duration_since(silent_since) >= LIMIT / 2,
                "it was read on"
            );
            silent_since
        }
        None => begin,
    };

    // The call was not repeated. The client can go on, over another connection: the one that was
    // given up is closed, nothing more was sent over it, and the server would not answer.
    host.version().unwrap();
    assert_eq!(scene.faults.load(Ordering::SeqCst), 1, "it was repeated");
    scene.over.give();
    let more = scene.closed.take();
    if row.phase != Phase::Send
        && row.name != "takes an upload and says nothing"
        && scheme == Scheme::Http
    {
        assert_eq!(more, 0, "something was sent over it");
    }
    // The other call did not notice.
    assert!(!other.is_finished(), "the other call was ended as well");
    scene.answer.give();
    other.join().unwrap().unwrap();
    (error, end.saturating_duration_since(begin))
}

#[test]
fn every_limit_ends_every_call_in_time_and_nothing_else() {
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
        for _ in 0..AT_ONCE {
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
                            if limit == Limit::Idle && row.fills {
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
