//! Error messages, secrets in them, and errors that are found before anything is sent.

use std::collections::BTreeSet;
use std::error::Error as _;
use std::io;
use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use scramjet_client_blocking::core::NextEvent;
use scramjet_client_blocking::error::ReplyError;
use scramjet_client_blocking::transport::{Phase, RequestBody, StopReason, TransportError};
use scramjet_client_blocking::{
    Error, ErrorCode, ErrorKind, HostClient, Input, InstanceClient, Readiness, RetryPolicy,
    SequenceClient, StartOptions, StopOptions, Upload,
};
use scramjet_client_testing::script::from_fn;
use scramjet_client_tests::scripted::{ScriptedServer, refused_url, response};

use crate::helpers::recording;

const HUB: &str = "http://hub:8000/api/v1";

type Answer = Result<Response<Box<dyn Read + Send>>, TransportError>;

/// Returns a client of a hub 1.0.1 whose requests all get this response.
fn client_with(answer: impl Fn() -> Answer + Send + Sync + 'static) -> HostClient {
    let transport = from_fn(move |request: Request<RequestBody<'_>>| {
        let answer = answer();
        if let (RequestBody::Reader { reader, .. }, Ok(_)) = (request.into_body(), &answer) {
            io::copy(reader, &mut io::sink()).unwrap();
        }
        answer
    });
    HostClient::builder(HUB)
        .hub_version("1.0.1")
        .transport(Arc::new(transport))
        .retry(None)
        .build()
        .unwrap()
}

fn client_replying(status: u16, body: &'static str) -> HostClient {
    client_with(move || {
        Ok(Response::builder()
            .status(status)
            .body(Box::new(body.as_bytes()) as _)
            .unwrap())
    })
}

fn client_replying_gzip() -> HostClient {
    client_with(|| {
        Ok(Response::builder()
            .header("content-encoding", "gzip")
            .body(Box::new(&b"\x1f\x8b"[..]) as _)
            .unwrap())
    })
}

fn client_failing_in(phase: Phase) -> HostClient {
    client_with(move || {
        let inner = io::Error::new(io::ErrorKind::ConnectionReset, "the cable is cut");
        Err(TransportError::new(phase, io::Error::other(Layer(inner))))
    })
}

/// Returns a client whose transport reports this limit at once.
fn instance_stopped_in(phase: Phase, stopped: StopReason) -> InstanceClient {
    let host = client_with(move || match phase {
        Phase::Read => Ok(Response::new(Box::new(Stops(stopped)))),
        _ => Err(TransportError::new(phase, stopped)),
    });
    let host = host
        .with_deadline(Duration::from_secs(30))
        .with_idle_timeout(Duration::from_millis(1500));
    host.instance("x").unwrap()
}

struct Stops(StopReason);

impl Read for Stops {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(self.0.into())
    }
}

/// Returns a sequence on a hub 1.0.1. `state` is the response to a request for the state of its
/// instance, `event` is the name and data of the event that the instance emits.
fn sequence_starting(state: &'static str, event: &'static str) -> SequenceClient {
    let transport = from_fn(move |request: Request<RequestBody<'_>>| -> Answer {
        let path = request.uri().path().to_owned();
        let body = match path.rsplit('/').next().unwrap() {
            "start" => r#"{"id":"i"}"#,
            "i" => state,
            "_kill" => "{}",
            name if path.contains("/event/") && event.starts_with(name) => {
                event.split_once(' ').unwrap().1
            }
            // Other events never arrive.
            _ => return Ok(Response::new(Box::new(Waits) as _)),
        };
        Ok(Response::new(Box::new(body.as_bytes()) as _))
    });
    HostClient::builder(HUB)
        .hub_version("1.0.1")
        .transport(Arc::new(transport))
        .build()
        .unwrap()
        .sequence("s")
        .unwrap()
}

/// Blocks for as long as the test runs.
struct Waits;

impl Read for Waits {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        std::thread::park();
        Err(io::ErrorKind::Interrupted.into())
    }
}

/// An error with a cause.
#[derive(Debug)]
struct Layer(io::Error);

