//! `UreqTransport` beyond the contract of [`Transport`], which `tests/transports` checks.

use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;
use std::{env, io};

use http::{Request, Response};
use scramjet_client_blocking::transport::{
    CallLimits, Phase, ReasonPhrase, RequestBody, StopReason, Timings, TransportError,
    TransportErrorKind, UreqTransport,
};
use scramjet_client_blocking::{CancelToken, ErrorKind, HostClient, Transport};
use scramjet_client_testing::fake_hub::{FakeHub, Generation};
use scramjet_client_tests::scripted::{ScriptedServer, refused_url, response};

use crate::helpers::{FnReader, in_child, recording, serving, within};

type Body = Box<dyn Read + Send>;

fn get(transport: &dyn Transport, server: &ScriptedServer) -> Response<Body> {
    transport
        .send(Request::get(server.url()).body(RequestBody::Empty).unwrap())
        .unwrap()
}

fn upload<'a>(
    server: &ScriptedServer,
    reader: &'a mut (dyn Read + Send),
) -> Request<RequestBody<'a>> {
    Request::post(server.url())
        .body(RequestBody::Reader {
            reader,
            length: None,
        })
        .unwrap()
}

fn text(response: Response<Body>) -> String {
    io::read_to_string(response.into_body()).unwrap()
}

/// State of one call must not leak into a nested call.
#[test]
fn ureq_transport_send_allows_calls_in_the_reader_of_an_upload() {
    struct Calling(Arc<UreqTransport>, ScriptedServer);
    impl Read for Calling {
        /// Makes one call that succeeds and one that fails, and then fails.
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            let response = get(&*self.0, &self.1);
            assert_eq!(
                response.extensions().get(),
                Some(&ReasonPhrase("Inner Words".into()))
            );
            assert_eq!(text(response), "inner");
            let refused = Request::get(refused_url())
                .body(RequestBody::Empty)
                .unwrap();
            let error = self.0.send(refused).map(drop).unwrap_err();
            assert_eq!(error.phase, Phase::Connect);
            Err(io::Error::other("no data"))
        }
    }
    within("nested calls", || {
        let transport = Arc::new(UreqTransport::default());
        let inner = serving(|_| response("200 Inner Words", &[], b"inner"));
        let (outer, _) = recording(b"outer");
        let error = transport
            .send(upload(&outer, &mut Calling(Arc::clone(&transport), inner)))
            .map(drop)
            .unwrap_err();
        assert_ne!(error.phase, Phase::Connect, "that was the inner call");
        assert_eq!(error.source.to_string(), "no data");

        let inner = serving(|_| response("200 Inner Words", &[], b"inner"));
        let outer = serving(|_| response("400 Outer Words", &[], b"outer"));
        let mut calling = Calling(Arc::clone(&transport), inner);
        let mut once = io::Cursor::new(b"data").chain(FnReader(|_: &mut [u8]| {
            drop(calling.read(&mut []));
            Ok(0)
        }));
        let response = transport.send(upload(&outer, &mut once)).unwrap();
        assert_eq!(
            response.extensions().get(),
            Some(&ReasonPhrase("Outer Words".into()))
        );
    });
}

/// After a panic in a nested call, the outer call still has its own state.
#[test]
fn ureq_transport_send_is_not_affected_by_a_nested_call_that_panics() {
    within("nested calls", || {
        let transport = UreqTransport::default();
        let [inner, outer] = [(); 2].map(|()| serving(|_| response("200 OK", &[], b"")));
        // The nested call reuses a connection.
        text(get(&transport, &inner));
        let mut panics = FnReader(|_: &mut [u8]| {
            let mut panicking = FnReader(|_: &mut [u8]| panic!("the reader panics"));
            let send = || transport.send(upload(&inner, &mut panicking)).map(drop);
            drop(catch_unwind(AssertUnwindSafe(send)));
            Ok(0)
        });
        let response = transport.send(upload(&outer, &mut panics)).unwrap();
        assert_eq!(
            response
                .extensions()
                .get::<Timings>()
                .and_then(|timings| timings.reused),
            Some(false)
        );
    });
}

