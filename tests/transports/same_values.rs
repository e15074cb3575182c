//! The same operations return the same values with every transport and every driver of core.

use std::fmt::Debug;
use std::sync::Arc;

use scramjet_client_blocking::core::Operation;
use scramjet_client_blocking::http::Method;
use scramjet_client_blocking::{HostClient, Transport};
use scramjet_client_core::{
    Dialect, Endpoint, EventName, GetInstance, GetSequence, GetVersion, InstanceId, Json,
    KillInstance, KillOptions, LastEvent, ListSequences, OutputStream, Path, ReadEvents,
    ReadStream, SendSequence, SequenceId, SingleItem, StartOptions, StartSequence,
};
use scramjet_client_testing::script::{Answer, Script};
use scramjet_client_tests::hub::{SharedHub, shared};
use scramjet_client_tests::package;
use scramjet_client_tests::scripted::{ScriptedServer, response};

use crate::conformance::is_curl_here;
use crate::curl_transport::Curl;
use crate::drivers::{Async, Blocking, Driver, OverTcp, core_error};
use crate::tcp_transport::Tcp;
use crate::{core_reqwest, core_small_transport, core_tcp};

/// Responses of every kind: all framings, body types and outcomes.
fn answer(method: &str, target: &str) -> Vec<u8> {
    let chunked = |pieces: &[&str]| {
        let pieces: String = pieces
            .iter()
            .map(|piece| format!("{:x}\r\n{piece}\r\n", piece.len()))
            .collect();
        format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{pieces}0\r\n\r\n")
            .into_bytes()
    };
    match (method, target.trim_start_matches("/api/v1/")) {
        ("GET", "version") => response(
            "200 OK",
            &[],
            br#"{"service":"@scramjet/host","apiVersion":"v1","version":"1.0.1","build":"x"}"#,
        ),
        // The chunks split a UTF-8 character.
        ("GET", "sequences") => {
            let body = r#"[{"id":"a","config":{"name":"größe","version":"1","main":"i.js","type":"x"},"instances":[]}]"#.as_bytes();
            let (left, right) =
                body.split_at(body.iter().position(|byte| *byte == 0xc3).unwrap() + 1);
            let mut answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
            for piece in [left, right] {
                answer
                    .extend([format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat());
            }
            answer.extend(b"0\r\n\r\n");
            answer
        }
        ("POST", "sequence/s/start") => chunked(&[r#"{"id":"#, r#""an-instance"}"#]),
        ("GET", "instance/i/events/e") => chunked(&["{\"n\":1}\n{\"n\"", ":2}\n", "[3]", "\n"]),
        ("GET", "instance/i/stdout") => [
            b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n".as_slice(),
            b"all\x00of\xffit",
        ]
        .concat(),
        ("GET", "instance/i/output") => {
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbroken".to_vec()
        }
        ("GET", "instance/i/log") => {
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nbroken".to_vec()
        }
        ("GET", "instance/i/stderr") => {
            response("404 Not Found", &[], br#"{"error":"Instance i not found"}"#)
        }
        ("POST", "instance/i/_kill") => b"HTTP/1.1 204 No Content\r\n\r\n".to_vec(),
        ("GET", "instance/none") => response(
            "404 Not Found",
            &[],
            br#"{"error":"Instance none not found"}"#,
        ),
        ("GET", "instance/proxy") => response(
            "502 Bad Gateway",
            &[("Content-Type", "text/html")],
            b"<html><h1>Bad gateway</h1></html>",
        ),
        ("GET", "instance/moved") => response("302 Found", &[("Location", "/elsewhere")], b""),
        ("GET", "instance/words") => response("400 Could not parse content", &[], b""),
        ("GET", "instance/long") => {
            response("500 Internal Server Error", &[], &b"much ".repeat(100_000))
        }
        ("GET", "instance/short") => {
            b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\nConnection: close\r\n\r\n{\"id\":".to_vec()
        }
        ("GET", "instance/garbage") => response("200 OK", &[], b"no JSON"),
        (method, target) => panic!("unexpected request: {method} {target}"),
    }
}

/// Starts a server with these responses. It returns the properties of an upload.
fn serve() -> ScriptedServer {
    ScriptedServer::start(|connection| {
        while let Ok(request) = connection.read_request() {
            let answer = match request.target.as_str() {
                "/api/v1/sequence" => {
                    let upload = format!(
                        r#"{{"id":"{}","type":{:?}}}"#,
                        request.body.len(),
                        request.header("content-type")
                    );
                    response(
                        "202 Accepted",
                        &[],
                        upload.replace("Some(", "").replace(')', "").as_bytes(),
                    )
                }
                _ => answer(request.method.as_str(), &request.target),
            };
            let closes = request.header("connection") == Some("close")
                || answer
                    .windows(17)
                    .any(|window| window == b"Connection: close")
                || answer.ends_with(b"broken");
            if connection.send(&answer).is_err() || closes {
                return;
            }
        }
    })
}

/// `GET /sequences`, decoded as a wrong type.
struct Misread;

impl Operation for Misread {
    const NAME: &'static str = "misread";
    const METHOD: Method = Method::GET;
    type Payload = Vec<u8>;
    type Decoder = Json<Vec<u32>>;

    fn path(&self) -> Path {
        Path::new("sequences")
    }
}

/// Runs all operations and returns the results as text.
fn values(driver: &impl Driver) -> Vec<String> {
    fn shown<T: Debug>(what: &str, value: Result<T, String>) -> String {
        format!("{what}: {value:?}")
    }
    let sequence = SequenceId::new("s").unwrap();
    let instance = InstanceId::new("i").unwrap();
    let event = EventName::new("e").unwrap();
    let options = StartOptions::new().arg("Berlin");
    let mut values = vec![
        shown("version", driver.call(&GetVersion)),
        shown("sequences", driver.call(&ListSequences)),
        shown("misread", driver.call(&Misread)),
        shown(
            "start",
            driver.call(&StartSequence {
                id: &sequence,
                options: &options,
            }),
        ),
        shown(
            "upload",
            driver.send(
                &SendSequence,
                vec![b"some".to_vec(), b"".to_vec(), vec![b'.'; 100_000]],
            ),
        ),
        shown(
            "kill",
            driver.call(&KillInstance {
                id: &instance,
                options: &KillOptions::new(),
            }),
        ),
        shown(
            "events",
            driver.events(&ReadEvents {
                id: &instance,
                name: &event,
            }),
        ),
    ];
    for id in [
        "none", "proxy", "moved", "words", "long", "short", "garbage",
    ] {
        values.push(shown(
            id,
            driver.call(&GetInstance {
                id: &InstanceId::new(id).unwrap(),
            }),
        ));
    }
    for stream in [
        OutputStream::Stdout,
        OutputStream::Output,
        OutputStream::Log,
        OutputStream::Stderr,
    ] {
        values.push(shown(
            stream.as_str(),
            driver.bytes(&ReadStream {
                id: &instance,
                stream,
            }),
        ));
    }
    values
}

fn host(url: String, transport: Arc<dyn Transport>) -> Blocking {
    Blocking(
        HostClient::builder(url)
            .hub_version("1.0.1")
            .transport(transport)
            .build()
            .unwrap(),
    )
}

#[test]
fn every_driver_returns_the_same_values() {
    let server = serve();
    let expected = values(&OverTcp(
        Endpoint::new(&server.url())
            .unwrap()
            .with_dialect(Dialect::LATEST),
    ));
    // Checks some values, so that equal results are also correct ones.
    let of = |what: &str| {
        expected
            .iter()
            .find_map(|value| value.strip_prefix(what)?.strip_prefix(": "))
            .unwrap()
    };
    assert!(of("version").contains(r#"version: "1.0.1""#) && of("start").contains("an-instance"));
    assert!(of("upload").contains("100004") && of("upload").contains("application/octet-stream"));
    assert!(
        of("events").matches("Event {").count() == 3
            && of("none").contains("Instance none not found")
    );
    assert!(of("words").contains("Could not parse content") && of("moved").contains("/elsewhere"));
    assert!(
        of("short").contains("got: 6, expected: Some(100)")
            && of("output").contains("Truncated { got: 5")
    );
    assert!(of("log").contains("Truncated { got: 6"));
    assert_eq!(of("stdout"), format!("Ok(({:?}, None))", b"all\0of\xffit"));

    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let mut reqwest = core_reqwest::Hub::new(&server.url()).unwrap();
    reqwest.endpoint.set_dialect(Dialect::LATEST);
    assert_eq!(values(&Async(runtime, reqwest)), expected, "reqwest");
    #[cfg(feature = "ureq")]
    assert_eq!(
        values(&host(
            server.url(),
            Arc::new(scramjet_client_blocking::transport::UreqTransport::default())
        )),
        expected,
        "ureq"
    );
    assert_eq!(values(&host(server.url(), Arc::new(Tcp))), expected, "tcp");
    if is_curl_here() {
        assert_eq!(
            values(&host(server.url(), Arc::new(Curl))),
            expected,
            "curl"
        );
    }
    assert_eq!(
        values(&Blocking(scripted().client().build().unwrap())),
        expected,
        "script"
    );
}

/// The same responses as a script.
fn scripted() -> Script {
    Script::new()
        .always("POST", "sequence", |request| {
            let upload = request.read_all();
            Answer::status(
                202,
                format!(
                    r#"{{"id":"{}","type":"{}"}}"#,
                    upload.body.len(),
                    upload.header("content-type").unwrap()
                ),
            )
        })
        .always("*", "*", |request| {
            let bytes = answer(request.method.as_str(), &request.target);
            let head_end = bytes.windows(4).position(|end| end == b"\r\n\r\n").unwrap() + 4;
            let head = String::from_utf8_lossy(&bytes[..head_end]).into_owned();
            let (status, reason) = head.lines().next().unwrap()[9..].split_once(' ').unwrap();
            let (mut rest, mut pieces) = (&bytes[head_end..], Vec::new());
            let chunked = head.contains("chunked");
            while chunked && !rest.is_empty() {
                let line = rest.windows(2).position(|end| end == b"\r\n").unwrap();
                let size =
                    usize::from_str_radix(std::str::from_utf8(&rest[..line]).unwrap(), 16).unwrap();
                let piece = &rest[line + 2..];
                pieces.push(piece[..size.min(piece.len())].to_vec());
                rest = piece.get(size + 2..).unwrap_or_default();
            }
            let whole = !chunked || pieces.last().is_some_and(Vec::is_empty);
            let answer = match chunked {
                true => Answer::pieces(pieces).with_status(status.parse().unwrap()),
                false if head.contains("close") && !head.contains("Length") => {
                    Answer::pieces([rest])
                }
                false => Answer::status(status.parse().unwrap(), rest),
            };
            let answer = answer.reason(reason);
            let answer = head
                .lines()
                .skip(1)
                .filter_map(|line| line.split_once(": "))
                .fold(answer, |answer, (name, value)| match name {
                    "Transfer-Encoding" | "Connection" => answer,
                    _ => answer.header(name, value),
                });
            if whole { answer } else { answer.lost() }
        })
}

/// The example in core's README only supports operations with a single item.
#[test]
fn transport_of_the_readme_returns_the_same_values() {
    let server = serve();
    let hub = Endpoint::new(&server.url())
        .unwrap()
        .with_dialect(Dialect::LATEST);
    let (tcp, sequence) = (OverTcp(hub.clone()), SequenceId::new("s").unwrap());
    fn same<O: Operation<Payload = Vec<u8>, Decoder: SingleItem<Item: Debug>>>(
        hub: &Endpoint,
        tcp: &OverTcp,
        operation: &O,
    ) {
        let value = core_small_transport::call(hub, operation).map_err(|error| core_error(&*error));
        assert_eq!(
            format!("{value:?}"),
            format!("{:?}", tcp.call(operation)),
            "{}",
            O::NAME
        );
    }
    same(&hub, &tcp, &GetVersion);
    same(
        &hub,
        &tcp,
        &KillInstance {
            id: &InstanceId::new("i").unwrap(),
            options: &KillOptions::new(),
        },
    );
    for id in [
        "none", "proxy", "moved", "words", "long", "short", "garbage",
    ] {
        same(
            &hub,
            &tcp,
            &GetInstance {
                id: &InstanceId::new(id).unwrap(),
            },
        );
    }
    let Some(url) = shared().map(SharedHub::url) else {
        return;
    };
    let hub = Endpoint::new(url).unwrap();
    assert_eq!(
        core_small_transport::call(&hub, &GetVersion).unwrap(),
        core_tcp::call(&hub, &GetVersion).unwrap()
    );
    // A hub sends this chunked in HTTP/1.1.
    let refused = core_small_transport::call(&hub, &GetSequence { id: &sequence })
        .map_err(|error| core_error(&*error));
    assert_eq!(
        format!("{refused:?}"),
        format!("{:?}", OverTcp(hub).call(&GetSequence { id: &sequence }))
    );
}

#[test]
fn small_transport_has_at_most_50_lines() {
    let code = include_str!("../../crates/core/examples/small_transport.rs");
    let code = &code[code.find("pub fn call").unwrap()..code.find("\nfn main").unwrap()];
    let lines = code.lines().filter(|line| !line.trim().is_empty()).count();
    assert!(lines <= 50, "{lines} lines");
}

/// Runs operations on a real hub. Removes what differs for each run from the results.
fn values_on_hub(driver: &impl Driver, hub: &HostClient) -> Vec<String> {
    let package = package::sequence("events")
        .chunks(100)
        .map(<[u8]>::to_vec)
        .collect();
    let id = driver.send(&SendSequence, package).unwrap().id;
    let sequence = hub.sequence(id.as_str()).unwrap();
    let options = StartOptions::new();
    let instance = driver
        .call(&StartSequence {
            id: &id,
            options: &options,
        })
        .unwrap()
        .id;
    let ready = driver.call(&LastEvent {
        id: &instance,
        name: &EventName::new("ready").unwrap(),
    });
    let unknown = driver.call(&GetInstance {
        id: &InstanceId::new("unknown").unwrap(),
    });
    let info = driver.call(&GetInstance { id: &instance }).unwrap();
    let listed = driver
        .call(&ListSequences)
        .unwrap()
        .iter()
        .filter(|sequence| sequence.id == id)
        .count();
    sequence.force_delete().unwrap();
    let version = driver.call(&GetVersion);
    [
        format!("{version:?}"),
        format!("{ready:?}"),
        format!("{unknown:?}"),
        format!("{:?} {:?}", info.status, info.app_config),
        format!("{listed}"),
    ]
    .map(|value| {
        value
            .replace(instance.as_str(), "the instance")
            .replace(id.as_str(), "the sequence")
    })
    .to_vec()
}

#[test]
fn every_driver_returns_the_same_values_on_a_hub() {
    let Some(url) = shared().map(SharedHub::url) else {
        return;
    };
    let hub = HostClient::builder(url)
        .transport(Arc::new(Tcp))
        .build()
        .unwrap();
    let version = hub.version().unwrap();
    let tcp = Endpoint::new(url).unwrap().with_dialect(version.dialect());
    let expected = values_on_hub(&OverTcp(tcp.clone()), &hub);
    assert_eq!(expected[4], "1");
    assert!(
        expected[1].contains("events") && expected[2].contains("404"),
        "{expected:#?}"
    );
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let mut reqwest = core_reqwest::Hub::new(url).unwrap();
    reqwest.endpoint = tcp;
    assert_eq!(
        values_on_hub(&Async(runtime, reqwest), &hub),
        expected,
        "reqwest"
    );
    let blocking = |transport| {
        Blocking(
            HostClient::builder(url)
                .hub_version(&version.version)
                .transport(transport)
                .build()
                .unwrap(),
        )
    };
    #[cfg(feature = "ureq")]
    assert_eq!(
        values_on_hub(
            &blocking(Arc::new(
                scramjet_client_blocking::transport::UreqTransport::default()
            )),
            &hub
        ),
        expected,
        "ureq"
    );
    assert_eq!(
        values_on_hub(&blocking(Arc::new(Tcp)), &hub),
        expected,
        "tcp"
    );
    if is_curl_here() {
        assert_eq!(
            values_on_hub(&blocking(Arc::new(Curl)), &hub),
            expected,
            "curl"
        );
    }
}