impl std::fmt::Display for Layer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the tunnel collapsed")
    }
}

impl std::error::Error for Layer {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

/// Returns the error for a line that is not UTF-8.
fn not_utf_8_error() -> Error {
    let host = client_with(|| Ok(Response::new(Box::new(&b"\xff\n"[..]) as _)));
    host.instance("x")
        .unwrap()
        .output()
        .unwrap()
        .lines()
        .next()
        .unwrap()
        .unwrap_err()
}

struct Full;

impl io::Write for Full {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::Error::other("the disk is full"))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Torn(&'static str);

impl Read for Torn {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::new(io::ErrorKind::InvalidData, self.0))
    }
}

/// Returns a client whose response bodies fail after two bytes.
fn client_cut_off_with(kind: io::ErrorKind) -> HostClient {
    struct Ends(&'static [u8], io::ErrorKind);
    impl Read for Ends {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if self.0.is_empty() {
                Err(io::Error::new(self.1, "the radio went silent"))
            } else {
                self.0.read(buffer)
            }
        }
    }
    client_with(move || {
        Ok(Response::builder()
            .header("content-length", "10")
            .body(Box::new(Ends(b"[1", kind)) as _)
            .unwrap())
    })
}

/// Returns errors of all kinds and their `Debug` output. Its first line is the `Display` output,
/// the others are the causes.
fn snapshots() -> Vec<(Error, &'static str)> {
    let old = HostClient::builder(HUB)
        .hub_version("0.18.7")
        .build()
        .unwrap();
    let none = StartOptions::new();
    vec![
        (
            HostClient::new("localhost:8000").unwrap_err(),
            "invalid base URL \"localhost:8000\": missing http:// (or https://); a hub's address \
             looks like http://localhost:8000/api/v1",
        ),
        (
            client_replying(200, "").sequence("a/b").unwrap_err(),
            "invalid sequence id \"a/b\": it contains a character that ends a path segment (one \
             of / \\ ? #)",
        ),
        (
            client_replying(200, "")
                .sequence("x")
                .unwrap()
                .start(&StartOptions::new().app_config(3))
                .unwrap_err(),
            "start sequence: request not sent: invalid option \"appConfig\": a sequence's \
             configuration must be a JSON object",
        ),
        (
            old.sequence("x")
                .unwrap()
                .overwrite(Vec::new())
                .unwrap_err(),
            "overwrite sequence: request not sent: the hub is too old (version 0.18.7); overwrite \
             sequence requires version 0.38.0 or later",
        ),
        (
            old.sequence("x".repeat(70_000))
                .unwrap()
                .info()
                .unwrap_err(),
            "get sequence: request not sent: cannot build the request\n  caused by: uri too long",
        ),
        (
            client_replying(200, "[]")
                .sequence_named("shout")
                .unwrap_err(),
            "list sequences (GET http://hub:8000/api/v1/sequences): no sequence on this hub is \
             named \"shout\"",
        ),
        (
            client_replying(
                200,
                r#"[{"id":"a","config":{"name":"shout"}},{"id":"b","config":{"name":"shout"}}]"#,
            )
            .sequence_named("shout")
            .unwrap_err(),
            "list sequences (GET http://hub:8000/api/v1/sequences): 2 sequences on this hub are \
             named \"shout\"; choose one by its id: a b",
        ),
        (
            client_failing_in(Phase::Resolve).version().unwrap_err(),
            "get version (GET http://hub:8000/api/v1/version): name resolution failed; is the \
             address right?\n  \
             caused by: the tunnel collapsed\n  \
             caused by: the cable is cut",
        ),
        (
            client_failing_in(Phase::Tls).version().unwrap_err(),
            "get version (GET http://hub:8000/api/v1/version): TLS handshake failed; nothing was \
             sent\n  \
             caused by: the tunnel collapsed\n  \
             caused by: the cable is cut",
        ),
        (
            instance_stopped_in(Phase::Resolve, StopReason::Deadline)
                .info()
                .unwrap_err(),
            "get instance (GET http://hub:8000/api/v1/instance/x): timed out after 30s while \
             resolving the host name; \
             nothing was sent",
        ),
        (
            instance_stopped_in(Phase::Tls, StopReason::Cancelled)
                .info()
                .unwrap_err(),
            "get instance (GET http://hub:8000/api/v1/instance/x): cancelled during the TLS \
             handshake; nothing was sent",
        ),
        (
            client_failing_in(Phase::Connect).version().unwrap_err(),
            "get version (GET http://hub:8000/api/v1/version): could not connect; is the hub \
             running at this address?\n  \
             caused by: the tunnel collapsed\n  \
             caused by: the cable is cut",
        ),
        (
            client_failing_in(Phase::Send)
                .send_sequence(vec![0x1f, 0x8b])
                .unwrap_err(),
            "send sequence (POST http://hub:8000/api/v1/sequence): sending the request failed; \
             the hub may have received part of it\n  \
             caused by: the tunnel collapsed\n  \
             caused by: the cable is cut",
        ),
        (
            client_failing_in(Phase::Wait)
                .sequence("x")
                .unwrap()
                .start(&none)
                .unwrap_err(),
            "start sequence (POST http://hub:8000/api/v1/sequence/x/start): no valid response \
             received; \
             the hub may have processed the request\n  \
             caused by: the tunnel collapsed\n  \
             caused by: the cable is cut",
        ),
        (
            client_with(|| {
                Err(TransportError::new(
                    Phase::Wait,
                    "the pigeon did not return",
                ))
            })
            .version()
            .unwrap_err(),
            "get version (GET http://hub:8000/api/v1/version): no valid response received\n  \
             caused by: the pigeon did not return",
        ),
        (
            client_cut_off_with(io::ErrorKind::ConnectionReset)
                .list_sequences()
                .unwrap_err(),
            "list sequences (GET http://hub:8000/api/v1/sequences): reading the response failed\n  \
             caused by: the radio went silent",
        ),
        (
            client_cut_off_with(io::ErrorKind::UnexpectedEof)
                .list_sequences()
                .unwrap_err(),
            "list sequences (GET http://hub:8000/api/v1/sequences): connection lost while reading \
             the response (got 2 of 10 bytes)",
        ),
        (
            instance_stopped_in(Phase::Tls, StopReason::Deadline)
                .info()
                .unwrap_err(),
            "get instance (GET http://hub:8000/api/v1/instance/x): timed out after 30s during the \
             TLS handshake; \
             nothing was sent",
        ),
        (
            instance_stopped_in(Phase::Send, StopReason::Deadline)
                .info()
                .unwrap_err(),
            "get instance (GET http://hub:8000/api/v1/instance/x): timed out after 30s while \
             sending the request",
        ),
        (
            instance_stopped_in(Phase::Read, StopReason::Deadline)
                .info()
                .unwrap_err(),
            "get instance (GET http://hub:8000/api/v1/instance/x): timed out after 30s while \
             reading the response",
        ),
        (
            instance_stopped_in(Phase::Wait, StopReason::Idle)
                .info()
                .unwrap_err(),
            "get instance (GET http://hub:8000/api/v1/instance/x): timed out after 1.5s of \
             inactivity while waiting for the response",
        ),
        (
            HostClient::builder(HUB)
                .header("host", "elsewhere")
                .build()
                .unwrap_err(),
            "invalid header \"host\": it describes the connection or the body; the client sets it",
        ),
        (
            not_utf_8_error(),
            "read stream (GET http://hub:8000/api/v1/instance/x/output): the response is not \
             UTF-8 text; \
             it begins with \"\u{fffd}\"\n  \
             caused by: invalid utf-8 sequence of 1 bytes from index 0",
        ),
        (
            instance_stopped_in(Phase::Connect, StopReason::Deadline)
                .info()
                .unwrap_err(),
            "get instance (GET http://hub:8000/api/v1/instance/x): timed out after 30s before a \
             connection was established; nothing was sent",
        ),
        (
            instance_stopped_in(Phase::Wait, StopReason::Deadline)
                .host()
                .call(&NextEvent {
                    id: &"x".try_into().unwrap(),
                    name: &"done".try_into().unwrap(),
                })
                .unwrap_err(),
            "next event (GET http://hub:8000/api/v1/instance/x/once/done): timed out after 30s \
             while waiting for the response",
        ),
        (
            instance_stopped_in(Phase::Wait, StopReason::Deadline)
                .stop(&StopOptions::new(Duration::from_secs(7)))
                .unwrap_err(),
            "stop instance (POST http://hub:8000/api/v1/instance/x/_stop): timed out after 37s \
             while waiting for the response; \
             the hub may have processed the request",
        ),
        (
            instance_stopped_in(Phase::Read, StopReason::Idle)
                .info()
                .unwrap_err(),
            "get instance (GET http://hub:8000/api/v1/instance/x): timed out after 1.5s of \
             inactivity while reading the response",
        ),
        (
            instance_stopped_in(Phase::Send, StopReason::Cancelled)
                .send_input("text")
                .unwrap_err(),
            "send input (POST http://hub:8000/api/v1/instance/x/input): cancelled while sending \
             the request; \
             the hub may have received part of it",
        ),
        (
            sequence_starting(
                r#"{"id":"i","terminated":{"exitcode":101,"reason":"Runner failed"}}"#,
                "- -",
            )
            .start_and_wait(&none, &Readiness::event("ready"))
            .unwrap_err(),
            "start sequence (POST http://hub:8000/api/v1/sequence/s/start): the instance has \
             ended: Runner failed (exit code 101)",
        ),
        (
            {
                let instance = client_replying(200, "").instance("x").unwrap();
                instance.send_input("all").unwrap();
                instance.send_input("more").unwrap_err()
            },
            "send input (POST http://hub:8000/api/v1/instance/x/input): the instance did not \
             accept the data; \
             its input has ended, or the program does not read it",
        ),
        (
            sequence_starting(r#"{"id":"i"}"#, r#"error "no such city""#)
                .start_and_wait(&none, &Readiness::event("ready").fails_on("error"))
                .unwrap_err(),
            "start sequence (POST http://hub:8000/api/v1/sequence/s/start): the instance reported \
             failure with the event \"error\": \"no such city\"",
        ),
        (
            client_replying(503, "restarting")
                .sequence("x")
                .unwrap()
                .start_with_retry(
                    &none,
                    &Readiness::event("ready"),
                    &RetryPolicy::linear(Duration::from_millis(1)),
                )
                .unwrap_err(),
            "start sequence (POST http://hub:8000/api/v1/sequence/x/start): all attempts failed \
             (3 errors)\n  \
             caused by: start sequence (POST http://hub:8000/api/v1/sequence/x/start): refused \
             with status 503 SERVER_ERROR: restarting",
        ),
        (
            client_replying(200, "text")
                .instance("x")
                .unwrap()
                .transform("", &mut Full)
                .unwrap_err(),
            "read stream (GET http://hub:8000/api/v1/instance/x/output): cannot write the \
             received data\n  \
             caused by: the disk is full",
        ),
        (
            client_reading_uploads()
                .instance("x")
                .unwrap()
                .send_input(Input::ndjson(&b"1\nnull\n"[..]))
                .unwrap_err(),
            "send input (POST http://hub:8000/api/v1/instance/x/input): cannot upload the data\n  \
             caused by: line 2 is `null`, which ends the input of an instance, so nothing after \
             it would arrive; leave it out, or wrap it in an object",
        ),
        (
            client_replying(200, "\u{ff}")
                .instance("x")
                .unwrap()
                .output()
                .unwrap()
                .json_lines::<u8>()
                .next()
                .unwrap()
                .unwrap_err(),
            "read stream (GET http://hub:8000/api/v1/instance/x/output): the response is not the \
             expected JSON; \
             it begins with \"ÿ\"\n  \
             caused by: expected value at line 1 column 1",
        ),
        (
            client_replying_gzip()
                .instance("x")
                .unwrap()
                .output()
                .unwrap_err(),
            "read stream (GET http://hub:8000/api/v1/instance/x/output): \
             the response is encoded (Content-Encoding: gzip), which the client did not request \
             and cannot decode; turn off compression in the proxy in front of the hub",
        ),
        (
            client_reading_uploads()
                .send_sequence(Upload::reader(Torn("the tape is torn")))
                .unwrap_err(),
            "send sequence (POST http://hub:8000/api/v1/sequence): cannot upload the data\n  \
             caused by: the tape is torn",
        ),
        (
            client_replying(419, r#"{"error":"Insufficient Space on Resource"}"#)
                .sequence("x")
                .unwrap()
                .start(&none)
                .unwrap_err(),
            "start sequence (POST http://hub:8000/api/v1/sequence/x/start): refused with status \
             419 INSUFFICIENT_RESOURCES: Insufficient Space on Resource",
        ),
        (
            client_replying(500, "415: Invalid content-type")
                .instance("x")
                .unwrap()
                .send_input("text")
                .unwrap_err(),
            "send input (POST http://hub:8000/api/v1/instance/x/input): refused with status 415 \
             REQUEST_ERROR: Invalid content-type (received with status 500)",
        ),
        (
            client_replying(200, "Hello!").list_sequences().unwrap_err(),
            "list sequences (GET http://hub:8000/api/v1/sequences): the response is not the \
             expected JSON; it begins with \"Hello!\"\n  \
             caused by: expected value at line 1 column 1",
        ),
        (
            client_with(|| Ok(Response::new(Box::new(io::repeat(b' ')))))
                .list_sequences()
                .unwrap_err(),
            "list sequences (GET http://hub:8000/api/v1/sequences): the response or a line of \
                 it is longer than 4194304 bytes, \
             more than a hub sends here; the rest was not read",
        ),
        (
            instance_stopped_in(Phase::Resolve, StopReason::Idle)
                .info()
                .unwrap_err(),
            "get instance (GET http://hub:8000/api/v1/instance/x): timed out after 1.5s of \
             inactivity while resolving the host name; nothing was sent",
        ),
        (
            instance_stopped_in(Phase::Connect, StopReason::Idle)
                .info()
                .unwrap_err(),
            "get instance (GET http://hub:8000/api/v1/instance/x): timed out after 1.5s of \
             inactivity before a connection was established; nothing was sent",
        ),
        (
            instance_stopped_in(Phase::Tls, StopReason::Idle)
                .info()
                .unwrap_err(),
            "get instance (GET http://hub:8000/api/v1/instance/x): timed out after 1.5s of \
             inactivity during the TLS handshake; nothing was sent",
        ),
        (
            instance_stopped_in(Phase::Send, StopReason::Idle)
                .info()
                .unwrap_err(),
            "get instance (GET http://hub:8000/api/v1/instance/x): timed out after 1.5s of \
             inactivity while sending the request",
        ),
        (
            instance_stopped_in(Phase::Resolve, StopReason::Cancelled)
                .info()
                .unwrap_err(),
            "get instance (GET http://hub:8000/api/v1/instance/x): cancelled while resolving the \
             host name; nothing was sent",
        ),
        (
            instance_stopped_in(Phase::Connect, StopReason::Cancelled)
                .info()
                .unwrap_err(),
            "get instance (GET http://hub:8000/api/v1/instance/x): cancelled before a connection \
             was established; nothing was sent",
        ),
        (
            instance_stopped_in(Phase::Wait, StopReason::Cancelled)
                .info()
                .unwrap_err(),
            "get instance (GET http://hub:8000/api/v1/instance/x): cancelled while waiting for \
             the response",
        ),
        (
            instance_stopped_in(Phase::Read, StopReason::Cancelled)
                .info()
                .unwrap_err(),
            "get instance (GET http://hub:8000/api/v1/instance/x): cancelled while reading the \
             response",
        ),
        (
            HostClient::builder(HUB)
                .ca_certificate_pem("no certificate")
                .build()
                .unwrap_err(),
            "invalid setting \"ca_certificates\": it contains no certificate; a certificate \
             begins with -----BEGIN CERTIFICATE-----",
        ),
        (
            client_failing_in(Phase::Connect)
                .with_retry(RetryPolicy::linear(Duration::ZERO).max_attempts(2))
                .version()
                .unwrap_err(),
            "get version (GET http://hub:8000/api/v1/version): could not connect; is the hub \
             running at this address? (2 attempts in <time>)\n  \
             caused by: the tunnel collapsed\n  \
             caused by: the cable is cut",
        ),
    ]
}

/// Returns a client whose transport reads uploads and passes their errors on.
fn client_reading_uploads() -> HostClient {
    let transport = from_fn(|request: Request<RequestBody<'_>>| -> Answer {
        if let RequestBody::Reader { reader, .. } = request.into_body() {
            io::copy(reader, &mut io::sink())
                .map_err(|error| TransportError::new(Phase::Send, error))?;
        }
        unreachable!("the upload fails")
    });
    HostClient::builder(HUB)
        .transport(Arc::new(transport))
        .build()
        .unwrap()
}

/// Returns the messages of an error and of its causes.
fn chain(error: &Error) -> Vec<String> {
    let causes = std::iter::successors(error.source(), |&cause| cause.source());
    [error.to_string()]
        .into_iter()
        .chain(causes.map(ToString::to_string))
        .collect()
}

/// Replaces the time that several attempts took.
fn timeless(text: &str) -> String {
    let time = text
        .split_once(" attempts in ")
        .and_then(|(before, after)| Some((before, after.split_once(')')?)));
    time.map_or(text.to_owned(), |(before, (_, after))| {
        format!("{before} attempts in <time>){after}")
    })
}

#[test]
fn error_display_and_debug_match_the_snapshots() {
    for (error, expected) in snapshots() {
        assert_eq!(timeless(&format!("{error:?}")), expected);
        assert_eq!(timeless(&chain(&error).join("\n  caused by: ")), expected);
        assert_eq!(
            timeless(&error.to_string()).lines().next(),
            expected.lines().next()
        );
    }
}

/// Returns the names of the variants of an enum, read from its source.
fn variants<'a>(source: &'a str, name: &str) -> BTreeSet<&'a str> {
    let (_, begin) = source
        .split_once(&format!("\npub enum {name} {{\n"))
        .unwrap();
    let (body, _) = begin.split_once("\n}\n").unwrap();
    let names = body.lines().filter_map(|line| {
        line.strip_prefix("    ")
            .filter(|line| line.starts_with(|c: char| c.is_ascii_uppercase()))
    });
    names
        .map(|line| {
            line.split(|c: char| !c.is_ascii_alphanumeric())
                .next()
                .unwrap()
        })
        .collect()
}