#[test]
fn host_client_new_ignores_the_proxy_variables_of_the_environment() {
    const HUB: &str = "TEST_PROXY_CHILD_HUB";
    if let Ok(url) = env::var(HUB) {
        assert!(env::var("HTTP_PROXY").is_ok());
        let version = within("a call past the proxy", move || {
            HostClient::new(url).unwrap().version()
        });
        assert_eq!(version.unwrap().version, "1.0.1");
        return;
    }
    let server = serving(|_| response("200 OK", &[], br#"{"version":"1.0.1"}"#));
    // Nothing listens at this address, so a request through this proxy would fail.
    let proxy = refused_url();
    let names = [
        "HTTP_PROXY",
        "http_proxy",
        "HTTPS_PROXY",
        "https_proxy",
        "ALL_PROXY",
        "all_proxy",
    ];
    let (url, mut variables) = (
        server.url(),
        names.map(|name| (name, proxy.as_str())).to_vec(),
    );
    variables.extend([(HUB, url.as_str()), ("NO_PROXY", ""), ("no_proxy", "")]);
    in_child(&variables);
}

#[test]
fn transport_error_new_takes_the_kind_from_the_source() {
    let kinds = |error: TransportError| (error.kind, error.io_kind());
    let stopped = TransportErrorKind::Stopped(StopReason::Cancelled);
    let found = TransportError::new(Phase::Wait, StopReason::Cancelled);
    assert_eq!(kinds(found), (stopped, None));
    let found = TransportError::new(Phase::Wait, io::Error::from(StopReason::Cancelled));
    assert_eq!(kinds(found), (stopped, Some(io::ErrorKind::Other)));
    let reset = io::ErrorKind::ConnectionReset;
    let found = TransportError::new(Phase::Wait, io::Error::from(reset));
    assert_eq!(kinds(found), (TransportErrorKind::Io, Some(reset)));
    let found = TransportError::new(Phase::Wait, io::Error::new(reset, "the cable is cut"));
    assert_eq!(kinds(found), (TransportErrorKind::Io, Some(reset)));
    let found = TransportError::new(Phase::Wait, "the pigeon did not return");
    assert_eq!(kinds(found), (TransportErrorKind::Other, None));
}

#[test]
fn ureq_transport_errors_have_their_kinds() {
    let kind = |host: HostClient| match within("a call", move || host.version()) {
        Ok(version) => panic!("{version:?}"),
        Err(error) => match error.kind() {
            ErrorKind::Transport(error) => (error.kind, error.phase),
            kind => panic!("{kind:?}"),
        },
    };
    let client = |url: &str| HostClient::builder(url).retry(None);
    let refused = refused_url();
    let (found, phase) = kind(client(&refused).build().unwrap());
    assert_eq!((found, phase), (TransportErrorKind::Io, Phase::Connect));
    let through = client("http://hub.example/api/v1").proxy(refused.trim_end_matches("/api/v1"));
    let (found, phase) = kind(through.build().unwrap());
    assert_eq!(found, TransportErrorKind::Proxy);
    assert!(phase <= Phase::Connect, "{phase:?}");
    let plain = ScriptedServer::start(|connection| {
        connection.send("no TLS here\r\n").unwrap();
        let _ = connection.close_after_client();
    });
    let encrypted = plain.url().replace("http:", "https:");
    let (found, phase) = kind(client(&encrypted).build().unwrap());
    assert_eq!((found, phase), (TransportErrorKind::Tls, Phase::Tls));

    let token = CancelToken::new();
    token.cancel();
    let mut request = Request::get(plain.url()).body(RequestBody::Empty).unwrap();
    let mut limits = CallLimits::default();
    limits.cancel = Some(token);
    request.extensions_mut().insert(limits);
    let error = UreqTransport::default().send(request).map(drop);
    let error = error.expect_err("a cancelled token");
    let stopped = TransportErrorKind::Stopped(StopReason::Cancelled);
    assert_eq!(error.kind, stopped);
}

#[test]
fn tcp_keep_alive_accepts_any_duration() {
    let hub = FakeHub::new(Generation::V1);
    for silence in [Duration::ZERO, Duration::from_secs(40_000), Duration::MAX] {
        let host = HostClient::builder(hub.url()).tcp_keep_alive(silence);
        let version = host.build().and_then(|host| host.version());
        assert!(version.is_ok(), "{silence:?}: {version:?}");
    }
}
