//! The conformance suite finds faults: each of these transports breaks one rule of the contract.

use std::io::{self, Cursor, Read};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use scramjet_client_blocking::Transport;
use scramjet_client_blocking::http::{HeaderValue, Request, Response};
use scramjet_client_blocking::transport::{
    BoxError, CallLimits, Phase, ReasonPhrase, RequestBody, TransportError,
};
use scramjet_client_testing::conformance::{Capability, Outcome, Report, Suite, table};
use scramjet_client_testing::script::from_fn;

use crate::tcp_transport::Tcp;

type Body = Box<dyn Read + Send>;
type SendResult = Result<Response<Body>, TransportError>;
type SendFn = fn(Request<RequestBody<'_>>) -> SendResult;

fn faulty(send: SendFn) -> Arc<dyn Transport> {
    Arc::new(from_fn(send))
}

fn broken(error: impl Into<BoxError>) -> TransportError {
    TransportError::new(Phase::Wait, error)
}

/// Reads the body of a request into memory.
fn collected(body: RequestBody<'_>) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    match body {
        RequestBody::Empty => return Ok(None),
        RequestBody::Bytes(data) => bytes.extend(data),
        RequestBody::Reader { reader, length } => drop(
            reader
                .take(length.unwrap_or(u64::MAX))
                .read_to_end(&mut bytes)?,
        ),
    }
    Ok(Some(bytes))
}

/// A response body that is read by a closure.
struct Reads<F>(Body, F);

impl<F: FnMut(&mut Body, &mut [u8]) -> io::Result<usize>> Read for Reads<F> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        (self.1)(&mut self.0, buf)
    }
}

fn reads(
    result: SendResult,
    read: impl FnMut(&mut Body, &mut [u8]) -> io::Result<usize> + Send + 'static,
) -> SendResult {
    Ok(result?.map(|body| -> Body { Box::new(Reads(body, read)) }))
}

fn returning_errors_for_statuses(request: Request<RequestBody<'_>>) -> SendResult {
    let response = Tcp.send(request)?;
    if response.status().is_client_error() {
        Err(broken("refused"))
    } else {
        Ok(response)
    }
}

fn following_redirects(request: Request<RequestBody<'_>>) -> SendResult {
    let base = request.uri().authority().unwrap().clone();
    let response = Tcp.send(request)?;
    match response.headers().get("location") {
        Some(to) => {
            let to = format!("http://{base}{}", to.to_str().unwrap());
            Tcp.send(Request::get(to).body(RequestBody::Empty).unwrap())
        }
        None => Ok(response),
    }
}

fn buffering_uploads(request: Request<RequestBody<'_>>) -> SendResult {
    let (head, body) = request.into_parts();
    let length = if let RequestBody::Reader { length, .. } = body {
        Some(length)
    } else {
        None
    };
    let body = collected(body).map_err(broken)?;
    let mut reader = Cursor::new(body.clone().unwrap_or_default());
    Tcp.send(Request::from_parts(
        head,
        match (&body, length) {
            (None, _) => RequestBody::Empty,
            (Some(_), Some(length)) => RequestBody::Reader {
                reader: &mut reader,
                length,
            },
            (Some(bytes), None) => RequestBody::Bytes(bytes),
        },
    ))
}

fn sending_without_a_length(request: Request<RequestBody<'_>>) -> SendResult {
    let (head, body) = request.into_parts();
    match body {
        RequestBody::Reader { reader, length } => {
            let reader = &mut reader.take(length.unwrap_or(u64::MAX));
            Tcp.send(Request::from_parts(
                head,
                RequestBody::Reader {
                    reader,
                    length: None,
                },
            ))
        }
        body => Tcp.send(Request::from_parts(head, body)),
    }
}

fn reading_beyond_the_length(request: Request<RequestBody<'_>>) -> SendResult {
    let (head, body) = request.into_parts();
    match body {
        RequestBody::Reader {
            reader,
            length: Some(_),
        } => Tcp.send(Request::from_parts(
            head,
            RequestBody::Reader {
                reader,
                length: None,
            },
        )),
        body => Tcp.send(Request::from_parts(head, body)),
    }
}

fn treating_reader_errors_as_the_end(request: Request<RequestBody<'_>>) -> SendResult {
    struct Careless<'a>(&'a mut (dyn Read + Send));
    impl Read for Careless<'_> {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            self.0.read(buf).or(Ok(0))
        }
    }
    let (head, body) = request.into_parts();
    match body {
        RequestBody::Reader { reader, .. } => Tcp.send(Request::from_parts(
            head,
            RequestBody::Reader {
                reader: &mut Careless(reader),
                length: None,
            },
        )),
        body => Tcp.send(Request::from_parts(head, body)),
    }
}

