//! Channels to one instance, `checkout` of pool instances, and `map` over a pool.

use crate::helpers::{GENERATIONS, in_parallel, until};
use std::collections::BTreeMap;
use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use scramjet_client_blocking::patterns::{Map, MapProgress};
use scramjet_client_blocking::{
    CancelToken, Channel, Error, ErrorKind, HostClient, Input, InstanceClient, InstancePool,
    MapOptions, PoolOptions, Readiness, SequenceClient, StartOptions,
};
use scramjet_client_testing::fake_hub::{FakeHub, Generation};
use scramjet_client_tests::link::Link;
use scramjet_client_tests::on_each_hub;
use scramjet_client_tests::package;
use scramjet_client_tests::programs::{self, fake_hub};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::live::{Uploaded, running};
use crate::stub_hub::until_gone;

/// Upper bound for each step. Hubs of 1.x keep streams open for 195 seconds after a failure.
const LIMIT: Duration = Duration::from_secs(20);

/// A request to the sequence `answers`.
#[derive(Clone, Debug, Serialize)]
struct Job {
    n: usize,
    #[serde(skip_serializing_if = "str::is_empty")]
    act: &'static str,
}

#[derive(Debug, Deserialize)]
struct Answer {
    n: usize,
    by: Value,
}

fn job(n: usize) -> Job {
    Job { n, act: "" }
}

fn job_with(n: usize, act: &'static str) -> Job {
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

fn channel(instance: &InstanceClient) -> Channel<Job, Answer> {
    instance.json_channel().unwrap()
}

/// Sends a request for each number, and returns the numbers in the answers.
fn ask_all(channel: &mut Channel<Job, Answer>, numbers: &[usize]) -> Vec<usize> {
    let ask = |n: &usize| channel.ask(&job(*n)).unwrap().n;
    numbers.iter().map(ask).collect()
}

fn assert_in_time(begin: Instant) {
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
fn pool(sequence: &SequenceClient, options: PoolOptions) -> InstancePool {
    let options = options.readiness(Readiness::event("ready"));
    options
        .start([sequence.clone()], |place| StartOptions::new().arg(place))
        .unwrap()
}

fn is_no_instance(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::NoInstance(_))
}

on_each_hub!(checkout_returns_an_instance_to_one_caller_at_a_time);
fn checkout_returns_an_instance_to_one_caller_at_a_time(host: HostClient) {
    let sequence = Uploaded::sample(&host, "answers");
    let pool = pool(&sequence, PoolOptions::new(2));
    let first = pool.checkout().unwrap();
    let second = pool.checkout().unwrap();
    assert_ne!(first.id(), second.id());
    assert!(pool.try_checkout().is_none());
    assert!(pool.next().is_none());
    assert_eq!(pool.instances().count(), 2);

    // A waiting thread gets the instance that another one returns.
    let id = second.id().clone();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| pool.checkout().unwrap());
        drop(second);
        assert_eq!(*waiting.join().unwrap().id(), id);
    });

    // An open channel keeps its instance checked out.
    let mut open = channel(&first);
    let id = first.id().clone();
    drop(first);
    let other = pool.checkout().unwrap();
    assert!(pool.try_checkout().is_none());
    assert_eq!(ask_all(&mut open, &[1]), [1]);
    drop(open);
    assert_eq!(*pool.try_checkout().unwrap().id(), id);
    drop(other);
}

on_each_hub!(checkout_ends_when_its_token_is_cancelled);
fn checkout_ends_when_its_token_is_cancelled(host: HostClient) {
    let sequence = Uploaded::sample(&host, "answers");
    let token = CancelToken::new();
    let pool = pool(&sequence.with_cancel(&token), PoolOptions::new(1));
    let _only = pool.checkout().unwrap();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| pool.checkout().unwrap_err());
        token.cancel();
        let error = waiting.join().unwrap();
        assert!(error.is_cancelled(), "{error:?}");
    });
}

