//! Calls to a real hub, which the test kit installs and starts: how long starts, requests and jobs
//! take, and how much of that is the client's share.
//!
//! `cargo bench --bench hub`. Set `SCRAMJET_HUB_URL` to use a running hub.

mod bare;

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;

use scramjet_client_blocking::{
    HostClient, InstanceClient, InstancePool, KillOptions, MapOptions, PoolOptions, Readiness,
    SequenceClient, StartOptions,
};
use scramjet_client_tests::bench::{Bench, Cost, Goal, Spread, Unit, side};
use scramjet_client_tests::{hub, package};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

const OURS: &str = "scramjet-client";
const UREQ: &str = "ureq + serde_json";

const ASK: &str = "ask";
const RAW: &str = "a chunk out, a chunk in";
const ONE: &str = "1 instance";
const TWO: &str = "2 instances";
const FOUR: &str = "4 instances";
const PIPELINED: &str = "4 instances, 8 jobs each";

#[derive(Deserialize)]
struct Started {
    id: String,
}

fn main() {
    let bench = Bench::start(&[]);
    let hub = hub::resolve(None).unwrap();
    let host = HostClient::new(hub.url()).unwrap();
    let (agent, url) = (bare::agent(), hub.url());
    let get = |url: &str| {
        let IgnoredAny = bare::value(agent.get(url).call());
    };
    let post = |url: &str| {
        agent
            .post(url)
            .header("content-type", "application/json")
            .send("{}")
    };

    if bench.wants("sequential") {
        let requests = bench.scaled(2_000);
        let compared = bench.compare(
            &format!("sequential: version() of a hub, {requests} times"),
            Unit::Each(requests, "request"),
            vec![
                side(OURS, || {
                    Cost::of(|| (0..requests).for_each(|_| drop(host.version().unwrap()))).0
                }),
                side(UREQ, || {
                    Cost::of(|| (0..requests).for_each(|_| get(&format!("{url}/version")))).0
                }),
            ],
        );
        compared.speed(OURS, UREQ, Goal::AtLeast(0.90));
        compared.cpu(OURS, UREQ, Goal::AtMost(1.10));
    }
    if bench.wants("cycle") {
        let sequence = host.send_sequence(package::sequence("stays")).unwrap();
        let ours = || {
            let instance = sequence.start(&StartOptions::new()).unwrap();
            assert_eq!(instance.last_event("ready").unwrap().data, "stays");
            instance.kill(&KillOptions::new()).unwrap();
        };
        let ureq = || {
            let Started { id } =
                bare::value(post(&format!("{url}/sequence/{}/start", sequence.id())));
            get(&format!("{url}/instance/{id}/event/ready"));
            let IgnoredAny = bare::value(post(&format!("{url}/instance/{id}/_kill")));
        };
        // Many rounds of one cycle each: the hub's time varies by half, and the goal is about
        // hundredths of the median.
        let compared = bench.in_rounds(240).compare(
            "cycle: start, wait until ready, kill on a hub",
            Unit::Whole,
            vec![
                side(OURS, || Cost::of(ours).0),
                side(UREQ, || Cost::of(ureq).0),
            ],
        );
        compared.time(OURS, UREQ, Goal::AtMost(1.02));
        let median = |name| compared.spread(name, |cost| cost.wall.as_secs_f64()).median;
        compared.report(
            "median time / median time of ureq",
            Spread::of([median(OURS) / median(UREQ)]),
            Goal::None,
        );
        compared.cpu(OURS, UREQ, Goal::None);
        for name in [OURS, UREQ] {
            let cpu = compared.spread(name, |cost| cost.cpu.unwrap().as_secs_f64() * 1e3);
            compared.report(&format!("CPU of {name}, ms"), cpu, Goal::None);
        }
        sequence.force_delete().unwrap();
    }
    let pool = |sequence: &SequenceClient, count| -> InstancePool {
        PoolOptions::new(count)
            .readiness(Readiness::event("ready"))
            .start([sequence.clone()], |_| StartOptions::new())
            .unwrap()
    };
    if bench.wants("ask") {
        let sequence = host.send_sequence(package::sequence("words")).unwrap();
        let pool = pool(&sequence, 2);
        let [ours, raws] = [(); 2].map(|()| pool.checkout().unwrap());
        let mut channel = ours.json_channel::<Value, Value>().unwrap();
        let mut raw = Raw::open(hub.url(), &raws);
        let job = json!({ "text": "one two three" });
        let asks = bench.scaled(800);
        let compared = bench.compare(
            &format!("ask: a request and its response on a hub, {asks} times"),
            Unit::Each(asks, "request"),
            vec![
                side(ASK, || {
                    let ask = |_| drop(channel.ask(&job).unwrap());
                    Cost::of(|| (0..asks).for_each(ask)).0
                }),
                side(RAW, || {
                    Cost::of(|| (0..asks).for_each(|_| drop(raw.ask(&job)))).0
                }),
            ],
        );
        compared.time(ASK, RAW, Goal::AtMost(1.3));
        drop((channel, pool));
        sequence.force_delete().unwrap();
    }
    for (name, pause) in [("map", 0), ("map with pauses", 5)] {
        if !bench.wants(name) {
            continue;
        }
        let sequence = host.send_sequence(package::sequence("words")).unwrap();
        let pools = [1, 2, 4].map(|count| pool(&sequence, count));
        let jobs = bench.scaled(800);
        let all = |pool: &InstancePool, depth| {
            let job = move |_| json!({ "text": "one two three", "pause": pause });
            let options = MapOptions::new().pipelined(depth);
            let answers = pool.map::<Value, Value>((0..jobs).map(job), options);
            assert!(answers.unwrap().all(|(_, answer)| answer.is_ok()));
        };
        let [one, two, four] = &pools;
        let compared = bench.compare(
            &format!("{name}: {jobs} jobs of {pause} ms for the instances of a pool"),
            Unit::Each(jobs, "job"),
            vec![
                side(ONE, || Cost::of(|| all(one, 1)).0),
                side(TWO, || Cost::of(|| all(two, 1)).0),
                side(FOUR, || Cost::of(|| all(four, 1)).0),
                side(PIPELINED, || Cost::of(|| all(four, 8)).0),
            ],
        );
        for more in [TWO, FOUR, PIPELINED] {
            compared.speed(more, ONE, Goal::None);
        }
        drop(pools);
        sequence.force_delete().unwrap();
    }
}

