//! Connections that remain open after calls: never more than the pool keeps, however the calls end.

use std::env;
use std::io::{self, BufRead, BufReader, Read};
use std::panic::{catch_unwind, resume_unwind};
use std::process::Command;
use std::sync::Barrier;
use std::thread::{self, scope};
use std::time::{Duration, Instant};

use scramjet_client_blocking::stream::WriteOptions;
use scramjet_client_blocking::{
    CancelToken, ContentType, Error, HostClient, HostClientBuilder, RetryPolicy, StartOptions,
    Upload,
};
use scramjet_client_tests::process::{sockets, threads};
use scramjet_client_tests::scripted::ScriptedServer;

use crate::faulty_server::{GATHERED_CLIENTS, start, start_tls};
use crate::helpers::{HANG_TIMEOUT, in_child_of, within};
use crate::process::busy;

/// Passes the server's address to the process with the client.
const HUB: &str = "TEST_LOAD_CHILD_HUB";
const CERTIFICATE: &str = "TEST_LOAD_CHILD_CERTIFICATE";

/// More than the test program itself opens.
const FEW_FILES: u32 = 24;

/// The magic bytes of a gzip file.
const GZIP: &[u8] = b"\x1f\x8b";

/// Returns the client of the child process.
fn client(url: &str) -> HostClientBuilder {
    let mut host = HostClient::builder(url).hub_version("1.0.1");
    if let Some(pem) = env::var(CERTIFICATE).ok().filter(|pem| !pem.is_empty()) {
        host = host.ca_certificate_pem(pem);
    }
    host
}

/// Runs the test in a child process that can open this many files, including sockets.
fn in_child(server: &ScriptedServer, files: u32) {
    let (url, certificate) = (server.url(), server.certificate().unwrap_or_default());
    let mut bounded = Command::new("sh");
    bounded
        .args(["-c", "ulimit -n \"$0\" && exec \"$@\"", &files.to_string()])
        .arg(env::current_exe().unwrap());
    in_child_of(bounded, &[(HUB, &url), (CERTIFICATE, certificate)]);
}

/// Runs the work if this is the child process, which must not hang.
fn is_child(work: fn(&str)) -> bool {
    let url = env::var(HUB);
    url.map(|url| within("the client", move || work(&url)))
        .is_ok()
}

/// Makes one of the usual calls. All of them succeed.
fn call(host: &HostClient, number: usize) -> Result<(), Error> {
    match number % 8 {
        0 => host.version().map(drop),
        1 => host.list_sequences().map(drop),
        2 => host.sequence("x")?.start(&StartOptions::new()).map(drop),
        3 => host.instance("x")?.send_event("an-event", "data"),
        4 => host
            .send_topic("t", Upload::reader(&b"a line\n"[..]))
            .map(drop),
        5 => host.delete_sequence("x"),
        6 => {
            let mut stream = host.instance("x")?.stdout()?;
            io::copy(&mut stream, &mut io::sink())
                .map(drop)
                .map_err(|error| error.downcast().expect("an error of the client"))
        }
        _ => match host.sequence_info("missing") {
            Err(error) if error.is_not_found() => Ok(()),
            other => other.map(drop),
        },
    }
}

#[test]
fn sequential_calls_use_one_socket() {
    const CALLS: usize = 10_000;
    if is_child(|url| {
        let host = client(url).build().unwrap();
        for number in 0..CALLS {
            call(&host, number).unwrap();
            if number % 100 == 0 {
                assert_eq!(sockets(), 1, "after {number} calls");
            }
        }
        // Handles share the connection pool of their client.
        for number in 0..800 {
            call(&host.with_deadline(Duration::from_secs(60)), number).unwrap();
        }
        assert_eq!(sockets(), 1);
        drop(host);
        assert_eq!(sockets(), 0);
    }) {
        return;
    }
    let _busy = busy();
    let server = start();
    in_child(&server, FEW_FILES);
    println!("{CALLS} calls took {} connections", server.connections());
    // There is only one, unless the machine paused for a while.
    assert!(server.connections() < 10);
}

/// A client for each call.
#[test]
fn dropped_clients_leave_no_socket() {
    if is_child(|url| {
        for number in 0..800 {
            call(&client(url).build().unwrap(), number).unwrap();
            assert_eq!(sockets(), 0);
        }
    }) {
        return;
    }
    let _busy = busy();
    in_child(&start(), FEW_FILES);
}

#[test]
fn max_idle_connections_limits_sockets_after_calls_of_64_threads() {
    if is_child(|url| {
        for (pool, calls) in [(None, 200), (Some(8), 40), (Some(0), 10), (Some(1000), 40)] {
            let host = pool
                .map_or(client(url), |pool| client(url).max_idle_connections(pool))
                .build()
                .unwrap();
            let left = pool.unwrap_or(64).min(GATHERED_CLIENTS);
            let together = Barrier::new(GATHERED_CLIENTS);
            let most = scope(|scope| {
                let calling = (0..GATHERED_CLIENTS).map(|thread| {
                    let (host, together) = (&host, &together);
                    scope.spawn(move || {
                        for number in 0..calls {
                            call(host, thread + number).unwrap();
                        }
                        // Opens one connection for each thread, because the server answers when all
                        // have arrived.
                        host.sequence("gather").unwrap().delete().unwrap();
                        together.wait().is_leader().then(sockets)
                    })
                });
                let calling: Vec<_> = calling.collect();
                calling
                    .into_iter()
                    .filter_map(|thread| thread.join().unwrap())
                    .max()
            });
            assert_eq!((most, sockets()), (Some(left), left), "pool: {pool:?}");
            // As counted by the server, including the connection of the query.
            let open = || {
                host.version()
                    .unwrap()
                    .build
                    .unwrap()
                    .parse::<usize>()
                    .unwrap()
            };
            assert!(
                becomes_true(|| open() == left.max(1)),
                "pool: {pool:?}, {} open",
                open()
            );
        }
    }) {
        return;
    }
    let _busy = busy();
    let server = start();
    in_child(&server, 64 + FEW_FILES);
    println!(
        "{GATHERED_CLIENTS} threads took {} connections, most of them for pools that keep 8 or \
             none",
        server.connections()
    );
}

