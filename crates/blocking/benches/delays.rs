//! Delays that users notice: a first program, the end of a run, the death of an instance, and an
//! address that does not respond.
//!
//! `cargo bench --bench delays`. Set `SCRAMJET_HUB_URL` to use a running hub.

use std::io::{self, Read, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use scramjet_client_blocking::http::{Request, Response};
use scramjet_client_blocking::transport::{RequestBody, TransportError, UreqTransport};
use scramjet_client_blocking::{
    ContentType, HostClient, InstanceClient, OutputStream, StartOptions, Transport, Upload,
};
use scramjet_client_testing::fake_hub::{FakeHub, Generation};
use scramjet_client_tests::backlog::FullBacklog;
use scramjet_client_tests::bench::process::Part;
use scramjet_client_tests::bench::{Bench, Goal, Spread};
use scramjet_client_tests::{hub, package, programs};
use serde_json::{Value, json};

/// A host name with two addresses, in the hosts file that [`connect`] sees.
const NAME: &str = "two-addresses.test";

fn main() {
    let bench = Bench::start(&[Part {
        name: "connect",
        run: connect,
    }]);
    let real = hub::resolve(None).unwrap();
    // With the times of a real hub.
    let fake = FakeHub::builder(Generation::V1).start();
    programs::serve(&fake);
    let hubs = [("hub", real.url().to_owned()), ("FakeHub 1.x", fake.url())];

    for (name, url) in &hubs {
        if bench.wants("program") {
            program(&bench, name, url);
        }
        if bench.wants("run") {
            end_of_run(&bench, name, url);
        }
        if bench.wants("death") {
            death(&bench, name, url);
        }
    }
    if bench.wants("address") {
        dead_address(&bench);
    }
}

/// Measures the program at the beginning of the README.
fn program(bench: &Bench, name: &str, url: &str) {
    let package = package::sequence("shout");
    let times = (0..bench.rounds()).map(|_| {
        let (begin, package) = (Instant::now(), package.clone());
        let host = HostClient::new(url)
            .unwrap()
            .with_deadline(Duration::from_secs(60));
        let sequence = host.deploy(Upload::bytes(package)).unwrap();
        let run = sequence.run(&StartOptions::new().arg("!"), "some text");
        assert_eq!(run.unwrap().output, b"SOME TEXT!\n");
        sequence.close().unwrap();
        begin.elapsed()
    });
    let section = bench.section(&format!("program on {name}: deploy, run, delete"));
    section.report("seconds", seconds(times), Goal::AtMost(1.5));
}

/// A transport that records when the last byte of an output arrives.
struct LastByte {
    inner: UreqTransport,
    time: Arc<Mutex<Option<Instant>>>,
}

impl Transport for LastByte {
    fn send(
        &self,
        request: Request<RequestBody<'_>>,
    ) -> Result<Response<Box<dyn Read + Send>>, TransportError> {
        let is_output = request.uri().path().ends_with("/output");
        let response = self.inner.send(request)?;
        Ok(response.map(|body| -> Box<dyn Read + Send> {
            if !is_output {
                return body;
            }
            let time = Arc::clone(&self.time);
            Box::new(LastByteBody { body, time })
        }))
    }
}

struct LastByteBody {
    body: Box<dyn Read + Send>,
    time: Arc<Mutex<Option<Instant>>>,
}

impl Read for LastByteBody {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.body.read(buf)?;
        if read > 0 {
            *self.time.lock().unwrap() = Some(Instant::now());
        }
        Ok(read)
    }
}

fn end_of_run(bench: &Bench, name: &str, url: &str) {
    let time = Arc::default();
    let host = HostClient::builder(url)
        .transport(Arc::new(LastByte {
            inner: UreqTransport::default(),
            time: Arc::clone(&time),
        }))
        .build()
        .unwrap();
    let sequence = host.send_sequence(package::sequence("acts")).unwrap();
    // Hubs of 1.x refuse to kill an instance for a moment after its start.
    let steps = json!([{ "wait": 300 }, { "print": "some text" }, { "end": true }]);
    let options = StartOptions::new().app_config(json!({ "steps": steps }));
    let times: Vec<_> = (0..bench.rounds())
        .map(|_| {
            let run = sequence.run(&options, "").unwrap();
            assert_eq!(run.output, b"some text");
            time.lock().unwrap().take().unwrap().elapsed()
        })
        .collect();
    sequence.force_delete().unwrap();
    let section = bench.section(&format!("run on {name}: from the last byte to the return"));
    section.report("seconds", seconds(times), Goal::AtMost(0.3));
}