/// New kinds and phases must be added to the snapshots.
#[test]
fn snapshots_have_every_kind_and_phase() {
    let (core, blocking) = (
        include_str!("../../crates/core/src/error.rs"),
        include_str!("../../crates/blocking/src/error.rs"),
    );
    let (kinds, phases) = (
        variants(blocking, "ErrorKind"),
        variants(
            include_str!("../../crates/blocking/src/transport/error.rs"),
            "Phase",
        ),
    );
    // These kinds contain enums.
    let inner = [
        ("Request", variants(core, "RequestError")),
        ("Reply", variants(core, "ReplyError")),
    ];
    let expected =
        kinds
            .iter()
            .flat_map(|kind| match inner.iter().find(|(outer, _)| outer == kind) {
                Some((_, inner)) => inner
                    .iter()
                    .map(|inner| format!("{kind} {inner}"))
                    .collect(),
                None => vec![(*kind).to_owned()],
            });
    let mut expected: BTreeSet<_> = expected.collect();
    // The client requests the version itself.
    assert!(expected.remove("Request DialectUnknown"));
    // These need instances: see the tests of channels and pools.
    assert!(expected.remove("OutOfStep") && expected.remove("NoInstance"));
    // This needs a system without free threads.
    assert!(expected.remove("Thread"));
    assert!(
        expected.len() > 20 && phases.len() >= 6,
        "{expected:?}, {phases:?}"
    );

    // The names in the `Debug` output.
    let kind = |error: &Error| {
        let shown = format!("{:?}", error.kind());
        let mut words = shown.split(|c: char| !c.is_ascii_alphanumeric());
        let kind = words.next().unwrap();
        if inner.iter().any(|(outer, _)| *outer == kind) {
            format!("{kind} {}", words.next().unwrap())
        } else {
            kind.to_owned()
        }
    };
    let snapshots = snapshots();
    assert_eq!(
        snapshots
            .iter()
            .map(|(error, _)| kind(error))
            .collect::<BTreeSet<_>>(),
        expected
    );
    for what in ["Transport", "Deadline", "Idle", "Cancelled"] {
        let of_it = snapshots.iter().filter(|(error, _)| kind(error) == what);
        let seen: BTreeSet<_> = of_it
            .filter_map(|(error, _)| error.phase())
            .map(|phase| format!("{phase:?}"))
            .collect();
        assert!(seen.iter().eq(phases.iter()), "{what}: {seen:?}");
    }
}