on_each_hub!(checkout_fails_at_once_if_no_instance_is_left);
fn checkout_fails_at_once_if_no_instance_is_left(host: HostClient) {
    let sequence = Uploaded::sample(&host, "answers");
    let pool = pool(&sequence, PoolOptions::new(1));
    let instance = pool.checkout().unwrap();
    let error = channel(&instance).ask(&job_with(1, "die")).unwrap_err();
    assert!(error.ended().is_some(), "{error:?}");
    thread::scope(|scope| {
        let waiting = scope.spawn(|| pool.checkout().unwrap_err());
        let error = waiting.join().unwrap();
        assert!(is_no_instance(&error), "{error:?}");
    });
}

on_each_hub!(checkout_never_returns_an_instance_with_answers_outstanding);
fn checkout_never_returns_an_instance_with_answers_outstanding(host: HostClient) {
    let sequence = Uploaded::sample(&host, "answers");
    let pool = pool(&sequence, PoolOptions::new(1).replace(true));
    for act in ["", "nothing", "die", "twice"] {
        let instance = pool.checkout().unwrap();
        let mut left = channel(&instance);
        left.send(&job_with(1, act)).unwrap();
        if act == "twice" {
            left.receive().unwrap();
        }
        let id = instance.id().clone();
        drop((left, instance));
        let begin = Instant::now();
        let next = pool.checkout().unwrap();
        println!("{act}: replaced after {:?}", begin.elapsed());
        assert_in_time(begin);
        assert_ne!(*next.id(), id, "{act}");
        let mut channel = channel(&next);
        assert_eq!(ask_all(&mut channel, &[2, 3]), [2, 3]);
        channel.finish().unwrap();
    }
}

/// Returns the results sorted by job number, and checks that each number occurs once.
fn results<R>(map: Map<R>) -> Vec<Result<R, Error>> {
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

fn map(
    pool: &InstancePool,
    jobs: impl IntoIterator<Item = Job, IntoIter: Send + 'static>,
    options: MapOptions,
) -> Map<Answer> {
    pool.map(jobs, options).unwrap()
}

on_each_hub!(map_returns_the_answer_of_each_job_once);
fn map_returns_the_answer_of_each_job_once(host: HostClient) {
    let sequence = Uploaded::sample(&host, "answers");
    let pool = pool(&sequence, PoolOptions::new(3));
    for depth in [1, 8] {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let report = {
            let seen = Arc::clone(&seen);
            move |progress: &MapProgress| seen.lock().unwrap().push(*progress)
        };
        let options = MapOptions::new().pipelined(depth).on_progress(report);
        let answers = results(map(&pool, (0..200).map(job), options));
        assert_eq!(answers.len(), 200);
        for (index, answer) in answers.into_iter().enumerate() {
            assert_eq!(answer.unwrap().n, index);
        }
        let seen = seen.lock().unwrap();
        let finished: Vec<_> = seen.iter().map(|progress| progress.finished).collect();
        assert_eq!(finished, (1..=200).collect::<Vec<_>>());
        assert!(
            seen.iter()
                .all(|progress| progress.failed == 0 && progress.total == Some(200))
        );

        let options = MapOptions::new().pipelined(depth).in_order(true);
        for (expected, (index, answer)) in map(&pool, (0..200).map(job), options).enumerate() {
            assert_eq!((index, answer.unwrap().n), (expected, expected));
        }
    }
    assert!(results(map(&pool, [], MapOptions::new())).is_empty());
    // All instances are still there, and none is checked out.
    let free: Vec<_> = (0..3).map(|_| pool.checkout().unwrap()).collect();
    drop(free);
}

on_each_hub!(map_lines_sends_and_returns_lines);
fn map_lines_sends_and_returns_lines(host: HostClient) {
    let sequence = Uploaded::sample(&host, "shout");
    let options = PoolOptions::new(2).readiness(Readiness::event("ready"));
    let pool = options
        .start([sequence.clone()], |_| StartOptions::new())
        .unwrap();
    let jobs = ["one", "two\nlines", "three"];
    let map = pool.map_lines(jobs, MapOptions::new().in_order(true));
    let answers: Vec<_> = map.unwrap().map(|(_, answer)| answer).collect();
    assert_eq!(answers[0].as_ref().unwrap(), "ONE");
    let error = answers[1].as_ref().unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Request(_)), "{error:?}");
    assert_eq!(answers[2].as_ref().unwrap(), "THREE");
}

