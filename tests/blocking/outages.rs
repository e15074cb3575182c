//! Calls that wait for an instance while gateways, links or the hub fail.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use scramjet_client_blocking::pack::DeployChange;
use scramjet_client_blocking::types::LogLine;
use scramjet_client_blocking::{
    DeployKey, Error, Event, Followed, HostClient, HostClientBuilder, InstanceClient, Package,
    PoolOptions, StartOptions,
};
use scramjet_client_testing::fake_hub::{FakeHub, Fault, Generation, Proxy};
use scramjet_client_tests::hub::shared;
use scramjet_client_tests::link::Link;
use scramjet_client_tests::package;
#[cfg(target_os = "linux")]
use scramjet_client_tests::process::connections_to;
use scramjet_client_tests::programs::fake_hub;
use scramjet_client_tests::scripted::ScriptedServer;
use serde_json::json;

use crate::helpers::{Folder, within};
use crate::live::Uploaded;
use crate::stub_hub::until;

pub(crate) const GENERATIONS: [Generation; 2] = [Generation::V0_18, Generation::V1];

/// Bodies of `404` responses that no hub sends.
const PAGES: [&str; 3] = [
    "404 page not found\n",
    "<html><h1>404 Not Found</h1></html>",
    "",
];

/// Starts an instance of a sample sequence.
fn start(hub: &FakeHub, sequence: &str, options: &StartOptions) -> InstanceClient {
    let sequence = hub.client().send_sequence(package::sequence(sequence));
    let instance = sequence.unwrap().start(options).unwrap();
    instance.wait_event("ready").unwrap();
    instance
}

/// Runs the function for each item in parallel.
pub(crate) fn in_parallel<T: Send>(items: impl IntoIterator<Item = T>, act: impl Fn(T) + Sync) {
    let current = thread::current();
    let name = current.name().unwrap_or_default();
    thread::scope(|scope| {
        for item in items {
            let (act, thread) = (&act, thread::Builder::new().name(name.to_owned()));
            thread.spawn_scoped(scope, move || act(item)).unwrap();
        }
    });
}

/// Hides the hub behind a gateway until the gateway has refused this many requests of the waiting
/// call.
fn refuse_by_gateway<T: Send + 'static>(
    hub: &FakeHub,
    page: &str,
    waiter: &JoinHandle<T>,
    refusals: usize,
) {
    hub.set_proxy(Proxy::default().answer_if_unreachable(404, page));
    hub.set_unreachable(true);
    let before = hub.requests().len();
    hub.wait_until("the gateway has refused the requests", |hub| {
        assert!(
            !waiter.is_finished(),
            "the call returned because of {page:?}"
        );
        hub.requests().len() >= before + refusals
    });
    hub.set_unreachable(false);
    hub.set_proxy(None);
}

#[test]
fn wait_ended_does_not_return_on_a_404_of_a_gateway() {
    within("waiting", || {
        for (generation, page) in pages() {
            let hub = fake_hub(generation);
            let instance = start(&hub, "events", &StartOptions::new());
            let killed = Arc::new(AtomicBool::new(false));
            let before = hub.requests().len();
            let waiter = thread::spawn({
                let (instance, killed) = (instance.clone(), Arc::clone(&killed));
                move || (instance.wait_ended(), killed.load(Ordering::SeqCst))
            });
            // `wait_ended` fails sooner if the hub has never responded.
            hub.wait_until("the hub has answered", |hub| {
                hub.requests().len() >= before + 2
            });
            refuse_by_gateway(&hub, page, &waiter, 3);
            killed.store(true, Ordering::SeqCst);
            assert!(hub.crash(instance.id()));
            let (ended, killed) = waiter.join().unwrap();
            assert!(
                killed && ended.is_ok(),
                "{generation:?}, {page:?}: {ended:?}"
            );
        }
    });
}

#[test]
fn wait_event_does_not_return_on_a_404_of_a_gateway() {
    within("waiting", || {
        for (generation, page) in pages() {
            let hub = fake_hub(generation);
            let instance = start(&hub, "events", &StartOptions::new());
            let waiter = thread::spawn({
                let instance = instance.clone();
                move || instance.wait_event("pong")
            });
            refuse_by_gateway(&hub, page, &waiter, 4);
            instance.send_event("ping", "here").unwrap();
            let event = waiter.join().unwrap().unwrap();
            assert_eq!(event.data, "here", "{generation:?}, {page:?}");
        }
    });
}

