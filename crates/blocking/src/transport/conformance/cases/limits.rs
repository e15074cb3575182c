//! What bounds an exchange.

use std::io::{self, Read};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::transport::conformance::stage::{Answered, Hear, Scene, Stage, heard, text};
use crate::transport::conformance::{Checked, PATIENCE, check, same};
use crate::transport::script::{Answer, Live};
use crate::{CallLimits, CancelToken, Outgoing, Stopped, TransportError};

/// When a limit is reached that is to be reached.
const LIMIT: Duration = Duration::from_secs(1);

/// Limits of which one ends an exchange after this time.
fn limits(stopped: Stopped, time: Duration) -> CallLimits {
    let mut limits = CallLimits::default();
    match stopped {
        Stopped::Deadline => limits.deadline = Instant::now().checked_add(time),
        Stopped::Idle => limits.idle = Some(time),
        Stopped::Cancelled => {
            let token = CancelToken::new();
            limits.cancel = Some(token.clone());
            thread::spawn(move || {
                thread::sleep(time);
                token.cancel();
            });
        }
    }
    limits
}

/// It ended for this reason, at its time, and not by a wait for something else.
fn ended(
    what: &str,
    begin: Instant,
    found: Result<(), Option<Stopped>>,
    expected: Stopped,
) -> Checked {
    match found {
        Ok(()) => return Err(format!("{what}: nothing ended it").into()),
        Err(None) => return Err(format!("{what}: the source of the error is no Stopped").into()),
        Err(Some(found)) => same(what, found, expected)?,
    }
    let took = begin.elapsed();
    check(
        (LIMIT..PATIENCE).contains(&took),
        format_args!("{what}: it ended after {took:?}, and not after {LIMIT:?}"),
    )
}

/// Why there is no answer, as the client recognises it.
fn why(result: Checked<Answered>) -> Result<(), Option<Stopped>> {
    let error = match result {
        Ok(_) => return Ok(()),
        Err(error) => error,
    };
    let source = error
        .downcast::<TransportError>()
        .map_or_else(|error| error, |error| error.source);
    Err(source.downcast::<Stopped>().ok().map(|stopped| *stopped))
}

fn why_body(result: io::Result<usize>) -> Result<(), Option<Stopped>> {
    result
        .map(drop)
        .map_err(|error| error.downcast::<Stopped>().ok())
}

/// A scene in which each answer is given as the case goes on, and the way to them.
fn live(stage: &Stage) -> Checked<(Scene, Receiver<Live>)> {
    let (give, given) = channel();
    let give = Mutex::new(give);
    let scene = stage.play(move |asked| {
        asked.read_all();
        let (answer, live) = Answer::live();
        match give.lock().map(|give| give.send(live)) {
            Ok(Ok(())) => answer,
            _ => Answer::error("the case is over"),
        }
    })?;
    Ok((scene, given))
}

fn given(lives: &Receiver<Live>) -> Checked<Live> {
    heard(lives, "the request")
}

fn ends_a_wait(stage: &Stage, stopped: Stopped) -> Checked {
    let (scene, lives) = live(stage)?;
    for body in [
        Outgoing::Empty,
        Outgoing::Bytes(b"{}"),
        Outgoing::Reader {
            reader: &mut &b"data"[..],
            length: None,
        },
    ] {
        let what = format!("{body:?}");
        let begin = Instant::now();
        ended(
            &what,
            begin,
            why(scene.limited(&limits(stopped, LIMIT), body)),
            stopped,
        )?;
        // The answer comes too late, to nobody.
        drop(given(&lives)?);
    }
    Ok(())
}

/// The body gives something, and then nothing more.
fn ends_a_body(stage: &Stage, stopped: Stopped) -> Checked<(Answered, Live, Scene)> {
    let (scene, lives) = live(stage)?;
    // The first of it must come before.
    let limits = limits(
        stopped,
        if stopped == Stopped::Idle {
            LIMIT
        } else {
            3 * LIMIT
        },
    );
    let begin = Instant::now();
    let (answered, live) = thread::scope(|scope| {
        let answered = scope.spawn(|| scene.limited(&limits, Outgoing::Empty));
        let live = given(&lives)?;
        live.piece("piece");
        Checked::Ok((answered.join().map_err(|_| "the call panicked")??, live))
    })?;
    let (head, mut body) = answered.into_parts();
    let mut piece = [0; 5];
    body.read_exact(&mut piece)?;
    same("the piece", &piece, b"piece")?;
    ended("the body", begin, why_body(body.read(&mut [0; 8])), stopped)?;
    Ok((Answered::from_parts(head, body), live, scene))
}