on_each_hub!(map_fails_a_job_that_kills_instances_after_max_attempts);
fn map_fails_a_job_that_kills_instances_after_max_attempts(host: HostClient) {
    let sequence = Uploaded::sample(&host, "answers");
    let pool = pool(&sequence, PoolOptions::new(2).replace(true));
    for (act, depth, attempts) in [("die", 1, 1), ("exit", 4, 2)] {
        let begin = Instant::now();
        let jobs = (0..30).map(move |n| job_with(n, if n == 3 { act } else { "" }));
        let options = MapOptions::new().pipelined(depth).max_attempts(attempts);
        let answers = results(map(&pool, jobs, options));
        assert_eq!(answers.len(), 30);
        for (index, answer) in answers.into_iter().enumerate() {
            match answer {
                Ok(answer) => assert_eq!(answer.n, index),
                Err(error) => {
                    assert_eq!(index, 3, "{error:?}");
                    assert!(error.ended().is_some(), "{error:?}");
                    let tried = error.attempts().len().max(1);
                    assert_eq!(tried, attempts, "{error:?}");
                }
            }
        }
        println!(
            "{act}, {depth} at a time, {attempts} attempts: {:?}",
            begin.elapsed()
        );
        assert_in_time(begin);
    }
    drop(pool);
    until_gone(&sequence);
}

on_each_hub!(map_fails_each_job_if_no_instance_is_left);
fn map_fails_each_job_if_no_instance_is_left(host: HostClient) {
    let sequence = Uploaded::sample(&host, "answers");
    let pool = pool(&sequence, PoolOptions::new(2));
    let jobs = (0..50).map(|n| job_with(n, if n < 10 { "" } else { "exit" }));
    let answers = results(map(&pool, jobs, MapOptions::new()));
    assert_eq!(answers.len(), 50);
    let (done, failed) = answers.split_at(10);
    assert!(done.iter().all(Result::is_ok), "{done:?}");
    let errors: Vec<_> = failed
        .iter()
        .map(|answer| answer.as_ref().unwrap_err())
        .collect();
    for error in &errors {
        let last = error.attempts().last().unwrap_or(error);
        assert!(is_no_instance(last) || error.ended().is_some(), "{error:?}");
    }
    assert!(errors.iter().filter(|error| is_no_instance(error)).count() >= 40 - 4);
    assert!(is_no_instance(&pool.checkout().unwrap_err()));
}

#[test]
fn checkout_and_map_report_why_no_instance_can_be_started() {
    in_parallel(GENERATIONS, |generation| {
        let hub = fake_hub(generation);
        let sequence = Uploaded::sample(&hub.client(), "answers");
        let pool = pool(&sequence, PoolOptions::new(2).replace(true));
        hub.set_overloaded(true);
        let answers = results(map(
            &pool,
            (0..20).map(|n| job_with(n, "exit")),
            MapOptions::new(),
        ));
        assert_eq!(answers.len(), 20);
        let errors: Vec<_> = answers.into_iter().map(Result::unwrap_err).collect();
        for error in errors.iter().filter(|error| is_no_instance(error)) {
            assert!(error.is_overloaded(), "{error:?}");
        }
        assert!(errors.iter().filter(|error| is_no_instance(error)).count() >= 20 - 4);
        let error = pool.checkout().unwrap_err();
        assert!(is_no_instance(&error) && error.is_overloaded(), "{error:?}");

        // The pool keeps retrying, so it recovers.
        hub.set_overloaded(false);
        hub.wait_until("the pool replaces its instances", |hub| {
            hub.running().len() == 2
        });
        let answers = results(map(&pool, (0..20).map(job), MapOptions::new()));
        assert!(answers.iter().all(Result::is_ok), "{answers:?}");
        drop(pool);
    });
}

