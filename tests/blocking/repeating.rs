//! What is sent again on its own, and what never is.

use std::io::{self, Cursor, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use http::{Method, Request, Response};
use scramjet_client_blocking::transport::{
    BoxError, NewConnection, Phase, RequestBody, TransportError,
};
use scramjet_client_blocking::{
    CancelToken, Error, ErrorKind, HostClient, RequestEvent, RequestInfo, RetryPolicy,
    StartOptions, Upload,
};
use scramjet_client_testing::script::from_fn;

const HUB: &str = "http://hub:8000/api/v1";

type Body = Box<dyn Read + Send>;

/// What happens to every attempt.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Lost(Phase, io::ErrorKind),
    /// The same, after this much of an upload was read.
    LostAfter(usize, Phase),
    /// Something that is not known to be about the connection.
    Odd(Phase),
    Answered(u16),
    /// Half of the body comes.
    CutOff,
}

impl Fate {
    fn happen(self, body: RequestBody<'_>) -> Result<Response<Body>, TransportError> {
        let lost = |phase, source: BoxError| Err(TransportError::new(phase, source));
        match (self, body) {
            (Self::Lost(phase, kind), _) => {
                lost(phase, io::Error::new(kind, "the cable is cut").into())
            }
            (Self::LostAfter(length, phase), RequestBody::Reader { reader, .. }) => {
                reader.read_exact(&mut vec![0; length]).unwrap();
                lost(
                    phase,
                    io::Error::from(io::ErrorKind::ConnectionReset).into(),
                )
            }
            (Self::LostAfter(..), _) => unreachable!("only uploads are read"),
            (Self::Odd(phase), _) => lost(phase, "the pigeon did not return".into()),
            (Self::Answered(status), _) => Ok(Response::builder()
                .status(status)
                .body(Box::new(io::empty()) as _)
                .unwrap()),
            (Self::CutOff, _) => {
                let cut = Cursor::new("[").chain(Failing(io::ErrorKind::UnexpectedEof));
                Ok(Response::builder()
                    .header("content-length", 2)
                    .body(Box::new(cut) as _)
                    .unwrap())
            }
        }
    }
}

struct Failing(io::ErrorKind);

impl Read for Failing {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(self.0.into())
    }
}

/// A client to whose attempts this happens, one after another and then always the last, and how many there were. Only the first may use a
/// connection that was used before.
fn client(fates: &[Fate]) -> (HostClient, Arc<AtomicU32>) {
    let (attempts, fates) = (Arc::<AtomicU32>::default(), fates.to_vec());
    let transport = from_fn({
        let attempts = Arc::clone(&attempts);
        move |request: Request<RequestBody<'_>>| {
            let attempt = usize::try_from(attempts.fetch_add(1, Ordering::Relaxed)).unwrap();
            assert_eq!(
                request.extensions().get::<NewConnection>().is_some(),
                attempt > 0
            );
            fates[attempt.min(fates.len() - 1)].happen(request.into_body())
        }
    });
    let quick = RetryPolicy::linear(Duration::from_millis(1)).max_attempts(3);
    let host = HostClient::builder(HUB)
        .hub_version("1.0.1")
        .transport(Arc::new(transport))
        .retry(quick)
        .build()
        .unwrap();
    (host, attempts)
}