fn ends_an_upload(stage: &Stage, stopped: Stopped) -> Checked {
    for length in [None, Some(1 << 30)] {
        let (done, is_done) = Hear::new();
        // It reads no further than the head.
        let scene = stage.wire(move |connection| {
            connection.head()?;
            is_done.hear()
        })?;
        let begin = Instant::now();
        let result = scene.limited(
            &limits(stopped, LIMIT),
            Outgoing::Reader {
                reader: &mut io::repeat(b'.'),
                length,
            },
        );
        ended(
            &format!("an upload announced as {length:?}"),
            begin,
            why(result),
            stopped,
        )?;
        done.send(())?;
    }
    Ok(())
}

fn sends_nothing(stage: &Stage, limits: &CallLimits, stopped: Stopped) -> Checked {
    let scene = stage.play(|asked| {
        asked.read_all();
        Answer::ok("")
    })?;
    same(
        "why",
        why(scene.limited(limits, Outgoing::Empty)),
        Err(Some(stopped)),
    )?;
    let mut reader = &b"data"[..];
    same(
        "why",
        why(scene.limited(
            limits,
            Outgoing::Reader {
                reader: &mut reader,
                length: None,
            },
        )),
        Err(Some(stopped)),
    )?;
    check(reader == b"data", "the data was read")?;
    text(scene.get("/afterwards")?)?;
    same(
        "the first request that arrived",
        scene.sent()?.target.as_str(),
        "/afterwards",
    )
}

pub(super) fn passed_deadlines_send_nothing(stage: &Stage) -> Checked {
    let limits = CallLimits {
        deadline: Some(Instant::now()),
        ..CallLimits::default()
    };
    sends_nothing(stage, &limits, Stopped::Deadline)
}

pub(super) fn deadlines_end_a_wait(stage: &Stage) -> Checked {
    ends_a_wait(stage, Stopped::Deadline)
}

pub(super) fn deadlines_end_a_body(stage: &Stage) -> Checked {
    let (mut answered, live, _scene) = ends_a_body(stage, Stopped::Deadline)?;
    // Also what comes too late is not read any more.
    live.piece("late");
    same(
        "a second read",
        why_body(answered.body_mut().read(&mut [0; 8])),
        Err(Some(Stopped::Deadline)),
    )
}

pub(super) fn deadlines_end_a_body_that_comes(stage: &Stage) -> Checked {
    let (done, is_done) = Hear::<()>::new();
    let scene = stage.wire(move |connection| {
        connection.request()?;
        connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
        let chunk = [b"1000\r\n".as_slice(), &[b'.'; 4096], b"\r\n"].concat();
        while connection.send(&chunk).is_ok() {}
        let _ = is_done.hear();
        Ok(())
    })?;
    let begin = Instant::now();
    let mut body = scene
        .limited(&limits(Stopped::Deadline, LIMIT), Outgoing::Empty)?
        .into_body();
    let mut buffer = vec![0; 64 << 10];
    loop {
        match why_body(body.read(&mut buffer)) {
            Ok(()) => check(begin.elapsed() < PATIENCE, "nothing ended it")?,
            error => {
                ended("the body", begin, error, Stopped::Deadline)?;
                break;
            }
        }
    }
    drop(body);
    drop(done);
    Ok(())
}

pub(super) fn deadlines_end_an_upload(stage: &Stage) -> Checked {
    ends_an_upload(stage, Stopped::Deadline)
}

/// What was not answered in time may be answered later.
pub(super) fn spent_connections_are_not_used(stage: &Stage) -> Checked {
    let scene = stage.wire(|connection| {
        connection.request()?;
        if connection.index == 0 {
            // Until the client closes it, or sends another.
            connection.request()?;
        }
        connection.send(format!(
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{}",
            connection.index
        ))
    })?;
    let begin = Instant::now();
    ended(
        "the wait",
        begin,
        why(scene.limited(&limits(Stopped::Deadline, LIMIT), Outgoing::Empty)),
        Stopped::Deadline,
    )?;
    same("the connection", text(scene.get("/after")?)?.as_str(), "1")
}

