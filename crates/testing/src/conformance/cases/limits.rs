//! Cases about deadlines, idle timeouts and cancellation.

use std::io::{self, Read};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use scramjet_client_blocking::CancelToken;
use scramjet_client_blocking::transport::{
    CallLimits, RequestBody, StopReason, TransportError, TransportErrorKind,
};

use crate::conformance::fixture::{
    BodyResponse, Fixture, SharedReceiver, Target, reader_body, receive, text,
};
use crate::conformance::{CheckResult, STEP_TIMEOUT, check, check_eq};
use crate::script::{Answer, ResponseHandle};

/// The time after which the limits of the cases end a request.
const LIMIT: Duration = Duration::from_secs(1);

/// Returns limits that end a request after a time, for a reason.
fn limits(stopped: StopReason, time: Duration) -> CallLimits {
    let mut limits = CallLimits::default();
    match stopped {
        StopReason::Deadline => limits.deadline = Instant::now().checked_add(time),
        StopReason::Idle => limits.idle = Some(time),
        _ => {
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

/// Checks that a request ended for this reason, and after [`LIMIT`].
fn check_ended(
    what: &str,
    begin: Instant,
    found: Result<(), Option<StopReason>>,
    expected: StopReason,
) -> CheckResult {
    match found {
        Ok(()) => return Err(format!("{what}: the limit did not end it").into()),
        Err(None) => {
            return Err(format!("{what}: the source of the error is not a StopReason").into());
        }
        Err(Some(found)) => check_eq(what, found, expected)?,
    }
    let took = begin.elapsed();
    check(
        (LIMIT..STEP_TIMEOUT).contains(&took),
        format_args!("{what}: ended after {took:?}, expected {LIMIT:?}"),
    )
}

/// Returns the reason why there is no response, like the client does.
fn stop_reason(result: Result<BodyResponse, TransportError>) -> Result<(), Option<StopReason>> {
    match result {
        Ok(_) => Ok(()),
        Err(error) => Err(match error.kind {
            TransportErrorKind::Stopped(stopped) => Some(stopped),
            _ => None,
        }),
    }
}

/// Returns the reason why a read of the body failed, like the client does.
fn body_stop_reason(result: io::Result<usize>) -> Result<(), Option<StopReason>> {
    result
        .map(drop)
        .map_err(|error| error.downcast::<StopReason>().ok())
}

/// Answers each request with a live answer. The receiver gets the handles.
fn live(target: &Target) -> CheckResult<(Fixture, Receiver<ResponseHandle>)> {
    let (sender, handles) = channel();
    let sender = Mutex::new(sender);
    let fixture = target.answer(move |request| {
        request.read_all();
        let (answer, handle) = Answer::live();
        match sender.lock().map(|sender| sender.send(handle)) {
            Ok(Ok(())) => answer,
            _ => Answer::error("the case is over"),
        }
    })?;
    Ok((fixture, handles))
}

/// Waits for a request, and returns the handle of its response.
fn next_handle(handles: &Receiver<ResponseHandle>) -> CheckResult<ResponseHandle> {
    receive(handles, "a request")
}

fn ends_a_wait(target: &Target, stopped: StopReason) -> CheckResult {
    let (fixture, handles) = live(target)?;
    for body in [
        RequestBody::Empty,
        RequestBody::Bytes(b"{}"),
        reader_body(&mut &b"data"[..], None),
    ] {
        let what = format!("{body:?}");
        let begin = Instant::now();
        check_ended(
            &what,
            begin,
            stop_reason(fixture.send_within(&limits(stopped, LIMIT), body)),
            stopped,
        )?;
        // The client no longer reads the response.
        next_handle(&handles)?.end();
    }
    Ok(())
}

/// Checks that a limit ends a body after its first piece. The handle can then send more.
fn ends_a_body(
    target: &Target,
    stopped: StopReason,
) -> CheckResult<(BodyResponse, ResponseHandle, Fixture)> {
    let (fixture, handles) = live(target)?;
    // The first piece must arrive before the limit.
    let limits = limits(
        stopped,
        if stopped == StopReason::Idle {
            LIMIT
        } else {
            3 * LIMIT
        },
    );
    let begin = Instant::now();
    let (response, handle) = thread::scope(|scope| {
        let response = scope.spawn(|| fixture.send_within(&limits, RequestBody::Empty));
        let handle = next_handle(&handles)?;
        handle.piece("piece");
        let response = response.join().map_err(|_| "the request panicked")??;
        CheckResult::Ok((response, handle))
    })?;
    let (head, mut body) = response.into_parts();
    let mut piece = [0; 5];
    body.read_exact(&mut piece)?;
    check_eq("the piece", &piece, b"piece")?;
    check_ended(
        "the body",
        begin,
        body_stop_reason(body.read(&mut [0; 8])),
        stopped,
    )?;
    Ok((BodyResponse::from_parts(head, body), handle, fixture))
}

fn ends_an_upload(target: &Target, stopped: StopReason) -> CheckResult {
    for length in [None, Some(1 << 30)] {
        let (done, is_done) = SharedReceiver::new();
        // The server reads the head only.
        let fixture = target.serve_bytes(move |connection| {
            connection.read_head()?;
            is_done.wait()
        })?;
        let begin = Instant::now();
        let result = fixture.send_within(
            &limits(stopped, LIMIT),
            reader_body(&mut io::repeat(b'.'), length),
        );
        check_ended(
            &format!("an upload announced as {length:?}"),
            begin,
            stop_reason(result),
            stopped,
        )?;
        done.send(())?;
    }
    Ok(())
}

fn sends_nothing(target: &Target, limits: &CallLimits, stopped: StopReason) -> CheckResult {
    let fixture = target.answer(|request| {
        request.read_all();
        Answer::ok("")
    })?;
    check_eq(
        "the reason",
        stop_reason(fixture.send_within(limits, RequestBody::Empty)),
        Err(Some(stopped)),
    )?;
    let mut reader = &b"data"[..];
    check_eq(
        "the reason",
        stop_reason(fixture.send_within(limits, reader_body(&mut reader, None))),
        Err(Some(stopped)),
    )?;
    check(reader == b"data", "the reader was read")?;
    text(fixture.get("/afterwards")?)?;
    check_eq(
        "the first request that arrived",
        fixture.received()?.target.as_str(),
        "/afterwards",
    )
}

pub(super) fn nothing_is_sent_after_the_deadline(target: &Target) -> CheckResult {
    let mut limits = CallLimits::default();
    limits.deadline = Some(Instant::now());
    sends_nothing(target, &limits, StopReason::Deadline)
}

pub(super) fn deadlines_end_a_wait(target: &Target) -> CheckResult {
    ends_a_wait(target, StopReason::Deadline)
}

pub(super) fn deadlines_end_a_body(target: &Target) -> CheckResult {
    let (mut response, handle, _fixture) = ends_a_body(target, StopReason::Deadline)?;
    // The client must not read a late piece.
    handle.piece("late");
    check_eq(
        "a second read",
        body_stop_reason(response.body_mut().read(&mut [0; 8])),
        Err(Some(StopReason::Deadline)),
    )
}

pub(super) fn deadlines_end_a_body_that_keeps_arriving(target: &Target) -> CheckResult {
    let (done, is_done) = SharedReceiver::<()>::new();
    let fixture = target.serve_bytes(move |connection| {
        connection.read_request()?;
        connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
        let chunk = [b"1000\r\n".as_slice(), &[b'.'; 4096], b"\r\n"].concat();
        while connection.send(&chunk).is_ok() {}
        let _ = is_done.wait();
        Ok(())
    })?;
    let begin = Instant::now();
    let mut body = fixture
        .send_within(&limits(StopReason::Deadline, LIMIT), RequestBody::Empty)?
        .into_body();
    let mut buffer = vec![0; 64 << 10];
    loop {
        match body_stop_reason(body.read(&mut buffer)) {
            Ok(()) => check(
                begin.elapsed() < STEP_TIMEOUT,
                "the deadline did not end it",
            )?,
            error => {
                check_ended("the body", begin, error, StopReason::Deadline)?;
                break;
            }
        }
    }
    drop(body);
    drop(done);
    Ok(())
}

pub(super) fn deadlines_end_an_upload(target: &Target) -> CheckResult {
    ends_an_upload(target, StopReason::Deadline)
}

/// The response to a request that timed out may still come on its connection.
pub(super) fn connections_are_not_reused_after_a_deadline(target: &Target) -> CheckResult {
    let fixture = target.serve_bytes(|connection| {
        connection.read_request()?;
        if connection.index() == 0 {
            // Blocks until the client closes the connection, or sends another request.
            connection.read_request()?;
        }
        connection.send(format!(
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{}",
            connection.index()
        ))
    })?;
    let begin = Instant::now();
    check_ended(
        "the wait",
        begin,
        stop_reason(fixture.send_within(&limits(StopReason::Deadline, LIMIT), RequestBody::Empty)),
        StopReason::Deadline,
    )?;
    check_eq(
        "the connection",
        text(fixture.get("/after")?)?.as_str(),
        "1",
    )
}

pub(super) fn idle_timeouts_end_a_wait(target: &Target) -> CheckResult {
    ends_a_wait(target, StopReason::Idle)
}

pub(super) fn idle_timeouts_end_an_upload(target: &Target) -> CheckResult {
    ends_an_upload(target, StopReason::Idle)
}

pub(super) fn bodies_can_be_read_after_an_idle_timeout(target: &Target) -> CheckResult {
    let (response, handle, _fixture) = ends_a_body(target, StopReason::Idle)?;
    handle.piece(" and more");
    handle.end();
    check_eq(
        "the rest of the body",
        text(response)?.as_str(),
        " and more",
    )
}

/// An idle timeout may come anywhere, even within the framing.
pub(super) fn no_bytes_are_lost_after_an_idle_timeout(target: &Target) -> CheckResult {
    let pieces = [
        "8\r\nsome",
        " tex\r\n",
        "0",
        "f\r",
        "\n, and more of i\r",
        "\n2\r\nt.\r\n0\r",
        "\n\r\n",
    ];
    let (next, wait_for_next) = SharedReceiver::new();
    let fixture = target.serve_bytes(move |connection| {
        connection.read_request()?;
        connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
        for piece in pieces {
            connection.send(piece)?;
            wait_for_next.wait()?;
        }
        Ok(())
    })?;
    let mut body = fixture
        .send_within(&limits(StopReason::Idle, LIMIT), RequestBody::Empty)?
        .into_body();
    let (mut text, mut buffer, mut timeouts) = (Vec::new(), [0; 3], 0);
    loop {
        match body.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => text.extend_from_slice(buffer.get(..read).unwrap_or_default()),
            error => {
                check_eq(
                    "the reason",
                    body_stop_reason(error),
                    Err(Some(StopReason::Idle)),
                )?;
                timeouts += 1;
                next.send(())?;
            }
        }
    }
    check_eq(
        "the body and the number of timeouts",
        (String::from_utf8_lossy(&text).as_ref(), timeouts),
        ("some tex, and more of it.", pieces.len() - 1),
    )
}

pub(super) fn nothing_is_sent_after_a_cancellation(target: &Target) -> CheckResult {
    let token = CancelToken::new();
    token.cancel();
    let mut limits = CallLimits::default();
    limits.cancel = Some(token);
    sends_nothing(target, &limits, StopReason::Cancelled)
}

pub(super) fn cancellation_ends_a_wait(target: &Target) -> CheckResult {
    ends_a_wait(target, StopReason::Cancelled)
}

pub(super) fn cancellation_ends_a_body(target: &Target) -> CheckResult {
    let (mut response, handle, _fixture) = ends_a_body(target, StopReason::Cancelled)?;
    handle.piece("late");
    check_eq(
        "a second read",
        body_stop_reason(response.body_mut().read(&mut [0; 8])),
        Err(Some(StopReason::Cancelled)),
    )
}

pub(super) fn cancellation_ends_an_upload(target: &Target) -> CheckResult {
    ends_an_upload(target, StopReason::Cancelled)
}

/// Checks requests that are sent before, during and after the canceled one.
pub(super) fn cancellation_does_not_affect_other_requests(target: &Target) -> CheckResult {
    let (fixture, handles) = live(target)?;
    thread::scope(|scope| {
        let other = scope.spawn(|| text(fixture.get("/other")?));
        let others = next_handle(&handles)?;
        let canceled = scope.spawn(|| {
            stop_reason(
                fixture.send_within(&limits(StopReason::Cancelled, LIMIT), RequestBody::Empty),
            )
        });
        let late = next_handle(&handles)?;
        check_eq(
            "the canceled request",
            canceled.join().map_err(|_| "the request panicked")?,
            Err(Some(StopReason::Cancelled)),
        )?;
        late.piece("too late");
        late.end();
        others.piece("for the other");
        others.end();
        check_eq(
            "the other response",
            other
                .join()
                .map_err(|_| "the other request panicked")??
                .as_str(),
            "for the other",
        )
    })?;
    let after = thread::scope(|scope| {
        let after = scope.spawn(|| text(fixture.get("/after")?));
        let handle = next_handle(&handles)?;
        handle.piece("afterwards");
        handle.end();
        after.join().map_err(|_| "the request panicked")?
    })?;
    check_eq("the response afterwards", after.as_str(), "afterwards")
}
