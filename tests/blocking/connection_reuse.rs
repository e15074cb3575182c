//! Reuse of idle connections, and the error for a host name that cannot be resolved.

use scramjet_client_blocking::HostClient;
use scramjet_client_blocking::transport::Phase;
use scramjet_client_tests::scripted::{ScriptedServer, response};

use crate::helpers::{serving, within};

const VERSION: &[u8] = br#"{"version":"1.0.1"}"#;

fn announcing(header: Option<&'static str>) -> ScriptedServer {
    let headers: Vec<_> = header
        .into_iter()
        .map(|value| ("Keep-Alive", value))
        .collect();
    serving(move |_| response("200 OK", &headers, VERSION))
}

/// Returns the number of connections that three consecutive requests use.
fn connections(server: &ScriptedServer) -> usize {
    let host = HostClient::builder(server.url())
        .retry(None)
        .build()
        .unwrap();
    for _ in 0..3 {
        host.version().unwrap();
    }
    server.connections()
}

#[test]
fn connections_are_not_reused_after_the_keep_alive_timeout_of_the_server() {
    within("calls", || {
        assert_eq!(connections(&announcing(None)), 1);
        assert_eq!(connections(&announcing(Some("timeout=5"))), 1);
        assert_eq!(
            connections(&announcing(Some("timeout=4294967295, max=1000"))),
            1
        );
        assert_eq!(connections(&announcing(Some("timeout=0"))), 3);
    });
}

#[test]
fn max_idle_connections_of_zero_keeps_no_connection() {
    within("calls", || {
        let server = announcing(None);
        let host = HostClient::builder(server.url())
            .max_idle_connections(0)
            .build()
            .unwrap();
        for _ in 0..3 {
            host.version().unwrap();
        }
        assert_eq!(server.connections(), 3);
    });
}

/// The name is too long for DNS, so no name server is contacted.
#[test]
fn version_reports_a_host_name_that_cannot_be_resolved() {
    let url = format!("http://{}.localhost:8000/api/v1", "a".repeat(64));
    let error = within("looking for a host", move || {
        HostClient::new(url).unwrap().version().unwrap_err()
    });
    assert_eq!(
        (error.phase(), error.attempt_count()),
        (Some(Phase::Resolve), 3)
    );
    assert!(
        error.is_connect()
            && error
                .to_string()
                .contains("name resolution failed; is the address right?"),
        "{error}"
    );
}

#[test]
fn version_and_list_sequences_share_one_connection() {
    for encrypted in [false, true] {
        let handler = |connection: &mut scramjet_client_tests::scripted::Connection| {
            while connection.read_request().is_ok()
                && connection
                    .send(response("200 OK", &[], br#"{"version":"1.0.1"}"#))
                    .is_ok()
            {}
        };
        let server = if encrypted {
            ScriptedServer::start_tls(handler)
        } else {
            ScriptedServer::start(handler)
        };
        let builder = HostClient::builder(server.url());
        let host = match server.certificate() {
            Some(pem) => builder.ca_certificate_pem(pem),
            None => builder,
        };
        let host = host.build().unwrap();
        for _ in 0..1000 {
            host.version().unwrap();
            // Error responses and failed calls return their connection, too.
            host.list_sequences().unwrap_err();
        }
        assert_eq!(server.connections(), 1, "{}", server.url());
        #[cfg(target_os = "linux")]
        {
            // Other tests of this process open some files at the same time.
            let open = scramjet_client_tests::process::open_files().len();
            assert!(open < 500, "{open} open files");
        }
    }
}