pub(super) fn silence_ends_a_wait(stage: &Stage) -> Checked {
    ends_a_wait(stage, Stopped::Idle)
}

pub(super) fn silence_ends_an_upload(stage: &Stage) -> Checked {
    ends_an_upload(stage, Stopped::Idle)
}

pub(super) fn bodies_are_read_on_after_silence(stage: &Stage) -> Checked {
    let (answered, live, _scene) = ends_a_body(stage, Stopped::Idle)?;
    live.piece(" and more");
    live.end();
    same(
        "what came afterwards",
        text(answered)?.as_str(),
        " and more",
    )
}

/// Wherever the silence is, also between the bytes of the framing.
pub(super) fn nothing_is_lost_after_silence(stage: &Stage) -> Checked {
    let pieces = [
        "8\r\nsome",
        " tex\r\n",
        "0",
        "f\r",
        "\n, and more of i\r",
        "\n2\r\nt.\r\n0\r",
        "\n\r\n",
    ];
    let (go_on, may_go_on) = Hear::new();
    let scene = stage.wire(move |connection| {
        connection.request()?;
        connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
        for piece in pieces {
            connection.send(piece)?;
            may_go_on.hear()?;
        }
        Ok(())
    })?;
    let mut body = scene
        .limited(&limits(Stopped::Idle, LIMIT), Outgoing::Empty)?
        .into_body();
    let (mut text, mut buffer, mut silences) = (Vec::new(), [0; 3], 0);
    loop {
        match body.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => text.extend_from_slice(buffer.get(..read).unwrap_or_default()),
            error => {
                same("why", why_body(error), Err(Some(Stopped::Idle)))?;
                silences += 1;
                go_on.send(())?;
            }
        }
    }
    same(
        "what came",
        (String::from_utf8_lossy(&text).as_ref(), silences),
        ("some tex, and more of it.", pieces.len() - 1),
    )
}

pub(super) fn cancelled_before_sends_nothing(stage: &Stage) -> Checked {
    let token = CancelToken::new();
    token.cancel();
    sends_nothing(
        stage,
        &CallLimits {
            cancel: Some(token),
            ..CallLimits::default()
        },
        Stopped::Cancelled,
    )
}

pub(super) fn cancelling_ends_a_wait(stage: &Stage) -> Checked {
    ends_a_wait(stage, Stopped::Cancelled)
}

pub(super) fn cancelling_ends_a_body(stage: &Stage) -> Checked {
    let (mut answered, live, _scene) = ends_a_body(stage, Stopped::Cancelled)?;
    live.piece("late");
    same(
        "a second read",
        why_body(answered.body_mut().read(&mut [0; 8])),
        Err(Some(Stopped::Cancelled)),
    )
}

pub(super) fn cancelling_ends_an_upload(stage: &Stage) -> Checked {
    ends_an_upload(stage, Stopped::Cancelled)
}

/// The one that goes on before, meanwhile and after.
pub(super) fn others_go_on(stage: &Stage) -> Checked {
    let (scene, lives) = live(stage)?;
    thread::scope(|scope| {
        let other = scope.spawn(|| text(scene.get("/other")?));
        let others = given(&lives)?;
        let cancelled =
            scope.spawn(|| why(scene.limited(&limits(Stopped::Cancelled, LIMIT), Outgoing::Empty)));
        let late = given(&lives)?;
        same(
            "what was cancelled",
            cancelled.join().map_err(|_| "the call panicked")?,
            Err(Some(Stopped::Cancelled)),
        )?;
        late.piece("for nobody");
        late.end();
        others.piece("for the other");
        others.end();
        same(
            "the other",
            other.join().map_err(|_| "the other panicked")??.as_str(),
            "for the other",
        )
    })?;
    let after = thread::scope(|scope| {
        let after = scope.spawn(|| text(scene.get("/after")?));
        given(&lives)?.piece("afterwards");
        after.join().map_err(|_| "the call panicked")?
    })?;
    same("the one after it", after.as_str(), "afterwards")
}
