//! One client makes calls of all kinds from 64 threads. No call hangs, and no resource is leaked.
//!
//! This is a short version. The long one takes a minute:
//!
//! ```sh
//! SCRAMJET_TEST_SOAK_SECONDS=60 cargo test -p scramjet-client-tests --test load soak -- --nocapture
//! ```

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};
use std::{env, fmt, thread};

use scramjet_client_blocking::stream::WriteOptions;
use scramjet_client_blocking::transport::UreqTransport;
use scramjet_client_blocking::{
    CancelToken, ContentType, Error, HostClient, InstanceClient, KillOptions, StartOptions,
    Transport, Upload,
};
use scramjet_client_tests::hub::shared;
use scramjet_client_tests::package;
use scramjet_client_tests::process::{open_files, resident, sockets, threads};

use crate::connections::becomes_true;
use crate::faulty_server;
use crate::helpers::in_child;
use crate::process::busy;

const THREADS: usize = 64;

/// The magic bytes of a gzip file.
const GZIP: &[u8] = b"\x1f\x8b";

/// Number of threads that call the hub, if there is one. The others call the faulty server.
const ON_HUB: usize = 16;

/// Length of the first round, which allocates the memory that so many threads need.
const WARM_UP: Duration = Duration::from_secs(3);

/// Maximum growth of memory after the first round, in bytes. A leak of a kilobyte for each call
/// would exceed it.
const GROWTH: u64 = 16 << 20;

/// Pass the addresses to the process with the client.
const SERVER: &str = "TEST_SOAK_CHILD_SERVER";
const HUB: &str = "TEST_SOAK_CHILD_HUB";

fn length() -> Duration {
    let seconds = env::var("SCRAMJET_TEST_SOAK_SECONDS")
        .map(|seconds| seconds.parse().expect("a number of seconds"));
    Duration::from_secs(seconds.unwrap_or(10))
}

/// A random number generator with a fixed seed.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }

    fn milliseconds(&mut self, bound: u64) -> Duration {
        Duration::from_millis(1 + self.below(bound))
    }
}

/// The state of a thread that makes calls.
struct Caller {
    host: HostClient,
    /// An instance of the sequence `events`, for calls to the hub.
    instance: Option<InstanceClient>,
    /// Tokens sent here are cancelled soon.
    cancels: Sender<CancelToken>,
    random: Random,
}

impl Caller {
    fn token(&self) -> CancelToken {
        let token = CancelToken::new();
        self.cancels.send(token.clone()).unwrap();
        token
    }

    fn call(&mut self) -> Result<(), String> {
        match self.instance.clone() {
            Some(instance) => self.call_hub(&instance),
            None => self.call_server(),
        }
    }

    /// Makes a call and checks its outcome.
    fn call_server(&mut self) -> Result<(), String> {
        let host = &self.host;
        let instance = |id: &str| host.instance(id).unwrap();
        let megabyte = || Upload::reader(GZIP.chain(io::repeat(b'.')).take(1 << 20));
        match self.random.below(22) {
            0 | 1 => succeeds(host.version()),
            2 => succeeds(host.list_sequences()),
            3 => succeeds(host.sequence("x").unwrap().start(&StartOptions::new())),
            4 => succeeds(instance("x").send_event("an-event", "data")),
            5 => succeeds(host.send_sequence(megabyte())),
            6 => succeeds(host.delete_sequence("x")),
            7 => succeeds(io::read_to_string(instance("x").stdout().unwrap())),
            8 => {
                let mut some = vec![0; usize::try_from(self.random.below(100_000)).unwrap()];
                succeeds(instance("endless").stdout().unwrap().read_exact(&mut some))
            }
            9 => succeeds(instance("endless").stdout()),
            10 => timed_out(
                instance("silent")
                    .with_deadline(self.random.milliseconds(20))
                    .next_event("e"),
            ),
            11 => timed_out(
                instance("silent")
                    .with_idle_timeout(self.random.milliseconds(20))
                    .event_stream("e")
                    .and_then(|mut events| events.next().expect("an error")),
            ),
            12 => cancelled(
                instance("silent")
                    .with_cancel(&self.token())
                    .next_event("e"),
            ),
            13 => {
                let stream = instance("endless").with_cancel(&self.token()).stdout();
                let read = stream.and_then(|mut stream| {
                    io::copy(&mut stream, &mut io::sink()).map_err(client_error)
                });
                cancelled(read)
            }
            14 => refused(host.sequence("refuses").unwrap().overwrite(megabyte())),
            15 => refused(host.sequence("full").unwrap().overwrite(megabyte())),
            16 => refused(host.sequence_info("missing")),
            17 => lost(host.with_retry(None).sequence_info("cut")),
            18 => lost(instance("torn").stdout().and_then(|mut stream| {
                io::copy(&mut stream, &mut io::sink()).map_err(client_error)
            })),
            19 => lost(host.sequence("closes").unwrap().start(&StartOptions::new())),
            20 => {
                let options = WriteOptions::new(ContentType::Text).end(false);
                let mut input = instance("x").input_writer(options).unwrap();
                succeeds(writeln!(input, "a line").and_then(|()| input.flush()))?;
                succeeds(input.finish())
            }
            _ => cancelled(
                host.sequence("silent")
                    .unwrap()
                    .with_cancel(&self.token())
                    .overwrite(Upload::reader(GZIP.chain(io::repeat(b'.')))),
            ),
        }
    }