fn adding_a_header(mut request: Request<RequestBody<'_>>) -> SendResult {
    request
        .headers_mut()
        .insert("accept-encoding", HeaderValue::from_static("gzip"));
    Tcp.send(request)
}

fn normalizing_the_path(mut request: Request<RequestBody<'_>>) -> SendResult {
    *request.uri_mut() = request
        .uri()
        .to_string()
        .replace("%2e", ".")
        .parse()
        .unwrap();
    Tcp.send(request)
}

fn announcing_a_missing_body(request: Request<RequestBody<'_>>) -> SendResult {
    Tcp.send(request.map(|body| {
        if let RequestBody::Empty = body {
            RequestBody::Bytes(b"")
        } else {
            body
        }
    }))
}

fn buffering_responses(request: Request<RequestBody<'_>>) -> SendResult {
    let (head, mut body) = Tcp.send(request)?.into_parts();
    let mut bytes = Vec::new();
    body.read_to_end(&mut bytes).map_err(broken)?;
    Ok(Response::from_parts(head, Box::new(Cursor::new(bytes))))
}

fn treating_truncation_as_the_end(request: Request<RequestBody<'_>>) -> SendResult {
    reads(Tcp.send(request), |body, buf| body.read(buf).or(Ok(0)))
}

fn limiting_responses(request: Request<RequestBody<'_>>) -> SendResult {
    let mut left = 10 << 20;
    reads(Tcp.send(request), move |body, buf| {
        let wanted = buf.len().min(left);
        let read = body.read(&mut buf[..wanted])?;
        left -= read;
        Ok(read)
    })
}

fn keeping_bodies(request: Request<RequestBody<'_>>) -> SendResult {
    static KEPT: Mutex<Vec<Arc<Mutex<Body>>>> = Mutex::new(Vec::new());
    let (head, body) = Tcp.send(request)?.into_parts();
    let body = Arc::new(Mutex::new(body));
    KEPT.lock().unwrap().push(Arc::clone(&body));
    let body: Body = Box::new(Reads(
        Box::new(io::empty()),
        move |_: &mut Body, buf: &mut [u8]| body.lock().unwrap().read(buf),
    ));
    Ok(Response::from_parts(head, body))
}

fn sending_one_at_a_time(request: Request<RequestBody<'_>>) -> SendResult {
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock();
    Tcp.send(request)
}

fn without_a_reason_phrase(request: Request<RequestBody<'_>>) -> SendResult {
    let mut response = Tcp.send(request)?;
    response.extensions_mut().remove::<ReasonPhrase>();
    Ok(response)
}

fn retrying(request: Request<RequestBody<'_>>) -> SendResult {
    let (head, body) = request.into_parts();
    let Ok(Some(body)) = collected(body) else {
        return Tcp.send(Request::from_parts(head, RequestBody::Empty));
    };
    Tcp.send(Request::from_parts(head.clone(), RequestBody::Bytes(&body)))
        .or_else(|_| Tcp.send(Request::from_parts(head, RequestBody::Bytes(&body))))
}

fn always_reporting_phase_wait(request: Request<RequestBody<'_>>) -> SendResult {
    Tcp.send(request).map_err(|mut error| {
        error.phase = Phase::Wait;
        error
    })
}

fn bounded_by(
    request: Request<RequestBody<'_>>,
    bound: fn(CallLimits) -> CallLimits,
) -> SendResult {
    let (mut head, body) = request.into_parts();
    let limits = head.extensions.remove::<CallLimits>().unwrap_or_default();
    head.extensions.insert(bound(limits));
    Tcp.send(Request::from_parts(head, body))
}

fn without_deadlines(request: Request<RequestBody<'_>>) -> SendResult {
    bounded_by(request, |limits| {
        without(limits, |limits| limits.deadline = None)
    })
}

fn without_idle_timeouts(request: Request<RequestBody<'_>>) -> SendResult {
    bounded_by(request, |limits| {
        without(limits, |limits| limits.idle = None)
    })
}

fn without_cancellation(request: Request<RequestBody<'_>>) -> SendResult {
    bounded_by(request, |limits| {
        without(limits, |limits| limits.cancel = None)
    })
}

fn without(mut limits: CallLimits, change: fn(&mut CallLimits)) -> CallLimits {
    change(&mut limits);
    limits
}