/// Measures how long each call still waits after the process of its instance has exited.
fn death(bench: &Bench, name: &str, url: &str) {
    let host = HostClient::new(url).unwrap();
    let sequence = host.send_sequence(package::sequence("answers")).unwrap();
    type Wait = fn(&InstanceClient);
    let waits: [(&str, Wait); 6] = [
        ("wait_event", |instance| {
            instance.wait_event("never").unwrap_err();
        }),
        ("wait_ended", |instance| {
            instance.wait_ended().unwrap();
        }),
        ("output_until_ended", |instance| {
            read(instance, OutputStream::Output)
        }),
        ("stdout, with stream_until_ended", |instance| {
            read(instance, OutputStream::Stdout)
        }),
        ("log, with stream_until_ended", |instance| {
            read(instance, OutputStream::Log)
        }),
        ("stdin_writer", |instance| {
            let mut writer = instance.stdin_writer(ContentType::Text).unwrap();
            while writer.write_all(b"x").and_then(|()| writer.flush()).is_ok() {
                thread::sleep(Duration::from_millis(10));
            }
        }),
    ];
    let mut times = vec![Vec::new(); waits.len() + 1];
    for _ in 0..bench.rounds() {
        let instance = sequence.start(&StartOptions::new()).unwrap();
        instance.last_event("ready").unwrap();
        let waiting = waits.map(|(_, wait)| {
            let instance = instance.clone();
            thread::spawn(move || {
                wait(&instance);
                Instant::now()
            })
        });
        let mut channel = instance.json_channel::<Value, Value>().unwrap();
        channel.ask(&json!({ "n": 1 })).unwrap();
        // All the others wait by now, or soon.
        thread::sleep(Duration::from_secs(1));
        let begin = Instant::now();
        channel.ask(&json!({ "act": "exit" })).unwrap_err();
        times[waits.len()].push(begin.elapsed());
        for (times, waiting) in times.iter_mut().zip(waiting) {
            times.push(waiting.join().unwrap().saturating_duration_since(begin));
        }
    }
    sequence.force_delete().unwrap();
    let section = bench.section(&format!("death on {name}: from the exit to the return"));
    let names = waits.iter().map(|(name, _)| *name).chain(["ask"]);
    for (name, times) in names.zip(times) {
        section.report(
            &format!("seconds of {name}"),
            seconds(times),
            Goal::AtMost(3.0),
        );
    }
}

fn read(instance: &InstanceClient, stream: OutputStream) {
    // The stream of a hub of 1.x ends with an error.
    let _ = io::copy(
        &mut instance.stream_until_ended(stream).unwrap(),
        &mut io::sink(),
    );
}

/// Measures the first request to a host name whose first address does not respond.
fn dead_address(bench: &Bench) {
    let live = TcpListener::bind(("127.0.0.3", 0)).unwrap();
    let port = live.local_addr().unwrap().port();
    let _dead = FullBacklog::at(SocketAddr::from(([127, 0, 0, 2], port)));
    thread::spawn(move || live.incoming().try_for_each(|stream| respond(stream?)));
    let hosts = env::temp_dir().join(format!("bench-hosts-{}", std::process::id()));
    fs::write(&hosts, format!("127.0.0.2 {NAME}\n127.0.0.3 {NAME}\n")).unwrap();

    let times: Result<Vec<_>, _> = (0..bench.rounds())
        .map(|_| first_request(&hosts, port))
        .collect();
    fs::remove_file(hosts).unwrap();
    match times {
        Ok(times) => {
            let section =
                bench.section("address: the first request, and the first address is dead");
            section.report("seconds", seconds(times), Goal::AtMost(0.3));
        }
        Err(error) => eprintln!("cannot give a program a hosts file of its own: {error}"),
    }
}

/// Responds to one request.
fn respond(mut stream: TcpStream) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.extend(byte);
    }
    let body = r#"{"version":"1.0.1"}"#;
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}

/// Runs [`connect`] in a process for which this is the hosts file.
fn first_request(hosts: &Path, port: u16) -> io::Result<Duration> {
    let script = r#"mount --bind "$1" /etc/hosts && shift && exec "$@""#;
    let mut command = Command::new("unshare");
    command
        .args([
            "--user",
            "--map-root-user",
            "--mount",
            "sh",
            "-c",
            script,
            "sh",
        ])
        .arg(hosts)
        .arg(env::current_exe()?)
        .args(["--part", "connect", &port.to_string()]);
    let output = command.output()?;
    if !output.status.success() {
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(io::Error::other(error));
    }
    let nanos = String::from_utf8_lossy(&output.stdout).trim().parse();
    nanos.map(Duration::from_nanos).map_err(io::Error::other)
}

/// Prints how many nanoseconds a first request takes.
fn connect(args: &[String]) {
    let host = HostClient::new(format!("http://{NAME}:{}/api/v1", args[0])).unwrap();
    let begin = Instant::now();
    host.version().unwrap();
    println!("{}", begin.elapsed().as_nanos());
}

fn seconds(times: impl IntoIterator<Item = Duration>) -> Spread {
    Spread::of(times.into_iter().map(|time| time.as_secs_f64()))
}
