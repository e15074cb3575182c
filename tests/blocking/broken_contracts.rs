//! User-supplied readers, writers, transports, decoders and values that break their contracts.

use std::error::Error as StdError;
use std::fmt;
use std::io::{self, ErrorKind as IoErrorKind, Read, Write};
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use scramjet_client_blocking::core::{Decode, ReplyError, Step};
use scramjet_client_blocking::transport::{Phase, RequestBody, TransportError, UreqTransport};
use scramjet_client_blocking::{
    CancelToken, ContentType, ErrorKind, HostClient, Input, InstanceClient, StartOptions,
    Transport, Upload,
};
use scramjet_client_testing::fake_hub::FakeHub;
use scramjet_client_testing::script::from_fn;
use scramjet_client_tests::programs;
use serde_json::value::RawValue;

use crate::helpers::{FnReader, FnWriter, GENERATIONS, client_1x, in_parallel, recording, within};
use crate::samples::listening;

/// The first two bytes of a gzip file.
const GZIP: &[u8] = &[0x1f, 0x8b];

/// Returns a reader that claims more bytes than fit into the buffer.
fn overlong() -> impl Read + Send {
    FnReader(|buffer: &mut [u8]| Ok(buffer.len() + 1))
}

/// A reader and writer that fails with `Interrupted` every time.
struct Interrupted;

impl Read for Interrupted {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(IoErrorKind::Interrupted.into())
    }
}

impl Write for Interrupted {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(IoErrorKind::Interrupted.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Runs a test on a fake hub of each generation.
fn on_each(
    what: &'static str,
    test: impl Fn(&FakeHub, &HostClient) + Clone + Send + Sync + 'static,
) {
    in_parallel(GENERATIONS, |generation| {
        let test = test.clone();
        within(what, move || {
            let hub = programs::fake_hub(generation);
            let host = HostClient::new(hub.url()).unwrap();
            test(&hub, &host);
        });
    });
}

/// Starts an instance of a sequence in `tests/sequences`.
fn instance(hub: &FakeHub, host: &HostClient, sample: &str) -> InstanceClient {
    let sequence = host.send_sequence(hub.package(sample)).unwrap();
    let instance = sequence.start(&StartOptions::new()).unwrap();
    listening(&instance);
    instance
}

fn text(upload: Upload) -> Input {
    Input::bytes(upload).content_type(ContentType::Text)
}

#[test]
fn uploads_fail_if_read_returns_more_than_the_buffer_length() {
    on_each("a reader that returns too much", |hub, host| {
        let echo = instance(hub, host, "tees");
        let overlong_upload = || Upload::reader(b"1\n".chain(overlong()));
        let package = || Upload::reader(GZIP.chain(overlong()));
        let limited_host = host.with_deadline(Duration::from_secs(20));
        let results = [
            echo.send_input(text(overlong_upload()).end(false))
                .map(drop),
            echo.send_input(Input::ndjson(overlong_upload()).end(false))
                .map(drop),
            echo.send_input(text(Upload::sized_reader(b"1\n".chain(overlong()), 9)).end(false))
                .map(drop),
            host.send_topic("topic", text(overlong_upload())).map(drop),
            host.send_sequence(package()).map(drop),
            limited_host.deploy(package()).map(drop),
        ];
        for (place, result) in results.into_iter().enumerate() {
            let error = result.unwrap_err();
            match error.kind() {
                ErrorKind::Upload(error) if error.kind() == IoErrorKind::InvalidData => {}
                _ => panic!("{place}: {error:?}"),
            }
        }
        assert_eq!(hub.sequences().len(), 1, "an incomplete package was stored");
        // The failed uploads did not end the input.
        let output = echo.transform_bytes("the rest\n").unwrap();
        assert!(String::from_utf8(output).unwrap().ends_with("the rest\n"));
    });
}

#[test]
fn uploads_and_transform_respect_the_deadline_if_io_is_always_interrupted() {
    on_each("a reader that is interrupted for ever", |hub, host| {
        let limit = Duration::from_millis(200);
        let limited_host = host.with_deadline(limit);
        let (first, second) = (instance(hub, host, "tees"), instance(hub, host, "tees"));
        let bounded = first.with_deadline(limit);
        let reader = || Upload::reader(Interrupted);
        let results = [
            bounded.send_input(text(reader()).end(false)).map(drop),
            bounded
                .send_input(Input::ndjson(reader()).end(false))
                .map(drop),
            limited_host.send_topic("topic", text(reader())).map(drop),
            limited_host.send_sequence(reader()).map(drop),
            limited_host.deploy(reader()).map(drop),
            bounded.transform(text(reader()), &mut io::sink()).map(drop),
            second
                .with_deadline(Duration::from_secs(2))
                .transform("some\n", &mut Interrupted)
                .map(drop),
        ];
        for (place, result) in results.into_iter().enumerate() {
            let error = result.unwrap_err();
            assert!(error.is_timeout(), "{place}: {error:?}");
        }
        let token = CancelToken::new();
        let cancels = token.clone();
        let upload = reader().progress(move |_| {
            cancels.cancel();
            std::ops::ControlFlow::Continue(())
        });
        let error = first
            .with_cancel(&token)
            .send_input(text(upload).end(false))
            .unwrap_err();
        assert!(error.is_cancelled(), "{error:?}");
    });
}

#[test]
fn transform_fails_if_write_returns_more_than_the_buffer_length() {
    on_each("a writer that returns too much", |hub, host| {
        let mut overlong = FnWriter(|bytes: &[u8]| Ok(bytes.len() + 1));
        let error = instance(hub, host, "tees")
            .transform("some\n", &mut overlong)
            .unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Write(_)), "{error:?}");
    });
}

