//! What is sent while it is read.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, Sender, channel};

use crate::transport::conformance::server::Connection;
use crate::transport::conformance::stage::{Answered, Hear, Say, Stage, heard, text};
use crate::transport::conformance::{Checked, PATIENCE, check, same};
use crate::transport::script::Answer;

/// A reader that gives a piece when it is told that the one before has arrived.
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
            let heard = self.arrived.recv_timeout(PATIENCE);
            heard.map_err(|_| {
                io::Error::other("what was read so far was not sent, and more is asked for")
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
    let (say, arrived) = Say::new();
    let scene = stage.play(move |asked| {
        let (mut buffer, mut seen, mut told) = ([0; 4096], 0, 0);
        loop {
            match asked.read(&mut buffer) {
                Ok(0) => return Answer::ok("thanks"),
                Ok(read) => seen += read,
                Err(error) => return Answer::error(error),
            }
            while told < seen / Pieces::LENGTH {
                say.say(());
                told += 1;
            }
        }
    })?;
    let mut pieces = Pieces { arrived, given: 0 };
    same(
        "the answer",
        text(scene.upload(&mut pieces, length)?)?.as_str(),
        "thanks",
    )?;
    same(
        "the bytes that arrived",
        scene.sent()?.body.len(),
        Pieces::COUNT * Pieces::LENGTH,
    )
}

pub(super) fn uploads_are_streamed(stage: &Stage) -> Checked {
    streamed(stage, None)
}

pub(super) fn sized_uploads_are_streamed(stage: &Stage) -> Checked {
    streamed(stage, Some(u64::try_from(Pieces::COUNT * Pieces::LENGTH)?))
}

pub(super) fn long_uploads_arrive_whole(stage: &Stage) -> Checked {
    let whole = (0..512)
        .map(|number| format!("{number:065535}\n"))
        .collect::<Vec<_>>()
        .concat();
    let scene = stage.play(|asked| {
        asked.read_all();
        Answer::ok("")
    })?;
    for length in [None, Some(u64::try_from(whole.len())?)] {
        text(scene.upload(&mut whole.as_bytes(), length)?)?;
        check(
            scene.sent()?.body == whole.as_bytes(),
            format_args!("announced as {length:?}: other bytes arrived"),
        )?;
    }
    Ok(())
}

pub(super) fn unreadable_uploads_are_errors(stage: &Stage) -> Checked {
    struct Unreadable;
    impl Read for Unreadable {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("it cannot be read"))
        }
    }
    for length in [None, Some(10)] {
        let (say, whole) = Say::new();
        let scene = stage.play(move |asked| {
            if asked.read_all().complete {
                say.say(asked.so_far().target.clone());
            }
            Answer::ok("")
        })?;
        check(
            scene.upload(&mut b"abc".chain(Unreadable), length).is_err(),
            "it is taken for sent",
        )?;
        text(scene.get("/afterwards")?)?;
        same(
            "the first that arrived whole",
            heard(&whole, "it")?.as_str(),
            "/afterwards",
        )?;
    }
    Ok(())
}

/// Data that comes after word of the answer.
struct Late {
    answered: Receiver<()>,
    given: bool,
}

impl Read for Late {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if std::mem::replace(&mut self.given, true) {
            return Ok(0);
        }
        self.answered
            .recv_timeout(PATIENCE)
            .map_err(io::Error::other)?;
        b"late".as_slice().read(buf)
    }
}

pub(super) fn uploads_go_on_after_an_early_success(stage: &Stage) -> Checked {
    let (say, answered) = Say::new();
    let scene = stage.play(move |_| {
        say.say(());
        Answer::pieces(["taken", " early"]).with_status(202)
    })?;
    let answer = scene.upload(
        &mut Late {
            answered,
            given: false,
        },
        None,
    )?;
    same(
        "the answer",
        (answer.status().as_u16(), text(answer)?.as_str()),
        (202, "taken early"),
    )?;
    let sent = scene.sent()?;
    same(
        "what arrived",
        (sent.text().as_str(), sent.complete),
        ("late", true),
    )
}

/// Data without end, until it is told to end, so that a mistake does not last for ever.
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
                "it was refused, and still more was asked for",
            ));
        }
        buf.fill(b'.');
        Ok(buf.len())
    }
}

fn is_refused(answered: Answered) -> Checked {
    same(
        "the answer",
        (answered.status().as_u16(), text(answered)?.as_str()),
        (413, "too much"),
    )
}

pub(super) fn early_refusals_are_returned(stage: &Stage) -> Checked {
    for length in [None, Some(1 << 30)] {
        let (_stop, mut endless) = Endless::new();
        let scene = stage.play(|asked| {
            // Some of it is taken.
            let _ = asked.read(&mut [0; 100]);
            Answer::status(413, "too much").header("connection", "close")
        })?;
        is_refused(scene.upload(&mut endless, length)?)?;
    }
    Ok(())
}

const REFUSAL: &[u8] =
    b"HTTP/1.1 413 Too Much\r\nContent-Length: 8\r\nConnection: close\r\n\r\ntoo much";

/// The server refuses, and then does this with the connection.
fn refusing(stage: &Stage, then: fn(&mut Connection) -> io::Result<()>) -> Checked {
    for length in [None, Some(1 << 30)] {
        let (_stop, mut endless) = Endless::new();
        let (say, over) = Say::new();
        let scene = stage.wire(move |connection| {
            connection.head()?;
            connection.await_unread()?;
            connection.send(REFUSAL)?;
            let result = then(connection);
            say.say(());
            result
        })?;
        is_refused(scene.upload(&mut endless, length)?)?;
        heard(&over, "the server")?;
    }
    Ok(())
}

/// It closes with bytes unread.
pub(super) fn refusals_win_over_resets(stage: &Stage) -> Checked {
    refusing(stage, |_| Ok(()))
}

/// It takes nothing more, and keeps the connection.
pub(super) fn refusals_win_over_standstill(stage: &Stage) -> Checked {
    for length in [None, Some(1 << 30)] {
        let (_stop, mut endless) = Endless::new();
        let (done, is_done) = Hear::new();
        let scene = stage.wire(move |connection| {
            connection.head()?;
            connection.send(REFUSAL)?;
            is_done.hear()
        })?;
        is_refused(scene.upload(&mut endless, length)?)?;
        done.send(())?;
    }
    Ok(())
}