    fn call_hub(&mut self, instance: &InstanceClient) -> Result<(), String> {
        let host = &self.host;
        match self.random.below(11) {
            0 => succeeds(host.version()),
            1 => succeeds(host.list_instances()),
            2 => succeeds(instance.health()),
            3 => succeeds(instance.info()),
            4 => succeeds(instance.send_event("ping", "data")),
            5 => succeeds(
                instance
                    .with_deadline(Duration::from_secs(60))
                    .last_event("ready"),
            ),
            6 => timed_out(
                instance
                    .with_deadline(self.random.milliseconds(50))
                    .next_event("never"),
            ),
            7 => cancelled(instance.with_cancel(&self.token()).next_event("never")),
            8 => succeeds(host.log_stream()),
            9 => refused(host.sequence_info("missing")),
            _ => succeeds(instance.stdout()),
        }
    }
}

/// Returns the client's error inside a stream's error.
fn client_error(error: io::Error) -> Error {
    error.downcast().expect("an error of the client")
}

fn succeeds<T, E: fmt::Debug>(result: Result<T, E>) -> Result<(), String> {
    result
        .map(drop)
        .map_err(|error| format!("expected success: {error:?}"))
}

fn fails<T>(
    result: Result<T, Error>,
    how: &str,
    is_so: impl Fn(&Error) -> bool,
) -> Result<(), String> {
    match result {
        Err(error) if is_so(&error) => Ok(()),
        Err(error) => Err(format!("expected {how}: {error:?}")),
        Ok(_) => Err(format!("expected {how}, but it succeeded")),
    }
}

fn timed_out<T>(result: Result<T, Error>) -> Result<(), String> {
    fails(result, "a timeout", Error::is_timeout)
}

fn cancelled<T>(result: Result<T, Error>) -> Result<(), String> {
    fails(result, "cancelled", Error::is_cancelled)
}

fn refused<T>(result: Result<T, Error>) -> Result<(), String> {
    fails(result, "refused", |error| error.api().is_some())
}

fn lost<T>(result: Result<T, Error>) -> Result<(), String> {
    fails(result, "lost", |error| {
        error.api().is_none() && !error.is_timeout() && !error.is_cancelled()
    })
}

/// The resources of this process.
struct Resources {
    sockets: usize,
    files: usize,
    threads: usize,
    resident: u64,
}

impl Resources {
    fn now() -> Self {
        Self {
            sockets: sockets(),
            files: open_files().len(),
            threads: threads(),
            resident: resident(),
        }
    }
}

impl fmt::Display for Resources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            sockets,
            files,
            threads,
            resident,
        } = self;
        write!(
            f,
            "{sockets:>3} sockets, {files:>3} open files, {threads:>3} threads, {resident:>6} \
                 KiB of memory"
        )
    }
}

/// Cancels tokens after a short time.
fn cancel_all(tokens: &Receiver<CancelToken>) {
    for (number, token) in tokens.iter().enumerate() {
        if number % 2 == 0 {
            thread::sleep(Duration::from_micros(500));
        }
        token.cancel();
    }
}

