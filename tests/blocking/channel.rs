//! Channels to one instance: `ask`, `send` and `receive`.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use scramjet_client_blocking::patterns::Map;
use scramjet_client_blocking::{
    CancelToken, Channel, Error, ErrorKind, HostClient, Input, InstanceClient, InstancePool,
    MapOptions, PoolOptions, Readiness, SequenceClient, StartOptions,
};
use scramjet_client_testing::fake_hub::{FakeHub, Generation};
use scramjet_client_tests::link::Link;
use scramjet_client_tests::{on_each_hub, programs};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::helpers::{in_parallel, until};
use crate::samples::{Uploaded, running};

/// Upper bound for each step. Hubs of 1.x keep streams open for 195 seconds after a failure.
const LIMIT: Duration = Duration::from_secs(20);

/// A request to the sequence `answers`.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Job {
    pub(crate) n: usize,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(crate) act: &'static str,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Answer {
    pub(crate) n: usize,
    pub(crate) by: Value,
}

pub(crate) fn job(n: usize) -> Job {
    Job { n, act: "" }
}

pub(crate) fn job_with(n: usize, act: &'static str) -> Job {
    Job { n, act }
}

/// Starts an instance of `answers` and waits until it reads its input.
fn start_ready(sequence: &SequenceClient, options: &StartOptions) -> InstanceClient {
    let readiness = Readiness::event("ready");
    sequence
        .start_and_wait(options, &readiness)
        .unwrap()
        .instance
}

pub(crate) fn channel(instance: &InstanceClient) -> Channel<Job, Answer> {
    instance.json_channel().unwrap()
}

/// Sends a request for each number, and returns the numbers in the answers.
pub(crate) fn ask_all(channel: &mut Channel<Job, Answer>, numbers: &[usize]) -> Vec<usize> {
    let ask = |n: &usize| channel.ask(&job(*n)).unwrap().n;
    numbers.iter().map(ask).collect()
}

pub(crate) fn assert_in_time(begin: Instant) {
    assert!(begin.elapsed() < LIMIT, "it took {:?}", begin.elapsed());
}

on_each_hub!(ask_returns_the_answer_and_a_second_channel_can_be_opened);
fn ask_returns_the_answer_and_a_second_channel_can_be_opened(host: HostClient) {
    let sequence = Uploaded::sample(&host, "answers");
    let instance = start_ready(&sequence, &StartOptions::new().arg("me"));
    let mut first = channel(&instance);
    for act in ["", "blank", "split"] {
        let answer = first.ask(&job_with(1, act)).unwrap();
        assert_eq!((answer.n, &answer.by), (1, &json!("me")), "{act}");
    }
    assert_eq!(first.in_flight(), 0);
    first.finish().unwrap();

    let mut second = channel(&instance);
    assert_eq!(ask_all(&mut second, &[2]), [2]);
    // A channel sends empty input like this if its first answer takes long.
    instance
        .send_input(Input::ndjson(Vec::new()).end(false))
        .unwrap();
    assert_eq!(ask_all(&mut second, &[3]), [3]);
    drop(second);
    let mut third = channel(&instance);
    assert_eq!(ask_all(&mut third, &[4]), [4]);
    third.finish().unwrap();
    // None of the channels has ended the input.
    let mut output = instance.output().unwrap();
    instance.send_input(Input::ndjson(Vec::new())).unwrap();
    assert_eq!(output.read_to_end(&mut Vec::new()).unwrap(), 0);
}

on_each_hub!(line_channel_ask_sends_and_returns_lines);
fn line_channel_ask_sends_and_returns_lines(host: HostClient) {
    let (_sequence, instance) = running(&host, "shout");
    let mut channel = instance.line_channel().unwrap();
    for (line, answer) in [
        ("one", "ONE"),
        ("", ""),
        ("źdźbło, \"two\"", "ŹDŹBŁO, \"TWO\""),
    ] {
        assert_eq!(channel.ask(line).unwrap(), answer);
    }
    channel.finish().unwrap();
}

