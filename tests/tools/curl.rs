//! Requests as `curl` commands: the text, its meaning to a shell, and the request that a command
//! sends.

mod shell;

use std::io::{Cursor, Write, stderr};
use std::marker::PhantomData;
use std::process::{Command, Stdio};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use scramjet_client_blocking::core::{
    DeleteSequence, Discard, Endpoint, GetSequence, GetVersion, ListAccessKeys, Operation,
    OverwriteSequence, Path, PutStoreItem, ReadTopic, RevokeAccessKey, SendEvent, SendInput,
    SendSequence, StartSequence, StopInstance, Streamed,
};
use scramjet_client_blocking::error::RequestError;
use scramjet_client_blocking::http::{HeaderMap, HeaderValue, Method, Request, header};
use scramjet_client_blocking::types::{DryRun, DryRunBody};
use scramjet_client_blocking::{
    ContentType, Dialect, ErrorKind, HostClient, StartOptions, StopOptions, Upload, Version,
};
use scramjet_client_testing::ReceivedRequest;
use scramjet_client_tests::scripted::{ScriptedServer, response};
use serde_json::json;

use crate::helpers::{Folder, Mailbox, recording, serving};

/// More than a pipe holds, and not UTF-8.
fn upload() -> Vec<u8> {
    (0..100_000_u32).flat_map(u32::to_le_bytes).collect()
}

const HUB: &str = "http://hub.example:8000/api/v1";

/// A request that differs from the others in its command: the command, what it should be, and the
/// request that the client sends.
struct Shape {
    name: &'static str,
    dry_run: DryRun,
    expected: &'static str,
    by_client: ReceivedRequest,
}

/// Returns the shapes. They are built once, before other requests arrive.
fn shapes() -> &'static [Shape] {
    static SHAPES: OnceLock<Vec<Shape>> = OnceLock::new();
    SHAPES.get_or_init(build_shapes)
}

/// The commands have `HUB` instead of its URL.
fn build_shapes() -> Vec<Shape> {
    let hub = &Endpoint::new(HUB).unwrap().with_dialect(Dialect::LATEST);
    let old = &hub
        .clone()
        .with_dialect(Dialect::of(Version::new(0, 18, 7)));
    let mut secret = hub.clone();
    let token = HeaderValue::from_static("Bearer s3cret");
    secret.set_header(header::AUTHORIZATION, token).unwrap();
    let secret = &secret;
    let under_prefix = &Endpoint::new("https://example.com/hubs/a%20b/api/v1").unwrap();
    let (sequence, instance) = (&"s".try_into().unwrap(), &"i".try_into().unwrap());
    let (topic, space) = (&"t".try_into().unwrap(), &"p".try_into().unwrap());
    let start = |options| StartSequence {
        id: sequence,
        options,
    };
    vec![
        shape("no body", hub, &GetVersion, "curl HUB/version"),
        shape(
            "header of the caller",
            secret,
            &GetVersion,
            "curl HUB/version -H 'authorization: Bearer ***'",
        ),
        shape(
            "escapes in the base URL",
            under_prefix,
            &GetVersion,
            "curl 'https://example.com/hubs/a%20b/api/v1/version'",
        ),
        shape(
            "odd characters in the path",
            hub,
            &GetSequence {
                id: &"a+b@c!$&'()*,;=:~50%-_.".try_into().unwrap(),
            },
            r"curl 'HUB/sequence/a+b@c!$&'\''()*,;=:~50%-_.'",
        ),
        shape(
            "content type without a body",
            hub,
            &ReadTopic {
                name: topic,
                content_type: ContentType::Ndjson,
            },
            "curl HUB/topic/t -H 'content-type: application/x-ndjson'",
        ),
        shape(
            "header of the caller, content type without a body",
            secret,
            &ListAccessKeys { space },
            "curl HUB/space/p/apikey -H 'authorization: Bearer ***' \
             -H 'content-type: application/json'",
        ),
        shape(
            "DELETE",
            hub,
            &DeleteSequence {
                id: sequence,
                force: true,
            },
            "curl HUB/sequence/s -X DELETE -H 'content-type: application/json' \
             -H 'x-seq-kill-inst: true'",
        ),
        shape(
            "secret header of an operation",
            secret,
            &RevokeAccessKey { space, key: "KEY" },
            "curl HUB/space/p/apikey -X DELETE -H 'authorization: Bearer ***' \
             -H 'content-type: application/json' -H 'x-revoke: ***'",
        ),
        shape(
            "empty JSON object",
            hub,
            &start(&StartOptions::new()),
            "curl HUB/sequence/s/start -H 'content-type: application/json' --data-binary '{}'",
        ),
        shape(
            "JSON with quotes and non-ASCII text",
            hub,
            &start(&StartOptions::new().app_config(json!({ "a": "zażółć \"it's\"" }))),
            "curl HUB/sequence/s/start -H 'content-type: application/json' \
             --data-binary '{\"appConfig\":{\"a\":\"zażółć \\\"it'\\''s\\\"\"}}'",
        ),
        shape(
            "JSON array",
            old,
            &StopInstance {
                id: instance,
                options: &StopOptions::new(Duration::from_secs(1)),
            },
            "curl HUB/instance/i/_stop -H 'content-type: application/json' \
             --data-binary '[4001,{\"timeout\":1000,\"canCallKeepalive\":false}]'",
        ),
        shape(
            "JSON with a line break",
            hub,
            &SendEvent {
                id: instance,
                name: "a\nb",
                data: &json!(null),
            },
            "curl HUB/instance/i/_event -H 'content-type: application/json' \
             --data-binary '[5001,{\"eventName\":\"a\\nb\",\"message\":null}]'",
        ),
        shape(
            "POST with an empty body",
            hub,
            &PostNothing,
            "curl HUB/nothing -H 'content-type: application/json' --data-binary ''",
        ),
        shape(
            "POST of an upload",
            secret,
            &SendSequence,
            "curl HUB/sequence -X POST -H 'authorization: Bearer ***' \
             -H 'content-type: application/octet-stream' -H expect: -T -",
        ),
        shape(
            "PUT of an upload",
            hub,
            &OverwriteSequence { id: sequence },
            "curl HUB/sequence/s -H 'content-type: application/octet-stream' -H expect: -T -",
        ),
        shape(
            "PUT of an upload without an id",
            hub,
            &PutStoreItem { id: None },
            "curl HUB/s3 -H 'content-type: application/octet-stream' -H expect: -T -",
        ),
        shape(
            "header of an upload",
            hub,
            &SendInput {
                id: instance,
                content_type: ContentType::Ndjson,
                end: Some(false),
            },
            "curl HUB/instance/i/input -X POST -H 'content-type: application/x-ndjson' \
             -H 'x-end-stream: false' -H expect: -T -",
        ),
    ]
}

