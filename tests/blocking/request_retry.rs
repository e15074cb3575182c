//! Automatic retry of single requests.

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

use crate::helpers::FnReader;

const HUB: &str = "http://hub:8000/api/v1";

type Body = Box<dyn Read + Send>;

/// The outcome of an attempt.
#[derive(Clone, Copy, Debug)]
enum Outcome {
    Lost(Phase, io::ErrorKind),
    /// The connection is lost after this many bytes of the upload were read.
    LostAfter(usize, Phase),
    /// An error that does not say whether the connection was lost.
    UnknownError(Phase),
    Status(u16),
    /// The response body ends halfway.
    CutOff,
}

impl Outcome {
    fn apply(self, body: RequestBody<'_>) -> Result<Response<Body>, TransportError> {
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
            (Self::UnknownError(phase), _) => lost(phase, "the pigeon did not return".into()),
            (Self::Status(status), _) => Ok(Response::builder()
                .status(status)
                .body(Box::new(io::empty()) as _)
                .unwrap()),
            (Self::CutOff, _) => {
                let fails = FnReader(|_: &mut [u8]| Err(io::ErrorKind::UnexpectedEof.into()));
                let cut = Cursor::new("[").chain(fails);
                Ok(Response::builder()
                    .header("content-length", 2)
                    .body(Box::new(cut) as _)
                    .unwrap())
            }
        }
    }
}

