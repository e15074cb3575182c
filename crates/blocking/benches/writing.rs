//! The latency of one line written to an open input.
//!
//! `cargo bench --bench writing`

use std::io::Write as _;
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use scramjet_client_blocking::{ContentType, HostClient};
use scramjet_client_tests::bench::raw::{Raw, each_chunk};
use scramjet_client_tests::bench::{Bench, Cost, Goal, Spread, Unit, side};

const OURS: &str = "input_writer";
const RAW: &str = "a chunk into a TcpStream";
const BY_ANOTHER: &str = "the same by another thread";
const LINE: &str = "a line that somebody typed\n";

/// Runs the server in this process, so that both sides share a clock. It reports the arrival of
/// each line.
fn main() {
    let bench = Bench::start(&[]);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (report, arrived) = channel();
    let (open, opened) = channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, report) = (stream.unwrap(), report.clone());
            open.send(stream.try_clone().unwrap()).unwrap();
            thread::spawn(move || each_chunk(stream, |_| report.send(Instant::now()).unwrap()));
        }
    });

    let host = HostClient::builder(format!("http://{address}/api/v1"))
        .hub_version("1.0.1")
        .build()
        .unwrap();
    let mut writer = host
        .instance("x")
        .unwrap()
        .input_writer(ContentType::Text)
        .unwrap();
    writer
        .write_all(LINE.as_bytes())
        .and_then(|()| writer.flush())
        .unwrap();
    let ours = opened.recv().unwrap();
    arrived.recv().unwrap();
    let chunk = format!("{:x}\r\n{LINE}\r\n", LINE.len());
    let connect = || {
        let raw = Raw::connect(address).begin_chunked("/instance/x/input");
        opened.recv().unwrap();
        raw
    };
    let (mut raw, mut others) = (connect(), connect());
    // A client that pulls a body from a reader has a thread for that, and must wake it for each
    // line. This thread does the same with a plain socket.
    let (wake, woken) = channel();
    let (send, sent) = channel();
    let line = chunk.clone();
    thread::spawn(move || {
        woken.iter().try_for_each(|()| {
            others
                .write_all(line.as_bytes())
                .map_err(drop)
                .and_then(|()| send.send(()).map_err(drop))
        })
    });

    for (name, pause) in [
        ("typed", Duration::from_millis(2)),
        ("burst", Duration::ZERO),
    ] {
        if !bench.wants(name) {
            continue;
        }
        let lines = if pause.is_zero() {
            bench.scaled(8_000)
        } else {
            bench.scaled(400).max(100)
        };
        let compared = bench.compare(
            &format!(
                "{name}: a line, {lines} times, {} ms after the one before; medians",
                pause.as_millis()
            ),
            Unit::Each(1, "line"),
            vec![
                side(OURS, || {
                    median(lines, pause, &arrived, || {
                        writer.write_all(LINE.as_bytes()).unwrap();
                        writer.flush().unwrap();
                    })
                }),
                side(RAW, || {
                    median(lines, pause, &arrived, || {
                        raw.write_all(chunk.as_bytes()).unwrap()
                    })
                }),
                side(BY_ANOTHER, || {
                    median(lines, pause, &arrived, || {
                        wake.send(()).unwrap();
                        sent.recv().unwrap();
                    })
                }),
            ],
        );
        compared.time(OURS, RAW, Goal::AtMost(1.3));
        compared.time(OURS, BY_ANOTHER, Goal::None);
        compared.time(BY_ANOTHER, RAW, Goal::None);
    }
    // Ends the writer's request.
    ours.shutdown(std::net::Shutdown::Both).unwrap();
}

/// Returns the median time from before a write until its arrival.
fn median(
    lines: u64,
    pause: Duration,
    arrived: &Receiver<Instant>,
    mut write: impl FnMut(),
) -> Cost {
    let times = (0..lines).map(|_| {
        thread::sleep(pause);
        let begin = Instant::now();
        write();
        (arrived.recv().unwrap() - begin).as_secs_f64()
    });
    Cost::time(Duration::from_secs_f64(Spread::of(times).median))
}