fn with_a_plain_error(request: Request<RequestBody<'_>>) -> SendResult {
    let result = Tcp.send(request).map_err(|error| broken(error.to_string()));
    reads(result, |body, buf| {
        body.read(buf)
            .map_err(|error| io::Error::new(error.kind(), error.to_string()))
    })
}

fn inventing_responses(request: Request<RequestBody<'_>>) -> SendResult {
    Tcp.send(request)
        .or_else(|_| Ok(Response::new(Box::new(io::empty()))))
}

fn limiting_uploads(request: Request<RequestBody<'_>>) -> SendResult {
    let (head, body) = request.into_parts();
    match body {
        RequestBody::Reader { reader, .. } => Tcp.send(Request::from_parts(
            head,
            RequestBody::Reader {
                reader: &mut reader.take(10 << 20),
                length: None,
            },
        )),
        body => Tcp.send(Request::from_parts(head, body)),
    }
}

fn dropping_headers(request: Request<RequestBody<'_>>) -> SendResult {
    let mut response = Tcp.send(request)?;
    response.headers_mut().clear();
    Ok(response)
}

/// Fails like a transport that keeps using a closed connection.
fn failing_after_one_request(request: Request<RequestBody<'_>>) -> SendResult {
    static WORKED: AtomicBool = AtomicBool::new(false);
    if WORKED.swap(true, Ordering::SeqCst) {
        Err(broken("the connection is closed"))
    } else {
        Tcp.send(request)
    }
}

#[cfg(feature = "ureq")]
fn ignoring_new_connection(mut request: Request<RequestBody<'_>>) -> SendResult {
    static UREQ: std::sync::LazyLock<scramjet_client_blocking::transport::UreqTransport> =
        std::sync::LazyLock::new(Default::default);
    request
        .extensions_mut()
        .remove::<scramjet_client_blocking::transport::NewConnection>();
    UREQ.send(request)
}

/// Each rule, with a transport that breaks it.
const FAULTS: &[(&str, SendFn)] = &[
    (
        "every status is Ok, with its body",
        returning_errors_for_statuses,
    ),
    ("interim responses are skipped", dropping_headers),
    ("a response body is read as it arrives", buffering_responses),
    ("a response body is not decoded", dropping_headers),
    (
        "a connection closed without a response is an error",
        inventing_responses,
    ),
    (
        "a malformed or truncated head is an error",
        inventing_responses,
    ),
    (
        "after a deadline, the connection is not reused",
        with_a_plain_error,
    ),
    ("a long upload arrives completely", limiting_uploads),
    (
        "an early refusal is returned",
        returning_errors_for_statuses,
    ),
    (
        "a refusal is returned, even if the connection is reset",
        returning_errors_for_statuses,
    ),
    (
        "a refusal is returned, even if the server stops reading",
        returning_errors_for_statuses,
    ),
    (
        "a connection that the server closed is not used",
        failing_after_one_request,
    ),
    (
        "after an idle timeout, no bytes are lost",
        with_a_plain_error,
    ),
    #[cfg(feature = "ureq")]
    (
        "a retried request gets a new connection",
        ignoring_new_connection,
    ),
    ("redirects are not followed", following_redirects),
    ("the reason phrase is reported", without_a_reason_phrase),
    (
        "the reason phrase is reported, however its bytes are split",
        without_a_reason_phrase,
    ),
    (
        "a response body is read as it arrives, in every framing",
        buffering_responses,
    ),
    (
        "a long response body is read completely",
        limiting_responses,
    ),
    (
        "a truncated response body is an error",
        treating_truncation_as_the_end,
    ),
    (
        "a response body truncated within its framing is an error",
        treating_truncation_as_the_end,
    ),
    ("requests are sent unchanged", adding_a_header),
    ("requests are sent unchanged", normalizing_the_path),
    (
        "a request without a body does not announce one",
        announcing_a_missing_body,
    ),
    (
        "request bodies are announced and sent",
        sending_without_a_length,
    ),
    (
        "a reader is read up to its announced length",
        reading_beyond_the_length,
    ),
    ("an upload is sent as it is read", buffering_uploads),
    (
        "an upload of known length is sent as it is read",
        buffering_uploads,
    ),
    (
        "a reader that fails is an error, not the end of the upload",
        treating_reader_errors_as_the_end,
    ),
    (
        "an upload continues after an early success",
        buffering_uploads,
    ),
    ("requests do not wait for each other", sending_one_at_a_time),
    ("dropping a body closes its connection", keeping_bodies),
    ("a request is sent once", retrying),
    (
        "errors say how far the request got",
        always_reporting_phase_wait,
    ),
    ("connections are reused", |request| Tcp.send(request)),
    ("nothing is sent after the deadline", without_deadlines),
    (
        "a deadline ends a response body that keeps arriving",
        without_deadlines,
    ),
    (
        "after an idle timeout, the body can be read further",
        with_a_plain_error,
    ),
    ("nothing is sent after a cancellation", without_cancellation),
    (
        "cancellation ends a wait for the response",
        with_a_plain_error,
    ),
    (
        "a deadline ends a wait for the response",
        with_a_plain_error,
    ),
    (
        "an idle timeout ends a wait for the response",
        with_a_plain_error,
    ),
    ("cancellation ends a response body", with_a_plain_error),
    ("a deadline ends a response body", with_a_plain_error),
    ("a deadline ends an upload", with_a_plain_error),
    ("an idle timeout ends an upload", with_a_plain_error),
    ("cancellation ends an upload", with_a_plain_error),
    (
        "a cancellation does not affect other requests",
        with_a_plain_error,
    ),
    ("a deadline ends a wait for the response", without_deadlines),
    (
        "an idle timeout ends a wait for the response",
        without_idle_timeouts,
    ),
    (
        "cancellation ends a wait for the response",
        without_cancellation,
    ),
];