/// Makes calls on all threads for this long. Returns the number of calls.
fn round(
    hosts: &[HostClient; 2],
    instance: Option<&InstanceClient>,
    length: Duration,
    seed: u64,
) -> u64 {
    let (cancels, tokens) = channel();
    let canceller = thread::spawn(move || cancel_all(&tokens));
    let end = Instant::now() + length;
    let calls = Arc::<AtomicU64>::default();
    // Every thread sends its result at its end.
    let (done, results) = channel();
    for number in 0..THREADS {
        let instance = instance.filter(|_| number < ON_HUB).cloned();
        let host = hosts[usize::from(instance.is_some())].clone();
        let random = Random((seed << 32) + u64::try_from(number).unwrap() + 1);
        let mut caller = Caller {
            host,
            instance,
            cancels: cancels.clone(),
            random,
        };
        let (calls, done) = (Arc::clone(&calls), done.clone());
        thread::spawn(move || {
            let mut result = Ok(());
            while result.is_ok() && Instant::now() < end {
                result = caller.call();
                calls.fetch_add(1, Ordering::Relaxed);
            }
            drop(caller);
            drop(done.send(result));
        });
    }
    drop((cancels, done));
    for _ in 0..THREADS {
        // Longer than any call takes.
        match results.recv_timeout(length + Duration::from_secs(60)) {
            Ok(result) => result.unwrap_or_else(|what| panic!("{what}")),
            Err(RecvTimeoutError::Timeout) => panic!("some thread hangs"),
            Err(RecvTimeoutError::Disconnected) => panic!("some thread has panicked"),
        }
    }
    canceller.join().unwrap();
    calls.load(Ordering::Relaxed)
}

/// The test in the process that only has the client.
fn soak(server: &str, hub: Option<&str>) {
    let before = Resources::now();
    println!("before:        {before}");
    let transport: Arc<dyn Transport> = Arc::new(UreqTransport::default());
    let client = |url: &str| {
        HostClient::builder(url)
            .transport(Arc::clone(&transport))
            .build()
            .unwrap()
    };
    let hosts = [client(server), client(hub.unwrap_or(server))];
    let sequence = hub.map(|_| hosts[1].send_sequence(package::sequence("events")).unwrap());
    let instance = sequence
        .as_ref()
        .map(|sequence| sequence.start(&StartOptions::new()).unwrap());

    let calls = round(&hosts, instance.as_ref(), WARM_UP, 1);
    assert!(
        becomes_true(|| threads() == before.threads),
        "{} threads, {} before",
        threads(),
        before.threads
    );
    let warm = Resources::now();
    println!("after a while: {warm}, {calls} calls");
    let length = length();
    let calls = round(&hosts, instance.as_ref(), length, 2);
    assert!(
        becomes_true(|| threads() == before.threads),
        "{} threads, {} before",
        threads(),
        before.threads
    );
    let after = Resources::now();
    println!("after {length:>5?}:   {after}, {calls} calls");

    // The pool keeps at most 64 connections.
    assert!(after.sockets <= 64 && after.files - after.sockets == before.files - before.sockets);
    assert!(after.resident < warm.resident + GROWTH);
    for host in &hosts {
        host.version().unwrap();
    }
    if let (Some(sequence), Some(instance)) = (&sequence, &instance) {
        instance.kill(&KillOptions::new()).unwrap();
        sequence.force_delete().unwrap();
    }
    drop((hosts, sequence, instance, transport));
    let end = Resources::now();
    println!("in the end:    {end}");
    assert_eq!((end.sockets, end.files), (before.sockets, before.files));
}

#[test]
fn client_shared_by_64_threads_leaks_nothing() {
    if let Ok(server) = env::var(SERVER) {
        return soak(&server, env::var(HUB).ok().as_deref());
    }
    let _busy = busy();
    let (server, hub) = (faulty_server::start(), shared());
    let url = server.url();
    let mut variables = vec![(SERVER, url.as_str())];
    variables.extend(hub.map(|hub| (HUB, hub.url())));
    in_child(&variables);
    println!("the server saw {} connections", server.connections());
}