#[test]
fn map_retries_a_job_without_an_answer_on_another_instance() {
    in_parallel(GENERATIONS, |generation| {
        let hub = fake_hub(generation);
        let sequence = Uploaded::sample(&hub.client(), "answers");
        let hasty = sequence.with_idle_timeout(Duration::from_secs(1));
        let pool = pool(&hasty, PoolOptions::new(2));
        let [silent, other] = [(); 2].map(|()| pool.checkout().unwrap());
        let attempt = |attempts| {
            let job = json!({ "n": 1, "act": "nothing", "at": 0 });
            let options = MapOptions::new().max_attempts(attempts);
            pool.map::<Value, Answer>([job], options).unwrap()
        };
        assert_eq!(*silent.id(), *pool.instances().next().unwrap().id());
        drop(silent);
        let map = attempt(2);
        hub.wait_until("the pool skips the silent instance", |_| {
            pool.instances().count() == 1
        });
        drop(other);
        let answers = results(map);
        assert_eq!(answers[0].as_ref().unwrap().by, 1);
    });
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

#[test]
fn map_ends_when_the_hub_is_gone() {
    in_parallel(GENERATIONS, |generation| {
        let hub = fake_hub(generation);
        let link = Link::to(&hub.url());
        let host = HostClient::builder(link.url()).retry(None).build().unwrap();
        let sequence = host.send_sequence(package::sequence("answers")).unwrap();
        let pool = pool(&sequence, PoolOptions::new(2).replace(true));
        let begin = Instant::now();
        let (send, jobs) = mpsc::channel();
        let mut map = map(&pool, jobs, MapOptions::new());
        send.send(job(0)).unwrap();
        assert_eq!(map.next().unwrap().1.unwrap().n, 0);
        drop(link);
        (1..40).for_each(|n| send.send(job(n)).unwrap());
        drop(send);
        let errors: Vec<_> = map.map(|(_, answer)| answer.unwrap_err()).collect();
        assert_eq!(errors.len(), 39);
        let without = |error: &&Error| is_no_instance(error.attempts().last().unwrap_or(error));
        let without: Vec<_> = errors.iter().filter(without).collect();
        assert!(without.len() >= 39 - 4, "{errors:?}");
        let has_cause = |error: &Error| matches!(error.kind(), ErrorKind::NoInstance(Some(_)));
        let last = |error: &Error| has_cause(error.attempts().last().unwrap_or(error));
        assert!(without.iter().all(|error| last(error)), "{errors:?}");
        println!("{:?}: {}", begin.elapsed(), errors[38]);
        drop(pool);
        assert_in_time(begin);
    });
}

on_each_hub!(map_does_not_wait_for_an_iterator_that_blocks);
fn map_does_not_wait_for_an_iterator_that_blocks(host: HostClient) {
    let sequence = Uploaded::sample(&host, "answers");
    let token = CancelToken::new();
    let pool = pool(&sequence.with_cancel(&token), PoolOptions::new(2));
    let (send, jobs) = mpsc::channel();
    let mut map = map(&pool, jobs, MapOptions::new().pipelined(4));
    for round in 0..3 {
        (0..3).for_each(|n| send.send(job(n)).unwrap());
        let mut answers: Vec<_> = map.by_ref().take(3).map(|(index, _)| index).collect();
        answers.sort_unstable();
        assert_eq!(answers, [3 * round, 3 * round + 1, 3 * round + 2]);
    }
    // A cancelled token ends the map as well, although the iterator still blocks.
    token.cancel();
    let (index, result) = map.next().unwrap();
    assert_eq!(index, 9);
    assert!(result.unwrap_err().is_cancelled());
    assert!(map.next().is_none());
    drop(send);
}

on_each_hub!(map_takes_no_more_jobs_than_it_needs);
fn map_takes_no_more_jobs_than_it_needs(host: HostClient) {
    let sequence = Uploaded::sample(&host, "answers");
    let token = CancelToken::new();
    let pool = pool(
        &sequence.with_cancel(&token),
        PoolOptions::new(2).replace(true),
    );
    for in_order in [false, true] {
        let taken = Arc::new(AtomicUsize::new(0));
        let jobs = {
            let taken = Arc::clone(&taken);
            (0..).map(move |n| {
                taken.fetch_add(1, Ordering::SeqCst);
                job(n)
            })
        };
        let mut map = map(
            &pool,
            jobs,
            MapOptions::new().pipelined(3).in_order(in_order),
        );
        assert_eq!(
            map.by_ref()
                .take(50)
                .filter(|(_, answer)| answer.is_ok())
                .count(),
            50
        );
        assert!(taken.load(Ordering::SeqCst) <= 50 + 2 * 3 * 4);
        drop(map);
    }
    // Every job that was taken has a result, also after the token is cancelled.
    let mut endless = map(&pool, (0..).map(job), MapOptions::new());
    let mut seen: Vec<_> = endless.by_ref().take(10).map(|(index, _)| index).collect();
    token.cancel();
    let mut last = None;
    for (index, answer) in endless {
        seen.push(index);
        last = Some(answer);
    }
    seen.sort_unstable();
    assert_eq!(seen, (0..seen.len()).collect::<Vec<_>>());
    assert!(last.unwrap().unwrap_err().is_cancelled());
    assert!(seen.len() <= 10 + 2 * 4 + 2, "{} were taken", seen.len());
}

/// Reads results until one panics, and returns the message of the panic.
fn panic_message<R>(mut map: Map<R>) -> String {
    let next = || {
        map.by_ref()
            .map(|(_, result)| assert!(result.is_ok()))
            .count()
    };
    let panic = catch_unwind(AssertUnwindSafe(next)).unwrap_err();
    assert!(map.next().is_none());
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.unwrap_or_default()
}

/// A type that panics in `deserialize`.
#[derive(Debug)]
struct PanicsOnDecode;

impl<'de> Deserialize<'de> for PanicsOnDecode {
    fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        panic!("it cannot be decoded")
    }
}