#[test]
fn follow_log_does_not_end_on_a_404_of_a_gateway() {
    within("following", || {
        for (generation, page) in pages() {
            let hub = fake_hub(generation);
            logs_on_request(&hub);
            let instance = start(&hub, "events", &StartOptions::new());
            let (sender, receiver) = channel();
            let waiter = thread::spawn({
                let instance = instance.clone();
                move || {
                    for item in instance.follow_log().unwrap() {
                        sender.send(item.map(line)).unwrap();
                    }
                }
            });
            // The stream is open.
            receiver.recv().unwrap().unwrap();
            refuse_by_gateway(&hub, page, &waiter, 3);
            instance.send_event("log", "after").unwrap();
            let after = receiver
                .iter()
                .find(|item| matches!(item, Ok(Some(line)) if line == "after"));
            assert!(after.is_some(), "{generation:?}, {page:?}");
            assert!(hub.crash(instance.id()));
            waiter.join().unwrap();
        }
    });
}

fn pages() -> impl Iterator<Item = (Generation, &'static str)> {
    let pages = |generation| PAGES.into_iter().map(move |page| (generation, page));
    GENERATIONS.into_iter().flat_map(pages)
}

/// Replaces the program `events` by one that logs the data of each event `log`.
fn logs_on_request(hub: &FakeHub) {
    hub.program("events", |process| {
        process.on("log", |process, data| {
            process.log(data.as_str().unwrap_or_default());
        });
        process.log("first");
        process.emit("ready", "events");
        process.run_until_killed()
    });
}

fn line(item: Followed<LogLine>) -> Option<String> {
    match item {
        Followed::Item(line) => Some(line.msg),
        Followed::Gap(_) => None,
    }
}

#[test]
fn force_delete_sequence_does_not_count_a_404_of_a_gateway_as_success() {
    within("deleting", || {
        for (generation, page) in pages() {
            let hub = fake_hub(generation);
            let instance = start(&hub, "events", &StartOptions::new());
            let sequence = instance.info().unwrap().sequence.unwrap().id().clone();
            let host = hub.client();
            // The first request of the call, and two later ones.
            for (method, path) in [
                ("GET", "sequence/*/instances"),
                ("POST", "instance/*/_kill"),
                ("DELETE", "sequence/*"),
            ] {
                hub.fault(Fault::refuse(404, page).on(method, path));
            }
            host.force_delete_sequence(&sequence).unwrap();
            assert!(hub.running().is_empty() && hub.sequences().is_empty());
        }
    });
}

#[test]
fn pool_next_keeps_an_instance_after_a_404_of_a_gateway() {
    within("a pool", || {
        for (generation, page) in pages() {
            let hub = fake_hub(generation);
            let sequence = hub.client().send_sequence(package::sequence("events"));
            let pool = PoolOptions::new(1)
                .start([sequence.unwrap()], |_| StartOptions::new())
                .unwrap();
            hub.fault(Fault::refuse(404, page).on("GET", "instances").times(2));
            let before = hub.requests().len();
            hub.wait_until("the pool requests the list again", |hub| {
                let is_list = |line: &&String| line.ends_with("/instances");
                hub.requests().iter().skip(before).filter(is_list).count() > 2
            });
            hub.fault(Fault::refuse(404, page).on("POST", "instance/*/_event"));
            let instance = pool.next().expect("an instance");
            let error = instance.send_event("ping", "x").unwrap_err();
            assert!(error.is_not_found(), "{error:?}");
            assert!(pool.next().is_some(), "{generation:?}, {page:?}");
        }
    });
}

#[test]
fn deploy_if_changed_does_not_trust_a_404_of_a_gateway() {
    within("deploying", || {
        for (generation, page) in pages() {
            let hub = fake_hub(generation);
            let host = hub.client();
            let folder = Folder::new(&format!("gateways-{generation:?}-{}", page.len()));
            let source = package::sequence_dir("events");
            let deploy = |dir| {
                let package = Package::from_dir(dir).unwrap();
                let key = DeployKey::new("events", folder.0.join("state.json"));
                host.deploy_if_changed(&package, &key.never_in_place().remove_old())
            };
            deploy(source.clone()).unwrap();
            hub.fault(Fault::refuse(404, page).on("GET", "sequence/*"));
            let error = deploy(source.clone()).unwrap_err();
            assert!(error.to_string().contains("404"), "{error}");
            assert_eq!(hub.sequences().len(), 1, "{generation:?}, {page:?}");

            // A sequence that could not be deleted stays in the state file.
            hub.fault(Fault::refuse(404, page).on("DELETE", "sequence/*"));
            let other = package::sequence_dir("echo");
            let deployed = deploy(other.clone()).unwrap();
            assert_eq!(
                (deployed.change, deployed.remaining.len()),
                (DeployChange::Updated, 1)
            );
            assert!(deploy(other).unwrap().remaining.is_empty());
            assert_eq!(hub.sequences().len(), 1, "{generation:?}, {page:?}");
        }
    });
}