/// Waits until the condition holds. Returns `false` after [`HANG_TIMEOUT`].
pub(crate) fn becomes_true(what: impl Fn() -> bool) -> bool {
    let begin = Instant::now();
    while !what() {
        if begin.elapsed() > HANG_TIMEOUT {
            return false;
        }
        thread::sleep(Duration::from_millis(1));
    }
    true
}

/// A reader that cancels the upload.
struct Cancels(CancelToken);

impl Read for Cancels {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.cancel();
        Ok(buffer.len())
    }
}

/// A reader that panics without a message on stderr.
struct Panics;

impl Read for Panics {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        resume_unwind(Box::new("lost"))
    }
}

const MEGABYTE: u64 = 1 << 20;

/// Calls that end early.
type Ends = [(&'static str, fn(&HostClient)); 15];

fn ends() -> Ends {
    [
        ("a stream that is not read", |host| {
            drop(host.instance("endless").unwrap().stdout().unwrap())
        }),
        ("a stream that is read in part", |host| {
            let mut line = String::new();
            BufReader::new(host.instance("endless").unwrap().stdout().unwrap())
                .read_line(&mut line)
                .unwrap();
            assert_eq!(line.len(), 0x800);
        }),
        ("items that are not read", |host| {
            drop(host.instance("endless").unwrap().event_stream("e").unwrap())
        }),
        ("a stream that is cancelled", |host| {
            let token = CancelToken::new();
            let mut stream = host
                .instance("endless")
                .unwrap()
                .with_cancel(&token)
                .stdout()
                .unwrap();
            token.cancel();
            while stream.read(&mut [0; 4096]).is_ok() {}
        }),
        ("a refused upload", |host| {
            let upload = Upload::reader(GZIP.chain(io::repeat(b'.')).take(MEGABYTE));
            let error = host
                .sequence("refuses")
                .unwrap()
                .overwrite(upload)
                .unwrap_err();
            assert!(error.api().is_some(), "{error:?}");
        }),
        ("a refused upload on a connection that stays open", |host| {
            let upload = Upload::sized_reader(GZIP.chain(io::repeat(b'.')), 2 * MEGABYTE);
            let error = host
                .sequence("full")
                .unwrap()
                .overwrite(upload)
                .unwrap_err();
            assert!(error.api().is_some(), "{error:?}");
        }),
        ("an upload that is cancelled", |host| {
            let token = CancelToken::new();
            let upload = Upload::reader(GZIP.chain(Cancels(token.clone())));
            let error = host
                .sequence("x")
                .unwrap()
                .with_cancel(&token)
                .overwrite(upload)
                .unwrap_err();
            assert!(error.is_cancelled(), "{error:?}");
        }),
        ("an upload whose data ends too soon", |host| {
            let error = host
                .sequence("x")
                .unwrap()
                .overwrite(Upload::sized_reader(GZIP, 4))
                .unwrap_err();
            assert!(error.api().is_none(), "{error:?}");
        }),
        ("an upload whose data is lost in a panic", |host| {
            let upload =
                || Upload::reader(GZIP.chain(io::repeat(b'.').take(MEGABYTE)).chain(Panics));
            assert!(catch_unwind(|| host.sequence("x").unwrap().overwrite(upload())).is_err());
        }),
        ("a body that is cut", |host| {
            assert!(host.sequence_info("cut").is_err())
        }),
        ("a body that is cut in a chunk", |host| {
            assert!(host.sequence_info("torn").is_err())
        }),
        ("a stream that is cut", |host| {
            assert!(io::read_to_string(host.instance("cut").unwrap().stdout().unwrap()).is_err());
        }),
        ("no answer", |host| {
            assert!(host.sequence_info("closes").is_err())
        }),
        ("a deadline", |host| {
            let waiting = host
                .instance("silent")
                .unwrap()
                .with_deadline(Duration::from_millis(5));
            assert!(waiting.next_event("e").unwrap_err().is_timeout());
        }),
        ("a writer that is dropped", |host| {
            drop(
                host.instance("x")
                    .unwrap()
                    .input_writer(WriteOptions::new(ContentType::Text).end(false))
                    .unwrap(),
            );
        }),
    ]
}

#[test]
fn calls_that_end_early_leave_no_socket_and_no_thread() {
    const TIMES: usize = 20;
    if is_child(|url| {
        let before = threads();
        let host = client(url)
            .retry(RetryPolicy::linear(Duration::ZERO).max_attempts(2))
            .build()
            .unwrap();
        for (name, end) in ends() {
            for _ in 0..TIMES {
                end(&host);
            }
            println!("{name}: {} sockets", sockets());
            // Threads that connect or write in the background close their connection when they end.
            assert!(
                becomes_true(|| threads() == before),
                "{name}: {} threads, {before} before",
                threads()
            );
            assert!(sockets() <= 1, "{name}: {} sockets", sockets());
            // The client still works.
            host.version().unwrap();
        }
        let open = || host.version().unwrap().build.unwrap();
        assert!(becomes_true(|| open() == "1"), "{} open", open());
    }) {
        return;
    }
    let _busy = busy();
    for server in [start(), start_tls()] {
        // A process for each server, so that none counts leftovers of another.
        in_child(&server, FEW_FILES);
    }
}