/// Returns a client that replaces the body of every response.
fn client_with_bodies(
    hub: &FakeHub,
    body: impl Fn() -> Box<dyn Read + Send> + Send + Sync + 'static,
) -> HostClient {
    let inner = UreqTransport::default();
    let transport = from_fn(move |request| Ok(inner.send(request)?.map(|_| body())));
    HostClient::builder(hub.url())
        .hub_version("1.0.1")
        .transport(Arc::new(transport))
        .build()
        .unwrap()
}

#[test]
fn calls_fail_if_a_response_body_returns_more_than_the_buffer_length() {
    on_each("a body that returns too much", |hub, host| {
        let id = instance(hub, host, "stays").id().clone();
        let host = client_with_bodies(hub, || Box::new(overlong()));
        let instance = host.instance(id.as_str()).unwrap();
        // These calls poll until the deadline.
        let limited = instance.with_deadline(Duration::from_millis(500));
        let mut stdout = instance.stdout().unwrap();
        assert!(stdout.read(&mut [0; 10]).is_err());
        assert!(stdout.read(&mut [0; 10]).is_err(), "it stays an error");
        let mut lines = instance.log_lines().unwrap();
        assert!(lines.next().unwrap().is_err() && lines.next().is_none());
        let results = [
            host.version().map(drop),
            host.list_instances().map(drop),
            limited.wait_event("ready").map(drop),
            limited.wait_ended().map(drop),
            host.list_sequences().map(drop),
        ];
        for (place, result) in results.into_iter().enumerate() {
            let error = result.unwrap_err();
            let read =
                matches!(error.kind(), ErrorKind::Transport(error) if error.phase == Phase::Read);
            assert!(read || error.is_timeout(), "{place}: {error:?}");
        }
    });
}

