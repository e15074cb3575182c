//! Tests of `FakeHub` through its public interface.

#![allow(clippy::unwrap_used, reason = "tests")]

mod faults;
mod wire;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use scramjet_client_blocking::{HostClient, Readiness, StartOptions, StopOptions};
use scramjet_client_testing::fake_hub::{Exit, FakeHub, Fault, Generation};

const BOTH: [Generation; 2] = [Generation::V0_18, Generation::V1];

fn shouting(generation: Generation) -> FakeHub {
    let hub = FakeHub::builder(generation).time_scale(20.0).start();
    hub.program("shout", |process| {
        process.emit("ready", "shout");
        let mut lines = process.lines();
        while let Some(line) = lines.next_line()? {
            lines.process().write(line.to_uppercase() + "\n")?;
        }
        Ok(())
    });
    hub
}

/// Returns a client in the same process, and one that uses a socket.
fn hosts(hub: &FakeHub) -> [HostClient; 2] {
    [hub.client(), HostClient::new(hub.url()).unwrap()]
}

#[test]
fn a_program_reads_its_input_and_writes_its_output() {
    for generation in BOTH {
        let hub = shouting(generation);
        for host in hosts(&hub) {
            let sequence = host.send_sequence(hub.package("shout")).unwrap();
            let readiness = Readiness::event("ready");
            let ready = sequence
                .start_and_wait(&StartOptions::new(), &readiness)
                .unwrap();
            let instance = ready.instance;
            let mut output = instance.output().unwrap();
            instance.send_input("one\ntwo").unwrap();
            let mut text = String::new();
            output.read_to_string(&mut text).unwrap();
            assert_eq!(text, "ONE\nTWO\n", "{generation:?}");
            instance
                .stop(&StopOptions::new(Duration::from_millis(10)))
                .unwrap();
            sequence.force_delete().unwrap();
            assert!(hub.sequences().is_empty() && hub.running().is_empty());
        }
    }
}

#[test]
fn run_returns_the_output_of_the_program() {
    for generation in BOTH {
        let hub = shouting(generation);
        let sequence = hub.client().send_sequence(hub.package("shout")).unwrap();
        let run = sequence.run(&StartOptions::new(), "some text\n").unwrap();
        assert_eq!(String::from_utf8_lossy(&run.output), "SOME TEXT\n");
    }
}

#[test]
fn a_program_that_fails_at_once_is_refused_on_1_x() {
    let hub = FakeHub::new(Generation::V1);
    hub.program("broken", |_| Err(Exit::Uncaught));
    let sequence = hub.client().send_sequence(hub.package("broken")).unwrap();
    let error = sequence.start(&StartOptions::new()).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("Sequence failed during execution"),
        "{error}"
    );
}

#[test]
fn a_fault_applies_to_the_given_number_of_requests() {
    let hub = FakeHub::new(Generation::V1);
    hub.fault(Fault::refuse(503, "busy").on("GET", "version").times(2));
    let host = hub.client_builder().retry(None).build().unwrap();
    for _ in 0..2 {
        assert!(host.version().unwrap_err().is_retryable());
    }
    assert_eq!(host.version().unwrap().version, "1.0.1");
}

/// Sends a request on a new connection, and reads until the connection is closed.
fn exchange(hub: &FakeHub, request: &str) -> String {
    let url = hub.url();
    let address = url.split('/').nth(2).unwrap();
    let mut socket = TcpStream::connect(address).unwrap();
    socket.write_all(request.as_bytes()).unwrap();
    let mut response = String::new();
    socket.read_to_string(&mut response).unwrap();
    response
}

#[test]
fn connection_close_closes_the_connection() {
    let hub = FakeHub::new(Generation::V0_18);
    let target = "/api/v1/version";
    let response = exchange(
        &hub,
        &format!("GET {target} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"),
    );
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    let head = head.to_ascii_lowercase();
    assert!(head.contains("connection: close") && head.contains("transfer-encoding: chunked"));
    assert!(!head.contains("keep-alive"), "{head}");
    assert!(body.ends_with("}\r\n0\r\n\r\n"), "{body}");

    // HTTP/1.0 has no chunks, so the body ends with the connection.
    let response = exchange(&hub, &format!("GET {target} HTTP/1.0\r\nHost: h\r\n\r\n"));
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    assert!(!head.contains("chunked"), "{head}");
    assert_eq!(body, r#"{"version":"0.18.7"}"#);
}