/// Returns a client whose attempts have these outcomes; the last one repeats. Also returns the
/// number of attempts. Only the first attempt may use an idle connection.
fn client(outcomes: &[Outcome]) -> (HostClient, Arc<AtomicU32>) {
    let (attempts, outcomes) = (Arc::<AtomicU32>::default(), outcomes.to_vec());
    let transport = from_fn({
        let attempts = Arc::clone(&attempts);
        move |request: Request<RequestBody<'_>>| {
            let attempt = usize::try_from(attempts.fetch_add(1, Ordering::Relaxed)).unwrap();
            assert_eq!(
                request.extensions().get::<NewConnection>().is_some(),
                attempt > 0
            );
            outcomes[attempt.min(outcomes.len() - 1)].apply(request.into_body())
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

/// One call of each kind, and its method.
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
    outcomes: &[Outcome],
) -> (Result<(), Error>, u32) {
    let (host, attempts) = client(outcomes);
    let result = call(&host);
    (result, attempts.load(Ordering::Relaxed))
}

#[test]
fn retry_repeats_every_request_that_was_not_sent() {
    for (what, _, call) in calls() {
        for phase in [Phase::Resolve, Phase::Connect, Phase::Tls] {
            let (result, attempts) = attempts_at(
                call,
                &[Outcome::Lost(phase, io::ErrorKind::ConnectionReset)],
            );
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
            assert!(
                error.attempts().is_empty(),
                "the attempts are listed: {error:?}"
            );
        }
    }
}

#[test]
fn retry_repeats_only_idempotent_requests_after_they_were_sent() {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    for (what, method, call) in calls() {
        for phase in [Phase::Send, Phase::Wait] {
            for kind in [
                BrokenPipe,
                ConnectionAborted,
                ConnectionReset,
                UnexpectedEof,
            ] {
                let (result, attempts) = attempts_at(call, &[Outcome::Lost(phase, kind)]);
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
fn retry_does_not_repeat_after_a_response_or_a_permanent_error() {
    let outcomes = [
        Outcome::Lost(Phase::Tls, io::ErrorKind::InvalidData),
        Outcome::Lost(Phase::Wait, io::ErrorKind::InvalidData),
        Outcome::UnknownError(Phase::Wait),
        Outcome::Status(404),
        Outcome::Status(419),
        Outcome::Status(500),
        Outcome::Status(502),
        Outcome::Status(503),
        Outcome::Status(504),
        Outcome::Status(408),
        Outcome::Status(425),
        Outcome::Status(429),
        Outcome::Status(519),
        Outcome::Status(520),
        Outcome::Status(524),
        Outcome::Status(530),
        Outcome::Status(531),
    ];
    for (what, method, call) in calls() {
        for outcome in outcomes {
            let (result, attempts) = attempts_at(call, &[outcome]);
            let error = result.unwrap_err();
            assert_eq!(
                (attempts, error.attempt_count()),
                (1, 1),
                "{what}, {outcome:?}"
            );
            // A proxy may send 502, 504 and the like although the hub has processed the request, so
            // a POST with such a status is not retryable.
            let retryable = matches!(outcome, Outcome::Status(408 | 419 | 425 | 429 | 503))
                || method != Method::POST
                    && matches!(outcome, Outcome::Status(502 | 504 | 520 | 524 | 530));
            assert_eq!(
                error.is_retryable(),
                retryable,
                "{what}, {outcome:?}: {error:?}"
            );
        }
    }
}

/// The connect timeout covers all attempts together.
#[test]
fn retry_does_not_repeat_after_a_timeout() {
    for (what, _, call) in calls() {
        for phase in [Phase::Connect, Phase::Tls] {
            let (result, attempts) =
                attempts_at(call, &[Outcome::Lost(phase, io::ErrorKind::TimedOut)]);
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
fn retry_returns_the_response_to_a_later_attempt() {
    let lost = Outcome::Lost(Phase::Connect, io::ErrorKind::ConnectionRefused);
    for (what, method, call) in calls() {
        let (result, attempts) = attempts_at(call, &[lost, lost, Outcome::Status(409)]);
        let error = result.unwrap_err();
        assert_eq!(
            (attempts, error.attempt_count()),
            (3, 3),
            "{what}: {error:?}"
        );
        assert!(error.is_conflict(), "{what}: {error:?}");
        if method == Method::GET {
            // The second attempt reached the hub.
            let error = attempts_at(
                call,
                &[
                    Outcome::Lost(Phase::Wait, io::ErrorKind::UnexpectedEof),
                    Outcome::Status(404),
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

/// The hub may have acted on the first attempt, and be gone when the second one is made.
#[test]
fn retry_reports_an_earlier_attempt_that_was_sent() {
    let lost = Outcome::Lost(Phase::Wait, io::ErrorKind::ConnectionReset);
    let refused = Outcome::Lost(Phase::Connect, io::ErrorKind::ConnectionRefused);
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
        let text = error.to_string();
        assert!(
            text.contains("could not connect; is the hub running at this address? (3 attempts in "),
            "{text}"
        );
        // A GET changes nothing on the hub.
        let sent = "; an earlier attempt was sent, and the hub may have processed it)";
        assert_eq!(text.ends_with(sent), method != Method::GET, "{text}");
    }
}

/// The deadline passes during the delay between two attempts. The source of the error is the first
/// attempt.
#[test]
fn with_deadline_between_two_attempts_reports_the_first_error() {
    let hour = RetryPolicy::linear(Duration::from_secs(3600)).max_delay(Duration::MAX);
    for (outcome, phase, says) in [
        (
            Outcome::Lost(Phase::Wait, io::ErrorKind::ConnectionReset),
            Phase::Wait,
            "while waiting for the response",
        ),
        (
            Outcome::Lost(Phase::Connect, io::ErrorKind::ConnectionRefused),
            Phase::Connect,
            "nothing was sent",
        ),
    ] {
        let (failures, events) = (Arc::<AtomicU32>::default(), Arc::<AtomicU32>::default());
        let observer = {
            let (failures, events) = (Arc::clone(&failures), Arc::clone(&events));
            move |_: &RequestInfo<'_>, event: &RequestEvent<'_>| {
                events.fetch_add(1, Ordering::Relaxed);
                failures.fetch_add(
                    u32::from(matches!(event, RequestEvent::Failed { .. })),
                    Ordering::Relaxed,
                );
            }
        };
        let transport =
            from_fn(move |request: Request<RequestBody<'_>>| outcome.apply(request.into_body()));
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
            matches!(error.kind(), ErrorKind::Deadline { phase: found, .. } if *found == phase),
            "{error:?}"
        );
        assert!(error.to_string().contains(says), "{error}");
        let cause = std::error::Error::source(&error)
            .map(ToString::to_string)
            .unwrap_or_default();
        assert!(
            cause.starts_with("get version (GET http://hub:8000/api/v1/version): "),
            "{error:?}"
        );
        // Built, attempt, retry, failed.
        assert_eq!(
            (
                events.load(Ordering::Relaxed),
                failures.load(Ordering::Relaxed)
            ),
            (4, 1),
            "{error:?}"
        );
    }
}

#[test]
fn retry_repeats_a_get_whose_response_is_cut_off() {
    let (host, attempts) = client(&[Outcome::CutOff]);
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
    // A start is not retried, because the hub may have acted on it.
    let (host, attempts) = client(&[Outcome::CutOff]);
    let error = host
        .sequence("x")
        .unwrap()
        .start(&StartOptions::new())
        .unwrap_err();
    assert!(!error.is_retryable(), "{error:?}");
    assert_eq!(attempts.load(Ordering::Relaxed), 1);
}

#[test]
fn retry_does_not_open_a_stream_again() {
    let (host, attempts) = client(&[Outcome::CutOff]);
    let mut stream = host.log_stream().unwrap();
    assert!(io::read_to_string(&mut stream).is_err());
    assert_eq!(attempts.load(Ordering::Relaxed), 1);
}

#[test]
fn retry_does_not_repeat_an_upload_that_was_partly_read() {
    for read in [0, 1, 9] {
        // A transport may read the upload before it connects. ureq does not.
        let (host, attempts) = client(&[
            Outcome::LostAfter(read, Phase::Connect),
            Outcome::Lost(Phase::Connect, io::ErrorKind::ConnectionReset),
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
fn with_retry_changes_the_policy_of_one_handle() {
    let (host, attempts) = client(&[Outcome::Lost(
        Phase::Connect,
        io::ErrorKind::ConnectionRefused,
    )]);
    let once = host.with_retry(None).sequence("x").unwrap();
    assert_eq!(once.info().unwrap_err().attempt_count(), 1);
    assert_eq!(attempts.swap(0, Ordering::Relaxed), 1);
    let more = once.with_retry(RetryPolicy::linear(Duration::ZERO).max_attempts(5));
    assert_eq!(more.info().unwrap_err().attempt_count(), 5);
    attempts.store(0, Ordering::Relaxed);
    assert_eq!(host.version().unwrap_err().attempt_count(), 3);
}

#[test]
fn retry_makes_three_attempts_by_default() {
    let attempts = Arc::<AtomicU32>::default();
    let transport = from_fn({
        let attempts = Arc::clone(&attempts);
        move |_: Request<RequestBody<'_>>| {
            attempts.fetch_add(1, Ordering::Relaxed);
            Err(TransportError::new(Phase::Connect, "no server"))
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
    // The delays are at least half of 50 ms and of 100 ms.
    assert!(
        begin.elapsed() >= Duration::from_millis(75)
            && error.elapsed() >= Duration::from_millis(75),
        "{error:?}"
    );
    let text = error.to_string();
    let times = text.strip_prefix(
        "get version (GET http://hub:8000/api/v1/version): could not connect; is the hub \
             running at this address? (3 attempts in ",
    );
    assert!(
        times.is_some_and(|times| times.ends_with("ms)") || times.ends_with("s)")),
        "{text}"
    );
}

#[test]
fn with_deadline_and_with_cancel_bound_all_attempts_together() {
    let (host, attempts) = client(&[Outcome::Lost(
        Phase::Connect,
        io::ErrorKind::ConnectionRefused,
    )]);
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
    // The observer cancels during the delay, which would last an hour.
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
        Err(TransportError::new(Phase::Connect, "no server"))
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