on_each_hub!(map_propagates_panics_of_the_callers_code);
fn map_propagates_panics_of_the_callers_code(host: HostClient) {
    let sequence = Uploaded::sample(&host, "answers");
    let pool = pool(&sequence, PoolOptions::new(2).replace(true));
    let finished = Arc::new(AtomicUsize::new(0));
    let options = || {
        let finished = Arc::clone(&finished);
        MapOptions::new().on_progress(move |progress| {
            finished.store(progress.finished, Ordering::SeqCst);
        })
    };

    let jobs = (0..).map(|n| {
        if n == 7 {
            panic!("no such job")
        } else {
            job(n)
        }
    });
    let text = panic_message(map(&pool, jobs, options()));
    assert!(text.contains("no such job"), "{text}");
    assert_eq!(finished.load(Ordering::SeqCst), 7);

    let decoding = pool
        .map::<_, PanicsOnDecode>((0..20).map(job), options())
        .unwrap();
    let text = panic_message(decoding);
    assert!(text.contains("it cannot be decoded"), "{text}");

    let reporting = MapOptions::new().on_progress(|_| panic!("the callback panics"));
    let text = panic_message(map(&pool, (0..20).map(job), reporting));
    assert!(text.contains("the callback panics"), "{text}");

    // The pool still works.
    let answers = results(map(&pool, (0..20).map(job), options()));
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
}

on_each_hub!(dropping_a_map_cancels_the_jobs_in_progress);
fn dropping_a_map_cancels_the_jobs_in_progress(host: HostClient) {
    let sequence = Uploaded::sample(&host, "answers");
    let pool = pool(&sequence, PoolOptions::new(2).replace(true));
    // The instances answer the first two jobs only.
    let jobs = (0..).map(|n| job_with(n, if n < 2 { "" } else { "nothing" }));
    let mut left = map(&pool, jobs, MapOptions::new().pipelined(2));
    assert!(left.next().unwrap().1.is_ok());
    drop(left);
    for n in 10..20 {
        let instance = pool.checkout().unwrap();
        assert_eq!(ask_all(&mut channel(&instance), &[n]), [n]);
    }
}
