//! One client, used by 64 threads for everything at once: nobody waits for ever, and nothing is left over.
//!
//! This is a small version. The whole one takes a minute:
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

use crate::crooked;
use crate::helpers::in_child;
use crate::scene::{alone, files, resident, settles, sockets, threads};

const THREADS: usize = 64;

/// The beginning of a package.
const GZIP: &[u8] = b"\x1f\x8b";

/// How many of them call a hub, where there is one. The others call a server that is not as good.
const ON_HUB: usize = 16;

/// How long the first round takes, after which the memory is there that so many threads take.
const WARM_UP: Duration = Duration::from_secs(3);

/// How much more memory there may be in the end, in KiB. A kilobyte lost with each call is more.
const GROWTH: usize = 16 << 10;

/// For the process that only has the client.
const SERVER: &str = "TEST_SOAK_CHILD_SERVER";
const HUB: &str = "TEST_SOAK_CHILD_HUB";

fn length() -> Duration {
    let seconds = env::var("SCRAMJET_TEST_SOAK_SECONDS")
        .map(|seconds| seconds.parse().expect("a number of seconds"));
    Duration::from_secs(seconds.unwrap_or(10))
}

/// Numbers that nobody foresees, and that are the same each time.
struct Dice(u64);

impl Dice {
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

/// What a thread calls with.
struct Caller {
    host: HostClient,
    /// For those who call a hub: an instance of the sequence `events`.
    instance: Option<InstanceClient>,
    /// Who gets a token here cancels it soon.
    cancels: Sender<CancelToken>,
    dice: Dice,
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