on_each_hub!(send_and_receive_keep_the_order_of_many_requests);
fn send_and_receive_keep_the_order_of_many_requests(host: HostClient) {
    let (_sequence, instance) = running(&host, "answers");
    let mut channel = channel(&instance);
    for n in 0..300 {
        channel.send(&job(n)).unwrap();
    }
    assert_eq!(channel.in_flight(), 300);
    let error = channel.ask(&job(0)).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Request(_)), "{error:?}");
    for n in 0..300 {
        assert_eq!(channel.receive().unwrap().n, n);
    }
    channel.finish().unwrap();
}

on_each_hub!(ask_rejects_null_and_line_breaks_before_sending);
fn ask_rejects_null_and_line_breaks_before_sending(host: HostClient) {
    let (_sequence, instance) = running(&host, "answers");
    let mut channel = instance.json_channel::<Value, Answer>().unwrap();
    let error = channel.ask(&Value::Null).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Request(_)), "{error:?}");
    let error = channel.receive().unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Request(_)), "{error:?}");
    assert_eq!(channel.ask(&json!({ "n": 1 })).unwrap().n, 1);
    channel.finish().unwrap();

    let (_sequence, instance) = running(&host, "shout");
    let mut channel = instance.line_channel().unwrap();
    for line in ["two\nlines", "one\n", "one\r"] {
        let error = channel.ask(line).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Request(_)), "{error:?}");
    }
    assert_eq!(channel.ask("one").unwrap(), "ONE");
    channel.finish().unwrap();
}

on_each_hub!(ask_and_map_return_a_decode_error_only_for_that_request);
fn ask_and_map_return_a_decode_error_only_for_that_request(host: HostClient) {
    let (_sequence, instance) = running(&host, "answers");
    let mut channel = channel(&instance);
    let error = channel.ask(&job_with(1, "garbage")).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Reply(_)), "{error:?}");
    assert!(error.to_string().contains("oops"), "{error}");
    assert_eq!(ask_all(&mut channel, &[2]), [2]);
    let error = channel.ask(&job_with(3, "big")).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Reply(_)), "{error:?}");
    assert_eq!(ask_all(&mut channel, &[4]), [4]);
    channel.finish().unwrap();

    // `map` behaves the same. It has no other instance to retry on.
    let sequence = Uploaded::sample(&host, "answers");
    let pool = pool(&sequence, PoolOptions::new(1));
    let acts = ["", "garbage", "big", ""];
    let jobs = acts
        .into_iter()
        .enumerate()
        .map(|(n, act)| job_with(n, act));
    let answers = results(map(&pool, jobs, MapOptions::new()));
    let failed = answers.iter().map(|answer| match answer {
        Ok(_) => false,
        Err(error) => matches!(error.kind(), ErrorKind::Reply(_)),
    });
    assert_eq!(failed.collect::<Vec<_>>(), [false, true, true, false]);
    assert!(answers[0].is_ok() && answers[3].is_ok(), "{answers:?}");
}

on_each_hub!(ask_fails_when_the_instance_dies);
fn ask_fails_when_the_instance_dies(host: HostClient) {
    let sequence = Uploaded::sample(&host, "answers");
    in_parallel(["die", "exit", "half", "end"], |act| {
        let instance = start_ready(&sequence, &StartOptions::new());
        let mut channel = channel(&instance);
        assert_eq!(ask_all(&mut channel, &[1]), [1]);
        channel.send(&job_with(2, act)).unwrap();
        channel.send(&job(3)).unwrap();
        if act == "end" {
            assert_eq!(channel.receive().unwrap().n, 2);
        }
        let begin = Instant::now();
        let error = channel.receive().unwrap_err();
        println!("{act}: {:?}, {error}", begin.elapsed());
        assert_in_time(begin);
        assert!(error.ended().is_some(), "{act}: {error:?}");
        // Later calls fail at once.
        for error in [
            channel.ask(&job(4)).unwrap_err(),
            channel.receive().unwrap_err(),
        ] {
            assert!(error.ended().is_some() || matches!(error.kind(), ErrorKind::Request(_)));
        }
        let error = channel.finish().unwrap_err();
        assert!(error.ended().is_some(), "{act}: {error:?}");
    });
}

