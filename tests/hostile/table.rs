//! Runs all rows.

use std::collections::BTreeSet;
use std::error::Error as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use scramjet_client_blocking::{Error, HostClient};
#[cfg(target_os = "linux")]
use scramjet_client_tests::process::{peak, reset_peak, resident};
use scramjet_client_tests::scripted::ScriptedServer;

use crate::cases::{Case, Outcome};
use crate::{bodies, framing, heads, statuses};

#[cfg(not(target_os = "linux"))]
use self::unknown_memory::{peak, reset_peak, resident};

/// Stands for the figures of memory on systems that do not report them. The tests then check the
/// rest.
#[cfg(not(target_os = "linux"))]
mod unknown_memory {
    pub(super) fn resident() -> u64 {
        0
    }

    pub(super) fn peak() -> u64 {
        0
    }

    pub(super) fn reset_peak() {}
}

/// Only the intended server may receive this.
pub(crate) const SECRET: &str = "s3cret-t0ken";

/// Maximum growth of the process's memory.
const MOST_MEMORY: u64 = 32 << 20;

/// Returns the client of a row.
fn client(server: &ScriptedServer) -> HostClient {
    let builder = HostClient::builder(server.url())
        .bearer_token(SECRET)
        .hub_version("1.0.1");
    let builder = match server.certificate() {
        Some(pem) => builder.ca_certificate_pem(pem),
        None => builder,
    };
    builder.build().expect("a client")
}

/// Returns the error with its causes.
fn with_causes(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    text
}

/// Returns `true` for characters that end a line or change how it is displayed.
fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}')
        || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

struct Measured {
    outcome: String,
    time: Duration,
    memory: u64,
}

fn play(case: &Case, encrypted: bool) -> Measured {
    let repaired = Arc::new(AtomicBool::new(false));
    let (tell, done) = channel();
    let server = case.fault.clone().serve(encrypted, &repaired, tell);
    let host = client(&server);
    reset_peak();
    let before = resident();
    let begin = Instant::now();
    let result = case.call.run(&host.with_deadline(case.deadline));
    let time = begin.elapsed();
    let used = peak().saturating_sub(before);
    let expected = case
        .encrypted
        .as_ref()
        .filter(|_| encrypted)
        .unwrap_or(&case.outcome);
    let outcome = match (&result, expected) {
        (Ok(value), Outcome::Returns(expected)) => {
            assert_eq!(value, expected);
            format!("gives {value}")
        }
        (Err(error), Outcome::Fails(kind, says)) => {
            let text = with_causes(error);
            let (method, url) = (
                error.method().expect("a request").as_str(),
                error.url().expect("a request"),
            );
            assert!(
                url.starts_with(&server.url()) && text.contains(&format!(" ({method} {url}): ")),
                "the request is not named: {text}"
            );
            assert!(kind(error.kind()), "{:?}: {text}", error.kind());
            assert!(text.contains(says), "{text}");
            assert!(
                !text.contains(SECRET) && !format!("{error:?}").contains(SECRET),
                "a secret is shown"
            );
            assert!(!text.contains(is_unsafe), "{text:?} forges a line");
            assert!(text.len() < 4000, "a message of {} bytes", text.len());
            text
        }
        (Ok(value), Outcome::Fails(..)) => panic!("it gives {value}"),
        (Err(error), Outcome::Returns(_)) => panic!("it fails: {}", with_causes(error)),
    };
    assert!(
        time < case.deadline + Duration::from_secs(10),
        "it took {time:?}, with a deadline of {:?}",
        case.deadline
    );
    assert!(used < MOST_MEMORY, "{used} bytes of memory");

    if case.waits_for_server {
        done.recv_timeout(case.deadline).expect("all is sent");
    }
    repaired.store(true, Ordering::SeqCst);
    let version = host.with_deadline(Duration::from_secs(20)).version();
    assert_eq!(
        version
            .map(|version| version.version)
            .map_err(|error| with_causes(&error)),
        Ok("1.0.1".to_owned()),
        "the client is of no use"
    );
    Measured {
        outcome,
        time,
        memory: used,
    }
}

#[test]
fn client_survives_every_faulty_server() {
    let start = resident();
    let (mut most, mut highest) = (0, start);
    let mut failed = Vec::new();
    let mut count = 0;
    println!(
        "{:52} | {:5} | {:>6} | {:>6} | outcome",
        "fault", "", "ms", "KiB"
    );
    for encrypted in [false, true] {
        // No redirect may lead to this server.
        let elsewhere = ScriptedServer::start(|_| {});
        let cases = [
            framing::ends(),
            framing::lengths(),
            framing::chunks(),
            heads::heads(),
            heads::slow(),
            heads::unsolicited(),
            statuses::statuses(),
            statuses::refusals(),
            statuses::redirects(&elsewhere.url()),
            bodies::bodies(),
        ];
        let names: BTreeSet<_> = cases.iter().flatten().map(|case| case.name).collect();
        assert_eq!(
            names.len(),
            cases.iter().flatten().count(),
            "two rows have one name"
        );
        for case in cases.iter().flatten() {
            let scheme = if encrypted { "https" } else { "http" };
            match catch_unwind(AssertUnwindSafe(|| play(case, encrypted))) {
                Ok(Measured {
                    outcome,
                    time,
                    memory,
                }) => {
                    let message: String = outcome
                        .chars()
                        .filter(|c| !c.is_control())
                        .take(150)
                        .collect();
                    println!(
                        "{:52} | {scheme:5} | {:6} | {:6} | {message}",
                        case.name,
                        time.as_millis(),
                        memory >> 10
                    );
                    most = most.max(memory);
                    highest = highest.max(peak());
                }
                Err(_) => failed.push(format!("{} ({scheme})", case.name)),
            }
            count += 1;
        }
        assert_eq!(elsewhere.connections(), 0, "a redirect was followed");
    }
    let (highest, end) = (
        highest.saturating_sub(start),
        resident().saturating_sub(start),
    );
    println!(
        "{count} cases; KiB of memory: {} for one at most, {} in all at most, {} at the end",
        most >> 10,
        highest >> 10,
        end >> 10
    );
    assert!(
        failed.is_empty(),
        "{} of {count} cases: {failed:#?}",
        failed.len()
    );
    assert!(count >= 2 * 150, "{count} cases");
    assert!(
        highest < MOST_MEMORY,
        "{highest} bytes of memory beyond what it began with"
    );
}