#[test]
fn deployment_close_does_not_count_a_404_of_a_gateway_as_success() {
    within("deploying", || {
        for (generation, page) in pages() {
            let hub = fake_hub(generation);
            let deployment = hub.client().deploy(package::sequence("events")).unwrap();
            hub.fault(
                Fault::refuse(404, page)
                    .on("GET", "sequence/*/instances")
                    .always(),
            );
            assert!(deployment.close().unwrap_err().is_not_found());
            assert_eq!(hub.sequences().len(), 1, "{generation:?}, {page:?}");
        }
    });
}

/// Triggers an event repeatedly until the waiting call returns.
fn wait_while_triggering<T: Send + 'static>(
    trigger: impl Fn(),
    wait: impl FnOnce() -> T + Send + 'static,
) -> T {
    let (sender, receiver) = channel();
    let waiter = thread::spawn(move || sender.send(wait()).unwrap());
    loop {
        match receiver.recv_timeout(Duration::from_millis(100)) {
            Ok(value) => return value,
            Err(RecvTimeoutError::Timeout) => trigger(),
            Err(RecvTimeoutError::Disconnected) => {
                std::panic::resume_unwind(waiter.join().unwrap_err())
            }
        }
    }
}

/// The gateway times out each request. It responds with an error, or, if it has already forwarded
/// the response head, it closes the connection.
#[test]
fn wait_event_and_next_event_outlast_the_timeout_of_a_gateway() {
    type Wait = fn(&InstanceClient) -> Result<Event, Error>;
    let waits: [Wait; 4] = [
        |instance| instance.wait_event("pong"),
        |instance| instance.last_event("pong"),
        |instance| instance.wait_next_event("pong"),
        |instance| instance.next_event("pong"),
    ];
    within("waiting", move || {
        let gateways = [
            (Generation::V0_18, true),
            (Generation::V1, true),
            (Generation::V1, false),
        ];
        let cases = gateways
            .into_iter()
            .flat_map(|gateway| waits.map(|wait| (gateway, wait)));
        in_parallel(cases, |((generation, buffers_heads), wait)| {
            let hub = fake_hub(generation);
            let instance = start(&hub, "events", &StartOptions::new());
            let mut proxy = Proxy::nginx();
            proxy.timeout = Some(Duration::from_millis(200));
            proxy.buffers_heads = buffers_heads;
            hub.set_proxy(proxy);
            let (before, waiting) = (hub.requests().len(), instance.clone());
            // Lets the gateway time out several requests first.
            let trigger = || {
                let requests = hub.requests();
                let of_events = requests
                    .iter()
                    .skip(before)
                    .filter(|line| line.contains("/event"));
                if of_events.count() > 4 {
                    instance.send_event("ping", "x").unwrap();
                }
            };
            let event = wait_while_triggering(trigger, move || wait(&waiting)).unwrap();
            assert_eq!(event.data, "x", "{generation:?}");
        });
    });
}

#[test]
fn next_event_and_last_event_return_an_event_without_data() {
    let steps =
        json!({ "steps": [{ "on": "go", "emit": "bare" }, { "emit": "ready", "data": "x" }] });
    let options = StartOptions::new().app_config(steps);
    within("waiting", move || {
        let hub = fake_hub(Generation::V1);
        let instance = start(&hub, "acts", &options);
        for wait in [InstanceClient::next_event, InstanceClient::last_event] {
            let waiting = instance.clone();
            let event = wait_while_triggering(
                || instance.send_event("go", ()).unwrap(),
                move || wait(&waiting, "bare"),
            );
            let event = event.unwrap();
            assert_eq!((event.name.as_str(), event.data), ("bare", json!(null)));
        }
    });
}