#[test]
fn calls_respect_the_deadline_if_a_response_body_is_always_interrupted() {
    on_each("a body that is interrupted for ever", |hub, host| {
        let id = instance(hub, host, "stays").id().clone();
        let host = client_with_bodies(hub, || Box::new(Interrupted));
        let host = host.with_deadline(Duration::from_millis(200));
        let instance = host.instance(id.as_str()).unwrap();
        let results = [
            host.version().map(drop),
            instance.wait_event("ready").map(drop),
            instance.wait_ended().map(drop),
            instance
                .log_lines()
                .and_then(|mut lines| lines.next().unwrap().map(drop)),
        ];
        for (place, result) in results.into_iter().enumerate() {
            let error = result.unwrap_err();
            assert!(error.is_timeout(), "{place}: {error:?}");
        }
    });
}

#[test]
fn send_sequence_fails_if_the_transport_does_not_read_the_whole_upload() {
    let transport = from_fn(|request: Request<RequestBody<'_>>| {
        if let RequestBody::Reader { reader, .. } = request.into_body() {
            reader.read_exact(&mut [0; 2]).unwrap();
        }
        let body: Box<dyn Read + Send> = Box::new(&br#"{"id":"a-sequence"}"#[..]);
        Ok(Response::new(body))
    });
    let host = HostClient::builder("http://hub/api/v1")
        .hub_version("1.0.1")
        .transport(Arc::new(transport))
        .build()
        .unwrap();
    for upload in [
        Upload::bytes([GZIP, GZIP].concat()),
        Upload::reader(GZIP.chain(GZIP)),
        Upload::sized_reader(GZIP.chain(GZIP), 4),
    ] {
        let error = host.send_sequence(upload).unwrap_err();
        assert_eq!(error.phase(), Some(Phase::Send), "{error:?}");
    }
    // The transport has read this upload completely, because it has two bytes.
    host.send_sequence(Upload::bytes(GZIP)).unwrap();
}

#[test]
fn json_lines_send_writes_a_raw_value_with_line_breaks_as_one_line() {
    let (server, requests) = recording(b"");
    let host = client_1x(&server);
    let writer = host.topic_writer("topic", ContentType::Ndjson).unwrap();
    let mut lines = writer.json_lines();
    // Values like this come from `to_string_pretty`, or are written by hand.
    let value = RawValue::from_string("[1,\r\nnull\n,\"\\n\"]".into()).unwrap();
    lines.send(&value).unwrap();
    lines.send(&2).unwrap();
    lines.finish().unwrap();
    let body = String::from_utf8(requests.take().body).unwrap();
    assert_eq!(body, "[1,  null ,\"\\n\"]\n2\n");
}

/// An error that is its own source.
#[derive(Debug)]
struct Cyclic;

impl fmt::Display for Cyclic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cyclic")
    }
}

impl StdError for Cyclic {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(self)
    }
}

#[test]
fn error_tls_proxy_and_debug_terminate_if_an_error_is_its_own_source() {
    within("an error that is its own cause", || {
        let transport = from_fn(|_| Err(TransportError::new(Phase::Tls, Cyclic)));
        let host = HostClient::builder("https://hub/api/v1")
            .transport(Arc::new(transport))
            .build()
            .unwrap();
        let error = host.version().unwrap_err();
        assert!(error.tls().is_none() && error.proxy().is_none());
        assert!(format!("{error:?}").len() < 10_000);
    });
}

/// A decoder that always asks for more data.
struct AlwaysNeedsData;

impl Decode for AlwaysNeedsData {
    type Item = ();

    fn feed(&mut self, _: &[u8]) {}

    fn end(&mut self) {}

    fn next_item(&mut self) -> Result<Step<()>, ReplyError> {
        Ok(Step::NeedData)
    }
}

#[test]
fn items_fails_at_the_end_if_the_decoder_always_needs_data() {
    on_each("a decoder that always needs data", |hub, host| {
        let instance = instance(hub, host, "prints");
        let mut items = instance.output().unwrap().items(AlwaysNeedsData);
        let error = items.next().unwrap().unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Reply(_)), "{error:?}");
    });
}
