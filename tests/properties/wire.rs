//! A sample of generated values over a real connection: they arrive byte for byte.

use std::io::Read as _;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use scramjet_client_blocking::core::{EventName, LastEvent};
use scramjet_client_blocking::transport::UreqTransport;
use scramjet_client_blocking::{ErrorKind, HostClient};
use scramjet_client_tests::scripted::{Connection, ScriptedServer, response};
use serde_json::{Value, json};

use crate::generated::{for_all, headers, ids, json};
use crate::requesting::is_addressable;

/// Number of clients. Each sends up to two requests.
const CASES: u32 = 500;

/// The bytes of a request.
struct RawRequest {
    /// The request line, and the headers in the order in which they arrived.
    lines: Vec<Vec<u8>>,
    body: Vec<u8>,
}

fn read(connection: &mut Connection) -> Option<RawRequest> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if connection.read(&mut byte).unwrap_or(0) == 0 {
            return None;
        }
        head.push(byte[0]);
    }
    // Splits at LF only, so that an injected CR stays visible.
    let lines: Vec<Vec<u8>> = head
        .split(|byte| *byte == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line).to_vec())
        .collect();
    let length = lines.iter().find_map(|line| {
        String::from_utf8_lossy(line)
            .strip_prefix("content-length: ")?
            .parse()
            .ok()
    });
    let mut body = vec![0; length.unwrap_or(0)];
    let mut filled = 0;
    while filled < body.len() {
        filled +=
            Some(connection.read(&mut body[filled..]).unwrap_or(0)).filter(|read| *read > 0)?;
    }
    Some(RawRequest {
        lines: lines.into_iter().filter(|line| !line.is_empty()).collect(),
        body,
    })
}

fn recorder() -> (ScriptedServer, Receiver<RawRequest>) {
    let (report, arrived) = channel();
    let report = Mutex::new(report);
    let server = ScriptedServer::start(move |connection| {
        while let Some(request) = read(connection) {
            report
                .lock()
                .expect("no panic")
                .send(request)
                .expect("a waiting test");
            if connection.send(response("200 OK", &[], b"{}")).is_err() {
                break;
            }
        }
    });
    (server, arrived)
}

/// Checks a request, which must have exactly these headers. Returns its body.
fn assert_arrived(
    arrived: &Receiver<RawRequest>,
    first: &str,
    headers: &[(&str, &[u8])],
) -> Vec<u8> {
    let request = arrived
        .recv_timeout(Duration::from_secs(10))
        .expect("a request");
    assert_eq!(String::from_utf8_lossy(&request.lines[0]), first);
    let mut lines: Vec<Vec<u8>> = request.lines[1..].to_vec();
    lines.retain(|line| !line.starts_with(b"content-length: "));
    let mut expected: Vec<Vec<u8>> = headers
        .iter()
        .map(|(name, value)| [name.as_bytes(), b": ", value].concat())
        .collect();
    lines.sort();
    expected.sort();
    let shown = |lines: &[Vec<u8>]| {
        lines
            .iter()
            .map(|line| String::from_utf8_lossy(line).into_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        lines,
        expected,
        "{:#?}, and not {:#?}",
        shown(&lines),
        shown(&expected)
    );
    request.body
}

#[test]
fn accepted_values_arrive_byte_for_byte_and_refused_ones_send_nothing() {
    let (server, arrived) = recorder();
    let url = server.url();
    let authority = url
        .strip_prefix("http://")
        .and_then(|rest| rest.split('/').next())
        .expect("an authority")
        .to_owned();
    let transport = Arc::new(UreqTransport::default());
    let agent = format!("scramjet-client/{}", env!("CARGO_PKG_VERSION"));
    let sent = std::cell::Cell::new(0);
    for_all(
        CASES,
        (headers(), ids(), ids(), json()),
        |((name, value), id, event, data): (_, String, String, Value)| {
            let builder = HostClient::builder(&url)
                .hub_version("1.0.1")
                .transport(Arc::clone(&transport) as _)
                .header(&name, &value);
            let host = match builder.build() {
                Ok(host) => host,
                Err(error) => {
                    assert!(matches!(error.kind(), ErrorKind::Request(_)), "{error:?}");
                    assert!(arrived.try_recv().is_err(), "something was sent");
                    return;
                }
            };
            let name = name.to_lowercase();
            let mut common: Vec<(&str, &[u8])> = vec![
                ("accept", b"*/*"),
                ("user-agent", agent.as_bytes()),
                ("host", authority.as_bytes()),
            ];
            common.retain(|(other, _)| *other != name);
            common.push((&name, value.as_bytes()));

            let Ok(instance) = host.instance(&id) else {
                assert!(
                    !is_addressable(&id)
                        || ["toString", "__proto__", "constructor"].contains(&&*id),
                    "{id:?} is refused"
                );
                assert!(arrived.try_recv().is_err(), "something was sent");
                return;
            };
            instance
                .send_event(&event, &data)
                .expect("an event of any name and data");
            let first = format!("POST /api/v1/instance/{id}/_event HTTP/1.1");
            let body = assert_arrived(
                &arrived,
                &first,
                &[common.clone(), vec![("content-type", b"application/json")]].concat(),
            );
            let body: Value = serde_json::from_slice(&body).expect("JSON");
            let expected = json!([5001, { "eventName": event, "message": data }]).to_string();
            assert_eq!(
                body,
                serde_json::from_str::<Value>(&expected).expect("JSON")
            );

            let waited = EventName::new(&event).map(|name| {
                let id = instance.id();
                host.call(&LastEvent { id, name: &name })
            });
            if is_addressable(&event) {
                waited.expect("a name").expect("an event");
                assert_arrived(
                    &arrived,
                    &format!("GET /api/v1/instance/{id}/event/{event} HTTP/1.1"),
                    &common,
                );
            } else {
                waited.expect_err("no name");
            }
            sent.set(sent.get() + 1);
            assert!(arrived.try_recv().is_err(), "something else was sent");
        },
    );
    assert!(
        sent.get() > CASES / 10,
        "only {} of {CASES} could be sent",
        sent.get()
    );
    println!("{} of {CASES} were sent", sent.get());
}
