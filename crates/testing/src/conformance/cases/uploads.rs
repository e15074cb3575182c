//! Cases about uploads.

use std::io::{self, Read};
use std::sync::mpsc::Receiver;
use std::time::Instant;

use crate::conformance::stage::{Notifier, Received, Stage, Waiter, receive, text};
use crate::conformance::{Checked, STEP_TIMEOUT, check, check_eq};
use crate::script::Answer;
use crate::server::Connection;

/// A reader that returns a piece when the one before has arrived at the server.
struct Pieces {
    arrived: Receiver<()>,
    position: usize,
}

impl Pieces {
    const COUNT: usize = 5;
    const LENGTH: usize = 30_000;
}

impl Read for Pieces {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let (piece, done) = (self.position / Self::LENGTH, self.position % Self::LENGTH);
        if done == 0 && piece > 0 {
            let arrived = self.arrived.recv_timeout(STEP_TIMEOUT);
            arrived.map_err(|_| {
                io::Error::other("the transport reads more before it has sent what it read")
            })?;
        }
        let wanted = if piece == Self::COUNT {
            0
        } else {
            buf.len().min(Self::LENGTH - done)
        };
        buf.get_mut(..wanted).unwrap_or_default().fill(b'#');
        self.position += wanted;
        Ok(wanted)
    }
}

fn streamed(stage: &Stage, length: Option<u64>) -> Checked {
    let (notifier, arrived) = Notifier::new();
    let scene = stage.answer(move |request| {
        let (mut buffer, mut seen, mut reported) = ([0; 4096], 0, 0);
        loop {
            match request.read(&mut buffer) {
                Ok(0) => return Answer::ok("thanks"),
                Ok(read) => seen += read,
                Err(error) => return Answer::error(error),
            }
            while reported < seen / Pieces::LENGTH {
                notifier.send(());
                reported += 1;
            }
        }
    })?;
    let mut pieces = Pieces {
        arrived,
        position: 0,
    };
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
        let (notifier, whole) = Notifier::new();
        let scene = stage.answer(move |request| {
            if request.read_all().complete {
                notifier.send(request.target.clone());
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
    let (notifier, answered) = Notifier::new();
    let scene = stage.answer(move |_| {
        notifier.send(());
        Answer::pieces(["taken", " early"]).with_status(202)
    })?;
    let response = scene.upload(
        &mut AfterAnswer {
            answered,
            done: false,
        },
        None,
    )?;
    check_eq(
        "the response",
        (response.status().as_u16(), text(response)?.as_str()),
        (202, "taken early"),
    )?;
    let request = scene.received()?;
    check_eq(
        "the body that arrived",
        (request.text().as_str(), request.complete),
        ("late", true),
    )
}

/// A reader without end. It fails after a while, so that a broken transport does not read forever.
struct Endless {
    end: Instant,
}

impl Endless {
    fn new() -> Self {
        let end = Instant::now() + STEP_TIMEOUT;
        Self { end }
    }
}

impl Read for Endless {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if Instant::now() > self.end {
            return Err(io::Error::other(
                "the upload was refused, and the transport still reads",
            ));
        }
        buf.fill(b'.');
        Ok(buf.len())
    }
}

fn check_refused(response: Received) -> Checked {
    check_eq(
        "the response",
        (response.status().as_u16(), text(response)?.as_str()),
        (413, "too much"),
    )
}

pub(super) fn early_refusals_are_returned(stage: &Stage) -> Checked {
    for length in [None, Some(1 << 30)] {
        let mut endless = Endless::new();
        let scene = stage.answer(|request| {
            // Reads some of the body.
            let _ = request.read(&mut [0; 100]);
            Answer::status(413, "too much").header("connection", "close")
        })?;
        check_refused(scene.upload(&mut endless, length)?)?;
    }
    Ok(())
}

const REFUSAL: &[u8] =
    b"HTTP/1.1 413 Too Much\r\nContent-Length: 8\r\nConnection: close\r\n\r\ntoo much";

/// Refuses an upload, and then calls `then`.
fn refuse(stage: &Stage, then: fn(&mut Connection) -> io::Result<()>) -> Checked {
    for length in [None, Some(1 << 30)] {
        let mut endless = Endless::new();
        let (notifier, over) = Notifier::new();
        let scene = stage.serve_bytes(move |connection| {
            connection.read_head()?;
            connection.wait_unread()?;
            connection.send(REFUSAL)?;
            let result = then(connection);
            notifier.send(());
            result
        })?;
        check_refused(scene.upload(&mut endless, length)?)?;
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
        let mut endless = Endless::new();
        let (done, is_done) = Waiter::new();
        let scene = stage.serve_bytes(move |connection| {
            connection.read_head()?;
            connection.send(REFUSAL)?;
            is_done.wait()
        })?;
        check_refused(scene.upload(&mut endless, length)?)?;
        done.send(())?;
    }
    Ok(())
}