/// Each kind of request, and whether sending it twice is as sending it once.
type Calls = [(&'static str, Method, fn(&HostClient) -> Result<(), Error>); 6];

fn calls() -> Calls {
    [
        ("a list", Method::GET, |host| {
            host.list_sequences().map(drop)
        }),
        ("a stream", Method::GET, |host| host.log_stream().map(drop)),
        ("a deletion", Method::DELETE, |host| {
            host.delete_sequence("x")
        }),
        ("a start", Method::POST, |host| {
            host.sequence("x")
                .unwrap()
                .start(&StartOptions::new())
                .map(drop)
        }),
        ("an event", Method::POST, |host| {
            host.instance("x").unwrap().send_event("e", "data")
        }),
        ("an upload", Method::POST, |host| {
            host.send_sequence(Upload::reader(&b"\x1f\x8bpackage"[..]))
                .map(drop)
        }),
    ]
}

fn attempts_at(
    call: fn(&HostClient) -> Result<(), Error>,
    fates: &[Fate],
) -> (Result<(), Error>, u32) {
    let (host, attempts) = client(fates);
    let result = call(&host);
    (result, attempts.load(Ordering::Relaxed))
}

#[test]
fn what_was_surely_not_sent_is_repeated_whatever_it_is() {
    for (what, _, call) in calls() {
        for phase in [Phase::Resolve, Phase::Connect, Phase::Tls] {
            let (result, attempts) =
                attempts_at(call, &[Fate::Lost(phase, io::ErrorKind::ConnectionReset)]);
            let error = result.unwrap_err();
            assert_eq!(
                (attempts, error.attempt_count()),
                (3, 3),
                "{what}: {error:?}"
            );
            assert!(
                error.is_connect() && error.is_retryable() && error.phase() == Some(phase),
                "{what}: {error:?}"
            );
            assert!(error.attempts().is_empty(), "it is told as one: {error:?}");
        }
    }
}

#[test]
fn what_may_have_been_acted_upon_is_repeated_only_where_that_changes_nothing() {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    for (what, method, call) in calls() {
        for phase in [Phase::Send, Phase::Wait] {
            for kind in [
                BrokenPipe,
                ConnectionAborted,
                ConnectionReset,
                UnexpectedEof,
            ] {
                let (result, attempts) = attempts_at(call, &[Fate::Lost(phase, kind)]);
                let error = result.unwrap_err();
                let expected = if method == Method::POST { 1 } else { 3 };
                assert_eq!(
                    (attempts, error.attempt_count()),
                    (expected, expected),
                    "{what}, {phase:?}, {kind}"
                );
                assert_eq!(
                    error.is_retryable(),
                    method != Method::POST,
                    "{what}: {error:?}"
                );
            }
        }
    }
}

#[test]
fn what_another_connection_would_not_mend_is_not_repeated() {
    let fates = [
        Fate::Lost(Phase::Tls, io::ErrorKind::InvalidData),
        Fate::Lost(Phase::Wait, io::ErrorKind::InvalidData),
        Fate::Odd(Phase::Wait),
        Fate::Answered(404),
        Fate::Answered(419),
        Fate::Answered(500),
        Fate::Answered(502),
        Fate::Answered(503),
        Fate::Answered(504),
        Fate::Answered(408),
        Fate::Answered(425),
        Fate::Answered(429),
        Fate::Answered(519),
        Fate::Answered(520),
        Fate::Answered(524),
        Fate::Answered(530),
        Fate::Answered(531),
    ];
    for (what, method, call) in calls() {
        for fate in fates {
            let (result, attempts) = attempts_at(call, &[fate]);
            let error = result.unwrap_err();
            assert_eq!(
                (attempts, error.attempt_count()),
                (1, 1),
                "{what}, {fate:?}"
            );
            // Something in front of the hub may have heard nothing of what the hub did.
            let passing = matches!(fate, Fate::Answered(408 | 419 | 425 | 429 | 503))
                || method != Method::POST
                    && matches!(fate, Fate::Answered(502 | 504 | 520 | 524 | 530));
            assert_eq!(error.is_retryable(), passing, "{what}, {fate:?}: {error:?}");
        }
    }
}

/// The limit for connecting is one for the call.
#[test]
fn what_has_taken_too_long_is_not_repeated() {
    for (what, _, call) in calls() {
        for phase in [Phase::Connect, Phase::Tls] {
            let (result, attempts) =
                attempts_at(call, &[Fate::Lost(phase, io::ErrorKind::TimedOut)]);
            let error = result.unwrap_err();
            assert_eq!(
                (attempts, error.attempt_count()),
                (1, 1),
                "{what}: {error:?}"
            );
            assert!(
                error.is_timeout() && error.is_retryable(),
                "{what}: {error:?}"
            );
        }
    }
}

#[test]
fn the_answer_to_a_later_attempt_is_the_answer() {
    let lost = Fate::Lost(Phase::Connect, io::ErrorKind::ConnectionRefused);
    for (what, method, call) in calls() {
        let (result, attempts) = attempts_at(call, &[lost, lost, Fate::Answered(409)]);
        let error = result.unwrap_err();
        assert_eq!(
            (attempts, error.attempt_count()),
            (3, 3),
            "{what}: {error:?}"
        );
        assert!(error.is_conflict(), "{what}: {error:?}");
        if method == Method::GET {
            // It was found at last.
            let error = attempts_at(
                call,
                &[
                    Fate::Lost(Phase::Wait, io::ErrorKind::UnexpectedEof),
                    Fate::Answered(404),
                ],
            )
            .0
            .unwrap_err();
            assert!(
                error.is_not_found() && error.attempt_count() == 2,
                "{what}: {error:?}"
            );
        }
    }
}

/// The hub that has heard the first attempt may be gone when the second one is made.
#[test]
fn what_an_attempt_has_sent_is_not_forgotten_by_the_next() {
    let lost = Fate::Lost(Phase::Wait, io::ErrorKind::ConnectionReset);
    let refused = Fate::Lost(Phase::Connect, io::ErrorKind::ConnectionRefused);
    for (what, method, call) in calls()
        .into_iter()
        .filter(|(_, method, _)| *method != Method::POST)
    {
        let (result, attempts) = attempts_at(call, &[lost, refused]);
        let error = result.unwrap_err();
        assert!(
            attempts == 3 && !error.is_connect() && error.is_retryable(),
            "{what}: {error:?}"
        );
        assert_eq!(error.phase(), Some(Phase::Wait), "{what}");
        let told = error.to_string();
        assert!(
            told.contains("could not connect; is the hub running at this address? (3 attempts in "),
            "{told}"
        );
        // What only reads changes nothing.
        let sent = "; an earlier attempt was sent, and the hub may have processed it)";
        assert_eq!(told.ends_with(sent), method != Method::GET, "{told}");
    }
}

/// Nor where the time is over in the pause between two attempts; then the first one tells why it came to this.
#[test]
fn a_limit_that_is_reached_between_attempts_tells_of_the_one_before() {
    let hour = RetryPolicy::linear(Duration::from_secs(3600)).max_delay(Duration::MAX);
    for (fate, phase, says) in [
        (
            Fate::Lost(Phase::Wait, io::ErrorKind::ConnectionReset),
            Phase::Wait,
            "while waiting for the response",
        ),
        (
            Fate::Lost(Phase::Connect, io::ErrorKind::ConnectionRefused),
            Phase::Connect,
            "nothing was sent",
        ),
    ] {
        let (failed, told) = (Arc::<AtomicU32>::default(), Arc::<AtomicU32>::default());
        let observer = {
            let (failed, told) = (Arc::clone(&failed), Arc::clone(&told));
            move |_: &RequestInfo<'_>, event: &RequestEvent<'_>| {
                told.fetch_add(1, Ordering::Relaxed);
                failed.fetch_add(
                    u32::from(matches!(event, RequestEvent::Failed { .. })),
                    Ordering::Relaxed,
                );
            }
        };
        let transport =
            from_fn(move |request: Request<RequestBody<'_>>| fate.happen(request.into_body()));
        let host = HostClient::builder(HUB)
            .transport(Arc::new(transport))
            .retry(hour)
            .observer(observer)
            .build()
            .unwrap();
        let error = host
            .with_deadline(Duration::from_millis(50))
            .version()
            .unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::Deadline { phase: said, .. } if *said == phase),
            "{error:?}"
        );
        assert!(error.to_string().contains(says), "{error}");
        let cause = std::error::Error::source(&error)
            .map(ToString::to_string)
            .unwrap_or_default();
        assert!(
            cause.starts_with("get version (GET http://hub:8000/api/v1/version) "),
            "{error:?}"
        );
        // Built, attempted, to be repeated, failed.
        assert_eq!(
            (told.load(Ordering::Relaxed), failed.load(Ordering::Relaxed)),
            (4, 1),
            "{error:?}"
        );
    }
}

#[test]
fn an_answer_that_is_cut_off_is_asked_for_again() {
    let (host, attempts) = client(&[Fate::CutOff]);
    let error = host.list_sequences().unwrap_err();
    assert!(
        matches!(error.kind(), ErrorKind::Reply(_)) && error.is_retryable(),
        "{error:?}"
    );
    assert_eq!(
        (
            attempts.load(Ordering::Relaxed),
            error.attempt_count(),
            error.phase()
        ),
        (3, 3, Some(Phase::Read))
    );
    // But not where the hub may have acted: a start that was answered in part.
    let (host, attempts) = client(&[Fate::CutOff]);
    let error = host
        .sequence("x")
        .unwrap()
        .start(&StartOptions::new())
        .unwrap_err();
    assert!(!error.is_retryable(), "{error:?}");
    assert_eq!(attempts.load(Ordering::Relaxed), 1);
}

#[test]
fn a_stream_that_was_begun_is_not_begun_again() {
    let (host, attempts) = client(&[Fate::CutOff]);
    let mut stream = host.log_stream().unwrap();
    assert!(io::read_to_string(&mut stream).is_err());
    assert_eq!(attempts.load(Ordering::Relaxed), 1);
}

#[test]
fn an_upload_of_which_something_was_read_is_not_repeated() {
    for read in [0, 1, 9] {
        // Somebody reads before connecting. ureq does not, another transport may.
        let (host, attempts) = client(&[
            Fate::LostAfter(read, Phase::Connect),
            Fate::Lost(Phase::Connect, io::ErrorKind::ConnectionReset),
        ]);
        let error = host
            .send_sequence(Upload::reader(&b"\x1f\x8bpackage"[..]))
            .unwrap_err();
        assert!(error.is_connect(), "{error:?}");
        assert_eq!(
            attempts.load(Ordering::Relaxed),
            if read == 0 { 3 } else { 1 },
            "{read}: {error:?}"
        );
    }
}

#[test]
fn a_policy_of_none_repeats_nothing_and_handles_have_their_own() {
    let (host, attempts) = client(&[Fate::Lost(Phase::Connect, io::ErrorKind::ConnectionRefused)]);
    let once = host.with_retry(None).sequence("x").unwrap();
    assert_eq!(once.info().unwrap_err().attempt_count(), 1);
    assert_eq!(attempts.swap(0, Ordering::Relaxed), 1);
    let more = once.with_retry(RetryPolicy::linear(Duration::ZERO).max_attempts(5));
    assert_eq!(more.info().unwrap_err().attempt_count(), 5);
    attempts.store(0, Ordering::Relaxed);
    assert_eq!(host.version().unwrap_err().attempt_count(), 3);
}

#[test]
fn by_default_it_is_tried_three_times_within_two_seconds() {
    let attempts = Arc::<AtomicU32>::default();
    let transport = from_fn({
        let attempts = Arc::clone(&attempts);
        move |_: Request<RequestBody<'_>>| {
            attempts.fetch_add(1, Ordering::Relaxed);
            Err(TransportError::new(Phase::Connect, "nobody is there"))
        }
    });
    let begin = Instant::now();
    let error = HostClient::builder(HUB)
        .transport(Arc::new(transport))
        .build()
        .unwrap()
        .version()
        .unwrap_err();
    assert_eq!(
        (attempts.load(Ordering::Relaxed), error.attempt_count()),
        (3, 3)
    );
    // Half of 50 and of 100 milliseconds, or more.
    assert!(
        begin.elapsed() >= Duration::from_millis(75)
            && error.elapsed() >= Duration::from_millis(75),
        "{error:?}"
    );
    let told = error.to_string();
    let times = told.strip_prefix(
        "get version (GET http://hub:8000/api/v1/version): could not connect; is the hub running at this address? (3 attempts in ",
    );
    assert!(
        times.is_some_and(|times| times.ends_with("ms)") || times.ends_with("s)")),
        "{told}"
    );
}