on_each_hub!(ask_is_an_error_if_the_instance_takes_no_input);
fn ask_is_an_error_if_the_instance_takes_no_input(host: HostClient) {
    let error = host.instance("nobody").unwrap().line_channel().unwrap_err();
    assert!(error.is_not_found(), "{error:?}");

    // The input of this instance is a topic.
    let (_sequence, instance) = running(&host, "topic-input");
    let answer = instance
        .line_channel()
        .and_then(|mut refused| refused.ask("one"));
    let error = answer.unwrap_err();
    assert!(error.api().is_some(), "{error:?}");

    // The input of this instance has ended.
    let sequence = Uploaded::sample(&host, "answers");
    let instance = start_ready(&sequence, &StartOptions::new());
    instance.send_input(Input::ndjson(Vec::new())).unwrap();
    let answer = instance
        .json_channel::<Job, Answer>()
        .and_then(|mut ended| ended.ask(&job(1)));
    let error = answer.unwrap_err();
    let input_ended = matches!(error.kind(), ErrorKind::InputEnded);
    assert!(
        input_ended || error.ended().is_some() || error.is_not_found(),
        "{error:?}"
    );
}

on_each_hub!(ask_fails_if_the_instance_sent_an_extra_line);
fn ask_fails_if_the_instance_sent_an_extra_line(host: HostClient) {
    let sequence = Uploaded::sample(&host, "answers");
    let out_of_step = |channel: &mut Channel<Job, Answer>| {
        let error = channel.ask(&job(2)).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::OutOfStep(_)), "{error:?}");
        let again = channel.send(&job(3)).unwrap_err();
        assert_eq!(again.to_string(), error.to_string());
    };

    let instance = start_ready(&sequence, &StartOptions::new());
    let mut twice = channel(&instance);
    assert_eq!(twice.ask(&job_with(1, "twice")).unwrap().n, 1);
    out_of_step(&mut twice);
    assert!(twice.finish().is_err());
}

on_each_hub!(ask_before_the_instance_reads_its_input_returns_the_right_answers);
fn ask_before_the_instance_reads_its_input_returns_the_right_answers(host: HostClient) {
    let sequence = Uploaded::sample(&host, "answers");
    let instance = sequence.start(&StartOptions::new()).unwrap();
    let mut first = channel(&instance);
    first.send(&job(1)).unwrap();
    first.send(&job(2)).unwrap();
    assert_eq!([(); 2].map(|()| first.receive().unwrap().n), [1, 2]);
    first.finish().unwrap();
    assert_eq!(ask_all(&mut channel(&instance), &[3, 4]), [3, 4]);

    // `map` starts its jobs before the instances read their input, too.
    let options = PoolOptions::new(2);
    let pool = options
        .start([sequence.clone()], |_| StartOptions::new())
        .unwrap();
    let answers = results(map(&pool, (0..10).map(job), MapOptions::new().pipelined(2)));
    for (index, answer) in answers.into_iter().enumerate() {
        assert_eq!(answer.unwrap().n, index);
    }
}

/// This fake hub takes as long as a real one, so there is more time before the instance reads.
#[test]
fn ask_returns_the_right_answers_if_the_hub_delivers_early_input_twice() {
    let hub = FakeHub::new(Generation::V0_18);
    programs::serve(&hub);
    ask_before_the_instance_reads_its_input_returns_the_right_answers(hub.client());
}

on_each_hub!(ask_fails_if_the_instance_sent_a_line_before_the_first_request);
fn ask_fails_if_the_instance_sent_a_line_before_the_first_request(host: HostClient) {
    let sequence = Uploaded::sample(&host, "answers");
    let options = StartOptions::new().app_config(json!({ "greets": true }));
    let instance = start_ready(&sequence, &options);
    let mut greeted = channel(&instance);
    until("the client reads the greeting", || greeted.is_broken());
    let error = greeted.ask(&job(1)).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::OutOfStep(_)), "{error:?}");
}

