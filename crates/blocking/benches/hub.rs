//! A real hub, which the test kit installs and starts: what a program waits for when it starts a sequence, and what of that is the client's.
//!
//! `cargo bench --bench hub`. `SCRAMJET_HUB_URL` makes it a hub that runs already.

mod bare;

use scramjet_client_blocking::{HostClient, KillOptions, StartOptions};
use scramjet_client_tests::bench::{Bench, Cost, Goal, Spread, Unit, side};
use scramjet_client_tests::{hub, package};
use serde::Deserialize;
use serde::de::IgnoredAny;

const OURS: &str = "scramjet-client";
const UREQ: &str = "ureq + serde_json";

#[derive(Deserialize)]
struct Started {
    id: String,
}

fn main() {
    let bench = Bench::start(&[]);
    let hub = hub::any(None).unwrap();
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
        compared.cpu(OURS, UREQ, Goal::AtMost(1.15));
    }
    if bench.wants("cycle") {
        let sequence = host.send_sequence(package::sequence("stays")).unwrap();
        let ours = || {
            let instance = sequence.start(&StartOptions::new()).unwrap();
            assert_eq!(instance.event("ready").unwrap().data, "stays");
            instance.kill(&KillOptions::new()).unwrap();
        };
        let ureq = || {
            let Started { id } =
                bare::value(post(&format!("{url}/sequence/{}/start", sequence.id())));
            get(&format!("{url}/instance/{id}/event/ready"));
            let IgnoredAny = bare::value(post(&format!("{url}/instance/{id}/_kill")));
        };
        // One of each side in turns, many times: what a hub needs for one differs by a half, and the hundredths of the median are what counts.
        let compared = bench.in_rounds(240).compare(
            "cycle: start, until it is ready, kill on a hub",
            Unit::Whole,
            vec![
                side(OURS, || Cost::of(ours).0),
                side(UREQ, || Cost::of(ureq).0),
            ],
        );
        compared.time(OURS, UREQ, Goal::AtMost(1.02));
        let median = |name| compared.spread(name, |cost| cost.wall.as_secs_f64()).median;
        compared.tell(
            "the median time of the one / that of the other",
            Spread::of([median(OURS) / median(UREQ)]),
            Goal::Told,
        );
        compared.cpu(OURS, UREQ, Goal::Told);
        for name in [OURS, UREQ] {
            let cpu = compared.spread(name, |cost| cost.cpu.unwrap().as_secs_f64() * 1e3);
            compared.tell(&format!("CPU of {name}, ms"), cpu, Goal::Told);
        }
        sequence.force_delete().unwrap();
    }
}
