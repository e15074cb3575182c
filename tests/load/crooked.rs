//! A server that treats each request as the id says which is in it: proper answers, and ends of all sorts.

use std::io::Read as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};

use scramjet_client_testing::ReceivedRequest;
use scramjet_client_tests::scripted::{Connection, ScriptedServer, response};

/// How many clients the route `gather` waits for before it answers them.
pub(crate) const GATHERED: usize = 64;

/// Over http.
pub(crate) fn start() -> ScriptedServer {
    serve(ScriptedServer::start)
}

/// The same over https.
pub(crate) fn start_tls() -> ScriptedServer {
    serve(ScriptedServer::start_tls)
}

type Handler = Box<dyn Fn(&mut Connection) + Send + Sync>;

fn serve(start: fn(Handler) -> ScriptedServer) -> ScriptedServer {
    let (open, gathering) = (
        Arc::<AtomicUsize>::default(),
        Arc::new(Barrier::new(GATHERED)),
    );
    start(Box::new(move |connection| {
        open.fetch_add(1, Ordering::SeqCst);
        while let Ok(mut request) = connection.read_head() {
            if !treat(connection, &mut request, &open, &gathering) {
                break;
            }
        }
        open.fetch_sub(1, Ordering::SeqCst);
    }))
}

/// Gives whether the connection can serve another request.
fn treat(
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
        // A stream that ends when nobody reads it any more.
        "endless" => {
            let _ = connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
            while connection.send(b"800\r\n").is_ok()
                && connection.send([b'.'; 0x7ff]).is_ok()
                && connection.send(b"\n\r\n").is_ok()
            {}
            false
        }
        // An answer that never comes.
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
        // In the midst of an upload, of which the rest is not read.
        "refuses" => {
            let _ = connection.read(&mut [0; 1024]);
            let _ = connection.send(response(
                "422 Unprocessable Entity",
                &[("Connection", "close")],
                br#"{"error":"Not this one"}"#,
            ));
            false
        }
        // The same, where the connection stays open for as long as the client sends on.
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
        // Tells in the answer how many connections there are.
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
