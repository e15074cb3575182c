//! Requests as `curl` commands: the text, its meaning to a shell, and the request that a command
//! sends.

#[path = "../core/requests/every.rs"]
mod every;
mod shell;

use std::fs;
use std::io::{Cursor, Write, stderr};
use std::marker::PhantomData;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, OnceLock};

use scramjet_client_blocking::core::Operation;
use scramjet_client_blocking::core::{Endpoint, Streamed};
use scramjet_client_blocking::error::RequestError;
use scramjet_client_blocking::http::{HeaderMap, Method, Request as Description};
use scramjet_client_blocking::types::{DryRun, DryRunBody};
use scramjet_client_blocking::{Dialect, ErrorKind, HostClient, Upload, core};
use scramjet_client_testing::ReceivedRequest;
use scramjet_client_tests::scripted::{ScriptedServer, response};

use crate::helpers::{Folder, Mailbox, recording, serving};

/// More than a pipe holds, and not UTF-8.
fn upload() -> Vec<u8> {
    (0..100_000_u32).flat_map(u32::to_le_bytes).collect()
}

/// An operation's command, and the request that the client sends for it.
struct Golden {
    name: String,
    dry_run: DryRun,
    by_client: ReceivedRequest,
}

fn hub() -> Endpoint {
    Endpoint::new("http://hub.example:8000/api/v1").unwrap()
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
    fn send<O: Operation<Payload = Self>>(
        self,
        request: Description<()>,
        operation: PhantomData<O>,
    );
}

impl SendPayload for Vec<u8> {
    fn send<O: Operation<Payload = Self>>(self, request: Description<()>, _: PhantomData<O>) {
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
    fn send<O: Operation<Payload = Self>>(self, request: Description<()>, _: PhantomData<O>) {
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
    request: Description<()>,
    payload: O::Payload,
    operation: PhantomData<O>,
}

impl<O: Operation<Payload: Clone>> Operation for SameRequest<O> {
    const NAME: &'static str = O::NAME;
    const METHOD: Method = O::METHOD;
    type Payload = O::Payload;
    type Decoder = core::Discard;

    fn path(&self) -> core::Path {
        core::Path::new(
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

    fn decoder(&self, _: Dialect) -> core::Discard {
        core::Discard::default()
    }
}

/// Returns every operation. They are built once, before other requests arrive.
fn goldens() -> &'static [Golden] {
    static GOLDENS: OnceLock<Vec<Golden>> = OnceLock::new();
    GOLDENS.get_or_init(every::goldens)
}

/// Called by the shared list of operations.
fn golden<O: Operation<Payload: SendPayload>>(
    variant: &str,
    hub: &Endpoint,
    operation: &O,
) -> Golden {
    let (head, payload) = hub.request(operation).unwrap().into_parts();
    payload.send::<O>(Description::from_parts(head, ()), PhantomData);
    let dry_run = DryRun::new(hub.request(operation).unwrap()).with_values();
    Golden {
        name: format!("{} {variant}", O::NAME).trim_end().to_owned(),
        dry_run,
        by_client: arrivals().1.take(),
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
    assert!(goldens().len() > 100);
    for Golden {
        name,
        dry_run,
        by_client,
    } in goldens()
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
    let stop = core::StopInstance {
        id: &"i".try_into().unwrap(),
        options: &core::StopOptions::default(),
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

    let overwrite = core::OverwriteSequence {
        id: &"s".try_into().unwrap(),
    };
    let error = host.dry_run(&overwrite).unwrap_err();
    assert!(
        error.is_unsupported() && error.operation() == Some("overwrite sequence"),
        "{error}"
    );
}

#[test]
fn dry_run_commands_match_the_golden_ones() {
    let text: String = goldens()
        .iter()
        .map(|golden| format!("# {}\n{}\n", golden.name, golden.dry_run))
        .collect();
    for secret in ["s3cret", "KEY"] {
        assert!(!text.contains(secret), "{secret}");
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/curl.sh");
    if std::env::var_os("BLESS").is_some_and(|value| value == "1") {
        fs::write(&file, &text).unwrap();
    }
    let committed = fs::read_to_string(&file).unwrap();
    for (line, expected) in text.lines().zip(committed.lines()) {
        assert_eq!(
            line, expected,
            "left: now, right: fixtures/curl.sh; BLESS=1 takes the new one"
        );
    }
    assert_eq!(text.lines().count(), committed.lines().count());
}