    /// Calls, and checks that it ends as it should.
    fn call_server(&mut self) -> Result<(), String> {
        let host = &self.host;
        let instance = |id: &str| host.instance(id).unwrap();
        let megabyte = || Upload::reader(GZIP.chain(io::repeat(b'.')).take(1 << 20));
        match self.dice.below(22) {
            0 | 1 => fine(host.version()),
            2 => fine(host.list_sequences()),
            3 => fine(host.sequence("x").unwrap().start(&StartOptions::new())),
            4 => fine(instance("x").send_event("an-event", "data")),
            5 => fine(host.send_sequence(megabyte())),
            6 => fine(host.delete_sequence("x")),
            7 => fine(io::read_to_string(instance("x").stdout().unwrap())),
            8 => {
                let mut some = vec![0; usize::try_from(self.dice.below(100_000)).unwrap()];
                fine(instance("endless").stdout().unwrap().read_exact(&mut some))
            }
            9 => fine(instance("endless").stdout()),
            10 => timed_out(
                instance("silent")
                    .with_deadline(self.dice.milliseconds(20))
                    .next_event("e"),
            ),
            11 => timed_out(
                instance("silent")
                    .with_idle_timeout(self.dice.milliseconds(20))
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
                let read = stream
                    .and_then(|mut stream| io::copy(&mut stream, &mut io::sink()).map_err(told));
                cancelled(read)
            }
            14 => refused(host.sequence("refuses").unwrap().overwrite(megabyte())),
            15 => refused(host.sequence("full").unwrap().overwrite(megabyte())),
            16 => refused(host.sequence_info("missing")),
            17 => lost(host.with_retry(None).sequence_info("cut")),
            18 => lost(
                instance("torn")
                    .stdout()
                    .and_then(|mut stream| io::copy(&mut stream, &mut io::sink()).map_err(told)),
            ),
            19 => lost(host.sequence("closes").unwrap().start(&StartOptions::new())),
            20 => {
                let options = WriteOptions::new(ContentType::Text).end(false);
                let mut input = instance("x").input_writer(options).unwrap();
                fine(writeln!(input, "a line").and_then(|()| input.flush()))?;
                fine(input.finish())
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
        match self.dice.below(11) {
            0 => fine(host.version()),
            1 => fine(host.list_instances()),
            2 => fine(instance.health()),
            3 => fine(instance.info()),
            4 => fine(instance.send_event("ping", "data")),
            5 => fine(
                instance
                    .with_deadline(Duration::from_secs(60))
                    .last_event("ready"),
            ),
            6 => timed_out(
                instance
                    .with_deadline(self.dice.milliseconds(50))
                    .next_event("never"),
            ),
            7 => cancelled(instance.with_cancel(&self.token()).next_event("never")),
            8 => fine(host.log_stream()),
            9 => refused(host.sequence_info("missing")),
            _ => fine(instance.stdout()),
        }
    }
}

/// What a stream says, in the words of the client.
fn told(error: io::Error) -> Error {
    error.downcast().expect("an error of the client")
}

fn fine<T, E: fmt::Debug>(result: Result<T, E>) -> Result<(), String> {
    result
        .map(drop)
        .map_err(|error| format!("it is to succeed: {error:?}"))
}

fn fails<T>(
    result: Result<T, Error>,
    how: &str,
    is_so: impl Fn(&Error) -> bool,
) -> Result<(), String> {
    match result {
        Err(error) if is_so(&error) => Ok(()),
        Err(error) => Err(format!("it is to be {how}: {error:?}")),
        Ok(_) => Err(format!("it is to be {how}, and succeeds")),
    }
}

fn timed_out<T>(result: Result<T, Error>) -> Result<(), String> {
    fails(result, "given up", Error::is_timeout)
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

/// What this process holds.
struct Figures {
    sockets: usize,
    files: usize,
    threads: usize,
    resident: usize,
}

impl Figures {
    fn now() -> Self {
        Self {
            sockets: sockets(),
            files: files().len(),
            threads: threads(),
            resident: resident(),
        }
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            sockets,
            files,
            threads,
            resident,
        } = self;
        write!(
            f,
            "{sockets:>3} sockets, {files:>3} open files, {threads:>3} threads, {resident:>6} KiB of memory"
        )
    }
}

/// Cancels what it is given, a little later.
fn cancel_all(tokens: &Receiver<CancelToken>) {
    for (number, token) in tokens.iter().enumerate() {
        if number % 2 == 0 {
            thread::sleep(Duration::from_micros(500));
        }
        token.cancel();
    }
}

/// All threads call for so long. Gives how many calls there were.
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
    // Told by every thread at its end.
    let (done, results) = channel();
    for number in 0..THREADS {
        let instance = instance.filter(|_| number < ON_HUB).cloned();
        let host = hosts[usize::from(instance.is_some())].clone();
        let dice = Dice((seed << 32) + u64::try_from(number).unwrap() + 1);
        let mut caller = Caller {
            host,
            instance,
            cancels: cancels.clone(),
            dice,
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
        // No call takes as long as this.
        match results.recv_timeout(length + Duration::from_secs(60)) {
            Ok(result) => result.unwrap_or_else(|what| panic!("{what}")),
            Err(RecvTimeoutError::Timeout) => panic!("some thread hangs"),
            Err(RecvTimeoutError::Disconnected) => panic!("some thread has panicked"),
        }
    }
    canceller.join().unwrap();
    calls.load(Ordering::Relaxed)
}

/// The process that only has the client.
fn soak(server: &str, hub: Option<&str>) {
    let before = Figures::now();
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
        settles(|| threads() == before.threads),
        "{} threads, {} before",
        threads(),
        before.threads
    );
    let warm = Figures::now();
    println!("after a while: {warm}, {calls} calls");
    let length = length();
    let calls = round(&hosts, instance.as_ref(), length, 2);
    assert!(
        settles(|| threads() == before.threads),
        "{} threads, {} before",
        threads(),
        before.threads
    );
    let after = Figures::now();
    println!("after {length:>5?}:   {after}, {calls} calls");

    // As many as are kept.
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
    let end = Figures::now();
    println!("in the end:    {end}");
    assert_eq!((end.sockets, end.files), (before.sockets, before.files));
}

#[test]
#[cfg(target_os = "linux")]
fn one_client_serves_many_threads_and_nothing_is_left_over() {
    if let Ok(server) = env::var(SERVER) {
        return soak(&server, env::var(HUB).ok().as_deref());
    }
    let _alone = alone();
    let (server, hub) = (crooked::start(), shared());
    let url = server.url();
    let mut variables = vec![(SERVER, url.as_str())];
    variables.extend(hub.map(|hub| (HUB, hub.url())));
    in_child(&variables);
    println!("the server saw {} connections", server.connections());
}
