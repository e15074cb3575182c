//! Streams of lines: the cost of splitting them, and of parsing them as JSON.
//!
//! `cargo bench --bench lines`

mod bare;

use std::io::{BufRead as _, BufReader, Read};

use scramjet_client_blocking::{ByteStream, HostClient};
use scramjet_client_tests::bench::process::{Part, pin_to_one_processor, pin_with_server};
use scramjet_client_tests::bench::raw::{BUFFER, Raw};
use scramjet_client_tests::bench::server::{Server, lines};
use scramjet_client_tests::bench::{Bench, Cost, Goal, Side, Unit, side_in_process};
use serde::Deserialize;

const LINES: &str = "lines()";
const BYTE_LINES: &str = "byte_lines()";
const READ_UNTIL: &str = "BufRead::read_until";
const UREQ_UNTIL: &str = "read_until of ureq's body";
const STD_LINES: &str = "BufRead::lines";
const JSON_LINES: &str = "json_lines()";
const FROM_SLICE: &str = "from_slice of lines in memory";
const BOTH: &str = "the same, and read the stream";
const RAW_BOTH: &str = "the same, and read a TcpStream";

/// A line of the server.
#[derive(Deserialize)]
#[expect(dead_code, reason = "only parsed")]
struct Record {
    level: String,
    ts: u64,
    from: String,
    id: String,
    msg: String,
}

fn main() {
    let bench = Bench::start(&[Part {
        name: "cost",
        run: cost_of,
    }]);
    pin_to_one_processor();
    let server = Server::start();
    let block = lines();
    // As many blocks as the server sends.
    let blocks = bench.scaled(1 << 30).div_ceil(block.len() as u64);
    let bytes = blocks * block.len() as u64;
    let count = blocks * split_lines(&block).len() as u64;
    let side = |who: &'static str| -> Side<'_> {
        side_in_process(
            who,
            "cost",
            [
                who.into(),
                blocks.to_string(),
                count.to_string(),
                server.address().to_string(),
            ],
        )
    };

    if bench.wants("text") {
        let compared = bench.compare(
            &format!(
                "text: {count} lines, {} MiB, of {} bytes on average",
                bytes >> 20,
                bytes / count
            ),
            Unit::Bytes(bytes),
            [LINES, READ_UNTIL, UREQ_UNTIL, BYTE_LINES, STD_LINES]
                .map(side)
                .into(),
        );
        compared.speed(LINES, READ_UNTIL, Goal::AtLeast(0.95));
        compared.cpu(LINES, READ_UNTIL, Goal::None);
        compared.speed(LINES, UREQ_UNTIL, Goal::None);
        compared.cpu(LINES, UREQ_UNTIL, Goal::None);
        compared.speed(BYTE_LINES, READ_UNTIL, Goal::None);
        compared.speed(LINES, STD_LINES, Goal::None);
        compared.cpu(LINES, STD_LINES, Goal::None);
    }
    if bench.wants("json") {
        // The in-memory side has no server, so the server's work must not count for the others.
        pin_with_server(&server);
        let compared = bench.compare(
            &format!("json: {count} values, {} MiB", bytes >> 20),
            Unit::Bytes(bytes),
            [JSON_LINES, FROM_SLICE, BOTH, RAW_BOTH].map(side).into(),
        );
        compared.speed(JSON_LINES, FROM_SLICE, Goal::AtLeast(0.90));
        compared.speed(JSON_LINES, BOTH, Goal::AtLeast(0.90));
        compared.cpu(JSON_LINES, BOTH, Goal::AtMost(1.11));
        compared.speed(BOTH, FROM_SLICE, Goal::None);
        compared.speed(RAW_BOTH, FROM_SLICE, Goal::None);
        compared.cpu(JSON_LINES, FROM_SLICE, Goal::None);
    }
}

fn cost_of(args: &[String]) {
    let [who, blocks, count, address] = args else {
        unreachable!("{args:?}")
    };
    let (blocks, count): (u64, u64) = (blocks.parse().unwrap(), count.parse().unwrap());
    let block = lines();
    let what = format!("lines-{}", blocks * block.len() as u64);
    let (base, path) = (
        format!("http://{address}/api/v1"),
        format!("/instance/{what}/output"),
    );
    let instance = HostClient::builder(&base)
        .hub_version("1.0.1")
        .build()
        .unwrap()
        .instance(what)
        .unwrap();
    let (agent, url) = (bare::agent(), base + &path);
    let stream = || instance.output().unwrap();
    let in_memory = split_lines(&block);
    let parse = || {
        (0..blocks)
            .flat_map(|_| &in_memory)
            .map(|line| drop(serde_json::from_slice::<Record>(line).unwrap()))
            .count() as u64
    };

    let (cost, counted) = Cost::of(|| match who.as_str() {
        LINES => stream().lines().map(|line| drop(line.unwrap())).count() as u64,
        BYTE_LINES => stream()
            .byte_lines()
            .map(|line| drop(line.unwrap()))
            .count() as u64,
        READ_UNTIL => read_until(stream()),
        UREQ_UNTIL => read_until(agent.get(&url).call().unwrap().into_body().into_reader()),
        STD_LINES => buffered(stream())
            .lines()
            .map(|line| drop(line.unwrap()))
            .count() as u64,
        JSON_LINES => stream()
            .json_lines::<Record>()
            .map(|value| drop(value.unwrap()))
            .count() as u64,
        FROM_SLICE => parse(),
        BOTH => {
            drain(stream());
            parse()
        }
        RAW_BOTH => {
            Raw::connect(address.parse().unwrap()).download(&path);
            parse()
        }
        who => unreachable!("{who}"),
    });
    assert_eq!(counted, count);
    cost.print();
}

/// Returns the lines of a block.
fn split_lines(block: &[u8]) -> Vec<&[u8]> {
    block
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .collect()
}

fn buffered<R: Read>(stream: R) -> BufReader<R> {
    BufReader::with_capacity(BUFFER, stream)
}

/// Reads lines into one reused buffer, which is the lower bound.
fn read_until(stream: impl Read) -> u64 {
    let (mut reader, mut line, mut count) = (buffered(stream), Vec::new(), 0);
    while reader.read_until(b'\n', &mut line).unwrap() > 0 {
        line.clear();
        count += 1;
    }
    count
}

/// Reads and discards a stream.
fn drain(mut stream: ByteStream) {
    let mut buf = vec![0; BUFFER];
    while stream.read(&mut buf).unwrap() > 0 {}
}
