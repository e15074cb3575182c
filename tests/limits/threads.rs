//! Calls with limits start no threads, except for name resolution.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
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
