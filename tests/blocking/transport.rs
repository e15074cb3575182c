//! What the default transport has beyond the contract of [`Transport`]; that it keeps that is shown in `tests/transports`.

use std::env;
use std::io::{self, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use http::{Request, Response};
use scramjet_client_blocking::transport::{
    CallLimits, Phase, ReasonPhrase, RequestBody, StopReason, Timings, TransportError,
    TransportErrorKind, UreqTransport,
};
use scramjet_client_blocking::{CancelToken, ErrorKind, HostClient, Transport};
use scramjet_client_tests::scripted::{ScriptedServer, refused_url, response};

use crate::helpers::{in_child, recording, serving, within};

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

/// What is known of one call must not get into another that is made in the midst of it.
#[test]
fn an_upload_may_make_calls_of_its_own() {
    struct Calling(Arc<UreqTransport>, ScriptedServer);
    impl Read for Calling {
        /// One call that is answered and one that is not, and then the connection is of no use.
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            let answered = get(&*self.0, &self.1);
            assert_eq!(
                answered.extensions().get(),
                Some(&ReasonPhrase("Inner Words".into()))
            );
            assert_eq!(text(answered), "inner");
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
        let mut once = io::Cursor::new(b"data").chain(After(|| drop(calling.read(&mut []))));
        let response = transport.send(upload(&outer, &mut once)).unwrap();
        assert_eq!(
            response.extensions().get(),
            Some(&ReasonPhrase("Outer Words".into()))
        );
    });
}

/// A reader that goes on after a call of its own has panicked leaves the call around it as it was.
#[test]
fn a_call_in_a_call_that_panics_is_not_taken_for_the_outer_one() {
    struct Panicking;
    impl Read for Panicking {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            panic!("the reader panics")
        }
    }
    within("nested calls", || {
        let transport = UreqTransport::default();
        let [inner, outer] = [(); 2].map(|()| serving(|_| response("200 OK", &[], b"")));
        // The inner one has a connection already.
        text(get(&transport, &inner));
        let mut panics = After(|| {
            drop(catch_unwind(AssertUnwindSafe(|| {
                transport.send(upload(&inner, &mut Panicking)).map(drop)
            })))
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

/// An end of data at which something happens.
struct After<F>(F);

impl<F: FnMut()> Read for After<F> {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        (self.0)();
        Ok(0)
    }
}

#[test]
fn proxy_settings_of_the_environment_are_not_looked_at() {
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
    // A proxy where nobody listens: who asks it gets no answer.
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
    let error = error.expect_err("it was canceled before");
    let stopped = TransportErrorKind::Stopped(StopReason::Cancelled);
    assert_eq!(error.kind, stopped);
}