/// No operation of a hub has this shape.
struct PostNothing;

impl Operation for PostNothing {
    const NAME: &'static str = "post nothing";
    const METHOD: Method = Method::POST;
    type Payload = Vec<u8>;
    type Decoder = Discard;

    fn path(&self) -> Path {
        Path::new("nothing")
    }
}

/// Builds the command, and sends the request with the client.
fn shape<O: Operation<Payload: SendPayload>>(
    name: &'static str,
    hub: &Endpoint,
    operation: &O,
    expected: &'static str,
) -> Shape {
    let (head, payload) = hub.request(operation).unwrap().into_parts();
    payload.send::<O>(Request::from_parts(head, ()), PhantomData);
    Shape {
        name,
        dry_run: DryRun::new(hub.request(operation).unwrap()).with_values(),
        expected,
        by_client: arrivals().1.take(),
    }
}

/// The server that records requests.
fn arrivals() -> &'static (ScriptedServer, Arc<Mailbox<ReceivedRequest>>) {
    static ARRIVALS: OnceLock<(ScriptedServer, Arc<Mailbox<ReceivedRequest>>)> = OnceLock::new();
    ARRIVALS.get_or_init(|| recording(b"{}"))
}

fn root_of_arrivals() -> String {
    arrivals().0.url().replace("/api/v1", "")
}

/// A payload that the client can send.
trait SendPayload: Sized + Default + Into<DryRunBody> {
    fn send<O: Operation<Payload = Self>>(self, request: Request<()>, operation: PhantomData<O>);
}

impl SendPayload for Vec<u8> {
    fn send<O: Operation<Payload = Self>>(self, request: Request<()>, _: PhantomData<O>) {
        client()
            .call(&SameRequest::<O> {
                request,
                payload: self,
                operation: PhantomData,
            })
            .unwrap();
    }
}

impl SendPayload for Streamed {
    fn send<O: Operation<Payload = Self>>(self, request: Request<()>, _: PhantomData<O>) {
        let same = SameRequest::<O> {
            request,
            payload: self,
            operation: PhantomData,
        };
        client()
            .send(&same, Upload::reader(Cursor::new(upload())))
            .unwrap();
    }
}

fn client() -> HostClient {
    HostClient::builder(root_of_arrivals())
        .hub_version("1.0.1")
        .build()
        .unwrap()
}

/// Sends the request of another operation, and discards the response.
struct SameRequest<O: Operation> {
    request: Request<()>,
    payload: O::Payload,
    operation: PhantomData<O>,
}

impl<O: Operation<Payload: Clone>> Operation for SameRequest<O> {
    const NAME: &'static str = O::NAME;
    const METHOD: Method = O::METHOD;
    type Payload = O::Payload;
    type Decoder = Discard;

