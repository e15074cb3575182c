//! The contract of [`Transport`], sentence by sentence, for the default transport and for one that is written here.

mod contract;
mod others;

use std::env;
use std::io::{self, Read};
use std::sync::Arc;

use http::{Request, Response};
use scramjet_client_blocking::{
    HostClient, Outgoing, Phase, Reason, StartOptions, Transport, TransportError, Upload, UreqConfig, UreqTransport,
};
use scramjet_client_tests::scripted::{ScriptedServer, refused_url, response};

use crate::helpers::{in_child, recording, serving, within};
use contract::{Body, Gives, conforms, get, text, upload};
use others::Plain;

pub(crate) use others::Answering;

#[test]
fn the_default_transport_conforms() {
    conforms(Arc::new(UreqTransport::default()), Gives { reason: true, reuse: true });
}

#[test]
fn the_default_transport_conforms_without_a_limit_for_connecting() {
    let mut config = UreqConfig::default();
    config.connect_timeout = None;
    conforms(Arc::new(UreqTransport::new(&config).unwrap()), Gives { reason: true, reuse: true });
}

#[test]
fn another_transport_conforms() {
    conforms(Arc::new(Plain), Gives { reason: true, reuse: false });
}

/// What is known of one call must not get into another that is made in the midst of it.
#[test]
fn an_upload_may_make_calls_of_its_own() {
    struct Calling(Arc<UreqTransport>, ScriptedServer);
    impl Read for Calling {
        /// One call that is answered and one that is not, and then the connection is of no use.
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            let answered = get(&*self.0, &self.1, "x");
            assert_eq!(answered.extensions().get(), Some(&Reason("Inner Words".into())));
            assert_eq!(text(answered), "inner");
            let refused = Request::get(refused_url()).body(Outgoing::Empty).unwrap();
            let error = self.0.send(refused).map(drop).unwrap_err();
            assert_eq!(error.downcast::<TransportError>().unwrap().phase, Phase::Connect);
            Err(io::Error::other("no data"))
        }
    }
    within("nested calls", || {
        let transport = Arc::new(UreqTransport::default());
        let inner = serving(|_| response("200 Inner Words", &[], b"inner"));
        let (outer, _) = recording(b"outer");
        let error = transport.send(upload(&outer, &mut Calling(Arc::clone(&transport), inner), None)).map(drop).unwrap_err();
        let error = error.downcast::<TransportError>().unwrap();
        assert_ne!(error.phase, Phase::Connect, "that was the inner call");
        assert_eq!(error.source.to_string(), "no data");

        let inner = serving(|_| response("200 Inner Words", &[], b"inner"));
        let outer = serving(|_| response("400 Outer Words", &[], b"outer"));
        let mut calling = Calling(Arc::clone(&transport), inner);
        let mut once = io::Cursor::new(b"data").chain(After(|| drop(calling.read(&mut []))));
        let response = transport.send(upload(&outer, &mut once, None)).unwrap();
        assert_eq!(response.extensions().get(), Some(&Reason("Outer Words".into())));
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
        let version = within("a call past the proxy", move || HostClient::new(url).unwrap().version());
        assert_eq!(version.unwrap().version, "1.0.1");
        return;
    }
    let server = serving(|request| hub(&request.method, &request.target).0);
    // A proxy where nobody listens: who asks it gets no answer.
    let proxy = refused_url();
    let names = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
    let (url, mut variables) = (server.url(), names.map(|name| (name, proxy.as_str())).to_vec());
    variables.extend([(HUB, url.as_str()), ("NO_PROXY", ""), ("no_proxy", "")]);
    in_child("transport::proxy_settings_of_the_environment_are_not_looked_at", &variables);
}

/// A hub in a few words: the reply to a request, as bytes and as status and body.
fn hub(method: &str, target: &str) -> (Vec<u8>, u16, &'static str) {
    let (status, body) = match (method, target) {
        ("GET", "/api/v1/version") => (200, r#"{"service":"@scramjet/host","apiVersion":"v1","version":"1.0.1","build":"source"}"#),
        ("POST", "/api/v1/sequence") => (200, r#"{"id":"the-sequence"}"#),
        ("POST", "/api/v1/sequence/the-sequence/start") => (200, r#"{"id":"the-instance","message":"Sequence started"}"#),
        ("GET", "/api/v1/instance/the-instance/stdout") => (200, "some output\n"),
        _ => (404, r#"{"error":"No such thing"}"#),
    };
    (response(&format!("{status} Words"), &[], body.as_bytes()), status, body)
}

fn a_client_works_over(transport: Arc<dyn Transport>, url: String) {
    within("a client over another transport", move || {
        let host = HostClient::builder(url).transport(transport).build().unwrap();
        assert_eq!(host.version().unwrap().version, "1.0.1");
        let sequence = host.send_sequence(Upload::reader(&b"a package"[..])).unwrap();
        assert_eq!(sequence.id(), &"the-sequence");
        let instance = sequence.start(&StartOptions::new()).unwrap();
        assert_eq!(instance.id(), &"the-instance");
        assert_eq!(io::read_to_string(instance.stdout().unwrap()).unwrap(), "some output\n");
        assert_eq!(instance.send_input("12345").unwrap_err().api().unwrap().message, "No such thing");
        assert!(sequence.info().unwrap_err().is_not_found());
    });
}

#[test]
fn a_client_works_over_a_transport_of_ones_own() {
    let server = serving(|request| hub(&request.method, &request.target).0);
    a_client_works_over(Arc::new(Plain), server.url());
}

#[test]
fn a_client_works_without_a_network() {
    let transport = Answering(|request: Request<Outgoing<'_>>| {
        let (head, body) = request.into_parts();
        if let Outgoing::Reader { reader, .. } = body {
            io::copy(reader, &mut io::sink())?;
        }
        let (_, status, body) = hub(head.method.as_str(), head.uri.path());
        Ok(Response::builder().status(status).body(Box::new(body.as_bytes()) as Body)?)
    });
    a_client_works_over(Arc::new(transport), "http://hub.invalid/api/v1".into());
}