fn run(rule: &'static str, fault: SendFn) -> Outcome {
    let suite = Suite::new("faulty", faulty(fault)).only(rule);
    // Some faults make their case hang.
    let report = suite.case_timeout(Duration::from_secs(10)).run();
    report
        .rows
        .iter()
        .find(|row| row.name == rule)
        .unwrap_or_else(|| panic!("there is no case {rule:?}"))
        .outcome
        .clone()
}

#[test]
fn suite_finds_every_fault() {
    for row in Suite::for_replay().run().rows {
        let is_broken = FAULTS.iter().any(|(rule, _)| *rule == row.name);
        assert!(
            is_broken || cfg!(not(feature = "ureq")),
            "no fault shows that this case can fail: {}",
            row.name
        );
    }
    let runs: Vec<_> = FAULTS
        .iter()
        .map(|(rule, fault)| thread::spawn(|| run(rule, *fault)))
        .collect();
    for ((rule, _), run) in FAULTS.iter().zip(runs) {
        match run.join().unwrap() {
            Outcome::Failed(why) => println!("{rule}: {}", why.lines().next().unwrap_or_default()),
            outcome => panic!("{rule}: the rule is broken, and the outcome is {outcome:?}"),
        }
    }
}

#[test]
fn without_skips_the_cases_that_need_the_ability() {
    let suite = Suite::new("plain", faulty(without_a_reason_phrase))
        .without(Capability::Reason)
        .only("reason phrase");
    let report = suite.run();
    assert!(report.conforms());
    assert_eq!(report.rows.len(), 2);
    for row in &report.rows {
        assert_eq!(
            row.outcome,
            Outcome::Unsupported("the transport lacks Reason".into())
        );
    }
}

#[test]
fn report_and_table_show_the_outcomes() {
    let report = |name: &str, fault| -> Report {
        Suite::new(name, faulty(fault))
            .without(Capability::Reuse)
            .only("are reused")
            .run()
    };
    let reports = [
        Suite::new("a", faulty(returning_errors_for_statuses))
            .only("without a response")
            .run(),
        report("b", sending_one_at_a_time),
    ];
    let expected = format!(
        "{:51} a  b\n\
         a connection closed without a response is an error  yes\n\
         {:51}    -\n",
        "", "connections are reused"
    );
    assert_eq!(table(&reports), expected);
    assert_eq!(
        reports[1].to_string(),
        "unsupported  connections are reused (the transport lacks Reuse)\n"
    );
    let failed = Suite::new("c", faulty(without_a_reason_phrase))
        .only("the reason phrase is reported")
        .run();
    assert!(!failed.conforms());
    let text = failed.to_string();
    assert!(
        text.starts_with(
            "FAILED       the reason phrase is reported\n             \
             the reason: found None, expected Some(\""
        ),
        "{text}"
    );
    let panic = std::panic::catch_unwind(|| failed.assert_conforms()).unwrap_err();
    assert!(panic.downcast::<String>().unwrap().ends_with(&text));
    // There is no case with this name.
    let none = Suite::new("d", faulty(without_a_reason_phrase))
        .only("no such thing")
        .run();
    assert!(std::panic::catch_unwind(|| none.assert_conforms()).is_err());
}