#[test]
fn limits_hold_for_all_attempts_together() {
    let (host, attempts) = client(&[Fate::Lost(Phase::Connect, io::ErrorKind::ConnectionRefused)]);
    let long =
        host.with_retry(RetryPolicy::linear(Duration::from_secs(3600)).max_delay(Duration::MAX));
    let error = long
        .with_deadline(Duration::from_millis(50))
        .version()
        .unwrap_err();
    assert!(
        error.is_timeout()
            && matches!(
                error.kind(),
                ErrorKind::Deadline {
                    phase: Phase::Connect,
                    ..
                }
            ),
        "{error:?}"
    );
    assert_eq!(
        (attempts.swap(0, Ordering::Relaxed), error.attempt_count()),
        (1, 1)
    );

    let token = CancelToken::new();
    let observed = Arc::<AtomicBool>::default();
    // Cancelled by who is told of the pause, which would last an hour.
    let cancelling = {
        let (token, observed) = (token.clone(), Arc::clone(&observed));
        move |_: &RequestInfo<'_>, event: &RequestEvent<'_>| {
            if let RequestEvent::Retry { .. } = event {
                observed.store(true, Ordering::Relaxed);
                token.cancel();
            }
        }
    };
    let transport = from_fn(|_: Request<RequestBody<'_>>| {
        Err(TransportError::new(Phase::Connect, "nobody is there"))
    });
    let hour = RetryPolicy::linear(Duration::from_secs(3600)).max_delay(Duration::MAX);
    let host = HostClient::builder(HUB)
        .transport(Arc::new(transport))
        .retry(hour)
        .observer(cancelling)
        .build()
        .unwrap();
    let error = host.with_cancel(&token).version().unwrap_err();
    assert!(
        error.is_cancelled() && observed.load(Ordering::Relaxed),
        "{error:?}"
    );
}
