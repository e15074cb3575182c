//! Tests of faults, proxies, and wake-ups of waiting clients.

use std::io::{self, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::Duration;

use http::Request;
use scramjet_client_blocking::core::{Event, EventName, NextEvent};
use scramjet_client_blocking::transport::RequestBody;
use scramjet_client_blocking::{CancelToken, Error, HostClient, InstanceClient, StartOptions};
use scramjet_client_testing::fake_hub::{FakeHub, Fault, Generation, Proxy, Settings};
use scramjet_client_testing::model::{Model, Piece};
use scramjet_client_testing::network::Network;

/// Returns a hub, and a client without retries.
fn hub() -> (FakeHub, HostClient) {
    let hub = FakeHub::builder(Generation::V1).manual_time().start();
    let host = hub.client_builder().retry(None).build().unwrap();
    (hub, host)
}

/// Like [`hub`], over a socket.
fn served() -> (FakeHub, HostClient) {
    let (hub, _) = hub();
    let host = HostClient::builder(hub.url()).retry(None).build().unwrap();
    (hub, host)
}

/// Waits for the next event with a single request.
fn next_event(instance: &InstanceClient, name: &str) -> Result<Event, Error> {
    let (id, name) = (instance.id(), &EventName::try_from(name)?);
    instance.host().call(&NextEvent { id, name })
}

fn instance(hub: &FakeHub, host: &HostClient) -> InstanceClient {
    hub.program("stays", |process| process.run_until_killed());
    start(hub, host, "stays")
}

/// Starts an instance, and advances the time until it has started.
fn start(hub: &FakeHub, host: &HostClient, name: &str) -> InstanceClient {
    let sequence = host.send_sequence(hub.package(name)).unwrap();
    let start = thread::spawn(move || sequence.start(&StartOptions::new()));
    hub.wait_until("the instance has started", |hub| {
        hub.advance(Duration::from_millis(100));
        start.is_finished()
    });
    start.join().unwrap().unwrap()
}

fn proxy(change: impl FnOnce(&mut Proxy)) -> Proxy {
    let mut proxy = Proxy::default();
    change(&mut proxy);
    proxy
}

fn error_of(host: &HostClient) -> String {
    host.version().unwrap_err().to_string()
}

fn panics(act: impl FnOnce()) -> bool {
    catch_unwind(AssertUnwindSafe(act)).is_err()
}

#[test]
fn invalid_faults_panic() {
    for status in [0, 100, 199, 1000] {
        assert!(panics(|| drop(Fault::refuse(status, ""))), "{status}");
        let proxy = Proxy::default();
        assert!(
            panics(|| drop(proxy.answer_if_unreachable(status, ""))),
            "{status}"
        );
    }
    for path in ["", "version/", "version?x", "http://x/version"] {
        assert!(panics(|| drop(Fault::silence().on("GET", path))), "{path}");
    }
    assert!(panics(|| drop(Fault::silence().header("a", "b"))));
    assert!(panics(|| drop(Fault::refuse(503, "").header("a b", "c"))));
    assert!(!panics(|| drop(Fault::refuse(503, "").header("a", "b"))));
}

#[test]
fn on_matches_a_whole_path_or_its_last_segments() {
    let matches = |path: &str| {
        let (hub, host) = hub();
        hub.fault(Fault::refuse(503, "").on("get", path));
        host.version().is_err()
    };
    for path in [
        "/api/v1/version",
        "api/v1/version",
        "version",
        "*/version",
        "*",
    ] {
        assert!(matches(path), "{path}");
    }
    for path in ["/version", "ersion", "*/*/*/*", "/*/*/*/*", "api"] {
        assert!(!matches(path), "{path}");
    }
}

#[test]
fn pending_faults_returns_the_faults_that_are_not_used_up() {
    let (hub, host) = hub();
    let faults = [
        Fault::refuse(500, "").on("GET", "version").times(2),
        Fault::silence().on("GET", "sequences"),
    ];
    for fault in faults.clone() {
        hub.fault(fault);
    }
    error_of(&host);
    assert_eq!(hub.pending_faults().len(), 2);
    error_of(&host);
    assert_eq!(hub.pending_faults(), faults[1..]);
    hub.clear_faults();
    assert!(hub.pending_faults().is_empty());
}

#[test]
fn refuse_with_a_bodiless_status_keeps_the_connection_usable() {
    for (hub, host) in [hub(), served()] {
        for status in [204, 304] {
            hub.fault(Fault::refuse(status, "not sent"));
            error_of(&host);
        }
        hub.fault(Fault::refuse(503, "not sent either").on("HEAD", "*"));
        let head = Request::head(hub.url() + "/version").body(RequestBody::Empty);
        let response = hub.transport().send(head.unwrap()).unwrap();
        assert_eq!(
            io::copy(&mut response.into_body(), &mut io::sink()).unwrap(),
            0
        );
        assert_eq!(host.version().unwrap().version, "1.0.1");
    }
}

#[test]
fn cut_after_zero_sends_only_the_head() {
    for (hub, host) in [hub(), served()] {
        let instance = instance(&hub, &host);
        hub.fault(Fault::cut_after(0).on("GET", "instance/*/stdout"));
        // The first byte of this stream never comes.
        let mut stdout = instance.stdout().unwrap();
        assert!(stdout.read(&mut [0]).is_err());
    }
}

#[test]
fn cut_after_never_makes_a_response_look_complete() {
    let (hub, host) = hub();
    let instance = instance(&hub, &host);
    hub.fault(Fault::cut_after(0).on("GET", "instance/*/stdout"));
    let mut stdout = instance.stdout().unwrap();
    for _ in 0..3 {
        assert!(stdout.read(&mut [0]).is_err());
    }
    let request = Request::get(hub.url() + "/version").body(RequestBody::Empty);
    hub.fault(Fault::cut_after(5).on("GET", "version"));
    let mut body = hub.transport().send(request.unwrap()).unwrap().into_body();
    let mut text = String::new();
    for _ in 0..3 {
        assert!(body.read_to_string(&mut text).is_err());
    }
    assert_eq!(text, r#"{"api"#);
}

#[test]
fn delay_ends_at_its_time_and_wakes_the_client() {
    for (hub, host) in [hub(), served()] {
        hub.fault(Fault::delay(Duration::from_secs(30)));
        let call = thread::spawn(move || host.version().map(|version| version.version));
        hub.wait_until("the request has come", |hub| !hub.requests().is_empty());
        hub.advance(Duration::from_secs(29));
        assert!(!call.is_finished());
        hub.advance(Duration::from_secs(1));
        assert_eq!(call.join().unwrap().unwrap(), "1.0.1");
    }
}

#[test]
fn proxy_timeout_ends_at_its_time_and_wakes_the_client() {
    for (hub, host) in [hub(), served()] {
        let instance = instance(&hub, &host);
        hub.set_proxy(proxy(|proxy| proxy.timeout = Some(Duration::from_secs(60))));
        let call = thread::spawn(move || next_event(&instance, "never"));
        hub.wait_until("the request has come", |hub| {
            hub.requests()
                .iter()
                .any(|request| request.contains("once"))
        });
        hub.advance(Duration::from_secs(60));
        let error = call.join().unwrap().unwrap_err();
        assert_eq!(error.api().unwrap().status, 504);
    }
}

/// A waiting client only wakes after a change.
#[test]
fn the_ends_of_delays_and_proxy_timeouts_are_changes() {
    let seconds = Duration::from_secs;
    let patient = proxy(|proxy| proxy.timeout = Some(seconds(30)));
    for (fault, proxy, path) in [
        (Some(Fault::delay(seconds(30))), None, "version"),
        (None, Some(patient), "log"),
    ] {
        let mut settings = Settings::of(Generation::V1);
        settings.times.request_timeout = None;
        let mut network = Network::new(Model::new(settings));
        fault.into_iter().for_each(|fault| network.add_fault(fault));
        network.set_proxy(proxy);
        let request = Request::get(format!("/api/v1/{path}")).body(()).unwrap();
        let id = network.request(&request).unwrap();
        network.end_upload(id);
        while network.poll(id) != Piece::Pending {}
        network.hub().take_changed();
        network.advance(seconds(29));
        assert!(!network.hub().take_changed(), "{path}");
        assert_eq!(network.next_due(), Some(seconds(30)), "{path}");
        network.advance(seconds(30));
        assert!(network.hub().take_changed(), "{path}");
        assert_ne!(network.poll(id), Piece::Pending, "{path}");
    }
}

#[test]
fn times_that_never_come_do_not_panic() {
    let (hub, host) = hub();
    let cancel = CancelToken::new();
    hub.fault(Fault::delay(Duration::MAX));
    hub.set_proxy(proxy(|proxy| proxy.timeout = Some(Duration::MAX)));
    hub.program("sleeps", |process| process.sleep(Duration::MAX));
    hub.advance(Duration::from_secs(1));
    let call = thread::spawn({
        let host = host.with_cancel(&cancel);
        move || host.version().map(drop)
    });
    hub.wait_until("the request has come", |hub| !hub.requests().is_empty());
    cancel.cancel();
    assert!(call.join().unwrap().unwrap_err().is_cancelled());
    start(&hub, &host, "sleeps");
    for _ in 0..2 {
        hub.advance(Duration::MAX);
    }
    host.version().unwrap();
}

#[test]
fn time_scale_must_be_a_positive_number() {
    let builder = || FakeHub::builder(Generation::V1);
    for scale in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(panics(|| drop(builder().time_scale(scale))), "{scale}");
    }
    for scale in [f64::MIN_POSITIVE, f64::MAX] {
        let hub = builder().time_scale(scale).start();
        hub.client().version().unwrap();
    }
}

#[test]
fn an_audit_interval_of_zero_does_not_hang() {
    let builder = FakeHub::builder(Generation::V1).manual_time();
    let hub = builder
        .settings(|settings| settings.times.audit_interval = Duration::ZERO)
        .start();
    let audit = hub.client().audit_stream().unwrap();
    hub.advance(Duration::from_secs(1));
    drop(audit);
    hub.client().version().unwrap();
}

#[test]
fn set_unreachable_ends_calls_in_progress() {
    for proxy in [None, Some(Proxy::default())] {
        for (hub, host) in [hub(), served()] {
            let instance = instance(&hub, &host);
            hub.set_proxy(proxy.clone());
            let call = thread::spawn(move || next_event(&instance, "never"));
            hub.wait_until("the request has come", |hub| {
                hub.requests()
                    .iter()
                    .any(|request| request.contains("once"))
            });
            hub.set_unreachable(true);
            let error = call.join().unwrap().unwrap_err();
            let status = error.api().map(|error| error.status.as_u16());
            assert_eq!(status, proxy.as_ref().map(|_| 502));
            error_of(&host);
            hub.set_unreachable(false);
            host.version().unwrap();
        }
    }
}

#[test]
fn a_proxy_that_compresses_leaves_empty_responses_alone() {
    for (hub, host) in [hub(), served()] {
        hub.set_proxy(proxy(|proxy| proxy.compresses = true));
        let request = Request::options(hub.url() + "/version").body(RequestBody::Empty);
        let response = hub.transport().send(request.unwrap()).unwrap();
        assert!(!response.headers().contains_key("content-encoding"));
        assert_eq!(
            io::copy(&mut response.into_body(), &mut io::sink()).unwrap(),
            0
        );
        hub.set_proxy(None);
        assert_eq!(host.version().unwrap().version, "1.0.1");
    }
}