    fn path(&self) -> Path {
        Path::new(
            self.request
                .uri()
                .path()
                .trim_start_matches('/')
                .to_owned()
                .leak(),
        )
    }

    fn headers(&self, headers: &mut HeaderMap) -> Result<(), RequestError> {
        headers.extend(self.request.headers().clone());
        Ok(())
    }

    fn payload(&self, _: Dialect) -> Result<O::Payload, RequestError> {
        Ok(self.payload.clone())
    }

    fn decoder(&self, _: Dialect) -> Discard {
        Discard::default()
    }
}

/// Sends the command to the recording server, with the secrets.
fn at_arrivals(command: &str) -> String {
    let mut command = command.to_owned();
    for (shown, meant) in [
        ("http://hub.example:8000", root_of_arrivals().as_str()),
        ("https://example.com", &root_of_arrivals()),
        ("Bearer ***", "Bearer s3cret"),
        ("x-revoke: ***", "x-revoke: KEY"),
    ] {
        command = command.replace(shown, meant);
    }
    assert!(!command.contains("***"), "{command}");
    command
}

/// Runs the command in a shell without a curl configuration. Returns the request.
fn run(command: &str, input: &[u8]) -> ReceivedRequest {
    let nothing = Folder::new("curl-home");
    let mut shell = Command::new("sh");
    shell
        .args(["-c", command])
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("HOME", &nothing.0);
    let mut shell = shell
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Commands without input may exit before they read it.
    let _ = shell.stdin.take().unwrap().write_all(input);
    let output = shell.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "{command}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    arrivals().1.take()
}

/// Removes the name of the program that sent the request.
fn without_user_agent(mut request: ReceivedRequest) -> ReceivedRequest {
    request.headers.remove("user-agent");
    request
}

fn is_curl_installed() -> bool {
    let found = Command::new("curl")
        .arg("--version")
        .stdout(Stdio::null())
        .status()
        .is_ok();
    if !found {
        // The test harness does not capture this.
        let _ = writeln!(
            stderr(),
            "SKIPPED: what the commands of curl send; there is no curl on the PATH (apt-get \
                 install curl)"
        );
    }
    found
}

#[test]
#[cfg(unix)]
fn dry_run_command_sends_the_request_of_the_client() {
    if !is_curl_installed() {
        return;
    }
    for Shape {
        name,
        dry_run,
        by_client,
        ..
    } in shapes()
    {
        let expected = without_user_agent(by_client.clone());
        // Some over several lines.
        let forms = [
            Some(format!("{dry_run}")),
            (!dry_run.hidden().is_empty()).then(|| format!("{dry_run:#}")),
        ];
        for form in forms.into_iter().flatten() {
            let command = at_arrivals(&form.replace("# *** stands", "# secrets stand"));
            let by_curl = without_user_agent(run(&command, &upload()));
            let same = by_curl.body == expected.body;
            assert!(same, "{name}: {command}: another body");
            assert_eq!(
                (by_curl.method, by_curl.target, by_curl.headers),
                (
                    expected.method.clone(),
                    expected.target.clone(),
                    expected.headers.clone()
                ),
                "{name}: {command}; left: curl, right: the client"
            );
        }
    }
}

#[test]
fn dry_run_needs_the_version_for_operations_that_depend_on_it() {
    let stop = StopInstance {
        id: &"i".try_into().unwrap(),
        options: &StopOptions::default(),
    };
    let server = serving(|_| response("200 OK", &[], br#"{"version":"0.18.7"}"#));
    let host = HostClient::new(server.url()).unwrap();
    let error = host.dry_run(&stop).unwrap_err();
    assert!(
        matches!(
            error.kind(),
            ErrorKind::Request(RequestError::DialectUnknown { .. })
        ),
        "{error}"
    );
    assert_eq!(server.connections(), 0, "the client requested the version");
    host.dialect().unwrap();
    let command = host.dry_run(&stop).unwrap().to_string();
    assert!(command.contains("'[4001,"), "{command}");

    let overwrite = OverwriteSequence {
        id: &"s".try_into().unwrap(),
    };
    let error = host.dry_run(&overwrite).unwrap_err();
    assert!(
        error.is_unsupported() && error.operation() == Some("overwrite sequence"),
        "{error}"
    );
}

#[test]
fn dry_run_command_is_as_short_as_possible() {
    for shape in shapes() {
        let command = shape.dry_run.to_string();
        for secret in ["s3cret", "KEY"] {
            assert!(!command.contains(secret), "{command}");
        }
        assert_eq!(
            command.replace(HUB, "HUB"),
            shape.expected,
            "{}",
            shape.name
        );
    }
}