#[test]
fn last_event_timeout_explains_that_1_x_hides_events_without_data() {
    let steps = json!({ "steps": [{ "emit": "bare" }, { "emit": "ready", "data": "x" }] });
    let options = StartOptions::new().app_config(steps);
    within("waiting", move || {
        let hub = fake_hub(Generation::V1);
        let instance = start(&hub, "acts", &options).with_deadline(Duration::from_secs(1));
        let error = instance.last_event("bare").unwrap_err();
        assert!(error.is_timeout(), "{error:?}");
        assert!(
            error.to_string().ends_with("emit it with a string"),
            "{error}"
        );
        let error = instance.next_event("bare").unwrap_err();
        assert!(
            error.is_timeout() && !error.to_string().contains("emit it"),
            "{error}"
        );

        // Hubs of 0.18 do not hide such events.
        let hub = fake_hub(Generation::V0_18);
        let instance = start(&hub, "acts", &options);
        assert_eq!(instance.last_event("bare").unwrap().data, json!(null));
    });
}

/// Returns the URL of each hub: the real one, if there is one, and a fake one of each generation.
/// There is no `FakeHub` for the real one.
pub(crate) fn hubs() -> Vec<(String, Option<FakeHub>)> {
    let real = shared().map(|hub| (hub.url().to_owned(), None));
    let fakes = GENERATIONS.map(|generation| {
        let hub = fake_hub(generation);
        (hub.url(), Some(hub))
    });
    real.into_iter().chain(fakes).collect()
}

#[test]
fn follow_log_of_an_instance_yields_each_line_once_despite_gaps() {
    within("following", || {
        for generation in GENERATIONS {
            let hub = fake_hub(generation);
            logs_on_request(&hub);
            let link = Link::to(&hub.url());
            let host = HostClient::new(link.url()).unwrap();
            let sequence = host.send_sequence(package::sequence("events")).unwrap();
            let instance = sequence.start(&StartOptions::new()).unwrap();
            let mut log = instance.follow_log().unwrap();
            let mut seen = Vec::new();
            let mut gaps = 0;
            let mut read_until = |ends: &dyn Fn(Option<&str>) -> bool| {
                loop {
                    let line = line(log.next().expect("a log without an end").unwrap());
                    let is_last = ends(line.as_deref());
                    gaps += usize::from(line.is_none());
                    seen.extend(line);
                    if is_last {
                        return;
                    }
                }
            };
            for round in 0..4 {
                let text = format!("round {round}");
                instance.send_event("log", &text).unwrap();
                read_until(&|line| line == Some(&text));
                link.close_connections();
                if generation == Generation::V1 {
                    // This line is only in the log of the hub. The log of the instance has no
                    // earlier lines after a reconnect.
                    let direct = hub.client().instance(instance.id()).unwrap();
                    direct.send_event("log", format!("gap {round}")).unwrap();
                }
                // On 0.18, lines that the hub wrote into the lost connection are missing.
                read_until(&|line| line.is_none());
            }
            instance.send_event("log", "last").unwrap();
            read_until(&|line| line == Some("last"));
            let rounds = (0..4).map(|round| format!("round {round}"));
            let in_gaps = (0..4).map(|round| format!("gap {round}"));
            let in_gaps = in_gaps.filter(|_| generation == Generation::V1);
            for text in rounds.chain(in_gaps).chain(["first".into(), "last".into()]) {
                let times = seen.iter().filter(|line| **line == text).count();
                assert_eq!(times, 1, "{generation:?}: {text}: {seen:?}");
            }
            assert!(gaps >= 3, "{generation:?}: {gaps} gaps");
        }
    });
}

#[test]
fn follow_log_of_a_hub_repeats_no_lines_after_a_gap() {
    within("following", || {
        in_parallel(hubs(), |(url, _hub)| {
            let direct = HostClient::new(&url).unwrap();
            let (sequence, link) = (Uploaded::sample(&direct, "events"), Link::to(&url));
            let host = HostClient::new(link.url()).unwrap();
            let mut log = host.follow_log().unwrap();
            let (mut ids, mut seen, mut gaps) = (Vec::new(), Vec::new(), 0);
            for _ in 0..3 {
                let instance = sequence.start(&StartOptions::new()).unwrap();
                ids.push(instance.id().to_string());
                // Reads until the first line about the new instance, past all older lines.
                loop {
                    let line = match log.next().expect("a log without an end").unwrap() {
                        Followed::Gap(_) => {
                            gaps += 1;
                            continue;
                        }
                        Followed::Item(line) => format!("{line:?}"),
                    };
                    let about = ids.iter().position(|id| line.contains(id));
                    seen.extend(about.map(|_| line));
                    if about == Some(ids.len() - 1) {
                        break;
                    }
                }
                link.close_connections();
            }
            assert!(gaps >= 2, "{url}: {gaps} gaps");
            let mut once = seen.clone();
            once.sort();
            once.dedup();
            assert_eq!(once.len(), seen.len(), "{url}");
        });
    });
}

