//! Credentials: which servers get them, and that no output shows them. Errors are checked in
//! `errors`.

use std::fmt::{Debug, Display};
use std::iter::successors;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use scramjet_client_blocking::stream::WriteOptions;
use scramjet_client_blocking::transport::{UreqConfig, UreqTransport};
use scramjet_client_blocking::types::DryRun;
use scramjet_client_blocking::{
    ContentType, Error, HostClient, HostClientBuilder, PoolOptions, StartOptions, Transport, Upload,
};
use scramjet_client_core::{Endpoint, SequenceId, StartSequence};
use scramjet_client_testing::ReceivedRequest;
use scramjet_client_tests::scripted::{ScriptedServer, refused_url, response};
use serde_json::json;

use crate::helpers::{Mailbox, recording, serving, within};
use crate::stub_hub::{Reply, StubHub};

const SECRET: &str = "s3cr3t-t0k3n";

fn with_secrets(url: impl Into<String>) -> HostClientBuilder {
    HostClient::builder(url)
        .bearer_token(SECRET)
        .header("x-key", SECRET)
        .hub_version("1.0.1")
}

fn has_secret(request: &ReceivedRequest) -> bool {
    request
        .headers
        .values()
        .any(|value| value.to_str().unwrap().contains(SECRET))
}

/// All texts that were shown.
#[derive(Default)]
struct Shown(Vec<String>);

impl Shown {
    fn debug(&mut self, what: &dyn Debug) {
        self.0.extend([format!("{what:?}"), format!("{what:#?}")]);
    }

    fn error(&mut self, error: &Error) {
        self.debug(error);
        self.debug(error.kind());
        let layers = successors(Some(error as &dyn std::error::Error), |&layer| {
            layer.source()
        });
        layers.for_each(|layer| self.display(layer));
    }

    fn display(&mut self, layer: &(impl Display + Debug + ?Sized)) {
        self.0.extend([format!("{layer}"), format!("{layer:?}")]);
    }

    /// Checks that no text contains the secret, either as text or as a list of byte values.
    fn check(&self) {
        let numbers = format!("{:?}", SECRET.as_bytes());
        let numbers = numbers.trim_matches(['[', ']']);
        for text in &self.0 {
            let one_line = text.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(
                !text.contains(SECRET) && !one_line.contains(numbers),
                "{text}"
            );
        }
    }
}

#[test]
fn debug_of_handles_and_builders_shows_no_credentials() {
    within("calls", || {
        let hub = StubHub::start("1.0.1", |request| match request {
            // These streams stay open.
            "GET /log" | "GET /topic/t" => {
                Reply::Response(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec())
            }
            _ => Reply::Default,
        });
        let transport = Arc::new(UreqTransport::new(&UreqConfig::default()).unwrap());
        let builder =
            || with_secrets(hub.url()).transport(Arc::clone(&transport) as Arc<dyn Transport>);
        let mut shown = Shown::default();

        shown.debug(&builder());
        shown.debug(&builder().build_manager().unwrap());
        shown.debug(&builder().build_multi_manager().unwrap());
        shown.debug(&builder().build_middleware().unwrap());
        let host = builder().build().unwrap();
        let sequence = host
            .send_sequence([b"\x1f\x8b", SECRET.as_bytes()].concat())
            .unwrap();
        let options = StartOptions::new();
        let instance = sequence.start(&options).unwrap();
        shown.debug(&host);
        shown.debug(&sequence);
        shown.debug(&instance);

        shown.debug(&instance.stdout().unwrap());
        shown.debug(&instance.stdout().unwrap().lines());
        shown.debug(&host.log_stream().unwrap());
        shown.debug(&instance.follow_log().map_err(drop).err());
        shown.debug(&host.follow_topic("t", ContentType::Text).unwrap());
        shown.debug(
            &host
                .topic_writer("t", WriteOptions::new(ContentType::Text))
                .unwrap(),
        );
        shown.debug(&host.deploy(Upload::bytes(*b"\x1f\x8bx")).unwrap());
        shown.debug(&host.scoped_topic("t", ContentType::Text).unwrap());
        shown.debug(&sequence.spawn(&options).unwrap());
        shown.debug(
            &PoolOptions::new(1)
                .start([sequence], |_| StartOptions::new())
                .unwrap(),
        );
        shown.debug(&Upload::bytes(SECRET));
        // The transport holds used connections.
        shown.debug(&transport);
        shown.check();
    });
}