#[test]
fn error_display_and_its_causes_repeat_nothing() {
    for (error, _) in snapshots() {
        let layers = chain(&error);
        for (position, layer) in layers.iter().enumerate() {
            assert!(!layer.is_empty(), "{error:?}");
            for other in layers.iter().skip(position + 1) {
                assert!(
                    !layer.contains(other.as_str()) && !other.contains(layer.as_str()),
                    "{error:?}"
                );
            }
        }
    }
}

/// The causes come from the default transport.
#[test]
fn errors_of_the_default_transport_have_their_causes() {
    let debug_text = |url: &str, error: Error| format!("{error:?}").replace(url, "<hub>");
    let url = refused_url();
    let error = debug_text(
        &url,
        HostClient::builder(&url)
            .retry(None)
            .build()
            .unwrap()
            .version()
            .unwrap_err(),
    );
    // The rest of the text depends on the operating system.
    let (message, cause) = error.split_once("\n  caused by: ").unwrap();
    assert_eq!(
        message,
        "get version (GET <hub>/version): could not connect; is the hub running at this address?"
    );
    assert!(
        cause.starts_with("Connection refused") && !cause.contains('\n'),
        "{cause}"
    );

    let through = |proxy: &str| {
        let host = HostClient::builder(HUB)
            .proxy(proxy.trim_end_matches("/api/v1"))
            .retry(None)
            .build()
            .unwrap();
        debug_text(
            proxy
                .trim_end_matches("/api/v1")
                .trim_start_matches("http://"),
            host.version().unwrap_err(),
        )
    };
    let server = ScriptedServer::start(|connection| {
        connection.read_request().unwrap();
        let _ = connection.send(response("403 Forbidden", &[], b""));
    });
    assert_eq!(
        through(&server.url()),
        "get version (GET http://hub:8000/api/v1/version): could not connect through the proxy; \
         nothing was sent to the hub\n  caused by: the proxy http://<hub> refused to connect to \
         hub:8000: 403 Forbidden"
    );
    let refused = through(&refused_url());
    assert!(
        refused.starts_with(
            "get version (GET http://hub:8000/api/v1/version): could not connect through the \
             proxy; nothing was sent to the hub\n  caused by: "
        ),
        "{refused}"
    );

    let cut = |reply: &'static [u8]| {
        let server = ScriptedServer::start(move |connection| {
            connection.read_request().unwrap();
            let _ = connection.send(reply);
        });
        debug_text(
            &server.url(),
            HostClient::builder(server.url())
                .retry(None)
                .build()
                .unwrap()
                .version()
                .unwrap_err(),
        )
    };
    assert_eq!(
        cut(b""),
        "get version (GET <hub>/version): no valid response received\n  caused by: Peer \
         disconnected"
    );
    assert_eq!(
        cut(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{\"ver"),
        "get version (GET <hub>/version): connection lost while reading the response (got 5 of 9 \
         bytes)"
    );
}

