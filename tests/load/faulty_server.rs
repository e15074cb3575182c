//! A server whose response depends on the ID in the request's path: valid responses and faults of
//! many kinds.

use std::io::Read as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};

use scramjet_client_testing::ReceivedRequest;
use scramjet_client_tests::scripted::{Connection, ScriptedServer, response};

/// Number of clients that the route `gather` waits for before it answers them.
pub(crate) const GATHERED_CLIENTS: usize = 64;

/// Starts the server over http.
pub(crate) fn start() -> ScriptedServer {
    serve(ScriptedServer::start)
}

/// Starts the server over https.
#[cfg(target_os = "linux")]
pub(crate) fn start_tls() -> ScriptedServer {
    serve(ScriptedServer::start_tls)
}

type Handler = Box<dyn Fn(&mut Connection) + Send + Sync>;

fn serve(start: fn(Handler) -> ScriptedServer) -> ScriptedServer {
    let (open, gathering) = (
        Arc::<AtomicUsize>::default(),
        Arc::new(Barrier::new(GATHERED_CLIENTS)),
    );
    start(Box::new(move |connection| {
        open.fetch_add(1, Ordering::SeqCst);
        while let Ok(mut request) = connection.read_head() {
            if !serve_request(connection, &mut request, &open, &gathering) {
                break;
            }
        }
        open.fetch_sub(1, Ordering::SeqCst);
    }))
}

/// Serves a request. Returns `true` if the connection can serve another one.
fn serve_request(
    connection: &mut Connection,
    request: &mut ReceivedRequest,
    open: &AtomicUsize,
    gathering: &Barrier,
) -> bool {
    let id = request
        .target
        .split('/')
        .nth(4)
        .unwrap_or_default()
        .to_owned();
    match &*id {
        // A stream that ends when the client stops reading.
        "endless" => {
            let _ = connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
            while connection.send(b"800\r\n").is_ok()
                && connection.send([b'.'; 0x7ff]).is_ok()
                && connection.send(b"\n\r\n").is_ok()
            {}
            false
        }
        // Never responds.
        "silent" => {
            while connection.read(&mut [0; 1024]).unwrap_or(0) > 0 {}
            false
        }
        "closes" => false,
        "cut" => {
            let _ = connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"half\":");
            false
        }
        "torn" => {
            let _ =
                connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\nhalf");
            false
        }
        // Refuses during an upload, and does not read the rest.
        "refuses" => {
            let _ = connection.read(&mut [0; 1024]);
            let _ = connection.send(response(
                "422 Unprocessable Entity",
                &[("Connection", "close")],
                br#"{"error":"Not this one"}"#,
            ));
            false
        }
        // Refuses during an upload, and keeps the connection open until the client stops sending.
        "full" => {
            connection
                .send(response(
                    "413 Payload Too Large",
                    &[],
                    br#"{"error":"Too much"}"#,
                ))
                .is_ok()
                && connection.read_body(request).is_ok()
        }
        "missing" => {
            connection.read_body(request).is_ok()
                && connection
                    .send(response(
                        "404 Not Found",
                        &[],
                        br#"{"error":"No such thing"}"#,
                    ))
                    .is_ok()
        }
        "gather" => {
            gathering.wait();
            connection.send(response("200 OK", &[], b"{}")).is_ok()
        }
        // The version contains the number of open connections.
        _ if request.target.ends_with("/version") => {
            let version = format!(
                r#"{{"version":"1.0.1","build":"{}"}}"#,
                open.load(Ordering::SeqCst)
            );
            connection
                .send(response("200 OK", &[], version.as_bytes()))
                .is_ok()
        }
        _ if request.target.ends_with("/sequences") => {
            connection.send(response("200 OK", &[], b"[]")).is_ok()
        }
        _ => {
            connection.read_body(request).is_ok()
                && connection
                    .send(response("200 OK", &[], br#"{"id":"the-one"}"#))
                    .is_ok()
        }
    }
}
