//! Cases about uploads.

use std::io::{self, Read};
use std::sync::mpsc::Receiver;
use std::time::Instant;

use crate::conformance::fixture::{
    BodyResponse, SharedReceiver, SharedSender, Target, receive, text,
};
use crate::conformance::{CheckResult, STEP_TIMEOUT, check, check_eq};
use crate::script::Answer;
use crate::server::Connection;

/// A reader that returns each piece after the server has received the one before.
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

fn streamed(target: &Target, length: Option<u64>) -> CheckResult {
    let (sender, arrived) = SharedSender::new();
    let fixture = target.answer(move |request| {
        let (mut buffer, mut seen, mut reported) = ([0; 4096], 0, 0);
        loop {
            match request.read(&mut buffer) {
                Ok(0) => return Answer::ok("thanks"),
                Ok(read) => seen += read,
                Err(error) => return Answer::error(error),
            }
            while reported < seen / Pieces::LENGTH {
                sender.send(());
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
        text(fixture.upload(&mut pieces, length)?)?.as_str(),
        "thanks",
    )?;
    check_eq(
        "the bytes that arrived",
        fixture.received()?.body.len(),
        Pieces::COUNT * Pieces::LENGTH,
    )
}

pub(super) fn uploads_are_streamed(target: &Target) -> CheckResult {
    streamed(target, None)
}

pub(super) fn sized_uploads_are_streamed(target: &Target) -> CheckResult {
    streamed(target, Some(u64::try_from(Pieces::COUNT * Pieces::LENGTH)?))
}

pub(super) fn long_uploads_arrive_completely(target: &Target) -> CheckResult {
    let whole = (0..512)
        .map(|number| format!("{number:065535}\n"))
        .collect::<Vec<_>>()
        .concat();
    let fixture = target.answer(|request| {
        request.read_all();
        Answer::ok("")
    })?;
    for length in [None, Some(u64::try_from(whole.len())?)] {
        text(fixture.upload(&mut whole.as_bytes(), length)?)?;
        check(
            fixture.received()?.body == whole.as_bytes(),
            format_args!("announced as {length:?}: other bytes arrived"),
        )?;
    }
    Ok(())
}

pub(super) fn failing_readers_are_errors(target: &Target) -> CheckResult {
    struct Unreadable;
    impl Read for Unreadable {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("the reader fails"))
        }
    }
    for length in [None, Some(10)] {
        let (sender, whole) = SharedSender::new();
        let fixture = target.answer(move |request| {
            if request.read_all().complete {
                sender.send(request.target.clone());
            }
            Answer::ok("")
        })?;
        check(
            fixture
                .upload(&mut b"abc".chain(Unreadable), length)
                .is_err(),
            "the upload succeeded",
        )?;
        text(fixture.get("/afterwards")?)?;
        check_eq(
            "the first request that arrived completely",
            receive(&whole, "a complete request")?.as_str(),
            "/afterwards",
        )?;
    }
    Ok(())
}

/// A reader that blocks until the server has sent its response.
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

pub(super) fn uploads_continue_after_an_early_success(target: &Target) -> CheckResult {
    let (sender, answered) = SharedSender::new();
    let fixture = target.answer(move |_| {
        sender.send(());
        Answer::pieces(["taken", " early"]).with_status(202)
    })?;
    let response = fixture.upload(
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
    let request = fixture.received()?;
    check_eq(
        "the body that arrived",
        (request.text().as_str(), request.complete),
        ("late", true),
    )
}

/// An endless reader. It fails after [`STEP_TIMEOUT`], so that a broken transport does not read
/// forever.
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

fn check_refused(response: BodyResponse) -> CheckResult {
    check_eq(
        "the response",
        (response.status().as_u16(), text(response)?.as_str()),
        (413, "too much"),
    )
}

pub(super) fn early_refusals_are_returned(target: &Target) -> CheckResult {
    for length in [None, Some(1 << 30)] {
        let mut endless = Endless::new();
        let fixture = target.answer(|request| {
            // Reads some of the body.
            let _ = request.read(&mut [0; 100]);
            Answer::status(413, "too much").header("connection", "close")
        })?;
        check_refused(fixture.upload(&mut endless, length)?)?;
    }
    Ok(())
}

const REFUSAL: &[u8] =
    b"HTTP/1.1 413 Too Much\r\nContent-Length: 8\r\nConnection: close\r\n\r\ntoo much";

/// Refuses an upload, and then calls `then`.
fn refuse(target: &Target, then: fn(&mut Connection) -> io::Result<()>) -> CheckResult {
    for length in [None, Some(1 << 30)] {
        let mut endless = Endless::new();
        let (sender, over) = SharedSender::new();
        let fixture = target.serve_bytes(move |connection| {
            connection.read_head()?;
            connection.wait_unread()?;
            connection.send(REFUSAL)?;
            let result = then(connection);
            sender.send(());
            result
        })?;
        check_refused(fixture.upload(&mut endless, length)?)?;
        receive(&over, "the end of the connection")?;
    }
    Ok(())
}

/// The server closes the connection with bytes unread.
pub(super) fn refusals_are_returned_despite_a_reset(target: &Target) -> CheckResult {
    refuse(target, |_| Ok(()))
}

/// The server reads nothing more, and keeps the connection open.
pub(super) fn refusals_are_returned_if_the_server_stops_reading(target: &Target) -> CheckResult {
    for length in [None, Some(1 << 30)] {
        let mut endless = Endless::new();
        let (done, is_done) = SharedReceiver::new();
        let fixture = target.serve_bytes(move |connection| {
            connection.read_head()?;
            connection.send(REFUSAL)?;
            is_done.wait()
        })?;
        check_refused(fixture.upload(&mut endless, length)?)?;
        done.send(())?;
    }
    Ok(())
}
