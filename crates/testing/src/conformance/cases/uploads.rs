//! Cases about uploads.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, Sender, channel};

use crate::conformance::stage::{Notifier, Received, Stage, Waiter, receive, text};
use crate::conformance::{Checked, STEP_TIMEOUT, check, check_eq};
use crate::script::Answer;
use crate::server::Connection;

/// A reader that returns a piece when the one before has arrived at the server.
struct Pieces {
    arrived: Receiver<()>,
    given: usize,
}

impl Pieces {
    const COUNT: usize = 5;
    const LENGTH: usize = 30_000;
}

impl Read for Pieces {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let (piece, done) = (self.given / Self::LENGTH, self.given % Self::LENGTH);
        if done == 0 && piece > 0 {
            let receive = self.arrived.recv_timeout(STEP_TIMEOUT);
            receive.map_err(|_| {
                io::Error::other("the transport reads more before it has sent what it read")
            })?;
        }
        let wanted = if piece == Self::COUNT {
            0
        } else {
            buf.len().min(Self::LENGTH - done)
        };
        buf.get_mut(..wanted).unwrap_or_default().fill(b'#');
        self.given += wanted;
        Ok(wanted)
    }
}

fn streamed(stage: &Stage, length: Option<u64>) -> Checked {
    let (say, arrived) = Notifier::new();
    let scene = stage.answer(move |request| {
        let (mut buffer, mut seen, mut told) = ([0; 4096], 0, 0);
        loop {
            match request.read(&mut buffer) {
                Ok(0) => return Answer::ok("thanks"),
                Ok(read) => seen += read,
                Err(error) => return Answer::error(error),
            }
            while told < seen / Pieces::LENGTH {
                say.send(());
                told += 1;
            }
        }
    })?;
    let mut pieces = Pieces { arrived, given: 0 };
    check_eq(
        "the response",
        text(scene.upload(&mut pieces, length)?)?.as_str(),
        "thanks",
    )?;
    check_eq(
        "the bytes that arrived",
        scene.received()?.body.len(),
        Pieces::COUNT * Pieces::LENGTH,
    )
}

pub(super) fn uploads_are_streamed(stage: &Stage) -> Checked {
    streamed(stage, None)
}

pub(super) fn sized_uploads_are_streamed(stage: &Stage) -> Checked {
    streamed(stage, Some(u64::try_from(Pieces::COUNT * Pieces::LENGTH)?))
}

pub(super) fn long_uploads_arrive_completely(stage: &Stage) -> Checked {
    let whole = (0..512)
        .map(|number| format!("{number:065535}\n"))
        .collect::<Vec<_>>()
        .concat();
    let scene = stage.answer(|request| {
        request.read_all();
        Answer::ok("")
    })?;
    for length in [None, Some(u64::try_from(whole.len())?)] {
        text(scene.upload(&mut whole.as_bytes(), length)?)?;
        check(
            scene.received()?.body == whole.as_bytes(),
            format_args!("announced as {length:?}: other bytes arrived"),
        )?;
    }
    Ok(())
}

pub(super) fn failing_readers_are_errors(stage: &Stage) -> Checked {
    struct Unreadable;
    impl Read for Unreadable {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("the reader fails"))
        }
    }
    for length in [None, Some(10)] {
        let (say, whole) = Notifier::new();
        let scene = stage.answer(move |request| {
            if request.read_all().complete {
                say.send(request.target.clone());
            }
            Answer::ok("")
        })?;
        check(
            scene.upload(&mut b"abc".chain(Unreadable), length).is_err(),
            "the upload succeeded",
        )?;
        text(scene.get("/afterwards")?)?;
        check_eq(
            "the first request that arrived completely",
            receive(&whole, "a complete request")?.as_str(),
            "/afterwards",
        )?;
    }
    Ok(())
}

/// A reader that blocks until the server has answered.
struct AfterAnswer {
    answered: Receiver<()>,
    done: bool,
}

impl Read for AfterAnswer {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if std::mem::replace(&mut self.done, true) {
            return Ok(0);
        }
        self.answered
            .recv_timeout(STEP_TIMEOUT)
            .map_err(io::Error::other)?;
        b"late".as_slice().read(buf)
    }
}

pub(super) fn uploads_continue_after_an_early_success(stage: &Stage) -> Checked {
    let (say, answered) = Notifier::new();
    let scene = stage.answer(move |_| {
        say.send(());
        Answer::pieces(["taken", " early"]).with_status(202)
    })?;
    let answer = scene.upload(
        &mut AfterAnswer {
            answered,
            done: false,
        },
        None,
    )?;
    check_eq(
        "the response",
        (answer.status().as_u16(), text(answer)?.as_str()),
        (202, "taken early"),
    )?;
    let sent = scene.received()?;
    check_eq(
        "the body that arrived",
        (sent.text().as_str(), sent.complete),
        ("late", true),
    )
}

/// A reader without end. It fails when the sender is used, so that a broken transport does not
/// hang.
struct Endless {
    until: Receiver<()>,
}

impl Endless {
    fn new() -> (Sender<()>, Self) {
        let (stop, until) = channel();
        (stop, Self { until })
    }
}

impl Read for Endless {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.until.try_recv().is_ok() {
            return Err(io::Error::other(
                "the upload was refused, and the transport still reads",
            ));
        }
        buf.fill(b'.');
        Ok(buf.len())
    }
}

fn is_refused(answered: Received) -> Checked {
    check_eq(
        "the response",
        (answered.status().as_u16(), text(answered)?.as_str()),
        (413, "too much"),
    )
}

pub(super) fn early_refusals_are_returned(stage: &Stage) -> Checked {
    for length in [None, Some(1 << 30)] {
        let (_stop, mut endless) = Endless::new();
        let scene = stage.answer(|request| {
            // Reads some of the body.
            let _ = request.read(&mut [0; 100]);
            Answer::status(413, "too much").header("connection", "close")
        })?;
        is_refused(scene.upload(&mut endless, length)?)?;
    }
    Ok(())
}

const REFUSAL: &[u8] =
    b"HTTP/1.1 413 Too Much\r\nContent-Length: 8\r\nConnection: close\r\n\r\ntoo much";

/// Refuses an upload, and then calls `then`.
fn refuse(stage: &Stage, then: fn(&mut Connection) -> io::Result<()>) -> Checked {
    for length in [None, Some(1 << 30)] {
        let (_stop, mut endless) = Endless::new();
        let (say, over) = Notifier::new();
        let scene = stage.serve_bytes(move |connection| {
            connection.read_head()?;
            connection.wait_unread()?;
            connection.send(REFUSAL)?;
            let result = then(connection);
            say.send(());
            result
        })?;
        is_refused(scene.upload(&mut endless, length)?)?;
        receive(&over, "the end of the connection")?;
    }
    Ok(())
}

/// The server closes the connection with bytes unread.
pub(super) fn refusals_are_returned_despite_a_reset(stage: &Stage) -> Checked {
    refuse(stage, |_| Ok(()))
}

/// The server reads nothing more, and keeps the connection open.
pub(super) fn refusals_are_returned_if_the_server_stops_reading(stage: &Stage) -> Checked {
    for length in [None, Some(1 << 30)] {
        let (_stop, mut endless) = Endless::new();
        let (done, is_done) = Waiter::new();
        let scene = stage.serve_bytes(move |connection| {
            connection.read_head()?;
            connection.send(REFUSAL)?;
            is_done.wait()
        })?;
        is_refused(scene.upload(&mut endless, length)?)?;
        done.send(())?;
    }
    Ok(())
}
