//! Calls with limits start no threads, except for name resolution. Waits for one event start none
//! either.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use std::{env, thread};

use scramjet_client_blocking::{CancelToken, HostClient};
use scramjet_client_tests::process;
use scramjet_client_tests::scripted::{ScriptedServer, response};

use crate::helpers::{in_child, serving, within};

const LONG: Duration = Duration::from_secs(60);

/// Returns the maximum number of threads during calls, observed by a polling thread.
fn max_threads(host: &HostClient) -> usize {
    let done = Arc::new(AtomicBool::new(false));
    let watch = thread::spawn({
        let done = Arc::clone(&done);
        move || {
            let mut most = 0;
            while !done.load(Ordering::Relaxed) {
                most = most.max(process::threads());
            }
            most
        }
    });
    for _ in 0..300 {
        host.version().unwrap();
    }
    done.store(true, Ordering::Relaxed);
    watch.join().unwrap()
}

#[test]
fn limits_start_no_thread_for_each_call() {
    const HUBS: &str = "TEST_THREADS_CHILD_HUBS";
    if let Ok(hubs) = env::var(HUBS) {
        within("calls", move || {
            let (kept, closed) = hubs.split_once(' ').unwrap();
            for (url, new) in [(kept, false), (closed, true)] {
                let host = HostClient::new(url).unwrap();
                let plain = max_threads(&host);
                let deadline = max_threads(&host.with_deadline(LONG));
                let idle = max_threads(&host.with_idle_timeout(LONG));
                let limited = host.with_deadline(LONG).with_cancel(&CancelToken::new());
                let cancel = max_threads(&limited);
                // A name is resolved on another thread, which shows that the measurement works.
                let name = HostClient::new(url.replace("127.0.0.1", "localhost")).unwrap();
                let name = max_threads(&name.with_deadline(LONG));
                assert_eq!(
                    (deadline, idle, cancel),
                    (plain, plain, plain),
                    "new connections: {new}, {plain} without limits"
                );
                assert!(!new || name > plain);
            }
        });
        return;
    }
    let version = response("200 OK", &[], br#"{"version":"1.0.1"}"#);
    let kept = serving(move |_| version.clone());
    let closed = ScriptedServer::start(|connection| {
        let _ = connection.read_request();
        let _ = connection.send(response(
            "200 OK",
            &[("Connection", "close")],
            br#"{"version":"1.0.1"}"#,
        ));
        let _ = connection.close_after_client();
    });
    in_child(&[(HUBS, &format!("{} {}", kept.url(), closed.url()))]);
}

/// Waits for an event of a hub of this version. Returns the number of threads that the client has
/// started, at each request for the status.
fn threads_of_a_wait(version: &str, event: &'static [u8]) -> Vec<usize> {
    const STATUS_REQUESTS: usize = 3;
    let (sender, receiver) = channel();
    let (counts, receiver) = (Arc::<Mutex<Vec<usize>>>::default(), Mutex::new(receiver));
    let seen = Arc::clone(&counts);
    let hub = ScriptedServer::start(move |connection| {
        while let Ok(request) = connection.read_request() {
            let path = request.target.as_str();
            let sent = if path.ends_with("/events/done") {
                connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            } else if path.ends_with("/event/done") {
                // The event comes after some requests for the status.
                let lock = receiver.lock().unwrap_or_else(PoisonError::into_inner);
                let _ = lock.recv();
                connection.send(response("200 OK", &[], event))
            } else {
                let mut counts = seen.lock().unwrap();
                counts.push(process::client_threads());
                if counts.len() == STATUS_REQUESTS {
                    sender.send(()).unwrap();
                }
                drop(counts);
                let status = br#"{"id":"x","status":"running"}"#;
                connection.send(response("200 OK", &[], status))
            };
            if sent.is_err() {
                break;
            }
        }
    });
    let builder = HostClient::builder(hub.url()).hub_version(version);
    let instance = builder.build().unwrap().instance("x").unwrap();
    assert_eq!(instance.wait_event("done").unwrap().data, 7);
    let counts = counts.lock().unwrap();
    assert!(counts.len() >= STATUS_REQUESTS);
    counts.clone()
}

#[test]
fn wait_event_starts_no_threads() {
    const CHILD: &str = "TEST_WAIT_THREADS_CHILD";
    if env::var_os(CHILD).is_none() {
        return in_child(&[(CHILD, "")]);
    }
    within("waiting", || {
        let old = threads_of_a_wait("0.18.7", br#"{"eventName":"done","message":7}"#);
        let new = threads_of_a_wait("1.0.1", b"7");
        assert!(
            old.iter().chain(&new).all(|count| *count == 0),
            "{old:?} {new:?}"
        );
    });
}