#[test]
fn follow_log_of_an_instance_reconnects_after_its_link_died_silently() {
    within("following", || {
        in_parallel(hubs(), |(url, _hub)| {
            let direct = HostClient::new(&url).unwrap();
            let (sequence, link) = (Uploaded::sample(&direct, "events"), Link::to(&url));
            let instance = sequence.start(&StartOptions::new()).unwrap();
            let host = HostClient::new(link.url()).unwrap();
            let begin = Instant::now();
            let following = host.instance(instance.id()).unwrap();
            let (sender, receiver) = channel();
            thread::spawn(move || {
                for item in following.follow_log().unwrap() {
                    let is_gap = matches!(item.unwrap(), Followed::Gap(_));
                    // The test may be over.
                    let _ = sender.send(is_gap);
                }
            });
            assert!(!receiver.recv().unwrap(), "{url}: the first item is a gap");
            link.freeze_all();
            let before = link.connections();
            // Two connections each for the initial attempt and the reconnect: the instance info and
            // the stream.
            until("the client reconnects", || link.connections() > before + 3);
            let noticed = begin.elapsed();
            assert!(
                receiver.try_iter().all(|is_gap| !is_gap),
                "{url}: a gap was reported before it ended"
            );
            link.unfreeze();
            until("following continues", || {
                receiver.try_iter().any(|is_gap| is_gap)
            });
            println!(
                "{url}: noticed after {noticed:?}, over after {:?}",
                begin.elapsed()
            );
            drop(sequence);
        });
    });
}

#[test]
fn next_event_reconnects_after_its_link_died_silently() {
    within("waiting", || {
        in_parallel(hubs(), |(url, _hub)| {
            let direct = HostClient::new(&url).unwrap();
            let (sequence, link) = (Uploaded::sample(&direct, "events"), Link::to(&url));
            let instance = sequence.start(&StartOptions::new()).unwrap();
            instance.wait_event("ready").unwrap();
            let waiting = HostClient::new(link.url()).unwrap();
            let waiting = waiting.instance(instance.id()).unwrap();
            let begin = Instant::now();
            let opened = AtomicBool::new(false);
            let trigger = || {
                if !opened.load(Ordering::SeqCst) && link.connections() >= 2 {
                    link.freeze();
                    opened.store(true, Ordering::SeqCst);
                } else if opened.load(Ordering::SeqCst) {
                    instance.send_event("ping", "x").unwrap();
                }
            };
            let event = wait_while_triggering(trigger, move || waiting.next_event("pong")).unwrap();
            assert_eq!(event.data, "x", "{url}");
            println!("{url}: after {:?}", begin.elapsed());
        });
    });
}

#[test]
#[cfg(target_os = "linux")]
fn tcp_keep_alive_sets_the_timer_of_the_socket_unless_it_is_none() {
    let server = || {
        ScriptedServer::start(|connection| {
            let _ = connection.read_request();
            let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
            let _ = connection.send(head);
            // Stays open until the client disconnects.
            let _ = connection.read_head();
        })
    };
    let timer = |set: fn(HostClientBuilder) -> HostClientBuilder| {
        let server = server();
        let host = set(HostClient::builder(server.url()).hub_version("1.0.1"))
            .build()
            .unwrap();
        let stream = host.instance("i").unwrap().event_stream("e").unwrap();
        let connections = connections_to(&server.url());
        drop(stream);
        connections.iter().find_map(|open| open.keep_alive)
    };
    let (default, long) = (Duration::from_secs(15), Duration::from_secs(90));
    let by_default = timer(|builder| builder).expect("a timer");
    assert!(by_default <= default, "{by_default:?}");
    let set = timer(|builder| builder.tcp_keep_alive(Duration::from_secs(90))).expect("a timer");
    assert!(set > default && set <= long, "{set:?}");
    assert_eq!(timer(|builder| builder.tcp_keep_alive(None)), None);
}

#[test]
fn spawn_does_not_count_a_404_of_a_gateway_as_an_ended_stream() {
    within("spawning", || {
        for (generation, page) in pages() {
            let hub = fake_hub(generation);
            let sequence = hub
                .client()
                .send_sequence(package::sequence("events"))
                .unwrap();
            hub.fault(Fault::refuse(404, page).on("GET", "instance/*/stdout"));
            let spawned = sequence.spawn(&StartOptions::new());
            assert!(
                spawned.map_or(true, |child| child.stdout.is_some()),
                "{generation:?}, {page:?}"
            );
        }
    });
}