/// Requests to an instance and its responses over plain sockets.
struct Raw {
    input: TcpStream,
    output: BufReader<TcpStream>,
}

impl Raw {
    fn open(url: &str, instance: &InstanceClient) -> Self {
        let address = url.trim_start_matches("http://");
        let (address, _) = address.split_once('/').unwrap();
        let request = |line: &str, headers: &str| {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.set_nodelay(true).unwrap();
            let (method, stream_name) = line.split_once(' ').unwrap();
            let path = format!("/api/v1/instance/{}/{stream_name}", instance.id());
            let head = format!("{method} {path} HTTP/1.1\r\nhost: {address}\r\n{headers}\r\n");
            stream.write_all(head.as_bytes()).unwrap();
            stream
        };
        let output = BufReader::new(request("GET output", ""));
        let headers = "content-type: application/x-ndjson\r\nx-end-stream: false\r\n\
                       transfer-encoding: chunked\r\n";
        let input = request("POST input", headers);
        Self { input, output }
    }

    fn ask(&mut self, job: &Value) -> Value {
        let line = format!("{job}\n");
        let chunk = format!("{:x}\r\n{line}\r\n", line.len());
        self.input.write_all(chunk.as_bytes()).unwrap();
        loop {
            let mut line = String::new();
            self.output.read_line(&mut line).unwrap();
            // Skips response heads and chunk sizes, which do not begin with a brace.
            if line.starts_with('{') {
                return serde_json::from_str(&line).unwrap();
            }
        }
    }
}