on_each_hub!(ask_respects_the_idle_timeout_deadline_and_token_of_the_handle);
fn ask_respects_the_idle_timeout_deadline_and_token_of_the_handle(host: HostClient) {
    let (_sequence, instance) = running(&host, "answers");
    let begin = Instant::now();
    let limited = instance.with_idle_timeout(Duration::from_millis(300));
    match limited.json_channel::<Job, Answer>() {
        Ok(mut silent) => {
            // The idle timeout does not apply while no request is pending.
            thread::sleep(Duration::from_millis(400));
            assert!(!silent.is_broken());
            let error = silent.ask(&job_with(1, "nothing")).unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::Idle { .. }), "{error:?}");
            let error = silent.receive().unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::OutOfStep(_)), "{error:?}");
        }
        // Opening the channel already took longer than the timeout.
        Err(error) => assert!(error.is_timeout(), "{error:?}"),
    }

    let limited = instance.with_deadline(Duration::from_millis(300));
    let opened = limited.json_channel::<Job, Answer>();
    let error = opened
        .and_then(|mut late| late.ask(&job_with(1, "nothing")))
        .unwrap_err();
    assert!(
        matches!(error.kind(), ErrorKind::Deadline { .. }),
        "{error:?}"
    );

    let token = CancelToken::new();
    let mut cancelled = channel(&instance.with_cancel(&token));
    cancelled.send(&job_with(1, "nothing")).unwrap();
    token.cancel();
    let error = cancelled.receive().unwrap_err();
    assert!(error.is_cancelled(), "{error:?}");
    assert_in_time(begin);
}

/// Starts instances of `answers`. Each has its index as its argument.
pub(crate) fn pool(sequence: &SequenceClient, options: PoolOptions) -> InstancePool {
    let options = options.readiness(Readiness::event("ready"));
    options
        .start([sequence.clone()], |place| StartOptions::new().arg(place))
        .unwrap()
}

/// Returns the results sorted by job number, and checks that each number occurs once.
pub(crate) fn results<R>(map: Map<R>) -> Vec<Result<R, Error>> {
    let mut results = BTreeMap::new();
    for (index, result) in map {
        assert!(
            results.insert(index, result).is_none(),
            "job {index} has two results"
        );
    }
    let count = results.len();
    assert_eq!(results.keys().next_back().map_or(0, |last| last + 1), count);
    results.into_values().collect()
}

pub(crate) fn map(
    pool: &InstancePool,
    jobs: impl IntoIterator<Item = Job, IntoIter: Send + 'static>,
    options: MapOptions,
) -> Map<Answer> {
    pool.map(jobs, options).unwrap()
}

on_each_hub!(ask_fails_when_the_connection_is_lost);
fn ask_fails_when_the_connection_is_lost(host: HostClient) {
    let sequence = Uploaded::sample(&host, "answers");
    let link = Link::to(host.base_url());
    let linked = HostClient::new(link.url()).unwrap();
    let instance = start_ready(&sequence, &StartOptions::new());
    let mut channel = channel(&linked.instance(instance.id()).unwrap());
    assert_eq!(ask_all(&mut channel, &[1]), [1]);
    channel.send(&job_with(2, "nothing")).unwrap();
    link.close_connections();
    let error = channel.receive().unwrap_err();
    assert!(
        matches!(error.kind(), ErrorKind::Transport(_) | ErrorKind::Reply(_)),
        "{error:?}"
    );
    let error = channel.receive().unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::OutOfStep(_)), "{error:?}");

    // A pool replaces the instance.
    let linked = linked.sequence(sequence.id()).unwrap();
    let pool = pool(&linked, PoolOptions::new(1).replace(true));
    let first = pool.checkout().unwrap().id().clone();
    let (send, jobs) = mpsc::channel();
    let mut map = map(&pool, jobs, MapOptions::new());
    send.send(job(0)).unwrap();
    assert_eq!(map.next().unwrap().1.unwrap().n, 0);
    link.close_connections();
    send.send(job(1)).unwrap();
    assert_eq!(map.next().unwrap().1.unwrap().n, 1);
    assert_ne!(*pool.instances().next().unwrap().id(), first);
    drop(send);
    assert!(map.next().is_none());
}
