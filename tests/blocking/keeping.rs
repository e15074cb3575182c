//! Which connections are used again, and how far a request got that has none.

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

/// How many connections a few requests one after another take.
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
fn a_connection_is_used_no_longer_than_the_server_says_that_it_keeps_it() {
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
fn as_many_idle_connections_are_kept_as_was_said() {
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

/// A name so long that no name server need be asked.
#[test]
fn a_host_that_is_not_found_is_told_as_such() {
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
