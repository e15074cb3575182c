//! Servers without TLS at https addresses, and servers with TLS at http addresses.

use std::io::Read;
use std::sync::Arc;

use scramjet_client_blocking::HostClient;
use scramjet_client_blocking::transport::{Phase, TlsProblem};
use scramjet_client_tests::authority::Authority;
use scramjet_client_tests::scripted::{Connection, ScriptedServer};

use crate::helpers::{Mailbox, within};
use crate::hubs::{BACKENDS, Hub, fails};

/// The server's part of a handshake.
type Handler = fn(&mut Connection);

fn hello(connection: &mut Connection) {
    let mut head = [0; 5];
    connection.socket().read_exact(&mut head).unwrap();
    let mut hello = vec![0; usize::from(u16::from_be_bytes([head[3], head[4]]))];
    connection.socket().read_exact(&mut hello).unwrap();
}

fn alert<const ALERT: u8>(connection: &mut Connection) {
    hello(connection);
    let _ = connection.send([0x15, 3, 3, 0, 2, 2, ALERT]);
    let _ = connection.close_after_client();
}

fn rows() -> Vec<(&'static str, Handler, TlsProblem, &'static str)> {
    vec![
        (
            "an http server",
            |connection| {
                hello(connection);
                let _ = connection.send(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
                let _ = connection.close_after_client();
            },
            TlsProblem::NoTls,
            "the server does not speak TLS; perhaps the address should begin with http://",
        ),
        (
            "another server",
            |connection| {
                let _ = connection.send(b"SSH-2.0-OpenSSH_9.6\r\n");
                let _ = connection.close_after_client();
            },
            TlsProblem::NoTls,
            "does not speak TLS",
        ),
        (
            "a server that closes",
            |connection| {
                hello(connection);
                let _ = connection.close_after_client();
            },
            TlsProblem::Other,
            "the server closed the connection during the TLS handshake",
        ),
        (
            "a server that resets",
            |connection| connection.wait_unread().unwrap(),
            TlsProblem::Other,
            "the server closed the connection during the TLS handshake",
        ),
        (
            "certificate_required",
            alert::<116>,
            TlsProblem::ClientCertificate,
            "the hub requires a client certificate, but none is set",
        ),
        (
            "bad_certificate",
            alert::<42>,
            TlsProblem::ClientCertificate,
            "the hub requires a client certificate, but none is set",
        ),
        (
            "handshake_failure",
            alert::<40>,
            TlsProblem::Other,
            "the hub rejected the TLS handshake: it requires a client certificate, or has no \
                 cipher suite in common with this client",
        ),
        (
            "protocol_version",
            alert::<70>,
            TlsProblem::Other,
            "the hub and this client have no TLS version or no cipher suite in common",
        ),
        (
            "internal_error",
            alert::<80>,
            TlsProblem::Other,
            "unexpected error in the TLS handshake",
        ),
    ]
}

#[test]
fn tls_error_names_a_server_without_tls() {
    within("handshakes", || {
        for (name, handler, problem, says) in rows() {
            for &backend in BACKENDS {
                let what = format!("{name} with {backend:?}");
                let server = ScriptedServer::start(handler);
                let error = fails(
                    &what,
                    HostClient::builder(server.url().replace("http:", "https:"))
                        .tls_backend(backend),
                );
                let tls = error.tls().unwrap_or_else(|| panic!("{what}: {error:?}"));
                assert_eq!(tls.problem(), problem, "{what}: {error:?}");
                assert!(tls.to_string().contains(says), "{what}: {error:?}");
                assert_eq!(error.phase(), Some(Phase::Tls), "{what}: {error:?}");
            }
        }
    });
}

#[test]
fn http_address_of_a_tls_hub_is_a_tls_error() {
    within("a call", || {
        let hub = Hub::tls(&Authority::new("ours").identity(&["localhost"]));
        let error = fails(
            "http",
            HostClient::builder(hub.url("localhost").replace("https:", "http:")),
        );
        assert_eq!(
            error.tls().unwrap().problem(),
            TlsProblem::OnlyTls,
            "{error:?}"
        );
        assert!(
            format!("{error:?}").ends_with(
                "\n  caused by: the server speaks TLS; the address should begin with https://"
            ),
            "{error:?}"
        );
    });
}

/// The body contains the first byte of a TLS alert.
#[test]
fn body_that_looks_like_a_tls_alert_is_not_an_error() {
    within("calls", || {
        let next = Mailbox::new();
        let server = ScriptedServer::start({
            let next = Arc::clone(&next);
            move |connection| {
                while connection.read_request().is_ok() {
                    for piece in [
                        &b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nx"[..],
                        b"\x15",
                        b"\x15",
                    ] {
                        let _ = connection.send(piece);
                        next.take();
                    }
                }
            }
        });
        let host = HostClient::new(server.url()).unwrap();
        for _ in 0..2 {
            let mut stream = host.instance("x").unwrap().stdout().unwrap();
            for expected in *b"x\x15\x15" {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                assert_eq!(byte, [expected]);
                next.put(());
            }
            assert_eq!(stream.read(&mut [0]).unwrap(), 0);
        }
        assert_eq!(server.connections(), 1);
    });
}