#[test]
fn error_is_small_send_and_sync() {
    fn is_send_and_sync<T: Send + Sync + 'static>() {}
    is_send_and_sync::<Error>();
    is_send_and_sync::<HostClient>();
    is_send_and_sync::<SequenceClient>();
    is_send_and_sync::<InstanceClient>();
    assert!(size_of::<Error>() <= 16);
}

#[test]
fn error_code_follows_from_the_kind() {
    for (error, text) in snapshots() {
        let code = match error.kind() {
            ErrorKind::Request(_) => "BAD_PARAMETERS",
            ErrorKind::Transport(TransportError {
                phase: Phase::Read, ..
            }) => "INVALID_RESPONSE",
            ErrorKind::Transport(_) => "CANNOT_CONNECT",
            ErrorKind::Reply(ReplyError::Api(refusal)) => refusal.code.as_str(),
            ErrorKind::Reply(_) => "INVALID_RESPONSE",
            ErrorKind::Attempts(_) => "SERVER_ERROR",
            _ => "GENERAL_ERROR",
        };
        assert_eq!(error.code().as_str(), code, "{text}");
    }
    let overloaded = client_replying(419, r#"{"error":"Insufficient Space on Resource"}"#)
        .version()
        .unwrap_err();
    assert_eq!(overloaded.code(), ErrorCode::InsufficientResources);
}

const SECRET: &str = "s3cr3t-t0k3n";

#[test]
fn errors_and_debug_output_contain_no_secrets() {
    let mut shown = vec![
        format!("{:?}", HostClient::builder(HUB).bearer_token(SECRET)),
        format!("{:?}", HostClient::builder(HUB).header("x-key", SECRET)),
        format!(
            "{:?}",
            HostClient::builder(format!("http://user:{SECRET}@hub:8000/api/v1"))
        ),
    ];
    let mut errors: Vec<Error> = [
        HostClient::builder(HUB).bearer_token(format!("{SECRET}\r\nx: y")),
        HostClient::builder(HUB).basic_auth("us:er", SECRET),
        HostClient::builder(HUB).header("x-key", format!("{SECRET}\n")),
        HostClient::builder(HUB).header("host", SECRET),
        HostClient::builder(HUB).header("x-key", SECRET.repeat(2000)),
        HostClient::builder(format!("http://user:{SECRET}@hub:8000/api/v1")),
        HostClient::builder(format!("http://{SECRET}@hub:8000/api/v1")),
        HostClient::builder(format!("http://user:{SECRET}@h ub:8000/api/v1")),
        HostClient::builder("nowhere").bearer_token(SECRET),
        HostClient::builder(HUB)
            .bearer_token(SECRET)
            .hub_version("new"),
    ]
    .map(|builder| builder.build().unwrap_err())
    .into();

    let (server, requests) = recording(b"{}");
    for url in [server.url(), refused_url()] {
        let host = HostClient::builder(url)
            .bearer_token(SECRET)
            .header("x-key", SECRET)
            .hub_version("1.0.1")
            .build()
            .unwrap();
        let sequence = host.sequence("the-sequence").unwrap();
        let instance = host.instance("the-instance").unwrap();
        shown.extend([
            format!("{host:?}"),
            format!("{sequence:?}"),
            format!("{instance:?}"),
            format!("{host:#?}"),
        ]);
        errors.push(host.version().unwrap_err());
        errors.push(sequence.start(&StartOptions::new()).unwrap_err());
        errors.push(
            host.send_sequence(Upload::reader(Torn("torn")))
                .unwrap_err(),
        );
        errors.push(
            instance
                .stop(&StopOptions::new(Duration::from_secs(u64::MAX)))
                .unwrap_err(),
        );
    }
    let stream = HostClient::builder(server.url())
        .bearer_token(SECRET)
        .build()
        .unwrap()
        .instance("x")
        .unwrap()
        .stdout()
        .unwrap();
    shown.push(format!("{stream:?}"));
    // The client sends them.
    let request = requests.take();
    assert_eq!(
        request.header("authorization"),
        Some(format!("Bearer {SECRET}").as_str())
    );
    assert_eq!(request.header("x-key"), Some(SECRET));

    for error in errors {
        shown.extend([
            format!("{error}"),
            format!("{error:?}"),
            format!("{error:#?}"),
            format!("{:?}", error.kind()),
        ]);
        shown.extend(
            std::iter::successors(error.source(), |&cause| cause.source())
                .map(|cause| format!("{cause:?}")),
        );
    }
    for text in shown {
        assert!(!text.contains(SECRET), "{text}");
    }
}