#[test]
fn errors_and_panics_show_no_credentials() {
    let (garbled, _) = recording(b"garbage");
    let refusing =
        serving(|_| response("403 Forbidden", &[], br#"{"error":"Not with this token"}"#));
    let redirecting =
        serving(|_| response("307 Temporary Redirect", &[("Location", "/elsewhere")], b""));
    let closing = ScriptedServer::start(|connection| drop(connection.read_head()));
    let urls = [
        garbled.url(),
        refusing.url(),
        redirecting.url(),
        closing.url(),
        refused_url(),
    ];
    within("calls", || {
        let mut shown = Shown::default();
        for url in urls {
            let host = with_secrets(&*url).build().unwrap();
            shown.error(&host.version().unwrap_err());
            shown.error(
                &host
                    .sequence("x")
                    .unwrap()
                    .start(&StartOptions::new())
                    .unwrap_err(),
            );
            shown.error(
                &host
                    .send_sequence(Upload::reader(&b"\x1f\x8bpackage"[..]))
                    .unwrap_err(),
            );

            let platform = with_secrets(&*url).build_middleware().unwrap();
            // This key is sent in a header.
            let _ = platform
                .revoke_access_key("space", SECRET)
                .map_err(|error| shown.error(&error));
            shown.error(
                &platform
                    .revoke_access_key("space", &format!("{SECRET}\n"))
                    .unwrap_err(),
            );

            // `unwrap` puts the error into the panic message.
            let panic =
                catch_unwind(AssertUnwindSafe(|| drop(host.version().unwrap()))).unwrap_err();
            shown
                .0
                .push(panic.downcast_ref::<String>().expect("a message").clone());
        }
        shown.check();
    });
}

#[test]
fn redirects_are_not_followed_with_credentials() {
    within("calls", || {
        let (elsewhere, redirected) = recording(b"{}");
        for status in [301, 302, 303, 305, 307, 308] {
            let received = Mailbox::new();
            let target = elsewhere.url();
            let hub = serving({
                let received = Arc::clone(&received);
                move |request| {
                    received.put(has_secret(request));
                    // The target is on the same host for one request, and on another host for all
                    // others.
                    let target = if request.target.ends_with("/version") {
                        "/api/v1/sequences"
                    } else {
                        &target
                    };
                    response(
                        &format!("{status} Moved"),
                        &[
                            ("Location", target),
                            ("Refresh", &format!("0; url={target}")),
                        ],
                        b"",
                    )
                }
            });
            let host = with_secrets(hub.url()).build().unwrap();
            let calls: [Result<(), Error>; 5] = [
                host.version().map(drop),
                host.list_sequences().map(drop),
                host.sequence("x")
                    .unwrap()
                    .start(&StartOptions::new())
                    .map(drop),
                host.send_sequence(Upload::reader(&b"\x1f\x8bpackage"[..]))
                    .map(drop),
                host.instance("x").unwrap().stdout().map(drop),
            ];
            for call in calls {
                let error = call.unwrap_err();
                assert_eq!(
                    error.api().map(|refusal| refusal.status.as_u16()),
                    Some(status),
                    "{error:?}"
                );
                assert!(received.take(), "{status}: the hub gets the credentials");
            }
            assert!(received.is_empty(), "{status}: each call sends one request");
        }
        assert_eq!(elsewhere.connections(), 0);
        assert!(redirected.is_empty());
    });
}

#[test]
fn instance_on_sends_each_hub_its_own_credentials() {
    within("calls", || {
        let [(one, to_one), (other, to_other), (third, to_third)] =
            [(); 3].map(|()| recording(br#"{"id":"x","version":"1.0.1"}"#));
        // All clients share one transport, and so its connections.
        let transport: Arc<dyn Transport> = Arc::new(UreqTransport::default());
        let one = with_secrets(one.url())
            .transport(Arc::clone(&transport))
            .build()
            .unwrap();
        let other = HostClient::builder(other.url())
            .bearer_token("other")
            .transport(Arc::clone(&transport))
            .build()
            .unwrap();
        let third = HostClient::builder(third.url())
            .transport(transport)
            .build()
            .unwrap();

        let sequence = one.sequence("x").unwrap();
        for _ in 0..2 {
            sequence.instance("x").unwrap().info().unwrap();
            assert!(has_secret(&to_one.take()));
            sequence.instance_on("x", &other).unwrap().info().unwrap();
            let request = to_other.take();
            assert_eq!(
                (has_secret(&request), request.header("authorization")),
                (false, Some("Bearer other"))
            );
            sequence.instance_on("x", &third).unwrap().info().unwrap();
            let request = to_third.take();
            assert_eq!(
                (has_secret(&request), request.header("authorization")),
                (false, None)
            );
        }
        assert!(to_one.is_empty() && to_other.is_empty() && to_third.is_empty());
    });
}

/// A platform is always used at its own URL, even if its responses name other addresses.
#[test]
fn manager_and_host_send_credentials_to_the_platform_only() {
    within("calls", || {
        let (elsewhere, redirected) = recording(b"{}");
        let address = elsewhere.url();
        let received = Mailbox::new();
        let platform = serving({
            let received = Arc::clone(&received);
            move |request| {
                received.put(request.clone());
                let hub = format!(
                    r#"{{"id":"the-hub","url":"{address}","apiBase":"{address}",
                    "location":"{address}","host":"{address}"}}"#
                );
                let list = request.target.ends_with("/list") || request.target.ends_with("/spaces");
                let body = if list {
                    format!("[{hub}]")
                } else {
                    hub.replacen('{', r#"{"version":"1.0.1","#, 1)
                };
                response(
                    "200 OK",
                    &[
                        ("Content-Location", &address),
                        ("X-Forwarded-Host", &address),
                    ],
                    body.as_bytes(),
                )
            }
        });
        let middleware = with_secrets(platform.url()).build_middleware().unwrap();
        let manager = middleware
            .manager(&middleware.list_spaces().unwrap()[0].id)
            .unwrap();
        let host = manager.host(&manager.list_hubs().unwrap()[0].id).unwrap();
        let instance = host
            .sequence("x")
            .unwrap()
            .start(&StartOptions::new())
            .unwrap();
        instance.info().unwrap();
        host.version().unwrap();
        let prefix = "/api/v1/space/the-hub/api/v1/sth/the-hub/api/v1/";
        for path in [
            "/api/v1/spaces",
            "/api/v1/space/the-hub/api/v1/list",
            prefix,
            prefix,
            prefix,
        ] {
            let request = received.take();
            assert!(
                request.target.starts_with(path) && has_secret(&request),
                "{request:?}"
            );
        }
        assert!(received.is_empty() && redirected.is_empty());
        assert_eq!((platform.connections(), elsewhere.connections()), (1, 0));
    });
}

#[test]
fn cookies_and_authentication_challenges_are_ignored() {
    within("calls", || {
        let received = Mailbox::new();
        let hub = serving({
            let received = Arc::clone(&received);
            move |request| {
                received.put(request.clone());
                let headers = [
                    ("Set-Cookie", "session=1; Path=/"),
                    ("WWW-Authenticate", "Basic realm=\"hub\""),
                ];
                let status = if request.target.ends_with("/version") {
                    "200 OK"
                } else {
                    "401 Unauthorized"
                };
                response(status, &headers, br#"{"version":"1.0.1"}"#)
            }
        });
        let host = HostClient::new(hub.url()).unwrap();
        host.version().unwrap();
        assert!(host.list_sequences().is_err());
        host.version().unwrap();
        for _ in 0..3 {
            let request = received.take();
            assert_eq!(
                (request.header("cookie"), request.header("authorization")),
                (None, None)
            );
        }
        assert!(received.is_empty());
    });
}

#[test]
fn dry_run_hides_app_config_and_args() {
    let id = &SequenceId::new("s").unwrap();
    let options = &StartOptions::new()
        .app_config(json!({ "dsn": format!("postgres://u:{SECRET}@h") }))
        .args([&format!("--password={SECRET}"), "--pin", SECRET]);
    let hub = Endpoint::new("http://hub.example:8000/api/v1").unwrap();
    let request = hub.request(&StartSequence { id, options }).unwrap();
    let dry_run = DryRun::new(request);
    assert_eq!(dry_run.hidden(), ["appConfig", "args"]);
    let mut shown = Shown::default();
    shown.display(&dry_run);
    shown.debug(&format_args!("{dry_run:#}"));
    shown.check();

    let with_values = dry_run.with_values();
    assert!(
        with_values
            .to_string()
            .contains(&format!("--password={SECRET}"))
    );
    assert!(with_values.hidden().is_empty());
}

#[test]
fn host_client_new_rejects_a_url_with_credentials() {
    let addresses = [
        format!("http://user:{SECRET}@127.0.0.1:9/api/v1"),
        format!("http://{SECRET}@127.0.0.1:9/api/v1"),
        format!("https://:{SECRET}@127.0.0.1:9/api/v1"),
        format!("http://127.0.0.1:9/api/v1?token={SECRET}"),
        format!("http://127.0.0.1:9/api/v1#{SECRET}"),
        format!("http://user:x@127.0.0.1:9/api/v1?token={SECRET}"),
        format!("http://user:#{SECRET}@127.0.0.1:9/api/v1"),
        format!("http://user:{SECRET}#@127.0.0.1:9/api/v1"),
        format!("http://127.0.0.1:port/api/v1?token={SECRET}"),
        format!("127.0.0.1?{SECRET}@x"),
        format!("user:{SECRET}@127.0.0.1:9/api/v1"),
        format!("ftp://user:{SECRET}@127.0.0.1"),
    ];
    let mut shown = Shown::default();
    for address in addresses {
        let error = HostClient::new(&*address).map(drop).expect_err(&address);
        shown.error(&error);
        shown.debug(&HostClient::builder(&*address));
    }
    shown.check();
}
